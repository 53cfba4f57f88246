use super::*;
use crate::config::Settings;
use crate::engine::scheduler::Scheduler;
use crate::engine::turn::IoCache;
use crate::exchange::Request;
use crate::exchange::expectation::Expectation;
use crate::exchange::listeners::Listeners;
use crate::exchange::shared::{Local, Shared};
use crate::http::Version;
use crate::http::forward::NO_EDITS;
use crate::http::identity::NO_IDENTITY;
use crate::http::method::Method;
use crate::http::request;
use crate::log::LogMode;
use crate::log::event::AcceptedRequest;
use crate::net::conn::Blocking;
use crate::net::testing::pair;
use std::net::SocketAddr;
use std::time::Duration;

fn listeners(client: SocketAddr, turn: &Turn<'_>) -> Listeners {
    let mut table = request::field_table();
    let head = request::parse(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", &mut table).expect("valid");
    let accepted = AcceptedRequest {
        head: &head,
        client,
        connection: 1,
        group: None,
        identity: &NO_IDENTITY,
        reading: Duration::ZERO,
    };
    Listeners::begin(&accepted, LogMode::Off, 0, turn, turn.now())
}

/// How many turns it takes to pass on the heads that came at once, while another session is
/// queued.
fn turns_for(heads: &str) -> usize {
    let (shared, scheduler) = (
        Shared::over(Vec::new(), Settings::default()),
        Scheduler::new(1, || ()),
    );
    let (mut cache, mut local) = (IoCache::default(), Local::default());
    scheduler.add_worker();
    scheduler.add_job(|| ());
    let ((backend, server), (conn, _reader)) = (pair(), pair());
    let address = backend.local_addr().expect("connected");
    let mut client = Client::new(conn, address, 1);
    let mut sent = 0;
    while sent < heads.len() {
        if let Moved::Bytes(count) = server
            .write(&heads.as_bytes()[sent..], Blocking::Never)
            .expect("open")
        {
            sent += count;
        }
    }
    let request = Request {
        method: Method::Get,
        version: Version::Http11,
        keeps_alive: true,
        upgrade: None,
        authenticates_connection: false,
        prefers_json: false,
        is_secure: false,
        id: None,
    };
    let mut answer = Answer::default();
    let turn = Turn::new(&shared, &mut local, &mut cache, &scheduler, false);
    let mut listeners = listeners(address, &turn);
    drop(turn);
    let (mut expectation, mut turns) = (Expectation::new(false), 0);
    loop {
        let mut turn = Turn::new(&shared, &mut local, &mut cache, &scheduler, false);
        turn.is_resumed = true;
        let mut served = Served {
            settings: &Settings::default(),
            edits: NO_EDITS,
            request: &request,
            expectation: &mut expectation,
            listeners: &mut listeners,
            is_sent: true,
            is_received: true,
        };
        let progress = answer.pump(&mut served, &mut client, &backend, &mut turn);
        match progress.expect("well-formed") {
            AnswerProgress::OtherFirst => turns += 1,
            AnswerProgress::Complete => return turns + 1,
            // It is on its way.
            _ => {}
        }
    }
}

#[test]
fn a_turn_ends_between_heads_that_came_together() {
    let last = "HTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(turns_for(last), 1);
    // Short ones by their number, as many as may come at once, long ones by their bytes: in less
    // than one read of each.
    let short = "HTTP/1.1 103 \r\n\r\n".repeat(100);
    let turns = turns_for(&(short + last));
    assert!((4..=12).contains(&turns), "{turns}");
    let long = format!("HTTP/1.1 103 \r\nX: {}\r\n\r\n", "x".repeat(5000));
    let turns = turns_for(&(long.repeat(6) + last));
    assert!((4..=12).contains(&turns), "{turns}");
}
