//! A request with a body that offers to switch protocols, as `docker exec` sends it: the tunnel
//! begins behind the whole request (RFC 9110 §7.8).
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::{ErrorKind, Read as _};
use std::net::Shutdown;
use std::time::Duration;
use support::{Lb, Origin};

const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: tcp\r\nConnection: Upgrade\r\n\r\n";

/// A backend that switches to `tcp` after the request with a body that `docker exec` sends, as
/// soon as it has as much of it as `reads` says, and then tells what comes behind it.
fn switching(reads: Reads) -> Origin {
    Origin::scripted(move |served| {
        let head = served.client.read_until(b"\r\n\r\n");
        let head = String::from_utf8(head).unwrap();
        assert!(
            head.contains("\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"),
            "{head}"
        );
        let body = match head.contains("Content-Length: 2\r\n") {
            true => "{}",
            false => "0\r\n\r\n",
        };
        if reads == Reads::All {
            assert_eq!(served.client.read_exactly(body.len()), body.as_bytes());
        }
        served.client.send(SWITCH);
        // Apart from the head, so that the client can tell when it gets this.
        std::thread::sleep(Duration::from_millis(20));
        served.client.send("welcome");
        if reads == Reads::Head {
            assert_eq!(served.client.read_exactly(body.len()), body.as_bytes());
        }
        let behind = served.client.read_exactly(5);
        served.client.send(behind);
    })
}

/// How long a request that does not go on is waited for: long enough that also on a busy machine
/// the client has read the 101 before the reset.
const UNTIL_CUT: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    Head,
    All,
}

const TCP: &str = "POST /exec HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n";

#[test]
fn a_request_with_a_body_may_switch_too() {
    for reads in [Reads::All, Reads::Head] {
        let origin = switching(reads);
        let lb = Lb::over(&[origin.address]);
        for request in [
            "Content-Length: 2\r\n\r\n{}",
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ] {
            let mut client = lb.client();
            client.send(format!("{TCP}{request}early"));
            assert_eq!(client.response().status, 101, "{request:?}");
            assert_eq!(client.read_exactly(12), b"welcomeearly", "{request:?}");
        }
    }
}

#[test]
fn it_switches_when_the_whole_request_is_sent_and_not_before() {
    let origin = switching(Reads::Head);
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send(format!("{TCP}Content-Length: 2\r\n\r\n"));
    // The client hears of it at once; what is no HTTP waits for the end of the request.
    assert_eq!(client.response().status, 101);
    let short = Some(Duration::from_millis(300));
    client.stream.set_read_timeout(short).unwrap();
    assert!(client.stream.peek(&mut [0]).is_err(), "too early");
    client
        .stream
        .set_read_timeout(Some(support::PATIENCE))
        .unwrap();
    client.send("{}early");
    assert_eq!(client.read_exactly(12), b"welcomeearly");
}

#[test]
fn a_switch_answers_the_expectation_of_a_client_that_waits_to_be_asked() {
    let origin = switching(Reads::Head);
    let lb = Lb::over(&[origin.address]);
    let mut client = lb.client();
    client.send(format!(
        "{TCP}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    ));
    // RFC 9110 §7.8: first the 100, then the 101.
    assert_eq!(client.response().status, 100);
    assert_eq!(client.response().status, 101);
    client.send("{}early");
    assert_eq!(client.read_exactly(12), b"welcomeearly");
}

#[test]
fn a_request_that_never_ends_switches_nothing() {
    for leaves in [true, false] {
        let origin = Origin::scripted(|served| {
            served.client.read_until(b"\r\n\r\n");
            served.client.send(SWITCH);
            let rest = served.client.read_to_end();
            served.tell(rest);
        });
        let lb = Lb::with(&[origin.address], |config| {
            config.timeouts.body = UNTIL_CUT;
        });
        let mut client = lb.client();
        client.send(format!("{TCP}Content-Length: 2\r\n\r\n{{"));
        assert_eq!(client.response().status, 101);
        if leaves {
            client.stream.shutdown(Shutdown::Write).unwrap();
        }
        assert!(client.is_closed());
        assert_eq!(origin.request(), "{");
    }
}

#[test]
fn a_switch_that_comes_to_nothing_does_not_look_like_a_tunnel_that_has_ended() {
    let origin = Origin::scripted(|served| {
        served.client.read_until(b"\r\n\r\n");
        // The client has the head, but what comes behind it waits for the rest of the request.
        served.client.send(SWITCH).send("welcome");
        served.client.read_to_end();
    });
    let lb = Lb::with(&[origin.address], |config| {
        config.timeouts.body = UNTIL_CUT;
    });
    let mut client = lb.client();
    client.send(format!("{TCP}Content-Length: 2\r\n\r\n{{"));
    assert_eq!(client.response().status, 101);
    let end = client.stream.read(&mut [0; 16]);
    assert_eq!(
        end.map_err(|error| error.kind()),
        Err(ErrorKind::ConnectionReset)
    );
}
