//! Who may ask the admin listener. A page that a browser has from elsewhere may send requests here, so
//! that a loopback address alone guards nothing: the `Host` of a request has to be ours (or a name could
//! be made to point here), and a change needs a type that no form sends, and no foreign `Origin`.

use super::message::{AdminAnswer, AdminRequest};
use super::token::Token;
use std::net::IpAddr;

/// Who may ask.
#[derive(Debug)]
pub(super) struct Guard {
    token: Option<Token>,
    /// In lower case, without ports.
    hosts: Vec<String>,
}

impl Guard {
    /// With this token, and for these names beside `localhost` and addresses.
    pub(super) fn new(token: Option<Token>, hosts: &[String]) -> Self {
        let hosts = hosts.iter();
        Self {
            token,
            hosts: hosts
                .map(|host| without_port(host).to_ascii_lowercase())
                .collect(),
        }
    }

    /// Whether a request may be looked at; else its answer.
    pub(super) fn admit(&self, request: &AdminRequest) -> Result<(), AdminAnswer> {
        if !self.is_ours(&request.host) {
            return Err(AdminAnswer::error(
                421,
                "this listener has no such name; --admin-host can give it one",
            ));
        }
        if !self.knows(request) && !request.is_for_page() {
            let refused = AdminAnswer::error(401, "the token is missing or wrong");
            return Err(refused.with("WWW-Authenticate", "Bearer"));
        }
        match request.is_reading() {
            true => Ok(()),
            false => of_change(request),
        }
    }

    /// Whether it may see what there is: it has the token, or none is needed.
    pub(super) fn knows(&self, request: &AdminRequest) -> bool {
        let sent = request.authorization.as_deref();
        self.token.as_ref().is_none_or(|token| token.is_in(sent))
    }

    /// An address cannot be made to point here by others.
    fn is_ours(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || address.parse::<IpAddr>().is_ok() || self.hosts.contains(&name)
    }
}

fn of_change(request: &AdminRequest) -> Result<(), AdminAnswer> {
    let own = format!("http://{}", request.host);
    if request.origin.as_ref().is_some_and(|origin| *origin != own) {
        return Err(AdminAnswer::error(
            403,
            "the request comes from another site",
        ));
    }
    let kind = request.content_type.as_deref().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind.eq_ignore_ascii_case("application/json") {
        true => Ok(()),
        false => Err(AdminAnswer::error(
            415,
            "a change needs Content-Type: application/json",
        )),
    }
}

/// `[::1]` of `[::1]:80`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(guard: &Guard, change: impl FnOnce(&mut AdminRequest)) -> u16 {
        let mut request = AdminRequest {
            method: "POST".into(),
            host: "localhost:9090".into(),
            content_type: Some("application/json; charset=utf-8".into()),
            ..AdminRequest::default()
        };
        change(&mut request);
        guard
            .admit(&request)
            .map_or_else(|answer| answer.status, |()| 200)
    }

    #[test]
    fn a_name_that_is_not_ours_is_refused_and_an_address_is_ours() {
        let guard = Guard::new(None, &["Lb.Example:80".into()]);
        let of_host = |host: &str| status(&guard, |request| request.host = host.into());
        for host in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1:9090",
            "[::1]:9",
            "[::1]",
            "10.0.0.1",
            "lb.example:9",
        ] {
            assert_eq!(of_host(host), 200, "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "lb.example.evil:80",
            "::1x",
        ] {
            assert_eq!(of_host(host), 421, "{host}");
        }
    }

    #[test]
    fn a_change_needs_json_and_comes_from_no_other_site() {
        let guard = Guard::new(None, &[]);
        let of_origin =
            |origin: &str| status(&guard, |request| request.origin = Some(origin.into()));
        assert_eq!(of_origin("http://localhost:9090"), 200);
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost",
            "https://localhost:9090",
        ] {
            assert_eq!(of_origin(origin), 403, "{origin}");
        }
        for kind in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
        ] {
            let found = status(&guard, |request| {
                request.content_type = kind.map(String::from)
            });
            assert_eq!(found, 415);
        }
        let reads = |request: &mut AdminRequest| {
            request.method = "GET".into();
            request.content_type = None;
        };
        assert_eq!(status(&guard, reads), 200);
    }
}
