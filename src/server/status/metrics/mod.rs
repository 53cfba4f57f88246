//! All metrics as Prometheus reads them (text format 0.0.4). The values stay where they are counted; they
//! are read when Prometheus asks.
//!
//! Labels are names from the configuration, and words from short lists: a client or a backend adds none.
//!
//! | file | what it is |
//! |---|---|
//! | this one | all of them together |
//! | `text` | one metric with its series |
//! | `requests`, `backends`, `process` | which there are |

mod backends;
mod process;
mod requests;
mod text;

use super::StatusHandle;
use crate::config::Group;
use crate::engine::Engine;
use crate::metrics::Observed;
use crate::session::ClientSession;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use text::Text;

/// What Prometheus asks for.
#[derive(Debug)]
struct All(Arc<Engine<ClientSession>>);

impl Collector for All {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut text = Text(encoder);
        process::write(&self.0, &mut text)?;
        let snapshot = self.0.shared.snapshot();
        let groups: Vec<&Group> = snapshot.groups.iter().map(|group| &**group).collect();
        if let Some(observed) = self.0.shared.observed.as_deref() {
            let names = observed.routes.all();
            requests::write(&groups, &observed.unrouted, &names, &mut text)?;
            write_observed(observed, &mut text)?;
        }
        backends::write(&groups, &mut text)
    }
}

fn write_observed(observed: &Observed, text: &mut Text<'_>) -> fmt::Result {
    process::write_sessions(&observed.live, text)?;
    process::write_workers(&observed.lanes, text)
}

impl StatusHandle {
    /// All metrics as Prometheus reads them (text format 0.0.4).
    #[must_use]
    pub fn metrics_text(&self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(All(Arc::clone(&self.0))));
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = prometheus_text::encode(&mut text, &registry);
        text
    }
}
