//! A balancer, two backends that follow a script and a client, over real sockets in this
//! process. All threads are started once; plays come one after the other.

mod backend;
pub mod client;
pub mod script;

use crate::glue::Balancer;
use backend::{Backend, Board};
use client::Answered;
use script::{Answer, Script, Speech};
use std::io::{self, Write};
use std::net::TcpStream;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

/// Longer than anything here should take, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long a speaker pauses between two pieces. Most often long enough for what was said to
/// be dealt with; a session has to go well in either case.
const BREATH: Duration = Duration::from_millis(2);

/// The balancer and the servers behind it.
#[derive(Debug)]
pub struct Stage {
    balancer: Balancer,
    backends: [Backend; 2],
    board: Arc<Board>,
}

/// What was to be seen of one play.
#[derive(Debug)]
pub struct Played {
    /// What the client got.
    pub answered: Answered,
    /// What the bystander got.
    pub bystander: Answered,
    /// What backends answered, in order.
    pub given: Vec<Answer>,
    /// All bytes that backends got, connection by connection.
    pub received: Vec<Vec<u8>>,
}

impl Stage {
    /// The one stage of this process.
    pub fn get() -> &'static Self {
        static STAGE: OnceLock<Stage> = OnceLock::new();
        STAGE.get_or_init(|| {
            let board = Arc::new(Board::default());
            let backends = [Backend::start(&board), Backend::start(&board)];
            let balancer = Balancer::over(&backends.each_ref().map(|backend| backend.address));
            Stage {
                balancer,
                backends,
                board,
            }
        })
    }

    /// Plays a script to its end. Nothing of it is under way afterwards.
    pub fn play(&self, script: &Script) -> Played {
        self.board.set(&script.answers);
        let answered = self.talk(&script.client);
        self.board.clear();
        self.board.wait_for_silence();
        let bystander = self.talk(&bystander());
        self.balancer.close_resting();
        // A probe is answered behind everything that came before it.
        self.backends.iter().for_each(Backend::probe);
        let (given, received) = self.board.take();
        Played {
            answered,
            bystander,
            given,
            received,
        }
    }

    /// One client, from its connection to the end of its session.
    fn talk(&self, speech: &Speech) -> Answered {
        let answered = client::talk(self.balancer.address, speech);
        let is_over = self.balancer.is_empty_within(PATIENCE);
        assert!(is_over, "a session goes on although its client has gone");
        answered
    }
}

/// Somebody else, who comes afterwards and may meet what was left behind: at either backend,
/// so with a request for each.
pub fn bystander() -> Speech {
    let request = b"GET /bystander HTTP/1.1\r\nHost: a\r\n\r\n";
    Speech(vec![request.repeat(2)])
}

/// Sends a speech, with its pauses.
fn speak(stream: &mut TcpStream, speech: &Speech) -> io::Result<()> {
    for (number, piece) in speech.0.iter().enumerate() {
        if number > 0 {
            thread::sleep(BREATH);
        }
        stream.write_all(piece)?;
    }
    Ok(())
}
