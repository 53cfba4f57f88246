//! The configuration file and the commands around it, as a user runs them.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{LbProgram, Program, eventually, lb_output};

const EXAMPLES: [&str; 3] = ["three-backends", "two-hosts-canary", "sticky"];

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/examples")
}

fn example(name: &str) -> String {
    fs::read_to_string(examples().join(format!("{name}.toml"))).unwrap()
}

/// A file that ends with the test.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("lb-{}-{name}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// What a command prints, with its exit code.
fn said(words: &[&str]) -> (Option<i32>, String, String) {
    let output = lb_output(words);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// The example, with the addresses of these backends, on a port of its own.
fn local(name: &str, backends: &[Program]) -> String {
    let at = |place: usize| format!("\"{}\"", backends[place].address);
    let range = [at(0), at(1), at(2)].join(", ");
    let mut text = example(name)
        .replace("\"8080\"", "\"127.0.0.1:0\"")
        .replace("\"localhost:5001-5003\"", &range);
    for (place, port) in [5001, 5002, 5003, 5004, 5005, 5009].into_iter().enumerate() {
        text = text.replace(&format!("\"localhost:{port}\""), &at(place));
    }
    assert!(
        !text.contains("localhost:50") || text.contains("#   lb 8080"),
        "{text}"
    );
    text
}

fn start(file: &Temporary, words: &[&str]) -> LbProgram {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lb"));
    command.args(["--config", file.path()]).args(words);
    LbProgram::spawn(command)
}

#[test]
fn the_examples_are_valid_and_serve() {
    let backends: Vec<_> = (0..6).map(|_| Program::backend(0)).collect();
    for name in EXAMPLES {
        let path = examples().join(format!("{name}.toml"));
        let (code, text, errors) = said(&["check", path.to_str().unwrap()]);
        assert!(
            code == Some(0) && text.contains(" is valid: 1 listener, "),
            "{errors}"
        );
        let file = Temporary::new(name, &local(name, &backends));
        let lb = start(&file, &[]);
        let get = |host: &str, target: &str| {
            let mut client = lb.client();
            client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            client.response()
        };
        eventually("it serves", || get("shop.example", "/").status == 200);
    }
}

#[test]
fn routes_lead_to_their_groups() {
    let backends: Vec<_> = (0..6).map(|_| Program::backend(0)).collect();
    let file = Temporary::new("routes", &local("two-hosts-canary", &backends));
    let lb = start(&file, &[]);
    let get = |host: &str, target: &str| {
        let mut client = lb.client();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        client.response()
    };
    eventually("all groups serve", || {
        let asked = [
            ("shop.example", "/"),
            ("shop.example", "/api/x"),
            ("blog.example", "/"),
        ];
        asked
            .iter()
            .all(|(host, target)| get(host, target).status == 200)
    });
    let port = |place: usize| backends[place].address.port().to_string();
    let blog = get("blog.example", "/");
    assert!(blog.text().contains(&port(4)), "{}", blog.text());
    assert_eq!(blog.field("Cache-Control"), Some("max-age=60"));
    let api = get("Shop.Example:80", "/api/x").text();
    assert!(api.contains(&port(2)) || api.contains(&port(3)), "{api}");
    eventually("both versions serve", || {
        get("shop.example", "/").text().contains(&port(1))
    });
    let shop = (0..100).map(|_| get("shop.example", "/").text());
    let canary = shop.filter(|text| text.contains(&port(1))).count();
    assert_eq!(canary, 5);
    assert_eq!(get("other.example", "/").status, 404);
    assert_eq!(get("shop.example", "/api/%2e%2e/x").status, 400);
}

#[test]
fn a_bad_file_prevents_a_start_with_all_pictures_and_one_line() {
    let file = Temporary::new(
        "bad",
        "listen = \"x\"\nworker = 3\n[group.a]\nbackends = [\"b\"]\n",
    );
    for words in [
        &["--config", file.path()][..],
        &["check", file.path()],
        &["-t", file.path()],
        &["--config", file.path(), "-t"],
    ] {
        let (code, text, errors) = said(words);
        assert_eq!((code, text.as_str()), (Some(1), ""), "{errors}");
        for part in [
            ":1:10\n",
            ":2:1\n",
            ":4:13\n",
            "2 | worker = 3",
            "did you mean `workers`?",
        ] {
            assert!(errors.contains(part), "{part}: {errors}");
        }
        let last = errors.lines().last().unwrap();
        assert!(
            last.starts_with("lb: ") && last.contains(" has 3 errors"),
            "{last}"
        );
        assert!(!errors.contains('\u{1b}'), "{errors}");
    }
}

#[test]
fn beside_a_file_there_are_options_and_no_arguments() {
    let file = Temporary::new("valid", &example("sticky"));
    for words in [
        &["--config", file.path(), "8080"][..],
        &["--config", file.path(), "8080", ":1"],
        &["--config", file.path(), "--backup", ":1"],
        &["8080", ":1", "--watch"],
        &["8080", ":1", "-t"],
        &["--watch"],
        &["--config"],
    ] {
        let (code, _, errors) = said(words);
        assert_eq!(code, Some(2), "{words:?}: {errors}");
        assert!(errors.contains("--config"), "{words:?}: {errors}");
    }
    let (code, text, errors) = said(&["--config", file.path(), "-t", "--workers", "3"]);
    assert!(code == Some(0) && text.contains("is valid"), "{errors}");
    let (code, _, errors) = said(&["chek", file.path()]);
    assert!(
        code == Some(2) && errors.contains("did you mean `lb check`?"),
        "{errors}"
    );
}

#[test]
fn what_is_printed_is_a_file_of_the_same_meaning() {
    for name in EXAMPLES {
        let path = examples().join(format!("{name}.toml"));
        let words = ["check", "--print", path.to_str().unwrap(), "--hold", "7s"];
        let (code, printed, errors) = said(&words);
        assert_eq!(code, Some(0), "{errors}");
        assert!(printed.contains("hold = \"7s\"  # flag"), "{printed}");
        assert!(printed.contains("workers = 16  # default"), "{printed}");
        let file = Temporary::new(&format!("{name}-printed"), &printed);
        let (code, again, errors) = said(&["check", "--print", file.path()]);
        assert_eq!(code, Some(0), "{errors}");
        let values = |text: &str| {
            let lines = text.lines().skip(1);
            let lines = lines.map(|line| line.rsplit_once("  # ").map_or(line, |(value, _)| value));
            lines.map(String::from).collect::<Vec<_>>()
        };
        assert_eq!(values(&printed), values(&again), "{printed}\n---\n{again}");
    }
}

#[test]
fn a_request_is_traced_without_being_sent() {
    let path = examples().join("two-hosts-canary.toml");
    let path = path.to_str().unwrap();
    let url = "http://shop.example/api/x?y=1";
    let (code, text, errors) = said(&["route", path, url, "-H", "X-Debug: 1", "--method", "PUT"]);
    assert_eq!(code, Some(0), "{errors}");
    for part in [
        "Route 2 in line",
        "takes it.",
        "group api: localhost:5003, localhost:5004.",
        "\n  PUT /x?y=1 HTTP/1.1\n  Host: shop.example\n",
        "\n  X-Tier: api\n",
        "\n  X-Forwarded-For: 192.0.2.1\n",
        "a longer path takes it: /api",
        "host is blog.example",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("X-Debug"), "{text}");
    for (url, part) in [
        ("http://other.example/", "answered 404"),
        ("http://shop.example/a/../b", "answered 400"),
        ("http://shop.example/ready", "lb answers it itself"),
    ] {
        let (code, text, _) = said(&["route", path, url]);
        assert!(code == Some(1) && text.contains(part), "{text}");
    }
    for words in [
        &["shop.example"][..],
        &["https://shop.example/"],
        &[url, "-H", "X"],
    ] {
        let (code, _, errors) = said(&[&["route", path], words].concat());
        assert!(code == Some(2) && errors.contains("write "), "{errors}");
    }
}

#[test]
fn the_reference_page_is_what_the_program_prints_and_names_every_flag() {
    let (_, page, _) = said(&["reference"]);
    let kept = fs::read_to_string(examples().join("REFERENCE.md")).unwrap();
    assert_eq!(
        page, kept,
        "lb reference > scripts/examples/REFERENCE.md makes it anew"
    );
    let (_, help, _) = said(&["--help"]);
    let flags = help
        .lines()
        .filter_map(|line| line.trim_start().split_once("--"));
    let flags =
        flags.filter(|(before, _)| before.is_empty() || *before == "-v, " || *before == "-q, ");
    let flags: HashSet<_> = flags
        .map(|(_, flag)| flag.split([' ', '.', ',', ')']).next().unwrap())
        .collect();
    assert!(flags.contains("workers") && flags.len() > 50, "{flags:?}");
    // What says where the rest is written, or how much is printed about running.
    let others = HashSet::from([
        "config", "watch", "backup", "verbose", "quiet", "help", "version",
    ]);
    let missing: Vec<_> = flags
        .difference(&others)
        .filter(|flag| !page.contains(&format!("`--{flag}`")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Another implementation checks our schema, where it is installed.
const VALIDATOR: &str = "
import json, sys, tomllib
try:
    import jsonschema
except ImportError:
    sys.exit(77)
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for path in sys.argv[2:]:
    right = path.startswith('+')
    errors = list(validator.iter_errors(tomllib.load(open(path[1:], 'rb'))))
    if right == bool(errors):
        print(path, [error.message for error in errors])
        sys.exit(1)
";

#[test]
fn the_schema_takes_what_is_valid_and_refuses_what_is_not() {
    let (_, schema, _) = said(&["schema"]);
    let schema_file = Temporary::new("schema", &schema);
    let mut files = Vec::new();
    for name in EXAMPLES {
        files.push((
            '+',
            Temporary::new(&format!("{name}-schema"), &example(name)),
        ));
        let path = examples().join(format!("{name}.toml"));
        let (_, printed, _) = said(&["check", "--print", path.to_str().unwrap()]);
        files.push((
            '+',
            Temporary::new(&format!("{name}-schema-printed"), &printed),
        ));
    }
    for (place, (right, wrong)) in [
        ("\"2s\"", "\"2\""),
        ("\"2s\"", "2"),
        ("\"sticky\"", "\"stick\""),
        ("\"draining\"", "\"drained\""),
        ("fall = 3", "fall = \"3\""),
        ("fall = 3", "workers = 3"),
        ("tunnel =", "tunnels ="),
        ("[group.app]", "[group.\"a b\"]"),
    ]
    .into_iter()
    .enumerate()
    {
        let text = example("sticky").replacen(right, wrong, 1);
        let file = Temporary::new(&format!("wrong-{place}"), &text);
        let (code, _, _) = said(&["check", file.path()]);
        assert_eq!(code, Some(1), "{wrong}");
        files.push(('-', file));
    }
    let paths = files
        .iter()
        .map(|(sign, file)| format!("{sign}{}", file.path()));
    let output = Command::new("python3")
        .args(["-c", VALIDATOR, schema_file.path()])
        .args(paths)
        .output();
    match output {
        Ok(output) if output.status.code() == Some(77) => {}
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        // There is no Python here.
        Err(_) => {}
    }
}
