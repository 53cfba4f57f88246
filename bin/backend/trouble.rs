//! What is wrong with the whole server, until it is asked to stop: see `order::HELP`.

use crate::order::Order;
use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How many connections may queue. `std` asks for 128, which a balancer fills in a moment.
const QUEUE: i32 = 4096;

/// The state of a server.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// The status of everything.
    status: AtomicU16,
    /// The status of `/health`.
    health_status: AtomicU16,
    settings: Mutex<Settings>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Settings {
    /// A query that is added to those of all requests.
    query: String,
    is_deaf: bool,
}

impl Trouble {
    /// None, for a server that listens there.
    pub(crate) fn none(listener: &TcpListener) -> io::Result<Self> {
        rustix::net::listen(listener, QUEUE)?;
        Ok(Self {
            status: AtomicU16::new(200),
            health_status: AtomicU16::new(200),
            settings: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// The status of a request for this path.
    pub(crate) fn status(&self, path: &str) -> u16 {
        match path {
            "/health" => self.health_status.load(Ordering::Relaxed),
            _ => self.status.load(Ordering::Relaxed),
        }
    }

    /// What is to be done to a request for this path.
    pub(crate) fn order(&self, path: &str, query: &str) -> Order {
        match path {
            "/health" => Order::parse(query),
            // Its query is for the others.
            "/trouble" => Order::default(),
            // What comes last in a query goes.
            _ => Order::parse(&format!("{query}&{}", self.settings().query)),
        }
    }

    /// `POST /health`; returns what has changed at the server on this port.
    pub(crate) fn set_health(&self, order: &Order, port: u16) -> String {
        let status = order.status.unwrap_or(200);
        self.health_status.store(status, Ordering::Relaxed);
        let others = if order.only { 200 } else { status };
        self.status.store(others, Ordering::Relaxed);
        let what = if order.only {
            "GET /health"
        } else {
            "everything"
        };
        match status {
            200 => format!("Backend Server {port} is well.\n"),
            _ => format!("Backend Server {port} answers {what} with {status} from now on.\n"),
        }
    }

    /// `POST /trouble`; returns what has changed at the server on this port.
    pub(crate) fn set(&self, listener: &TcpListener, query: &str, port: u16) -> io::Result<String> {
        let is_deaf = query.split('&').any(|part| part == "deaf");
        let mut settings = self.settings();
        settings.query = query.to_string();
        settings.is_deaf = is_deaf;
        drop(settings);
        // The kernel completes connections on its own; with no queue it completes one.
        rustix::net::listen(listener, if is_deaf { 0 } else { QUEUE })?;
        self.changed.notify_all();
        Ok(match query {
            "" => format!("Backend Server {port} is out of trouble.\n"),
            _ => format!("Backend Server {port} treats all requests so from now on: {query}\n"),
        })
    }

    /// Waits for the end of deafness.
    pub(crate) fn wait_while_deaf(&self) {
        let deaf = |settings: &mut Settings| settings.is_deaf;
        drop(self.changed.wait_while(self.settings(), deaf));
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
