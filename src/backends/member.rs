//! A backend as a member of its group: with which share, and whether as a backup. A reload may change
//! both; the backend stays.

use super::admin_state::AdminState;
use super::backend::Backend;
use std::sync::Arc;

/// A backend and its part in the group.
#[derive(Debug)]
pub struct Member<C> {
    /// The backend. It is a member of one group only: its requests are counted there.
    pub backend: Arc<Backend<C>>,
    /// Its share of the requests, beside the weights of the others, up to [`MAX_WEIGHT`]. With 0 it gets
    /// no new requests, as if it drained.
    pub weight: u32,
    /// Whether it is used only when no other is up.
    pub is_backup: bool,
    /// What the operator wants of it.
    pub admin: AdminState,
}

/// The highest weight, as with HAProxy: fine enough for any share, and it bounds how long the order of
/// turns can be.
pub const MAX_WEIGHT: u32 = 256;

impl<C> Member<C> {
    /// A backend with an ordinary share.
    #[must_use]
    pub fn new(backend: Arc<Backend<C>>) -> Self {
        Self {
            backend,
            weight: 1,
            is_backup: false,
            admin: AdminState::default(),
        }
    }

    /// The same with another share.
    #[must_use]
    pub fn with_weight(self, weight: u32) -> Self {
        Self { weight, ..self }
    }

    /// The same as a reserve, used only when no other is up.
    #[must_use]
    pub fn as_backup(self) -> Self {
        Self {
            is_backup: true,
            ..self
        }
    }
}

impl<C> Clone for Member<C> {
    fn clone(&self) -> Self {
        Self {
            backend: Arc::clone(&self.backend),
            ..*self
        }
    }
}
