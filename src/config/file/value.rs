//! Values as TOML has them, and as they stand behind a flag, whose parser checks them. Must not know
//! where a value stands.

use super::keys::{Key, Kind};
use super::problem::Problem;
use toml::Spanned;
use toml::de::{DeInteger, DeValue};

/// The value as it would be written behind the flag.
pub(super) fn value(key: &Key, value: &Spanned<DeValue<'_>>) -> Result<String, Problem> {
    let Some(text) = text_of(&key.kind, value.get_ref()) else {
        let title = format!("`{}` has a value of the wrong type", key.path());
        let label = format!(
            "{}, for example {}",
            wanted(&key.kind),
            example(key, value.get_ref())
        );
        return Err(Problem::new(value.span(), title, label));
    };
    let is_nothing = key.kind == Kind::List && text.is_empty() && key.default().is_none();
    if key.kind == Kind::Switch || is_nothing {
        return Ok(text);
    }
    match key.check(&text) {
        Ok(()) => Ok(text),
        Err(reason) => {
            let title = format!("`{}` has a wrong value", key.path());
            Err(Problem::new(value.span(), title, reason))
        }
    }
}

/// The value as a text, if its type fits.
fn text_of(kind: &Kind, value: &DeValue<'_>) -> Option<String> {
    match (kind, value) {
        (Kind::Switch, DeValue::Boolean(is_on)) => Some(is_on.to_string()),
        (Kind::Count, DeValue::Integer(number)) => Some(decimal(number)),
        (Kind::Switch | Kind::Count, _) => None,
        (_, DeValue::String(text)) => Some(text.to_string()),
        (Kind::List, DeValue::Array(items)) => {
            let texts = items.iter().map(|item| item.get_ref().as_str());
            let texts: Option<Vec<_>> = texts.collect();
            texts.map(|texts| texts.join(","))
        }
        _ => None,
    }
}

/// A number in decimal digits, whatever it was written in.
fn decimal(number: &DeInteger<'_>) -> String {
    let value = i64::from_str_radix(number.as_str(), number.radix());
    value.map_or_else(|_| number.to_string(), |value| value.to_string())
}

fn wanted(kind: &Kind) -> &'static str {
    match kind {
        Kind::Switch => "write true or false",
        Kind::Count => "write a whole number without quotes",
        Kind::Duration => "write a time with its unit, in quotes",
        Kind::Size => "write a size with its unit, in quotes",
        Kind::Word(_) => "write a word in quotes",
        Kind::Text => "write a text in quotes",
        Kind::List => "write an array of texts",
    }
}

/// A right value: what was meant, if that can be seen.
fn example(key: &Key, value: &DeValue<'_>) -> String {
    let written = match (value, &key.kind) {
        (DeValue::Integer(number), Kind::Duration) => format!("{}s", decimal(number)),
        (DeValue::Integer(number), _) => decimal(number),
        (DeValue::String(text), _) => text.to_string(),
        (DeValue::Boolean(is_on), _) => is_on.to_string(),
        _ => String::new(),
    };
    match key.check(&written) {
        Ok(()) if key.kind != Kind::Switch && !written.is_empty() => spelled(key, &written),
        _ => spelled(key, &known_value(key)),
    }
}

/// A value that the key takes.
pub(super) fn known_value(key: &Key) -> String {
    let candidates = [
        "true",
        "10s",
        "32KiB",
        "4",
        "8081",
        "10.0.0.0/8",
        "/ready",
        "app.example",
    ];
    let fits = |value: &&str| key.kind == Kind::Switch || key.check(value).is_ok();
    let example = || candidates.into_iter().find(fits).unwrap_or_default();
    key.default().unwrap_or_else(|| example().into())
}

/// A value as TOML has it.
pub(super) fn spelled(key: &Key, value: &str) -> String {
    match key.kind {
        Kind::Switch | Kind::Count => value.into(),
        Kind::List => {
            let items = value.split(',').filter(|item| !item.is_empty());
            let items: Vec<_> = items.map(|item| quoted(item.trim())).collect();
            format!("[{}]", items.join(", "))
        }
        _ => quoted(value),
    }
}

/// A text as TOML has it.
pub(super) fn quoted(text: &str) -> String {
    // What JSON escapes, TOML escapes in the same way, and this character besides.
    serde_json::Value::from(text)
        .to_string()
        .replace('\u{7f}', "\\u007F")
}
