//! The live page: one HTML file with all that it needs, readable as it comes, and alive with JavaScript,
//! which follows `/events`. Styles and scripts are those with the nonce of the answer and no others, and
//! nothing is loaded from elsewhere. Must not know who may see it.
//!
//! | file | duty |
//! |---|---|
//! | this one | the page, with tables for browsers without JavaScript |
//! | `page.html`, `page.css`, `page.js` | what it is made of |

use super::message::AdminAnswer;
use crate::log::excerpt::escape;
use crate::server::{BackendStatus, GroupStatus, LiveRequest, RecentChange, Status};
use std::fmt::Write as _;
use std::io;

const HTML: &str = include_str!("page.html");
const CSS: &str = include_str!("page.css");
const JS: &str = include_str!("page.js");

/// What is shown before the first event, and for ever without JavaScript.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) status: Status,
    pub(super) requests: Vec<LiveRequest>,
}

/// The page. `None` is for a browser that has no token yet: it shows nothing of the balancer.
pub(super) fn answer(shown: Option<&Shown>) -> io::Result<AdminAnswer> {
    let nonce = nonce()?;
    let plain = shown.map(plain).unwrap_or_default();
    let mut page = String::with_capacity(HTML.len() + CSS.len() + JS.len() + plain.len());
    let mut rest = HTML;
    // Each place once, in order: what is put in is not searched for places.
    while let Some(open) = rest.find('{') {
        let (before, behind) = rest.split_at(open);
        page.push_str(before);
        let (name, after) = behind[1..].split_once('}').unwrap_or((behind, ""));
        page.push_str(match name {
            "nonce" => &nonce,
            "css" => CSS,
            "js" => JS,
            _ => &plain,
        });
        rest = after;
    }
    page.push_str(rest);
    let policy = format!(
        "default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let answer = AdminAnswer::new(200, "text/html; charset=utf-8", page);
    Ok(answer.with("Content-Security-Policy", policy))
}

/// Another one for each answer, which nobody can guess.
fn nonce() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    }))
}

/// All of it in tables.
fn plain(shown: &Shown) -> String {
    let status = &shown.status;
    let mut out = format!(
        "<noscript><p>Without JavaScript this page shows one moment ({}), and changes nothing.</p>\
         </noscript>\n",
        escaped(&status.time)
    );
    out.push_str("<section><h2>What changed, and why</h2>\n<ul>\n");
    status
        .changes
        .iter()
        .for_each(|change| push_change(change, &mut out));
    out.push_str("</ul></section>\n");
    status
        .groups
        .iter()
        .for_each(|group| push_group(group, &mut out));
    out.push_str("<section><h2>Running now, oldest first</h2>\n");
    let head = ["for", "client", "request", "backend", "stage", "waits for"];
    push_table(&head, shown.requests.iter().map(request_row), &mut out);
    out.push_str("</section>\n");
    out
}

fn push_change(change: &RecentChange, out: &mut String) {
    let line = format!(
        "{:.0} s ago: {} {} {}",
        change.seconds_ago, change.group, change.backend, change.text
    );
    let _ = writeln!(out, "<li>{}</li>", escaped(&line));
}

fn push_group(group: &GroupStatus, out: &mut String) {
    let _ = writeln!(
        out,
        "<section><h2>Group {}</h2>\n<p>{}, {} in flight, {} in the queue</p>",
        escaped(&group.name),
        group.algorithm,
        group.in_flight,
        group.queue.length
    );
    let head = [
        "backend",
        "state",
        "for",
        "why",
        "in flight",
        "requests",
        "errors",
    ];
    push_table(&head, group.backends.iter().map(backend_row), out);
    out.push_str("</section>\n");
}

fn backend_row(backend: &BackendStatus) -> Vec<String> {
    vec![
        backend.name.clone(),
        backend.state.into(),
        format!("{:.0} s", backend.since_seconds),
        backend.reason.clone(),
        backend.in_flight.to_string(),
        backend.requests.to_string(),
        backend.errors.to_string(),
    ]
}

fn request_row(request: &LiveRequest) -> Vec<String> {
    vec![
        format!("{:.1} s", request.age_seconds),
        request.client.clone(),
        format!("{} {}", request.method, request.target),
        request.backend.clone(),
        request.stage.replace('_', " "),
        request.waits_for.into(),
    ]
}

fn push_table(head: &[&str], rows: impl Iterator<Item = Vec<String>>, out: &mut String) {
    out.push_str("<table><thead><tr>");
    for name in head {
        let _ = write!(out, "<th scope=\"col\">{name}</th>");
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (cell, name) in row.iter().zip(head) {
            let _ = write!(out, "<td data-label=\"{name}\">{}</td>", escaped(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table>\n");
}

/// As text in HTML, also between quotes. What has no picture, or turns text round, is spelt out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in escape(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_text() {
        let hostile = "<script>alert('1')</script>\"&\u{202e}\0";
        let shown = escaped(hostile);
        assert!(
            !shown.contains(['<', '>', '"', '\'', '\u{202e}', '\0']),
            "{shown}"
        );
        let mut out = String::new();
        push_table(&["a"], std::iter::once(vec![hostile.to_string()]), &mut out);
        assert!(!out.contains("<script"), "{out}");
    }

    #[test]
    fn a_page_has_all_that_it_needs_and_its_own_nonce() {
        let text = |answer: &AdminAnswer| String::from_utf8(answer.body.clone()).expect("UTF-8");
        let answers = [answer(None).expect("random"), answer(None).expect("random")];
        let [one, other] = answers.each_ref().map(text);
        assert_ne!(one, other);
        let (_, policy) = &answers[0].fields[0];
        let (_, nonce) = policy.split_once("script-src 'nonce-").expect("a nonce");
        let nonce = &nonce[..32];
        assert_eq!(one.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
        assert!(one.contains("async function follow") && one.contains("@media"));
        for loaded in ["src=", "url(", "@import", "http://", "//cdn"] {
            let found = one
                .replace("http://www.w3.org/2000/svg", "")
                .contains(loaded);
            assert!(!found, "{loaded}");
        }
    }
}
