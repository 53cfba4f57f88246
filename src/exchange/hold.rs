//! With `--hold`, a request waits, parked, for a backend to come up when none is.

use super::{Exchange, Flow};
use crate::exchange::client::Client;
use crate::exchange::shared::Turn;
use crate::exchange::wait_for::WaitFor;
use crate::http::error::{Error, Phase};
use crate::log::event::Event;
use crate::net::Interest;
use std::time::{Duration, Instant};

/// How often a held request looks by itself; as a rule it is recalled.
const LOOK: Duration = Duration::from_secs(1);

/// It is not recalled more often than this, so that a backend that is up and refuses is not asked more
/// often because requests wait for it.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A wait for a backend to come up. In a box: few exchanges ever have one.
#[derive(Debug)]
pub(super) struct Held {
    until: Instant,
    /// When it looked for a backend last.
    looked: Instant,
}

impl Held {
    /// Whether it may look for a backend again.
    pub(super) fn may_look(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.looked) >= LOOK_AGAIN
    }
}

impl Exchange {
    /// Whether it may wait for a backend to come up: nothing of it was sent anywhere.
    pub(super) fn may_hold(&self, turn: &Turn<'_>) -> bool {
        let hold = self.group.settings.hold;
        self.tries == 0 && !hold.is_zero() && !turn.shared.is_stopping()
    }

    /// Until when it waits for a backend to come up.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.held.as_ref().map(|held| held.until)
    }

    /// Waits for a backend to come up, or ends with `error` if it may not wait or has waited for long
    /// enough.
    pub(super) fn hold(
        &mut self,
        error: Error,
        client: &Client,
        turn: &Turn<'_>,
    ) -> Result<Flow, Error> {
        let (now, hold) = (Instant::now(), self.group.settings.hold);
        let is_new = self.held.is_none();
        let begin = || {
            let until = now + hold;
            Box::new(Held { until, looked: now })
        };
        let held = self.held.get_or_insert_with(begin);
        held.looked = now;
        let until = held.until;
        if !self.may_hold(turn) || now >= until {
            return Err(error);
        }
        if is_new {
            self.listeners.report(&Event::Held, turn);
        }
        // The backends that failed may come up.
        self.failures.clear();
        let wait_for = WaitFor::client(Interest::Reset, until.min(now + LOOK));
        self.wait_unless_client_left(Phase::Queue, wait_for, client, turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::exchange::testing::{Fixture, GET};
    use crate::http::error::Cause;

    const NONE_LIVE: Error = Error::proxy(Phase::Connect, Cause::NoneLive);

    /// Until when a request waits that has been sent so often.
    fn held(hold: Duration, tries: u32, is_stopping: bool) -> Result<Duration, Error> {
        let config = Settings {
            hold,
            ..Settings::default()
        };
        let mut fixture = Fixture::new(0, config);
        let mut under_way = fixture.waiting(GET);
        under_way.exchange.tries = tries;
        if is_stopping {
            fixture.shared.stop();
        }
        let now = Instant::now();
        let flow = under_way
            .exchange
            .hold(NONE_LIVE, &under_way.client, &fixture.turn())?;
        match flow {
            Flow::WouldWait(wait_for) => Ok(wait_for.deadline - now),
            flow => panic!("{flow:?}"),
        }
    }

    #[test]
    fn a_request_is_held_only_where_the_user_says_so_and_nothing_of_it_was_sent() {
        let long = Duration::from_secs(60);
        assert_eq!(held(Duration::ZERO, 0, false), Err(NONE_LIVE));
        assert_eq!(held(long, 1, false), Err(NONE_LIVE));
        assert_eq!(held(long, 0, true), Err(NONE_LIVE));
        let looks = held(long, 0, false).expect("it is held");
        assert!(looks >= LOOK && looks < 2 * LOOK, "{looks:?}");
        let short = held(LOOK / 2, 0, false).expect("it is held");
        assert!(short >= LOOK / 2 && short < LOOK, "{short:?}");
    }

    #[test]
    fn a_held_request_gives_up_at_its_time_and_is_not_recalled_too_often() {
        let config = Settings {
            hold: Duration::from_secs(60),
            ..Settings::default()
        };
        let mut fixture = Fixture::new(0, config);
        let mut under_way = fixture.waiting(GET);
        let (exchange, client) = (&mut under_way.exchange, &under_way.client);
        exchange
            .hold(NONE_LIVE, client, &fixture.turn())
            .expect("it is held");
        let held = exchange.held.as_mut().expect("it is held");
        let looked = held.looked;
        assert!(!held.may_look(looked + LOOK_AGAIN / 2));
        assert!(held.may_look(looked + LOOK_AGAIN));
        held.until = looked;
        let ended = exchange.hold(NONE_LIVE, client, &fixture.turn());
        assert_eq!(ended.map(|_| ()), Err(NONE_LIVE));
    }
}
