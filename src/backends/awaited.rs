//! What a request waits for that has found all backends full.

use super::backend::Backend;
use super::key::Key;
use std::sync::Arc;

/// Which backends a request that waits may be given.
#[derive(Debug)]
pub enum WaitsFor<C> {
    /// Any but these, where it has failed.
    AnyBut(Vec<Arc<Backend<C>>>),
    /// This one, on which its client depends.
    Only(Arc<Backend<C>>),
}

/// What a request waits for.
#[derive(Debug)]
pub(super) struct Awaited<C> {
    /// What it brings along for the choice.
    pub(super) key: Key,
    pub(super) waits_for: WaitsFor<C>,
}

impl<C> Awaited<C> {
    /// Whether any backend will do: then no new request may have one before this one.
    pub(super) fn is_plain(&self) -> bool {
        matches!(&self.waits_for, WaitsFor::AnyBut(tried) if tried.is_empty())
    }
}

/// Whether `backend` is one of these.
pub(super) fn is_among<C>(these: &[Arc<Backend<C>>], backend: &Backend<C>) -> bool {
    these.iter().any(|one| std::ptr::eq(&**one, backend))
}
