//! `backend`, a demo origin server that answers, and misbehaves on demand.
//!
//! One thread a connection, the simplest server there is, on the same `lb::http` code as the
//! balancer. What a request asks for in its query is done to it: see [`order`].

#[path = "backend/order.rs"]
mod order;
#[path = "backend/reset.rs"]
mod reset;
#[path = "backend/trouble.rs"]
mod trouble;
#[path = "backend/websocket.rs"]
mod websocket;

use clap::Parser;
use lb::http::body::{Body, Encoding};
use lb::http::chunk_writer::write_chunk;
use lb::http::framing::Framing;
use lb::http::method::Method;
use lb::http::reply::reason;
use lb::http::request::{self, RequestHead};
use lb::http::scan::{HeadLimits, HeadScan};
use order::{BodyText, Order, Reset, Uploaded};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use trouble::Trouble;

/// The demo backend of lb: it answers every request with a greeting, and misbehaves on demand
#[derive(Parser)]
#[command(
    name = "backend",
    arg_required_else_help = true,
    version = concat!(env!("CARGO_PKG_VERSION"), " (demo backend of lb)"),
    after_help = order::HELP
)]
struct Arguments {
    /// Port on 127.0.0.1; 0 lets the system choose
    port: u16,

    /// Print nothing for each request
    #[arg(short, long)]
    quiet: bool,

    /// Print only the request line of each request
    #[arg(short, long, conflicts_with = "quiet")]
    brief: bool,
}

const LIMITS: HeadLimits = HeadLimits {
    bytes: 64 * 1024,
    start_line: 16 * 1024,
    fields: 200,
};

/// A client that says nothing for so long is gone.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a refused upload is read and discarded, so that the answer is not lost to a reset.
const LINGER: Duration = Duration::from_secs(2);

/// What all connections share.
struct Server {
    port: u16,
    listener: TcpListener,
    quiet: bool,
    brief: bool,
    trouble: Trouble,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match serve(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "backend: cannot listen on 127.0.0.1:{}: {error}: choose another port",
                arguments.port
            );
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: &Arguments) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", arguments.port))?;
    let trouble = Trouble::none(&listener)?;
    let port = listener.local_addr()?.port();
    println!("Backend server is listening on 127.0.0.1:{port}");
    let server = Arc::new(Server {
        port,
        listener,
        quiet: arguments.quiet,
        brief: arguments.brief,
        trouble,
    });
    loop {
        // A failed accept is the client's loss or a want of descriptors: neither ends us.
        let Ok((stream, client)) = server.listener.accept() else {
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        server.trouble.wait_while_deaf();
        let server = Arc::clone(&server);
        thread::spawn(move || {
            let mut connection = Connection {
                stream,
                client,
                server,
                received: Vec::new(),
            };
            // An error is a client that left or a misbehaviour that was asked for.
            let _ = connection.serve();
        });
    }
}

struct Connection {
    stream: TcpStream,
    client: SocketAddr,
    server: Arc<Server>,
    received: Vec<u8>,
}

/// What a request asks for, apart from its head.
struct Request {
    path: String,
    query: String,
    order: Order,
    method: Method,
    method_name: String,
    framing: Framing,
    keeps_alive: bool,
    expects_continue: bool,
    websocket_key: Option<String>,
}

impl Connection {
    fn serve(&mut self) -> io::Result<()> {
        self.stream.set_nodelay(true)?;
        self.stream.set_read_timeout(Some(IDLE_TIMEOUT))?;
        while let Some(length) = self.read_head()? {
            let request = self.understand(length)?;
            self.received.drain(..length);
            if !self.answer(request)? {
                break;
            }
        }
        Ok(())
    }

    /// Reads until a head is complete; `None` when the client is done.
    fn read_head(&mut self) -> io::Result<Option<usize>> {
        let mut scan = HeadScan::default();
        loop {
            match scan.find_end(&self.received, &LIMITS) {
                Ok(Some(length)) => return Ok(Some(length)),
                Ok(None) if self.read_more()? => {}
                Ok(None) => return Ok(None),
                Err(refusal) => return Err(self.refuse(refusal)),
            }
        }
    }

    fn read_more(&mut self) -> io::Result<bool> {
        let mut bytes = [0; 16 * 1024];
        let count = loop {
            match self.stream.read(&mut bytes) {
                // On Linux a read with a timeout ends like this when the process was stopped and
                // goes on (signal(7)): nothing has happened to the connection.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                otherwise => break otherwise?,
            }
        };
        self.received.extend_from_slice(&bytes[..count]);
        Ok(count > 0)
    }

    fn understand(&mut self, length: usize) -> io::Result<Request> {
        let mut table = request::field_table();
        let parsed = request::parse(&self.received[..length], &mut table);
        let request = parsed.map(|head| {
            if !self.server.quiet {
                tell(&head, self.client, self.server.brief);
            }
            Request::of(&head, &self.server.trouble)
        });
        request.map_err(|refusal| self.refuse(refusal))
    }

    /// Says what is wrong, and gives the error that ends the connection.
    fn refuse(&mut self, refusal: lb::http::Refusal) -> io::Error {
        let (status, why) = (refusal.status, refusal.why);
        let head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
        let answer = format!(
            "{head}Content-Length: {}\r\nConnection: close\r\n\r\n{why}\n",
            why.len() + 1
        );
        let _ = self.stream.write_all(answer.as_bytes());
        io::Error::new(ErrorKind::InvalidData, why)
    }

    /// Answers one request; returns whether another may follow.
    fn answer(&mut self, request: Request) -> io::Result<bool> {
        let order = &request.order;
        if order.reset == Some(Reset::Before) {
            return reset::reset(&self.stream);
        }
        if request.expects_continue && !order.early {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let uploaded = if order.early {
            Uploaded::default()
        } else {
            self.read_body(request.framing, order.echo.is_some())?
        };
        if order.reset == Some(Reset::Read) {
            return reset::reset(&self.stream);
        }
        if let Some(key) = &request.websocket_key {
            return websocket::serve(&mut self.stream, &mut self.received, key).map(|()| false);
        }
        thread::sleep(order.delay);
        let (port, trouble) = (self.server.port, &self.server.trouble);
        let (status, body) = match (request.method_name.as_str(), request.path.as_str()) {
            ("POST", "/health") => (200, BodyText::of(trouble.set_health(order, port))),
            ("POST", "/trouble") => {
                let text = trouble.set(&self.server.listener, &request.query, port)?;
                (200, BodyText::of(text))
            }
            (method, path) => {
                let status = order.status.unwrap_or_else(|| trouble.status(path));
                (status, order.body(port, method, status, uploaded))
            }
        };
        self.respond(&request, status, body)
    }

    fn read_body(&mut self, framing: Framing, keeps: bool) -> io::Result<Uploaded> {
        let mut body = Body::new(framing, Encoding::Plain, false);
        let mut content = Vec::new();
        while !body.is_complete() {
            if !keeps {
                content.clear();
            }
            let consumed = body
                .relay(&self.received, &mut content)
                .map_err(|refusal| self.refuse(refusal))?;
            self.received.drain(..consumed);
            if !body.is_complete() && !self.read_more()? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Uploaded {
            length: body.content,
            content,
        })
    }

    fn respond(&mut self, request: &Request, status: u16, body: BodyText) -> io::Result<bool> {
        let order = &request.order;
        let keeps_alive = request.keeps_alive && !order.close && !order.early;
        let mut head = format!(
            "HTTP/1.1 {status} {}\r\nContent-Type: text/plain\r\n",
            reason(status)
        );
        head += &match order.chunked {
            true => "Transfer-Encoding: chunked\r\n".to_string(),
            false => format!("Content-Length: {}\r\n", body.length),
        };
        head += if keeps_alive {
            "\r\n"
        } else {
            "Connection: close\r\n\r\n"
        };
        if order.reset == Some(Reset::Head) {
            self.stream.write_all(&head.as_bytes()[..head.len() / 2])?;
            return reset::reset(&self.stream);
        }
        let mut out = head.into_bytes();
        let has_body = request.method != Method::Head && !matches!(status, 204 | 304);
        if has_body {
            self.write_body(out, request, body)?;
        } else {
            self.stream.write_all(&out)?;
            out.clear();
        }
        if order.early {
            self.discard();
        }
        Ok(keeps_alive)
    }

    /// Writes the head in `out` and the body behind it, as the order has it.
    fn write_body(
        &mut self,
        mut out: Vec<u8>,
        request: &Request,
        body: BodyText,
    ) -> io::Result<()> {
        let order = &request.order;
        let is_cut = order.reset == Some(Reset::Body);
        let length = if is_cut { body.length / 2 } else { body.length };
        for piece in body.pieces(order.piece_bytes(), length) {
            match order.chunked {
                true => write_chunk(&piece, &mut out),
                false => out.extend_from_slice(&piece),
            }
            self.stream.write_all(&out)?;
            out.clear();
            thread::sleep(order.drip);
        }
        if is_cut {
            self.stream.write_all(&out)?;
            return reset::reset(&self.stream).map(drop);
        }
        if order.chunked {
            out.extend_from_slice(b"0\r\n\r\n");
        }
        self.stream.write_all(&out)
    }

    /// Reads what is still being uploaded, for a while.
    fn discard(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
        let _ = self.stream.set_read_timeout(Some(LINGER));
        while matches!(self.read_more(), Ok(true)) {
            self.received.clear();
        }
    }
}

impl Request {
    fn of(head: &RequestHead<'_, '_>, trouble: &Trouble) -> Self {
        let (path, query) = head
            .target
            .rest
            .split_once('?')
            .unwrap_or((head.target.rest, ""));
        let field = |name: &str| {
            let found = head
                .fields
                .iter()
                .find(|field| field.name.eq_ignore_ascii_case(name));
            found.map(|field| String::from_utf8_lossy(field.value).into_owned())
        };
        Self {
            order: trouble.order(path, query),
            path: path.to_string(),
            query: query.to_string(),
            method: head.method,
            method_name: head.method_name.to_string(),
            framing: head.framing,
            keeps_alive: head.keeps_alive(),
            expects_continue: head.expects_continue,
            websocket_key: head.upgrade.and_then(|_| field("Sec-WebSocket-Key")),
        }
    }
}

fn tell(head: &RequestHead<'_, '_>, client: SocketAddr, brief: bool) {
    let (method, target) = (head.method_name, head.target.rest);
    let mut text = match brief {
        true => format!("{method} {target}\n"),
        false => format!(
            "Received request from {client}\n  {method} {target} HTTP/{}\n",
            head.version.number()
        ),
    };
    for field in head.fields.iter().filter(|_| !brief) {
        text += &format!(
            "  {}: {}\n",
            field.name,
            String::from_utf8_lossy(field.value).escape_debug()
        );
    }
    // A closed terminal is no reason to stop serving.
    let _ = io::stdout().write_all(text.as_bytes());
}
