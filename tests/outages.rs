//! An outage that no client notices: what requests meet counts as evidence, and the balancer
//! says what it knows when none is up.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use lb::backends::AdminState;
use rustix::process::Signal;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use support::{Client, Lb, Origin, PATIENCE, Program, Response, Setup, eventually, name_of};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const BYE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbye";

/// A balancer whose backends are checked at the start and then seldom, unless something is odd.
fn seldom(backends: &[SocketAddr], change: impl FnOnce(&mut Setup)) -> Lb {
    Lb::with(backends, |config| {
        config.health.interval = Duration::from_secs(3600);
        change(config);
    })
}

/// A balancer that checks often.
fn often(backends: &[SocketAddr], change: impl FnOnce(&mut Setup)) -> Lb {
    Lb::with(backends, |config| {
        config.health.interval = Duration::from_millis(30);
        config.health.timeout = Some(Duration::from_secs(5));
        change(config);
    })
}

fn is_live(lb: &Lb, index: usize) -> bool {
    lb.status().groups[0].backends[index].is_live
}

fn reason(lb: &Lb, index: usize) -> String {
    lb.status().groups[0].backends[index].reason.clone()
}

fn send(lb: &Lb, method: &str, fields: &str) -> Response {
    let mut client = lb.client();
    client.send(format!(
        "{method} / HTTP/1.1\r\nHost: a\r\n{fields}Content-Length: 4\r\n\r\nbody"
    ));
    client.response()
}

fn signal(program: &Program, signal: Signal) {
    let pid = rustix::process::Pid::from_child(&program.child);
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn a_refused_connection_brings_a_backend_down_at_once() {
    let mut gone = Program::backend(0);
    let good = Origin::answering(HELLO);
    let lb = seldom(&[gone.address, good.address], |_| {});
    assert!(is_live(&lb, 0) && is_live(&lb, 1));
    gone.kill();
    for _ in 0..10 {
        assert_eq!(send(&lb, "POST", "").text(), "hello");
    }
    eventually("it is down", || !is_live(&lb, 0));
    assert_eq!(reason(&lb, 0), "connection refused");
    assert!(is_live(&lb, 1));
}

#[test]
fn the_last_one_stays_up_however_slow_it_is() {
    let frozen = Program::backend(0);
    let lb = seldom(&[frozen.address], |config| {
        config.health.fall = 1;
        config.health.timeout = Some(Duration::from_millis(300));
    });
    signal(&frozen, Signal::STOP);
    let mut client = lb.client();
    client.send("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
    let backend = lb.backend(0);
    eventually("a check fails", || backend.state().health.is_silent());
    assert!(is_live(&lb, 0) && lb.status().is_ready);
    signal(&frozen, Signal::CONT);
    assert_eq!(client.response().status, 200);
}

#[test]
fn answers_of_its_own_and_clients_that_leave_are_no_evidence() {
    let ill = Origin::answering("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
    let other = Origin::answering(HELLO);
    let lb = seldom(&[ill.address, other.address], |config| {
        config.health.eject_after = 1
    });
    for _ in 0..20 {
        send(&lb, "POST", "");
        let mut client = lb.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
        let none = Some(Duration::ZERO);
        rustix::net::sockopt::set_socket_linger(&client.stream, none).unwrap();
    }
    eventually("all have left", || lb.status().connections.used == 0);
    assert!(is_live(&lb, 0) && is_live(&lb, 1));
}

#[test]
fn a_request_at_a_backend_that_is_only_unwell_is_not_given_up() {
    let slow = Origin::scripted(|served| {
        while served.request().is_some() {
            // It is slow, so that its check goes bad meanwhile.
            thread::sleep(Duration::from_millis(600));
            served.client.send(BYE);
        }
    });
    let good = Origin::answering(HELLO);
    let lb = often(&[slow.address, good.address], |_| {});
    let mut post = lb.client();
    post.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    slow.request();
    slow.set_healthy(false);
    eventually("it is down", || !is_live(&lb, 0));
    assert_eq!(reason(&lb, 0), "status code: 500");
    assert_eq!(post.response().text(), "bye");
}

#[test]
fn with_none_up_the_client_learns_who_why_since_when_and_until_when() {
    let sick = Origin::answering(HELLO);
    sick.set_healthy(false);
    let nobody = support::nobody();
    let lb = seldom(&[nobody, sick.address], |_| {});
    let response = send(&lb, "GET", "");
    assert_eq!(response.status, 503);
    assert!(
        response
            .field("Retry-After")
            .unwrap()
            .parse::<u64>()
            .unwrap()
            >= 1
    );
    let text = response.text();
    for part in [
        format!("{nobody}: connection refused; down for 0."),
        format!("{}: status code: 500; down for 0.", sick.address),
        " s, next check in ".into(),
    ] {
        assert!(text.contains(&part), "no {part} in {text}");
    }
    let response = send(&lb, "GET", "Accept: application/json\r\n");
    assert_eq!(response.field("Content-Type"), Some("application/json"));
    let value: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(value["status"], 503);
    assert_eq!(value["backends"][0]["backend"], nobody.to_string());
    assert_eq!(value["backends"][1]["reason"], "status code: 500");
    assert!(value["backends"][1]["down_for_ms"].is_u64());
    assert!(value["backends"][1]["next_check_in_ms"].is_u64());
}

#[test]
fn with_hold_a_request_waits_for_a_backend_and_gets_503_if_none_comes() {
    let origin = Origin::answering(HELLO);
    origin.set_healthy(false);
    let lb = often(&[origin.address], |config| {
        config.hold = PATIENCE;
        config.workers = 2;
    });
    let mut clients: Vec<Client> = (0..50).map(|_| lb.client()).collect();
    for client in &mut clients {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
    }
    eventually("all are held", || lb.status().connections.used == 50);
    // Time in which a held request would have gone out.
    thread::sleep(Duration::from_millis(50));
    assert_eq!(origin.count(), 0);
    origin.set_healthy(true);
    for client in &mut clients {
        assert_eq!(client.response().text(), "hello");
    }
    assert!((0..50).all(|_| origin.request().ends_with("\r\n\r\nbody")));
    origin.set_healthy(false);
    let lb = often(&[origin.address], |config| {
        config.hold = Duration::from_millis(200)
    });
    let began = Instant::now();
    assert_eq!(send(&lb, "GET", "").status, 503);
    assert!(began.elapsed() >= Duration::from_millis(200));
}

#[test]
fn a_backup_serves_while_no_other_is_up() {
    let (main, spare) = (Origin::answering(HELLO), Origin::answering(BYE));
    let lb = often(&[main.address], |config| {
        config.backups = vec![name_of(&spare.address)]
    });
    assert!((0..10).all(|_| send(&lb, "GET", "").text() == "hello"));
    main.set_healthy(false);
    eventually("it is down", || !is_live(&lb, 0));
    assert!((0..10).all(|_| send(&lb, "GET", "").text() == "bye"));
    main.set_healthy(true);
    eventually("it is back", || is_live(&lb, 0));
    assert!((0..10).all(|_| send(&lb, "GET", "").text() == "hello"));
}

#[test]
fn a_backend_that_is_drained_finishes_what_it_has_and_gets_nothing_new() {
    let slow = Origin::scripted(|served| {
        while served.request().is_some() {
            // The request is still there when it is drained.
            thread::sleep(Duration::from_millis(300));
            served.client.send(BYE);
        }
    });
    let other = Origin::answering(HELLO);
    let lb = seldom(&[slow.address, other.address], |_| {});
    let mut client = lb.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    slow.request();
    let backend = lb.backend(0);
    lb.backends().set_admin(&backend, AdminState::Draining);
    assert!((0..10).all(|_| send(&lb, "GET", "").text() == "hello"));
    assert_eq!(client.response().text(), "bye");
    lb.backends().set_admin(&backend, AdminState::Enabled);
    let texts: Vec<String> = (0..2).map(|_| send(&lb, "GET", "").text()).collect();
    assert!(texts.contains(&"bye".into()), "{texts:?}");
}

#[test]
fn a_backend_that_returns_with_slow_start_begins_with_a_small_share() {
    let origins = [Origin::answering(HELLO), Origin::answering(HELLO)];
    let lb = often(&[origins[0].address, origins[1].address], |config| {
        config.health.slow_start = Duration::from_secs(3600);
    });
    let shares = |count: usize| {
        let mut client = lb.client();
        assert!((0..count).all(|_| client.get("/").text() == "hello"));
        [origins[0].count(), origins[1].count()]
    };
    assert_eq!(shares(200), [100, 100], "the start is no return");
    origins[0].set_healthy(false);
    eventually("it is down", || !is_live(&lb, 0));
    assert_eq!(shares(100), [0, 100]);
    origins[0].set_healthy(true);
    eventually("it is back", || is_live(&lb, 0));
    let [first, second] = shares(1000);
    assert!(
        (1..150).contains(&first) && second > 850,
        "{first} and {second}"
    );
}

/// A backend that serves four connections at a time, checks among them, each for a while.
fn narrow(time: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 4096).unwrap();
    let address = listener.local_addr().unwrap();
    let listener = Arc::new(listener);
    for _ in 0..4 {
        let listener = Arc::clone(&listener);
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let mut client = Client::on(stream);
                client.read_until(b"\r\n\r\n");
                // The backend answers so late.
                thread::sleep(time);
                client.send(HELLO.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
            }
        });
    }
    address
}

#[test]
fn backends_that_have_much_to_do_are_not_taken_for_frozen() {
    let backends = [(); 2].map(|()| narrow(Duration::from_millis(40)));
    let lb = seldom(&backends, |_| {});
    thread::scope(|scope| {
        for _ in 0..80 {
            scope.spawn(|| {
                for _ in 0..3 {
                    let mut client = lb.client();
                    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
                    assert_eq!(client.response().text(), "hello");
                }
            });
        }
    });
    assert!(is_live(&lb, 0) && is_live(&lb, 1));
}

#[test]
fn a_backend_that_closes_its_door_finishes_what_it_has() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (close, closed) = std::sync::mpsc::channel();
    thread::spawn(move || {
        // The check at the start, then one request; then the door is closed.
        for time in [Duration::ZERO, Duration::from_secs(1)] {
            let mut client = Client::on(listener.accept().unwrap().0);
            client.read_until(b"\r\n\r\n");
            if !time.is_zero() {
                thread::spawn(move || {
                    // The backend answers so late.
                    thread::sleep(time);
                    client.send(BYE);
                });
            } else {
                client.send(HELLO);
            }
        }
        drop(listener);
        close.send(()).unwrap();
    });
    let other = Origin::answering(HELLO);
    let lb = seldom(&[address, other.address], |_| {});
    let mut post = lb.client();
    post.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    closed.recv_timeout(PATIENCE).expect("the door is closed");
    eventually("it is down", || {
        assert_eq!(send(&lb, "POST", "").text(), "hello");
        !is_live(&lb, 0)
    });
    assert_eq!(post.response().text(), "bye");
}

#[test]
fn backends_are_looked_after_until_the_last_request_is_answered() {
    let origins = [Origin::answering(HELLO), Origin::answering(HELLO)];
    let lb = often(&[origins[0].address, origins[1].address], |config| {
        config.lame_duck = Duration::from_secs(2);
    });
    lb.ask_to_stop();
    origins[0].set_healthy(false);
    eventually("it is down", || !is_live(&lb, 0));
    origins[0].set_healthy(true);
    eventually("it is back", || is_live(&lb, 0));
    assert_eq!(send(&lb, "GET", "").text(), "hello");
}
