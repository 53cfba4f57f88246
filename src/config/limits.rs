//! How long a message may be.

use super::heading;
use super::quantities::{count, size};
use crate::engine::client_limit::ClientLimits;
use crate::http::scan::{HeadLimits, MAX_FIELDS};
use clap::Args;

/// RFC 9112 §3 recommends at least 8000 bytes of a request line.
const REQUEST_LINE_BYTES: usize = 8 * 1024;

/// The longest heads and bodies, and the most that one client may send.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct Limits {
    /// Most bytes of a request or response head (431)
    // nginx: 4 buffers of 8 KiB.
    #[arg(long, value_name = "SIZE", default_value = "32KiB",
          value_parser = size(512..=1_usize << 20), help_heading = heading::LIMITS)]
    pub max_head: usize,

    /// Most bytes of a request line (414) [default: 8KiB]
    ///
    /// Or --max-head, if that is smaller.
    #[arg(long, value_name = "SIZE", value_parser = size(64..=1_usize << 20),
          help_heading = heading::LIMITS, hide_short_help = true)]
    pub max_request_line: Option<usize>,

    /// Most fields in a head (431)
    // Apache's LimitRequestFields.
    #[arg(long, value_name = "N", default_value = "100", value_parser = count(1..=MAX_FIELDS),
          help_heading = heading::LIMITS, hide_short_help = true)]
    pub max_fields: usize,

    /// Most bytes of a request body (413) [default: no limit]
    ///
    /// 0 allows no body.
    #[arg(long, value_name = "SIZE", value_parser = size(0..=u64::MAX),
          help_heading = heading::LIMITS)]
    pub max_body: Option<u64>,

    /// Most connections of one client (429)
    ///
    /// By its address, of IPv6 the /64. Connections of --trusted-proxies count for their clients.
    #[arg(long, value_name = "N", value_parser = count(1..=1_000_000_u32),
          help_heading = heading::LIMITS, hide_short_help = true)]
    pub connections_per_client: Option<u32>,

    /// Most requests of one client in a second (429)
    #[arg(long, value_name = "N", value_parser = count(1..=1_000_000_u32),
          help_heading = heading::LIMITS, hide_short_help = true)]
    pub requests_per_second: Option<u32>,

    /// How many of these may come at once [default: a second's]
    #[arg(long, value_name = "N", value_parser = count(1..=1_000_000_u32),
          help_heading = heading::LIMITS, hide_short_help = true)]
    pub burst: Option<u32>,
}

impl Limits {
    /// Has each client limited as it is set here.
    pub fn apply_to(&self, clients: &ClientLimits) {
        let per_second = self.requests_per_second;
        let burst = self.burst.or(per_second).unwrap_or(1);
        clients.reconfigure(self.connections_per_client, per_second, burst);
    }

    /// The limits of a head. Its first line is a part of it.
    #[must_use]
    pub fn head(&self) -> HeadLimits {
        let line = REQUEST_LINE_BYTES.min(self.max_head);
        HeadLimits {
            bytes: self.max_head,
            start_line: self.max_request_line.unwrap_or(line),
            fields: self.max_fields,
        }
    }
}
