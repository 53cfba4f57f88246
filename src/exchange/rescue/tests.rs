use super::*;
use crate::backends::health::Evidence;
use crate::config::Settings;
use crate::exchange::testing::{BEGUN, Fixture, GET, POST, SILENCE, UnderWay};
use crate::exchange::transfer::Progress;
use std::sync::Arc;

/// An exchange that awaits the first byte of its answer.
fn sent(fixture: &mut Fixture, head: &str) -> UnderWay {
    let mut under_way = fixture.transferring(head);
    under_way.pump_until(fixture, |exchange| exchange.upload.is_complete());
    under_way
}

fn with(config: impl FnOnce(&mut Settings)) -> Settings {
    let mut own = Settings::default();
    config(&mut own);
    own
}

/// Backends that have been silent for twice as long as `--rescue-after` waits.
fn eager(count: u16) -> Fixture {
    Fixture::new(count, with(|config| config.rescue_after = SILENCE / 2))
}

/// Where the exchange is now.
fn place(under_way: &UnderWay, fixture: &Fixture) -> Option<usize> {
    let attempt = under_way.exchange.attempt()?;
    let mut all = fixture.backends.iter();
    all.position(|one| Arc::ptr_eq(one, attempt.backend.backend()))
}

#[test]
fn a_sent_request_leaves_a_mute_backend_once() {
    let mut fixture = eager(3);
    let mut under_way = sent(&mut fixture, GET);
    assert!(
        !under_way.exchange.leave_if_lost(&fixture.resumed()),
        "a check may be answered"
    );
    assert!(fixture.backends[0].take_check());
    fixture.suspect(0);
    assert!(
        under_way
            .exchange
            .is_backend_lost(&fixture.shared, Instant::now())
    );
    let mut late = fixture.resumed();
    late.is_overdue = true;
    assert!(
        !under_way.exchange.leave_if_lost(&late),
        "it is we who are late"
    );
    drop(late);
    assert!(under_way.exchange.leave_if_lost(&fixture.resumed()));
    assert_ne!(place(&under_way, &fixture), Some(0));
    let exchange = &under_way.exchange;
    assert_eq!(
        (exchange.tries, exchange.has_left, exchange.failures.len()),
        (1, true, 1)
    );
    assert!(!exchange.may_leave());
}

#[test]
fn a_sent_request_stays_where_there_is_no_reason_or_no_better_place() {
    // The backend has spoken a moment ago.
    let mut fixture = eager(2);
    let mut under_way = sent(&mut fixture, GET);
    fixture.suspect(0);
    fixture.backends[0].heard.other(Instant::now());
    assert!(!under_way.exchange.leave_if_lost(&fixture.resumed()));
    // All are suspect.
    let mut fixture = eager(2);
    let mut under_way = sent(&mut fixture, GET);
    (0..2).for_each(|place| fixture.suspect(place));
    assert!(
        !under_way
            .exchange
            .is_backend_lost(&fixture.shared, Instant::now())
    );
    assert!(!under_way.exchange.leave_if_lost(&fixture.resumed()));
    let exchange = &under_way.exchange;
    assert_eq!(
        (exchange.failures.len(), exchange.tries, exchange.has_left),
        (0, 0, false)
    );
    // It may not be sent twice, or it has left once, or its answer has begun.
    let mut fixture = eager(2);
    let (post, mut left) = (sent(&mut fixture, POST), sent(&mut fixture, GET));
    left.exchange.has_left = true;
    fixture.suspect(0);
    stay(&mut fixture, [post, left]);
    let mut begun = sent(&mut fixture, GET);
    begun.server_sends(BEGUN);
    begun.pump_until(&mut fixture, |exchange| exchange.answer.is_begun);
    stay(&mut fixture, [begun]);
}

/// These do not leave.
fn stay<const N: usize>(fixture: &mut Fixture, all: [UnderWay; N]) {
    for mut stays in all {
        assert!(!stays.exchange.may_leave());
        let now = Instant::now();
        assert!(!stays.exchange.is_backend_lost(&fixture.shared, now));
        assert!(!stays.exchange.leave_if_lost(&fixture.resumed()));
    }
}

#[test]
fn a_request_that_is_not_connected_goes_to_a_backup_only_from_one_that_is_worse_than_suspect() {
    let mut fixture = Fixture::with_backup(Settings::default());
    let mut under_way = fixture.connecting(GET);
    fixture.suspect(0);
    let now = Instant::now();
    assert!(!under_way.exchange.is_backend_lost(&fixture.shared, now));
    assert!(
        !under_way
            .exchange
            .leave_while_connecting(&fixture.resumed())
    );
    fixture.take_down(0, Evidence::Gone);
    assert!(under_way.exchange.is_backend_lost(&fixture.shared, now));
    assert!(
        under_way
            .exchange
            .leave_while_connecting(&fixture.resumed())
    );
    assert_eq!(place(&under_way, &fixture), Some(1));
}

#[test]
fn a_request_that_is_not_connected_leaves_a_suspect_backend_whatever_its_method() {
    let mut fixture = Fixture::new(2, Settings::default());
    let mut under_way = fixture.connecting(POST);
    let now = Instant::now();
    assert!(!under_way.exchange.is_backend_lost(&fixture.shared, now));
    assert!(
        !under_way
            .exchange
            .leave_while_connecting(&fixture.resumed())
    );
    fixture.suspect(0);
    assert!(under_way.exchange.is_backend_lost(&fixture.shared, now));
    assert!(
        !under_way.exchange.leave_while_connecting(&fixture.turn()),
        "not parked yet"
    );
    let mut late = fixture.resumed();
    late.is_overdue = true;
    assert!(
        !under_way.exchange.leave_while_connecting(&late),
        "it is we who are late"
    );
    drop(late);
    assert!(
        under_way
            .exchange
            .leave_while_connecting(&fixture.resumed())
    );
    assert_eq!(place(&under_way, &fixture), Some(1));
    let exchange = &under_way.exchange;
    assert_eq!(
        (exchange.tries, exchange.has_left),
        (0, false),
        "nothing was sent"
    );
}

#[test]
fn with_on_down_close_a_request_ends_with_its_backend() {
    let error = |phase| Err(Error::backend(phase, Cause::WentDown));
    for on_down in [OnDown::Close, OnDown::Keep] {
        let mut fixture = Fixture::new(1, with(|config| config.on_down = on_down));
        let connecting = fixture.connecting(GET);
        let awaited = sent(&mut fixture, POST);
        let mut begun = sent(&mut fixture, POST);
        begun.server_sends(BEGUN);
        begun.pump_until(&mut fixture, |exchange| !exchange.answer.is_awaited());
        let cases = [
            (connecting, Phase::Connect),
            (awaited, Phase::ResponseHead),
            (begun, Phase::ResponseBody),
        ];
        for (under_way, _) in &cases {
            assert_eq!(under_way.exchange.end_if_down(), Ok(()));
        }
        fixture.take_down(0, Evidence::Gone);
        for (under_way, phase) in cases {
            let closes = on_down == OnDown::Close;
            let expected = if closes { error(phase) } else { Ok(()) };
            assert_eq!(under_way.exchange.end_if_down(), expected);
            let recalled = under_way
                .exchange
                .is_backend_lost(&fixture.shared, Instant::now());
            assert_eq!(recalled, closes, "{phase:?}");
        }
    }
}

#[test]
fn a_backend_to_which_there_is_no_way_is_left_at_once() {
    let mut fixture = Fixture::new(2, Settings::default());
    let mut under_way = sent(&mut fixture, GET);
    assert_eq!(
        under_way
            .exchange
            .lost_cause(&fixture.shared, Instant::now()),
        None
    );
    let error = Error::backend(Phase::Connect, Cause::Unreachable);
    let (health, group) = (&fixture.shared.health, fixture.group());
    observations::observe_failed_attempt(health, &group, &fixture.backends[0], &error);
    let cause = under_way
        .exchange
        .lost_cause(&fixture.shared, Instant::now());
    assert_eq!(cause, Some(Cause::Unreachable));
    assert!(under_way.exchange.leave_if_lost(&fixture.resumed()));
}

#[test]
fn whether_a_request_has_arrived_is_looked_at_every_second_until_it_has() {
    let mut fixture = Fixture::new(2, Settings::default());
    let mut under_way = sent(&mut fixture, GET);
    let turn = fixture.resumed();
    let exchange = &mut under_way.exchange;
    let second = ACKNOWLEDGED_AFTER;
    assert_eq!(exchange.next_look(&turn), Some(turn.now() + second));
    let sent_at = turn.now() - second / 4;
    exchange
        .timer
        .deadline(Progress::default(), second, sent_at);
    assert_eq!(exchange.next_look(&turn), Some(sent_at + second));
    assert!(!exchange.is_unacknowledged(sent_at + second / 2));
    assert!(!exchange.has_arrived, "it was too early to look");
    // The system at the other end has acknowledged it, although nobody has read it.
    assert!(!exchange.is_unacknowledged(sent_at + second));
    assert_eq!(
        (exchange.has_arrived, exchange.next_look(&turn)),
        (true, None)
    );
}

#[test]
fn an_exchange_without_a_backend_is_recalled_when_one_may_have_come_up() {
    let mut fixture = Fixture::new(1, Settings::default());
    let under_way = fixture.waiting(GET);
    let now = Instant::now();
    assert!(under_way.exchange.is_backend_lost(&fixture.shared, now));
}
