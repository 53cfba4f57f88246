//! `hyper` as the other end: a second implementation of HTTP/1.1, as a backend and as a client.
#![allow(
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    reason = "a module of tests"
)]

pub mod client;

use crate::support::eventually;
use crossbeam_channel::{Receiver, Sender, unbounded};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// A request as `hyper` understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub body: Vec<u8>,
}

/// A `hyper` server. It answers a request when it has all of it, with the same body, and says
/// in the field `Seen` what was asked.
pub struct Peer {
    pub address: SocketAddr,
    /// Every request that came whole. One is there before its answer is.
    pub whole: Receiver<Seen>,
    /// Every request whose body broke off.
    pub cut: Receiver<Seen>,
    open: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone)]
struct Log {
    whole: Sender<Seen>,
    cut: Sender<Seen>,
}

impl Peer {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let ((whole_log, whole), (cut_log, cut)) = (unbounded(), unbounded());
        let log = Log {
            whole: whole_log,
            cut: cut_log,
        };
        let open = Arc::new(AtomicUsize::new(0));
        let (stop, stopped) = oneshot::channel::<()>();
        let counted = Arc::clone(&open);
        let thread = thread::spawn(move || {
            let runtime = runtime();
            runtime.spawn(accept(listener, log, counted));
            // What is still open is dropped with the runtime.
            let _ = runtime.block_on(stopped);
        });
        Self {
            address,
            whole,
            cut,
            open,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Waits until every connection has ended; then nothing more can come.
    pub fn run_dry(&self) {
        eventually("all connections end", || {
            self.open.load(Ordering::SeqCst) == 0
        });
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub fn runtime() -> Runtime {
    Builder::new_current_thread().enable_io().build().unwrap()
}

async fn accept(listener: TcpListener, log: Log, open: Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        open.fetch_add(1, Ordering::SeqCst);
        let (log, open) = (log.clone(), Arc::clone(&open));
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, log.clone()));
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service);
            let _ = connection.await;
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

async fn answer(request: Request<Incoming>, log: Log) -> Result<Response<Reply>, Infallible> {
    let (head, body) = request.into_parts();
    let is = |name: &str, value: &str| {
        let found = head.headers.get(name).map(|found| found.as_bytes());
        found.is_some_and(|found| found.starts_with(value.as_bytes()))
    };
    let mut seen = Seen {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        body: Vec::new(),
    };
    if is("user-agent", "lb-health/") {
        return Ok(Response::new(Reply::sized(Bytes::new())));
    }
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            let _ = log.cut.send(seen);
            return Ok(Response::new(Reply::sized(Bytes::new())));
        }
    };
    seen.body = body.to_vec();
    let asked = format!("{} {}", seen.method, seen.target);
    let _ = log.whole.send(seen);
    let reply = match is("x-reply", "chunked") {
        true => Reply::chunked(body),
        false => Reply::sized(body),
    };
    Ok(Response::builder()
        .header("Seen", asked)
        .body(reply)
        .unwrap())
}

/// The body of an answer, with a length or in chunks.
pub struct Reply {
    frames: VecDeque<Bytes>,
    length: Option<u64>,
}

impl Reply {
    fn sized(body: Bytes) -> Self {
        Self {
            length: Some(body.len() as u64),
            frames: [body].into(),
        }
    }

    /// Small chunks first, then larger ones.
    fn chunked(mut body: Bytes) -> Self {
        let (mut frames, mut size) = (VecDeque::new(), 1);
        while !body.is_empty() {
            frames.push_back(body.split_to(size.min(body.len())));
            size = size * 3 + 1;
        }
        Self {
            frames,
            length: None,
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.frames.pop_front().map(|data| Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Trailers as text.
fn text_of(trailers: Option<&HeaderMap>) -> Vec<String> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    trailers
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}: {}", text(value.as_bytes())))
        .collect()
}
