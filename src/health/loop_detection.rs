//! Finds backends that lead back to this balancer, by whatever name or way.
//!
//! Each check carries a token. A request with the token of an open check that comes in at our own
//! listener shows that the check has come back. A token is 128 random bits and counts only while its
//! check is open, so no client can guess one or use an old one again. A backend that sends its own
//! token back accuses only itself.
//!
//! The field is forwarded like any other, so a check that comes back by way of another proxy is
//! found as well.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The field that carries the token.
pub const FIELD: &str = "Lb-Check-Token";

/// The tokens of all checks under way.
#[derive(Debug, Default)]
pub struct OpenChecks {
    open: Mutex<Vec<Open>>,
    /// How many there are: without any, requests are not searched.
    count: AtomicUsize,
}

#[derive(Debug)]
struct Open {
    token: Box<str>,
    has_come_back: bool,
}

/// A check under way. Its token counts until this is dropped.
#[derive(Debug)]
pub struct OpenCheck {
    token: Box<str>,
    checks: Arc<OpenChecks>,
}

impl OpenChecks {
    /// Opens a check with a new token. `None` when the system has no random numbers.
    #[must_use]
    pub fn open(self: &Arc<Self>) -> Option<OpenCheck> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        let mut token = String::with_capacity(2 * random.len());
        for byte in random {
            // Writing to a String cannot fail.
            let _ = write!(token, "{byte:02x}");
        }
        let token = token.into_boxed_str();
        let mut open = self.lock();
        open.push(Open {
            token: token.clone(),
            has_come_back: false,
        });
        self.count.store(open.len(), Ordering::SeqCst);
        let checks = Arc::clone(self);
        Some(OpenCheck { token, checks })
    }

    /// Whether any check is open.
    #[must_use]
    pub fn is_any_open(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Notes that a request came in with this value in [`FIELD`]. Returns whether it is an open check
    /// of ours.
    #[must_use]
    pub fn take_back(&self, token: &[u8]) -> bool {
        let mut open = self.lock();
        let found = open.iter_mut().find(|one| one.token.as_bytes() == token);
        found.is_some_and(|one| {
            one.has_come_back = true;
            true
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenCheck {
    /// The value of [`FIELD`].
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether the check has come in at our own listener.
    #[must_use]
    pub fn has_come_back(&self) -> bool {
        let open = self.checks.lock();
        open.iter()
            .any(|one| one.token == self.token && one.has_come_back)
    }
}

impl Drop for OpenCheck {
    fn drop(&mut self) {
        let mut open = self.checks.lock();
        open.retain(|one| one.token != self.token);
        self.checks.count.store(open.len(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_counts_only_while_its_own_check_is_open() {
        let checks = Arc::new(OpenChecks::default());
        assert!(!checks.is_any_open());
        let [first, second] = [(); 2].map(|()| checks.open().expect("random numbers"));
        assert!(checks.is_any_open());
        assert_eq!(first.token().len(), 32);
        assert_ne!(first.token(), second.token());
        assert!(!checks.take_back(b"") && !checks.take_back(&[b'0'; 32]));
        assert!(checks.take_back(first.token().as_bytes()));
        assert!(first.has_come_back() && !second.has_come_back());
        let token = first.token().to_string();
        drop(first);
        assert!(!checks.take_back(token.as_bytes()), "it was used again");
        drop(second);
        assert!(!checks.is_any_open());
    }
}
