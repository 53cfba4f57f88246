//! The rooms of the crate: imports point down, `TcpStream` has one home, and no two public types
//! share a name.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms below it that it may name. Every room may name itself.
const ROOMS: &[(&str, &[&str])] = &[
    ("http", &[]),
    ("net", &[]),
    ("metrics", &[]),
    ("backends", &["metrics"]),
    ("engine", &["metrics", "net"]),
    ("log", &["backends", "http", "net"]),
    ("simulation", &["backends"]),
    (
        "config",
        &[
            "backends",
            "engine",
            "http",
            "log",
            "metrics",
            "net",
            "simulation",
        ],
    ),
    ("discovery", &["backends", "net"]),
    (
        "health",
        &["backends", "config", "http", "log", "metrics", "net"],
    ),
    (
        "exchange",
        &[
            "backends", "config", "engine", "health", "http", "log", "metrics", "net",
        ],
    ),
    (
        "session",
        &[
            "backends", "config", "engine", "exchange", "health", "http", "log", "metrics", "net",
        ],
    ),
    (
        "server",
        &[
            "backends",
            "config",
            "discovery",
            "engine",
            "exchange",
            "health",
            "http",
            "log",
            "metrics",
            "net",
            "session",
        ],
    ),
    (
        "admin",
        &["backends", "config", "http", "log", "net", "server"],
    ),
];

/// At the root of the crate: as many as one still keeps in mind; `explain` and `guide` are to come.
const MOST_ROOMS: usize = 16;

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

/// A file of the crate, its tests and comments left out.
struct Source {
    /// Its place below `src`.
    path: PathBuf,
    /// The names of the modules that lead to it, its own last.
    module: Vec<String>,
    code: String,
}

impl Source {
    fn read(path: &Path) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap().lines();
        let code: Vec<_> = code.map(without_comment).collect();
        let path = path.strip_prefix(root).unwrap().to_path_buf();
        let parts = path.with_extension("");
        let names = parts.components().map(|part| part.as_os_str());
        let mut module: Vec<_> = names.map(|name| name.to_str().unwrap().into()).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
            module.pop();
        }
        Self {
            path,
            module,
            code: code.join("\n"),
        }
    }

    fn room(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }

    /// The rooms that it names, in whatever form.
    fn named_rooms(&self) -> Vec<String> {
        let imported = imports(&self.code);
        let inline = paths_in(&self.code, "crate::");
        let paths = imported.into_iter().chain(inline);
        paths.filter_map(|path| self.room_of(&path)).collect()
    }

    /// The files of its room that it imports from: the longest paths that are modules.
    fn imported_files<'s>(&self, all: &'s [Source]) -> Vec<&'s Source> {
        let imported = imports(&self.code).into_iter();
        let inline = ["crate::", "super::", "self::"].into_iter();
        let inline = inline.flat_map(|start| paths_in(&self.code, start));
        let module_of = |path: String| {
            let at = self.absolute(&path)?;
            let room = all.iter().filter(|source| source.room() == self.room());
            let above = room.filter(|source| at.starts_with(&source.module));
            above.max_by_key(|source| source.module.len())
        };
        let files = imported.chain(inline).filter_map(module_of);
        files.filter(|file| file.module != self.module).collect()
    }

    /// The room that a path leads to; `None` for another crate's.
    fn room_of(&self, path: &str) -> Option<String> {
        // In a module within a file `super` leads less far, and then to no room.
        let is_room = |name: &String| ROOMS.iter().any(|(room, _)| room == name);
        let at = self.absolute(path)?;
        at.into_iter().next().filter(is_room)
    }

    /// A path from the root of the crate; `None` for another crate's.
    fn absolute(&self, path: &str) -> Option<Vec<String>> {
        let mut at = self.module.clone();
        let mut segments = path.split("::").peekable();
        match *segments.peek()? {
            "crate" => at.clear(),
            "self" | "super" => {}
            _ => return None,
        }
        while let Some(&segment) = segments.peek() {
            match segment {
                "crate" | "self" => {}
                "super" => drop(at.pop()),
                _ => break,
            }
            segments.next();
        }
        at.extend(segments.map(String::from));
        Some(at)
    }
}

/// Up to a `//` that is not part of a text such as `http://`.
fn without_comment(line: &str) -> &str {
    match line.find("//") {
        Some(start) if !line[..start].ends_with(':') => &line[..start],
        _ => line,
    }
}

fn sources() -> Vec<Source> {
    let all = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let is_test = |path: &PathBuf| path.file_name().is_some_and(|name| name == "tests.rs");
    let sources = all.iter().filter(|path| !is_test(path));
    sources.map(|path| Source::read(path)).collect()
}

/// Every path that is imported, groups of whatever depth spread out.
fn imports(code: &str) -> Vec<String> {
    let mut statements: Vec<String> = Vec::new();
    let mut is_open = false;
    for line in code.lines() {
        let line = line.trim();
        let visible = line.strip_prefix("pub").unwrap_or(line);
        let visible = match visible.split_once(") ") {
            Some((scope, rest)) if scope.starts_with('(') => rest,
            _ => visible.trim_start(),
        };
        if let (false, Some(import)) = (is_open, visible.strip_prefix("use ")) {
            statements.push(import.into());
        } else if is_open {
            statements.last_mut().unwrap().push_str(line);
        } else {
            continue;
        }
        is_open = !line.ends_with(';');
    }
    let trees = statements.iter().map(|import| import.trim_end_matches(';'));
    trees.flat_map(spread).collect()
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d` and `a::c::e`.
fn spread(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap();
        return vec![path.trim().to_string()];
    };
    let (prefix, inside) = (&tree[..open], &tree[open + 1..tree.rfind('}').unwrap()]);
    let mut members = vec![String::new()];
    let mut depth = 0;
    for character in inside.chars() {
        match character {
            ',' if depth == 0 => members.push(String::new()),
            _ => {
                depth += i32::from(character == '{') - i32::from(character == '}');
                members.last_mut().unwrap().push(character);
            }
        }
    }
    members
        .iter()
        .filter(|member| !member.trim().is_empty())
        .flat_map(|member| spread(&format!("{}{}", prefix.trim(), member.trim())))
        .collect()
}

/// Every path in code that begins with `start`.
fn paths_in(code: &str, start: &str) -> Vec<String> {
    let behind = code.split(start).skip(1);
    behind
        .map(|rest| {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
            format!("{start}{}", &rest[..end.unwrap_or(rest.len())])
        })
        .filter(|path| path.len() > start.len())
        .collect()
}

#[test]
fn imports_are_read_in_every_form() {
    let code = "use a::b;\npub(super) use super::{\n    c,\n    d::{e, f as g},\n};\nlet user = 1;";
    let expected = ["a::b", "super::c", "super::d::e", "super::d::f"];
    assert_eq!(imports(code), expected);
    let paths = paths_in("x(crate::a::b::C::new(), y)", "crate::");
    assert_eq!(paths, ["crate::a::b::C::new"]);
    let source = Source {
        path: PathBuf::new(),
        module: vec!["session".into(), "tunnel".into()],
        code: String::new(),
    };
    let room = |path| source.room_of(path);
    assert_eq!(room("super::super::net::conn").as_deref(), Some("net"));
    assert_eq!(room("super::linger").as_deref(), Some("session"));
    assert_eq!(room("std::net"), None);
}

#[test]
fn imports_between_rooms_point_down() {
    let mut rooms: Vec<String> = Vec::new();
    for source in sources() {
        let Some(room) = source.room() else {
            continue;
        };
        rooms.push(room.into());
        let (_, below) = ROOMS
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("{room} is no room"));
        for named in source.named_rooms() {
            let path = source.path.display();
            assert!(
                named == room || below.contains(&named.as_str()),
                "{path} names {named}"
            );
        }
    }
    rooms.sort();
    rooms.dedup();
    assert!(rooms.len() <= MOST_ROOMS, "{rooms:?}");
}

/// A file may say `super` of what its folder's `mod.rs` declares for all; that counts as no import
/// of the `mod.rs`, or every room would be a circle.
#[test]
fn no_files_of_a_room_import_each_other_in_a_circle() {
    let all = sources();
    let mut above: HashMap<&[String], Vec<&Source>> = HashMap::new();
    for source in &all {
        let imported = source.imported_files(&all).into_iter();
        let others = imported.filter(|file| !source.module.starts_with(&file.module));
        above.insert(&source.module, others.collect());
    }
    for source in &all {
        let mut open: Vec<&Source> = above[source.module.as_slice()].clone();
        let mut seen: Vec<&[String]> = Vec::new();
        while let Some(next) = open.pop() {
            let path = source.path.display();
            assert_ne!(
                next.module, source.module,
                "{path} imports itself: {seen:?}"
            );
            if !seen.contains(&next.module.as_slice()) {
                seen.push(&next.module);
                open.extend(&above[next.module.as_slice()]);
            }
        }
    }
}

#[test]
fn a_room_stands_above_all_that_it_names() {
    for (place, (room, below)) in ROOMS.iter().enumerate() {
        for named in *below {
            let lower = ROOMS.iter().position(|(name, _)| name == named);
            assert!(lower.is_some_and(|lower| lower < place), "{room}: {named}");
        }
    }
}

#[test]
fn sockets_are_named_in_net_only_and_http_knows_none_at_all() {
    for source in sources() {
        let (path, room) = (source.path.display(), source.room());
        for word in ["TcpStream", "TcpListener", "unsafe {"] {
            let is_allowed = room == Some("net") || !source.code.contains(word);
            assert!(is_allowed, "{path} names {word}");
        }
        for word in ["Instant::now", "std::thread", "std::io::Read"] {
            let is_allowed = room != Some("http") || !source.code.contains(word);
            assert!(is_allowed, "{path} names {word}");
        }
    }
}

#[test]
fn no_two_public_types_share_a_name() {
    let mut homes: HashMap<String, Vec<String>> = HashMap::new();
    for source in sources() {
        for line in source.code.lines() {
            let kinds = ["pub struct ", "pub enum ", "pub trait "];
            let Some(rest) = kinds.iter().find_map(|kind| line.strip_prefix(kind)) else {
                continue;
            };
            let end = rest.find(|c: char| !c.is_alphanumeric()).unwrap();
            let name = rest[..end].to_string();
            let home = source.path.display().to_string();
            homes.entry(name).or_default().push(home);
        }
    }
    let shared: Vec<_> = homes.iter().filter(|(_, homes)| homes.len() > 1).collect();
    assert!(shared.is_empty(), "{shared:?}");
}
