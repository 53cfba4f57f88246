//! Memory that is used up: those who need too much of it are refused or cut, those who need
//! little are served, nothing aborts, and when it is free again all are served as before.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;
use support::{Client, Lb, LbProgram, Origin, PATIENCE, eventually};

const SMALL: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmall";

/// What clients may take here. Two hundred heads of 30 KiB are more than twice as much.
const MAX_MEMORY: u64 = 3 << 20;
const CLIENTS: usize = 200;

/// The head of a request of some 30 KiB, without its end.
fn long_head() -> String {
    let field = |number| format!("X-{number}: {}\r\n", "x".repeat(990));
    let fields: String = (0..30).map(field).collect();
    format!("GET /long HTTP/1.1\r\nHost: a\r\n{fields}")
}

/// Answers `/huge` with 100 MiB, as far as they are taken, and everything else with a little.
fn start_backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::Builder::new()
                .stack_size(128 * 1024)
                .spawn(move || serve(stream))
                .unwrap();
        }
    });
    address
}

fn serve(mut stream: TcpStream) {
    let (mut came, mut buffer) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        while let Some(end) = support::find(&came, b"\r\n\r\n") {
            let is_huge = came.starts_with(b"GET /huge ");
            came.drain(..end + 4);
            let is_sent = match is_huge {
                true => send_huge(&mut stream),
                false => stream.write_all(SMALL.as_bytes()).is_ok(),
            };
            if !is_sent {
                return;
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(count) => came.extend_from_slice(&buffer[..count]),
        }
    }
}

fn send_huge(stream: &mut TcpStream) -> bool {
    let piece = vec![b'x'; 64 * 1024];
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n";
    stream.write_all(head.as_bytes()).is_ok() && (0..1600).all(|_| stream.write_all(&piece).is_ok())
}

/// Clients that send a long head but for its end.
fn send_long_heads(address: SocketAddr, count: usize) -> Vec<Client> {
    let head = long_head();
    let send = |_| {
        let mut client = Client::to(address);
        // One that is refused while it sends may be closed already.
        let _ = client.stream.write_all(head.as_bytes());
        client
    };
    (0..count).map(send).collect()
}

/// Clients that ask for much and read nothing.
fn ask_for_much(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let ask = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        let _ = stream.write_all(b"GET /huge HTTP/1.1\r\nHost: a\r\n\r\n");
        stream
    };
    (0..count).map(ask).collect()
}

/// The status of what came, if the connection was ended in our place.
fn status_if_ended(client: &mut Client) -> Option<u16> {
    client.stream.set_nonblocking(true).unwrap();
    let mut byte = [0; 1];
    let peeked = client.stream.peek(&mut byte);
    client.stream.set_nonblocking(false).unwrap();
    match peeked {
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        _ => Some(client.response().status),
    }
}

fn limited(backend: SocketAddr) -> Lb {
    Lb::with(&[backend], |config| {
        config.max_memory = Some(MAX_MEMORY);
        config.timeouts.head = PATIENCE;
    })
}

#[test]
fn heads_that_find_no_memory_get_503_and_the_others_are_served() {
    let lb = limited(start_backend());
    let mut before = lb.client();
    assert_eq!(before.get("/").status, 200);
    let mut clients = send_long_heads(lb.address, CLIENTS);
    let mut refused = 0;
    eventually("some are refused", || {
        clients.retain_mut(|client| match status_if_ended(client) {
            None => true,
            Some(status) => {
                assert_eq!(status, 503);
                refused += 1;
                false
            }
        });
        // Three quarters of it hold 64 of them, which count 36 KiB each.
        clients.len() <= 72 && refused > 0
    });
    // One that was there before, one that is new, and those whose head is being read; but for
    // some of which the last bytes are still on their way.
    assert_eq!(before.get("/").status, 200);
    assert_eq!(lb.client().get("/").status, 200);
    let mut statuses = Vec::new();
    for client in &mut clients {
        let _ = client.stream.write_all(b"\r\n");
        statuses.push(client.response().status);
    }
    let served = statuses.iter().filter(|&&status| status == 200).count();
    assert!(served > 40, "{statuses:?}");
    drop((before, clients));
    eventually("all of it is free", || lb.status().memory.used == 0);
    let mut again = send_long_heads(lb.address, 10);
    for client in &mut again {
        assert_eq!(client.send("\r\n").response().status, 200);
    }
}

#[test]
fn slow_readers_that_find_no_memory_are_cut_and_the_others_are_served() {
    let lb = limited(start_backend());
    let mut before = lb.client();
    assert_eq!(before.get("/").status, 200);
    let readers = ask_for_much(lb.address, CLIENTS);
    eventually("as many as there is memory for are left", || {
        let (memory, open) = (lb.status().memory, lb.status().connections.used);
        memory.used > memory.limit / 4 * 3 && open > 10 && open < CLIENTS
    });
    assert_eq!(before.get("/").status, 200);
    assert_eq!(lb.client().get("/").status, 200);
    drop((readers, before));
    eventually("all of it is free", || lb.status().memory.used == 0);
    let mut whole = lb.client();
    whole.send("GET /huge HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(whole.read_to_end().len() > 100 << 20);
}

#[test]
fn a_tunnel_that_finds_no_memory_is_reset_and_does_not_look_whole() {
    const LENGTH: usize = 16 << 20;
    // What is left of a read is anything up to 32 KiB, and they count 4 KiB each besides.
    const TUNNELS: usize = 20;
    let origin = Origin::scripted(|served| {
        served.request();
        let head = "HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: tcp\r\n\r\n";
        served.client.send(head);
        let _ = served.client.stream.write_all(&vec![b'x'; LENGTH]);
    });
    let lb = Lb::with(&[origin.address], |config| {
        config.max_memory = Some(200 << 10);
    });
    let mut clients: Vec<Client> = (0..TUNNELS).map(|_| lb.client()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: tcp\r\n\r\n");
        client.read_until(b"\r\n\r\n");
    }
    eventually("some have found none", || {
        lb.status().connections.used < clients.len()
    });
    let mut were_cut = 0;
    for mut client in clients {
        let mut came = Vec::new();
        match client.stream.read_to_end(&mut came) {
            Ok(_) => assert!(came.len() + 100_000 > LENGTH, "{} look whole", came.len()),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                were_cut += 1;
            }
        }
    }
    assert!(were_cut > 0);
}

/// As little as is taken for a single client with default settings.
#[test]
fn the_least_memory_is_enough_for_a_large_upload_whose_receiver_pauses() {
    const LENGTH: usize = 24 << 20;
    let origin = Origin::scripted(|served| {
        served.client.read_until(b"\r\n\r\n");
        for _ in 0..3 {
            served.client.read_exactly(LENGTH / 3);
            // It takes the upload slowly.
            thread::sleep(Duration::from_millis(200));
        }
        // It serves no second request on this connection.
        let last = SMALL.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        served.client.send(last);
        thread::sleep(Duration::from_millis(300));
    });
    let lb = Lb::with(&[origin.address], |config| {
        config.max_memory = Some(200 << 10);
    });
    for _ in 0..3 {
        let mut client = lb.client();
        let mut sender = client.stream.try_clone().unwrap();
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LENGTH}\r\n\r\n");
        let sending = thread::spawn(move || {
            // A refusal is what the answer tells.
            let _ = sender.write_all(head.as_bytes());
            let _ = sender.write_all(&vec![b'x'; LENGTH]);
        });
        assert_eq!(client.response().status, 200);
        sending.join().unwrap();
    }
}

#[test]
fn new_clients_wait_while_connections_take_all_memory_and_idle_ones_make_room() {
    let origin = Origin::answering(SMALL);
    let lb = Lb::with(&[origin.address], |config| {
        config.max_memory = Some(256 << 10);
    });
    // They count 4 KiB each.
    let mut idle: Vec<Client> = (0..64).map(|_| lb.client()).collect();
    for client in &mut idle {
        assert_eq!(client.get("/").status, 200);
    }
    let connections = lb.status().connections;
    assert!(connections.used <= 64 && connections.limit > 64);
    let mut more: Vec<Client> = (0..20).map(|_| lb.client()).collect();
    for client in &mut more {
        assert_eq!(client.get("/").status, 200);
    }
    eventually("it is within its limit", || {
        lb.status().memory.used <= lb.status().memory.limit
    });
}

/// Bytes of address space that a process has mapped.
#[cfg(target_os = "linux")]
fn address_space(pid: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

#[cfg(target_os = "linux")]
#[test]
fn a_limit_on_the_address_space_aborts_nothing_and_holds_up_nobody() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    const CROWD: usize = 4500;
    let _ = lb::net::limits::raise_descriptor_limit();
    let words = [
        &start_backend().to_string(),
        "--log",
        "off",
        "--head-timeout",
        "60s",
    ];
    let mut lb = LbProgram::start(0, &words);
    let mut before = lb.client();
    assert_eq!(before.get("/").status, 200);
    let most = address_space(lb.child.id()) + (50 << 20);
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    prlimit(Some(Pid::from_child(&lb.child)), Resource::As, limit).unwrap();
    let is_alive = |lb: &mut LbProgram| lb.child.try_wait().unwrap().is_none();
    // Heads of 130 MiB in all, held at the same time, and as many answers that nobody reads.
    for attack in 0..2 {
        let heads = send_long_heads(lb.address, CROWD * (1 - attack));
        let readers = ask_for_much(lb.address, 1000 * attack);
        for _ in 0..20 {
            assert_eq!(before.get("/").status, 200, "attack {attack}");
            // Requests go on while the crowd is there.
            thread::sleep(Duration::from_millis(20));
        }
        assert!(is_alive(&mut lb), "attack {attack}");
        drop((heads, readers));
        eventually("new clients are served", || {
            lb.client().get("/").status == 200 && is_alive(&mut lb)
        });
    }
    let mut after = send_long_heads(lb.address, 10);
    for client in &mut after {
        assert_eq!(client.send("\r\n").response().status, 200);
    }
}
