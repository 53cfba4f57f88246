//! Python's `http.client`, and its `http.server` as a backend.

use super::{Folder, Server, fixture, installed, noise, succeeds};
use crate::support::{Lb, Program};
use std::process::Command;

/// Lets the client script do one of its things through a balancer.
fn client_does(behaviour: &str) {
    let Some(mut python) = installed("python3") else {
        return;
    };
    let program = Program::backend(0);
    let lb = Lb::over(&[program.address]);
    let port = lb.address.port().to_string();
    succeeds(python.args([&fixture("client.py"), &port, behaviour]));
}

#[test]
fn its_client_keeps_the_connection() {
    client_does("keep_alive");
}

#[test]
fn its_client_sees_no_body_where_there_is_none() {
    client_does("answers_without_a_body");
}

#[test]
fn its_client_uploads_in_chunks() {
    client_does("chunked_upload");
}

#[test]
fn its_client_uploads_with_a_length() {
    client_does("sized_upload");
}

#[test]
fn its_client_notices_an_answer_that_is_cut() {
    client_does("an_answer_that_is_cut");
}

/// Asks a server of files for what such servers are asked for, all on one connection.
fn serves_files(start: impl FnOnce(Command, &str) -> Server) {
    let Some(python) = installed("python3") else {
        return;
    };
    let folder = Folder::new();
    let content = noise(1_000_000);
    folder.file("large.bin", &content);
    folder.file("empty.txt", b"");
    folder.file("folder/index.html", b"<p>index</p>");
    let server = start(python, folder.path());
    let lb = Lb::over(&[server.address]);
    let mut client = lb.client();
    let large = client.get("/large.bin");
    assert!(large.is_whole && large.body == content);
    client.send("HEAD /large.bin HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.head_response();
    assert_eq!(head.field("Content-Length"), Some("1000000"));
    let date = head.field("Last-Modified").unwrap();
    client.send(format!(
        "GET /large.bin HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: {date}\r\n\r\n"
    ));
    assert_eq!(client.response().status, 304);
    assert_eq!(client.get("/empty.txt").field("Content-Length"), Some("0"));
    let moved = client.get("/folder");
    assert_eq!(
        (moved.status, moved.field("Location")),
        (301, Some("/folder/"))
    );
    assert_eq!(client.get("/folder/").text(), "<p>index</p>");
    assert!(client.get("/").text().contains("large.bin"));
    assert_eq!(client.get("/none").status, 404);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(client.response().status, 501);
    assert_eq!(client.get("/folder/").text(), "<p>index</p>");
}

#[test]
fn its_server_of_files_is_a_backend_as_it_is() {
    serves_files(|mut python, folder| {
        let words = ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1"];
        Server::start(python.args(words).args(["--directory", folder]))
    });
}

#[test]
fn its_server_of_files_is_a_backend_in_either_version() {
    for protocol in ["HTTP/1.0", "HTTP/1.1"] {
        serves_files(|mut python, folder| {
            Server::start(python.args([&fixture("files.py"), protocol, folder]))
        });
    }
}
