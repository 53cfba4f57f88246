//! Streams of what is there now, four times a second, as server-sent events (WHATWG HTML, §9.2). Must not
//! know what is done with them.

use super::message::AdminAnswer;
use crate::net::plain::PlainStream;
use crate::net::waker::Waker;
use crate::server::{LiveRequest, Status, StatusHandle};
use serde::Serialize;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// As often as people see things move.
const INTERVAL: Duration = Duration::from_millis(250);

/// Pages at a time: each costs a status four times a second.
const MOST_STREAMS: usize = 8;

/// How long one event may take to be sent: a page that takes none is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// Of the requests under way, the oldest.
const MOST_REQUESTS: usize = 20;

const HEAD: &str = "HTTP/1.1 200 OK\r\n\
                    Content-Type: text/event-stream\r\n\
                    X-Content-Type-Options: nosniff\r\n\
                    Cache-Control: no-store\r\n\
                    Connection: close\r\n\r\n";

/// The streams of a listener.
#[derive(Debug, Default)]
pub(super) struct Streams(AtomicUsize);

/// One of them.
struct Open<'s>(&'s Streams);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Streams {
    /// Sends events until the other end leaves, or the balancer ends. The error is the answer where there
    /// are too many streams.
    pub(super) fn serve(
        &self,
        stream: &mut PlainStream,
        status: &StatusHandle,
        ending: &Waker,
    ) -> Result<(), AdminAnswer> {
        let before = self.0.fetch_add(1, Ordering::SeqCst);
        let _open = Open(self);
        if before >= MOST_STREAMS {
            return Err(AdminAnswer::error(
                503,
                "there are too many streams of events",
            ));
        }
        stream.set_timeout(SEND_TIMEOUT);
        let mut is_there = stream.write_all(HEAD.as_bytes()).is_ok();
        while is_there {
            stream.set_timeout(SEND_TIMEOUT);
            is_there = stream.write_all(event(status).as_bytes()).is_ok() && !ending.wait(INTERVAL);
        }
        Ok(())
    }
}

#[derive(Serialize)]
struct Event {
    status: Status,
    requests: Vec<LiveRequest>,
}

/// One event. JSON has no line ends of its own.
fn event(status: &StatusHandle) -> String {
    let mut requests = status.requests(Duration::ZERO);
    requests.truncate(MOST_REQUESTS);
    let event = Event {
        status: status.status(),
        requests,
    };
    // It fails for maps whose keys are no texts, and there are none.
    let text = serde_json::to_string(&event).unwrap_or_default();
    format!("data: {text}\n\n")
}
