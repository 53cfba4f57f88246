//! Settings that are each right and make no sense together. Each pair is refused with the reason and
//! with what to write: what is accepted silently is taken to have an effect. Must not know whether
//! settings come from a command line or a file; the reader of either says how a setting is spelled.

use super::Settings;
use super::quantities::written;
use crate::backends::Algorithm;
use crate::http::forwarded::ForwardedFields;
use crate::log::LogMode;

/// How a setting is spelled where it was written.
pub(super) struct Spelling {
    /// A setting, by its flag without hyphens, perhaps with its value.
    pub(super) spell: fn(&str, Option<&str>) -> String,
    /// What stands between two settings.
    pub(super) joint: &'static str,
}

/// What is wrong with several settings together.
#[derive(Debug)]
pub(super) struct Contradiction {
    /// The flags that contradict each other, without hyphens; the first is to be changed or left out.
    pub(super) flags: &'static [&'static str],
    /// Whether the first of them only lacks an effect. A group may then inherit it nevertheless.
    pub(super) is_idle: bool,
    /// The reason, with an example.
    pub(super) text: String,
}

/// What the settings contradict each other in.
///
/// `is_set` says whether a setting was written at all, by its flag without hyphens.
pub(super) fn find(
    settings: &Settings,
    is_set: &dyn Fn(&str) -> bool,
    spelling: &Spelling,
) -> Vec<Contradiction> {
    let rules: [Rule; 8] = [
        of_forwarding,
        of_checks,
        of_threads,
        of_heads,
        of_clients,
        of_stopping,
        of_admin,
        of_logging,
    ];
    let found = rules.iter().flat_map(|rule| rule(settings));
    let found = found.chain(of_choice(settings, is_set));
    found.map(|found| found.written(spelling)).collect()
}

type Rule = fn(&Settings) -> Vec<Found>;

/// A setting that an example shows: its flag and its value, which a switch has none of.
type Shown = (&'static str, Option<String>);

struct Found {
    flags: &'static [&'static str],
    is_idle: bool,
    /// With `{0}`, `{1}` for the spelled settings.
    reason: &'static str,
    named: Vec<Shown>,
    example: Vec<Shown>,
}

impl Found {
    fn written(self, spelling: &Spelling) -> Contradiction {
        let spell = |(flag, value): &Shown| (spelling.spell)(flag, value.as_deref());
        let mut text = self.reason.to_string();
        for (place, shown) in self.named.iter().enumerate() {
            text = text.replace(&format!("{{{place}}}"), &spell(shown));
        }
        let example: Vec<_> = self.example.iter().map(spell).collect();
        Contradiction {
            flags: self.flags,
            is_idle: self.is_idle,
            text: format!("{text}; for example: {}", example.join(spelling.joint)),
        }
    }
}

fn name(flag: &'static str) -> Shown {
    (flag, None)
}

fn with(flag: &'static str, value: impl ToString) -> Shown {
    (flag, Some(value.to_string()))
}

fn of_forwarding(settings: &Settings) -> Vec<Found> {
    let trusts = !settings.trusted_proxies.is_empty();
    let found = |flags, reason, named, example| Found {
        flags,
        is_idle: false,
        reason,
        named,
        example: vec![example],
    };
    let trusted = || with("trusted-proxies", "10.0.0.0/8");
    match settings.forwarded {
        ForwardedFields::Off if trusts => vec![found(
            &["trusted-proxies", "forwarded"],
            "{0} says whose word on clients counts, and {1} that nothing is said of clients; leave \
             one of them out",
            vec![name("trusted-proxies"), with("forwarded", "off")],
            trusted(),
        )],
        ForwardedFields::Off if settings.add_forwarded => vec![found(
            &["add-forwarded", "forwarded"],
            "{0} says more of clients, and {1} nothing; leave one of them out",
            vec![name("add-forwarded"), with("forwarded", "off")],
            with("add-forwarded", true),
        )],
        ForwardedFields::Append if trusts => vec![found(
            &["forwarded", "trusted-proxies"],
            "{0} believes every client, and {1} only some; leave one of them out",
            vec![with("forwarded", "append"), name("trusted-proxies")],
            trusted(),
        )],
        _ => Vec::new(),
    }
}

fn of_checks(settings: &Settings) -> Vec<Found> {
    let health = &settings.health;
    let mut all = Vec::new();
    if health
        .timeout
        .is_some_and(|timeout| timeout >= health.interval)
    {
        all.push(Found {
            flags: &["health-timeout", "health-interval"],
            is_idle: false,
            reason: "{0} is not shorter than {1}, so that one check would run into the next",
            named: vec![name("health-timeout"), name("health-interval")],
            example: vec![with("health-interval", "5s"), with("health-timeout", "2s")],
        });
    }
    let has_no_body = |status| matches!(status, 204 | 304);
    let mut good = health.statuses.0.iter().cloned().flatten();
    if health.matches.is_some() && good.all(has_no_body) {
        all.push(Found {
            flags: &["health-match", "health-status"],
            is_idle: false,
            reason: "{0} looks for a text in the body, and answers with the statuses of {1} have \
                     none",
            named: vec![name("health-match"), name("health-status")],
            example: vec![with("health-status", "2xx"), with("health-match", "ok")],
        });
    }
    all
}

fn of_threads(settings: &Settings) -> Vec<Found> {
    let workers = settings.workers;
    let too_many = settings.cores.filter(|cores| *cores > workers);
    let found = too_many.map(|cores| Found {
        flags: &["cores", "workers"],
        is_idle: false,
        reason: "{0} says how many of the workers work side by side, and with {1} there are no \
                 more than that",
        named: vec![with("cores", cores), with("workers", workers)],
        example: vec![with("workers", cores), with("cores", cores)],
    });
    found.into_iter().collect()
}

fn of_heads(settings: &Settings) -> Vec<Found> {
    let head = settings.limits.max_head;
    let too_long = settings.limits.max_request_line.filter(|line| *line > head);
    let found = too_long.map(|line| {
        let (line, head) = (written(line as u64), written(head as u64));
        Found {
            flags: &["max-request-line", "max-head"],
            is_idle: false,
            reason: "{0} is more than {1}, and the line is a part of the head",
            named: vec![with("max-request-line", &line), with("max-head", head)],
            example: vec![with("max-head", &line), with("max-request-line", &line)],
        }
    });
    found.into_iter().collect()
}

fn of_clients(settings: &Settings) -> Vec<Found> {
    let limits = &settings.limits;
    let is_idle = limits.burst.is_some() && limits.requests_per_second.is_none();
    let found = is_idle.then(|| Found {
        flags: &["burst", "requests-per-second"],
        is_idle,
        reason: "{0} says how many requests may come at once, and without {1} their rate has no \
                 limit",
        named: vec![name("burst"), name("requests-per-second")],
        example: vec![with("requests-per-second", 10), with("burst", 20)],
    });
    found.into_iter().collect()
}

fn of_stopping(settings: &Settings) -> Vec<Found> {
    let is_unseen = !settings.lame_duck.is_zero() && settings.ready_path.is_none();
    let found = is_unseen.then(|| Found {
        flags: &["lame-duck", "ready-path"],
        is_idle: false,
        reason: "{0} serves on while {1} says that no more clients should come, and there is no \
                 {1}",
        named: vec![name("lame-duck"), name("ready-path")],
        example: vec![with("ready-path", "/ready"), with("lame-duck", "10s")],
    });
    found.into_iter().collect()
}

fn of_admin(settings: &Settings) -> Vec<Found> {
    let admin = &settings.admin;
    let found = |flags, reason, named, example| {
        vec![Found {
            flags,
            is_idle: false,
            reason,
            named,
            example,
        }]
    };
    let (address, file) = (with("admin", "127.0.0.1:9090"), "/etc/lb.token");
    let Some(asked) = &admin.admin else {
        let needs = "{0} has an effect with {1} only";
        let idle = |flags: &'static [&'static str], example| {
            let named = vec![name(flags[0]), name("admin")];
            found(flags, needs, named, vec![address.clone(), example])
        };
        return match admin {
            _ if admin.admin_token_file.is_some() => {
                idle(&["admin-token-file"], with("admin-token-file", file))
            }
            _ if admin.admin_allow_remote => {
                idle(&["admin-allow-remote"], with("admin-token-file", file))
            }
            _ if !admin.admin_host.is_empty() => {
                idle(&["admin-host"], with("admin-host", "lb.example"))
            }
            _ => Vec::new(),
        };
    };
    let is_guarded = admin.admin_allow_remote && admin.admin_token_file.is_some();
    if asked.is_local() || is_guarded {
        return Vec::new();
    }
    found(
        &["admin", "admin-allow-remote", "admin-token-file"],
        "{0} can be reached from other machines, which takes both {1} and {2}",
        vec![
            with("admin", asked),
            name("admin-allow-remote"),
            name("admin-token-file"),
        ],
        vec![address],
    )
}

fn log_word(mode: LogMode) -> &'static str {
    let mut words = LogMode::WORDS.iter();
    words
        .find(|(_, one)| *one == mode)
        .map_or("off", |(word, _)| word)
}

fn of_logging(settings: &Settings) -> Vec<Found> {
    let has_no_lines = settings.log_file.is_some() && !settings.log.has_lines();
    let found = has_no_lines.then(|| Found {
        flags: &["log-file", "log"],
        is_idle: false,
        reason: "{0} is for lines of requests, and {1} says that there are none (a story goes to \
                 stderr)",
        named: vec![name("log-file"), with("log", log_word(settings.log))],
        example: vec![with("log", "access"), with("log-file", "access.log")],
    });
    found.into_iter().collect()
}

fn of_choice(settings: &Settings, is_set: &dyn Fn(&str) -> bool) -> Vec<Found> {
    let choice = &settings.choice;
    let idle = |flags, reason, named, example| Found {
        flags,
        is_idle: true,
        reason,
        named,
        example,
    };
    let mut all = Vec::new();
    if choice.hash_by.is_some() && choice.algorithm != Algorithm::Hash {
        all.push(idle(
            &["hash-by", "algorithm"],
            "{0} has an effect with {1} only",
            vec![name("hash-by"), with("algorithm", "hash")],
            vec![with("algorithm", "hash"), with("hash-by", "path")],
        ));
    }
    if choice.cookie.is_some() && choice.algorithm != Algorithm::Sticky {
        all.push(idle(
            &["cookie", "algorithm"],
            "{0} has an effect with {1} only",
            vec![name("cookie"), with("algorithm", "sticky")],
            vec![with("algorithm", "sticky"), with("cookie", "session")],
        ));
    }
    let is_unlimited = choice.max_in_flight.is_none() && choice.max_in_flight_total.is_none();
    let queue: [(&'static [&'static str], _); 2] = [
        (
            &["queue-length", "max-in-flight"],
            with("queue-length", 1000),
        ),
        (
            &["queue-timeout", "max-in-flight"],
            with("queue-timeout", "5s"),
        ),
    ];
    for (flags, example) in queue {
        if is_unlimited && is_set(flags[0]) {
            all.push(idle(
                flags,
                "{0} has an effect only where {1} or {2} makes requests wait",
                vec![
                    name(flags[0]),
                    name("max-in-flight"),
                    name("max-in-flight-total"),
                ],
                vec![with("max-in-flight", 100), example],
            ));
        }
    }
    all
}
