//! The lines about requests, as the programs read them that people read logs with; and the file that
//! they go to. Tests of programs that are missing say so and pass.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use rustix::process::Signal;
use serde_json::Value;
use std::collections::HashSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{Client, LbProgram, Origin, Program, eventually, lb_output};

/// A folder that ends with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lb-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether a program is there; says so if not.
fn is_there(program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .stdout(Stdio::null())
        .status();
    let is_there = found.is_ok_and(|status| status.success());
    if !is_there {
        eprintln!("SKIPPED: there is no {program}");
    }
    is_there
}

/// What a program makes of a file.
fn output(program: &str, words: &[&str], file: &str) -> String {
    let output = Command::new(program)
        .args(words)
        .stdin(fs::File::open(file).unwrap())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn lines(file: &str) -> Vec<String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().map(String::from).collect()
}

fn end(mut lb: LbProgram) {
    lb.signal(Signal::TERM);
    assert_eq!(lb.wait(), Some(0));
}

/// Heads with everything in them that a client can send.
const HOSTILE: &[&str] = &[
    "GET /\"'<>{}|%0a HTTP/1.1\r\nHost: a\r\nUser-Agent: \"},{\"a\":\\\r\nReferer: \u{202e}\u{e0041}\r\n\r\n",
    "GET /a#b[] HTTP/1.1\r\nHost: a\r\nUser-Agent: \t\u{9b}31m\t\r\nReferer: ] \"GET / HTTP/1.1\" 500\r\n\r\n",
    "GET /\u{e4}\u{1f600} HTTP/1.1\r\nHost: a\r\n\r\n",
    "BAD\r\n\r\n",
    "\u{16}\u{3}\u{1}",
];

/// Has `lb` log the same requests in this format, and returns the file: six with 200, one with 503,
/// one that was tried at two backends, and what is hostile.
fn logged(mode: &str, folder: &Folder) -> String {
    let (file, backend) = (folder.file(mode), Program::backend(0));
    let mut dead = Program::backend(0);
    let names = [dead.address, backend.address].map(|address| address.to_string());
    let words = [
        &names[0],
        &names[1],
        "--log",
        mode,
        "--log-file",
        &file,
        "--health-interval",
        "1h",
    ];
    let lb = LbProgram::start(0, &words);
    for number in 0..6 {
        assert_eq!(lb.client().get(&format!("/{number}?x=y")).status, 200);
    }
    assert_eq!(lb.client().get("/?status=503").status, 503);
    dead.kill();
    for _ in 0..2 {
        assert_eq!(lb.client().get("/retried").status, 200);
    }
    for head in HOSTILE {
        let mut client = lb.client();
        client.stream.write_all(head.as_bytes()).unwrap();
        let _ = client.stream.shutdown(std::net::Shutdown::Write);
        let _ = client.read_to_end();
    }
    // A byte that is no UTF-8.
    let mut client = lb.client();
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: \xff\xc3\r\nConnection: close\r\n\r\n");
    let _ = client.read_to_end();
    end(lb);
    file
}

/// Requests that [`logged`] sends.
const REQUESTS: usize = 9 + HOSTILE.len() + 1;

#[test]
fn goaccess_parses_access_lines() {
    let folder = Folder::new("goaccess");
    let file = logged("access", &folder);
    assert_eq!(lines(&file).len(), REQUESTS, "{:#?}", lines(&file));
    if !is_there("goaccess") {
        return;
    }
    let report = folder.file("report.json");
    let words = [
        "--no-global-config",
        "--log-format=COMBINED",
        "-o",
        &report,
        &file,
    ];
    output("goaccess", &words, &file);
    let report: Value = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
    let general = &report["general"];
    assert_eq!(general["total_requests"], REQUESTS, "{general}");
    assert_eq!(general["failed_requests"], 0, "{general}");
    let codes = report["status_codes"].to_string();
    assert!(codes.contains("\"503"), "{codes}");
}

#[test]
fn jq_parses_json_lines() {
    let folder = Folder::new("jq");
    let file = logged("json", &folder);
    let objects: Vec<Value> = lines(&file)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    assert_eq!(objects.len(), REQUESTS);
    let retried = objects
        .iter()
        .filter(|object| object["target"] == "/retried");
    let attempts: Vec<usize> = retried
        .map(|object| object["attempts"].as_array().unwrap().len())
        .collect();
    assert!(attempts.contains(&2), "{attempts:?}");
    if !is_there("jq") {
        return;
    }
    let words = ["-s", "[.[] | select(.status == 200)] | length"];
    let count: usize = output("jq", &words, &file).trim().parse().unwrap();
    assert!(count >= 8, "{count}");
    let outcomes = output("jq", &["-r", ".attempts[].outcome"], &file);
    assert!(
        outcomes.contains("refused") && outcomes.contains("503"),
        "{outcomes}"
    );
}

#[test]
fn halog_counts_haproxy_lines() {
    let folder = Folder::new("halog");
    let file = logged("haproxy", &folder);
    assert_eq!(lines(&file).len(), REQUESTS);
    if !is_there("halog") {
        return;
    }
    // There is no syslog header before the lines.
    let halog = |what: &str| output("halog", &["-q", "-s", "-4", what], &file);
    let counts = halog("-st");
    let of = |status: u16| {
        let line = counts
            .lines()
            .find(|line| line.starts_with(&format!("{status} ")));
        line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    };
    let all: usize = (100..600).map(of).sum();
    assert_eq!(all, REQUESTS, "{counts}");
    assert!(of(200) >= 8 && of(503) == 1 && of(400) >= 2, "{counts}");
    let servers = halog("-srv");
    assert!(servers.contains("default/127.0.0.1:"), "{servers}");
    let codes = halog("-tc");
    assert!(codes.contains("--") && codes.contains("PR"), "{codes}");
}

#[test]
fn every_attempt_stands_in_the_line_in_order_with_its_outcome_and_time() {
    let folder = Folder::new("attempts");
    let closes = Origin::scripted(|served| drop(served.request()));
    let (file, backend) = (folder.file("log"), Program::backend(0));
    let names = [closes.address, backend.address].map(|address| address.to_string());
    let words = [&names[0], &names[1], "--log", "json", "--log-file", &file];
    let lb = LbProgram::start(0, &words);
    for _ in 0..2 {
        assert_eq!(lb.client().get("/").status, 200);
    }
    end(lb);
    let objects: Vec<Value> = lines(&file)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let retried = objects
        .iter()
        .find(|object| object["attempts"].as_array().unwrap().len() == 2);
    let attempts = &retried.expect("one went to the one that closes")["attempts"];
    assert_eq!(attempts[0]["backend"], names[0]);
    assert_eq!(attempts[0]["outcome"], "closed");
    assert_eq!(attempts[1]["backend"], names[1]);
    assert_eq!(attempts[1]["outcome"], "200");
    assert!(attempts[0]["ms"].is_f64() && attempts[1]["ms"].is_f64());
}

#[test]
fn times_of_a_slow_head_a_queue_and_a_slow_answer_are_told_apart() {
    let folder = Folder::new("times");
    let pause = Duration::from_millis(150);
    let slow = Origin::scripted(move |served| {
        while served.request().is_some() {
            std::thread::sleep(pause);
            served
                .client
                .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let (file, name) = (folder.file("log"), slow.address.to_string());
    let words = [
        &name,
        "--log",
        "haproxy",
        "--log-file",
        &file,
        "--max-in-flight",
        "1",
    ];
    let lb = LbProgram::start(0, &words);
    let mut first = lb.client();
    first.send("GET /first HTTP/1.1\r\n");
    std::thread::sleep(pause);
    first.send("Host: a\r\n\r\n");
    slow.request();
    // It waits in the queue for the first.
    assert_eq!(lb.client().get("/second").status, 200);
    assert_eq!(first.response().status, 200);
    end(lb);
    let timers = |target: &str| -> Vec<i64> {
        let all = lines(&file);
        let line = all.iter().find(|line| line.contains(target)).unwrap();
        let timers = line.split(' ').nth(4).unwrap().split('/');
        timers.map(|timer| timer.parse().unwrap()).collect()
    };
    let (first, second) = (timers("/first"), timers("/second"));
    let least = 100;
    assert!(
        first[0] >= least && first[1] < least && first[3] >= least,
        "{first:?}"
    );
    assert!(
        second[0] < least && second[1] > 0 && second[3] >= least,
        "{second:?}"
    );
    assert!(second[4] >= second[1] + second[3], "{second:?}");
}

#[test]
fn a_file_is_added_to_and_one_that_cannot_be_opened_is_a_failed_start_with_the_cure() {
    let folder = Folder::new("start");
    let (file, backend) = (folder.file("log"), Program::backend(0));
    fs::write(&file, "what was there\n").unwrap();
    let name = backend.address.to_string();
    let lb = LbProgram::start(0, &[&name, "--log", "access", "--log-file", &file]);
    assert_eq!(lb.client().get("/").status, 200);
    end(lb);
    assert_eq!(lines(&file)[0], "what was there");
    assert_eq!(lines(&file).len(), 2);
    for (bad, cure) in [
        (folder.file("none/log"), "create its directory first"),
        (folder.file(""), "name a file in it"),
    ] {
        let words = ["127.0.0.1:0", &name, "--log", "json", "--log-file", &bad];
        let output = lb_output(&words);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(
            errors.contains("cannot open the log file") && errors.contains(cure),
            "{errors}"
        );
    }
}

/// The targets in a file of JSON lines.
fn targets(file: &str) -> Vec<String> {
    let target = |line: &String| {
        let object: Value = serde_json::from_str(line).unwrap();
        object["target"].as_str().unwrap().to_string()
    };
    lines(file).iter().map(target).collect()
}

#[test]
fn a_renamed_file_is_opened_anew_at_usr1_and_no_line_is_lost() {
    let folder = Folder::new("rotate");
    let (file, backend) = (folder.file("log"), Program::backend(0));
    let name = backend.address.to_string();
    let lb = LbProgram::start(0, &[&name, "--log", "json", "--log-file", &file]);
    let mut client = lb.client();
    let mut sent = 0;
    let mut send = |count: usize| {
        for _ in 0..count {
            assert_eq!(client.get(&format!("/{sent}")).status, 200);
            sent += 1;
        }
    };
    for round in 0..3 {
        send(20);
        let old = folder.file(&format!("old{round}"));
        fs::rename(&file, old).unwrap();
        lb.signal(Signal::USR1);
        send(20);
        eventually("it is there again", || Path::new(&file).exists());
        send(1);
    }
    drop(client);
    end(lb);
    assert!(targets(&file).contains(&"/122".to_string()));
    let files = ["old0", "old1", "old2", "log"].map(|name| folder.file(name));
    let all: Vec<String> = files.iter().flat_map(|file| targets(file)).collect();
    let expected: HashSet<_> = (0..123).map(|number| format!("/{number}")).collect();
    assert_eq!(all.len(), 123);
    assert_eq!(all.into_iter().collect::<HashSet<_>>(), expected);
}

#[test]
fn where_the_file_cannot_be_opened_anew_the_old_one_is_written_on() {
    let folder = Folder::new("reopen");
    let (file, backend) = (folder.file("a/log"), Program::backend(0));
    fs::create_dir(folder.file("a")).unwrap();
    let name = backend.address.to_string();
    let lb = LbProgram::start(0, &[&name, "--log", "json", "--log-file", &file]);
    fs::rename(folder.file("a"), folder.file("b")).unwrap();
    lb.signal(Signal::USR1);
    let said = lb
        .errors
        .iter()
        .find(|line| line.contains("Cannot open the log file"));
    assert!(
        said.expect("it says so")
            .contains("lines go to the old one")
    );
    assert_eq!(lb.client().get("/after").status, 200);
    end(lb);
    assert_eq!(targets(&folder.file("b/log")), ["/after"]);
}

#[test]
fn a_full_disk_drops_lines_counts_them_and_holds_nobody() {
    if !Path::new("/dev/full").exists() {
        eprintln!("SKIPPED: there is no /dev/full");
        return;
    }
    let backend = Program::backend(0);
    let name = backend.address.to_string();
    let lb = LbProgram::start(0, &[&name, "--log", "json", "--log-file", "/dev/full"]);
    for _ in 0..7 {
        assert_eq!(lb.client().get("/").status, 200);
    }
    lb.signal(Signal::TERM);
    let counts = lb.errors.iter();
    let counts =
        counts.filter_map(|line| line.strip_prefix("Log lines lost: ")?.parse::<u32>().ok());
    assert_eq!(counts.sum::<u32>(), 7);
}

#[test]
fn lines_go_to_stdout_without_a_file() {
    let backend = Program::backend(0);
    for (mode, beginning) in [
        ("json", "{\"time\":\""),
        ("haproxy", "127.0.0.1:"),
        ("access", "127.0.0.1 - -"),
    ] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_lb"))
            .args(["127.0.0.1:0", &backend.address.to_string(), "--log", mode])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let errors = support::lines_of(child.stderr.take().unwrap());
        let listening = "Load balancer is listening on ";
        let said = errors
            .iter()
            .find_map(|line| line.strip_prefix(listening).map(String::from));
        let address = said.unwrap().split(' ').next().unwrap().parse().unwrap();
        assert_eq!(Client::to(address).get("/").status, 200);
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, Signal::TERM).unwrap();
        let mut text = String::new();
        child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        assert!(child.wait().unwrap().success());
        assert!(
            text.starts_with(beginning) && text.lines().count() == 1,
            "{text}"
        );
    }
}
