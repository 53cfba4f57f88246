//! What is logged of names and their addresses.

use super::Host;
use crate::backends::Name;
use crate::backends::addresses::Difference;
use std::net::SocketAddr;
use std::time::Duration;

/// At the start: a name without an address.
pub(super) fn of_start(host: &Host, waited: Duration) {
    let name = &host.name;
    match (&host.error, host.is_known) {
        (_, true) => {}
        (Some(error), _) => log::warn!("{name} cannot be resolved: {error}; asking again"),
        (None, _) if host.is_asked => log::warn!(
            "{name} is not resolved after {} s, the name server is silent; starting without it",
            waited.as_secs()
        ),
        // Its error ends the start, and is reported there.
        (None, _) => {}
    }
}

/// Later: a name has other addresses.
pub(super) fn of_move(name: &Name, difference: &Difference) {
    log::info!("{}", describe(name, difference));
}

/// `app:80 has moved: now also 10.0.0.2:80, no longer 10.0.0.1:80`
fn describe(name: &Name, difference: &Difference) -> String {
    let list = |addresses: &[SocketAddr]| {
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        texts.join(" ")
    };
    if difference.is_first {
        return format!("{name} is resolved: {}", list(&difference.added));
    }
    let mut parts = Vec::new();
    if !difference.added.is_empty() {
        parts.push(format!("now also {}", list(&difference.added)));
    }
    if !difference.removed.is_empty() {
        parts.push(format!("no longer {}", list(&difference.removed)));
    }
    format!("{name} has moved: {}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_is_logged_as_a_difference() {
        let [a, b] = [1, 2].map(|last| SocketAddr::from(([10, 0, 0, last], 80)));
        let name = Name {
            host: "app".into(),
            port: 80,
        };
        let logged = |is_first, added, removed| {
            let difference = Difference {
                is_first,
                added,
                removed,
            };
            describe(&name, &difference)
        };
        assert_eq!(
            logged(false, vec![b], vec![a]),
            "app:80 has moved: now also 10.0.0.2:80, no longer 10.0.0.1:80"
        );
        assert_eq!(
            logged(false, vec![], vec![a, b]),
            "app:80 has moved: no longer 10.0.0.1:80 10.0.0.2:80"
        );
        assert_eq!(
            logged(true, vec![a], vec![]),
            "app:80 is resolved: 10.0.0.1:80"
        );
    }
}
