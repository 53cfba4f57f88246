//! `lb`, an HTTP/1.1 load balancer made of sockets, threads and a channel.
//!
//! It sends requests round robin to the backends that are healthy. It is two things at once: a
//! place to learn how bytes move, and a program to run. There is no async runtime and no framework.
//!
//! # The idea: block, but only for a moment
//!
//! ```text
//!              accept thread                      workers (fixed)
//!   clients ──▶ TcpListener ──▶ channel ──▶ worker: block ≤ 20 ms ──▶ backends
//!                                 ▲               │ would wait longer?
//!                                 │ ready, due    ▼
//!                                 └──── parking lot (epoll/kqueue, deadlines)
//! ```
//!
//! A fixed set of blocking threads is the simplest server there is, and the easiest to starve: a
//! few hundred clients that send nothing hold every thread. Here a worker takes a session from the
//! channel and gives it a *turn*: the session goes on with ordinary socket calls until one would
//! wait. If no other session needs the worker, the call blocks, for at most 20 ms. Otherwise the
//! whole [`session`] is *parked* in the [lot](engine::lot), and the worker takes the next job. (The
//! first turn of a session does not block either: only a session that had the last turn too may hope
//! that the next event is its own.) One
//! worker without a job, the *leader*, waits in `epoll_wait` for the parked sessions, and queues
//! the ones that are ready or due; the other workers sleep.
//!
//! So one client is served by plain blocking calls, which is the fastest way for it: one system
//! call, one wake-up. Under load nothing blocks: one worker goes through all that is ready like an
//! event loop, and the channel is only ever tried, never waited on. (Behind the word there are two
//! channels: quick answers go before new requests. See [`engine::queue`].)
//!
//! Two rules keep it from starving, and `tests/starvation.rs` proves them:
//!
//! * Nothing slow holds a worker longer than 20 ms ([`engine::turn::BLOCKING_BUDGET`]), at any
//!   stage.
//! * A worker blocks only for a session that had the last turn too, while it is the only worker that
//!   runs, nothing is queued, and a leader polls the lot ([`engine::scheduler`]).
//!
//! # Reading order
//!
//! The *spine* is the path of one request: forty functions, in the order in which a request meets
//! them. Each is marked with `// spine` and its number; everything else is second reading.
//!
//! ```sh
//! grep -rn '// spine [0-9]' src | sed -E 's|:[ ]*// spine ([0-9]+)| \1|' | sort -k2
//! ```
//!
//! | spine | where | what happens |
//! |---|---|---|
//! | 1, 2 | [`server`] (`accept.rs`), [`engine`] | a client is accepted |
//! | 3, 4 | [`engine::queue`], [`engine::scheduler`] | its socket goes through the channel, and a worker is woken |
//! | 5 to 7 | [`engine::worker`] | a worker takes it, or polls, or sleeps |
//! | 8 to 12 | [`session`], [`session::read_head`] | the session gets its turn, and reads the head of a request |
//! | 13 to 18 | [`exchange`] | the request becomes an exchange, which needs a backend |
//! | 19 to 21 | [`backends::pick`], [`backends::select`] | which backend that is |
//! | 22, 23 | [`exchange::attempt`] | an idle connection to it, or a new one |
//! | 24 to 29 | `exchange/transfer.rs`, [`exchange::upload`], [`exchange::answer`] | the request goes there, the response comes back |
//! | 30, 31 | [`http::framing`] | where a body ends |
//! | 32 to 35 | `exchange/waits.rs`, [`engine::turn`] | what is missing when nothing moves, and whether to block for it |
//! | 36, 37 | [`engine::lot`] | where the session is while it waits |
//! | 38, 39 | `exchange/moves.rs`, [`exchange::retry`] | an attempt fails: whether the request may be sent again |
//! | 40 | `exchange/ending.rs` | the response is complete |
//!
//! # Rooms
//!
//! Imports point down only, and `tests/layering.rs` keeps it so.
//!
//! ```text
//! bin/lb.rs   bin/backend.rs     the programs: nothing but the public API
//! admin                          what the operator sees and steers
//! server                         start, accept, stop
//! session                        one client connection: read a head, exchange, tunnel, linger
//! exchange                       one request: its phases, the retry law, the transfer
//! health       discovery         checks and what follows from them; addresses of names
//! config                         every setting as a value; routes; the command line and the file
//! log          engine            what is printed; queue, workers, parking lot
//! simulation                     what an algorithm would do, in virtual time
//! backends     net      http     which backend is next; sockets; HTTP as values
//! metrics                        what is counted and noted for those who look
//! ```
//!
//! # Threads
//!
//! | thread | what it does | what it never does |
//! |---|---|---|
//! | main | accepts clients, and pushes their sockets onto the channel | reads from a client |
//! | `worker-N` | gives sessions their turns, and reports what they see of backends; without a job, one polls the lot and the others sleep | blocks for one session for more than 20 ms |
//! | `health` | checks every backend at its own time; recalls sessions that wait for one that is lost | ends a request |
//! | `sample` | reads the counters once a second, if anything is to look at them | delays a request |
//! | `resolve` | has the names of backends looked up again | holds up anything |
//! | `look-up` | looks up one name, then ends | delays another name |
//! | `reload` | reads the file again, checks what is new in it, then puts all of it into use | waits for a request |
//! | `admin`, `probes` | accept the operator's connections, each of which gets a thread | serves a client |
//! | `log` | prints what is queued | blocks a worker |
//!
//! What the specifications ask for, and which test holds what: [`http::conformance`].
//!
//! The one `unsafe` block of the crate is in `net::poller`, for systems without epoll, where a
//! socket is registered with the kernel; [`net::readiness`] takes it out again.

pub mod admin;
pub mod backends;
pub mod config;
pub mod discovery;
pub mod engine;
pub mod exchange;
pub mod health;
pub mod http;
pub mod log;
pub mod metrics;
pub mod net;
pub mod server;
pub mod session;
pub mod simulation;
