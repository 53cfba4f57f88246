//! Fields that a route sets or removes in the heads that pass: which ones may be named, and how they
//! are written. Must not know routes, nor where the rules were written down.
//!
//! A field that decides where a message ends, or that belongs to one connection, is never touched:
//! two readers of one message would see two messages. A field that has a flag of its own is ruled by
//! that flag only.

use super::fields::Field;
use super::list::trim;
use super::scan::is_token;
use super::write::write_field;
use std::fmt;

/// The fields to set and to remove, checked.
///
/// A rule also takes the spelling of its name with `_` instead of `-`: CGI, WSGI and the like cannot
/// tell the two apart, so that a client could send `X_User` beside the `X-User` that is set here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldRules {
    set: Vec<(String, String)>,
    remove: Vec<String>,
}

/// Rules that leave every field as it is.
pub static NO_RULES: FieldRules = FieldRules {
    set: Vec::new(),
    remove: Vec::new(),
};

/// In which heads rules apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Head {
    Request,
    Response,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Set,
    Remove,
}

/// Why a rule is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRuleError {
    /// The field as it was named.
    pub name: String,
    /// What is wrong with it, as a sentence without its subject.
    pub why: &'static str,
}

impl fmt::Display for FieldRuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.name, self.why)
    }
}

impl std::error::Error for FieldRuleError {}

impl FieldRules {
    /// Rules for the requests that go to backends. `Host` may be set.
    pub fn of_requests(
        set: Vec<(String, String)>,
        remove: Vec<String>,
    ) -> Result<Self, FieldRuleError> {
        Self::checked(Head::Request, set, remove)
    }

    /// Rules for the responses that go to clients.
    pub fn of_responses(
        set: Vec<(String, String)>,
        remove: Vec<String>,
    ) -> Result<Self, FieldRuleError> {
        Self::checked(Head::Response, set, remove)
    }

    fn checked(
        head: Head,
        set: Vec<(String, String)>,
        remove: Vec<String>,
    ) -> Result<Self, FieldRuleError> {
        let setting = set.iter().map(|(name, _)| (name, Action::Set));
        let removing = remove.iter().map(|name| (name, Action::Remove));
        let named: Vec<_> = setting.chain(removing).collect();
        for (place, (name, action)) in named.iter().enumerate() {
            check_name(name, *action, head).map_err(|why| error(name, why))?;
            let is_same = |(other, _): &(&String, Action)| names_alike(other, name);
            if named[..place].iter().any(is_same) {
                return Err(error(name, "is named twice"));
            }
        }
        for (name, value) in &set {
            check_value(name, value).map_err(|why| error(name, why))?;
        }
        Ok(Self { set, remove })
    }

    /// Whether there are no rules.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }

    /// Whether the field `name` of a message that comes in goes no further: it is removed or replaced.
    #[must_use]
    #[inline]
    pub fn touches(&self, name: &str) -> bool {
        !self.is_empty() && self.names(name)
    }

    /// Apart from the question before it, which is asked for each field of all heads.
    #[cold]
    fn names(&self, name: &str) -> bool {
        let set = self.set.iter().map(|(set, _)| set);
        set.chain(&self.remove).any(|rule| names_alike(rule, name))
    }

    /// The `Host` that is set.
    #[must_use]
    pub fn host(&self) -> Option<&[u8]> {
        let mut set = self.set.iter();
        let host = set.find(|(name, _)| Field::of(name) == Field::Host);
        host.map(|(_, value)| value.as_bytes())
    }

    /// The fields that are set, with their values.
    pub fn set(&self) -> impl Iterator<Item = (&str, &str)> {
        let set = self.set.iter();
        set.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The fields that are removed.
    pub fn removed(&self) -> impl Iterator<Item = &str> {
        self.remove.iter().map(String::as_str)
    }

    /// Appends the fields that are set, but for `Host`, which has its own place in a head.
    pub fn write(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.set {
            if Field::of(name) != Field::Host {
                write_field(name, value.as_bytes(), out);
            }
        }
    }
}

fn error(name: &str, why: &'static str) -> FieldRuleError {
    FieldRuleError {
        name: name.into(),
        why,
    }
}

const IS_FRAMING: &str = "says where a message ends, which is never rewritten";
const IS_HOP: &str = "belongs to one connection and is never passed on";
const IS_FORWARDED: &str = "says who the client is: --forwarded and --trusted-proxies rule it";

/// Names that no rule may have, and why.
const RESERVED: &[(&str, &str)] = &[
    ("Content-Length", IS_FRAMING),
    ("Transfer-Encoding", IS_FRAMING),
    ("Trailer", IS_FRAMING),
    ("Connection", IS_HOP),
    ("HTTP2-Settings", IS_HOP),
    ("Keep-Alive", IS_HOP),
    ("Proxy-Connection", IS_HOP),
    ("TE", IS_HOP),
    ("Upgrade", IS_HOP),
    (
        "Expect",
        "is a question about the body, which is answered here",
    ),
    ("Max-Forwards", "is counted down here"),
    ("X-Forwarded-For", IS_FORWARDED),
    ("X-Forwarded-Host", IS_FORWARDED),
    ("X-Forwarded-Proto", IS_FORWARDED),
    (
        "Forwarded",
        "says who the client is: --add-forwarded and --forwarded rule it",
    ),
    ("Via", "names the proxies on the way: --via rules it"),
];

fn check_name(name: &str, action: Action, head: Head) -> Result<(), &'static str> {
    if !is_token(name.as_bytes()) {
        return Err("is no field name: letters, digits and any of !#$%&'*+-.^_`|~");
    }
    let reserved = RESERVED.iter().find(|(one, _)| names_alike(one, name));
    if let Some((_, why)) = reserved {
        return Err(why);
    }
    match (head, action) {
        _ if names_alike(name, "Date") && head == Head::Response => {
            Err("is required in a response, and says when it was made")
        }
        _ if !names_alike(name, "Host") => Ok(()),
        (Head::Response, _) => Err("is a field of requests"),
        (Head::Request, Action::Remove) => Err("is required in a request; it may be set"),
        (Head::Request, Action::Set) if Field::of(name) == Field::Host => Ok(()),
        (Head::Request, Action::Set) => Err("is written with other letters than it has"),
    }
}

/// `field-value` of RFC 9110 §5.5: no line ends, no other control bytes, no space at its ends.
fn check_value(name: &str, value: &str) -> Result<(), &'static str> {
    let is_allowed = |byte: u8| byte == b'\t' || (byte >= b' ' && byte != 0x7f);
    if !value.bytes().all(is_allowed) {
        return Err("has a value with a line end or another control byte");
    }
    if trim(value.as_bytes()).len() != value.len() {
        return Err("has a value with a space or a tab at one of its ends");
    }
    if Field::of(name) == Field::Host && !super::host::is_valid(value.as_bytes()) {
        return Err("has a value that is no host, for example app.example:80");
    }
    Ok(())
}

/// Whether two names are the same to a server that takes `_` for `-`, in any case of their letters.
fn names_alike(one: &str, other: &str) -> bool {
    let plain = |byte: u8| match byte {
        b'_' => b'-',
        _ => byte.to_ascii_lowercase(),
    };
    let bytes = || one.bytes().zip(other.bytes());
    one.len() == other.len() && bytes().all(|(one, other)| plain(one) == plain(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(rules: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = rules
            .iter()
            .map(|(name, value)| ((*name).into(), (*value).into()));
        owned.collect()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).into()).collect()
    }

    fn why<T: fmt::Debug>(result: Result<T, FieldRuleError>) -> &'static str {
        result.expect_err("an error").why
    }

    #[test]
    fn what_is_set_or_removed_is_touched_however_it_is_spelled() {
        let rules = FieldRules::of_requests(set(&[("X-Tier", "1")]), names(&["X-Debug"]));
        let rules = rules.expect("valid");
        for name in ["X-Tier", "x-tier", "X_TIER", "x-debug", "X_Debug"] {
            assert!(rules.touches(name), "{name}");
        }
        for name in ["X-Tie", "X-Tiers", "Tier", "Host", ""] {
            assert!(!rules.touches(name), "{name}");
        }
        let mut out = Vec::new();
        rules.write(&mut out);
        assert_eq!(out, b"X-Tier: 1\r\n");
        assert!(!rules.is_empty() && NO_RULES.is_empty() && !NO_RULES.touches("X-Tier"));
    }

    #[test]
    fn fields_of_framing_of_a_hop_and_of_a_flag_are_errors_in_every_spelling() {
        for (reserved, _) in RESERVED {
            let lower = reserved.to_lowercase();
            for name in [reserved, lower.as_str(), &reserved.replace('-', "_")] {
                let removed = FieldRules::of_requests(Vec::new(), names(&[name]));
                assert!(removed.is_err(), "{name}");
                let removed = FieldRules::of_responses(Vec::new(), names(&[name]));
                assert!(removed.is_err(), "{name}");
                assert!(FieldRules::of_requests(set(&[(name, "1")]), Vec::new()).is_err());
                assert!(FieldRules::of_responses(set(&[(name, "1")]), Vec::new()).is_err());
            }
        }
        let error = FieldRules::of_requests(Vec::new(), names(&["via"])).expect_err("reserved");
        let text = "`via` names the proxies on the way: --via rules it";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn host_may_be_set_in_requests_and_has_its_own_place() {
        let rules = FieldRules::of_requests(set(&[("host", "a:80"), ("X", "")]), Vec::new());
        let rules = rules.expect("valid");
        let mut out = Vec::new();
        rules.write(&mut out);
        assert_eq!(
            (rules.host(), out.as_slice()),
            (Some(&b"a:80"[..]), &b"X: \r\n"[..])
        );
        let requests = |value: &str| FieldRules::of_requests(set(&[("Host", value)]), Vec::new());
        assert!(why(requests("a b")).contains("no host"));
        let removed = FieldRules::of_requests(Vec::new(), names(&["HOST"]));
        assert!(why(removed).contains("required"));
        let response = FieldRules::of_responses(set(&[("Host", "a")]), Vec::new());
        assert!(why(response).contains("of requests"));
    }

    #[test]
    fn a_response_keeps_its_date_and_a_request_may_lose_one() {
        assert!(FieldRules::of_responses(Vec::new(), names(&["date"])).is_err());
        assert!(FieldRules::of_responses(set(&[("Date", "1")]), Vec::new()).is_err());
        assert!(FieldRules::of_requests(Vec::new(), names(&["date"])).is_ok());
    }

    #[test]
    fn what_no_flag_rules_may_be_set_also_if_it_sounds_like_it() {
        let prefix = set(&[("X-Forwarded-Prefix", "/api")]);
        assert!(FieldRules::of_requests(prefix, names(&["X-Forwarded-Port"])).is_ok());
    }

    #[test]
    fn names_are_tokens_named_once_and_values_have_one_line() {
        for name in ["", "a b", "a:", "a\r\nb", "\u{e4}"] {
            let removed = FieldRules::of_requests(Vec::new(), names(&[name]));
            assert!(why(removed).contains("no field name"), "{name:?}");
        }
        for value in ["a\r\nb: c", "a\nb", "a\0", "\x7f", "\x1b"] {
            let result = FieldRules::of_responses(set(&[("X", value)]), Vec::new());
            assert!(why(result).contains("control byte"), "{value:?}");
        }
        for value in [" a", "a\t"] {
            let result = FieldRules::of_responses(set(&[("X", value)]), Vec::new());
            assert!(why(result).contains("ends"), "{value:?}");
        }
        for value in ["", "a b\tc", "\u{e4}"] {
            assert!(FieldRules::of_responses(set(&[("X", value)]), Vec::new()).is_ok());
        }
        let twice = FieldRules::of_requests(set(&[("X-A", "1")]), names(&["x_a"]));
        assert_eq!(why(twice), "is named twice");
        let twice = FieldRules::of_requests(set(&[("A", "1"), ("a", "2")]), Vec::new());
        assert_eq!(why(twice), "is named twice");
    }
}
