//! A case: servers of one kind, a proxy before them, and what clients ask for.

use crate::kind::Kind;
use crate::load;
use crate::proxy::{Proxy, Which};
use crate::row::Row;
use crate::scenario::Scenario;
use crate::server::{Server, Starting};
use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Behind one server nothing can be left; of three, two are left.
const COUNTS: [usize; 2] = [1, 3];

/// What a case is about; rows are sorted and compared by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct About {
    pub(crate) kind: Kind,
    pub(crate) count: usize,
    group: usize,
    pub(crate) proxy: Which,
}

pub(crate) struct Case {
    about: About,
    scenarios: Vec<Scenario>,
}

impl Case {
    /// All cases of a kind of server behind a kind of proxy.
    pub(crate) fn all(kind: Kind, proxy: Which) -> Vec<Self> {
        let of_count = |count| {
            let groups = Scenario::groups(kind, count).into_iter().enumerate();
            groups.map(move |(group, scenarios)| Self {
                about: About {
                    kind,
                    count,
                    group,
                    proxy,
                },
                scenarios,
            })
        };
        COUNTS.into_iter().flat_map(of_count).collect()
    }

    /// Runs the scenarios in turn, each with a new proxy before the same servers.
    pub(crate) fn run(self) -> Vec<Row> {
        let About {
            kind, count, proxy, ..
        } = self.about;
        let folder = Folder::new(&format!("{:?}", self.about));
        let executed = folder.0.join("executed");
        let starting: Vec<_> = (0..count).map(|_| Starting::new(kind, &executed)).collect();
        let servers: Vec<Server> = starting.into_iter().map(Starting::ready).collect();
        let addresses: Vec<SocketAddr> = servers.iter().map(|server| server.address).collect();
        let mut rows = Vec::new();
        for (number, scenario) in self.scenarios.into_iter().enumerate() {
            let proxy = Proxy::start(proxy, &addresses, &folder.0);
            let samples = load::run(proxy.address(), &scenario);
            let downs = proxy.downs();
            // Its connections end, and a server may be busy with one of them.
            drop(proxy);
            servers.iter().for_each(Server::wait_until_idle);
            rows.push(Row {
                case: self.about,
                number,
                scenario,
                samples,
                downs,
                executions: executions(&executed),
            });
        }
        rows
    }
}

/// How often each request was executed so far.
fn executions(file: &Path) -> HashMap<u64, usize> {
    let mut counts = HashMap::new();
    // There is no file as long as nothing was executed.
    for line in fs::read_to_string(file).unwrap_or_default().lines() {
        *counts.entry(line.parse().expect("a number")).or_default() += 1;
    }
    counts
}

/// A folder that is gone after the case.
struct Folder(PathBuf);

impl Folder {
    fn new(case: &str) -> Self {
        let name: String = case.chars().filter(char::is_ascii_alphanumeric).collect();
        let name = format!("busy-{}-{name}", std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
