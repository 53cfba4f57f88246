//! Changes of backends as they are asked for: in JSON, in force at once, and waited for if the one who
//! asks wants that. Must not know how a change is put into use.

use super::message::{AdminAnswer, AdminRequest};
use crate::backends::member::MAX_WEIGHT;
use crate::backends::{AdminState, Name};
use crate::config::addresses::one_backend;
use crate::config::quantities::duration_or_none;
use crate::net::waker::Waker;
use crate::server::steer::{SteerError, Steered};
use crate::server::{BackendChange, Steering};
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

/// How often a backend that is to become empty is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// The longest wait: those who wait longer ask again.
const MOST_WAIT: Duration = Duration::from_secs(3600);

/// What is to be changed, and for whom.
pub(super) struct Place<'p> {
    pub(super) group: &'p str,
    /// Behind `/groups/GROUP/backends`.
    pub(super) rest: &'p [&'p str],
    pub(super) peer: &'p str,
}

/// A change that is asked for.
struct Asked {
    backend: Name,
    change: BackendChange,
}

/// Does what is asked for.
pub(super) fn answer(
    steering: &Steering,
    place: &Place<'_>,
    request: &AdminRequest,
    ending: &Waker,
) -> AdminAnswer {
    let asked = asked(place.rest, &request.body);
    let wait = request.parameter("wait").map(duration_or_none);
    let (asked, wait) = match (asked, wait.unwrap_or(Ok(Duration::ZERO))) {
        (Ok(asked), Ok(wait)) => (asked, wait.min(MOST_WAIT)),
        (Err(answer), _) => return answer,
        (_, Err(reason)) => return AdminAnswer::error(400, &format!("wait: {reason}")),
    };
    let steered = steering.change(place.group, &asked.backend, &asked.change, place.peer);
    match steered {
        Ok(steered) => done(&asked.change, &steered, wait, ending),
        Err(error) => refused(&error),
    }
}

fn done(change: &BackendChange, steered: &Steered, wait: Duration, ending: &Waker) -> AdminAnswer {
    match change {
        BackendChange::Weight(weight) => AdminAnswer::json(200, &json!({ "weight": weight })),
        BackendChange::Add { weight, .. } => AdminAnswer::json(201, &json!({ "weight": weight })),
        BackendChange::State(_) | BackendChange::Remove => {
            let until = Instant::now() + wait;
            while steered.in_flight() > 0 && Instant::now() < until && !ending.wait(LOOK) {}
            let in_flight = steered.in_flight();
            let empty = in_flight == 0;
            AdminAnswer::json(200, &json!({ "empty": empty, "in_flight": in_flight }))
        }
    }
}

fn refused(error: &SteerError) -> AdminAnswer {
    let status = match error {
        SteerError::UnknownGroup(_) | SteerError::UnknownBackend(_) => 404,
        SteerError::Conflict(_) => 409,
        SteerError::Failed(_) => 400,
        SteerError::Stopping => 503,
    };
    AdminAnswer::error(status, &error.to_string())
}

fn asked(rest: &[&str], body: &[u8]) -> Result<Asked, AdminAnswer> {
    let bad = |text: &str| AdminAnswer::error(400, text);
    let (name, what) = match rest {
        [] => (None, "add"),
        [name, what] => (Some(*name), *what),
        _ => return Err(AdminAnswer::error(404, "there is no such page")),
    };
    let object: Map<String, Value> = match body {
        // What takes nothing may come without a body.
        [] => Map::new(),
        body => serde_json::from_slice(body)
            .map_err(|error| bad(&format!("the body is no JSON object: {error}")))?,
    };
    let (change, keys): (_, &[&str]) = match what {
        "state" => (
            BackendChange::State(state(&object).map_err(|e| bad(&e))?),
            &["state"],
        ),
        "weight" => (
            BackendChange::Weight(weight(&object, None).map_err(|e| bad(&e))?),
            &["weight"],
        ),
        "remove" => (BackendChange::Remove, &[]),
        "add" => {
            let change = BackendChange::Add {
                weight: weight(&object, Some(1)).map_err(|e| bad(&e))?,
                is_backup: flag(&object, "backup").map_err(|e| bad(&e))?,
            };
            (change, &["address", "weight", "backup"])
        }
        _ => return Err(AdminAnswer::error(404, "there is no such page")),
    };
    if let Some(key) = object.keys().find(|key| !keys.contains(&key.as_str())) {
        let known = keys.join(", ");
        return Err(bad(&format!("`{key}` means nothing here; known: {known}")));
    }
    let text = name.or_else(|| object.get("address").and_then(Value::as_str));
    let name =
        text.ok_or("address is missing, for example {\"address\": \"10.0.0.4:8001\"}".into());
    let backend = name.and_then(one_backend).map_err(|e: String| bad(&e))?;
    Ok(Asked { backend, change })
}

fn state(object: &Map<String, Value>) -> Result<AdminState, String> {
    match object.get("state").and_then(Value::as_str) {
        Some("enable") => Ok(AdminState::Enabled),
        Some("drain") => Ok(AdminState::Draining),
        Some("disable") => Ok(AdminState::Disabled),
        _ => Err("state is enable, drain or disable, for example {\"state\": \"drain\"}".into()),
    }
}

fn weight(object: &Map<String, Value>, default: Option<u32>) -> Result<u32, String> {
    let given = object.get("weight");
    let number = given.and_then(Value::as_u64);
    let number = number.and_then(|number| u32::try_from(number).ok());
    let fits = number.filter(|number| *number <= MAX_WEIGHT);
    fits.or(default.filter(|_| given.is_none())).ok_or_else(|| {
        format!("weight is a whole number from 0 to {MAX_WEIGHT}, for example {{\"weight\": 3}}")
    })
}

fn flag(object: &Map<String, Value>, name: &str) -> Result<bool, String> {
    match object.get(name) {
        None => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(format!("{name} is true or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(rest: &[&str], body: &str) -> u16 {
        asked(rest, body.as_bytes()).map_or_else(|answer| answer.status, |_| 200)
    }

    #[test]
    fn what_is_asked_for_is_read_strictly() {
        let b = "10.0.0.1:80";
        for (rest, body, status) in [
            (&[b, "state"][..], r#"{"state": "drain"}"#, 200),
            (&[b, "state"], r#"{"state": "draining"}"#, 400),
            (&[b, "state"], r#"{"state": "drain", "x": 1}"#, 400),
            (&[b, "state"], "", 400),
            (&[b, "state"], "[]", 400),
            (&[b, "state"], "{", 400),
            (&[b, "weight"], r#"{"weight": 0}"#, 200),
            (&[b, "weight"], r#"{"weight": 257}"#, 400),
            (&[b, "weight"], r#"{"weight": -1}"#, 400),
            (&[b, "weight"], r#"{"weight": "3"}"#, 400),
            (&[b, "remove"], "", 200),
            (&[b, "remove"], "{}", 200),
            (&["10.0.0.1:80-90", "remove"], "{}", 400),
            (&["no port", "remove"], "{}", 400),
            (&[b, "eat"], "{}", 404),
            (&[b], "{}", 404),
            (&[], r#"{"address": "10.0.0.4:80"}"#, 200),
            (
                &[],
                r#"{"address": "10.0.0.4:80", "weight": 2, "backup": true}"#,
                200,
            ),
            (&[], r#"{"address": "10.0.0.4:80", "backup": 1}"#, 400),
            (&[], r#"{"weight": 2}"#, 400),
        ] {
            assert_eq!(status_of(rest, body), status, "{rest:?} {body}");
        }
    }
}
