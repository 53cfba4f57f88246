//! What an answer needs to know of its exchange. Must not know how bytes are moved.

use super::Request;
use super::expectation::Expectation;
use super::listeners::Listeners;
use crate::config::Settings;
use crate::exchange::shared::Turn;
use crate::http::Version;
use crate::http::forward::ResponseEdits;
use crate::net::conn::Blocking;

/// The part of an exchange that an answer needs to know.
pub struct Served<'x> {
    /// The settings with which it began.
    pub settings: &'x Settings,
    /// What the response gets besides its own fields.
    pub edits: ResponseEdits<'x>,
    /// The request.
    pub request: &'x Request,
    /// Whether the body is held back.
    pub expectation: &'x mut Expectation,
    /// They learn what happens.
    pub listeners: &'x mut Listeners,
    /// Whether nothing but the response can move.
    pub is_sent: bool,
    /// Whether the client has sent all of its request, so that another may follow.
    pub is_received: bool,
}

impl Served<'_> {
    /// Whether an interim response is for the client: never one of HTTP/1.0 (RFC 9110 §15.2).
    pub(super) fn passes_interim(&mut self, status: u16) -> bool {
        // The client that was asked for its body may have sent it already.
        let is_news = status != 100 || {
            self.is_sent &= !self.expectation.is_deferred();
            self.expectation.backend_asks()
        };
        is_news && self.request.version == Version::Http11
    }

    pub(super) fn may_block(&self, turn: &Turn<'_>) -> Blocking {
        match self.is_sent {
            true => turn.may_block(),
            false => Blocking::Never,
        }
    }
}
