//! NTLM and Negotiate authenticate a connection: what a backend takes for one client's must never
//! carry another's request, and must carry all of that client's.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use lb::backends::AdminState;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use support::{Client, Lb, Origin, Response, Served, eventually};

/// Which challenge a backend sends.
const NTLM: &str = "WWW-Authenticate: NTLM";

/// A backend that authenticates connections: it answers with the number of the connection, and
/// the user that it takes the client for.
struct Server {
    origin: Origin,
    closed: Arc<AtomicUsize>,
}

impl Server {
    fn challenging(challenge: &'static str) -> Self {
        let (opened, closed) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&closed);
        let origin = Origin::scripted(move |served| {
            let number = opened.fetch_add(1, Ordering::SeqCst) + 1;
            serve(served, number, challenge);
            counter.fetch_add(1, Ordering::SeqCst);
        });
        Self { origin, closed }
    }

    fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }
}

fn serve(served: &mut Served, number: usize, challenge: &str) {
    let mut user = None;
    while let Some(request) = served.request() {
        if request.contains("/close") {
            return;
        }
        if let Some((_, name)) = request.split_once("Authorization: NTLM final-") {
            user = name.lines().next().map(str::to_string);
        }
        let (status, field) = match (&user, request.contains("/open")) {
            (None, false) => ("401 Unauthorized", challenge),
            _ => ("200 OK", "X: x"),
        };
        let body = format!("{number} {}", user.as_deref().unwrap_or("nobody"));
        let length = body.len();
        served.client.send(format!(
            "HTTP/1.1 {status}\r\n{field}\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
    }
}

/// A client has its answer a moment before the backend's connection is at rest.
fn wait_for_rest(lb: &Lb) {
    eventually("it is kept", || lb.status().groups[0].backends[0].idle > 0);
}

fn ask(client: &mut Client, target: &str, field: &str) -> Response {
    let request = format!("GET {target} HTTP/1.1\r\nHost: a\r\n{field}\r\n");
    client.send(request).response()
}

/// The whole handshake; returns what the server says at its end.
fn authenticate(client: &mut Client, user: &str) -> String {
    assert_eq!(ask(client, "/", "").status, 401);
    let negotiation = "Authorization: NTLM negotiate\r\n";
    assert_eq!(ask(client, "/", negotiation).status, 401);
    let credentials = format!("Authorization: NTLM final-{user}\r\n");
    let response = ask(client, "/", &credentials);
    assert_eq!(response.status, 200);
    response.text()
}

#[test]
fn an_authenticated_connection_carries_its_clients_requests_and_no_others() {
    let server = Server::challenging(NTLM);
    let lb = Lb::over(&[server.origin.address]);
    let (mut anne, mut ben, mut eve) = (lb.client(), lb.client(), lb.client());
    assert_eq!(authenticate(&mut anne, "anne"), "1 anne");
    assert_eq!(ask(&mut eve, "/", "").text(), "2 nobody");
    assert_eq!(authenticate(&mut ben, "ben"), "3 ben");
    for _ in 0..3 {
        assert_eq!(ask(&mut anne, "/", "").text(), "1 anne");
        assert_eq!(ask(&mut ben, "/", "").text(), "3 ben");
        // Who is another client each time is nobody each time.
        let stranger = ask(&mut lb.client(), "/", "");
        assert!(stranger.text().ends_with(" nobody"), "{}", stranger.text());
    }
    assert!((lb.status().groups[0].backends[0].idle == 0));
}

#[test]
fn it_is_closed_when_its_client_leaves() {
    let server = Server::challenging(NTLM);
    let lb = Lb::with(&[server.origin.address], |config| {
        config.timeouts.backend_idle = Duration::from_secs(3600);
    });
    let mut client = lb.client();
    authenticate(&mut client, "anne");
    drop(client);
    eventually("it is closed", || server.closed() == 1);
    // The same when the last request says so.
    let mut client = lb.client();
    authenticate(&mut client, "anne");
    ask(&mut client, "/", "Connection: close\r\n");
    eventually("it is closed", || server.closed() == 2);
    assert_eq!(ask(&mut lb.client(), "/", "").text(), "3 nobody");
}

#[test]
fn a_challenge_is_found_in_every_form_and_another_scheme_shares_its_connection() {
    for (challenge, is_private) in [
        ("WWW-Authenticate: Basic realm=\"a\", nTLM", true),
        (
            "WWW-Authenticate: Basic realm=\"a\"\r\nwww-authenticate: NEGOTIATE",
            true,
        ),
        ("Proxy-Authenticate: Digest a=b,negotiate", true),
        ("WWW-Authenticate: Basic realm=\"NTLM\"", false),
    ] {
        let server = Server::challenging(challenge);
        let lb = Lb::over(&[server.origin.address]);
        let mut first = lb.client();
        assert_eq!(ask(&mut first, "/", "").text(), "1 nobody", "{challenge}");
        let wait = || match is_private {
            true => {}
            false => wait_for_rest(&lb),
        };
        wait();
        let expected = if is_private { "2 nobody" } else { "1 nobody" };
        assert_eq!(
            ask(&mut lb.client(), "/", "").text(),
            expected,
            "{challenge}"
        );
        wait();
        assert_eq!(ask(&mut first, "/", "").text(), "1 nobody", "{challenge}");
    }
}

#[test]
fn credentials_that_were_not_asked_for_make_a_connection_private_too() {
    let server = Server::challenging(NTLM);
    let lb = Lb::over(&[server.origin.address]);
    assert_eq!(ask(&mut lb.client(), "/open", "").text(), "1 nobody");
    wait_for_rest(&lb);
    let mut client = lb.client();
    let credentials = "Authorization: NTLM final-anne\r\n";
    assert_eq!(ask(&mut client, "/open", credentials).text(), "1 anne");
    assert_eq!(ask(&mut lb.client(), "/open", "").text(), "2 nobody");
    assert_eq!(ask(&mut client, "/open", "").text(), "1 anne");
}

#[test]
fn it_outlives_the_idle_timeout_of_other_backend_connections() {
    let server = Server::challenging(NTLM);
    let lb = Lb::with(&[server.origin.address], |config| {
        config.timeouts.backend_idle = Duration::from_millis(1);
    });
    let mut client = lb.client();
    authenticate(&mut client, "anne");
    // Longer than an idle connection is kept, if it belongs to no client.
    thread::sleep(Duration::from_millis(50));
    assert_eq!(ask(&mut client, "/", "").text(), "1 anne");
    // And the need for descriptors, which would close it for nothing: the next one needs as many.
    lb.engine.shared.close_idle_backend_connections();
    assert_eq!(ask(&mut client, "/", "").text(), "1 anne");
}

#[test]
fn one_that_died_is_replaced_at_the_same_backend_where_the_client_begins_again() {
    let servers = [Server::challenging(NTLM), Server::challenging(NTLM)];
    let lb = Lb::over(&servers.each_ref().map(|server| server.origin.address));
    for target in ["/", "/close"] {
        let mut client = lb.client();
        authenticate(&mut client, "anne");
        let is_theirs = |server: &&Server| server.origin.count() > 0;
        let theirs = servers.iter().find(is_theirs).expect("somebody answered");
        // It closes the connection in the middle of a request; or between two, as it happens
        // with this one at the latest.
        let closed = theirs.closed();
        if target == "/close" {
            // Sent again on a new connection, which is closed as well; then at the other.
            let response = ask(&mut client, target, "");
            assert_eq!(response.status, 502);
            eventually("both were closed", || theirs.closed() >= closed + 2);
            continue;
        }
        lb.backends()
            .all()
            .iter()
            .for_each(|backend| backend.idle.clear());
        let response = ask(&mut client, target, "");
        assert!(response.text().ends_with(" nobody"), "the state is lost");
        assert!(theirs.origin.count() > 0, "the same backend");
        assert!(authenticate(&mut client, "anne").ends_with(" anne"));
        assert!(theirs.origin.count() > 0, "the same backend");
        drop(client);
        let others = servers.iter().map(|server| server.origin.count());
        assert_eq!(others.sum::<usize>(), 0);
    }
}

#[test]
fn a_backend_that_drains_goes_on_with_it_and_one_that_is_down_or_disabled_does_not() {
    let servers = [Server::challenging(NTLM), Server::challenging(NTLM)];
    let lb = Lb::with(
        &servers.each_ref().map(|server| server.origin.address),
        |config| {
            config.health.interval = Duration::from_millis(30);
            config.health.fall = 1;
        },
    );
    let mut client = lb.client();
    authenticate(&mut client, "anne");
    let (ours, other) = match servers[0].origin.count() {
        0 => (1, 0),
        _ => (0, 1),
    };
    let backend = lb.backend(ours);
    lb.backends().set_admin(&backend, AdminState::Draining);
    assert_eq!(ask(&mut client, "/", "").text(), "1 anne");
    lb.backends().set_admin(&backend, AdminState::Disabled);
    assert_eq!(ask(&mut client, "/", "").text(), "1 nobody");
    assert_eq!(servers[other].origin.count(), 1);

    // At the other one now, which goes down.
    assert_eq!(authenticate(&mut client, "anne"), "1 anne");
    lb.backends().set_admin(&backend, AdminState::Enabled);
    servers[other].origin.set_healthy(false);
    eventually("it is down", || {
        !lb.status().groups[0].backends[other].is_up
    });
    let closed = servers[other].closed();
    assert!(ask(&mut client, "/", "").text().ends_with(" nobody"));
    eventually("it is closed", || servers[other].closed() > closed);
}
