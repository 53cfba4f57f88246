//! How a request is named, for backends, clients and logs: its id and its step of a trace.

use super::fields::Field;
use super::request_id::RequestId;
use super::trace_context::TraceContext;

/// How a request is named. What is switched off is `None`, and passes as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its id.
    pub id: Option<RequestId>,
    /// Its step of a trace.
    pub trace: Option<TraceContext>,
}

/// Leaves a request without a name.
pub static NO_IDENTITY: Identity = Identity {
    id: None,
    trace: None,
};

impl Identity {
    /// Whether a field of this kind is replaced by what stands here.
    #[must_use]
    pub(super) fn replaces(&self, field: Field) -> bool {
        match field {
            Field::RequestId => self.id.is_some(),
            Field::TraceParent => self.trace.is_some(),
            Field::TraceState => self.trace.is_some_and(|trace| trace.is_begun_here()),
            _ => false,
        }
    }

    /// Appends the fields for a backend, but for those that `is_ruled` by the route.
    pub(super) fn write(&self, is_ruled: impl Fn(&str) -> bool, out: &mut Vec<u8>) {
        if let Some(id) = self
            .id
            .as_ref()
            .filter(|_| !is_ruled(Field::RequestId.name()))
        {
            id.write_field(out);
        }
        if let Some(trace) = self.trace.filter(|_| !is_ruled(Field::TraceParent.name())) {
            trace.write_field(out);
        }
    }
}
