//! What a line says of a request, gathered from its events; each format writes the same facts.
//! Must not know how they are written.

use super::attempts::{Attempts, write_name};
use super::event::{AcceptedRequest, Event};
use super::excerpt::{MAX_NAME_BYTES, MAX_VALUE_BYTES};
use crate::http::fields::named;
use crate::http::identity::Identity;
use crate::http::request::RequestHead;
use crate::http::request_id::MAX_ID_BYTES;
use crate::http::trace_context::TraceContext;
use std::net::SocketAddr;
use std::time::Duration;

/// Texts of clients and of the configuration, each cut to what a line may show of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Method,
    Target,
    Version,
    Host,
    Referer,
    UserAgent,
    RequestId,
    Group,
    Backend,
}

/// Their number.
const TEXTS: usize = Text::Backend as usize + 1;

/// What is known of a request.
#[derive(Debug, Default)]
pub(super) struct LogEntry {
    /// `None` until the request is accepted.
    pub(super) client: Option<SocketAddr>,
    /// The number of the connection.
    pub(super) connection: u32,
    /// All texts, one behind the other, in one piece of storage.
    texts: Vec<u8>,
    /// Where each of them ends; `None` where there is none.
    ends: [Option<u32>; TEXTS],
    pub(super) trace: Option<TraceContext>,
    /// How long its head took to come.
    pub(super) reading: Duration,
    /// Since the head was complete: when the first attempt began, when the last one was connected, and
    /// when a response came.
    pub(super) begun: Option<Duration>,
    pub(super) connected: Option<Duration>,
    pub(super) answered: Option<Duration>,
    pub(super) attempts: Attempts,
    /// Requests that stood before it when it entered the queue.
    pub(super) queued_behind: usize,
    /// Requests in flight at its last backend when it was done there.
    pub(super) in_flight_there: usize,
}

impl LogEntry {
    /// The entry of a request whose head could not be read.
    pub(super) fn unread(client: SocketAddr, connection: u32, identity: &Identity) -> Self {
        let mut entry = Self {
            client: Some(client),
            connection,
            ..Self::default()
        };
        entry.name(identity);
        entry
    }

    /// Notes what has happened so long after the beginning. The backend is the last one to which the
    /// request was sent; if it was sent to none, the last one that was tried.
    pub(super) fn note(&mut self, event: &Event<'_>, after: Duration) {
        match event {
            Event::Accepted(accepted) => self.accept(accepted),
            Event::Queued { behind } => self.queued_behind = *behind,
            Event::AttemptBegun { backend, .. } => {
                self.begun.get_or_insert(after);
                if self.connected.is_none() {
                    self.set_backend(|out| write_name(&backend.name, out));
                }
            }
            Event::Connected(backend) => {
                self.connected = Some(after);
                self.set_backend(|out| write_name(&backend.name, out));
            }
            Event::AttemptEnded(ended) => {
                self.attempts.note(ended);
                self.in_flight_there = ended.backend.in_flight();
            }
            Event::Answered(_) => self.answered = Some(after),
            _ => {}
        }
    }

    /// A text, if there is one: a byte longer than it may be where it was cut.
    pub(super) fn text(&self, text: Text) -> Option<&[u8]> {
        let place = text as usize;
        let end = self.ends[place]? as usize;
        let start = self.ends[..place].iter().rev().flatten().next();
        Some(&self.texts[start.map_or(0, |start| *start as usize)..end])
    }

    fn accept(&mut self, accepted: &AcceptedRequest<'_>) {
        let AcceptedRequest { head, group, .. } = accepted;
        self.client = Some(accepted.client);
        self.connection = accepted.connection;
        self.reading = accepted.reading;
        let value = |name| named(head.fields, name).next();
        let (referer, agent) = (value("Referer"), value("User-Agent"));
        self.texts.reserve(storage(head, referer, agent));
        self.push(Text::Method, head.method_name.as_bytes(), MAX_NAME_BYTES);
        let slash: &[u8] = if head.target.lacks_slash { b"/" } else { b"" };
        self.texts.extend_from_slice(slash);
        self.push(Text::Target, head.target.rest.as_bytes(), MAX_VALUE_BYTES);
        self.push(
            Text::Version,
            head.version.number().as_bytes(),
            MAX_NAME_BYTES,
        );
        for (text, value) in [
            (Text::Host, head.host),
            (Text::Referer, referer),
            (Text::UserAgent, agent),
        ] {
            if let Some(value) = value {
                self.push(text, value, MAX_VALUE_BYTES);
            }
        }
        self.name(accepted.identity);
        if let Some(group) = group {
            self.push(Text::Group, group.as_bytes(), MAX_NAME_BYTES);
        }
    }

    fn name(&mut self, identity: &Identity) {
        self.trace = identity.trace;
        if let Some(id) = &identity.id {
            id.write(&mut self.texts);
            self.end(Text::RequestId);
        }
    }

    /// Appends a text. They come in the order of their kinds.
    fn push(&mut self, text: Text, value: &[u8], max: usize) {
        // A byte more than fits shows that something is left out.
        self.texts
            .extend_from_slice(&value[..value.len().min(max + 1)]);
        self.end(text);
    }

    fn end(&mut self, text: Text) {
        // All texts together are some kilobytes.
        self.ends[text as usize] = u32::try_from(self.texts.len()).ok();
    }

    /// Has another text in a place.
    #[cfg(test)]
    pub(super) fn replace(&mut self, text: Text, value: &[u8]) {
        let texts = [
            Text::Method,
            Text::Target,
            Text::Version,
            Text::Host,
            Text::Referer,
            Text::UserAgent,
            Text::RequestId,
            Text::Group,
            Text::Backend,
        ];
        let values = texts.map(|one| match one == text {
            true => Some(value.to_vec()),
            false => self.text(one).map(<[u8]>::to_vec),
        });
        self.texts.clear();
        self.ends = [None; TEXTS];
        for (one, value) in texts.into_iter().zip(values) {
            if let Some(value) = value {
                self.push(one, &value, MAX_VALUE_BYTES);
            }
        }
    }

    fn set_backend(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let others = self.ends[..Text::Backend as usize].iter().rev().flatten();
        let start = others.copied().next().unwrap_or(0);
        self.texts.truncate(start as usize);
        write(&mut self.texts);
        self.end(Text::Backend);
    }
}

/// Bytes for the names of group and backend; longer ones make the storage grow.
const OWN_BYTES: usize = 64;

fn storage(head: &RequestHead<'_, '_>, referer: Option<&[u8]>, agent: Option<&[u8]>) -> usize {
    let parts = [
        Some(head.target.rest.as_bytes()),
        Some(head.method_name.as_bytes()),
        head.host,
        referer,
        agent,
    ];
    let lengths = parts
        .iter()
        .flatten()
        .map(|part| part.len().min(MAX_VALUE_BYTES));
    OWN_BYTES + MAX_ID_BYTES + lengths.sum::<usize>()
}
