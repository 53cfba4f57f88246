//! Node.js at both ends: its `http` module as a backend; `fetch`, `http.request` and curl as
//! clients of that.

use super::{Server, curl, finished, fixture, installed, succeeds};
use crate::support::Lb;
use std::process::Command;

/// A backend on Node, and a balancer over it.
fn node_behind_a_balancer() -> Option<(Server, Lb)> {
    let mut node = installed("node")?;
    let server = Server::start(node.arg(fixture("origin.js")));
    let lb = Lb::over(&[server.address]);
    Some((server, lb))
}

/// Lets the client script do one of its things through a balancer to the origin script.
fn client_does(behaviour: &str) {
    let Some((_server, lb)) = node_behind_a_balancer() else {
        return;
    };
    let port = lb.address.port().to_string();
    let mut node = Command::new("node");
    succeeds(node.args([&fixture("client.js"), &port, behaviour]));
}

#[test]
fn an_agent_keeps_its_connection() {
    client_does("an_agent_keeps_its_connection");
}

#[test]
fn fetch_streams_an_upload() {
    client_does("fetch_streams_an_upload");
}

#[test]
fn fetch_reads_answers_of_every_framing() {
    client_does("fetch_reads_answers_of_every_framing");
}

#[test]
fn a_body_is_echoed_while_it_is_sent() {
    client_does("a_body_is_echoed_while_it_is_sent");
}

#[test]
fn trailers_pass_both_ways() {
    client_does("trailers_pass_both_ways");
}

#[test]
fn early_hints_come_before_the_answer() {
    client_does("early_hints_come_before_the_answer");
}

#[test]
fn a_body_is_sent_when_the_origin_says_continue() {
    client_does("a_body_is_sent_when_the_origin_says_continue");
}

#[test]
fn a_body_that_the_origin_refuses_is_not_waited_for() {
    client_does("a_body_that_the_origin_refuses_is_not_waited_for");
}

#[test]
fn an_abort_reaches_the_origin() {
    client_does("an_abort_reaches_the_origin");
}

/// What curl gets of the origin's `path`, with these words.
fn got_by_curl(lb: &Lb, words: &[&str], path: &str) -> Option<Vec<u8>> {
    let url = format!("http://{}{path}", lb.address);
    let output = finished(curl::command()?.args(words).arg(url));
    Some(output.stdout)
}

#[test]
fn ranges_and_codings_are_left_to_the_two_ends() {
    let Some((_server, lb)) = node_behind_a_balancer() else {
        return;
    };
    let Some(whole) = got_by_curl(&lb, &[], "/range") else {
        return;
    };
    assert_eq!(whole.len(), 100_000);
    let part = |words: &[&str], path| got_by_curl(&lb, words, path).unwrap();
    assert!(part(&["--range", "10-99"], "/range") == whole[10..100]);
    assert!(part(&["--continue-at", "99000"], "/range") == whole[99_000..]);
    assert!(part(&["--compressed"], "/gzip") == whole);
    let shown = part(&["--include", "--range", "5-9"], "/range");
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.starts_with("HTTP/1.1 206 Partial Content\r\n"));
    assert!(shown.contains("\r\nContent-Range: bytes 5-9/100000\r\n"));
    let status = ["--write-out", "%{http_code}", "--range", "100000-"];
    assert_eq!(part(&status, "/range"), b"416");
}
