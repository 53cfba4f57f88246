//! Backends with several addresses, hosts without IPv6, source ports that run out, and where it
//! listens. What needs a network of its own runs in a namespace.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "addresses/space.rs"]
mod space;
mod support;

use lb::backends::Name;
use space::Space;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::{Client, Lb, Origin, PATIENCE, Setup, eventually, said};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// A balancer over these backends, with checks often and the rest as it comes.
fn lb_over(backends: Vec<Name>, change: impl FnOnce(&mut Setup)) -> Lb {
    Lb::with(&[], |config| {
        config.backends = backends;
        config.health.interval = Duration::from_millis(300);
        config.health.timeout = Some(PATIENCE);
        change(config);
    })
}

/// This machine by its own name, which has an IPv4 and an IPv6 address.
fn here(address: SocketAddr) -> Name {
    Name {
        host: String::new(),
        port: address.port(),
    }
}

/// A backend whose checks are answered and whose every other request is, too.
fn hello() -> Origin {
    Origin::answering(HELLO)
}

fn reason(lb: &Lb, index: usize) -> String {
    lb.status().groups[0].backends[index].reason.clone()
}

fn is_up(lb: &Lb, index: usize) -> bool {
    lb.status().groups[0].backends[index].is_up
}

const NO_IPV6: &str = "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.lo.disable_ipv6=1";

#[test]
fn without_ipv6_a_dead_backend_is_down_and_the_others_serve_without_delay() {
    let Some(space) = Space::new(NO_IPV6) else {
        return;
    };
    space.within(|| {
        let (good, dying) = (hello(), TcpListener::bind("127.0.0.1:0").unwrap());
        let address = dying.local_addr().unwrap();
        // It is well at the start, and then gone.
        let served = thread::spawn(move || support::answer_check(&dying, HELLO));
        let names = vec![here(good.address), here(address)];
        let lb = lb_over(names, |config| {
            config.health.interval = Duration::from_secs(60);
            config.timeouts.connect = PATIENCE;
        });
        served.join().unwrap();
        assert!(is_up(&lb, 0) && is_up(&lb, 1));
        let began = Instant::now();
        for _ in 0..10 {
            let mut client = lb.client();
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(client.response().text(), "hello");
        }
        assert!(began.elapsed() < PATIENCE / 4, "{:?}", began.elapsed());
        eventually("it is down", || !is_up(&lb, 1));
        assert_eq!(reason(&lb, 1), "connection refused");
    });
}

#[test]
fn a_backend_of_a_family_that_this_host_does_not_have_is_down_and_not_our_exhaustion() {
    let Some(space) = Space::new(NO_IPV6) else {
        return;
    };
    space.within(|| {
        let good = hello();
        let only_v6 = Name {
            host: "::1".into(),
            port: 9,
        };
        let lb = lb_over(vec![support::name_of(&good.address), only_v6], |_| {});
        assert!(is_up(&lb, 0) && !is_up(&lb, 1));
        assert_eq!(reason(&lb, 1), "unreachable");
        assert!((0..10).all(|_| lb.client().get("/").status == 200));
    });
}

/// So few source ports that a handful of connections uses them up.
const FEW_PORTS: &str = "sysctl -qw net.ipv4.ip_local_port_range='40000 40007'";

/// Holds every source port to `address`.
fn use_up(address: SocketAddr) -> Vec<TcpStream> {
    std::iter::from_fn(|| TcpStream::connect(address).ok()).collect()
}

/// A backend on a port that is none of the few, and how many connections it has had. Each is
/// served by a thread.
fn outside(port: u16) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::SeqCst);
            thread::spawn(move || {
                let mut client = Client::on(stream);
                while client.read_to_end_of(b"\r\n\r\n") {
                    client.read_until(b"\r\n\r\n");
                    client.send(HELLO);
                }
            });
        }
    });
    (address, connections)
}

#[test]
fn out_of_ports_to_one_backend_the_next_is_asked_at_once_and_idle_connections_stay() {
    let Some(space) = Space::new(FEW_PORTS) else {
        return;
    };
    space.within(|| {
        let [(short, _), (other, connections)] = [outside(30001), outside(30002)];
        let names = [short, other].map(|address| support::name_of(&address));
        let lb = lb_over(names.into(), |config| {
            config.port = 30000;
            config.health.interval = Duration::from_secs(60);
            config.timeouts.backend_idle = PATIENCE;
        });
        let mut client = Client::to(SocketAddr::from(([127, 0, 0, 1], 30000)));
        // One connection to each comes to rest.
        (0..2).for_each(|_| assert_eq!(client.get("/").status, 200));
        let held = use_up(short);
        let kept = |index: usize| lb.status().groups[0].backends[index].idle > 0;
        eventually("both rest", || kept(0) && kept(1));
        // The kept ones are used first. Taken away, the first has no connection and no port.
        lb.backend(0).idle.clear();
        let _more = use_up(short);
        let (began, before) = (Instant::now(), connections.load(Ordering::SeqCst));
        for _ in 0..20 {
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
            assert_eq!(client.response().text(), "hello");
        }
        assert!(began.elapsed() < PATIENCE / 4, "{:?}", began.elapsed());
        let opened = connections.load(Ordering::SeqCst) - before;
        assert_eq!(opened, 0, "what rests was closed for nothing");
        assert!(is_up(&lb, 0), "it is not to blame");
        drop(held);
    });
}

#[test]
fn out_of_ports_to_every_backend_a_request_waits_and_then_gets_503() {
    let Some(space) = Space::new(FEW_PORTS) else {
        return;
    };
    space.within(|| {
        let (only, _) = outside(30001);
        let lb = lb_over(vec![support::name_of(&only)], |config| {
            config.port = 30000;
            config.health.interval = Duration::from_secs(60);
            config.timeouts.connect = Duration::from_millis(500);
        });
        let mut client = Client::to(SocketAddr::from(([127, 0, 0, 1], 30000)));
        let held = use_up(only);
        let began = Instant::now();
        let refused = client.get("/");
        assert_eq!(refused.status, 503);
        assert!(
            refused.text().contains("no source port left"),
            "{}",
            refused.text()
        );
        assert!(began.elapsed() >= Duration::from_millis(500));
        assert!(is_up(&lb, 0), "it is not to blame");
        // With a reset the ports are free at once.
        for stream in &held {
            let none = Some(Duration::ZERO);
            rustix::net::sockopt::set_socket_linger(stream, none).unwrap();
        }
        let mut client = Client::to(SocketAddr::from(([127, 0, 0, 1], 30000)));
        client.send(GET);
        // The request finds no port first, and waits for one.
        thread::sleep(Duration::from_millis(100));
        drop(held);
        assert_eq!(client.response().text(), "hello");
    });
}

#[test]
fn bindv6only_keeps_no_ipv4_client_out_and_what_is_said_is_true() {
    let Some(space) = Space::new("sysctl -qw net.ipv6.bindv6only=1") else {
        return;
    };
    space.within(|| {
        let origin = hello();
        let lb = lb_over(vec![support::name_of(&origin.address)], |config| {
            config.address = None;
        });
        for host in ["127.0.0.1", "::1"] {
            let stream = TcpStream::connect((host, lb.address.port())).unwrap();
            assert_eq!(Client::on(stream).get("/").text(), "hello");
        }
        let line = said(
            &["0", &origin.address.to_string()],
            "Load balancer is listening on ",
        );
        assert!(
            line.contains("[::]:") && line.contains(" (IPv4 and IPv6) -> "),
            "{line}"
        );
        let line = said(
            &["[::]:0", &origin.address.to_string()],
            "Load balancer is listening on ",
        );
        assert!(line.contains("[::]:") && !line.contains("IPv4"), "{line}");
    });
}

#[test]
fn a_zone_belongs_to_an_address_here_and_to_no_host_field() {
    let setup = "ip address add fe80::7/64 dev lo nodad";
    let Some(space) = Space::new(setup) else {
        return;
    };
    space.within(|| {
        let listener = TcpListener::bind(("fe80::7%lo", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let served = thread::spawn(move || {
            let mut check = String::new();
            // On a busy machine there may be more than one check.
            loop {
                let mut client = Client::on(listener.accept().unwrap().0);
                let head = String::from_utf8(client.read_until(b"\r\n\r\n")).unwrap();
                client.send(HELLO);
                match head.contains("User-Agent: lb-health/") {
                    true => check = head,
                    false => return [check, head],
                }
            }
        });
        let backend = format!("[fe80::7%lo]:{port}");
        let lb = lb_over(
            vec![Name {
                host: "fe80::7%lo".into(),
                port,
            }],
            |config| {
                config.address = Some("fe80::7%lo".into());
                config.health.interval = Duration::from_secs(60);
                // The kernel may not have a route to a new address at once.
                config.hold = Duration::from_secs(15);
            },
        );
        let mut client = Client::on(TcpStream::connect(lb.address).unwrap());
        client.send("GET / HTTP/1.0\r\n\r\n");
        assert_eq!(client.response().text(), "hello");
        let [check, request] = served.join().unwrap();
        assert!(
            check.contains(&format!("\r\nHost: [fe80::7]:{port}\r\n")),
            "{check}"
        );
        let own = format!("\r\nHost: [fe80::7]:{}\r\n", lb.address.port());
        assert!(request.contains(&own), "{request}");
        assert_eq!(lb.status().groups[0].backends[0].name.to_string(), backend);
    });
}
