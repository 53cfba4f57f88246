//! What the operator proves itself with: a secret in a file. Must not know what it opens.

use super::AdminError;
use std::fmt;
use std::fs;
use std::path::Path;

/// Shorter ones can be guessed.
const LEAST_BYTES: usize = 16;

/// The longest token: a head has to hold it.
const MOST_BYTES: usize = 1024;

/// A secret. It is not printed.
#[derive(Clone)]
pub(super) struct Token(Vec<u8>);

impl Token {
    /// Reads the first line of a file.
    pub(super) fn read(path: &Path) -> Result<Self, AdminError> {
        let refused = |text: String| AdminError::Token(path.into(), text);
        let text = fs::read_to_string(path).map_err(|error| {
            refused(format!(
                "{error}; write a secret there, for example with: \
                                              openssl rand -hex 16"
            ))
        })?;
        let token = text.lines().next().unwrap_or_default().trim();
        let is_visible = token.bytes().all(|byte| byte.is_ascii_graphic());
        if !(LEAST_BYTES..=MOST_BYTES).contains(&token.len()) || !is_visible {
            return Err(refused(format!(
                "its first line has to be {LEAST_BYTES} to {MOST_BYTES} visible characters; make one, \
                 for example with: openssl rand -hex 16"
            )));
        }
        Ok(Self(token.into()))
    }

    /// Whether `Authorization` has it. The time that this takes says nothing of where they differ.
    pub(super) fn is_in(&self, authorization: Option<&str>) -> bool {
        let sent = authorization.and_then(|value| value.split_once(' '));
        let Some((scheme, sent)) = sent else {
            return false;
        };
        let sent = sent.trim().as_bytes();
        let differs = self.0.iter().zip(sent);
        let differs = differs.fold(0, |differs, (one, other)| differs | (one ^ other));
        scheme.eq_ignore_ascii_case("Bearer") && sent.len() == self.0.len() && differs == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_opens() {
        let token = Token(b"0123456789abcdef".to_vec());
        assert!(token.is_in(Some("Bearer 0123456789abcdef")));
        assert!(token.is_in(Some("bearer  0123456789abcdef")));
        for wrong in [
            "Bearer 0123456789abcdeg",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Basic 0123456789abcdef",
            "0123456789abcdef",
            "Bearer ",
            "",
        ] {
            assert!(!token.is_in(Some(wrong)), "{wrong}");
        }
        assert!(!token.is_in(None));
    }
}
