//! What the machine allows: how many clients for its descriptors, how much memory for them; and
//! what is too little for a single client, which is an error at the start.

use super::StartError;
use super::memory;
use crate::config::Config;
use crate::engine::memory::{Memory, PER_CONNECTION};
use crate::net::buffer::{OWN_STORAGES, STORAGE_BYTES};
use crate::net::limits;

/// Descriptors that are neither a client's nor a backend connection's: standard streams,
/// listener, epoll with its timer, wakers, and what a library may open.
const OWN_DESCRIPTORS: u64 = 32;

/// Descriptors that have to be left when all is open: for a client, for its backend, and for a
/// check.
const LEAST_LEFT: u64 = 3;

/// With this many descriptors it can serve, if it inherits none: what it opens, and [`LEAST_LEFT`].
pub(super) const LEAST_DESCRIPTORS: u64 = 24;

/// The least that is held of a body that came through a pipe, when its receiver has no room.
const PIECE_BYTES: usize = 2 * STORAGE_BYTES;

/// Memory that is left for everything of a fixed or small size: the program itself, threads, the
/// queue of the log, backends and their connections.
const OTHER_BYTES: u64 = 8 * 1024 * 1024;

/// The most client connections at a time.
pub(super) fn connections(config: &Config, descriptors: u64) -> usize {
    let own = own_descriptors(config, descriptors);
    match config.settings.max_connections {
        Some(limit) => {
            warn_of_too_many(limit, own, descriptors);
            limit
        }
        None => most_connections(descriptors, own),
    }
}

/// Descriptors that are not for clients: the balancer's own, those of the admin listener, one for each
/// probe, and four for the two pipes of each worker. Where few are allowed, workers do without pipes.
fn own_descriptors(config: &Config, descriptors: u64) -> u64 {
    let backends = config.backends().count();
    let pipes = (2 * 2 * config.settings.workers as u64).min(descriptors / 4);
    let admin = config.settings.admin.most_descriptors();
    OWN_DESCRIPTORS + (backends + admin) as u64 + pipes
}

/// Three quarters of the other descriptors: an idle client needs one, a client that is served two.
fn most_connections(descriptors: u64, own: u64) -> usize {
    let free = descriptors.saturating_sub(own);
    usize::try_from(free / 4 * 3).unwrap_or(usize::MAX).max(1)
}

/// So many clients are too many if there is not even one descriptor for each.
fn warn_of_too_many(limit: usize, own: u64, descriptors: u64) {
    let needed = own + limit as u64;
    if needed > descriptors {
        log::warn!(
            "--max-connections {limit} takes at least {needed} descriptors, and the limit is \
             {descriptors}: clients may get 503. Raise the limit (ulimit -n), or leave the option \
             out."
        );
    }
}

/// Fails if there are not enough descriptors left to serve a single client.
pub(super) fn check_descriptors(descriptors: u64) -> Result<(), StartError> {
    let left = limits::descriptors_left(LEAST_LEFT);
    match left < LEAST_LEFT {
        true => Err(StartError::Descriptors {
            limit: descriptors,
            needed: LEAST_DESCRIPTORS.max(descriptors + LEAST_LEFT - left),
        }),
        false => Ok(()),
    }
}

/// How much memory clients may take: what is set, or what the machine, the control group and the
/// limits of the process leave beside what is ours.
pub(super) fn memory(config: &Config) -> Result<Memory, StartError> {
    let (has, limit) = match config.settings.max_memory {
        Some(set) => (None, set),
        None => {
            let has = memory::available();
            (Some(has), has.saturating_sub(own_bytes(config)))
        }
    };
    let least = least_bytes(config);
    if limit < least {
        return Err(match has {
            None => StartError::MaxMemory { set: limit, least },
            Some(has) => StartError::Memory {
                has,
                needed: least + own_bytes(config),
            },
        });
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(Memory::new(limit, memory::left))
}

/// What is not the clients': [`OTHER_BYTES`], and what workers lend to sessions.
fn own_bytes(config: &Config) -> u64 {
    let head = 2 * config.settings.limits.max_head;
    let worker = OWN_STORAGES * STORAGE_BYTES + 2 * STORAGE_BYTES + head;
    OTHER_BYTES + (config.settings.workers * worker) as u64
}

/// As much as a single client takes: a request head as long as is allowed, within the share that
/// heads have of all, or a piece of a body that came through a pipe.
fn least_bytes(config: &Config) -> u64 {
    let most_held = config
        .settings
        .limits
        .max_head
        .next_power_of_two()
        .max(PIECE_BYTES)
        + STORAGE_BYTES;
    (2 * (PER_CONNECTION + most_held)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_memory_for_one_client_is_said_with_what_would_do() {
        let with = |max_memory| {
            let mut config = Config::default();
            config.settings.max_memory = max_memory;
            config
        };
        let error = memory(&with(Some(100_000))).expect_err("too little");
        let StartError::MaxMemory { least, .. } = error else {
            panic!("another error: {error}");
        };
        assert!(error.to_string().contains("--max-memory"), "{error}");
        let enough = memory(&with(Some(least))).expect("enough");
        assert_eq!(enough.limit() as u64, least);
        assert!(memory(&with(None)).expect("enough").limit() as u64 > least);
    }

    #[test]
    fn there_is_a_place_for_a_client_however_few_descriptors_there_are() {
        assert_eq!(most_connections(10, 32), 1);
        assert_eq!(most_connections(1032, 32), 750);
    }
}
