//! The configuration file: one TOML file that says all that a command line can say, for several groups
//! of backends, with routes to them. Its keys are the flags' names, and the flags' parsers check their
//! values; a flag that is written wins over the file. All errors of a file are found at once, and each
//! has its picture.
//!
//! | file | duty |
//! |---|---|
//! | this one | a file to a [`Config`], or to all that is wrong with it |
//! | `keys` | the table of keys, made from the flags |
//! | `read`, `groups`, `routes` | from TOML to a draft |
//! | `value` | values as TOML and as flags have them |
//! | `layer` | the settings of one scope, and the settings that follow from several |
//! | `draft` | values with their places |
//! | `links` | whether they fit together |
//! | `problem`, `nearest` | pictures of errors |
//! | `print` | the whole configuration as a file, with the origin of each value |
//! | [`trace`] | where a request goes |
//! | `structure` | keys that are no settings |
//! | `schema`, `reference` | what may stand in a file, for editors and for people |

mod draft;
mod groups;
pub(super) mod keys;
mod layer;
mod links;
mod nearest;
mod print;
mod problem;
mod read;
mod reference;
mod routes;
mod schema;
mod structure;
pub mod trace;
mod value;

pub use layer::Overrides;
pub use problem::{Colors, FileErrors};
pub use reference::reference;
pub use schema::schema;

use super::{Config, GroupConfig, Settings};
use draft::{Draft, GroupDraft};
use layer::Settler;
use links::Effective;
use print::Printer;
use problem::{Lines, Problem};
use read::Syntax;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// As many bytes as ten thousand routes take.
const MOST_BYTES: u64 = 1024 * 1024;

/// Reads a file. The flags in `overrides` win over it, in every group.
pub fn load(path: &Path, overrides: &Overrides) -> Result<Config, FileErrors> {
    Ok(check(path, overrides)?.config)
}

/// Reads the text of a file; `path` is only its name.
pub fn parse(path: &Path, text: &str, overrides: &Overrides) -> Result<Config, FileErrors> {
    Ok(check_text(path, text, overrides)?.config)
}

/// Reads a file for a person who wants to know what it means.
pub fn check(path: &Path, overrides: &Overrides) -> Result<CheckedFile, FileErrors> {
    let text = text_of(path)?;
    check_text(path, &text, overrides)
}

/// The known name that is nearest to `name`, if one is near.
#[must_use]
pub fn nearest_name<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    nearest::nearest(name, known.iter().copied())
}

/// A file without errors.
#[derive(Debug)]
pub struct CheckedFile {
    /// What it says.
    pub config: Config,
    draft: Draft,
    effective: Effective,
    overrides: Overrides,
    lines: Lines,
}

impl CheckedFile {
    /// `lb.toml is valid: 2 listeners, 3 groups, 7 backends, 4 routes`.
    #[must_use]
    pub fn summary(&self) -> String {
        let config = &self.config;
        let counts = [
            (config.listen.len(), "listener"),
            (config.groups.len(), "group"),
            (config.backends().count(), "backend"),
            (config.routes.len(), "route"),
        ];
        let counts = counts.map(|(count, what)| match count {
            1 => format!("1 {what}"),
            _ => format!("{count} {what}s"),
        });
        let path = config.file.as_deref().unwrap_or(Path::new(""));
        format!("{} is valid: {}", path.display(), counts.join(", "))
    }

    /// The whole configuration as a file of the same meaning, with the origin of each value.
    #[must_use]
    pub fn print(&self) -> String {
        let printer = Printer {
            draft: &self.draft,
            effective: &self.effective,
            overrides: &self.overrides,
            lines: &self.lines,
        };
        printer.print()
    }

    /// The line in which a route begins, counted from 0; `None` for one that is not written.
    fn line_of_route(&self, index: usize) -> Option<usize> {
        let route = self.draft.routes.get(index);
        route.map(|route| self.lines.of(route.at.start))
    }
}

/// The same for the text of a file; `path` is only its name.
pub fn check_text(
    path: &Path,
    text: &str,
    overrides: &Overrides,
) -> Result<CheckedFile, FileErrors> {
    let (draft, mut problems, syntax) = read::read(text);
    let effective = settle(&draft, overrides);
    if syntax == Syntax::Valid {
        problems.extend(links::check(&draft, &effective, overrides));
    }
    if !problems.is_empty() {
        return Err(FileErrors::new(path, text, problems));
    }
    Ok(CheckedFile {
        config: config_of(path, &draft, &effective),
        draft,
        effective,
        overrides: overrides.clone(),
        lines: Lines::new(text),
    })
}

fn settle(draft: &Draft, overrides: &Overrides) -> Effective {
    let mut settler = Settler::new();
    let process = settler.settle(overrides, &[&draft.layer]);
    let of_group = |group: &GroupDraft| settler.settle(overrides, &[&group.layer, &draft.layer]);
    Effective {
        process,
        groups: draft.groups.iter().map(of_group).collect(),
    }
}

fn config_of(path: &Path, draft: &Draft, effective: &Effective) -> Config {
    let groups = draft.groups.iter().zip(&effective.groups);
    let group = |(group, settings): (&GroupDraft, &Settings)| GroupConfig {
        name: group.name.clone(),
        backends: group.backends.iter().map(|one| one.value.clone()).collect(),
        settings: settings.clone(),
    };
    Config {
        listen: draft.listen.iter().map(|one| one.value.clone()).collect(),
        settings: effective.process.clone(),
        groups: groups.map(group).collect(),
        routes: draft.routes.iter().map(|one| one.config.clone()).collect(),
        file: Some(path.into()),
    }
}

/// The text of a file, which has to be a short one in UTF-8.
fn text_of(path: &Path) -> Result<String, FileErrors> {
    let fail = |text: &str, problem| FileErrors::new(path, text, vec![problem]);
    let bytes = bytes_of(path).map_err(|error| {
        let title = format!("it cannot be read: {error}");
        fail(
            "",
            Problem::missing(title, "name a file that is there, and that lb may read"),
        )
    })?;
    if bytes.len() as u64 > MOST_BYTES {
        let title = format!("it has more than {} KiB", MOST_BYTES / 1024);
        return Err(fail(
            "",
            Problem::missing(title, "name a configuration file"),
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        let label = "write this file in UTF-8";
        fail(
            &text,
            Problem::new(valid..valid, "it is no text in UTF-8", label),
        )
    })
}

/// No more than one byte too many.
fn bytes_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
