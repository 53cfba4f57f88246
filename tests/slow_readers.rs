//! What piles up in the kernel for one that does not read: a client that was sent a large answer,
//! or a backend that was sent a large upload. It is counted at the other end, as the bytes that
//! could be written there before nothing more was taken. The buffers of both ends are small, so
//! that nearly all of it is the balancer's.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use rustix::net::sockopt;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};
use support::{Client, Lb, Origin, PATIENCE};

/// The most that may pile up for each, on the average: what may be unsent, what is unread, a pipe's
/// or buffer's worth in the balancer, and both ends. It is 530 to 620 KiB, and without a bound on
/// what may be unsent some four megabytes.
const MOST: usize = 1024 * 1024;

/// What may be unread. Left to itself, the kernel raises it to twice what was read in a round trip:
/// on a busy machine to a megabyte.
const WINDOW: usize = 64 * 1024;

/// Clients at the same time: the kernel raises what it takes by a little more for some.
const CLIENTS: usize = 8;

/// Of a socket of the test. The kernel doubles it.
const SMALL_BUFFER: usize = 16 * 1024;

/// Nothing more is taken when nothing was for so long.
const STUCK: Duration = Duration::from_millis(500);

/// A body that nobody sends to its end.
const ENDLESS: u64 = 1 << 40;

/// Writes until nothing more is taken; returns how many bytes were.
fn fill(stream: &mut TcpStream) -> usize {
    sockopt::set_socket_send_buffer_size(&*stream, SMALL_BUFFER).unwrap();
    stream.set_nonblocking(true).unwrap();
    let bytes = vec![b'x'; 65536];
    let (mut taken, mut last) = (0, Instant::now());
    while last.elapsed() < STUCK {
        match stream.write(&bytes).unwrap_or(0) {
            0 => thread::sleep(Duration::from_millis(1)), // Nothing is taken now.
            count => {
                taken += count;
                last = Instant::now();
            }
        }
    }
    taken
}

/// A connection with a small receive buffer from its beginning.
fn reads_little(address: SocketAddr) -> Client {
    let client = Client::to(address);
    sockopt::set_socket_recv_buffer_size(&client.stream, SMALL_BUFFER).unwrap();
    client
}

/// A backend that sends an endless body, and tells how much of it was taken.
fn generous() -> Origin {
    Origin::scripted(|served| {
        served.client.read_until(b"\r\n\r\n");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {ENDLESS}\r\n\r\n");
        served.client.send(head);
        let taken = fill(&mut served.client.stream);
        served.tell(taken.to_string());
    })
}

/// A backend that reads nothing of an upload for as long as the test takes.
fn indifferent() -> Origin {
    Origin::scripted(|served| {
        sockopt::set_socket_recv_buffer_size(&served.client.stream, SMALL_BUFFER).unwrap();
        // It reads nothing.
        thread::sleep(PATIENCE);
    })
}

fn told(origin: &Origin) -> usize {
    origin.request().parse().unwrap()
}

/// A balancer of the usual bounds, but for the windows.
fn windowed(origin: &Origin) -> Lb {
    Lb::with(&[origin.address], |config| {
        config.sockets.client_window = Some(WINDOW);
        config.sockets.backend_window = Some(WINDOW);
    })
}

/// What piles up of an answer for each client.
fn of_answers(lb: &Lb, origin: &Origin) -> usize {
    let begun = (0..CLIENTS).map(|_| {
        let mut client = reads_little(lb.address);
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        client
    });
    let _open: Vec<Client> = begun.collect();
    let taken: usize = (0..CLIENTS).map(|_| told(origin)).sum();
    taken / CLIENTS
}

/// What piles up of each upload.
fn of_uploads(lb: &Lb) -> usize {
    let upload = || {
        let mut client = lb.client();
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {ENDLESS}\r\n\r\n"
        ));
        fill(&mut client.stream)
    };
    let taken: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(upload)).collect();
        threads.into_iter().map(|one| one.join().unwrap()).sum()
    });
    taken / CLIENTS
}

fn is_little(piled: usize) {
    assert!(piled <= MOST, "{} KiB", piled / 1024);
}

#[test]
fn little_piles_up_for_a_client_that_does_not_read() {
    let origin = generous();
    let lb = windowed(&origin);
    is_little(of_answers(&lb, &origin));
}

#[test]
fn little_piles_up_for_a_backend_that_does_not_read() {
    let origin = indifferent();
    let lb = windowed(&origin);
    is_little(of_uploads(&lb));
}
