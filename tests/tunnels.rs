//! After 101 the connection is a tunnel.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::thread;
use std::time::{Duration, Instant};
use support::{Client, Lb, Origin, answer_check, eventually};

const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n";
const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n";

/// Switches, then sends back what comes until the client has finished, then says goodbye.
fn echoing() -> Origin {
    Origin::scripted(|served| {
        let request = served.client.read_until(b"\r\n\r\n");
        let request = String::from_utf8(request).unwrap();
        assert!(
            request.contains("\r\nConnection: Upgrade\r\nUpgrade: chat\r\n"),
            "{request}"
        );
        served.client.send(format!("{SWITCH}welcome"));
        let mut from = served.client.stream.try_clone().unwrap();
        std::io::copy(&mut from, &mut served.client.stream).unwrap();
        served.client.send("goodbye");
    })
}

fn opened(lb: &Lb, early: &str) -> Client {
    let mut client = lb.client();
    client.send(format!("{UPGRADE}{early}"));
    let head = client.response().head;
    let is_id = |line: &&str| line.starts_with("X-Request-Id: ");
    let lines: Vec<_> = head.lines().filter(|line| !is_id(line)).collect();
    assert_eq!(
        lines.join("\n"),
        "HTTP/1.1 101 Switching Protocols\nUpgrade: chat\nConnection: Upgrade\nVia: 1.1 lb"
    );
    client
}

#[test]
fn bytes_pass_both_ways_beginning_with_those_right_behind_the_heads() {
    let origin = echoing();
    let lb = Lb::over(&[origin.address]);
    let mut client = opened(&lb, "early");
    assert_eq!(client.read_exactly(12), b"welcomeearly");
    for size in [1, 1000, 100_000, 3_000_000] {
        let sent = vec![b'x'; size];
        let mut writer = client.stream.try_clone().unwrap();
        let copy = sent.clone();
        let thread = thread::spawn(move || std::io::Write::write_all(&mut writer, &copy).unwrap());
        assert!(client.read_exactly(size) == sent);
        thread.join().unwrap();
    }
}

#[test]
fn a_half_closed_tunnel_goes_on_the_other_way() {
    let origin = echoing();
    let lb = Lb::over(&[origin.address]);
    let mut client = opened(&lb, "");
    client.send("last words");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read_to_end(), b"welcomelast wordsgoodbye");
    eventually("the session ends", || lb.status().connections.used == 0);
}

#[test]
fn a_quiet_tunnel_stays_open_until_its_timeout() {
    let origin = echoing();
    let lb = Lb::with(&[origin.address], |config| {
        config.timeouts.tunnel = Duration::from_millis(400);
        config.timeouts.keep_alive = Duration::from_millis(50);
        config.timeouts.body = Duration::from_millis(50);
    });
    let mut client = opened(&lb, "");
    client.read_exactly(7);
    for _ in 0..4 {
        // Within the timeout each time, beyond it in all.
        thread::sleep(Duration::from_millis(200));
        client.send("x");
        assert_eq!(client.read_exactly(1), b"x");
    }
    assert!(client.is_closed());
}

#[test]
fn a_refused_upgrade_is_an_ordinary_exchange() {
    let origin = Origin::answering("HTTP/1.1 426 No\r\nContent-Length: 2\r\n\r\nno");
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    for _ in 0..3 {
        client.send(UPGRADE);
        assert_eq!(client.response().text(), "no");
    }
}

#[test]
fn a_tunnel_to_a_backend_that_dies_is_closed() {
    let origin = Origin::scripted(|served| {
        served.client.read_until(b"\r\n\r\n");
        served.client.send(SWITCH);
        served.reset();
    });
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send(UPGRADE);
    client.read_to_end();
    eventually("the session ends", || lb.status().connections.used == 0);
}

#[test]
fn a_switch_to_what_was_not_offered_is_refused() {
    for upgrade in [
        "",
        "Upgrade: h2c\r\n",
        "Upgrade: chat\r\nUpgrade: h2c\r\n",
        "Upgrade: ,\r\n",
    ] {
        let origin = Origin::answering(format!("HTTP/1.1 101 Yes\r\n{upgrade}\r\nraw"));
        let lb = Lb::over(&[origin.address]);
        let mut client = lb.client();
        client.send(UPGRADE);
        assert_eq!(client.response().status, 502, "{upgrade:?}");
    }
}

/// Both ends of an open tunnel: the client's, and the backend's.
fn both_ends(lb: &Lb, backend: &TcpListener) -> (Client, Client) {
    let mut client = lb.client();
    client.send(UPGRADE);
    let mut far = Client::on(backend.accept().unwrap().0);
    far.read_until(b"\r\n\r\n");
    far.send(SWITCH);
    assert_eq!(client.response().status, 101);
    (client, far)
}

/// A balancer over a backend whose connections the test accepts itself.
fn over_listener() -> (Lb, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let copy = listener.try_clone().unwrap();
    let check = thread::spawn(move || answer_check(&copy, CHECKED));
    let lb = Lb::with(&[address], |config| {
        config.health.interval = Duration::from_secs(3600);
    });
    check.join().unwrap();
    (lb, listener)
}

const CHECKED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

fn reset(end: Client) {
    rustix::net::sockopt::set_socket_linger(&end.stream, Some(Duration::ZERO)).unwrap();
}

/// How the connection ends, after everything that came before.
fn end_of(end: &mut Client) -> Result<usize, ErrorKind> {
    let mut bytes = [0; 65536];
    loop {
        match end.stream.read(&mut bytes) {
            Ok(0) => return Ok(0),
            Ok(_) => {}
            Err(error) => return Err(error.kind()),
        }
    }
}

#[test]
fn a_reset_in_a_tunnel_is_a_reset_on_the_other_side_both_ways() {
    let (lb, listener) = over_listener();
    let (client, mut far) = both_ends(&lb, &listener);
    reset(client);
    assert_eq!(end_of(&mut far), Err(ErrorKind::ConnectionReset));
    let (mut client, far) = both_ends(&lb, &listener);
    reset(far);
    assert_eq!(end_of(&mut client), Err(ErrorKind::ConnectionReset));
    eventually("the sessions end", || lb.status().connections.used == 0);
}

#[test]
fn an_end_in_a_tunnel_is_an_end_on_the_other_side_both_ways() {
    let (lb, listener) = over_listener();
    let (mut client, mut far) = both_ends(&lb, &listener);
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(end_of(&mut far), Ok(0));
    far.send("rest");
    drop(far);
    assert_eq!(client.read_to_end(), b"rest");
    let (mut client, far) = both_ends(&lb, &listener);
    drop(far);
    assert_eq!(end_of(&mut client), Ok(0));
    drop(client);
    eventually("the sessions end", || lb.status().connections.used == 0);
}

/// What it had sent before waits for a client that does not read, so that nothing is read from
/// the backend: its reset is noticed all the same.
#[test]
fn a_reset_is_noticed_behind_bytes_that_the_other_side_does_not_read() {
    for is_backend in [true, false] {
        let (lb, listener) = over_listener();
        let (mut client, mut far) = both_ends(&lb, &listener);
        let sender = if is_backend { &mut far } else { &mut client };
        sender.stream.set_nonblocking(true).unwrap();
        let blob = vec![b'x'; 65536];
        // Until nothing was taken for a while.
        let mut last = Instant::now();
        while last.elapsed() < Duration::from_millis(300) {
            match sender.stream.write(&blob).unwrap_or(0) {
                0 => thread::sleep(Duration::from_millis(1)), // Nothing is taken now.
                _ => last = Instant::now(),
            }
        }
        let (gone, mut stays) = match is_backend {
            true => (far, client),
            false => (client, far),
        };
        reset(gone);
        eventually("the session ends", || lb.status().connections.used == 0);
        assert_eq!(end_of(&mut stays), Err(ErrorKind::ConnectionReset));
    }
}
