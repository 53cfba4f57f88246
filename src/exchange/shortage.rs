//! A request for which there is no descriptor or source port left: it goes to another backend, which
//! has ports of its own, or waits for a while. No backend is to blame.

use super::{Exchange, ExchangePhase, Flow};
use crate::backends::Backend;
use crate::exchange::client::Client;
use crate::exchange::shared::Turn;
use crate::exchange::wait_for::WaitFor;
use crate::http::error::{Cause, Error, Phase};
use crate::net::Interest;
use crate::net::conn::Conn;
use std::time::{Duration, Instant};

/// How long to wait before the next try.
const PAUSE: Duration = Duration::from_millis(20);

/// A wait for a descriptor or port.
#[derive(Debug)]
pub(super) struct Short {
    /// After this the client gets 503.
    until: Instant,
    /// When to try again.
    next: Instant,
}

impl Exchange {
    /// Goes to another backend, if only ports to the last one are short; otherwise pauses, and then
    /// tries all of them again. Returns whether it goes on.
    pub(super) fn outlast(&mut self, from: &Backend<Conn>, error: Error, turn: &Turn<'_>) -> bool {
        let now = turn.now();
        let until = now + self.group.settings.timeouts.connect;
        let begin = || Box::new(Short { until, next: now });
        let short = self.short.get_or_insert_with(begin);
        if now >= short.until {
            return false;
        }
        let mut next = None;
        if error.cause == Cause::NoPort {
            next = ExchangePhase::another_attempt(&self.group, self.key, &self.failures, turn).ok();
        }
        if next.is_none() {
            short.next = now + PAUSE;
            self.failures.retain(|failure| !failure.error.is_shortage());
        }
        self.retry((from, &error), next, turn);
        true
    }

    /// Whether this is such a wait.
    pub(super) fn is_short(&self, wait_for: &WaitFor) -> bool {
        let short = self.short.as_ref();
        short.is_some_and(|short| short.next >= wait_for.deadline)
    }

    /// The wait until the next try. A connection that becomes idle meanwhile is used then.
    pub(super) fn pause(
        &mut self,
        client: &Client,
        turn: &Turn<'_>,
    ) -> Option<Result<Flow, Error>> {
        let next = self.short.as_ref()?.next;
        let wait_for = WaitFor::client(Interest::Reset, next);
        (turn.now() < next)
            .then(|| self.wait_unless_client_left(Phase::Connect, wait_for, client, turn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::exchange::testing::{Fixture, GET};

    fn fail(fixture: &mut Fixture, cause: Cause) -> (bool, Exchange) {
        let mut under_way = fixture.connecting(GET);
        let error = Error::proxy(Phase::Connect, cause);
        let exchange = &mut under_way.exchange;
        let failure = exchange.attempt().expect("connecting").failure(error);
        exchange.failures.push(failure);
        let goes_on = exchange.outlast(&fixture.backends[0].clone(), error, &fixture.turn());
        (goes_on, under_way.exchange)
    }

    #[test]
    fn a_request_without_a_port_goes_to_another_backend_and_one_without_a_descriptor_pauses() {
        let mut fixture = Fixture::new(2, Settings::default());
        let (goes_on, exchange) = fail(&mut fixture, Cause::NoPort);
        assert!(goes_on && exchange.failures.len() == 1);
        assert!(exchange.attempt().is_some(), "it has ports of its own");
        let (goes_on, exchange) = fail(&mut fixture, Cause::Exhausted);
        assert!(goes_on && exchange.failures.is_empty());
        assert!(exchange.attempt().is_none(), "none would do better");
    }

    #[test]
    fn it_tries_again_after_a_pause_until_its_time_is_over() {
        let mut fixture = Fixture::new(1, Settings::default());
        let began = Instant::now();
        let (goes_on, mut exchange) = fail(&mut fixture, Cause::NoPort);
        assert!(goes_on && exchange.failures.is_empty());
        let client = fixture.waiting(GET).client;
        let (next, until) = {
            let short = exchange.short.as_ref().expect("it is short");
            (short.next, short.until)
        };
        assert!(next >= began + PAUSE && next < began + 50 * PAUSE);
        assert!(until >= began + exchange.group.settings.timeouts.connect);
        let paused = exchange.pause(&client, &fixture.turn());
        match paused
            .expect("it is not time yet")
            .expect("the client is there")
        {
            Flow::WouldWait(wait_for) => assert_eq!(wait_for.deadline, next),
            flow => panic!("{flow:?}"),
        }
        let short = exchange.short.as_mut().expect("it is short");
        short.next = began;
        short.until = began;
        assert!(exchange.pause(&client, &fixture.turn()).is_none());
        let error = Error::proxy(Phase::Connect, Cause::NoPort);
        assert!(!exchange.outlast(&fixture.backends[0].clone(), error, &fixture.turn()));
    }
}
