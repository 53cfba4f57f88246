//! A check that is late says little: the backend may be busy, the path slow, or everything slow at once.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use lb::backends::Standing;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::{
    Client, Lb, LbProgram, Origin, PATIENCE, Program, Response, Setup, answer_check, eventually,
    find, name_of,
};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A balancer that checks at the start and then seldom, unless something is odd; and whose
/// checks time out soon.
fn hasty(backends: &[SocketAddr], change: impl FnOnce(&mut Setup)) -> Lb {
    Lb::with(backends, |config| {
        config.health.interval = Duration::from_secs(3600);
        config.health.timeout = Some(Duration::from_millis(300));
        change(config);
    })
}

fn standing(lb: &Lb, index: usize) -> Standing {
    lb.status().groups[0].backends[index].standing
}

fn begin(lb: &Lb, method: &str) -> Client {
    let mut client = lb.client();
    client.send(format!(
        "{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"
    ));
    client
}

fn send(lb: &Lb, method: &str) -> Response {
    begin(lb, method).response()
}

/// A backend that serves one connection at a time, whole, checks among them, as a synchronous
/// worker does; a request takes `time`. It counts the requests that are no checks.
fn one_at_a_time(time: Duration) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let executed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&executed);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut client = Client::on(stream);
            let head = client.read_until(b"\r\n\r\n");
            if find(&head, b"lb-health/").is_none() {
                // It is busy.
                thread::sleep(time);
                count.fetch_add(1, Ordering::SeqCst);
            }
            client.send(HELLO.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
        }
    });
    (address, executed)
}

#[test]
fn busy_backends_answer_what_they_were_asked_however_late_their_checks_are() {
    for count in [1, 2, 3] {
        let backends: Vec<_> = (0..count)
            .map(|_| one_at_a_time(Duration::from_millis(900)))
            .collect();
        let addresses: Vec<_> = backends.iter().map(|(address, _)| *address).collect();
        let lb = hasty(&addresses, |_| {});
        thread::scope(|scope| {
            for method in ["POST", "GET"].into_iter().cycle().take(count * 2) {
                let lb = &lb;
                scope.spawn(move || assert_eq!(send(lb, method).text(), "hello", "{method}"));
            }
        });
        let executed = backends.iter().map(|(_, n)| n.load(Ordering::SeqCst));
        assert_eq!(executed.sum::<usize>(), count * 2, "each of them once");
    }
}

/// A backend that takes connections and says nothing after the first check; counts those that
/// came since, which stay open at this end.
fn taciturn() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    thread::spawn(move || {
        answer_check(&listener, HELLO);
        let mut all = Vec::new();
        for stream in listener.incoming().map_while(Result::ok) {
            all.push(stream);
            seen.store(all.len(), Ordering::SeqCst);
        }
    });
    (address, count)
}

#[test]
fn checks_do_not_pile_up_at_a_backend_that_does_not_answer() {
    let (address, count) = taciturn();
    let lb = Lb::with(&[address], |config| {
        config.health.interval = Duration::from_millis(20);
        config.health.timeout = Some(Duration::from_millis(15));
    });
    eventually("it is silent", || standing(&lb, 0) == Standing::LastResort);
    // Some fifty timeouts.
    thread::sleep(Duration::from_millis(800));
    assert_eq!(
        count.load(Ordering::SeqCst),
        2,
        "one, and one in case it was lost"
    );
}

/// A backend of HTTP/1.1 that serves one connection to its end before it looks at the next; a
/// request that is no check takes `time`.
fn one_connection_at_a_time(time: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            serve(stream, time);
        }
    });
    address
}

fn serve(stream: TcpStream, time: Duration) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = stream;
    let (mut received, mut bytes) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut bytes) {
        received.extend_from_slice(&bytes[..count]);
        if find(&received, b"\r\n\r\n").is_some() {
            if find(&received, b"lb-health/").is_none() {
                // It is busy.
                thread::sleep(time);
            }
            received.clear();
            if std::io::Write::write_all(&mut stream, HELLO.as_bytes()).is_err() {
                return;
            }
        }
    }
}

#[test]
fn our_idle_connection_does_not_block_a_backend_that_serves_one_at_a_time() {
    let lb = Lb::with(&[one_connection_at_a_time(Duration::ZERO)], |config| {
        config.health.interval = Duration::from_millis(500);
        config.health.timeout = Some(Duration::from_millis(450));
        // Nothing but the release can let the next one in.
        config.timeouts.backend_idle = Duration::from_secs(3600);
    });
    let mut client = lb.client();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        assert_eq!(client.get("/").status, 200);
        assert_ne!(standing(&lb, 0), Standing::LastResort);
        // Requests one after the other, with time for checks between them.
        thread::sleep(Duration::from_millis(20));
    }
    // Checks were answered after it was closed: from now on none is kept.
    eventually("none is kept", || {
        client.get("/");
        lb.status().groups[0].backends[0].idle == 0
    });
}

#[test]
fn a_connection_that_becomes_idle_while_others_wait_lets_them_in() {
    let time = Duration::from_millis(700);
    let lb = Lb::with(&[one_connection_at_a_time(time)], |config| {
        config.health.interval = Duration::from_secs(3600);
        config.timeouts.backend_idle = Duration::from_secs(3600);
    });
    let began = Instant::now();
    let mut posts = [(); 3].map(|()| begin(&lb, "POST"));
    for post in &mut posts {
        assert_eq!(post.response().text(), "hello");
    }
    let took = began.elapsed();
    assert!(took < time * 3 + Duration::from_secs(2), "{took:?}");
}

#[test]
fn a_health_path_that_is_slow_by_itself_is_no_reason() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut client = Client::on(stream);
                client.read_until(b"\r\n\r\n");
                // The path of the checks is slow by itself.
                thread::sleep(Duration::from_millis(400));
                client.send(HELLO);
            });
        }
    });
    let other = Origin::answering(HELLO);
    let lb = hasty(&[address, other.address], |config| {
        config.health.timeout = Some(Duration::from_secs(2));
    });
    for _ in 0..6 {
        assert_eq!(send(&lb, "POST").text(), "hello");
        assert_eq!(standing(&lb, 0), Standing::Clear);
    }
}

#[test]
fn a_client_that_gets_no_answer_is_told_that_most_are_late() {
    let silent = [taciturn(), taciturn()].map(|(address, _)| address);
    let lb = hasty(&silent, |config| {
        config.health.interval = Duration::from_millis(400);
        config.timeouts.response = Duration::from_millis(300);
    });
    eventually("both are silent", || lb.status().groups[0].are_most_silent);
    let response = send(&lb, "POST");
    assert_eq!(response.status, 504);
    let text = response.text();
    assert!(text.contains("more than half of them are late"), "{text}");
}

#[test]
fn when_most_are_silent_all_are_used_and_a_backup_that_is_well_before_them() {
    let silent = [taciturn(), taciturn()].map(|(address, _)| address);
    let backup = Origin::answering(HELLO);
    let lb = hasty(&silent, |config| {
        config.backups = vec![name_of(&backup.address)];
        config.health.interval = Duration::from_millis(400);
    });
    // One of three may be left out; the other one is used only if nobody better is there.
    eventually("both are silent", || {
        let standings = [standing(&lb, 0), standing(&lb, 1)];
        standings.iter().all(|one| *one == Standing::LastResort)
    });
    for _ in 0..4 {
        assert_eq!(send(&lb, "POST").text(), "hello");
    }
}

#[test]
fn that_most_backends_are_late_is_logged() {
    let backends = [Program::backend(0), Program::backend(0)];
    let [first, second] = [0, 1].map(|index: usize| backends[index].address.to_string());
    let options = ["--health-interval", "300ms", "--health-timeout", "100ms"];
    let lb = LbProgram::start(
        0,
        &[&[first.as_str(), second.as_str()][..], &options].concat(),
    );
    for program in &backends {
        let pid = rustix::process::Pid::from_child(&program.child);
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    }
    let mut lines = std::iter::from_fn(|| lb.errors.recv_timeout(PATIENCE).ok());
    assert!(lines.any(|line| line.contains("More than half of the backends are late")));
}
