//! The known name that is nearest to one that is not known.

/// The name among `known` that was probably meant.
pub(super) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    // No known name is so long, and the comparison costs the product of both lengths.
    if name.len() > LONGEST {
        return None;
    }
    let small = name.to_lowercase().replace('_', "-");
    let distance = |known: &str| strsim::osa_distance(&small, &known.to_lowercase());
    let near = known.map(|known| (distance(known), known));
    let (distance, known) = near.min()?;
    let most = (known.len().max(small.len()) / 3).max(1);
    (distance <= most).then_some(known)
}

/// The longest name to which a known one is looked for.
const LONGEST: usize = 64;

/// `did you mean X?` if a known name is near, otherwise `otherwise`.
pub(super) fn did_you_mean<'n>(
    name: &str,
    known: impl Iterator<Item = &'n str>,
    otherwise: impl FnOnce() -> String,
) -> String {
    match nearest(name, known) {
        Some(known) => format!("did you mean `{known}`?"),
        None => otherwise(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_is_recognized_and_another_word_is_not() {
        let known = || ["workers", "cores", "hold", "retry-budget"].into_iter();
        for (name, meant) in [
            ("worker", Some("workers")),
            ("Workers", Some("workers")),
            ("wrokers", Some("workers")),
            ("retry_budget", Some("retry-budget")),
            ("holt", Some("hold")),
            ("threads", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known()), meant, "{name}");
        }
        assert_eq!(nearest(&"x".repeat(1 << 20), known()), None);
    }
}
