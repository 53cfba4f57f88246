//! WebSockets through the balancer, spoken by a library of another hand: as client, as server,
//! and as client of the demo backend's own echo.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use support::{Client, Lb, Origin, PATIENCE, Program, eventually};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{Role, WebSocket};
use tungstenite::{Error, Message};

/// A stream that sends `early` in one piece with its first bytes: right behind the handshake.
struct Eager {
    stream: TcpStream,
    early: Vec<u8>,
}

impl Read for Eager {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.read(bytes)
    }
}

impl Write for Eager {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.early.is_empty() {
            return self.stream.write(bytes);
        }
        let all = [bytes, &std::mem::take(&mut self.early)].concat();
        self.stream.write_all(&all).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

fn stream_to(address: SocketAddr) -> TcpStream {
    Client::to(address).stream
}

/// A tunnel through the balancer, after the handshake.
fn opened(lb: &Lb) -> WebSocket<TcpStream> {
    let url = format!("ws://{}/chat?room=1", lb.address);
    let (socket, response) = tungstenite::client(url, stream_to(lb.address)).unwrap();
    assert_eq!(response.status(), 101);
    socket
}

/// A backend that accepts every handshake and then does this.
fn accepting(script: impl Fn(WebSocket<TcpStream>) + Send + Sync + 'static) -> Origin {
    Origin::scripted(move |served| {
        let stream = served.client.stream.try_clone().unwrap();
        script(tungstenite::accept(stream).expect("a handshake"));
    })
}

/// Sends back every message, until the end.
fn echo(mut socket: WebSocket<TcpStream>) {
    while let Ok(message) = socket.read() {
        if (message.is_text() || message.is_binary()) && socket.send(message).is_err() {
            return;
        }
    }
}

/// A backend that tells how the client ended the conversation.
fn telling_the_end() -> (Origin, Receiver<(Option<CloseFrame>, Error)>) {
    let (tell, told) = channel();
    let origin = accepting(move |mut socket| {
        let mut said = None;
        loop {
            match socket.read() {
                Ok(Message::Close(close)) => said = close,
                Ok(_) => {}
                Err(error) => return tell.send((said, error)).unwrap(),
            }
        }
    });
    (origin, told)
}

fn goodbye() -> CloseFrame {
    CloseFrame {
        code: CloseCode::Away,
        reason: "lunch, see you".into(),
    }
}

fn has_no_session(lb: &Lb) {
    eventually("the session ends", || lb.status().connections.used == 0);
}

#[test]
fn messages_of_every_size_come_back_whole() {
    let (origin, program) = (accepting(echo), Program::backend(0));
    for address in [origin.address, program.address] {
        let lb = Lb::over(&[address]);
        let mut socket = opened(&lb);
        // The sizes at which the length of a frame is written differently, and some large ones.
        for size in [0, 1, 125, 126, 65_535, 65_536, 1_000_000, 5_000_000] {
            let text = Message::text("ä€x".repeat(size / 6));
            let binary = Message::binary(vec![size as u8; size]);
            for message in [text, binary] {
                socket.send(message.clone()).unwrap();
                assert!(socket.read().unwrap() == message, "{size} bytes");
            }
        }
    }
}

#[test]
fn messages_pass_both_ways_at_once() {
    let origin = accepting(echo);
    let lb = Lb::over(&[origin.address]);
    let mut reader = opened(&lb);
    let sent = |number: usize| Message::binary(vec![number as u8; number * 37 % 20_000]);
    let stream = reader.get_ref().try_clone().unwrap();
    let writing = thread::spawn(move || {
        let mut writer = WebSocket::from_raw_socket(stream, Role::Client, None);
        (0..800).for_each(|number| writer.send(sent(number)).unwrap());
    });
    for number in 0..800 {
        assert!(reader.read().unwrap() == sent(number), "message {number}");
    }
    writing.join().unwrap();
}

#[test]
fn a_message_in_fragments_arrives_whole_with_a_ping_in_between() {
    let (origin, program) = (accepting(echo), Program::backend(0));
    for address in [origin.address, program.address] {
        let lb = Lb::over(&[address]);
        let mut socket = opened(&lb);
        for (count, opcode) in [(0, Data::Text), (1, Data::Continue), (2, Data::Continue)] {
            let part = count.to_string().repeat(30_000);
            let frame = Frame::message(part, OpCode::Data(opcode), count == 2);
            socket.send(Message::Frame(frame)).unwrap();
            if count < 2 {
                socket.send(Message::Ping("still there?".into())).unwrap();
            }
        }
        let (mut pongs, mut texts) = (0, Vec::new());
        while texts.is_empty() || pongs < 2 {
            match socket.read().unwrap() {
                Message::Pong(payload) => {
                    assert_eq!(payload, "still there?");
                    pongs += 1;
                }
                message => texts.push(message.into_text().unwrap()),
            }
        }
        let whole = ["0", "1", "2"].map(|part| part.repeat(30_000)).concat();
        assert!(texts.len() == 1 && texts[0] == whole);
    }
}

#[test]
fn a_ping_of_the_backend_is_answered_by_the_client() {
    let origin = accepting(|mut socket| {
        socket.send(Message::Ping("you?".into())).unwrap();
        let Message::Pong(payload) = socket.read().unwrap() else {
            panic!("no pong");
        };
        socket.send(Message::Binary(payload)).unwrap();
    });
    let lb = Lb::over(&[origin.address]);
    let mut socket = opened(&lb);
    assert_eq!(socket.read().unwrap(), Message::Ping("you?".into()));
    assert_eq!(socket.read().unwrap(), Message::binary("you?"));
}

#[test]
fn frames_right_behind_the_handshake_are_not_lost() {
    let frame = |payload: &'static str, mask| {
        let mut frame = Frame::message(payload, OpCode::Data(Data::Text), true);
        frame.header_mut().mask = mask;
        let mut bytes = Vec::new();
        frame.format(&mut bytes).unwrap();
        bytes
    };
    let welcome = frame("welcome", None);
    let greeting = Origin::scripted(move |served| {
        let stream = served.client.stream.try_clone().unwrap();
        let early = welcome.clone();
        let mut socket = tungstenite::accept(Eager { stream, early }).unwrap();
        while let Ok(message) = socket.read() {
            let _ = socket.send(message);
        }
    });
    let program = Program::backend(0);
    for (address, is_greeted) in [(greeting.address, true), (program.address, false)] {
        let lb = Lb::over(&[address]);
        let stream = stream_to(lb.address);
        let early = frame("early", Some([1, 2, 3, 4]));
        let url = format!("ws://{}/", lb.address);
        let (mut socket, _) = tungstenite::client(url, Eager { stream, early }).unwrap();
        if is_greeted {
            assert_eq!(socket.read().unwrap(), Message::text("welcome"));
        }
        assert_eq!(socket.read().unwrap(), Message::text("early"));
        socket.send(Message::text("later")).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("later"));
    }
}

#[test]
fn the_client_may_begin_the_close() {
    let (origin, ends) = telling_the_end();
    let lb = Lb::over(&[origin.address]);
    let mut socket = opened(&lb);
    socket.close(Some(goodbye())).unwrap();
    let answer = socket.read().unwrap();
    assert_eq!(answer, Message::Close(Some(goodbye())));
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
    let (said, error) = ends.recv_timeout(PATIENCE).unwrap();
    assert_eq!(said, Some(goodbye()));
    assert!(matches!(error, Error::ConnectionClosed), "{error}");
    // The backend closes its connection first, as RFC 6455 wants it, then the client does.
    drop(socket);
    has_no_session(&lb);
}

#[test]
fn the_backend_may_begin_the_close() {
    let (tell, ends) = channel();
    let origin = accepting(move |mut socket| {
        socket.close(Some(goodbye())).unwrap();
        tell.send((socket.read(), socket.read())).unwrap();
    });
    let lb = Lb::over(&[origin.address]);
    let mut socket = opened(&lb);
    assert_eq!(socket.read().unwrap(), Message::Close(Some(goodbye())));
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
    drop(socket);
    let (answer, end) = ends.recv_timeout(PATIENCE).unwrap();
    assert_eq!(answer.unwrap(), Message::Close(Some(goodbye())));
    assert!(matches!(end, Err(Error::ConnectionClosed)), "{end:?}");
    has_no_session(&lb);
}

#[test]
fn the_demo_backend_answers_a_close() {
    let program = Program::backend(0);
    let lb = Lb::over(&[program.address]);
    let mut socket = opened(&lb);
    socket.close(Some(goodbye())).unwrap();
    assert_eq!(
        socket.read().unwrap(),
        Message::Close(Some(goodbye())),
        "the same frame"
    );
    assert!(matches!(socket.read(), Err(Error::ConnectionClosed)));
    drop(socket);
    has_no_session(&lb);
}

#[test]
fn a_side_that_vanishes_ends_the_other() {
    let (origin, ends) = telling_the_end();
    let lb = Lb::over(&[origin.address]);
    drop(opened(&lb));
    let (said, error) = ends.recv_timeout(PATIENCE).unwrap();
    assert_eq!(said, None);
    assert!(!matches!(error, Error::ConnectionClosed), "{error}");
    has_no_session(&lb);

    let vanishing = accepting(drop);
    let lb = Lb::over(&[vanishing.address]);
    let end = opened(&lb).read();
    assert!(
        matches!(end, Err(Error::Protocol(_) | Error::Io(_))),
        "{end:?}"
    );
    has_no_session(&lb);
}

#[test]
fn what_the_two_agree_on_in_the_handshake_passes() {
    let origin = Origin::scripted(|served| {
        let stream = served.client.stream.try_clone().unwrap();
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let choose = |request: &Request, mut response: Response| -> Result<_, ErrorResponse> {
            let fields = request.headers();
            assert_eq!(request.uri(), "/chat?room=2");
            assert_eq!(fields["origin"], "http://example.com");
            assert_eq!(fields["sec-websocket-protocol"], "superchat, chat");
            let choice = "chat".parse().unwrap();
            response
                .headers_mut()
                .insert("sec-websocket-protocol", choice);
            Ok(response)
        };
        echo(tungstenite::accept_hdr(stream, choose).unwrap());
    });
    let lb = Lb::over(&[origin.address]);
    let url = format!("ws://{}/chat?room=2", lb.address);
    let mut request = url.into_client_request().unwrap();
    for (name, value) in [
        ("origin", "http://example.com"),
        ("sec-websocket-protocol", "superchat, chat"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    // The library checks the accept key and that the choice is one of those offered.
    let (_socket, response) = tungstenite::client(request, stream_to(lb.address)).unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
}

#[test]
fn a_refused_handshake_is_an_ordinary_answer() {
    let refusing =
        Origin::answering("HTTP/1.1 403 Members only\r\nContent-Length: 2\r\n\r\nno".to_string());
    let lb = Lb::over(&[refusing.address]);
    let url = format!("ws://{}/", lb.address);
    let Err(error) = tungstenite::client(url, stream_to(lb.address)) else {
        panic!("opened");
    };
    let tungstenite::HandshakeError::Failure(Error::Http(response)) = error else {
        panic!("{error}");
    };
    assert_eq!(response.status(), 403);
}

#[test]
fn many_tunnels_live_beside_requests_on_few_workers() {
    let program = Program::backend(0);
    let lb = Lb::with(&[program.address], |config| config.workers = 2);
    let mut sockets: Vec<_> = (0..150).map(|_| opened(&lb)).collect();
    for round in 0..4 {
        let text = |number: usize| Message::text(format!("{round} {number} ").repeat(number));
        for (number, socket) in sockets.iter_mut().enumerate() {
            socket.send(text(number)).unwrap();
        }
        assert_eq!(lb.client().get("/").status, 200);
        // Read in another order than sent: none waits for its neighbour.
        let mut answers: HashMap<usize, Message> = HashMap::new();
        for (number, socket) in sockets.iter_mut().enumerate().rev() {
            answers.insert(number, socket.read().unwrap());
        }
        assert!((0..150).all(|number| answers[&number] == text(number)));
    }
    drop(sockets);
    has_no_session(&lb);
}
