//! A balancer that is its own backend, by another name or by way of another proxy.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use lb::backends::Name;
use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketType, bind, socket, sockopt};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;
use support::{Client, Lb, LbProgram, Origin, PATIENCE, Setup, eventually};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A balancer over these backends, with checks often.
fn lb_over(backends: Vec<Name>, change: impl FnOnce(&mut Setup)) -> Lb {
    Lb::with(&[], |config| {
        config.backends = backends;
        config.health.interval = Duration::from_millis(300);
        config.health.timeout = Some(PATIENCE);
        change(config);
    })
}

fn hello() -> Origin {
    Origin::answering(HELLO)
}

fn reason(lb: &Lb, index: usize) -> String {
    lb.status().groups[0].backends[index].reason.clone()
}

fn is_up(lb: &Lb, index: usize) -> bool {
    lb.status().groups[0].backends[index].is_up
}

#[test]
fn a_balancer_that_is_its_own_backend_finds_out_by_any_name() {
    let other = hello();
    // It is reached by an address that it does not know for its own.
    let (port, _taken) = reserved_port();
    let itself = Name {
        host: "127.0.0.77".into(),
        port,
    };
    let lb = lb_over(vec![itself, support::name_of(&other.address)], |config| {
        (config.address, config.port) = (None, port);
        config.ready_path = Some("/".into());
    });
    eventually("it is found", || {
        reason(&lb, 0) == "this is the balancer itself"
    });
    assert!(!is_up(&lb, 0) && is_up(&lb, 1));
    let mut client = Client::to(SocketAddr::from(([127, 0, 0, 1], port)));
    assert!((0..10).all(|_| client.get("/x").text() == "hello"));
}

/// A port that nobody gets but a server that asks for it: it is taken, and may be shared as long
/// as one of both does not listen.
fn reserved_port() -> (u16, OwnedFd) {
    let taken = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_reuseaddr(&taken, true).unwrap();
    bind(&taken, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let taken = TcpListener::from(taken);
    let port = taken.local_addr().unwrap().port();
    (port, taken.into())
}

/// A proxy that passes every request on to this port, as it is.
fn relay_to(port: u16) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut client = Client::on(stream);
            let head = client.read_until(b"\r\n\r\n");
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
                let answer = Client::on(stream).send(head).read_to_end();
                client.send(answer);
            }
        }
    });
    address
}

#[test]
fn a_check_that_comes_back_by_way_of_another_proxy_is_found_too() {
    let ((port, _taken), other) = (reserved_port(), hello());
    let names = [relay_to(port), other.address].map(|address| support::name_of(&address));
    let lb = lb_over(names.into(), |config| {
        config.port = port;
    });
    eventually("it is found", || {
        reason(&lb, 0) == "this is the balancer itself"
    });
    assert!(!is_up(&lb, 0) && is_up(&lb, 1));
}

#[test]
fn a_balancer_that_is_its_own_backend_says_so_once() {
    let ((port, _taken), other) = (reserved_port(), hello());
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args([format!("127.0.0.1:{port}"), relay_to(port).to_string()]);
    command.arg(other.address.to_string());
    command.args(["-v", "--health-interval", "100ms", "--fall", "1"]);
    let lb = LbProgram::spawn(command);
    let (mut said, mut checks) = (0, 0);
    while checks < 4 {
        let line = lb
            .errors
            .recv_timeout(PATIENCE)
            .expect("it goes on checking");
        said += usize::from(line.contains("is this balancer itself: it gets no requests"));
        checks += usize::from(line.contains("failed a check (this is the balancer itself)"));
    }
    assert_eq!(said, 1);
}

#[test]
fn a_request_with_a_token_that_is_none_of_ours_is_an_ordinary_one() {
    let origin = hello();
    let lb = lb_over(vec![support::name_of(&origin.address)], |_| {});
    let mut client = lb.client();
    let token = "0".repeat(32);
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: a\r\nLb-Check-Token: {token}\r\n\r\n"
    ));
    assert_eq!(client.response().text(), "hello");
    assert!(origin.request().contains(&token), "it is passed on");
}

/// The token in a request head.
fn token_of(head: &[u8]) -> String {
    let head = String::from_utf8_lossy(head);
    let mut lines = head.lines();
    let token = lines.find_map(|line| line.strip_prefix("Lb-Check-Token: "));
    token.expect("a token").to_string()
}

#[test]
fn a_token_says_something_of_its_own_backend_only_while_the_check_is_open() {
    let curious = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = support::name_of(&curious.local_addr().unwrap());
    let first = thread::spawn(move || {
        let mut check = Client::on(curious.accept().unwrap().0);
        let token = token_of(&check.read_until(b"\r\n\r\n"));
        check.send(HELLO);
        (curious, token)
    });
    let other = hello();
    let lb = lb_over(vec![name, support::name_of(&other.address)], |config| {
        config.health.interval = Duration::from_secs(60);
    });
    let (curious, old) = first.join().unwrap();
    let send = |token: &str| {
        let mut client = lb.client();
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: a\r\nLb-Check-Token: {token}\r\nConnection: close\r\n\r\n"
        ));
        client.response()
    };
    // The request with the old token goes to one of the two, as any other.
    let asked = thread::scope(|scope| {
        let answer = scope.spawn(|| (0..2).map(|_| send(&old).status).collect::<Vec<_>>());
        let mut request = Client::on(curious.accept().unwrap().0);
        assert_eq!(token_of(&request.read_until(b"\r\n\r\n")), old);
        request.send(HELLO);
        answer.join().unwrap()
    });
    assert_eq!(asked, [200, 200]);
    assert!(lb.backend(0).ask_for_check());
    lb.engine.shared.health.wake();
    let mut check = Client::on(curious.accept().unwrap().0);
    let token = token_of(&check.read_until(b"\r\n\r\n"));
    assert_ne!(token, old);
    let loops = send(&token);
    assert_eq!(loops.status, 508);
    assert!(
        loops.head.starts_with("HTTP/1.1 508 Loop Detected\n"),
        "{}",
        loops.head
    );
    check.send(HELLO);
    eventually("it counts", || {
        reason(&lb, 0) == "this is the balancer itself"
    });
    assert!(is_up(&lb, 1) && reason(&lb, 1) != "this is the balancer itself");
}
