//! Files, right ones and wrong ones.

use super::*;
use crate::backends::{AdminState, Algorithm};
use crate::config::routing::Found;
use crate::config::{HashBy, OnDown};
use std::time::Duration;

mod hostile;

const SHOP: &str = include_str!("tests/shop.toml");

fn read(text: &str) -> Result<Config, FileErrors> {
    parse(Path::new("lb.toml"), text, &Overrides::none())
}

fn valid(text: &str) -> Config {
    read(text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The flags of a command line, which names a file.
fn flags(line: &str) -> Overrides {
    use clap::Args as _;
    let command = clap::Command::new("lb").no_binary_name(true);
    let command = crate::config::Settings::augment_args(command);
    Overrides::of(&command.get_matches_from(line.split(' ')))
}

#[test]
fn a_file_says_all_that_a_balancer_needs() {
    let config = valid(SHOP);
    let listen: Vec<_> = config.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["port 8080", "[::1]:8081"]);
    let [shop, files] = &config.groups[..] else {
        panic!("{config:?}");
    };
    assert_eq!((shop.name.as_str(), files.name.as_str()), ("shop", "files"));
    let backends: Vec<_> = config
        .backends()
        .map(|one| (one.name.to_string(), one.weight, one.is_backup, one.admin))
        .collect();
    let backend =
        |name: &str, weight, is_backup, admin| (name.to_string(), weight, is_backup, admin);
    let (enabled, draining) = (AdminState::Enabled, AdminState::Draining);
    assert_eq!(
        backends,
        [
            backend("10.0.0.1:8001", 1, false, enabled),
            backend("10.0.0.2:8001", 3, false, enabled),
            backend("10.0.0.9:8001", 1, true, enabled),
            backend("localhost:9001", 1, false, draining),
            backend("localhost:9002", 1, false, draining),
        ]
    );
    assert_eq!(config.file.as_deref(), Some(Path::new("lb.toml")));
    let routes = config.route_table().expect("no two are equal");
    let Found::Route(found) = routes.find(Some(b"Shop.example:8080"), "/api/x") else {
        panic!("no route");
    };
    assert_eq!(found.route.group, "shop");
    assert!(found.stripped.is_some() && found.route.request_headers.touches("X-Debug"));
}

#[test]
fn what_a_group_says_holds_for_it_and_the_rest_comes_from_the_top_or_is_the_default() {
    let config = valid(SHOP);
    let [shop, files] = &config.groups[..] else {
        panic!("{config:?}");
    };
    let seconds = Duration::from_secs;
    assert_eq!(shop.settings.choice.algorithm, Algorithm::LeastRequests);
    assert_eq!(shop.settings.choice.max_in_flight, Some(100));
    assert_eq!(shop.settings.choice.queue_timeout, seconds(2));
    assert_eq!(shop.settings.health.path, "/healthz");
    assert_eq!(shop.settings.health.interval, seconds(3));
    assert_eq!(shop.settings.health.rise, 4);
    assert_eq!(shop.settings.timeouts.connect, seconds(1));
    assert_eq!(files.settings.choice.algorithm, Algorithm::Hash);
    assert_eq!(
        files.settings.choice.hash_by,
        Some(HashBy::Header("X-User".into()))
    );
    assert_eq!(files.settings.health.path, "/");
    assert_eq!(files.settings.health.rise, 4);
    assert_eq!(files.settings.timeouts.connect, seconds(7));
    assert_eq!(files.settings.on_down, OnDown::Close);
    assert!(shop.settings.abort_on_close && !files.settings.abort_on_close);
    for settings in [&config.settings, &shop.settings, &files.settings] {
        assert_eq!((settings.workers, settings.tries), (4, 2));
        assert_eq!(settings.trusted_proxies.len(), 2);
        assert_eq!(settings.limits.max_head, 16 << 10);
        assert_eq!(settings.timeouts.response, seconds(30));
    }
    assert_eq!(config.settings.health.path, "/");
}

#[test]
fn a_flag_wins_over_the_file_in_every_group() {
    let flags = flags("--connect-timeout 9s --workers 7 --abort-on-close --health-path /flag");
    let config = parse(Path::new("lb.toml"), SHOP, &flags).expect("valid");
    assert_eq!(config.settings.workers, 7);
    for group in &config.groups {
        assert_eq!(group.settings.timeouts.connect, Duration::from_secs(9));
        assert_eq!(group.settings.health.path, "/flag");
        assert!(group.settings.abort_on_close);
        assert_eq!(group.settings.tries, 2);
    }
}

/// A file with one group, and these lines above and in it.
fn with(top: &str, group: &str) -> String {
    format!("listen = \"8080\"\n{top}\n[group.a]\nbackends = [\"b:1\"]\n{group}\n")
}

#[test]
fn a_file_of_one_group_needs_no_route_and_defaults_are_those_of_the_command_line() {
    let config = valid(&with("", ""));
    let defaults = format!("{:?}", crate::config::Settings::default());
    assert_eq!(format!("{:?}", config.settings), defaults);
    assert_eq!(format!("{:?}", config.groups[0].settings), defaults);
    let routes = config.route_table().expect("one route");
    assert!(matches!(routes.find(None, "*"), Found::Route(found) if found.route.group == "a"));
}

/// The errors of a file, and where: `line:column`.
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

#[test]
fn what_is_printed_is_the_same_configuration_also_with_flags() {
    let file = check_text(Path::new("lb.toml"), SHOP, &Overrides::none()).expect("valid");
    let again = valid(&file.print());
    let text = file.print();
    assert_eq!(format!("{:?}", file.config), format!("{again:?}"), "{text}");
    let flags = flags("--workers 7 --abort-on-close --hash-by path --queue-length 9");
    let file = check_text(Path::new("lb.toml"), SHOP, &flags).expect("valid");
    let printed = file.print();
    let again = valid(&printed);
    for (one, other) in file.config.groups.iter().zip(&again.groups) {
        let effective = |group: &GroupConfig| format!("{:?}", group.settings.health);
        assert_eq!(effective(one), effective(other));
        assert_eq!(
            one.settings.choice.policy().algorithm,
            other.settings.choice.policy().algorithm
        );
    }
    for line in [
        "workers = 7  # flag",
        "tries = 2  # top, line 3",
        "health.rise = 4  # [health], line 5",
        "health.path = \"/healthz\"  # line 17",
        "timeouts.connect = \"7s\"  # [timeouts], line 38",
        "# hash-by = \"path\"  # flag, without effect here",
        "# max-body: no limit  # default",
    ] {
        assert!(printed.lines().any(|one| one == line), "{line}: {printed}");
    }
}

#[test]
fn the_schema_has_every_key() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).expect("JSON");
    for key in keys::all() {
        let at = |root: &serde_json::Value| {
            let properties = &root["properties"];
            match key.table {
                Some(table) => properties[table]["properties"][&key.name].clone(),
                None => properties[&key.name].clone(),
            }
        };
        assert!(at(&schema)["description"].is_string(), "{}", key.path());
        let is_of_groups = key.scope == keys::Scope::Group;
        assert_eq!(
            at(&schema["$defs"]["group"]).is_object(),
            is_of_groups,
            "{}",
            key.path()
        );
    }
}
