//! What the operator wants of a backend. Must not know how the backend is.

/// What the operator wants of a backend, whatever its health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AdminState {
    /// It is used while it is up.
    #[default]
    Enabled,
    /// It gets no new requests, and finishes the ones that it has.
    Draining,
    /// It gets none, and no connections are kept for it.
    Disabled,
}

impl AdminState {
    /// What it is called.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            AdminState::Enabled => "enabled",
            AdminState::Draining => "draining",
            AdminState::Disabled => "disabled",
        }
    }
}
