//! Reloads under load: backends come and go, files are broken, and no client notices anything.
//!
//! `scripts/reload-drill.sh` runs it in full size, with `LB_RELOADS=200`, and shows the figures.
#![cfg(target_os = "linux")]
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "reload/file.rs"]
mod file;
#[path = "reload/load.rs"]
mod load;
mod support;
#[path = "reload/usage.rs"]
mod usage;

use file::ConfigFile;
use load::{Load, WebSockets};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};
use support::{LbProgram, PATIENCE, Program};
use usage::Usage;

/// Backends that there are; a configuration has some of them.
const POOL: usize = 6;

/// Every so many reloads the file is broken.
const BROKEN_EVERY: usize = 10;

/// Clients that send requests all the time, and WebSockets that stay open all the time.
const CLIENTS: usize = 64;
const WEBSOCKETS: usize = 20;

/// More memory than this at the end than after the first reloads is a leak: what sockets and the
/// allocator keep varies by less.
const SPARE_BYTES: usize = 6 << 20;

/// How many reloads: some in the suite, so that each kind of change comes.
fn reloads() -> usize {
    let reloads = std::env::var("LB_RELOADS").ok();
    reloads
        .and_then(|reloads| reloads.parse().ok())
        .unwrap_or(12)
}

/// A balancer that reads `file`, with these words beside.
fn start(file: &ConfigFile, words: &[&str]) -> LbProgram {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.arg("--config").arg(&file.path).args(words);
    // Without the story, only what changes is printed.
    command.args(["--log", "off"]);
    LbProgram::spawn(command)
}

/// The next line that contains one of these.
fn line(lb: &LbProgram, parts: &[&str]) -> String {
    loop {
        let line = lb.errors.recv_timeout(PATIENCE).expect("a line");
        if parts.iter().any(|part| line.contains(part)) {
            return line;
        }
    }
}

/// Writes the next file and has it read; returns what is said of it.
fn reload(lb: &LbProgram, file: &ConfigFile, number: usize, pool: &[Program]) -> String {
    let is_broken = number % BROKEN_EVERY == BROKEN_EVERY - 1;
    match is_broken {
        true => file.write_broken(),
        false => file.write(&chosen(number, pool)),
    }
    lb.signal(Signal::HUP);
    let said = line(lb, &["Reloaded", "stays as it was"]);
    assert_eq!(said.contains("stays"), is_broken, "{said}");
    said
}

/// The backends of one configuration: two to all of the pool, always others.
fn chosen(number: usize, pool: &[Program]) -> Vec<SocketAddr> {
    let count = 2 + number % (pool.len() - 1);
    let first = number * 7 % pool.len();
    let all = (0..count).map(|place| pool[(first + place) % pool.len()].address);
    all.collect()
}

#[test]
fn no_request_fails_and_no_websocket_is_cut_while_the_configuration_changes() {
    let pool: Vec<Program> = (0..POOL).map(|_| Program::backend(0)).collect();
    let file = ConfigFile::new("drill");
    file.write(&chosen(0, &pool));
    let lb = start(&file, &[]);
    let load = Load::begin(lb.address, CLIENTS);
    let websockets = WebSockets::open(lb.address, WEBSOCKETS);
    let (pid, reloads) = (lb.child.id(), reloads());
    let warm_up = (reloads / 10).max(2);
    let mut early = Usage::of(pid);
    let began = Instant::now();
    for number in 1..=reloads {
        reload(&lb, &file, number, &pool);
        websockets.exchange();
        if number == warm_up {
            early = Usage::settled(pid);
        }
    }
    let took = began.elapsed();
    let late = Usage::settled(pid);
    let answered = load.end();
    websockets.close();
    println!("{reloads} reloads in {took:.1?}; {answered} requests; then {early:?}, now {late:?}");
    assert!(answered > reloads * CLIENTS, "{answered} answers");
    assert!(
        late.bytes <= early.bytes + SPARE_BYTES,
        "{early:?} {late:?}"
    );
    assert_eq!(late.threads, early.threads);
    // Idle connections come and go with the load; each backend may have as many as clients.
    assert!(
        late.descriptors <= early.descriptors + CLIENTS,
        "{early:?} {late:?}"
    );
}

#[test]
fn a_changed_file_is_noticed_without_a_signal_where_it_is_watched() {
    let pool: Vec<Program> = (0..2).map(|_| Program::backend(0)).collect();
    let file = ConfigFile::new("watched");
    file.write(&[pool[0].address]);
    let lb = start(&file, &["--watch"]);
    file.write(&[pool[1].address]);
    let said = line(&lb, &["Reloaded"]);
    let (added, removed) = (pool[1].address, pool[0].address);
    assert!(said.contains(&format!("+{added}, -{removed}")), "{said}");
    let mut client = lb.client();
    let port = added.port().to_string();
    assert!(client.get("/").text().contains(&port));
}

#[test]
fn listeners_are_added_and_closed_and_what_needs_a_restart_is_said() {
    let backend = Program::backend(0);
    let file = ConfigFile::new("listeners");
    file.write(&[backend.address]);
    let lb = start(&file, &[]);
    // The same port of another address of this machine.
    let other = SocketAddr::from(([127, 0, 0, 2], lb.address.port()));
    file.write_text(&format!(
        "listen = [\"{other}\"]\nworkers = 3\n[group.a]\nbackends = [\"{}\"]\n\
         algorithm = \"random\"\n[[route]]\npath = \"/\"\ngroup = \"a\"\n[timeouts]\nhead = \"7s\"\n",
        backend.address
    ));
    let mut kept = lb.client();
    assert_eq!(kept.get("/").status, 200);
    lb.signal(Signal::HUP);
    let said = line(&lb, &["Reloaded"]);
    assert!(said.contains(&format!("+{other}")), "{said}");
    let rest = "group a: Choosing a backend, Health checks; routes: +*/ -> a; \
                settings: Connections and threads, Timeouts";
    assert!(said.contains(rest), "{said}");
    let said = line(&lb, &["restart"]);
    assert!(said.contains("workers"), "{said}");
    assert_eq!(support::Client::to(other).get("/").status, 200);
    // A client that is connected stays; new ones are refused.
    assert_eq!(kept.get("/").status, 200);
    support::eventually("it is closed", || {
        std::net::TcpStream::connect_timeout(&lb.address, Duration::from_secs(5)).is_err()
    });
}

/// What `lb` with these words prints to its operator.
fn operate(lb: &LbProgram, admin: &str, words: &[&str]) -> String {
    assert!(lb.child.id() > 0);
    let output = support::lb_output(&[words, &["--admin", admin]].concat());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_was_changed_by_hand_stays_until_the_entry_of_that_backend_changes() {
    let pool: Vec<Program> = (0..3).map(|_| Program::backend(0)).collect();
    let names: Vec<String> = pool.iter().map(|one| one.address.to_string()).collect();
    let file = ConfigFile::new("by-hand");
    file.write(&[pool[0].address, pool[1].address]);
    let lb = start(&file, &["--admin", "127.0.0.1:0"]);
    let admin = line(&lb, &["Admin listener: "]);
    let admin = admin.rsplit(' ').next().unwrap();
    operate(&lb, admin, &["drain", &names[0]]);
    line(&lb, &["draining"]);
    file.write(&[pool[0].address, pool[2].address]);
    lb.signal(Signal::HUP);
    line(&lb, &["Reloaded"]);
    let status = operate(&lb, admin, &["status"]);
    assert_eq!(status.matches("draining").count(), 1, "{status}");
    // Its entry is another one: it is as it is written.
    file.write_text(&format!(
        "listen = [\"127.0.0.1:0\"]\n[group.a]\nbackends = [\n\
         {{ address = \"{}\", weight = 2 }}, \"{}\"]\n",
        names[0], names[2]
    ));
    lb.signal(Signal::HUP);
    line(&lb, &["Reloaded"]);
    let status = operate(&lb, admin, &["status"]);
    assert_eq!(status.matches("draining").count(), 0, "{status}");
}
