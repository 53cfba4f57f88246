//! One metaphor, and plain words: sessions are *parked* in the *lot*. Words of earlier metaphors
//! appear nowhere in the code, its comments, the programs or the README.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// Each retired word, and what is said instead.
const RETIRED: &[(&str, &str)] = &[
    ("crew", "scheduler"),
    ("minder", "leader"),
    ("minders", "leader"),
    ("minded", "polled"),
    ("minding", "polling"),
    ("glance", "poll now"),
    ("floor", "engine"),
    ("gate", "connection limit"),
    ("shelf", "buffer cache"),
    ("slip", "small block"),
    ("guest", "parked session"),
    ("guests", "parked sessions"),
    ("alarm", "waker"),
    ("alarms", "wakers"),
    ("stranded", "backend lost"),
    ("wonder", "suspect if late"),
    ("plight", "outage"),
    ("era", "generation"),
    ("ramp", "slow start"),
    ("wish", "admin state"),
    ("wishes", "admin state"),
    ("journal", "log writer"),
    ("told", "logged, reported or given"),
    ("patience", "blocking budget"),
    ("whoever", "the thread, socket or program"),
    ("somebody", "the thread, socket or program"),
    ("everybody", "all of them"),
    ("anybody", "a client, a thread"),
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

fn words(line: &str) -> impl Iterator<Item = String> {
    let parts = line.split(|c: char| !c.is_alphabetic());
    parts.map(str::to_lowercase)
}

#[test]
fn retired_words_appear_nowhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts: Vec<_> = ["src", "bin"]
        .iter()
        .flat_map(|folder| files(&root.join(folder)))
        .collect();
    texts.push(root.join("README.md"));
    let mut found = Vec::new();
    for path in texts {
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            for word in words(line) {
                if let Some((_, instead)) = RETIRED.iter().find(|(retired, _)| *retired == word) {
                    let place = path.strip_prefix(root).unwrap().display();
                    found.push(format!("{place}:{}: {word} ({instead})", number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}
