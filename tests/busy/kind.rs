//! The servers: what they are called, how many requests they work on at a time, how they start.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A kind of server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    GunicornSync,
    GunicornThreads,
    Uvicorn,
    Node,
    Php,
    Flask,
    HttpServer,
    HttpServerKeepAlive,
}

/// Threads of [`Kind::GunicornThreads`].
const THREADS: usize = 4;

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::GunicornSync,
        Self::GunicornThreads,
        Self::Uvicorn,
        Self::Node,
        Self::Php,
        Self::Flask,
        Self::HttpServer,
        Self::HttpServerKeepAlive,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::GunicornSync => "gunicorn sync",
            Self::GunicornThreads => "gunicorn threads",
            Self::Uvicorn => "uvicorn",
            Self::Node => "node",
            Self::Php => "php -S",
            Self::Flask => "flask",
            Self::HttpServer => "http.server",
            Self::HttpServerKeepAlive => "http.server 1.1",
        }
    }

    /// Requests that it works on at the same time.
    pub(crate) const fn capacity(self) -> usize {
        match self {
            Self::GunicornThreads => THREADS,
            _ => 1,
        }
    }

    /// Whether it has room for only five connections that it has not accepted yet.
    pub(crate) const fn has_short_queue(self) -> bool {
        matches!(self, Self::HttpServer | Self::HttpServerKeepAlive)
    }

    /// Whether an idle connection keeps it from all others, so that requests wait for the end of
    /// the balancer's idle connections, too.
    pub(crate) const fn stays_with_a_connection(self) -> bool {
        matches!(self, Self::HttpServerKeepAlive)
    }

    pub(crate) fn is_installed(self) -> bool {
        self.command().is_some() && (self != Self::Flask || python_has("flask"))
    }

    /// The command that starts it on a port of the system's choice, which it prints.
    pub(crate) fn command(self) -> Option<Command> {
        let threads = THREADS.to_string();
        let command = match self {
            Self::GunicornSync => gunicorn(&["--workers", "1"])?,
            Self::GunicornThreads => gunicorn(&["--workers", "1", "--threads", &threads])?,
            Self::Uvicorn => uvicorn()?,
            Self::Node => with_words("node", &[&fixture("server.js")])?,
            Self::Php => with_words("php", &["-S", "127.0.0.1:0", &fixture("router.php")])?,
            Self::Flask => with_words("python3", &[&fixture("flask_app.py")])?,
            Self::HttpServer => with_words("python3", &[&fixture("http_server.py")])?,
            Self::HttpServerKeepAlive => {
                with_words("python3", &[&fixture("http_server.py"), "keep-alive"])?
            }
        };
        Some(command)
    }
}

fn gunicorn(words: &[&str]) -> Option<Command> {
    let (config, folder) = (fixture("gunicorn.conf.py"), fixture(""));
    let common = ["--config", &config, "--chdir", &folder];
    with_words("gunicorn", &[&common[..], words, &["wsgi:app"]].concat())
}

fn uvicorn() -> Option<Command> {
    let address = ["--host", "127.0.0.1", "--port", "0"];
    let folder = fixture("");
    let app = ["--no-access-log", "--app-dir", &folder, "asgi:app"];
    with_words("uvicorn", &[address, app].concat())
}

/// A program with these words, if it is installed.
fn with_words(name: &str, words: &[&str]) -> Option<Command> {
    let mut command = Command::new(program(name)?);
    command.args(words);
    Some(command)
}

/// Where a program is: in the folder where `scripts/busy.sh` installs Python's servers, or
/// anywhere on the path.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::iter::once(own).chain(std::env::split_paths(&path));
    folders.find_map(|folder| Some(folder.join(name)).filter(|file| file.is_file()))
}

/// Flask is no program but a package of Python.
fn python_has(package: &str) -> bool {
    let import = format!("import {package}");
    let Some(mut python) = with_words("python3", &["-c", &import]) else {
        return false;
    };
    let status = python.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// A file beside this one.
fn fixture(name: &str) -> String {
    format!("{}/tests/busy/{name}", env!("CARGO_MANIFEST_DIR"))
}
