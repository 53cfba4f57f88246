//! Ordinary servers that are busy: gunicorn, uvicorn, Node, PHP, Flask and Python's `http.server`
//! work on one request at a time (gunicorn with threads on four), and answer health checks when
//! they are done. Such a server is not dead: every request is answered, and no POST is done twice.
//!
//! `scripts/busy.sh` installs the servers and runs the full form, with `LB_BUSY=full`: more
//! requests, and HAProxy in the place of the balancer for comparison. A server that is not
//! installed is skipped.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "busy/case.rs"]
mod case;
#[path = "busy/kind.rs"]
mod kind;
#[path = "busy/load.rs"]
mod load;
#[path = "busy/proxy.rs"]
mod proxy;
#[path = "busy/row.rs"]
mod row;
#[path = "busy/scenario.rs"]
mod scenario;
#[path = "busy/server.rs"]
mod server;
mod support;
#[path = "busy/verdict.rs"]
mod verdict;

use case::Case;
use kind::Kind;
use proxy::Which;
use row::Row;
use std::io::{self, Write as _};
use std::sync::Mutex;
use std::thread;

/// Cases at the same time. Nearly all of their time is spent waiting, so that in the suite all
/// run at once; in the full form times are compared, and few programs start while others work.
const AT_ONCE: usize = 8;

/// Whether this is the full form and not the suite.
pub(crate) fn is_full() -> bool {
    std::env::var_os("LB_BUSY").is_some_and(|value| value == "full")
}

/// Not by `println`, which shows nothing of a test that passes.
fn skip(what: &str) {
    let _ = writeln!(io::stderr(), "skipped: no {what}");
}

/// What can be run on this machine.
fn cases() -> Vec<Case> {
    let (installed, absent): (Vec<_>, Vec<_>) = Kind::ALL.iter().partition(|k| k.is_installed());
    absent.iter().for_each(|kind: &Kind| skip(kind.name()));
    let mut proxies = vec![Which::Lb];
    if is_full() {
        match kind::program("haproxy") {
            Some(_) => proxies.push(Which::HaProxy),
            None => skip("haproxy"),
        }
    }
    let of_proxy = |proxy| {
        let of_kind = move |&kind: &Kind| Case::all(kind, proxy);
        installed.iter().flat_map(of_kind).collect::<Vec<_>>()
    };
    proxies.into_iter().flat_map(of_proxy).collect()
}

/// Runs the cases side by side, `at_once` at a time.
fn run(cases: Vec<Case>, at_once: usize) -> Vec<Row> {
    let rows = Mutex::new(Vec::new());
    let cases = Mutex::new(cases.into_iter());
    let next = || cases.lock().unwrap().next();
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(case) = next() {
                    let found = case.run();
                    rows.lock().unwrap().extend(found);
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap();
    rows.sort_by_key(|row| (row.case, row.number));
    rows
}

#[test]
fn a_server_that_is_busy_answers_every_request() {
    let cases = cases();
    let at_once = if is_full() { AT_ONCE } else { cases.len() };
    let rows = run(cases, at_once);
    row::print(&rows);
    let wrong = verdict::of(&rows);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
