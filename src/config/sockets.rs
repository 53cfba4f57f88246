//! What the system does for a connection.

use super::{OrNone, heading, quantities};
use crate::net::options::Options;
use clap::Args;
use clap::builder::ValueParser;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The kernel counts a keep-alive time in whole seconds, 32,767 at most.
const KEEP_ALIVE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(9 * 3600);

/// Less would have each segment wait for a read of ours.
const SMALLEST_SIZE: u64 = 4 * 1024;

/// More bounds nothing, and the kernel counts the double of it in 31 bits.
const LARGEST_SIZE: u64 = 512 * 1024 * 1024;

/// Bounds of a size of either kind.
const SIZES: RangeInclusive<u64> = SMALLEST_SIZE..=LARGEST_SIZE;

/// What the system does for connections. Checks have none of it: their own timeouts close them.
#[derive(Clone, Copy, Debug, PartialEq, Args)]
pub struct Sockets {
    /// Silence after which TCP asks for the peer; or off
    ///
    /// A peer that has vanished is noticed after twice the time.
    // The kernel's own two hours are longer than most NATs and firewalls remember a silent
    // connection.
    #[arg(long, value_name = "TIME|off", default_value = "60s", value_parser = keep_alive,
          help_heading = heading::SOCKETS, hide_short_help = true)]
    pub tcp_keep_alive: OrNone<Duration>,

    /// Bytes that the system takes and cannot send yet (Linux)
    ///
    /// For a client or a backend. auto is some megabytes.
    #[arg(long, value_name = "SIZE|auto", default_value = "256KiB",
          value_parser = size_or_auto::<u32>(), help_heading = heading::SOCKETS,
          hide_short_help = true)]
    pub max_unsent: OrNone<u32>,

    /// Bytes that the system takes from a backend
    ///
    /// Before they are read. auto is as many as the backend sends in a round trip.
    #[arg(long, value_name = "SIZE|auto", default_value = "auto",
          value_parser = size_or_auto::<usize>(), help_heading = heading::SOCKETS,
          hide_short_help = true)]
    pub backend_window: OrNone<usize>,

    /// The same from a client
    #[arg(long, value_name = "SIZE|auto", default_value = "auto",
          value_parser = size_or_auto::<usize>(), help_heading = heading::SOCKETS,
          hide_short_help = true)]
    pub client_window: OrNone<usize>,
}

impl Sockets {
    /// The options of connections that clients make.
    #[must_use]
    pub fn of_clients(&self) -> Options {
        self.with_window(self.client_window)
    }

    /// The options of connections to backends, for requests.
    #[must_use]
    pub fn of_backends(&self) -> Options {
        self.with_window(self.backend_window)
    }

    fn with_window(&self, window: Option<usize>) -> Options {
        Options {
            keep_alive: self.tcp_keep_alive,
            unsent: self.max_unsent,
            unread: window,
        }
    }
}

/// A size, which always fits the type since [`LARGEST_SIZE`] does; or `auto`.
fn size_or_auto<T: TryFrom<u64> + Clone + Send + Sync + 'static>() -> ValueParser {
    ValueParser::from(|text: &str| match text {
        "auto" => Ok(OrNone::<T>::None),
        _ => match quantities::size_in(&SIZES, text) {
            Ok(size) => Ok(T::try_from(size).ok()),
            Err(reason) => Err(format!("{reason}; or auto")),
        },
    })
}

fn keep_alive(text: &str) -> Result<OrNone<Duration>, String> {
    if text == "off" {
        return Ok(None);
    }
    let time = quantities::duration(text).map_err(|reason| format!("{reason}; or off"))?;
    match KEEP_ALIVE.contains(&time) {
        true => Ok(Some(time)),
        false => Err("it must be from 1s to 9h, for example 60s; or off".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::config::cli::parse;
    use std::ffi::OsString;

    fn parse_line(line: &str) -> Result<Config, clap::Error> {
        let invocation = parse(line.split(' ').map(OsString::from))?;
        Ok(invocation.source.load().expect("a command line"))
    }

    fn sockets(options: &str) -> Sockets {
        let line = format!("lb 8080 :1 {options}");
        parse_line(&line).expect("valid").settings.sockets
    }

    #[test]
    fn what_is_off_or_auto_is_left_to_the_system() {
        let set = sockets(
            "--tcp-keep-alive 5s --max-unsent 64KiB --client-window 8KiB --backend-window 1MiB",
        );
        for (options, unread) in [(set.of_clients(), 8 << 10), (set.of_backends(), 1 << 20)] {
            assert_eq!(options.keep_alive, Some(Duration::from_secs(5)));
            assert_eq!(
                (options.unsent, options.unread),
                (Some(64 << 10), Some(unread))
            );
        }
        let left = sockets(
            "--tcp-keep-alive off --max-unsent auto --client-window auto --backend-window auto",
        );
        for options in [left.of_clients(), left.of_backends()] {
            assert_eq!(options, Options::default());
        }
    }

    #[test]
    fn what_the_kernel_cannot_count_is_refused_with_an_example() {
        for (words, example) in [
            ("--tcp-keep-alive 999ms", "for example 60s; or off"),
            ("--tcp-keep-alive 10h", "for example 60s; or off"),
            ("--tcp-keep-alive never", "for example 10s; or off"),
            ("--max-unsent 0", "for example 32KiB; or auto"),
            ("--backend-window 1GiB", "for example 32KiB; or auto"),
            ("--client-window some", "for example 32KiB; or auto"),
        ] {
            let refused = parse_line(&format!("lb 8080 :1 {words}")).expect_err(words);
            let text = refused.to_string();
            assert!(
                text.contains(example) && text.contains(&words[..12]),
                "{text}"
            );
        }
    }
}
