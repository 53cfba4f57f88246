//! Look-ups by a resolver of the tests' own, some of which hang until they are let go.

use super::*;
use crate::backends::Name;
use crate::backends::health::Health;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::sync::Mutex;
use std::thread;

const LONG: Duration = Duration::from_secs(20);

/// Shows which hosts are looked up; those that begin with `hang` take until they are let go.
struct System {
    asked: Receiver<String>,
    let_go: Sender<()>,
    look_up: LookUp,
}

fn system() -> System {
    let (shows, asked) = unbounded();
    let (let_go, waits) = unbounded::<()>();
    let look_up = move |host: &str| {
        let _ = shows.send(host.to_string());
        if host.starts_with("hang") {
            let _ = waits.recv();
        }
        match host.starts_with("bad") {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(vec![SocketAddr::from(([10, 0, 0, 1], 0))]),
        }
    };
    System {
        asked,
        let_go,
        look_up: Arc::new(look_up),
    }
}

fn backends(hosts: &[&str]) -> Vec<Arc<Backend<Conn>>> {
    let new = |(index, host): (usize, &&str)| {
        let name = Name {
            host: (*host).into(),
            port: 80 + u16::try_from(index).expect("few"),
        };
        Arc::new(Backend::new(name, Health::new(2, 2)))
    };
    hosts.iter().enumerate().map(new).collect()
}

fn addresses(backend: &Backend<Conn>) -> Vec<String> {
    let addresses = backend.addresses.in_order();
    addresses.iter().map(ToString::to_string).collect()
}

#[test]
fn one_look_up_serves_all_ports_of_a_host_and_addresses_need_none() {
    let (system, waker) = (system(), Waker::new().expect("descriptors"));
    let backends = backends(&["app", "APP", "127.0.0.9", "", "bad"]);
    let mut resolver = Resolver::with(&backends, LONG, system.look_up).expect("descriptors");
    resolver.first_round(&waker).expect("most have addresses");
    let asked: Vec<String> = system.asked.try_iter().collect();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(addresses(&backends[0]), ["10.0.0.1:80"]);
    assert_eq!(addresses(&backends[1]), ["10.0.0.1:81"]);
    assert_eq!(addresses(&backends[2]), ["127.0.0.9:82"]);
    assert_eq!(addresses(&backends[3]), ["127.0.0.1:83", "[::1]:83"]);
    assert!(addresses(&backends[4]).is_empty());
}

#[test]
fn a_name_that_hangs_delays_no_other_and_has_one_look_up_under_way() {
    let (system, waker) = (system(), Waker::new().expect("descriptors"));
    let backends = backends(&["hang", "app"]);
    let interval = Duration::from_millis(1);
    let mut resolver = Resolver::with(&backends, interval, system.look_up).expect("descriptors");
    let began = Instant::now();
    resolver.first_round(&waker).expect("one has an address");
    assert!(began.elapsed() < START_DEADLINE * 3);
    assert!(addresses(&backends[0]).is_empty() && !addresses(&backends[1]).is_empty());
    let trouble = Waker::new().expect("descriptors");
    let asked = Mutex::new(Vec::new());
    let count = |host: &str| {
        let mut asked = asked.lock().expect("no panic");
        asked.extend(system.asked.try_iter());
        asked.iter().filter(|one| *one == host).count()
    };
    thread::scope(|scope| {
        scope.spawn(|| resolver.run(&trouble, &waker));
        while count("app") < 20 {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(count("hang"), 1);
        assert!(!trouble.wait(Duration::ZERO));
        drop(system.let_go);
        assert!(trouble.wait(LONG), "it is to be checked");
        assert_eq!(addresses(&backends[0]), ["10.0.0.1:80"]);
        waker.wake();
    });
}

#[test]
fn a_start_ends_with_the_waker_and_fails_only_when_all_names_are_bad() {
    let waker = Waker::new().expect("descriptors");
    let start = |hosts: &[&str]| {
        let system = system();
        let backends = backends(hosts);
        let resolver = Resolver::with(&backends, LONG, system.look_up);
        resolver.expect("descriptors").first_round(&waker)
    };
    assert_eq!(start(&["bad1", "bad2"]).expect_err("no address").0, "bad2");
    assert!(start(&["bad1", "127.0.0.1"]).is_ok());
    waker.wake();
    assert!(start(&["hang1", "bad1"]).is_ok(), "it may still be found");
}

#[test]
fn look_ups_under_way_are_bounded() {
    let (system, waker) = (system(), Waker::new().expect("descriptors"));
    let names: Vec<String> = (0..AT_ONCE + 5)
        .map(|number| format!("hang{number}"))
        .collect();
    let hosts: Vec<&str> = names.iter().map(String::as_str).collect();
    let backends = backends(&hosts);
    let mut resolver = Resolver::with(&backends, LONG, system.look_up).expect("descriptors");
    resolver.ask(Instant::now());
    for _ in 0..AT_ONCE {
        system.asked.recv_timeout(LONG).expect("it is asked");
    }
    assert_eq!(resolver.under_way(), AT_ONCE);
    drop(system.let_go);
    resolver.first_round(&waker).expect("all are found");
    assert!(
        backends
            .iter()
            .all(|backend| !addresses(backend).is_empty())
    );
}
