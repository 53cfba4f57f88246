//! Limits of requests in flight, and the queue in front of them.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use crossbeam_channel::{Receiver, Sender, unbounded};
use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::{Client, Lb, Origin, PATIENCE, Setup, eventually};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A server that takes the next connection when it has done with the one before, as a synchronous
/// worker does, with the smallest queue that the system has. Returns the targets of requests in the
/// order in which they were served.
fn one_at_a_time(takes: Duration) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 1).unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, served) = unbounded();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut client = Client::on(stream);
            let head = String::from_utf8(client.read_until(b"\r\n\r\n")).unwrap();
            if !head.contains("lb-health/") {
                thread::sleep(takes);
                let target = head.split(' ').nth(1).unwrap();
                if sender.send(target.into()).is_err() {
                    return;
                }
            }
            client.send("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello");
        }
    });
    (address, served)
}

/// A backend whose every answer waits for permission, on kept connections.
fn obedient() -> (Origin, Sender<()>) {
    let (go, permission) = unbounded::<()>();
    let origin = Origin::scripted(move |served| {
        while served.request().is_some() && permission.recv_timeout(PATIENCE).is_ok() {
            served.client.send(HELLO);
        }
    });
    (origin, go)
}

fn lb(backend: SocketAddr, change: impl FnOnce(&mut Setup)) -> Lb {
    Lb::with(&[backend], |setup| {
        setup.choice.max_in_flight = Some(1);
        setup.choice.queue_timeout = PATIENCE;
        change(setup);
    })
}

fn waiting(lb: &Lb) -> usize {
    lb.backends().waiting()
}

/// A request that waits in the queue as the number `place`.
fn queued(lb: &Lb, place: usize) -> Client {
    let mut client = lb.client();
    client.send(GET);
    eventually("it waits", || waiting(lb) == place);
    client
}

/// Has 200 clients ask at once, and returns their numbers in the order in which they were served.
fn crowd(change: impl FnOnce(&mut Setup)) -> Vec<usize> {
    let (address, served) = one_at_a_time(Duration::from_millis(1));
    let lb = lb(address, change);
    let ask = |place| {
        let mut client = lb.client();
        client.send(format!("GET /{place} HTTP/1.1\r\nHost: a\r\n\r\n"));
        client
    };
    let mut clients: Vec<Client> = (0..200).map(ask).collect();
    for client in &mut clients {
        assert_eq!(client.response().status, 200);
    }
    assert_eq!(waiting(&lb), 0);
    let served = (0..200).map(|_| served.recv_timeout(PATIENCE).unwrap());
    served.map(|target| target[1..].parse().unwrap()).collect()
}

/// How many have to be taken away for the others to be in order.
fn out_of_order(numbers: &[usize]) -> usize {
    // The smallest last number of an ascending choice, for each length of it.
    let mut lasts: Vec<usize> = Vec::new();
    for &number in numbers {
        let place = lasts.partition_point(|&last| last < number);
        match lasts.get_mut(place) {
            Some(last) => *last = number,
            None => lasts.push(number),
        }
    }
    numbers.len() - lasts.len()
}

#[test]
fn all_of_200_clients_at_once_are_served_by_a_server_that_takes_one_connection_at_a_time() {
    // Each once. A head that one of the workers has read may overtake one that another has.
    let distinct: HashSet<usize> = crowd(|_| {}).into_iter().collect();
    assert_eq!(distinct.len(), 200);
}

#[test]
fn a_crowd_is_served_in_the_order_of_its_arrival_where_one_worker_reads_the_heads() {
    let served = crowd(|setup| (setup.workers, setup.cores) = (1, Some(1)));
    // A client that was accepted before its request came is behind those whose request was there.
    assert!(out_of_order(&served) <= 10, "{served:?}");
    assert_eq!(out_of_order(&[1, 0, 2, 5, 3, 4]), 2);
}

#[test]
fn requests_that_wait_are_served_in_their_order() {
    let (origin, go) = obedient();
    let lb = lb(origin.address, |_| {});
    let mut first = lb.client();
    first.send(GET);
    origin.request();
    let mut line: Vec<Client> = (1..=199).map(|place| queued(&lb, place)).collect();
    go.send(()).unwrap();
    assert_eq!(first.response().status, 200);
    for (place, client) in line.iter_mut().enumerate() {
        origin.request();
        assert_eq!((origin.count(), waiting(&lb)), (0, 198 - place));
        go.send(()).unwrap();
        assert_eq!(client.response().text(), "hello");
    }
}

#[test]
fn a_request_that_waits_uses_the_connection_that_the_one_before_it_leaves() {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let origin = Origin::scripted(move |served| {
        count.fetch_add(1, Ordering::SeqCst);
        while served.request().is_some() {
            served.client.send(HELLO);
        }
    });
    let lb = lb(origin.address, |_| {});
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = lb.client();
                (0..50).for_each(|_| assert_eq!(client.get("/").status, 200));
            });
        }
    });
    assert_eq!(origin.count(), 400);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[test]
fn no_backend_ever_has_more_than_it_may_in_100_000_requests_of_64_clients() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (here, peak) = (Arc::clone(&now), Arc::clone(&most));
    let origin = Origin::scripted(move |served| {
        while served.request().is_some() {
            peak.fetch_max(here.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::yield_now();
            here.fetch_sub(1, Ordering::SeqCst);
            served.client.send(HELLO);
        }
    });
    let lb = Lb::with(&[origin.address], |setup| {
        setup.choice.max_in_flight = Some(3);
        setup.choice.queue_timeout = PATIENCE;
    });
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let mut client = lb.client();
                (0..1_600).for_each(|_| assert_eq!(client.get("/").status, 200));
            });
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), 3);
    // An answer is there a moment before its request counts as done.
    eventually("all are done", || {
        (lb.backends().in_flight(), waiting(&lb)) == (0, 0)
    });
}

#[test]
fn one_that_waits_for_too_long_gets_503_and_when_to_come_again() {
    let (origin, _go) = obedient();
    let lb = lb(origin.address, |setup| {
        setup.choice.queue_timeout = Duration::from_millis(100);
    });
    let mut first = lb.client();
    first.send(GET);
    origin.request();
    let began = Instant::now();
    let response = queued(&lb, 1).response();
    assert!(began.elapsed() >= Duration::from_millis(100));
    assert_eq!(response.status, 503);
    assert!(response.field("Retry-After").is_some());
    assert!(response.text().contains("none had room in time"));
    assert_eq!((waiting(&lb), origin.count()), (0, 0));
}

#[test]
fn where_the_queue_is_full_the_next_request_is_refused_at_once() {
    let (origin, go) = obedient();
    let lb = lb(origin.address, |setup| setup.choice.queue_length = 1);
    let mut first = lb.client();
    first.send(GET);
    origin.request();
    let mut second = queued(&lb, 1);
    let refused = lb.client().get("/");
    assert_eq!(refused.status, 503);
    assert!(
        refused.text().contains("so is the queue"),
        "{}",
        refused.text()
    );
    assert!(refused.field("Retry-After").is_some());
    for client in [&mut first, &mut second] {
        go.send(()).unwrap();
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn a_client_that_leaves_makes_way_and_its_request_is_never_sent() {
    let (origin, go) = obedient();
    let lb = lb(origin.address, |_| {});
    let mut first = lb.client();
    first.send(GET);
    origin.request();
    let mut leaves = lb.client();
    leaves.send("GET /leaves HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("it waits", || waiting(&lb) == 1);
    let mut stays = queued(&lb, 2);
    let none = Some(Duration::ZERO);
    rustix::net::sockopt::set_socket_linger(&leaves.stream, none).unwrap();
    drop(leaves);
    eventually("it has left", || waiting(&lb) == 1);
    for client in [&mut first, &mut stays] {
        go.send(()).unwrap();
        assert_eq!(client.response().status, 200);
    }
    assert!(!origin.request().contains("/leaves"));
    assert_eq!(origin.count(), 0);
}

#[test]
fn requests_that_wait_hold_no_worker() {
    let (origin, go) = obedient();
    let lb = lb(origin.address, |setup| {
        setup.workers = 2;
        setup.cores = Some(1);
        setup.ready_path = Some("/ready".into());
    });
    let mut first = lb.client();
    first.send(GET);
    origin.request();
    let mut line: Vec<Client> = (1..=50).map(|place| queued(&lb, place)).collect();
    let began = Instant::now();
    assert_eq!(lb.client().get("/ready").status, 200);
    assert!(began.elapsed() < Duration::from_secs(2));
    go.send(()).unwrap();
    for client in &mut line {
        go.send(()).unwrap();
        assert_eq!(client.response().status, 200);
    }
}

#[test]
fn a_tunnel_counts_as_in_flight_until_it_ends() {
    let origin = Origin::scripted(|served| {
        while let Some(request) = served.request() {
            if request.contains("Upgrade") {
                let switch = "HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
                served.client.send(switch);
                served.client.read_to_end();
                return;
            }
            served.client.send(HELLO);
        }
    });
    let lb = lb(origin.address, |_| {});
    let mut tunnel = lb.client();
    tunnel.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    assert_eq!(tunnel.response().status, 101);
    let mut waits = queued(&lb, 1);
    drop(tunnel);
    assert_eq!(waits.response().status, 200);
}

#[test]
fn one_that_waits_when_the_last_backend_goes_down_is_answered() {
    let (origin, _go) = obedient();
    let lb = lb(origin.address, |setup| {
        setup.health.interval = Duration::from_millis(50);
        setup.health.fall = 1;
    });
    let mut first = lb.client();
    first.send(GET);
    origin.request();
    let mut waits = queued(&lb, 1);
    origin.set_healthy(false);
    let response = waits.response();
    assert_eq!(response.status, 503);
    assert!(
        response
            .text()
            .starts_with("503 Service Unavailable\nNo backend is up.")
    );
}

#[test]
fn a_request_whose_kept_connection_was_dead_waits_for_its_backend_as_any_other() {
    let (go, permission) = unbounded::<()>();
    let connections = AtomicUsize::new(0);
    let origin = Origin::scripted(move |served| {
        let is_first = connections.fetch_add(1, Ordering::SeqCst) == 0;
        for number in 0.. {
            let has_request = served.request().is_some();
            if !has_request || permission.recv_timeout(PATIENCE).is_err() || is_first && number == 1
            {
                return;
            }
            served.client.send(HELLO);
        }
    });
    let lb = lb(origin.address, |_| {});
    let mut clients = [lb.client(), lb.client()];
    go.send(()).unwrap();
    assert_eq!(clients[0].get("/").status, 200);
    origin.request();
    // On the kept connection, which the backend closes once the other one waits.
    clients[0].send("GET /dead HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(origin.request().contains("/dead"));
    clients[1].send(GET);
    eventually("the other one waits", || waiting(&lb) == 1);
    go.send(()).unwrap();
    // The other one has the only place now.
    assert!(!origin.request().contains("/dead"));
    for _ in 0..100 {
        eventually("it waits", || waiting(&lb) == 1);
    }
    go.send(()).unwrap();
    assert_eq!(clients[1].response().status, 200);
    assert!(origin.request().contains("/dead"));
    go.send(()).unwrap();
    assert_eq!(clients[0].response().status, 200);
}
