//! curl, as it is used by hand and in scripts.

use super::{Folder, finished, installed, noise};
use crate::support::{Lb, PATIENCE, Program, eventually};
use std::process::{Command, Output};

/// curl without the settings and proxies of whoever runs the tests, and bounded in time.
pub(super) fn command() -> Option<Command> {
    let mut curl = installed("curl")?;
    curl.args(["--disable", "--noproxy", "*", "--silent", "--show-error"]);
    curl.args(["--max-time", "15"]);
    Some(curl)
}

/// The balancer and the demo backend behind it, for curl to talk to.
struct Scene {
    program: Program,
    lb: Lb,
}

/// What curl says of one transfer.
struct Told {
    exit_code: Option<i32>,
    status: u16,
    version: String,
    seconds: f64,
    body: String,
    errors: String,
}

impl Scene {
    /// `None` if there is no curl.
    fn set() -> Option<Self> {
        installed("curl")?;
        let program = Program::backend(0);
        let lb = Lb::over(&[program.address]);
        Some(Self { program, lb })
    }

    /// Runs curl with these words, and then `target` at the balancer.
    fn run(&self, words: &[&str], target: &str) -> Output {
        let url = format!("http://{}{target}", self.lb.address);
        finished(command().unwrap().args(words).arg(url))
    }

    /// The same for a single transfer.
    fn curl(&self, words: &[&str], target: &str) -> Told {
        let format = "\n%{http_code} %{http_version} %{time_total}";
        let output = self.run(&[&["--write-out", format], words].concat(), target);
        let text = String::from_utf8_lossy(&output.stdout);
        let (body, facts) = text.rsplit_once('\n').expect("a line of facts");
        let mut facts = facts.split(' ');
        let mut fact = || facts.next().unwrap();
        Told {
            exit_code: output.status.code(),
            status: fact().parse().unwrap(),
            version: fact().to_string(),
            seconds: fact().replace(',', ".").parse().unwrap(),
            body: body.to_string(),
            errors: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Whether the backend has been asked for this, from now on.
    fn backend_got(&self, line: &str) -> bool {
        let lines = &self.program.lines;
        std::iter::from_fn(|| lines.recv_timeout(PATIENCE).ok()).any(|told| told.trim() == line)
    }

    fn has_no_session(&self) {
        let connections = || self.lb.status().connections.used;
        eventually("the session ends", || connections() == 0);
    }
}

impl Told {
    fn is_well(&self, status: u16) {
        let Self { body, errors, .. } = self;
        assert_eq!(self.exit_code, Some(0), "{errors}");
        assert_eq!(self.status, status, "{body} {errors}");
        assert_eq!(self.version, "1.1");
    }
}

#[test]
fn get_and_head_say_the_same_length() {
    let Some(scene) = Scene::set() else { return };
    let get = scene.curl(&["--include"], "/?bytes=1234");
    get.is_well(200);
    let head = scene.curl(&["--head"], "/?bytes=1234");
    head.is_well(200);
    for told in [&get, &head] {
        assert!(told.body.contains("Content-Length: 1234\r\n"));
    }
    assert!(get.body.len() > 1234 && head.body.ends_with("\r\n\r\n"));
}

#[test]
fn an_upload_that_waits_for_100_continue_gets_it() {
    let Some(scene) = Scene::set() else { return };
    let folder = Folder::new();
    let file = folder.file("upload", &noise(2_000_000));
    let at_file = format!("@{file}");
    for words in [["--upload-file", &file], ["--data-binary", &at_file]] {
        // A curl that is not told to go on would wait far longer than we do.
        let waits = ["--expect100-timeout", "14", "--verbose"];
        let expects = ["--header", "Expect: 100-continue"];
        let told = scene.curl(&[&waits[..], &expects, &words].concat(), "/x");
        told.is_well(200);
        assert!(told.body.contains("Thank you for 2000000 bytes."));
        assert!(told.errors.contains("< HTTP/1.1 100 Continue"));
        assert!(told.seconds < 14.0);
    }
}

#[test]
fn an_upload_that_is_refused_at_once_ends_with_the_refusal() {
    let Some(scene) = Scene::set() else { return };
    let folder = Folder::new();
    let file = folder.file("upload", &noise(2_000_000));
    let expects = ["--header", "Expect: 100-continue"];
    let words = [&expects[..], &["--upload-file", &file]].concat();
    let told = scene.curl(&words, "/?early&status=413");
    told.is_well(413);
    assert!(told.body.contains("413"));
    scene.has_no_session();
}

#[test]
fn uploads_of_every_framing_arrive_whole() {
    let Some(scene) = Scene::set() else { return };
    let folder = Folder::new();
    let at_file = format!("@{}", folder.file("upload", &noise(2_000_000)));
    let chunked = ["--header", "Transfer-Encoding: chunked"];
    let data = ["--data-binary", &at_file];
    for words in [
        [&data[..], &chunked].concat(),
        [&data[..], &["--http1.0"]].concat(),
        [&data[..], &["--header", "Expect:"]].concat(),
    ] {
        let told = scene.curl(&words, "/x");
        told.is_well(200);
        assert!(told.body.contains("Thank you for 2000000 bytes."));
    }
    let form = format!("file={at_file}");
    let told = scene.curl(&["--form", "name=value", "--form", &form], "/form");
    told.is_well(200);
    assert!(told.body.contains("Thank you for 2000"));
    let empty = scene.curl(&["--request", "POST", "--data", ""], "/empty");
    empty.is_well(200);
}

#[test]
fn http_1_0_gets_a_chunked_answer_without_chunks() {
    let Some(scene) = Scene::set() else { return };
    let told = scene.curl(&["--http1.0", "--include"], "/?chunked&bytes=300000");
    told.is_well(200);
    let (head, body) = told.body.split_once("\r\n\r\n").unwrap();
    assert_eq!(body.len(), 300_000);
    assert!(!head.contains("Transfer-Encoding") && head.contains("Connection: close"));
}

#[test]
fn several_urls_share_one_connection() {
    let Some(scene) = Scene::set() else { return };
    let words = ["--write-out", "%{http_code} %{num_connects}\\n"];
    for options in [&["--output", "/dev/null"][..], &["--head"]] {
        let output = scene.run(&[&words[..], options].concat(), "/[1-5]?chunked");
        let text = String::from_utf8_lossy(&output.stdout);
        let facts = text.lines().filter(|line| line.starts_with("200 "));
        let connects: Vec<_> = facts.map(|line| &line[4..]).collect();
        assert_eq!(connects, ["1", "0", "0", "0", "0"], "{text}");
    }
}

#[test]
fn many_transfers_run_side_by_side() {
    let Some(scene) = Scene::set() else { return };
    let parallel = ["--parallel", "--parallel-immediate", "--parallel-max", "40"];
    let words = ["--output", "/dev/null", "--write-out", "%{http_code}\\n"];
    let target = "/[1-40]?delay=100ms&bytes=50000";
    let output = scene.run(&[&parallel[..], &words].concat(), target);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.lines().filter(|line| *line == "200").count(), 40);
}

#[test]
fn a_transfer_that_is_given_up_leaves_nothing_behind() {
    let Some(scene) = Scene::set() else { return };
    let folder = Folder::new();
    let at_file = format!("@{}", folder.file("upload", &noise(2_000_000)));
    let give_up = ["--max-time", "0.4"];
    let upload = ["--limit-rate", "10k", "--data-binary", &at_file];
    for (words, target) in [
        // One that waits may only have finished sending: it is seen to be gone by the answer.
        (&give_up[..], "/?delay=1s"),
        (&give_up[..], "/?bytes=100000&drip=200ms"),
        (&[&give_up[..], &upload].concat()[..], "/x"),
    ] {
        let told = scene.curl(words, target);
        assert_eq!(told.exit_code, Some(28), "{}", told.errors);
        scene.has_no_session();
    }
    scene.curl(&[], "/").is_well(200);
}

#[test]
fn http_2_is_declined_and_nobody_hangs() {
    let Some(scene) = Scene::set() else { return };
    let told = scene.curl(&["--http2-prior-knowledge"], "/");
    assert_ne!(told.exit_code, Some(0));
    assert_ne!(told.exit_code, Some(28), "it waited");
    scene.has_no_session();
    // What is offered as an upgrade is answered as if it were not.
    scene.curl(&["--http2"], "/").is_well(200);
    let data = ["--http2", "--data", "some"];
    let told = scene.curl(&data, "/");
    told.is_well(200);
    assert!(told.body.contains("Thank you for 4 bytes."));
}

#[test]
fn methods_and_targets_arrive_as_they_were_written() {
    let Some(scene) = Scene::set() else { return };
    for method in ["PURGE", "PROPFIND", "M-SEARCH", "get", "OPTIONS"] {
        scene.curl(&["--request", method], "/x").is_well(200);
        assert!(scene.backend_got(&format!("{method} /x HTTP/1.1")));
    }
    let words = ["--path-as-is", "--globoff"];
    let target = "/a/../b/./%2e%2E//c;d=[1]?q={x}&r=%00";
    scene.curl(&words, target).is_well(200);
    assert!(scene.backend_got(&format!("GET {target} HTTP/1.1")));
    let asterisk = ["--request", "OPTIONS", "--request-target", "*"];
    scene.curl(&asterisk, "/").is_well(200);
    assert!(scene.backend_got("OPTIONS * HTTP/1.1"));
}

#[test]
fn asked_as_if_it_were_a_proxy_it_goes_by_the_whole_target() {
    let Some(scene) = Scene::set() else { return };
    let host = scene.lb.address.to_string();
    let proxy = ["--noproxy", "", "--proxy", &host];
    let other_host = ["--header", "Host: elsewhere"];
    let told = scene.curl(&[&proxy[..], &other_host].concat(), "/x");
    told.is_well(200);
    assert!(scene.backend_got("GET /x HTTP/1.1"));
    assert!(scene.backend_got(&format!("Host: {host}")));
}
