//! A verdict steers, it does not end: what the checks find of a backend decides where new
//! requests go. Those under way end by themselves.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use lb::backends::Standing;
use lb::config::OnDown;
use rustix::process::Signal;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};
use support::{Client, Lb, Origin, Program, Response, Setup, answer_check, eventually, name_of};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const BYE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbye";

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

fn signal(program: &Program, signal: Signal) {
    let pid = rustix::process::Pid::from_child(&program.child);
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn a_frozen_backend_is_left_by_new_requests_and_answers_the_others_when_it_goes_on() {
    let (frozen, good) = (Program::backend(0), Origin::answering(HELLO));
    let lb = hasty(&[frozen.address, good.address], |_| {});
    signal(&frozen, Signal::STOP);
    let methods = ["POST", "GET", "PUT", "GET"];
    let waiting: Vec<Client> = methods.map(|method| begin(&lb, method)).into();
    eventually("it is suspect", || standing(&lb, 0) == Standing::Suspect);
    for _ in 0..10 {
        let began = Instant::now();
        assert_eq!(send(&lb, "POST").text(), "hello");
        assert!(began.elapsed() < Duration::from_secs(1));
    }
    eventually("it is down", || standing(&lb, 0) == Standing::DownSilent);
    signal(&frozen, Signal::CONT);
    let texts: Vec<String> = waiting
        .into_iter()
        .map(|mut client| {
            let response = client.response();
            assert_eq!(response.status, 200, "{}", response.text());
            response.text()
        })
        .collect();
    // Which of them were its turn depends on the order in which the workers took them.
    assert!(texts.iter().any(|text| text != "hello"), "{texts:?}");
    eventually("it is back", || standing(&lb, 0) == Standing::Clear);
}

#[test]
fn a_response_or_a_good_check_ends_the_suspicion() {
    let slow = Origin::scripted(|served| {
        while served.request().is_some() {
            // Later than a check may be.
            thread::sleep(Duration::from_millis(100));
            served.client.send(HELLO);
        }
    });
    let lb = hasty(&[slow.address], |_| {});
    let backend = lb.backend(0);
    for is_by_check in [false, true] {
        lb.backends().observe(
            &backend,
            lb::backends::health::Observation::Late,
            &lb::backends::Finding::default(),
            Instant::now(),
        );
        assert_eq!(standing(&lb, 0), Standing::Suspect);
        assert!(lb.status().is_ready);
        match is_by_check {
            false => drop(send(&lb, "POST")),
            true => {
                assert!(backend.ask_for_check());
                lb.engine.shared.health.wake();
            }
        }
        eventually("it is clear", || standing(&lb, 0) == Standing::Clear);
    }
}

/// A backend of which all requests are under way for as long as the test wants, and of which
/// the checks say that it is ill when told.
fn unhurried() -> (Origin, crossbeam_channel::Sender<()>) {
    let (go_on, may_go_on) = crossbeam_channel::unbounded::<()>();
    let origin = Origin::scripted(move |served| {
        let Some(request) = served.request() else {
            return;
        };
        if request.starts_with("GET /tunnel") {
            served
                .client
                .send("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
            let _ = may_go_on.recv();
            served.client.send("done");
            return;
        }
        if request.starts_with("GET /download") {
            served
                .client
                .send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
            let _ = may_go_on.recv();
            served.client.send("done");
            return;
        }
        let _ = may_go_on.recv();
        served.client.send(BYE);
    });
    (origin, go_on)
}

/// A balancer that checks often. All goes to the first backend while that is up.
fn often(first: &Origin, backup: &Origin, change: impl FnOnce(&mut Setup)) -> Lb {
    Lb::with(&[first.address], |config| {
        config.backups = vec![name_of(&backup.address)];
        config.health.interval = Duration::from_millis(50);
        change(config);
    })
}

/// A request that waits, a download and a tunnel.
fn three_sessions(lb: &Lb) -> [Client; 3] {
    let heads = [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "GET /download HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /tunnel HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n",
    ];
    heads.map(|head| {
        let mut client = lb.client();
        client.send(head);
        client
    })
}

#[test]
fn requests_downloads_and_tunnels_survive_the_verdict_that_their_backend_is_down() {
    let ((slow, go_on), other) = (unhurried(), Origin::answering(HELLO));
    let lb = often(&slow, &other, |_| {});
    let [mut post, mut download, mut tunnel] = three_sessions(&lb);
    assert!(download.read_until(b"half").ends_with(b"\r\n\r\nhalf"));
    tunnel.read_until(b"\r\n\r\n");
    slow.set_healthy(false);
    eventually("it is down", || standing(&lb, 0) == Standing::Down);
    assert_eq!(send(&lb, "POST").text(), "hello");
    (0..3).for_each(|_| go_on.send(()).unwrap());
    assert_eq!(post.response().text(), "bye");
    assert_eq!(download.read_exactly(4), b"done");
    assert_eq!(tunnel.read_exactly(4), b"done");
}

#[test]
fn with_on_down_close_they_end_with_their_backend() {
    let ((slow, go_on), other) = (unhurried(), Origin::answering(HELLO));
    let lb = often(&slow, &other, |config| config.on_down = OnDown::Close);
    let [mut post, mut download, mut tunnel] = three_sessions(&lb);
    let mut get = begin(&lb, "GET");
    (0..4).for_each(|_| drop(slow.request()));
    slow.set_healthy(false);
    let response = post.response();
    assert_eq!(response.status, 502);
    assert!(response.text().contains("went down"), "{}", response.text());
    assert_eq!(get.response().text(), "hello", "it may be repeated");
    let cut = download.response();
    assert!(!cut.is_whole, "{cut:?}");
    tunnel.read_until(b"\r\n\r\n");
    assert!(tunnel.is_closed());
    drop(go_on);
}

#[test]
fn an_old_stream_that_goes_on_is_no_sign_that_new_requests_are_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        answer_check(&listener, HELLO);
        let mut stream = Client::on(listener.accept().unwrap().0);
        stream.read_until(b"\r\n\r\n");
        stream.send("HTTP/1.1 200 OK\r\n\r\n");
        // Nobody is accepted any more.
        while std::io::Write::write_all(&mut stream.stream, b"x").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
        drop(listener);
    });
    let other = Origin::answering(HELLO);
    let lb = Lb::with(&[address], |config| {
        config.backups = vec![name_of(&other.address)];
        config.health.interval = Duration::from_millis(400);
        config.health.timeout = Some(Duration::from_millis(300));
    });
    let mut stream = lb.client();
    stream.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    stream.read_until(b"\r\n\r\n");
    eventually("it is down", || standing(&lb, 0) == Standing::DownSilent);
    assert_eq!(send(&lb, "POST").text(), "hello");
    stream.read_exactly(10);
}

#[test]
fn when_all_say_that_they_are_ill_nobody_is_asked() {
    let origins = [(); 3].map(|()| Origin::answering(HELLO));
    let lb = Lb::with(&origins.each_ref().map(|origin| origin.address), |config| {
        config.health.interval = Duration::from_millis(50);
    });
    origins.iter().for_each(|origin| origin.set_healthy(false));
    eventually("all are down", || {
        (0..3).all(|index| standing(&lb, index) == Standing::Down)
    });
    assert_eq!(send(&lb, "GET").status, 503);
}
