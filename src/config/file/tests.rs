//! Files, right ones and wrong ones.

use super::*;
use crate::backends::{AdminState, Algorithm};
use crate::config::routing::Found;
use crate::config::{HashBy, OnDown};
use std::time::Duration;

mod hostile;
mod refused;

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
