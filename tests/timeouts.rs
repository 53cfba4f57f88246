//! Every wait has an end, and a drip of bytes does not move it.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use lb::config::Timeouts;
use std::io::Write as _;
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};
use support::{Lb, Origin, eventually};

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const SHORT: Duration = Duration::from_millis(300);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_secs(3);

fn short(change: impl FnOnce(&mut Timeouts)) -> (Origin, Lb) {
    let origin = Origin::answering(HELLO);
    let lb = Lb::with(&[origin.address], |config| change(&mut config.timeouts));
    (origin, lb)
}

fn assert_took(began: Instant) {
    let took = began.elapsed();
    assert!(
        took >= SHORT - Duration::from_millis(5) && took < SHORT + SLACK,
        "{took:?}"
    );
}

#[test]
fn half_a_head_is_answered_408_also_when_it_drips() {
    let (origin, lb) = short(|timeouts| timeouts.head = SHORT);
    for drips in [false, true] {
        let mut client = lb.client();
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
        let began = Instant::now();
        if drips {
            let mut stream = client.stream.try_clone().unwrap();
            thread::spawn(move || {
                while stream.write_all(b"x").is_ok() && began.elapsed() < SHORT * 2 {
                    // It drips: a byte now and then.
                    thread::sleep(Duration::from_millis(5));
                }
            });
        }
        assert_eq!(client.response().status, 408);
        assert_took(began);
    }
    assert_eq!(origin.count(), 0);
}

#[test]
fn a_connection_that_says_nothing_is_closed_without_a_word() {
    let (_origin, lb) = short(|timeouts| timeouts.head = SHORT);
    let began = Instant::now();
    assert!(lb.client().is_closed());
    assert_took(began);
}

#[test]
fn an_idle_kept_connection_is_closed_without_a_word_after_its_own_timeout() {
    let (_origin, lb) = short(|timeouts| timeouts.keep_alive = SHORT);
    let mut client = lb.client();
    client.get("/");
    let began = Instant::now();
    assert!(client.is_closed());
    assert_took(began);
}

#[test]
fn a_later_head_has_its_own_timeout_from_its_first_byte() {
    let (_origin, lb) = short(|timeouts| timeouts.head = SHORT);
    let mut client = lb.client();
    client.get("/");
    // Longer than a head may take, and nobody minds: nothing was begun.
    thread::sleep(SHORT * 2);
    client.send("GET ");
    let began = Instant::now();
    assert_eq!(client.response().status, 408);
    assert_took(began);
}

#[test]
fn an_upload_that_stalls_is_408() {
    let (_origin, lb) = short(|timeouts| timeouts.body = SHORT);
    let mut client = lb.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    let began = Instant::now();
    assert_eq!(client.response().status, 408);
    assert_took(began);
}

#[test]
fn a_slow_upload_that_makes_progress_is_served() {
    let (_origin, lb) = short(|timeouts| timeouts.body = Duration::from_millis(500));
    let mut client = lb.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
    for _ in 0..10 {
        // Each byte within the timeout, all of them beyond it.
        thread::sleep(Duration::from_millis(100));
        client.send("x");
    }
    assert_eq!(client.response().text(), "hello");
}

#[test]
fn a_response_head_that_drips_is_504() {
    let origin = Origin::scripted(|served| {
        if served.request().is_some() {
            for byte in
                b"HTTP/1.1 200 OK\r\nX: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
            {
                if served.client.stream.write_all(&[*byte]).is_err() {
                    return;
                }
                // The answer drips.
                thread::sleep(Duration::from_millis(20));
            }
        }
    });
    let lb = Lb::with(&[origin.address], |config| config.timeouts.response = SHORT);
    let began = Instant::now();
    assert_eq!(lb.client().get("/").status, 504);
    assert_took(began);
}

#[test]
fn a_response_body_that_stalls_is_cut_visibly() {
    let origin = Origin::scripted(|served| {
        if served.request().is_some() {
            served
                .client
                .send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
            served.client.read_to_end();
        }
    });
    let lb = Lb::with(&[origin.address], |config| config.timeouts.body = SHORT);
    let began = Instant::now();
    let response = lb.client().get("/");
    assert!(!response.is_whole && response.text() == "abc");
    assert_took(began);
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let origin = Origin::scripted(|served| {
        if served.request().is_some() {
            let megabyte = vec![b'x'; 1 << 20];
            served
                .client
                .stream
                .write_all(b"HTTP/1.1 200 OK\r\n\r\n")
                .unwrap();
            while served.client.stream.write_all(&megabyte).is_ok() {}
        }
    });
    let lb = Lb::with(&[origin.address], |config| config.timeouts.body = SHORT);
    let mut client = lb.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    eventually("it is cut off", || lb.status().connections.used == 0);
}

#[test]
fn a_client_that_never_reads_its_refusal_is_let_go() {
    let (_origin, lb) = short(|_| {});
    let mut client = lb.client();
    client.send("NONSENSE\r\n\r\n");
    eventually("it is let go", || lb.status().connections.used == 0);
}

#[test]
fn a_client_that_resets_cancels_its_request() {
    let origin = Origin::scripted(|served| {
        served.request();
        served.client.read_to_end();
    });
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    origin.request();
    let none = Some(Duration::ZERO);
    rustix::net::sockopt::set_socket_linger(&client.stream, none).unwrap();
    drop(client);
    eventually("the session ends", || lb.status().connections.used == 0);
    assert_eq!(origin.count(), 0, "it was not repeated");
}

#[test]
fn a_client_that_ends_in_the_middle_of_its_body_cancels_its_request() {
    let (_origin, lb) = short(|_| {});
    let mut client = lb.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.response().status, 400);
}

#[test]
fn a_client_that_reads_slowly_but_steadily_is_not_cut_off() {
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n{}",
        "x".repeat(8_000_000)
    );
    let origin = Origin::answering(answer);
    let lb = Lb::with(&[origin.address], |config| {
        config.timeouts.body = Duration::from_secs(2)
    });
    let stream = std::net::TcpStream::connect(lb.address).unwrap();
    rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 32 * 1024).unwrap();
    let mut client = support::Client::on(stream);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    // A small part of what is under way in each timeout, and for longer than two. (Not less:
    // the kernel tells of progress in steps of up to 64 KiB.)
    for _ in 0..50 {
        thread::sleep(Duration::from_millis(100));
        client.read_exactly(20_000);
    }
    assert_eq!(lb.status().connections.used, 1);
}

#[test]
fn a_body_has_its_own_timeout_from_the_head_on() {
    let origin = Origin::scripted(|served| {
        if served.request().is_some() {
            // Within the timeout of the head.
            thread::sleep(Duration::from_millis(250));
            served
                .client
                .send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
            // Beyond the timeout of the body.
            thread::sleep(Duration::from_millis(600));
            served.client.send("late");
        }
    });
    let lb = Lb::with(&[origin.address], |config| {
        config.timeouts.response = Duration::from_millis(500);
        config.timeouts.body = Duration::from_secs(5);
    });
    assert_eq!(lb.client().get("/").text(), "late");
}
