//! Clients that send requests all the time, and WebSockets that stay open.

use crate::support::Client;
use std::cell::RefCell;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tungstenite::Message;
use tungstenite::protocol::WebSocket;

/// Between two requests of one client, so that the load leaves the machine some time.
const PAUSE: Duration = Duration::from_millis(4);

/// Clients, each with a connection of its own that is kept alive.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<usize>>,
}

impl Load {
    pub(crate) fn begin(address: SocketAddr, count: usize) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let client = |_| {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || ask(address, &is_over))
        };
        Self {
            clients: (0..count).map(client).collect(),
            is_over,
        }
    }

    /// Ends it; returns how many answers came. Fails if any was not what it should be.
    pub(crate) fn end(self) -> usize {
        self.is_over.store(true, Ordering::SeqCst);
        let clients = self.clients.into_iter();
        clients
            .map(|client| client.join().expect("all are answered"))
            .sum()
    }
}

/// Alternates between requests without and with a body; both have to be answered whole.
fn ask(address: SocketAddr, is_over: &AtomicBool) -> usize {
    let mut client = Client::to(address);
    let mut count = 0;
    while !is_over.load(Ordering::SeqCst) {
        let request = match count % 2 {
            0 => "GET /?bytes=3000 HTTP/1.1\r\nHost: a\r\n\r\n",
            _ => "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
        };
        let response = client.send(request).response();
        assert_eq!(response.status, 200, "{}", response.head);
        assert!(response.is_whole);
        count += 1;
        thread::sleep(PAUSE);
    }
    count
}

/// WebSockets to the echo of the demo backend.
pub(crate) struct WebSockets(RefCell<Vec<WebSocket<TcpStream>>>);

impl WebSockets {
    pub(crate) fn open(address: SocketAddr, count: usize) -> Self {
        let open = |_| {
            let stream = Client::to(address).stream;
            let opened = tungstenite::client(format!("ws://{address}/echo"), stream);
            opened.expect("a handshake").0
        };
        Self(RefCell::new((0..count).map(open).collect()))
    }

    /// A message goes forth and back on each.
    pub(crate) fn exchange(&self) {
        for socket in self.0.borrow_mut().iter_mut() {
            socket.send(Message::text("ping")).expect("open");
            assert_eq!(socket.read().expect("open"), Message::text("ping"));
        }
    }

    pub(crate) fn close(self) {
        self.exchange();
        for mut socket in self.0.into_inner() {
            socket.close(None).expect("open");
        }
    }
}
