use super::*;
use crate::config::Settings;
use crate::exchange::ExchangePhase;
use crate::exchange::testing::{BEGUN, Fixture, GET, PUT, UnderWay};
use crate::net::conn::Conn;
use crate::net::testing::pair;
use std::sync::Arc;

const FROM_CLIENT: UploadProgress = UploadProgress::WouldWait(Peer::Client);
const TO_BACKEND: UploadProgress = UploadProgress::WouldWait(Peer::Backend);
const TO_CLIENT: AnswerProgress = AnswerProgress::WouldWait(Peer::Client);
const FROM_BACKEND: AnswerProgress = AnswerProgress::WouldWait(Peer::Backend);
const SENT: UploadProgress = UploadProgress::Ended;
const HELD_BACK: UploadProgress = UploadProgress::Deferred;
const SWITCHED: AnswerProgress = AnswerProgress::Switched;

const LONG: Duration = Duration::from_secs(3600);

/// An exchange whose answer has begun, or not.
fn exchange(fixture: &mut Fixture, head: &str, is_begun: bool) -> UnderWay {
    let mut under_way = fixture.transferring(head);
    if is_begun {
        under_way.server_sends(BEGUN);
        under_way.pump_until(fixture, |exchange| exchange.answer.content() > 0);
    } else if head == GET {
        under_way.pump_until(fixture, |exchange| exchange.upload.is_complete());
    }
    under_way
}

/// What it waits for, and the error when `timeouts` have passed.
fn row(
    (head, is_begun): (&str, bool),
    (sending, answering): (UploadProgress, AnswerProgress),
    timeouts: impl Fn(&mut Settings),
) -> Result<(Option<Interest>, Option<Interest>), Error> {
    let mut config = Settings::default();
    (config.timeouts.body, config.timeouts.response) = (LONG, LONG);
    timeouts(&mut config);
    let mut fixture = Fixture::new(1, config);
    let UnderWay {
        mut exchange,
        client,
        ..
    } = exchange(&mut fixture, head, is_begun);
    let turn = fixture.resumed();
    let wait_for = exchange.wait_for(sending, answering, &client, &turn)?;
    Ok((wait_for.client, wait_for.backend))
}

/// Checks what it waits for, with a client that is always watched, and the error when the timeout of
/// bodies has passed.
fn check(
    state: (&str, bool),
    progress: (UploadProgress, AnswerProgress),
    (on_client, on_backend): (Interest, Option<Interest>),
    error: Error,
) {
    let waits = row(state, progress, |_| ());
    assert_eq!(waits, Ok((Some(on_client), on_backend)), "{progress:?}");
    let timed_out = row(state, progress, |config| {
        config.timeouts.body = Duration::ZERO;
    });
    assert_eq!(timed_out, Err(error), "{progress:?}");
}

#[test]
fn each_row_of_the_table_has_its_waits_its_timeout_and_its_blame() {
    use Interest::{Read, ReadWrite, Reset, Write};
    let client = |phase| Error::client(phase, Cause::TimedOut);
    let backend = |phase| Error::backend(phase, Cause::TimedOut);
    let (awaited, begun) = ((PUT, false), (PUT, true));

    let error = client(Phase::ResponseBody);
    check((GET, true), (SENT, TO_CLIENT), (Write, None), error);
    check(begun, (FROM_CLIENT, TO_CLIENT), (ReadWrite, None), error);
    check(begun, (TO_BACKEND, TO_CLIENT), (Write, Some(Write)), error);
    let error = client(Phase::RequestBody);
    check(
        awaited,
        (FROM_CLIENT, FROM_BACKEND),
        (Read, Some(Read)),
        error,
    );
    check(awaited, (FROM_CLIENT, SWITCHED), (Read, None), error);
    let error = backend(Phase::RequestBody);
    check(
        awaited,
        (TO_BACKEND, FROM_BACKEND),
        (Reset, Some(ReadWrite)),
        error,
    );
    check(awaited, (TO_BACKEND, SWITCHED), (Reset, Some(Write)), error);
    let error = backend(Phase::ResponseHead);
    check(
        awaited,
        (HELD_BACK, FROM_BACKEND),
        (Reset, Some(Read)),
        error,
    );
    let error = backend(Phase::ResponseBody);
    check(begun, (HELD_BACK, FROM_BACKEND), (Reset, Some(Read)), error);
    check(
        (GET, true),
        (SENT, FROM_BACKEND),
        (Reset, Some(Read)),
        error,
    );
}

#[test]
fn only_an_answer_that_has_not_begun_to_a_whole_request_has_the_timeout_of_a_response() {
    let at_once = |config: &mut Settings| config.timeouts.response = Duration::ZERO;
    let late = Error::backend(Phase::ResponseHead, Cause::TimedOut);
    assert_eq!(row((GET, false), (SENT, FROM_BACKEND), at_once), Err(late));
    assert!(row((GET, true), (SENT, FROM_BACKEND), at_once).is_ok());
    assert!(row((PUT, false), (FROM_CLIENT, FROM_BACKEND), at_once).is_ok());
    assert!(row((PUT, false), (HELD_BACK, FROM_BACKEND), at_once).is_ok());
}

#[test]
fn a_client_that_gave_up_is_to_blame_for_what_its_request_waits_for() {
    let mut config = Settings::default();
    (config.timeouts.body, config.timeouts.response) = (Duration::ZERO, Duration::ZERO);
    let mut fixture = Fixture::new(1, config);
    let mut under_way = exchange(&mut fixture, PUT, true);
    let (other, _end) = pair();
    let _ = under_way.exchange.upload.break_off(&other);
    let (exchange, client) = (&mut under_way.exchange, &under_way.client);
    let error = exchange.wait_for(SENT, FROM_BACKEND, client, &fixture.turn());
    let gave_up = Error::client(Phase::RequestBody, Cause::Closed);
    assert_eq!(error.map(|_| ()), Err(gave_up));
}

#[test]
fn a_client_is_watched_from_the_moment_when_its_answer_is_late() {
    let mut fixture = Fixture::new(1, Settings::default());
    let mut under_way = exchange(&mut fixture, GET, false);
    let (exchange, client) = (&mut under_way.exchange, &under_way.client);
    let turn = fixture.turn();
    let first = exchange.wait_for(SENT, FROM_BACKEND, client, &turn);
    let (first, now) = (first.expect("in time"), turn.now());
    assert_eq!((first.client, first.deadline), (None, now + LATE));
    drop(turn);
    let second = exchange.wait_for(SENT, FROM_BACKEND, client, &fixture.resumed());
    let second = second.expect("in time");
    assert_eq!(second.client, Some(Interest::Reset));
    assert!(second.deadline > first.deadline + LATE);
}

#[test]
fn a_body_that_is_held_back_is_asked_for_at_its_time() {
    let mut fixture = Fixture::new(1, Settings::default());
    let head = PUT.replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let mut under_way = exchange(&mut fixture, &head, false);
    let (exchange, client) = (&mut under_way.exchange, &under_way.client);
    let turn = fixture.resumed();
    let due = exchange.expectation.due(turn.now()).expect("held back");
    let wait_for = exchange.wait_for(HELD_BACK, FROM_BACKEND, client, &turn);
    assert_eq!(wait_for.expect("in time").deadline, due);
}

/// Whether a backend that has said nothing is checked, and its idle connections are closed, when an
/// exchange waits like this.
fn is_looked_into(
    (head, is_begun): (&str, bool),
    (sending, answering): (UploadProgress, AnswerProgress),
    turn: impl Fn(&mut Turn<'_>),
    attempt: impl Fn(&mut Attempt),
) -> (bool, bool) {
    let mut fixture = Fixture::new(1, Settings::default());
    let mut under_way = exchange(&mut fixture, head, is_begun);
    if let ExchangePhase::Transferring(under_way, _) = &mut under_way.exchange.phase {
        attempt(under_way);
    }
    let backend = Arc::clone(&fixture.backends[0]);
    let _other_end = fixture.keep_idle(0);
    let _ = backend.take_check();
    let mut resumed = fixture.resumed();
    turn(&mut resumed);
    let (exchange, client) = (&mut under_way.exchange, &under_way.client);
    let waits = exchange.wait_for(sending, answering, client, &resumed);
    waits.expect("in time");
    (backend.take_check(), backend.idle.is_empty())
}

#[test]
fn a_backend_is_checked_when_its_answer_is_late_and_idle_connections_may_be_in_its_way() {
    let looks = |state, progress| is_looked_into(state, progress, |_| (), |_| ());
    let late = (SENT, FROM_BACKEND);
    assert_eq!(looks((GET, false), late), (true, true));
    assert_eq!(looks((PUT, false), (HELD_BACK, FROM_BACKEND)), (true, true));
    assert_eq!(
        looks((PUT, false), (TO_BACKEND, FROM_BACKEND)),
        (true, true)
    );
    // It has answered, or it is the client who is slow.
    assert_eq!(looks((GET, true), late), (false, false));
    assert_eq!(
        looks((PUT, false), (FROM_CLIENT, FROM_BACKEND)),
        (false, false)
    );
    assert_eq!(looks((GET, false), (SENT, TO_CLIENT)), (false, false));
    let of = |turn: fn(&mut Turn<'_>), attempt: fn(&mut Attempt)| {
        is_looked_into((GET, false), late, turn, attempt)
    };
    let not_yet = of(|turn| turn.is_resumed = false, |_| ());
    assert_eq!(not_yet, (false, false));
    let on_idle = of(|_| (), |attempt| attempt.is_reused = true);
    assert_eq!(on_idle, (true, false), "an answer came on this connection");
    let held_up = of(|turn| turn.is_overdue = true, |_| ());
    assert_eq!(held_up, (true, false), "it is we who are late");
}

#[test]
fn a_backend_that_is_not_connected_to_in_a_moment_is_checked() {
    let mut fixture = Fixture::new(1, Settings::default());
    let under_way = fixture.connecting(GET);
    let backend = Arc::clone(&fixture.backends[0]);
    let _ = backend.take_check();
    let deadline = Instant::now() + LONG;
    let wait_for = WaitFor::client(Interest::Reset, deadline);
    let turn = fixture.turn();
    let first = under_way
        .exchange
        .suspect_if_late_connecting(wait_for, &turn);
    assert_eq!(first.deadline, turn.now() + LATE);
    assert!(!backend.take_check());
    drop(turn);
    let turn = fixture.resumed();
    let second = under_way
        .exchange
        .suspect_if_late_connecting(wait_for, &turn);
    assert_eq!(second.deadline, deadline);
    assert!(backend.take_check());
}

/// What becomes of a parked exchange whose client has done this.
fn after(
    (head, is_begun): (&str, bool),
    abort_on_close: bool,
    act: impl FnOnce(Conn),
) -> Result<Option<Interest>, Error> {
    let config = Settings {
        abort_on_close,
        ..Settings::default()
    };
    let mut fixture = Fixture::new(1, config);
    let mut under_way = exchange(&mut fixture, head, is_begun);
    act(under_way.client_end);
    let (exchange, client) = (&mut under_way.exchange, &under_way.client);
    // The kernel needs a moment to bring it here.
    let _ = client.conn.wait(Interest::Read);
    let wait_for = WaitFor::client(Interest::Reset, Instant::now() + LONG);
    let turn = fixture.resumed();
    match exchange.wait_unless_client_left(Phase::RequestBody, wait_for, client, &turn)? {
        Flow::WouldWait(wait_for) => Ok(wait_for.client),
        flow => panic!("{flow:?}"),
    }
}

#[test]
fn an_exchange_ends_when_its_client_has_left() {
    let reset = |end: Conn| {
        end.reset_on_close();
        drop(end);
    };
    let closes = |end: Conn| {
        end.end_sending();
        std::mem::forget(end);
    };
    let gone = |phase, cause| Err(Error::client(phase, cause));
    let phase = Phase::RequestBody;
    assert_eq!(after((GET, false), false, reset), gone(phase, Cause::Reset));
    let begun = after((GET, true), false, reset);
    assert_eq!(begun, gone(Phase::ResponseBody, Cause::Reset));
    // A close of its side alone means that only where the user says so, and only while nothing of the
    // answer has come.
    let watched = |interest| Ok(Some(interest));
    assert_eq!(after((GET, false), false, closes), watched(Interest::Reset));
    assert_eq!(
        after((GET, false), true, closes),
        gone(phase, Cause::Aborted)
    );
    assert_eq!(after((GET, true), true, closes), watched(Interest::Reset));
    assert_eq!(after((PUT, false), true, closes), watched(Interest::Reset));
    let stays = |end| std::mem::forget::<Conn>(end);
    assert_eq!(after((GET, false), true, stays), watched(Interest::End));
}

#[test]
fn an_answer_goes_first_only_shortly_after_the_whole_request_was_sent() {
    let mut fixture = Fixture::new(1, Settings::default());
    let mut waits = |head, is_begun, since: Duration| {
        let mut under_way = exchange(&mut fixture, head, is_begun);
        let (exchange, client) = (&mut under_way.exchange, &under_way.client);
        let _ = exchange.deadline(SENT, client, Instant::now() - since);
        exchange.awaits_quick_answer()
    };
    assert!(waits(GET, false, Duration::ZERO));
    assert!(!waits(GET, false, QUICK));
    assert!(!waits(GET, true, Duration::ZERO));
    assert!(!waits(PUT, false, Duration::ZERO));
}

#[test]
fn a_call_that_may_block_returns_when_something_can_move() {
    let mut fixture = Fixture::new(1, Settings::default());
    let under_way = exchange(&mut fixture, GET, false);
    let reads = WaitFor {
        client: None,
        backend: Some(Interest::Read),
        deadline: Instant::now() + LONG,
    };
    let (exchange, client) = (&under_way.exchange, &under_way.client);
    assert!(!exchange.can_move(&reads, client));
    under_way.server_sends(BEGUN);
    assert!(exchange.can_move(&reads, client));
}
