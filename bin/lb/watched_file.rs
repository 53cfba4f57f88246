//! The configuration file as what a running balancer reads again: after `HUP`, and with `--watch` when
//! it has changed. Must not know what a reload does.

use lb::config::cli::ConfigFile;
use lb::config::cli::commands::refused;
use lb::config::file::Colors;
use lb::server::Source;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// A file, and what was seen of it last.
pub(crate) struct WatchedFile {
    file: ConfigFile,
    seen: Option<Stamp>,
}

/// What differs when a file was written or replaced: device, inode, size, and the time of the last
/// change in seconds and nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

impl WatchedFile {
    /// To be called before the file is read for the first time, so that no change is missed.
    pub(crate) fn new(file: &ConfigFile) -> Self {
        Self {
            seen: stamp(&file.path),
            file: file.clone(),
        }
    }

    /// What a balancer reloads from.
    pub(crate) fn source(self) -> Source {
        let Self { file, mut seen } = self;
        let path = file.path.clone();
        let has_changed = move || {
            let now = stamp(&path);
            // A file that is gone is about to be replaced.
            let has_changed = now.is_some() && now != seen;
            seen = now.or(seen);
            has_changed
        };
        Source {
            has_changed: file.is_watched.then(|| Box::new(has_changed) as Box<_>),
            // For the log, which has no colours.
            load: Box::new(move || {
                let loaded = file.load();
                loaded.map_err(|errors| refused(&errors, Colors::None).errors.trim_end().into())
            }),
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let of = |file: fs::Metadata| {
        let changed = (file.mtime(), file.mtime_nsec());
        (file.dev(), file.ino(), file.size(), changed.0, changed.1)
    };
    fs::metadata(path).ok().map(of)
}
