//! The heads of a response, interim and final, on their way to the client.

use super::{Answer, AnswerPhase};
use crate::exchange::client::Client;
use crate::exchange::served::Served;
use crate::exchange::shared::Turn;
use crate::exchange::terms::terms;
use crate::http::Refusal;
use crate::http::body::Body;
use crate::http::delivery::Delivery;
use crate::http::error::{Cause, Error, Phase};
use crate::http::forward::{client_encoding, write_response};
use crate::http::request::field_table;
use crate::http::response::{self, ResponseHead};
use crate::log::event::Event;

impl Answer {
    /// Passes on the heads that are complete, up to the final one or to the end of the turn; returns
    /// whether there were any.
    pub(super) fn digest_heads(
        &mut self,
        exchange: &mut Served<'_>,
        client: &mut Client,
        turn: &mut Turn<'_>,
    ) -> Result<bool, Error> {
        let mut has_any = false;
        while let AnswerPhase::Awaited(scan) = &mut self.phase {
            let bytes = self.from_backend.bytes();
            if bytes.is_empty() || (has_any && turn.is_over()) {
                break;
            }
            let limits = &exchange.settings.limits.head();
            let Some(length) = response::find_end(scan, bytes, limits).map_err(bad_head)? else {
                break;
            };
            self.take_head(length, exchange, client, turn)?;
            self.from_backend.consume(length);
            turn.charge_head(length);
            has_any = true;
        }
        Ok(has_any)
    }

    /// Passes on the head in the first `length` bytes, interim or final.
    // spine 29
    fn take_head(
        &mut self,
        length: usize,
        exchange: &mut Served<'_>,
        client: &mut Client,
        turn: &mut Turn<'_>,
    ) -> Result<(), Error> {
        let mut table = field_table();
        let head = &self.from_backend.bytes()[..length];
        let head = response::parse(head, exchange.request.method, &mut table).map_err(bad_head)?;
        self.is_doubtful |= head.announces_what_it_cannot_have();
        self.phase = if head.is_interim() {
            if !self.interim.admits(turn.now()) {
                return Err(bad_head(TOO_MANY_INTERIM));
            }
            self.extensions += u32::from(head.status == 102);
            AnswerPhase::default()
        } else {
            let next = begin_body(&head, exchange, client, turn)?;
            self.terms = terms(&head, exchange, turn);
            exchange.listeners.report(&Event::Answered(&head), turn);
            next
        };
        if !head.is_interim() || exchange.passes_interim(head.status) {
            let keep_alive = self.terms.keeps_client;
            write_head(&head, keep_alive, exchange, client, turn);
        }
        Ok(())
    }
}

/// What follows the final head: a body, or whatever the two sides have switched to.
fn begin_body(
    head: &ResponseHead<'_, '_>,
    exchange: &mut Served<'_>,
    client: &mut Client,
    turn: &mut Turn<'_>,
) -> Result<AnswerPhase, Error> {
    if head.status != 101 {
        let (encoding, _) = client_encoding(head.framing, exchange.request.version);
        let passes_trailers = !head.options.nominates_any();
        let body = Body::of_response(head.framing, encoding, passes_trailers);
        return Ok(AnswerPhase::Relayed(body));
    }
    if !head.switches_to_one_of(exchange.request.upgrade.as_deref()) {
        return Err(bad_head(NOT_OFFERED));
    }
    if exchange.expectation.is_deferred() {
        // The switch comes behind the whole request, so the body is wanted.
        let is_sending = !client.inbound.is_empty();
        let outbound = turn.tail(&mut client.outbound);
        exchange.expectation.ask_in_place(is_sending, outbound);
    }
    Ok(AnswerPhase::Switched)
}

/// Appends the head for the client.
fn write_head(
    head: &ResponseHead<'_, '_>,
    keep_alive: bool,
    exchange: &Served<'_>,
    client: &mut Client,
    turn: &mut Turn<'_>,
) {
    let date = turn.local.dates.at(turn.now());
    let delivery = Delivery {
        version: exchange.request.version,
        keep_alive,
        method: exchange.request.method,
        date: date.as_str(),
    };
    let via = exchange.settings.via.as_deref();
    let out = turn.tail(&mut client.outbound);
    write_response(head, &delivery, via, &exchange.edits, out);
}

/// The refusal of a 101 that the client did not ask for.
const NOT_OFFERED: Refusal = Refusal::bad("switched to a protocol that was not offered");

/// The refusal of an endless row of interim responses.
const TOO_MANY_INTERIM: Refusal = Refusal::bad("too many interim responses");

fn bad_head(refusal: Refusal) -> Error {
    Error::backend(Phase::ResponseHead, Cause::Message(refusal))
}
