//! The client's side of a session: its connection, what came in and what goes out.

use super::pin::Pin;
use crate::engine::client_limit::ConnectionPermit;
use crate::exchange::shared::Turn;
use crate::http::error::{Cause, Error, Phase};
use crate::http::request::RequestHead;
use crate::metrics::lanes::WorkerState;
use crate::metrics::live::LiveSession;
use crate::net::buffer::Buffer;
use crate::net::conn::{Blocking, Conn, Moved};
use crate::net::pipe::Pipe;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// A client connection with its buffers.
#[derive(Debug)]
pub struct Client {
    /// The connection.
    pub conn: Conn,
    /// The client's address.
    pub address: SocketAddr,
    /// The number of the connection, counted from 1 since the start.
    pub number: u32,
    /// Bytes that came in and are not used yet: heads, bodies, requests that came early.
    pub inbound: Buffer,
    /// Bytes that are not written yet.
    pub outbound: Buffer,
    /// Bytes written so far.
    pub written: u64,
    /// The backend connection that belongs to this client. In a box: few clients have one.
    pub pin: Option<Box<Pin>>,
    /// The client that this connection counts for, where the connections of a client are limited.
    pub counted: Option<Box<CountedClient>>,
    /// Where the session is seen, if anything is to see it. In a box: mostly nothing is.
    pub live: Option<Box<LiveSession>>,
}

/// A client whose connection is counted.
#[derive(Debug)]
pub struct CountedClient {
    /// Its address, as far as it is known: behind a proxy, that of the last request.
    pub address: IpAddr,
    /// Counts the connection until it is dropped.
    pub permit: ConnectionPermit,
}

impl Client {
    /// A client that was just accepted.
    #[must_use]
    pub fn new(conn: Conn, address: SocketAddr, number: u32) -> Self {
        Self {
            conn,
            address,
            number,
            inbound: Buffer::default(),
            outbound: Buffer::default(),
            written: 0,
            pin: None,
            counted: None,
            live: None,
        }
    }

    /// A request with this head has begun.
    pub fn note_request(&self, head: &RequestHead<'_, '_>, group: &str, now: Instant) {
        if let Some(live) = &self.live {
            let (method, target) = (head.method_name.as_bytes(), head.target.rest.as_bytes());
            let began = live.micros(now);
            live.slot().begin_request(method, target, group, began);
        }
    }

    /// Writes what is outbound; returns whether all of it is written.
    pub fn flush(&mut self, blocking: Blocking, turn: &mut Turn<'_>) -> Result<bool, Error> {
        turn.note(WorkerState::WritingClient);
        match turn.write(&self.conn, self.outbound.bytes(), blocking) {
            Ok(Moved::Bytes(count)) => {
                self.outbound.consume(count);
                self.written += count as u64;
                Ok(self.outbound.is_empty())
            }
            Ok(_) => Ok(false),
            Err(_) => Err(Error::client(Phase::ResponseBody, Cause::Reset)),
        }
    }

    /// Writes what is in the pipe, as far as there is room; the rest becomes outbound.
    pub fn flush_pipe(&mut self, pipe: &mut Pipe, turn: &mut Turn<'_>) -> Result<(), Error> {
        let gone = |_| Error::client(Phase::ResponseBody, Cause::Reset);
        let count = turn.splice_out(pipe, &self.conn).map_err(gone)?;
        self.written += count as u64;
        if !pipe.is_empty() {
            turn.pour(pipe, &mut self.outbound).map_err(gone)?;
        }
        Ok(())
    }

    /// How much memory it will hold when it is parked.
    #[must_use]
    pub fn shrunk_bytes(&self) -> usize {
        self.inbound.shrunk_bytes() + self.outbound.shrunk_bytes()
    }

    /// Gives back the storage that is not needed while it is parked.
    pub fn shrink(&mut self, turn: &mut Turn<'_>) -> io::Result<()> {
        turn.shrink(&mut self.inbound)?;
        turn.shrink(&mut self.outbound)
    }
}
