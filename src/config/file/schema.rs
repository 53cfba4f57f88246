//! The schema of the file for editors, in JSON (draft 2020-12): what may stand where, with its help.
//! Made from the table of keys. Must not know how files are read.

use super::groups::STATES;
use super::keys::{self, Key, Kind, Scope, TABLES};
use super::read::MOST_LISTENERS;
use super::structure::{OF_BACKEND, OF_FILE, OF_GROUP, OF_ROUTE, OF_RULES, Part};
use crate::backends::AdminState;
use crate::backends::member::MAX_WEIGHT;
use serde_json::{Map, Value, json};

/// The schema as JSON.
#[must_use]
pub fn schema() -> String {
    let mut file = object(&OF_FILE, of_file);
    add_settings(&mut file, |_| true);
    let mut schema = Map::new();
    let dialect = "https://json-schema.org/draft/2020-12/schema";
    schema.insert("$schema".into(), dialect.into());
    schema.insert("title".into(), "The configuration of lb".into());
    schema.extend(file);
    let definitions = json!({
        "group": group(),
        "backend": object(&OF_BACKEND, of_backend),
        "route": object(&OF_ROUTE, of_route),
        "rules": object(&OF_RULES, of_rules),
    });
    schema.insert("$defs".into(), definitions);
    format!("{:#}\n", Value::Object(schema))
}

/// An object of these parts and nothing else.
fn object(parts: &[Part], of: impl Fn(&str) -> Value) -> Map<String, Value> {
    let mut properties = Map::new();
    for part in parts {
        let mut property = of(part.name);
        property["description"] = part.help.into();
        properties.insert(part.name.into(), property);
    }
    let required = parts.iter().filter(|part| part.default == "required");
    let required: Vec<_> = required.map(|part| part.name).collect();
    let mut object = Map::new();
    object.insert("type".into(), "object".into());
    object.insert("properties".into(), Value::Object(properties));
    object.insert("required".into(), required.into());
    object.insert("additionalProperties".into(), false.into());
    object
}

fn of_file(name: &str) -> Value {
    match name {
        "listen" => json!({
            "anyOf": [text(), { "type": "array", "items": text(), "minItems": 1, "maxItems": MOST_LISTENERS }],
        }),
        "group" => json!({
            "type": "object",
            "propertyNames": { "pattern": "^[A-Za-z0-9_-]{1,64}$" },
            "additionalProperties": { "$ref": "#/$defs/group" },
            "minProperties": 1,
        }),
        _ => json!({ "type": "array", "items": { "$ref": "#/$defs/route" } }),
    }
}

fn group() -> Value {
    let backends = |_: &str| {
        let backend = json!({ "anyOf": [text(), { "$ref": "#/$defs/backend" }] });
        json!({ "type": "array", "items": backend, "minItems": 1 })
    };
    let mut group = object(&OF_GROUP, backends);
    add_settings(&mut group, |key| key.scope == Scope::Group);
    Value::Object(group)
}

fn of_backend(name: &str) -> Value {
    match name {
        "weight" => json!({ "type": "integer", "minimum": 0, "maximum": MAX_WEIGHT, "default": 1 }),
        "backup" => json!({ "type": "boolean", "default": false }),
        "state" => {
            let states = STATES.map(AdminState::word);
            json!({ "enum": states, "default": AdminState::default().word() })
        }
        _ => text(),
    }
}

fn of_route(name: &str) -> Value {
    match name {
        "path" => json!({ "type": "string", "pattern": "^/" }),
        "strip-prefix" => json!({ "type": "boolean", "default": false }),
        "request-headers" | "response-headers" => json!({ "$ref": "#/$defs/rules" }),
        _ => text(),
    }
}

fn of_rules(name: &str) -> Value {
    match name {
        "set" => json!({ "type": "object", "additionalProperties": text() }),
        _ => texts(),
    }
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn texts() -> Value {
    json!({ "anyOf": [text(), { "type": "array", "items": text() }] })
}

/// Adds the settings that may stand in an object, those of a table in an object of their own.
fn add_settings(object: &mut Map<String, Value>, stands_here: impl Fn(&Key) -> bool) {
    let settings = |table: Option<&str>| {
        let keys = keys::all().iter();
        let keys = keys.filter(|key| key.table == table && stands_here(key));
        let keys = keys.map(|key| (key.name.clone(), setting(key)));
        keys.collect::<Map<_, _>>()
    };
    let mut all = settings(None);
    for table in TABLES {
        let properties = settings(Some(table));
        if !properties.is_empty() {
            let table_object = json!({
                "type": "object",
                "properties": properties,
                "additionalProperties": false,
            });
            all.insert(table.into(), table_object);
        }
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.extend(all);
    }
}

fn setting(key: &Key) -> Value {
    let mut setting = type_of(key);
    setting["description"] = key.whole_help().into();
    match (&key.kind, key.default()) {
        (Kind::Switch, _) => setting["default"] = false.into(),
        (Kind::Count, Some(default)) => {
            setting["default"] = default.parse::<i64>().map_or(Value::Null, Value::from);
        }
        (_, Some(default)) => setting["default"] = default.into(),
        (_, None) => {}
    }
    setting
}

fn type_of(key: &Key) -> Value {
    match &key.kind {
        Kind::Switch => json!({ "type": "boolean" }),
        Kind::Count => {
            let least = i32::from(key.check("0").is_err());
            json!({ "type": "integer", "minimum": least })
        }
        Kind::Duration => of_unit(key, "[0-9]+(ms|s|m|h)|0"),
        Kind::Size => of_unit(key, "[0-9]+(B|K|KiB|M|MiB|G|GiB)?"),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Text => text(),
        Kind::List => texts(),
    }
}

/// A number with a unit, or a word that the key takes instead.
fn of_unit(key: &Key, number: &str) -> Value {
    let words = ["off", "auto"].into_iter();
    let words = words.filter(|word| key.check(word).is_ok());
    let alternatives: Vec<_> = std::iter::once(number).chain(words).collect();
    json!({ "type": "string", "pattern": format!("^({})$", alternatives.join("|")) })
}
