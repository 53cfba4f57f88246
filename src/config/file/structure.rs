//! What stands in a file besides settings: listeners, groups, backends and routes. The reader of the
//! file, the schema and the reference page know these keys from here. Must not know how they are read.

/// A key that is no setting.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) name: &'static str,
    /// What its values are.
    pub(super) kind: &'static str,
    /// What holds without it.
    pub(super) default: &'static str,
    pub(super) help: &'static str,
}

const fn part(
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    help: &'static str,
) -> Part {
    Part {
        name,
        kind,
        default,
        help,
    }
}

/// At the top of a file.
pub(super) const OF_FILE: [Part; 3] = [
    part(
        "listen",
        "texts",
        "required",
        "Where to listen: a port, or an address with one. A port alone is every interface, IPv4 and \
         IPv6; a name is all its addresses that this machine has.",
    ),
    part(
        "group",
        "table of tables",
        "required",
        "The groups of backends, each below a header of its own: [group.NAME]. A name has up to 64 \
         letters, digits, - and _.",
    ),
    part(
        "route",
        "array of tables",
        "all to the only group",
        "Which requests go to which group, each below a header of its own: [[route]].",
    ),
];

/// In a group.
pub(super) const OF_GROUP: [Part; 1] = [part(
    "backends",
    "array",
    "required",
    "The backends: texts such as 10.0.0.1:8001 or 10.0.0.1:8001-8004, or tables.",
)];

/// In a backend that is written as a table.
pub(super) const OF_BACKEND: [Part; 4] = [
    part(
        "address",
        "text",
        "required",
        "Host and port, or several neighbouring ports: 10.0.0.1:8001-8004.",
    ),
    part(
        "weight",
        "whole number",
        "1",
        "Its share beside the weights of the others, from 0 to 256. 0 gets no new requests.",
    ),
    part(
        "backup",
        "true or false",
        "false",
        "Whether it is used only when no other one is up.",
    ),
    part(
        "state",
        "word",
        "enabled",
        "enabled; draining gets no new requests and finishes what it has; disabled is not checked \
         either.",
    ),
];

/// In a route.
pub(super) const OF_ROUTE: [Part; 6] = [
    part(
        "host",
        "text",
        "every host",
        "The host of its requests, without a port, or all hosts below one: *.example. A whole host \
         goes before a wildcard, a longer wildcard before a shorter one.",
    ),
    part(
        "path",
        "text",
        "every path",
        "How the path of its requests begins, on the boundaries of segments: /api takes /api/x, and \
         not /apix. The longest one wins.",
    ),
    part(
        "group",
        "text",
        "required",
        "The name of the group that gets its requests.",
    ),
    part(
        "strip-prefix",
        "true or false",
        "false",
        "Whether backends get the target without the path of the route.",
    ),
    part(
        "request-headers",
        "table",
        "unchanged",
        "What becomes of fields on the way to backends: { set = { NAME = \"VALUE\" }, remove = \
         [\"NAME\"] }.",
    ),
    part(
        "response-headers",
        "table",
        "unchanged",
        "The same on the way to clients.",
    ),
];

/// In `request-headers` and `response-headers`.
pub(super) const OF_RULES: [Part; 2] = [
    part(
        "set",
        "table of texts",
        "none",
        "Fields that get this value, whatever they had.",
    ),
    part("remove", "texts", "none", "Fields that go no further."),
];

/// The names of parts.
pub(super) fn names(parts: &[Part]) -> Vec<&'static str> {
    parts.iter().map(|part| part.name).collect()
}
