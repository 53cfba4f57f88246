//! The file that is read again and again.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A configuration file of a test's own.
pub(crate) struct ConfigFile {
    pub(crate) path: PathBuf,
}

/// Any free port; a file that says so again keeps the one that was found.
const LISTEN: &str = "127.0.0.1:0";

impl ConfigFile {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("reload-{name}-{}.toml", std::process::id());
        Self {
            path: PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name),
        }
    }

    /// One group with these backends.
    pub(crate) fn write(&self, backends: &[SocketAddr]) {
        let names: Vec<String> = backends.iter().map(|one| format!("\"{one}\"")).collect();
        self.write_text(&format!(
            "listen = [\"{LISTEN}\"]\n[group.a]\nbackends = [{}]\nhealth = {{ interval = \"500ms\" }}\n",
            names.join(", ")
        ));
    }

    /// What is no configuration.
    pub(crate) fn write_broken(&self) {
        self.write_text("listen = [\"8080\"]\n[group.a]\nbackend = [\"127.0.0.1:1\"]\n");
    }

    /// As an editor does it: the old file or the new one, never half of one.
    pub(crate) fn write_text(&self, text: &str) {
        let beside = self.path.with_extension("new");
        fs::write(&beside, text).unwrap();
        fs::rename(&beside, &self.path).unwrap();
    }
}

impl Drop for ConfigFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
