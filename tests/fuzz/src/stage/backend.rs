//! A server that keeps to a script: one thread, one connection at a time.

use super::script::{Answer, Then};
use super::{PATIENCE, speak};
use crate::strict;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a connection may be silent before the server closes it.
const PAUSE: Duration = Duration::from_millis(20);

/// What marks a health probe.
const PROBE: &[u8] = b"User-Agent: lb-health/";

/// A server and where it listens.
#[derive(Debug)]
pub struct Backend {
    /// Its address.
    pub address: SocketAddr,
}

/// What the servers are to say, and what they have heard.
#[derive(Debug, Default)]
pub struct Board(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    answers: VecDeque<Answer>,
    given: Vec<Answer>,
    received: Vec<Vec<u8>>,
    /// How many servers are in the middle of an answer.
    speaking: usize,
}

impl Board {
    /// Puts up another script.
    pub fn set(&self, answers: &[Answer]) {
        let mut notes = self.notes();
        *notes = Notes {
            answers: answers.to_vec().into(),
            speaking: notes.speaking,
            ..Notes::default()
        };
    }

    /// Waits until all that was begun has been said. What a server says unasked and late, into a
    /// request that is on its way already, nobody can tell from the answer to that.
    pub fn wait_for_silence(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.notes().speaking > 0 {
            assert!(Instant::now() < deadline, "a server speaks without end");
            thread::sleep(Duration::from_micros(200));
        }
    }

    /// Takes down what is left of it: from now on all answers are plain good ones.
    pub fn clear(&self) {
        self.notes().answers.clear();
    }

    /// Answers that were given since then, in order, and what came, connection by connection.
    pub fn take(&self) -> (Vec<Answer>, Vec<Vec<u8>>) {
        let mut notes = self.notes();
        let given = std::mem::take(&mut notes.given);
        (given, std::mem::take(&mut notes.received))
    }

    /// Takes the next answer down, if its time has come: at the head of a request, or at its
    /// end.
    fn next_answer(&self, is_whole: bool) -> Option<Answer> {
        let mut notes = self.notes();
        let is_due = notes
            .answers
            .front()
            .map_or(is_whole, |next| is_whole || next.is_early);
        if !is_due {
            return None;
        }
        let answer = notes.answers.pop_front().unwrap_or_else(Answer::good);
        notes.given.push(answer.clone());
        notes.speaking += 1;
        Some(answer)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend {
    /// Starts a server that reads from `board`.
    pub fn start(board: &Arc<Board>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let board = Arc::clone(board);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                Connection::of(stream).serve(&board);
            }
        });
        Self { address }
    }

    /// Asks it how it is, as the balancer does, and waits for the answer.
    pub fn probe(&self) {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        let request = [b"GET / HTTP/1.1\r\nHost: a\r\n", PROBE, b"\r\n\r\n"].concat();
        stream.write_all(&request).expect("it reads");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout can be set");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
    }
}

/// A connection to the balancer.
struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    /// Bytes of requests that are dealt with.
    done: usize,
    /// The request at `done` has its answer, though not all of it has come.
    is_answered: bool,
}

impl Connection {
    fn of(stream: TcpStream) -> Self {
        // Without these it would only be slower.
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(PAUSE));
        let _ = stream.set_write_timeout(Some(PATIENCE));
        Self {
            stream,
            received: Vec::new(),
            done: 0,
            is_answered: false,
        }
    }

    /// Reads and answers until the balancer has gone, or the script says to go.
    fn serve(mut self, board: &Board) {
        while self.read_more() {
            if self.is_probe() {
                let _ = speak(&mut self.stream, &Answer::good().speech);
                return;
            }
            if self.answer(board).is_none() {
                break;
            }
        }
        board.notes().received.push(self.received);
    }

    fn is_probe(&self) -> bool {
        let found = self.received.windows(PROBE.len()).any(|part| part == PROBE);
        self.done == 0 && found && self.received.ends_with(b"\r\n\r\n")
    }

    /// Reads what is there; says whether something was.
    fn read_more(&mut self) -> bool {
        let mut bytes = [0; 16 * 1024];
        let count = self.stream.read(&mut bytes).unwrap_or_default();
        self.received.extend_from_slice(&bytes[..count]);
        count > 0
    }

    /// Answers all requests that it can; `None` when the connection is over.
    fn answer(&mut self, board: &Board) -> Option<()> {
        while let Some(end) = self.next_request() {
            let is_whole = end.is_some();
            if !self.is_answered {
                let Some(answer) = board.next_answer(is_whole) else {
                    return Some(());
                };
                let sent = self.send(&answer);
                board.notes().speaking -= 1;
                sent?;
                self.is_answered = true;
            }
            let Some(end) = end else {
                return Some(());
            };
            (self.done, self.is_answered) = (self.done + end, false);
        }
        Some(())
    }

    /// The request behind those that are dealt with: its length, or nothing in its place while
    /// only its head is there. Malformed bytes are no request; whoever looks at them later
    /// will tell.
    fn next_request(&self) -> Option<Option<usize>> {
        let rest = &self.received[self.done..];
        let head = strict::request(rest).ok()??;
        let body = strict::body(&rest[head.length..], head.framing).ok()?;
        Some(body.end.map(|end| head.length + end))
    }

    fn send(&mut self, answer: &Answer) -> Option<()> {
        speak(&mut self.stream, &answer.speech).ok()?;
        match answer.then {
            Then::Next => Some(()),
            Then::Close => None,
            Then::Reset => {
                reset(&self.stream);
                None
            }
        }
    }
}

/// Makes the close that follows a reset.
fn reset(stream: &TcpStream) {
    // If it fails, the close is an ordinary one: another play, no wrong one.
    let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}
