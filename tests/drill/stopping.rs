//! TERM under load: nothing that was begun is lost, and the end is prompt.
//!
//! What counts as lost: a request that got no whole answer, though the balancer had read of it.
//! From outside that shows in two ways. A backend has got it; or the connection came to an
//! orderly end after the request was sent, for if the balancer had closed before that, its
//! kernel would have answered the request with a reset. (The requests fit into one read.)
//!
//! One thing looks the same and is not a loss. The balancer looks a last time whether a request
//! has come, and then ends the connection; in the microseconds between the two, one may come.
//! That hardly ever happens, so that a few among all requests are let pass.

use crate::client::{Checker, Cut, Order, Outcome};
use crate::load::{Sample, next_id};
use crate::stage::{Settings, Stage};
use crate::support::{Client, find};
use crate::table::words;
use crate::{is_full, rounds};
use crossbeam_channel::{Receiver, Sender, bounded};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

const CLIENTS: u64 = 64;

/// Clients among them whose requests take their time.
const SLOW: u64 = 8;

/// Clients among them that come anew for each request.
const NEW: u64 = 8;

const DOWNLOAD: usize = 1_000_000;

/// Requests that may come just when their connection ends, beside one for each ten rounds.
const MOST_UNLUCKY: usize = 1;

/// After a stop was announced, within which it is known to everybody.
const NEWS: Duration = Duration::from_millis(100);

/// One request of a client that goes on until it is sent away.
struct Asked {
    sample: Sample,
    was_told_to_close: bool,
}

/// Asks until the connection ends, or there are no new ones.
fn ask_until_sent_away(address: SocketAddr, number: u64) -> Vec<Asked> {
    let mut checker = Checker::of(address);
    let mut all = Vec::new();
    loop {
        let order = Order {
            id: next_id(),
            is_post: number.is_multiple_of(2),
            bytes: 40,
            delay: if number < SLOW { 600 } else { 3 },
            closes: (SLOW..SLOW + NEW).contains(&number),
            pause: Duration::ZERO,
        };
        let began = Instant::now();
        let outcome = checker.ask(&order);
        let was_told_to_close = checker.was_told_to_close;
        let is_over = matches!(outcome, Outcome::Cut(_)) || was_told_to_close && !order.closes;
        let sample = Sample {
            began,
            ended: Instant::now(),
            id: order.id,
            is_post: order.is_post,
            outcome,
        };
        all.push(Asked {
            sample,
            was_told_to_close: was_told_to_close || order.closes,
        });
        if is_over {
            return all;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Says when the answer begins; returns when it had ended, all of it.
fn download(address: SocketAddr, pause: Duration, begins: &Sender<()>) -> Instant {
    let mut client = Client::to(address);
    let pause = pause.as_millis();
    client.send(format!(
        "GET /?bytes={DOWNLOAD}&drip={pause}ms HTTP/1.1\r\nHost: a\r\n\r\n"
    ));
    let head = client.read_until(b"\r\n\r\n");
    assert!(head.starts_with(b"HTTP/1.1 200 "));
    begins.send(()).unwrap();
    let body = client.read_exactly(DOWNLOAD);
    let line = find(&body, b"!").map(|end| &body[..=end]).unwrap();
    let expected: Vec<u8> = line.iter().copied().cycle().take(DOWNLOAD).collect();
    assert!(body == expected, "the download is not what it was");
    let ended = Instant::now();
    assert!(client.is_closed());
    ended
}

/// Everything that is wrong with what a client met.
fn complaint(asked: &Asked, stage: &Stage, known: Instant) -> Option<String> {
    let sample = &asked.sample;
    let ports = stage.deliveries.of(sample.id);
    let complaint = match sample.outcome {
        Outcome::Answered(port) if ports != [port] => "it came to others",
        Outcome::Answered(_) if sample.ended > known && !asked.was_told_to_close => {
            "the connection seems to stay open"
        }
        Outcome::Answered(_) => return None,
        // Nobody has accepted it, or read of it.
        Outcome::Cut(Cut::Refused | Cut::Before | Cut::Crossed | Cut::Reset)
            if ports.is_empty() =>
        {
            return None;
        }
        // Counted by itself.
        Outcome::Cut(Cut::End) if ports.is_empty() => return None,
        _ => "it is lost",
    };
    let what = words(&sample.outcome);
    Some(format!("{complaint}: {} at {ports:?}: {what}", sample.id))
}

fn complaints(asked: &[Asked], stage: &Stage) -> Vec<String> {
    let stopping = announced(stage).expect("it says that it stops");
    let known = stopping + NEWS + stage.stalls.between(stopping, stopping + NEWS * 10);
    let complaints = asked
        .iter()
        .filter_map(|asked| complaint(asked, stage, known));
    complaints.collect()
}

fn announced(stage: &Stage) -> Option<Instant> {
    let lines = stage.watch.lines().into_iter();
    let mut stopping = lines.filter(|(_, line)| line.starts_with("Stopping"));
    stopping.next().map(|(at, _)| at)
}

fn count(asked: &[Asked], is_meant: impl Fn(&Outcome) -> bool) -> usize {
    let outcomes = asked.iter().map(|asked| &asked.sample.outcome);
    outcomes.filter(|outcome| is_meant(outcome)).count()
}

/// How often each outcome came, for people to see.
fn print(asked: &[Asked], last: Instant, exit: Instant) {
    let cut = |how: Cut| count(asked, |outcome| *outcome == Outcome::Cut(how));
    println!("\nTERM under load: {} requests", asked.len());
    println!(
        "answered {}, not sent {}, crossed {}, not read {}, unlucky {}, refused {}; \
         the end {:.2} s after the last answer",
        count(asked, |outcome| matches!(outcome, Outcome::Answered(_))),
        cut(Cut::Before),
        cut(Cut::Crossed),
        cut(Cut::Reset),
        cut(Cut::End),
        cut(Cut::Refused),
        (exit - last).as_secs_f32()
    );
}

fn wait_for_load(begins: &Receiver<()>) {
    begins.recv_timeout(crate::support::PATIENCE).unwrap();
    thread::sleep(Duration::from_millis(400));
}

/// Stops a balancer during a download of a hundred pieces with such pauses; returns how many
/// requests were unlucky.
fn stop_under_load(pause: Duration) -> usize {
    let settings = Settings {
        interval: Duration::from_secs(1),
        timeout: Duration::from_millis(500),
        rise: 2,
    };
    let mut stage = Stage::set(settings, &["--drain-timeout", "30s"]);
    let address = stage.lb.address;
    let (sender, begins) = bounded(1);
    let (asked, downloaded, exit, code) = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(move || ask_until_sent_away(address, number)))
            .collect();
        let download = scope.spawn(move || download(address, pause, &sender));
        wait_for_load(&begins);
        stage.lb.signal(Signal::TERM);
        let code = stage.lb.wait();
        let exit = Instant::now();
        let asked = clients
            .into_iter()
            .flat_map(|client| client.join().unwrap());
        let asked: Vec<Asked> = asked.collect();
        (asked, download.join().unwrap(), exit, code)
    });
    stage.read_to_the_end();
    assert_eq!(code, Some(0));
    let answered = asked.iter().filter(|asked| asked.sample.is_good());
    let last = answered.map(|asked| asked.sample.ended).max().unwrap();
    let last = last.max(downloaded);
    print(&asked, last, exit.max(last));
    let wrong = complaints(&asked, &stage);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let took = exit.saturating_duration_since(last);
    let most = Duration::from_secs(1) + stage.stalls.between(last, exit);
    assert!(took < most, "it ends {took:?} after the last answer");
    count(&asked, |outcome| *outcome == Outcome::Cut(Cut::End))
}

#[test]
fn a_stop_loses_no_request_that_was_accepted() {
    let short = Duration::from_millis(15);
    let mut unlucky = stop_under_load(if is_full() { short * 7 } else { short });
    for _ in 1..rounds() {
        unlucky += stop_under_load(short);
    }
    let most = MOST_UNLUCKY + rounds() / 10;
    assert!(unlucky <= most, "{unlucky} requests were lost");
}
