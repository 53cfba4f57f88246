//! The options about connections, as they are written, and what they mean.

use super::quantities;
use crate::config::Sockets;
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

/// A value, or a word that stands for none.
#[derive(Clone, Copy, Debug)]
struct OrNone<T>(Option<T>);

#[derive(Debug, Args)]
#[command(next_help_heading = "Sockets")]
pub(super) struct SocketArgs {
    /// Silence after which TCP asks for the peer; or off
    ///
    /// A peer that has vanished is noticed after twice the time.
    #[arg(long, value_name = "TIME|off", default_value = "60s",
          value_parser = keep_alive, hide_short_help = true)]
    tcp_keep_alive: OrNone<Duration>,

    /// Bytes that the system takes and cannot send yet (Linux)
    ///
    /// For a client or a backend. auto is some megabytes.
    #[arg(long, value_name = "SIZE|auto", default_value = "256KiB",
          value_parser = size_or_auto(), hide_short_help = true)]
    max_unsent: OrNone<u64>,

    /// Bytes that the system takes from a backend
    ///
    /// Before they are read. auto is as many as the backend sends in a round trip.
    #[arg(long, value_name = "SIZE|auto", default_value = "auto",
          value_parser = size_or_auto(), hide_short_help = true)]
    backend_window: OrNone<u64>,

    /// The same from a client
    #[arg(long, value_name = "SIZE|auto", default_value = "auto",
          value_parser = size_or_auto(), hide_short_help = true)]
    client_window: OrNone<u64>,
}

impl SocketArgs {
    pub(super) fn sockets(&self) -> Sockets {
        let both = Options {
            keep_alive: self.tcp_keep_alive.0,
            unsent: fits(self.max_unsent),
            unread: None,
        };
        Sockets {
            clients: Options {
                unread: fits(self.client_window),
                ..both
            },
            backends: Options {
                unread: fits(self.backend_window),
                ..both
            },
        }
    }
}

/// [`LARGEST_SIZE`] fits every socket option.
fn fits<T: TryFrom<u64>>(size: OrNone<u64>) -> Option<T> {
    size.0.and_then(|size| T::try_from(size).ok())
}

fn size_or_auto() -> ValueParser {
    ValueParser::from(|text: &str| match text {
        "auto" => Ok(OrNone(None)),
        _ => match quantities::size_in(&SIZES, text) {
            Ok(size) => Ok(OrNone(Some(size))),
            Err(reason) => Err(format!("{reason}; or auto")),
        },
    })
}

fn keep_alive(text: &str) -> Result<OrNone<Duration>, String> {
    if text == "off" {
        return Ok(OrNone(None));
    }
    let time = quantities::duration(text).map_err(|reason| format!("{reason}; or off"))?;
    match KEEP_ALIVE.contains(&time) {
        true => Ok(OrNone(Some(time))),
        false => Err("it must be from 1s to 9h, for example 60s; or off".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::cli::tests::parse_line;

    fn sockets(options: &str) -> Sockets {
        let line = format!("lb 8080 :1 {options}");
        parse_line(&line).expect("valid").config.sockets
    }

    #[test]
    fn what_is_off_or_auto_is_left_to_the_system() {
        let set = sockets(
            "--tcp-keep-alive 5s --max-unsent 64KiB --client-window 8KiB --backend-window 1MiB",
        );
        for (options, unread) in [(set.clients, 8 << 10), (set.backends, 1 << 20)] {
            assert_eq!(options.keep_alive, Some(Duration::from_secs(5)));
            assert_eq!(
                (options.unsent, options.unread),
                (Some(64 << 10), Some(unread))
            );
        }
        let left = sockets(
            "--tcp-keep-alive off --max-unsent auto --client-window auto --backend-window auto",
        );
        for options in [left.clients, left.backends] {
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
