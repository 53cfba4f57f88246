//! The clients.

use crate::scenario::{Job, Scenario};
use crate::support::{Client, Response};
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A client that waits for longer has given up. No proxy here waits for as long.
const PATIENCE: Duration = Duration::from_secs(100);

/// What became of a request.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) id: u64,
    pub(crate) job: Job,
    pub(crate) outcome: Outcome,
    pub(crate) took: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 200, with the number of the request.
    Answered,
    /// Another status, and its text.
    Status(u16, String),
    /// 200, with something else.
    Wrong(String),
    /// No answer, or none that is whole.
    Cut,
}

/// Lets all clients of the scenario begin together, and waits for the last.
pub(crate) fn run(address: SocketAddr, scenario: &Scenario) -> Vec<Sample> {
    let start = Barrier::new(scenario.clients.len());
    thread::scope(|scope| {
        let begin = |jobs| {
            let start = &start;
            scope.spawn(move || work_through(address, jobs, start))
        };
        let clients: Vec<_> = scenario
            .clients
            .iter()
            .map(Vec::as_slice)
            .map(begin)
            .collect();
        let samples = clients
            .into_iter()
            .flat_map(|client| client.join().unwrap());
        samples.collect()
    })
}

/// One client: one request after the other, on a connection that it keeps if it may.
fn work_through(address: SocketAddr, jobs: &[Job], start: &Barrier) -> Vec<Sample> {
    let mut kept = None;
    start.wait();
    jobs.iter()
        .map(|&job| {
            let (id, began) = (new_id(), Instant::now());
            let response = exchange(address, &mut kept, id, job);
            let took = began.elapsed();
            let outcome = judged(id, response);
            Sample {
                id,
                job,
                outcome,
                took,
            }
        })
        .collect()
}

/// A number that no other request of this process has.
fn new_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

fn exchange(address: SocketAddr, kept: &mut Option<Client>, id: u64, job: Job) -> Option<Response> {
    let mut client = match kept.take() {
        Some(client) => client,
        None => connected(address)?,
    };
    client.stream.write_all(request(id, job).as_bytes()).ok()?;
    let response = client.try_response(false)?;
    let closes = response
        .field("Connection")
        .is_some_and(|value| value.eq_ignore_ascii_case("close"));
    if response.is_whole && !closes {
        *kept = Some(client);
    }
    Some(response)
}

fn connected(address: SocketAddr) -> Option<Client> {
    let client = Client::on(TcpStream::connect(address).ok()?);
    client.stream.set_read_timeout(Some(PATIENCE)).ok()?;
    Some(client)
}

fn request(id: u64, job: Job) -> String {
    let target = format!("/work?id={id}&ms={}", job.ms);
    match job.is_post {
        true => format!(
            "POST {target} HTTP/1.1\r\nHost: busy\r\n\
             Content-Type: text/plain\r\nContent-Length: 4\r\n\r\nbusy"
        ),
        false => format!("GET {target} HTTP/1.1\r\nHost: busy\r\n\r\n"),
    }
}

fn judged(id: u64, response: Option<Response>) -> Outcome {
    match response {
        Some(response) if response.status != 200 => {
            Outcome::Status(response.status, response.text())
        }
        Some(response) if response.text() == format!("{id}\n") => Outcome::Answered,
        Some(response) if response.is_whole => Outcome::Wrong(response.text()),
        Some(_) | None => Outcome::Cut,
    }
}
