//! The spine: the functions that one request meets, marked in the code in the order in which they are
//! to be read.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::Path;

/// So many lines a newcomer reads first.
const MOST_LINES: usize = 1000;

/// The number and the lines of every marked function below `folder`.
fn marked(folder: &Path) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(marked(&path));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for part in text.split("// spine ").skip(1) {
            // Where the documentation says how to find the marks, no number follows.
            if let Some((number, function)) = part.split_once('\n')
                && let Ok(number) = number.parse()
            {
                found.push((number, lines_of(function)));
            }
        }
    }
    found
}

/// The lines up to the brace that closes the function, which is formatted.
fn lines_of(function: &str) -> usize {
    let first = function.lines().next().unwrap();
    let indent = &first[..first.len() - first.trim_start().len()];
    let end = format!("{indent}}}");
    1 + function.lines().position(|line| line == end).unwrap()
}

#[test]
fn the_spine_is_numbered_without_gaps_and_short_enough_for_a_first_reading() {
    let mut marked = marked(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    marked.sort_unstable();
    let numbers: Vec<_> = marked.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=marked.len()).collect::<Vec<_>>());
    let lines: usize = marked.iter().map(|(_, lines)| lines).sum();
    assert!(lines <= MOST_LINES, "{lines} lines");
}
