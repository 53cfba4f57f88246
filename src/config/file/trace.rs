//! Where a request goes, without sending it: which route takes it, what the backend would receive, and
//! of each other route why not. Requests are read, routed and written by what serves them too.

use super::CheckedFile;
use crate::config::routing::{Found, RouteConfig, RouteMatch, RouteVerdict, Routes};
use crate::config::{GroupConfig, Settings};
use crate::http::forward::write_named_request;
use crate::http::forwarded::Hop;
use crate::http::identity::Identity;
use crate::http::request::{self, RequestHead};
use crate::http::request_id::RequestId;
use std::net::{IpAddr, Ipv4Addr};

/// The client of the request: an address that stands for any (RFC 5737 §3).
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The `Host` of a request of HTTP/1.0 without one is never needed: requests here are of 1.1.
const NO_HOST: &str = "";

/// Stands for the id that each request gets.
const NEW_ID: &str = "(a new one)";

/// As many backends of a group as are named.
const MOST_NAMED: usize = 8;

/// A request that is asked about.
#[derive(Clone, Debug)]
pub struct AskedRequest {
    /// `http://HOST/PATH`.
    pub url: String,
    /// Its method.
    pub method: String,
    /// Its fields besides `Host`, each as `Name: value`.
    pub fields: Vec<String>,
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub struct Trace {
    /// For people, several lines.
    pub text: String,
    /// Whether a backend would get it.
    pub is_taken: bool,
}

impl AskedRequest {
    /// The head as a client would send it. The error says what to write.
    fn head(&self) -> Result<Vec<u8>, String> {
        let (host, target) = self.host_and_target()?;
        let names_host = |field: &String| {
            let name = field.split(':').next().unwrap_or_default();
            name.eq_ignore_ascii_case("Host")
        };
        let host = match self.fields.iter().any(names_host) {
            true => String::new(),
            false => format!("Host: {host}\r\n"),
        };
        let mut head = format!("{} {target} HTTP/1.1\r\n{host}", self.method);
        for field in &self.fields {
            if !field.contains(':') || field.contains(['\r', '\n']) {
                return Err(format!("`{field}` is no field; write -H 'Name: value'"));
            }
            head.push_str(&format!("{field}\r\n"));
        }
        head.push_str("\r\n");
        Ok(head.into_bytes())
    }

    fn host_and_target(&self) -> Result<(&str, String), String> {
        let example = "for example http://shop.example/api/x";
        let Some((scheme, rest)) = self.url.split_once("://") else {
            return Err(format!("write a whole URL, {example}"));
        };
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(format!(
                "{scheme} is not spoken with clients, only http; write http://{rest}"
            ));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, target) = rest.split_at(end);
        if host.is_empty() || host.contains('@') {
            return Err(format!(
                "write a URL with a host and without a name, {example}"
            ));
        }
        match target.starts_with('/') {
            true => Ok((host, target.into())),
            false => Ok((host, format!("/{target}"))),
        }
    }
}

impl CheckedFile {
    /// What becomes of a request. The error says what is wrong with the question.
    pub fn trace(&self, asked: &AskedRequest) -> Result<Trace, String> {
        let head = asked.head()?;
        let mut table = request::field_table();
        let nowhere = |text: String| Trace {
            text,
            is_taken: false,
        };
        let head = match request::parse(&head, &mut table) {
            Ok(head) => head,
            Err(refusal) => {
                let text = format!("It is answered {}: {}.\n", refusal.status, refusal.why);
                return Ok(nowhere(text));
            }
        };
        if let Some(path) = self.config.settings.ready_path_asked(&head) {
            let text = format!("lb answers it itself: ready-path is {path}.\n");
            return Ok(nowhere(text));
        }
        let routes = self
            .config
            .route_table()
            .map_err(|error| error.to_string())?;
        Ok(self.answer(&routes, &head))
    }

    fn answer(&self, routes: &Routes, head: &RequestHead<'_, '_>) -> Trace {
        let (first, taker) = match routes.find(head.host, head.target.rest) {
            Found::Route(found) => (self.taken(&found, head), Some(found.index)),
            Found::Refused(refusal) => {
                let text = format!("It is answered {}: {}.\n", refusal.status, refusal.why);
                return Trace {
                    text,
                    is_taken: false,
                };
            }
            Found::None => ("No route takes it: it is answered 404.\n".to_string(), None),
        };
        let verdicts = routes.explain(head.host, head.target.rest);
        let others = verdicts.iter().enumerate();
        let others = others.filter(|(index, _)| Some(*index) != taker);
        let others: String = others
            .map(|(index, verdict)| self.other(&routes.all()[index], index, verdict))
            .collect();
        let title = match others.is_empty() {
            true => "",
            false => "\nOther routes do not:\n",
        };
        Trace {
            text: format!("{first}{title}{others}"),
            is_taken: taker.is_some(),
        }
    }

    fn taken(&self, found: &RouteMatch<'_>, head: &RequestHead<'_, '_>) -> String {
        let group = self.group(&found.route.group);
        let settings = group.map_or(&self.config.settings, |group| &group.settings);
        let takes = format!("{} takes it.\n", self.place(found.route, found.index));
        let group = group.map(described).unwrap_or_default();
        let sent = sent(found, head, settings);
        format!("{takes}{group}\nA backend receives, when the client is {CLIENT}:\n{sent}")
    }

    fn other(&self, route: &RouteConfig, index: usize, verdict: &RouteVerdict<'_>) -> String {
        format!("  {}: {verdict}\n", self.place(route, index))
    }

    /// A route and where it stands.
    fn place(&self, route: &RouteConfig, index: usize) -> String {
        let Some(line) = self.line_of_route(index) else {
            return format!("The only group, {},", route.group);
        };
        format!("Route {} in line {line}", index + 1)
    }

    fn group(&self, name: &str) -> Option<&GroupConfig> {
        self.config.groups.iter().find(|group| group.name == name)
    }
}

fn described(group: &GroupConfig) -> String {
    let names = group
        .backends
        .iter()
        .map(|backend| backend.name.to_string());
    let mut names: Vec<_> = names.take(MOST_NAMED).collect();
    if let Some(more @ 1..) = group.backends.len().checked_sub(MOST_NAMED) {
        names.push(format!("{more} more"));
    }
    format!("It goes to group {}: {}.\n", group.name, names.join(", "))
}

/// The head that the backend gets, each line indented.
fn sent(found: &RouteMatch<'_>, head: &RequestHead<'_, '_>, settings: &Settings) -> String {
    let hop = Hop {
        client: CLIENT,
        forwarded: settings.forwarded_from(CLIENT),
        adds_forwarded: settings.add_forwarded,
        fallback_host: NO_HOST,
        via: settings.via.as_deref(),
        rules: &found.route.request_headers,
        stripped: found.stripped,
    };
    let identity = Identity {
        id: settings
            .names_requests()
            .then(|| RequestId::Taken(NEW_ID.into())),
        trace: None,
    };
    let mut out = Vec::new();
    write_named_request(head, &hop, &identity, &mut out);
    let text = String::from_utf8_lossy(&out);
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(|line| format!("  {line}\n")).collect()
}
