//! The conformance page names tests; they exist.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|end| end == "rs") => found.push(path),
            false => {}
        }
    }
}

/// The names of all tests.
fn tests() -> HashSet<String> {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    sources(&root().join("tests"), &mut files);
    let mut names = HashSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        for part in text.split("#[test]").skip(1) {
            let (_, rest) = part.split_once("fn ").unwrap();
            names.insert(rest.split('(').next().unwrap().to_string());
        }
    }
    names
}

#[test]
fn every_test_that_the_conformance_page_names_exists() {
    let page = fs::read_to_string(root().join("src/http/conformance.rs")).unwrap();
    let tests = tests();
    let rows = page
        .lines()
        .filter(|line| line.starts_with("//! | ") && !line.contains("| test |"));
    let mut count = 0;
    for row in rows {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        assert!(
            ["–", "the same"].contains(&cell) || cell.contains('`'),
            "no test: {row}"
        );
        for name in cell.split('`').skip(1).step_by(2) {
            let exists = match name.contains('/') {
                true => root().join(name).exists(),
                false => tests.contains(name),
            };
            assert!(exists, "{name} does not exist: {row}");
            count += 1;
        }
    }
    assert!(count > 60, "only {count} names were found");
}
