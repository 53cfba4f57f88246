//! `lb`, an HTTP/1.1 load balancer made of sockets, threads and a channel.
//!
//! It sends requests round robin to the backends that are healthy, and is two things at once:
//! a place to learn how bytes move, and a program to run. There is no async runtime and no
//! framework; every byte passes through code that can be read in an afternoon.
//!
//! # The idea: block, but only for a moment
//!
//! ```text
//!              accept thread                      workers (fixed)
//!   clients ──▶ TcpListener ──▶ channel ──▶ worker: block ≤ patience ──▶ backends
//!                                 ▲               │ would wait longer?
//!                                 │ ready         ▼
//!                               parking lot (epoll/kqueue, deadlines), minded by an idle worker
//! ```
//!
//! A blocking set of threads is the simplest server there is, and the easiest to starve: a few
//! hundred clients that send nothing hold every thread. Here a worker makes plain blocking
//! calls, but every socket has a timeout of a moment, and what would take longer is *parked*:
//! the whole [`session`] goes to the [`lot`] and the worker takes the next job. When the
//! socket is ready, or the deadline has passed, the session comes back through the channel.
//!
//! Two rules keep it from starving, and `tests/starvation.rs` proves them:
//!
//! * Nothing slow holds a worker longer than the patience ([`turn::PATIENCE`]), at any stage.
//! * A worker waits on a socket only while it is the only one at work, nobody is queued, and
//!   another minds the lot ([`crew`]).
//!
//! Waiting on the socket itself is the fastest way for a single client: one system call, one
//! wake-up. For many at once it is the slowest, a wake-up for each message; so then nobody
//! waits that way. All are parked, and one worker takes out whatever is ready and goes through
//! it in one go, as an event loop would. Answers that come quickly go first: so no more
//! requests are in flight at the backends than these take to answer.
//!
//! # Threads
//!
//! | thread | does | never |
//! |---|---|---|
//! | main | waits for clients, hands their sockets to the channel | reads from a client |
//! | `worker-N` | [`session::Session::advance`] until it would wait; idle, one minds the lot and the others sleep | waits for one session longer than the patience |
//! | `health` | probes every backend at its own time; calls sessions that wait for one to come up, or for one that is lost | knows the thresholds; ends a request |
//! | `resolve` | has the backends' names looked up again | holds anybody up |
//! | `look-up` | one look-up of one name, then it ends | keeps another name waiting |
//! | `log` | prints what is queued | blocks a worker |
//!
//! # One request
//!
//! [`session::read_head`] → [`exchange`] (lease a backend, [`exchange::upload`],
//! [`exchange::answer`]; if it fails, [`exchange::retry`]) → the next request, or
//! [`session::linger`]; after a 101, [`session::tunnel`]. Each stage keeps its progress in the
//! session and can stop at any byte. A large body that goes out as it comes in goes round our
//! memory, where the kernel has a way for it ([`net::pipe`]).
//!
//! # Layers
//!
//! Arrows point down, and `tests/layering.rs` keeps it so.
//!
//! ```text
//! bin/lb.rs  bin/backend.rs
//! server  cli
//! workers  checker  resolver
//! session ─▶ exchange ─▶ client ─▶ turn       what a worker may use, and for how long
//! evidence                                    what is seen of backends, and what follows
//! lot  error  config                          generic over what is parked
//! backends {select, health, group, kept, …}   names no HTTP and no socket
//! net {conn, connect, readiness, buffer, …}   names no backend; the only home of TcpStream
//! jobs ─▶ crew  gate  journal  scheduling  loop_detection   name nothing else of the crate
//! http {scan, request, framing, chunked, …}   values only: no socket, no clock, no thread
//! ```
//!
//! The one `unsafe` block of the crate is in `net::poller`, on the side for systems without
//! epoll, where a socket is registered with the kernel; [`net::readiness`] takes it out again.
//!
//! # Reading order
//!
//! [`jobs`], [`crew`] and [`lot`] (the idea), [`session`] (the life of a connection), [`exchange`] (a
//! request), [`http::framing`] and [`http::scan`] (why a proxy must be strict),
//! [`backends::select`], [`backends::health`], [`server`] (how it starts and stops). What the
//! specifications ask, and which test holds what: [`conformance`].

pub mod backends;
pub mod checker;
pub mod cli;
pub mod client;
pub mod config;
pub mod conformance;
pub mod crew;
pub mod error;
pub mod evidence;
pub mod exchange;
pub mod gate;
pub mod http;
pub mod jobs;
pub mod journal;
pub mod loop_detection;
pub mod lot;
pub mod net;
pub mod resolver;
pub mod scheduling;
pub mod server;
pub mod session;
pub mod turn;
pub mod workers;
