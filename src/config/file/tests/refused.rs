//! What is wrong in a file, each with the picture that shows it.

use super::*;

fn refused(text: &str, expected: &[(&str, &str)]) {
    let errors = read(text).expect_err(text);
    let shown = errors.to_string();
    assert_eq!(errors.count(), expected.len(), "{shown}");
    for (place, part) in expected {
        let place = format!("lb.toml:{place}\n");
        let pictures = shown.split("\n\n");
        let mut pictures =
            pictures.filter(|picture| picture.contains(&place) || place == "lb.toml:\n");
        assert!(
            pictures.any(|picture| picture.contains(part)),
            "{place} {part}: {shown}"
        );
    }
}

#[test]
fn unknown_and_misplaced_keys_are_shown_with_where_they_belong() {
    for (text, expected) in [
        (with("worker = 3", ""), ("2:1", "did you mean `workers`?")),
        (
            with("", "health = { pth = \"/\" }"),
            ("5:12", "did you mean `path`?"),
        ),
        (with("", "workers = 3"), ("5:1", "above the first [header]")),
        (
            with("", "sockets = { max-unsent = \"auto\" }"),
            ("5:13", "in [sockets]"),
        ),
        (
            with("", "[timeouts]\ntries = 2"),
            ("6:1", "above the first [header]"),
        ),
        (
            with("head-timeout = \"1s\"", ""),
            ("2:1", "write `head` in [timeouts]"),
        ),
        (with("host = \"a\"", ""), ("2:1", "below [[route]]")),
        (with("backends = []", ""), ("2:1", "[group.shop]")),
        (
            with("", "[group.a.health]\npath = \"/\""),
            ("5:1", "without a header of its own"),
        ),
        (
            "listen = \"80\"\n[group.a]\n[[group.a.backends]]\naddress = \"b:1\"\n".into(),
            ("3:1", "without headers of their own"),
        ),
        (
            with("", "[[route]]\ngruop = \"a\"\ngroup = \"a\""),
            ("6:1", "did you mean `group`?"),
        ),
        (
            with("", "[group]\nbackends = [\"b:2\"]"),
            ("6:1", "[group.shop]"),
        ),
    ] {
        refused(&text, &[expected]);
    }
}

#[test]
fn wrong_types_and_units_are_shown_with_a_right_value() {
    for (text, expected) in [
        (
            with("workers = \"3\"", ""),
            ("2:11", "without quotes, for example 3"),
        ),
        (with("workers = 0", ""), ("2:11", "from 1 to 1024")),
        (
            with("hold = 5", ""),
            ("2:8", "in quotes, for example \"5s\""),
        ),
        (
            with("hold = \"5\"", ""),
            ("2:8", "a time needs a unit (ms, s, m, h), for example 5s"),
        ),
        (
            with("limits = { max-head = 4096 }", ""),
            ("2:23", "in quotes, for example \"4096\""),
        ),
        (
            with("", "on-down = \"drop\""),
            ("5:11", "write keep or close"),
        ),
        (with("abort-on-close = 1", ""), ("2:18", "true or false")),
        (
            with("trusted-proxies = [1]", ""),
            ("2:19", "write an array of texts, for example ["),
        ),
        (with("timeouts = 3", ""), ("2:12", "write a table")),
        (
            with("", "[[route]]\ngroup = 3"),
            ("6:9", "for example \"shop\""),
        ),
    ] {
        refused(&text, &[expected]);
    }
}

#[test]
fn what_does_not_fit_together_is_shown_with_both_places() {
    let group = "[group.b]\nbackends = [\"b:1\"]";
    let route = |lines: &str| with("", &format!("[[route]]\n{lines}"));
    let twice = "[group.b]\nbackends = [\"b:1-3\", { address = \"B:2\" }]\n[[route]]\ngroup = \"b\"\n[[route]]\nhost = \"a\"\ngroup = \"a\"";
    for (text, expected) in [
        (
            "listen = \"1\"".into(),
            ("", "there is no group of backends"),
        ),
        (
            "[group.a]\nbackends = [\"b:1\"]".into(),
            ("", "there is nothing to listen on"),
        ),
        (with("", group), ("5:8", "2 groups and no route")),
        (
            with("", &format!("{group}\n[[route]]\ngroup = \"a\"")),
            ("5:8", "no route goes to group b"),
        ),
        (with("", twice), ("6:34", "backend B:2 is twice")),
        (
            route("group = \"aa\"\n[[route]]\nhost=\"x\"\ngroup = \"a\""),
            ("6:9", "did you mean `a`?"),
        ),
        (
            route("path = \"/a\"\ngroup = \"a\"\n[[route]]\npath = \"//%61\"\ngroup = \"a\""),
            ("8:1", "the same host and the same path"),
        ),
        (
            with(
                "",
                "[group.A]\nbackends = [\"b:1\"]\n[[route]]\ngroup = \"a\"\n[[route]]\nhost = \"x\"\ngroup = \"A\"",
            ),
            ("5:8", "differ in case only"),
        ),
        (
            "listen = [\"80\", \"80\"]\n[group.a]\nbackends = [\"b:1\"]".into(),
            ("1:17", "twice"),
        ),
        (
            "listen = [\"80\", \"[::1]:80\"]\n[group.a]\nbackends = [\"b:1\"]".into(),
            ("1:17", "twice"),
        ),
        (
            "listen = \"80\"\n[group.a]\nbackends = [\":80\"]".into(),
            ("3:13", "the balancer itself"),
        ),
        (
            "listen = \"80\"\n[group.a]\nbackends = [{ address = \"a:1\", weight = 0 }]".into(),
            ("3:1", "weight 0"),
        ),
        (
            "listen = \"80\"\n[group.a]\nbackends = []".into(),
            ("3:1", "has no backends"),
        ),
        (
            "listen = []\n[group.a]\nbackends = [\"b:1\"]".into(),
            ("1:1", "nothing to listen on"),
        ),
    ] {
        refused(&text, &[expected]);
    }
}

#[test]
fn settings_that_contradict_each_other_are_shown_where_they_are_set() {
    for (text, expected) in [
        (with("cores = 17", ""), ("2:1", "`cores = 17`")),
        (
            with("", "health = { timeout = \"5s\" }"),
            ("5:12", "`health.interval`"),
        ),
        (
            with("", "cookie = \"x\""),
            ("5:1", "algorithm = \"sticky\""),
        ),
        (
            with("hash-by = \"path\"", ""),
            ("2:1", "algorithm = \"hash\""),
        ),
        (
            with("queue = { length = 3 }", ""),
            ("2:11", "`max-in-flight-total`"),
        ),
        (
            with("limits = { burst = 3 }", ""),
            ("2:12", "limits.requests-per-second = 10"),
        ),
    ] {
        refused(&text, &[(expected.0, expected.1.trim_matches('`'))]);
    }
    // A group inherits what another one uses.
    let two = "hash-by = \"path\"\nqueue.length = 3";
    let routes = "[[route]]\ngroup = \"a\"\n[[route]]\nhost = \"x\"\ngroup = \"b\"";
    let group = format!(
        "algorithm = \"hash\"\nmax-in-flight = 3\n[group.b]\nbackends = [\"b:1\"]\n{routes}"
    );
    valid(&with(two, &group));
}

#[test]
fn fields_that_may_not_be_touched_are_each_shown() {
    let rules =
        "request-headers = { set = { Connection = \"x\", A = \"\\r\" }, remove = [\"TE\"] }";
    let text = with(
        "",
        &format!("[[route]]\ngroup = \"a\"\n{rules}\nresponse-headers = {{ remove = [\"Date\"] }}"),
    );
    refused(
        &text,
        &[
            ("7:29", "`Connection`"),
            ("7:47", "line end"),
            ("7:69", "`TE`"),
            ("8:32", "`Date`"),
        ],
    );
}

#[test]
fn all_errors_come_at_once_also_beside_errors_of_syntax() {
    let text = "listen = \n[group.a]\nbackends = [\"b\"]\nworkers = 3\nhold = \"\n";
    refused(
        text,
        &[
            ("1:10", "a value is missing"),
            ("3:13", "the port is missing"),
            ("4:1", "cannot be set for a group"),
            ("5:9", "invalid basic string"),
        ],
    );
}
