//! Command lines, right ones and wrong ones.

use super::*;
use crate::config::Settings;
use clap::CommandFactory as _;

fn parse_line(line: &str) -> Result<Config, clap::Error> {
    let invocation = parse(line.split(' ').map(OsString::from))?;
    Ok(invocation.source.load().expect("a command line"))
}

fn backends(line: &str) -> Vec<String> {
    let config = parse_line(line).expect("valid");
    let backends = config.backends();
    backends.map(|one| one.name.to_string()).collect()
}

#[test]
fn the_command_line_is_consistent_and_its_defaults_are_those_of_the_library() {
    Args::command().debug_assert();
    let settings = parse_line("lb 8080 :1").expect("valid").settings;
    assert_eq!(
        format!("{settings:?}"),
        format!("{:?}", Settings::default())
    );
}

#[test]
fn help_fits_the_screen_and_the_long_one_has_headings() {
    let help = |option: &str| {
        let error = parse_line(&format!("lb {option}")).expect_err("help");
        error.to_string()
    };
    let (short, long) = (help("-h"), help("--help"));
    assert!(short.lines().count() <= 50, "{short}");
    let fits = |text: &str| text.lines().all(|line| line.chars().count() <= 100);
    assert!(fits(&short) && fits(&long), "{long}");
    for heading in [
        "Timeouts:",
        "Health checks (a GET each):",
        "Logging:",
        "Sockets:",
    ] {
        assert!(long.contains(heading), "{long}");
    }
}

#[test]
fn a_check_is_over_before_the_next_one() {
    for (line, millis) in [
        ("lb 8080 :1", 2000),
        ("lb 8080 :1 --health-interval 1s", 900),
        (
            "lb 8080 :1 --health-interval 1s --health-timeout 100ms",
            100,
        ),
    ] {
        let timeout = parse_line(line).expect("valid").settings.health.timeout();
        assert_eq!(timeout.as_millis(), millis, "{line}");
    }
}

#[test]
fn what_depends_on_another_option_has_a_default_that_fits() {
    let config = |line| parse_line(line).expect(line).settings;
    let head = config("lb 8080 :1 --max-head 4KiB").limits.head();
    assert_eq!((head.bytes, head.start_line), (4096, 4096));
    let line = "lb 8080 :1 --max-head 4KiB --max-request-line 4KiB";
    assert_eq!(config(line).limits.head().start_line, 4096);
    for line in [
        "lb 8080 :1 --workers 1 --cores 1",
        "lb 8080 :1 --lame-duck 0s",
        "lb 8080 :1 --lame-duck 5s --ready-path /ready",
        "lb 8080 :1 --health-match ok --health-status 200,204",
        "lb 8080 :1 --algorithm hash --hash-by header:X-User",
        "lb 8080 :1 --max-in-flight-total 3 --queue-length 3",
        "lb 8080 :1 -q",
        "lb 8080 :1 -q --log access",
    ] {
        config(line);
    }
}

#[test]
fn good_statuses_are_a_list_with_classes() {
    let line = "lb 8080 :1 --health-status 200,204,301-302,4xx";
    let statuses = parse_line(line).expect("valid").settings.health.statuses;
    let good = [200, 204, 301, 302, 400, 499];
    assert!(good.iter().all(|status| statuses.contains(*status)));
    assert!(
        ![201, 300, 303, 399, 500]
            .iter()
            .any(|status| statuses.contains(*status))
    );
    let classes = parse_line("lb 8080 :1 --health-status 2xx-3xx")
        .expect("valid")
        .settings;
    assert_eq!(classes.health.statuses.0, [200..=399]);
}

#[test]
fn the_name_in_via_is_a_pseudonym_a_host_or_none() {
    let via = |name: &str| {
        let config = parse_line(&format!("lb 8080 :1 --via {name}"));
        config.map(|config| config.settings.via)
    };
    for name in ["edge-1", "lb_2", "app.example:80", "[::1]:80"] {
        assert_eq!(via(name).expect("valid").as_deref(), Some(name));
    }
    assert_eq!(via("off").expect("valid"), None);
    for name in ["a,b", "a;b", "(a)", "a:b:c", "a:70000", "a/b", "\u{e4}"] {
        assert!(via(name).is_err(), "{name}");
    }
}

#[test]
fn backends_can_be_written_in_many_ways() {
    assert_eq!(
        backends("lb 8080 localhost:5001-5003 [::1]:80 :81 http://a:82/ b.c:83"),
        [
            "localhost:5001",
            "localhost:5002",
            "localhost:5003",
            "[::1]:80",
            "localhost:81",
            "a:82",
            "b.c:83"
        ]
    );
}

/// Command lines with a word that is wrong, and parts of the answer.
const WRONG: &[(&str, &[&str])] = &[
    (
        "lb 8080 a:1 --head-timeout 10",
        &["--head-timeout", "unit", "10s"],
    ),
    (
        "lb 8080 a:1 --head-timeout 0s",
        &["--head-timeout", "more than zero"],
    ),
    ("lb 8080 a", &["BACKEND", "port", "localhost:5001"]),
    ("lb 8080 https://a:1", &["BACKEND", "https", "http://"]),
    ("lb 8080 a:5003-5001", &["BACKEND", "5001-5003"]),
    ("lb 8080 a:0", &["BACKEND", "port"]),
    ("lb 8080 a:70000", &["BACKEND", "65535"]),
    ("lb x a:1", &["LISTEN", "8080"]),
    ("lb 8080 a:1 a:1", &["a:1", "twice"]),
    ("lb 8080 :1 localhost:1", &["localhost:1", "twice"]),
    ("lb 8080 localhost:8080", &["itself"]),
    ("lb 8080", &["BACKEND"]),
    ("lb 8080 a:1 --workers 0", &["--workers", "1"]),
    ("lb 8080 a:1 --max-head 1X", &["--max-head", "32KiB"]),
    ("lb 8080 a:1 --health-path x", &["--health-path", "/"]),
    (
        "lb 8080 a:1 --trusted-proxies 10.0.0.0/33",
        &["--trusted-proxies", "10.0.0.0/8"],
    ),
    (
        "lb 8080 a:1 --trusted-proxies b",
        &["--trusted-proxies", "10.0.0.0/8"],
    ),
    (
        "lb 8080 a:1 --forwarded off --trusted-proxies ::1",
        &["--forwarded", "--trusted-proxies"],
    ),
    (
        "lb 8080 a:1 --forwarded off --add-forwarded",
        &["--forwarded", "--add-forwarded"],
    ),
    (
        "lb 8080 a:1 --health-timeout 5s",
        &["--health-timeout", "--health-interval", "2s"],
    ),
    ("lb 8080 a:1 --rise 0", &["--rise", "1"]),
    ("lb 8080 a:1 --health-status ,", &["--health-status", "2xx"]),
    (
        "lb 8080 a:1 --health-status 99",
        &["--health-status", "2xx"],
    ),
    (
        "lb 8080 a:1 --health-status 3xx-2xx",
        &["--health-status", "2xx"],
    ),
    ("lb 8080 a:1 --health-host a/b", &["--health-host"]),
    ("lb 8080 a:1 --health-port 0", &["--health-port", "65535"]),
    ("lb 8080 a:1 --backup a:1", &["a:1", "twice"]),
    ("lb 8080 a:1 --backup a", &["--backup", "port"]),
    ("lb 8080 a:1 A:1", &["A:1", "twice"]),
    ("lb 8080 a:1 --ready-path /r?x", &["--ready-path", "/ready"]),
    ("lb 8080 a:1 --hold 5", &["--hold", "unit"]),
    ("lb 8080 a:1 --via a,b", &["--via", "edge-1"]),
    ("lb 8080 a:1 --via =", &["--via", "off"]),
    (
        "lb 8080 a:1 --head-timeout -10s",
        &["--head-timeout", "10s"],
    ),
    ("lb 8080 a:1 --head-timeout ", &["--head-timeout", "10s"]),
    (
        "lb 8080 a:1 --head-timeout",
        &["--head-timeout", "needs", "10s"],
    ),
    ("lb 8080 a:1 --hold", &["--hold", "needs", "10s"]),
    ("lb 8080 a:1 --max-body -1", &["--max-body", "32KiB"]),
    ("lb 8080 a:1 --max-body", &["--max-body", "needs", "32KiB"]),
    ("lb 8080 a:1 --workers -1", &["--workers", "1024", "4"]),
    ("lb 8080 a:1 --workers ", &["--workers", "1024", "4"]),
    ("lb 8080 a:1 --health-port -1", &["--health-port", "8081"]),
    ("lb 8080 a:1 --health-port", &["--health-port", "8081"]),
    (
        "lb 8080 a:1 --health-host",
        &["--health-host", "app.example"],
    ),
    ("lb 8080 a:1 --health-match", &["--health-match", "ok"]),
    (
        "lb 8080 a:1 --health-match --rise 3",
        &["--health-match", "ok"],
    ),
    ("lb 8080 a:1 --ready-path", &["--ready-path", "/ready"]),
    ("lb 8080 a:1 --backup", &["--backup", "localhost:5001"]),
    (
        "lb 8080 a:1 --trusted-proxies",
        &["--trusted-proxies", "10.0.0.0/8"],
    ),
    (
        "lb 8080 a:1 --log",
        &["--log", "story, access, json, haproxy, off"],
    ),
    (
        "lb 8080 a:1 --health-status 1xx",
        &["--health-status", "2xx"],
    ),
    (
        "lb 8080 a:1 --health-status -1",
        &["--health-status", "2xx"],
    ),
    (
        "lb --log off",
        &["LISTEN", "BACKEND", "8080 localhost:5001"],
    ),
    (
        "lb 8080 a:1 --lame-duck 10s",
        &["--lame-duck", "--ready-path /ready"],
    ),
    ("lb 8080 a:1 --cores 17", &["--cores 17", "--workers 16"]),
    (
        "lb 8080 a:1 --workers 4 --cores 5",
        &["--cores 5", "--workers 4"],
    ),
    (
        "lb 8080 a:1 --max-request-line 64KiB",
        &["--max-request-line 64KiB", "--max-head 32KiB"],
    ),
    (
        "lb 8080 a:1 --max-head 4KiB --max-request-line 5KiB",
        &["--max-request-line 5KiB", "--max-head 4KiB"],
    ),
    (
        "lb 8080 a:1 --forwarded append --trusted-proxies ::1",
        &["--forwarded append", "--trusted-proxies"],
    ),
    (
        "lb 8080 a:1 --health-match ok --health-status 204,304",
        &["--health-match", "--health-status 2xx"],
    ),
    (
        "lb 8080 a:1 --hash-by path",
        &["--hash-by", "--algorithm hash --hash-by path"],
    ),
    (
        "lb 8080 a:1 --algorithm hash --cookie c",
        &["--cookie", "--algorithm sticky --cookie session"],
    ),
    (
        "lb 8080 a:1 --burst 3",
        &["--burst", "--requests-per-second 10 --burst 20"],
    ),
    (
        "lb 8080 a:1 --queue-length 3",
        &["--queue-length", "--max-in-flight 100 --queue-length 1000"],
    ),
    (
        "lb 8080 a:1 --queue-timeout 3s",
        &["--queue-timeout", "--max-in-flight-total"],
    ),
    (
        "lb 8080 a:1 --config lb.toml",
        &["--config", "leave LISTEN, BACKEND and --backup out"],
    ),
    ("lb 8080 a:1 --watch", &["lb --config lb.toml --watch"]),
    ("lb rout lb.toml", &["did you mean `lb route`?"]),
    (
        "lb 8080 a:1 --log-file x.log",
        &[
            "--log-file",
            "--log story",
            "--log access --log-file access.log",
        ],
    ),
    (
        "lb 8080 a:1 --log off --log-file x.log",
        &["--log-file", "--log off"],
    ),
    (
        "lb 8080 a:1 --log json --log-file",
        &["--log-file", "needs"],
    ),
    ("lb 8080 a:1 --request-id yes", &["--request-id", "on, off"]),
    (
        "lb 8080 a:1 --traceparent x",
        &["--traceparent", "auto, on, off"],
    ),
    ("lb 8080 a:1 --log story -q", &["--log story", "--quiet"]),
];

#[test]
fn wrong_words_are_answered_with_the_argument_the_reason_and_an_example() {
    for (line, parts) in WRONG {
        let error = parse_line(line).expect_err(line);
        let text = error.to_string();
        assert_eq!(error.exit_code(), 2, "{line}");
        for part in *parts {
            assert!(text.contains(part), "{line}: no {part} in: {text}");
        }
    }
}
