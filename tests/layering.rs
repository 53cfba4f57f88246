//! The layers of the crate: arrows point down, and `TcpStream` has one home.
#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

/// Each module, and the modules of the crate that it may name.
const LAYERS: &[(&str, &[&str])] = &[
    ("http", &["http"]),
    ("net", &["net"]),
    ("backends", &["backends"]),
    ("conformance", &[]),
    ("scheduling", &["config", "scheduling"]),
    ("crew", &[]),
    ("jobs", &["crew"]),
    ("gate", &[]),
    ("journal", &[]),
    ("evidence", &["backends", "error", "net", "turn"]),
    ("lot", &["net"]),
    ("config", &["backends", "http", "net"]),
    ("error", &["http"]),
    (
        "turn",
        &[
            "backends",
            "config",
            "crew",
            "gate",
            "journal",
            "loop_detection",
            "net",
        ],
    ),
    ("client", &["backends", "client", "error", "net", "turn"]),
    (
        "exchange",
        &[
            "exchange", "backends", "client", "config", "error", "evidence", "http", "journal",
            "net", "turn",
        ],
    ),
    (
        "session",
        &[
            "backends",
            "client",
            "config",
            "error",
            "exchange",
            "gate",
            "http",
            "loop_detection",
            "lot",
            "net",
            "session",
            "turn",
        ],
    ),
    (
        "checker",
        &[
            "backends",
            "checker",
            "config",
            "error",
            "evidence",
            "http",
            "loop_detection",
            "net",
            "turn",
        ],
    ),
    ("loop_detection", &[]),
    ("resolver", &["backends", "net", "resolver"]),
    (
        "workers",
        &[
            "gate",
            "jobs",
            "lot",
            "net",
            "scheduling",
            "session",
            "turn",
        ],
    ),
    ("cli", &["backends", "cli", "config", "http", "net"]),
];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// The code of each file with the name of its top module, tests left out.
fn modules() -> Vec<(String, PathBuf, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let top = |path: &Path| {
        let first = path
            .strip_prefix(&source)
            .unwrap()
            .components()
            .next()
            .unwrap();
        first
            .as_os_str()
            .to_string_lossy()
            .trim_end_matches(".rs")
            .to_string()
    };
    let is_test = |path: &PathBuf| path.file_name().is_some_and(|name| name == "tests.rs");
    files(&source)
        .into_iter()
        .filter(|path| !is_test(path))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap().to_string();
            (top(&path), path, code)
        })
        .collect()
}

/// Every module that follows a `crate::` in code.
fn named(code: &str) -> Vec<String> {
    let code = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let mut names = Vec::new();
    for line in code {
        for part in line.split("crate::").skip(1) {
            let inside = part.strip_prefix('{').unwrap_or(part);
            let inside = if part.starts_with('{') {
                inside
            } else {
                inside.split([':', ';', ' ', '(']).next().unwrap()
            };
            names.extend(
                inside
                    .split([',', '}', ';'])
                    .map(|name| name.trim().split("::").next().unwrap().to_string())
                    .filter(|name| {
                        !name.is_empty() && name.starts_with(|c: char| c.is_lowercase())
                    }),
            );
        }
    }
    names
}

#[test]
fn arrows_between_modules_point_down() {
    for (module, path, code) in modules() {
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
            // `lib` and `server` hold everything together.
            assert!(
                ["lib", "server"].contains(&module.as_str()),
                "{module} has no layer"
            );
            continue;
        };
        for name in named(&code) {
            assert!(
                allowed.contains(&name.as_str()),
                "{} names {name}",
                path.display()
            );
        }
    }
}

#[test]
fn sockets_are_named_in_net_only_and_http_knows_none_at_all() {
    for (module, path, code) in modules() {
        let code: String = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        for word in ["TcpStream", "TcpListener", "unsafe {"] {
            assert!(
                module == "net" || !code.contains(word),
                "{} names {word}",
                path.display()
            );
        }
        for word in ["Instant", "std::thread", "std::io::Read"] {
            assert!(
                module != "http" || !code.contains(word),
                "{} names {word}",
                path.display()
            );
        }
    }
}
