//! `lb simulate`, the program: what it prints is what the README shows, and what it refuses.
#![allow(missing_docs, clippy::unwrap_used)]

use std::process::{Command, Output};

fn lb(line: &str) -> Output {
    let mut lb = Command::new(env!("CARGO_BIN_EXE_lb"));
    lb.args(line.split_whitespace()).output().unwrap()
}

#[test]
fn what_the_readme_shows_is_what_is_printed() {
    let readme = include_str!("../README.md");
    let (_, shown) = readme.split_once("$ lb simulate").unwrap();
    let (arguments, shown) = shown.split_once('\n').unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let output = lb(&format!("simulate {arguments}"));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), shown);
    assert!(output.status.success());
    assert_eq!(shown.matches(" 4000 ").count(), 3);
}

#[test]
fn every_example_of_its_help_is_right() {
    let help = String::from_utf8(lb("simulate --help").stdout).unwrap();
    let (_, examples) = help.split_once("Examples:\n").unwrap();
    for line in examples.lines() {
        let output = lb(line.trim().strip_prefix("lb ").unwrap());
        assert!(output.status.success(), "{line}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("\nbackend:1 "), "{text}");
    }
}

#[test]
fn a_wrong_argument_is_answered_with_the_reason_and_a_right_one() {
    for (line, says) in [
        ("simulate", "<ALGORITHM>"),
        ("simulate robin", "round-robin"),
        ("simulate random --backends 0", "--backends <N>"),
        ("simulate random --backends 1001", "1000"),
        ("simulate random --requests 1000001", "1000000"),
        ("simulate random --weights 0,0", "--weights 3,1,1"),
        ("simulate random --weights 3,257", "256"),
        ("simulate random --weights 3 --backends 2", "--backends"),
        ("simulate random --down 4", "--down 1"),
        ("simulate random --slow 4=2", "--slow 3=2"),
        ("simulate random --slow 2", "2=10"),
        ("simulate random --burst 5", "--rate"),
        ("simulate random --rate 5 --clients 5", "--clients"),
        ("simulate random --service-time 5", "5s"),
    ] {
        let output = lb(line);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}: {errors}");
        assert!(errors.contains(says), "{line}: {errors}");
    }
}
