//! Probes of a server in this process, at times that the tests make up.

mod idle;

use super::*;
use crate::backends::Name;
use crate::backends::health::{Health, Observation};
use crate::backends::{Backends, Finding};
use crate::health::symptom::Activity;
use crate::net::options::Options;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

const CONFIG_TIMEOUT: Duration = Duration::from_secs(2);
const MS: Duration = Duration::from_millis(1);

/// A backend that accepts when the test says so, and its schedule.
struct Scene {
    listener: TcpListener,
    schedule: Schedule,
    config: HealthConfig,
    start: Instant,
}

impl Scene {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a setting");
        let address = listener.local_addr().expect("bound");
        let name = Name {
            host: "127.0.0.1".into(),
            port: address.port(),
        };
        let backend = Arc::new(Backend::new(name, Health::new(2, 2)));
        backend.addresses.replace(vec![address]);
        let start = Instant::now();
        let mut schedule = Schedule::new(&backend, &Arc::default(), start);
        // What it usually takes is known.
        (0..3).for_each(|_| schedule.usual.note(MS));
        Self {
            listener,
            schedule,
            config: HealthConfig {
                timeout: Some(CONFIG_TIMEOUT),
                ..HealthConfig::default()
            },
            start,
        }
    }

    fn at(&mut self, millis: u32) -> Option<Seen> {
        self.schedule.go_on(&self.config, self.start + MS * millis)
    }

    /// Begins a probe at the start and lets it wait for its answer.
    fn begin(&mut self) {
        self.go_on_until_waiting(0);
    }

    fn go_on_until_waiting(&mut self, millis: u32) {
        while self.schedule.probe.as_ref().map(Probe::activity) != Some(Activity::AwaitingAnswer) {
            assert_eq!(self.at(millis), None);
        }
    }

    /// The connections that were made since this was asked last.
    fn accepted(&self) -> Vec<TcpStream> {
        std::iter::from_fn(|| self.listener.accept().ok())
            .map(|(stream, _)| stream)
            .collect()
    }

    /// A request is late.
    fn ask(&self) {
        assert!(self.schedule.backend.ask_for_check());
    }
}

fn timed_out() -> Option<Seen> {
    Some(Seen::Bad(Symptom::TimedOut(Activity::AwaitingAnswer)))
}

fn late() -> Option<Seen> {
    Some(Seen::Late(Activity::AwaitingAnswer))
}

fn answer(stream: &mut TcpStream) {
    stream.set_nonblocking(false).expect("a setting");
    let count = stream.read(&mut [0; 1024]).expect("a request");
    assert!(count > 0);
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(ok).expect("sends");
}

#[test]
fn a_probe_that_is_not_answered_stays_open_and_counts_after_each_timeout() {
    let mut scene = Scene::new();
    scene.begin();
    let mut open = scene.accepted();
    assert_eq!(open.len(), 1);
    // It may have been lost: it is replaced once after two timeouts, and then every ten seconds.
    for due in [2000, 4000, 6000, 8000, 10_000, 12_000, 14_000] {
        assert_eq!(scene.at(due - 1), None, "{due}");
        assert!(scene.accepted().is_empty(), "{due}");
        assert_eq!(scene.at(due), timed_out(), "{due}");
        if due == 4000 || due == 14_000 {
            scene.go_on_until_waiting(due);
            open.extend(scene.accepted());
            assert_eq!(open.len(), 2, "{due}");
            open.remove(0);
        }
    }
}

#[test]
fn an_answer_that_comes_after_the_timeout_is_a_good_one() {
    let mut scene = Scene::new();
    scene.begin();
    let mut stream = scene.accepted().remove(0);
    assert_eq!(scene.at(2000), timed_out());
    answer(&mut stream);
    let seen = std::iter::from_fn(|| Some(scene.at(2500))).find(Option::is_some);
    assert_eq!(seen, Some(Some(Seen::Good)));
}

#[test]
fn a_probe_is_late_only_when_a_request_is_late_too() {
    let mut scene = Scene::new();
    scene.begin();
    assert_eq!(scene.at(250), None);
    assert_eq!(scene.at(300), None);
    scene.ask();
    assert_eq!(scene.at(301), late(), "it has been late for a while");
    assert_eq!(scene.at(302), None, "said once");
    let mut scene = Scene::new();
    scene.ask();
    scene.begin();
    assert_eq!(scene.at(249), None);
    assert_eq!(scene.at(250), late());
    assert!(scene.schedule.due() > scene.start + MS * 250);
}

#[test]
fn one_that_responds_to_requests_is_neither_late_nor_silent() {
    let mut scene = Scene::new();
    scene.ask();
    scene.begin();
    let backend = Arc::clone(&scene.schedule.backend);
    backend.heard.response(scene.start + MS * 200);
    assert_eq!(scene.at(250), None);
    backend.heard.other(scene.start + MS * 1900);
    assert_eq!(
        scene.at(2000),
        late(),
        "responses came, so that it does not count"
    );
    assert_eq!(
        scene.at(4000),
        timed_out(),
        "none came in these two seconds"
    );
}

#[test]
fn a_deadline_that_we_notice_late_counts_only_the_second_time() {
    let mut scene = Scene::new();
    scene.ask();
    scene.begin();
    assert_eq!(scene.at(301), None, "51 ms too late");
    assert_eq!(scene.at(550), None, "it has its time once more");
    assert_eq!(scene.at(551), late());
    assert_eq!(scene.at(2051), None, "51 ms too late");
    assert_eq!(
        scene.at(4051),
        timed_out(),
        "it has had its whole time once more"
    );
    assert_eq!(scene.accepted().len(), 1, "on the same connection");
    let mut scene = Scene::new();
    scene.begin();
    assert_eq!(scene.at(2051), None);
    assert_eq!(
        scene.at(4200),
        timed_out(),
        "late again, but for the second time"
    );
}

#[test]
fn one_that_refuses_is_soon_asked_again_until_it_is_down() {
    let mut scene = Scene::new();
    let backend = Arc::clone(&scene.schedule.backend);
    let all = Backends::of(vec![Arc::clone(&backend)]);
    all.observe(
        &backend,
        Observation::Good,
        &Finding::default(),
        scene.start,
    );
    let refusing = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = refusing.local_addr().expect("bound");
    drop(refusing);
    backend.addresses.replace(vec![address]);
    let refused = |scene: &mut Scene, millis| {
        let seen = std::iter::from_fn(|| Some(scene.at(millis))).find(Option::is_some);
        assert!(matches!(seen, Some(Some(Seen::Bad(Symptom::Connect(_))))));
    };
    refused(&mut scene, 0);
    assert_eq!(scene.schedule.due(), scene.start + HASTY_INTERVAL);
    refused(&mut scene, 250);
    let gone = Observation::Bad(Evidence::Gone);
    (0..2).for_each(|_| drop(all.observe(&backend, gone, &Finding::default(), scene.start)));
    refused(&mut scene, 500);
    let next = scene.schedule.due() - scene.start;
    assert!(
        next >= MS * (500 + 940) && next <= MS * (500 + 1060),
        "{next:?}"
    );
}

#[test]
fn idle_connections_that_may_be_in_the_way_of_a_probe_are_closed() {
    for (heard, is_closed) in [(100, false), (0, true)] {
        let mut scene = Scene::new();
        let backend = Arc::clone(&scene.schedule.backend);
        let address = scene.listener.local_addr().expect("bound");
        let conn = crate::net::connect::begin(address, &Options::default()).expect("connects");
        backend
            .idle
            .put(conn, backend.idle.generation(), scene.start);
        scene.begin();
        backend.heard.other(scene.start + MS * heard);
        assert_eq!(scene.at(300), None);
        assert_eq!(backend.idle.take().is_none(), is_closed, "{heard}");
    }
}

/// An address to which handshakes are not completed, and what keeps it so.
fn full() -> (std::net::SocketAddr, (TcpListener, TcpStream)) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    rustix::net::listen(&listener, 0).expect("bound");
    let address = listener.local_addr().expect("bound");
    // With this one its queue is full.
    let first = TcpStream::connect(address).expect("connects");
    (address, (listener, first))
}

#[test]
fn an_address_that_does_not_answer_leaves_time_for_the_next_one() {
    let (mut scene, (full, _keeps)) = (Scene::new(), full());
    let good = scene.listener.local_addr().expect("bound");
    let addresses = &scene.schedule.backend.addresses;
    addresses.replace(vec![full, good]);
    addresses.prefer(full);
    assert_eq!(scene.at(0), None);
    // Each of the two has half of the time.
    scene.schedule.late = None;
    assert_eq!(scene.schedule.due(), scene.start + CONFIG_TIMEOUT / 2);
    scene.go_on_until_waiting(1000);
    assert_eq!(scene.accepted().len(), 1);
    assert_eq!(scene.schedule.due(), scene.start + CONFIG_TIMEOUT);
}

#[test]
fn one_that_takes_no_connection_in_time_is_silent_and_asked_anew() {
    let (mut scene, (full, _keeps)) = (Scene::new(), full());
    scene.schedule.backend.addresses.replace(vec![full]);
    assert_eq!(scene.at(0), None);
    assert_eq!(scene.at(1999), None);
    let silent = Seen::Bad(Symptom::TimedOut(Activity::Connecting));
    assert_eq!(scene.at(2000), Some(silent));
    assert!(
        scene.schedule.probe.is_none(),
        "no answer can come any more"
    );
}

/// Goes on at this time until there is a result.
fn result(scene: &mut Scene, millis: u32) -> Seen {
    std::iter::repeat_with(|| scene.at(millis))
        .find_map(|seen| seen)
        .expect("endless")
}

#[test]
fn a_body_is_judged_when_enough_of_it_is_known_and_not_when_the_connection_ends() {
    let large = format!("Content-Length: 99999\r\n\r\n{}", "x".repeat(16 * 1024));
    for (answer, seen) in [
        ("Content-Length: 99\r\n\r\nall ok, and more", Seen::Good),
        ("Content-Length: 2\r\n\r\nno", Seen::Bad(Symptom::NoMatch)),
        (large.as_str(), Seen::Bad(Symptom::NoMatch)),
    ] {
        let mut scene = Scene::new();
        scene.config.matches = Some("ok".into());
        scene.begin();
        let mut stream = scene.accepted().remove(0);
        let answer = format!("HTTP/1.1 200 OK\r\n{answer}");
        stream.set_nonblocking(false).expect("a setting");
        stream.write_all(answer.as_bytes()).expect("sends");
        assert_eq!(result(&mut scene, 1), seen);
    }
}

/// A probe whose answer is known to be good, and the other end, which has not sent all of it.
fn good_answer_begun() -> (Scene, TcpStream) {
    let mut scene = Scene::new();
    scene.begin();
    let mut stream = scene.accepted().remove(0);
    stream.set_nonblocking(false).expect("a setting");
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
    stream.write_all(head).expect("sends");
    assert_eq!(result(&mut scene, 1), Seen::Good);
    (scene, stream)
}

#[test]
fn the_rest_of_a_good_answer_is_read_until_the_timeout_and_changes_nothing() {
    let (mut scene, _stream) = good_answer_begun();
    let backend = Arc::clone(&scene.schedule.backend);
    let idle = crate::net::testing::pair().0;
    backend
        .idle
        .put(idle, backend.idle.generation(), scene.start);
    assert_eq!(scene.at(300), None);
    assert_eq!(backend.idle.len(), 1, "no answer is late");
    assert_eq!(scene.at(1999), None);
    assert!(scene.schedule.probe.is_some());
    assert_eq!(scene.at(2000), None);
    assert!(scene.schedule.probe.is_none());
}

#[test]
fn a_request_that_is_late_makes_a_probe_urgent_and_not_late() {
    let mut scene = Scene::new();
    scene.begin();
    scene.ask();
    assert_eq!(scene.at(100), None);
    assert_eq!(scene.at(249), None);
    assert_eq!(scene.at(250), late());
}

#[test]
fn an_interval_is_short_while_a_backend_is_unsettled_and_long_when_it_is_well() {
    let mut scene = Scene::new();
    let backend = Arc::clone(&scene.schedule.backend);
    let all = Backends::of(vec![Arc::clone(&backend)]);
    let mut next = |observed: Option<Observation>| {
        let finding = Finding::default();
        observed.map(|seen| all.observe(&backend, seen, &finding, scene.start));
        let before = scene.schedule.due();
        let millis = u32::try_from((before - scene.start).as_millis()).expect("short") + 1;
        scene.go_on_until_waiting(millis);
        answer(&mut scene.accepted().remove(0));
        assert_eq!(result(&mut scene, millis), Seen::Good);
        while scene.schedule.probe.is_some() {
            scene.at(millis);
        }
        scene.schedule.due() - before
    };
    // Nothing was known of it before this one.
    assert!(next(None) > Duration::from_secs(4));
    assert!(next(Some(Observation::Good)) > Duration::from_secs(4));
    assert!(next(Some(Observation::Bad(Evidence::Gone))) < Duration::from_secs(2));
}

#[test]
fn the_first_late_deadline_of_each_probe_is_excused() {
    let mut scene = Scene::new();
    scene.begin();
    scene.ask();
    assert_eq!(scene.at(100), None);
    assert_eq!(scene.at(400), None, "it is we who were late");
}

#[test]
fn a_request_that_is_late_brings_the_next_probe_forward_while_the_rest_of_an_answer_is_read() {
    let (mut scene, _stream) = good_answer_begun();
    let hasty = scene.start + HASTY_INTERVAL;
    assert!(scene.schedule.next > hasty);
    scene.ask();
    assert_eq!(scene.at(2), None);
    assert_eq!(scene.schedule.next, hasty);
}

#[test]
fn a_probe_under_way_has_something_to_wait_for_and_is_late_only_after_a_while() {
    let mut scene = Scene::new();
    scene.begin();
    assert!(scene.schedule.waits().is_some());
    assert!(scene.schedule.late > Some(scene.start));
}
