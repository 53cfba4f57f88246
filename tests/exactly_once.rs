//! A request that may have an effect arrives once or not at all, whatever happens to backends.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use support::{Client, Lb, Program};

const REQUESTS: usize = 10_000;
const CLIENTS: usize = 16;

/// Sends its share of the requests; counts those that did not succeed.
fn post_all(lb: &Lb, share: usize, failed: &AtomicUsize) {
    let mut client = lb.client();
    for number in (0..REQUESTS).filter(|number| number % CLIENTS == share) {
        client.send(format!(
            "POST /?delay=2ms HTTP/1.1\r\nHost: a\r\nX-Id: {number}\r\nContent-Length: 2\r\n\r\nhi"
        ));
        let response = client.response();
        match response.status {
            200 => {}
            502..=504 => {
                failed.fetch_add(1, Ordering::SeqCst);
            }
            other => panic!("{other}"),
        }
        if response.field("Connection") == Some("close") {
            client = Client::to(lb.address);
        }
    }
}

/// Kills one backend after the other and restarts it; returns every line that any printed.
fn kill_and_restart(mut programs: Vec<Program>, end: &AtomicBool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut turn = 0;
    while !end.load(Ordering::SeqCst) {
        // Some requests are answered before the next kill.
        thread::sleep(Duration::from_millis(50));
        let count = programs.len();
        let program = &mut programs[turn % count];
        let port = program.address.port();
        program.kill();
        lines.extend(program.lines.iter());
        // Some requests meet the closed port.
        thread::sleep(Duration::from_millis(30));
        // Somebody else's outgoing connection may sit on the port for a moment.
        if let Some(again) = Program::try_backend(port) {
            *program = again;
        }
        turn += 1;
    }
    for program in &mut programs {
        program.kill();
        lines.extend(program.lines.iter());
    }
    println!("{turn} times a backend was killed");
    lines
}

#[test]
fn ten_thousand_posts_over_dying_backends_arrive_at_most_once() {
    let programs: Vec<Program> = (0..3).map(|_| Program::backend(0)).collect();
    let addresses: Vec<_> = programs.iter().map(|program| program.address).collect();
    let lb = Lb::with(&addresses, |config| {
        config.health.interval = Duration::from_millis(50)
    });
    let (end, failed) = (AtomicBool::new(false), AtomicUsize::new(0));
    let lines = thread::scope(|scope| {
        let killer = scope.spawn(|| kill_and_restart(programs, &end));
        thread::scope(|clients| {
            for share in 0..CLIENTS {
                let (lb, failed) = (&lb, &failed);
                clients.spawn(move || post_all(lb, share, failed));
            }
        });
        end.store(true, Ordering::SeqCst);
        killer.join().unwrap()
    });
    let mut arrived: HashMap<String, usize> = HashMap::new();
    for id in lines
        .iter()
        .filter_map(|line| line.strip_prefix("  X-Id: "))
    {
        *arrived.entry(id.to_string()).or_default() += 1;
    }
    let twice: Vec<_> = arrived.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "arrived more than once: {twice:?}");
    let failed = failed.load(Ordering::SeqCst);
    println!("{} arrived, {failed} failed", arrived.len());
    assert!(
        arrived.len() + failed >= REQUESTS,
        "{} arrived, {failed} failed",
        arrived.len()
    );
}
