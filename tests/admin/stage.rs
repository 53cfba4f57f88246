//! A balancer with an admin listener, and what is asked of it.

use crate::support::{Client, Lb, Response};
use lb::admin::{Admin, AdminPorts, Subject};
use lb::config::{AdminAddress, AdminSettings, Listen};
use std::net::SocketAddr;

/// The admin listener of a balancer.
pub(crate) struct Stage {
    admin: Option<Admin>,
    pub(crate) address: SocketAddr,
    pub(crate) probes: SocketAddr,
}

impl Stage {
    pub(crate) fn of(lb: &Lb) -> Self {
        Self::with(lb, |_| {})
    }

    /// With other settings.
    pub(crate) fn with(lb: &Lb, change: impl FnOnce(&mut AdminSettings)) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut settings = AdminSettings {
            admin: Some(AdminAddress::Tcp(any)),
            probes: Some(Listen {
                address: Some("127.0.0.1".into()),
                port: 0,
            }),
            ..AdminSettings::default()
        };
        change(&mut settings);
        let subject = Subject {
            status: lb.handle(),
            steering: lb.steering.clone(),
        };
        let ports = AdminPorts::bind(&settings).expect("free ports");
        let admin = ports.serve(&subject).expect("threads");
        let of = |name: Option<&str>| name.and_then(|name| name.parse().ok()).unwrap_or(any);
        Self {
            address: of(admin.address()),
            probes: of(admin.probes()),
            admin: Some(admin),
        }
    }

    /// Sends these bytes; returns what comes.
    pub(crate) fn send(&self, bytes: &str) -> Response {
        Client::to(self.address).send(bytes).response()
    }

    pub(crate) fn get(&self, target: &str) -> Response {
        self.send(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    /// A change, as a program asks for it.
    pub(crate) fn post(&self, target: &str, body: &str) -> Response {
        self.send(&post(target, "", body))
    }

    /// The same of a backend of the only group: what is changed, and how.
    pub(crate) fn change(&self, backend: SocketAddr, what: &str, body: &str) -> Response {
        self.post(&format!("/groups/default/backends/{backend}/{what}"), body)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.admin.take().into_iter().for_each(Admin::end);
    }
}

/// A request for a change, with these fields more.
pub(crate) fn post(target: &str, fields: &str, body: &str) -> String {
    format!(
        "POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{fields}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn json(response: &Response) -> serde_json::Value {
    serde_json::from_slice(&response.body).expect("JSON")
}
