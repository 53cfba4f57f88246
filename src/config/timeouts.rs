//! How long each thing may take.

use super::heading;
use super::quantities::duration;
use clap::Args;
use std::time::Duration;

/// Timeouts, each counted from the start of what it bounds.
#[derive(Clone, Copy, Debug, PartialEq, Args)]
pub struct Timeouts {
    /// A whole request head (408)
    ///
    /// A new connection on which no byte comes in this time is closed without an answer.
    // From its first byte, or from the accepting of the connection.
    #[arg(id = "head_timeout", long = "head-timeout", value_name = "TIME", default_value = "10s",
          value_parser = duration, help_heading = heading::TIMEOUTS)]
    pub head: Duration,

    /// A connection to a backend
    ///
    /// For all its addresses together.
    // HAProxy's documentation recommends it: four of the kernel's attempts, a second apart at first.
    // Where another backend is free, a request moves on much sooner.
    #[arg(id = "connect_timeout", long = "connect-timeout", value_name = "TIME",
          default_value = "5s", value_parser = duration, help_heading = heading::TIMEOUTS,
          hide_short_help = true)]
    pub connect: Duration,

    /// A whole response head (504)
    ///
    /// From the time when the request is sent. Each 102 of the backend gives it as much time again.
    #[arg(id = "response_timeout", long = "response-timeout", value_name = "TIME",
          default_value = "30s", value_parser = duration, help_heading = heading::TIMEOUTS)]
    pub response: Duration,

    /// A body without progress (408, 504 or a cut)
    // In either direction.
    #[arg(id = "body_timeout", long = "body-timeout", value_name = "TIME", default_value = "30s",
          value_parser = duration, help_heading = heading::TIMEOUTS, hide_short_help = true)]
    pub body: Duration,

    /// A client connection between two requests
    #[arg(id = "keep_alive_timeout", long = "keep-alive-timeout", value_name = "TIME",
          default_value = "60s", value_parser = duration, help_heading = heading::TIMEOUTS,
          hide_short_help = true)]
    pub keep_alive: Duration,

    /// A backend connection between two requests
    // Below the 5 s after which Node and Apache close an idle connection, so that we are the first to
    // close and no request meets a closing one.
    #[arg(id = "backend_idle_timeout", long = "backend-idle-timeout", value_name = "TIME",
          default_value = "4s", value_parser = duration, help_heading = heading::TIMEOUTS,
          hide_short_help = true)]
    pub backend_idle: Duration,

    /// A tunnel (WebSocket) without a byte
    // In either direction. HAProxy's documentation suggests an hour.
    #[arg(id = "tunnel_timeout", long = "tunnel-timeout", value_name = "TIME",
          default_value = "1h", value_parser = duration, help_heading = heading::TIMEOUTS,
          hide_short_help = true)]
    pub tunnel: Duration,

    /// Time for what is in flight when it stops
    #[arg(id = "drain_timeout", long = "drain-timeout", value_name = "TIME",
          default_value = "30s", value_parser = duration, help_heading = heading::STOPPING)]
    pub drain: Duration,
}
