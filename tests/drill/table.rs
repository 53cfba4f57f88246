//! The figures as a table: a line for each phase, then one for each fault.

use crate::client::{Cut, Outcome};
use crate::phase::{Figures, Shares};
use crate::stage::Fault;
use std::time::Duration;

/// Prints it to where the test's output goes.
pub(crate) fn print(title: &str, figures: &[Figures]) {
    println!("\n{title}");
    println!(
        "{:<8}{:>9}{:>6}{:>5}{:>5}{:>5}{:>7}{:>6}{:>6}{:>6}{:>7}{:>8}  {:<17}after",
        "fault",
        "requests",
        "502",
        "503",
        "504",
        "cut",
        "other",
        "GETs",
        "POSTs",
        ">1 s",
        "out s",
        "back s",
        "shares during"
    );
    figures.iter().for_each(print_one);
    println!("of all rounds, with the longest times:");
    for fault in Fault::ALL {
        let rounds: Vec<&Figures> = figures
            .iter()
            .filter(|one| one.phase.fault == fault)
            .collect();
        if !rounds.is_empty() {
            print_sum(fault, &rounds);
        }
    }
}

fn print_one(one: &Figures) {
    let numbers = numbers(&[one], one.seconds_out(), one.seconds_back());
    println!(
        "{:<8}{numbers}  {:<17}{}",
        format!("{:?}", one.phase.fault),
        text(&one.during),
        text(&one.after)
    );
}

fn print_sum(fault: Fault, rounds: &[&Figures]) {
    let out = rounds.iter().filter_map(|one| one.seconds_out()).max();
    let back = rounds.iter().filter_map(|one| one.seconds_back()).max();
    println!("{:<8}{}", format!("{fault:?}"), numbers(rounds, out, back));
}

fn numbers(rounds: &[&Figures], out: Option<Duration>, back: Option<Duration>) -> String {
    let count = |is_meant: &dyn Fn(&Outcome) -> bool| -> usize {
        rounds.iter().map(|one| one.count(is_meant)).sum()
    };
    let status = |number: u16| {
        count(&|outcome| matches!(outcome, Outcome::Status(status, _) if *status == number))
    };
    let cut = count(&|outcome| matches!(outcome, Outcome::Cut(_)));
    let failed: usize = rounds.iter().map(|one| one.failed.len()).sum();
    let posts = |one: &&Figures| one.failed.iter().filter(|sample| sample.is_post).count();
    let posts: usize = rounds.iter().map(posts).sum();
    let gateway = [502, 503, 504].map(status);
    let other = failed - cut - gateway.iter().sum::<usize>();
    let requests: usize = rounds.iter().map(|one| one.requests).sum();
    let slow: usize = rounds.iter().map(|one| one.slow).sum();
    format!(
        "{requests:>9}{:>6}{:>5}{:>5}{cut:>5}{other:>7}{:>6}{posts:>6}{slow:>6}{:>7}{:>8}",
        gateway[0],
        gateway[1],
        gateway[2],
        failed - posts,
        seconds(out),
        seconds(back)
    )
}

fn seconds(time: Option<Duration>) -> String {
    time.map_or("never".into(), |time| format!("{:.2}", time.as_secs_f32()))
}

fn text(shares: &Shares) -> String {
    let numbers: Vec<String> = shares.values().map(usize::to_string).collect();
    numbers.join("/")
}

/// What a request met, in few words.
pub(crate) fn words(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Answered(port) => format!("answered by {port}"),
        Outcome::Status(status, text) => format!("{status} {text}"),
        Outcome::Cut(Cut::Within) => "cut in the middle".into(),
        Outcome::Cut(cut) => format!("no answer: {cut:?}"),
        Outcome::Wrong(text) => format!("wrong: {text}"),
        Outcome::Late => "nothing in time".into(),
    }
}
