use super::*;
use crate::backends::health::{Evidence, Observation};
use crate::config::Config;
use crate::exchange::testing::{Bench, SILENCE, UnderWay};
use crate::exchange::transfer::Progress;
use std::sync::Arc;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx";

/// An exchange that awaits the first byte of its answer.
fn sent(bench: &mut Bench, head: &str) -> UnderWay {
    let mut under_way = bench.transferring(head);
    under_way.pump_until(bench, |exchange| exchange.upload.is_complete());
    under_way
}

fn with(config: impl FnOnce(&mut Config)) -> Config {
    let mut own = Config::default();
    config(&mut own);
    own
}

/// A bench where rescue begins before the backends have been silent for as long as they were.
fn eager(count: u16) -> Bench {
    Bench::new(count, with(|config| config.rescue_after = SILENCE / 2))
}

/// Where the exchange is now.
fn place(under_way: &UnderWay, bench: &Bench) -> Option<usize> {
    let attempt = under_way.exchange.attempt()?;
    let mut all = bench.backends.iter();
    all.position(|one| Arc::ptr_eq(one, attempt.backend.backend()))
}

#[test]
fn a_sent_request_leaves_a_mute_backend_once() {
    let mut bench = eager(3);
    let mut under_way = sent(&mut bench, GET);
    assert!(
        !under_way.exchange.leave_if_lost(&bench.resumed()),
        "a check may be answered"
    );
    assert!(bench.backends[0].take_check());
    bench.suspect(0);
    assert!(
        under_way
            .exchange
            .is_backend_lost(&bench.shared, Instant::now())
    );
    let mut late = bench.resumed();
    late.is_overdue = true;
    assert!(
        !under_way.exchange.leave_if_lost(&late),
        "it is we who are late"
    );
    drop(late);
    assert!(under_way.exchange.leave_if_lost(&bench.resumed()));
    assert_ne!(place(&under_way, &bench), Some(0));
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
    let mut bench = eager(2);
    let mut under_way = sent(&mut bench, GET);
    bench.suspect(0);
    bench.backends[0].heard.other(Instant::now());
    assert!(!under_way.exchange.leave_if_lost(&bench.resumed()));
    // All are suspect.
    let mut bench = eager(2);
    let mut under_way = sent(&mut bench, GET);
    (0..2).for_each(|place| bench.suspect(place));
    assert!(
        !under_way
            .exchange
            .is_backend_lost(&bench.shared, Instant::now())
    );
    assert!(!under_way.exchange.leave_if_lost(&bench.resumed()));
    let exchange = &under_way.exchange;
    assert_eq!(
        (exchange.failures.len(), exchange.tries, exchange.has_left),
        (0, 0, false)
    );
    // It may not be sent twice, or it has left once, or its answer has begun.
    let mut bench = eager(2);
    let (post, mut left) = (sent(&mut bench, POST), sent(&mut bench, GET));
    left.exchange.has_left = true;
    bench.suspect(0);
    stay(&mut bench, [post, left]);
    let mut begun = sent(&mut bench, GET);
    begun.server_sends(ANSWER);
    begun.pump_until(&mut bench, |exchange| exchange.answer.is_begun);
    stay(&mut bench, [begun]);
}

/// These do not leave.
fn stay<const N: usize>(bench: &mut Bench, all: [UnderWay; N]) {
    for mut stays in all {
        assert!(!stays.exchange.may_leave());
        let now = Instant::now();
        assert!(!stays.exchange.is_backend_lost(&bench.shared, now));
        assert!(!stays.exchange.leave_if_lost(&bench.resumed()));
    }
}

#[test]
fn a_request_that_is_not_connected_goes_to_a_backup_only_from_one_that_is_worse_than_suspect() {
    let mut bench = Bench::with_backup(Config::default());
    let mut under_way = bench.connecting(GET);
    bench.suspect(0);
    let now = Instant::now();
    assert!(!under_way.exchange.is_backend_lost(&bench.shared, now));
    assert!(!under_way.exchange.leave_while_connecting(&bench.resumed()));
    for _ in 0..9 {
        bench.observe(0, Observation::Bad(Evidence::Gone));
    }
    assert!(under_way.exchange.is_backend_lost(&bench.shared, now));
    assert!(under_way.exchange.leave_while_connecting(&bench.resumed()));
    assert_eq!(place(&under_way, &bench), Some(1));
}

#[test]
fn a_request_that_is_not_connected_leaves_a_suspect_backend_whatever_its_method() {
    let mut bench = Bench::new(2, Config::default());
    let mut under_way = bench.connecting(POST);
    let now = Instant::now();
    assert!(!under_way.exchange.is_backend_lost(&bench.shared, now));
    assert!(!under_way.exchange.leave_while_connecting(&bench.resumed()));
    bench.suspect(0);
    assert!(under_way.exchange.is_backend_lost(&bench.shared, now));
    assert!(
        !under_way.exchange.leave_while_connecting(&bench.turn()),
        "not parked yet"
    );
    let mut late = bench.resumed();
    late.is_overdue = true;
    assert!(
        !under_way.exchange.leave_while_connecting(&late),
        "it is we who are late"
    );
    drop(late);
    assert!(under_way.exchange.leave_while_connecting(&bench.resumed()));
    assert_eq!(place(&under_way, &bench), Some(1));
    let exchange = &under_way.exchange;
    assert_eq!(
        (exchange.tries, exchange.has_left),
        (0, false),
        "nothing was sent"
    );
}

#[test]
fn with_on_down_close_a_request_ends_with_its_backend() {
    let down = |bench: &Bench| {
        for _ in 0..9 {
            bench.observe(0, Observation::Bad(Evidence::Gone));
        }
    };
    let error = |phase| Err(Error::backend(phase, Cause::WentDown));
    for on_down in [OnDown::Close, OnDown::Keep] {
        let mut bench = Bench::new(1, with(|config| config.on_down = on_down));
        let connecting = bench.connecting(GET);
        let awaited = sent(&mut bench, POST);
        let mut begun = sent(&mut bench, POST);
        begun.server_sends(ANSWER);
        begun.pump_until(&mut bench, |exchange| !exchange.answer.is_awaited());
        let cases = [
            (connecting, Phase::Connect),
            (awaited, Phase::ResponseHead),
            (begun, Phase::ResponseBody),
        ];
        for (under_way, _) in &cases {
            assert_eq!(under_way.exchange.end_if_down(), Ok(()));
        }
        down(&bench);
        for (under_way, phase) in cases {
            let closes = on_down == OnDown::Close;
            let expected = if closes { error(phase) } else { Ok(()) };
            assert_eq!(under_way.exchange.end_if_down(), expected);
            let recalled = under_way
                .exchange
                .is_backend_lost(&bench.shared, Instant::now());
            assert_eq!(recalled, closes, "{phase:?}");
        }
    }
}

#[test]
fn a_backend_to_which_there_is_no_way_is_left_at_once() {
    let mut bench = Bench::new(2, Config::default());
    let mut under_way = sent(&mut bench, GET);
    assert_eq!(
        under_way.exchange.lost_cause(&bench.shared, Instant::now()),
        None
    );
    let error = Error::backend(Phase::Connect, Cause::Unreachable);
    observations::observe_failed_attempt(&bench.shared.health, &bench.backends[0], &error);
    let cause = under_way.exchange.lost_cause(&bench.shared, Instant::now());
    assert_eq!(cause, Some(Cause::Unreachable));
    assert!(under_way.exchange.leave_if_lost(&bench.resumed()));
}

#[test]
fn whether_a_request_has_arrived_is_looked_at_every_second_until_it_has() {
    let mut bench = Bench::new(2, Config::default());
    let mut under_way = sent(&mut bench, GET);
    let turn = bench.resumed();
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
    let mut bench = Bench::new(1, Config::default());
    let under_way = bench.waiting(GET);
    let now = Instant::now();
    assert!(under_way.exchange.is_backend_lost(&bench.shared, now));
}
