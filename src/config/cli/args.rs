//! The command line as it is written: where to listen, the backends, and the settings.

use crate::config::{Settings, addresses, heading};
use clap::Parser;
use std::path::PathBuf;

const MORE: &str = "\
Example: lb 8080 localhost:5001 localhost:5002
More options, and what they mean: lb --help";

const EXAMPLES: &str = "\
Examples:
  lb 8080 localhost:5001 localhost:5002       two backends on this machine
  lb 8080 localhost:5001-5004                 four of them
  lb 127.0.0.1:8080 :5001 http://app:80       only for this machine, one backend elsewhere
  lb 8080 :5001 :5002 --log access -q         a line per request, nothing else
  lb 80 app1:80 app2:80 --health-path /health --health-interval 2s
  lb --config lb.toml                         several groups, with routes to them

Commands, each with a --help of its own:
  lb check FILE        look for errors in a file, all at once (also lb -t FILE)
  lb route FILE URL    which route takes a request, and what the backend would receive
  lb simulate NAME     which backends an algorithm chooses, without a socket
  lb status            what a balancer with --admin does (also lb requests)
  lb drain BACKEND     give a backend no new requests (also lb enable, lb disable)
  lb schema            the schema of the file, for editors
  lb reference         every key of the file, as a page in Markdown";

#[derive(Debug, Parser)]
#[command(
    name = "lb",
    version,
    about = "An HTTP/1.1 load balancer: round robin over the backends that are healthy",
    after_help = MORE,
    override_usage = "lb [OPTIONS] LISTEN BACKEND...\n       lb [OPTIONS] --config FILE",
    max_term_width = 100,
    after_long_help = EXAMPLES
)]
pub(super) struct Args {
    /// Port to listen on, or ADDRESS:PORT
    ///
    /// PORT listens on every interface, IPv4 and IPv6; [V6ADDRESS]:PORT on one; NAME:PORT on all
    /// addresses of the name that this machine has.
    #[arg(value_name = "LISTEN", value_parser = addresses::listen,
          required_unless_present = "config")]
    pub(super) listen: Option<addresses::Listen>,

    /// Backends: HOST:PORT, :PORT or HOST:FIRST-LAST
    ///
    /// Also [V6ADDRESS]:PORT and http://HOST:PORT. :PORT is this machine, without a look-up of a name.
    #[arg(value_name = "BACKEND", value_parser = addresses::backends,
          required_unless_present = "config")]
    pub(super) backends: Vec<addresses::Range>,

    /// Read a file instead of LISTEN and BACKEND
    ///
    /// TOML; its keys are in lb reference. An option that is given wins over the file, in every group.
    #[arg(long, value_name = "FILE", display_order = 0)]
    pub(super) config: Option<PathBuf>,

    /// Read the file again when it changes
    ///
    /// It is looked at once a second.
    #[arg(long, requires = "config", hide_short_help = true)]
    pub(super) watch: bool,

    /// Check the file of --config and end
    #[arg(short = 't', requires = "config", hide_short_help = true)]
    pub(super) checks: bool,

    #[command(flatten)]
    pub(super) settings: Settings,

    /// A backend for when no other is up
    ///
    /// May be given several times.
    #[arg(long, value_name = "HOST:PORT", value_parser = addresses::backups, display_order = 0,
          help_heading = heading::FAILURES)]
    pub(super) backup: Vec<addresses::Range>,

    /// Print more: what goes wrong, and why
    #[arg(short, long, conflicts_with = "quiet", help_heading = heading::LOGGING)]
    pub(super) verbose: bool,

    /// Print only warnings
    #[arg(short, long, help_heading = heading::LOGGING)]
    pub(super) quiet: bool,
}
