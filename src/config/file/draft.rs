//! A file as it was read: values that are right each by itself, with their places. Whether they fit
//! together is another question, which `links` answers.

use super::layer::{Entry, Layer, excerpt};
use super::problem::Problem;
use crate::config::routing::RouteConfig;
use crate::config::{BackendConfig, Listen};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What stands in a file.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) listen: Vec<Placed<Listen>>,
    /// The key `listen`.
    pub(super) listen_at: Option<Range<usize>>,
    /// Whether one of its values is wrong, and therefore missing in `listen`.
    pub(super) has_wrong_listen: bool,
    /// What holds for the whole process.
    pub(super) layer: Layer,
    pub(super) groups: Vec<GroupDraft>,
    pub(super) routes: Vec<RouteDraft>,
}

/// A group of backends.
#[derive(Debug)]
pub(super) struct GroupDraft {
    pub(super) name: String,
    /// Where its name stands.
    pub(super) at: Range<usize>,
    /// What holds for it.
    pub(super) layer: Layer,
    pub(super) backends: Vec<Placed<BackendConfig>>,
    /// The key `backends`.
    pub(super) backends_at: Option<Range<usize>>,
    /// Whether one of its values is wrong, and therefore missing in `backends`.
    pub(super) has_wrong_backends: bool,
}

/// A route.
#[derive(Debug)]
pub(super) struct RouteDraft {
    pub(super) config: RouteConfig,
    /// Where it begins.
    pub(super) at: Range<usize>,
    /// Where its group is named; `None` if that is missing or wrong.
    pub(super) group_at: Option<Range<usize>>,
    /// Whether its host and its path are right, so that it can be compared with others.
    pub(super) is_readable: bool,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) at: Range<usize>,
}

/// What reads a file, and collects what is wrong on the way.
#[derive(Debug)]
pub(super) struct Reader<'s> {
    pub(super) text: &'s str,
    pub(super) problems: Vec<Problem>,
}

impl Reader<'_> {
    pub(super) fn refuse(
        &mut self,
        at: Range<usize>,
        title: impl Into<String>,
        label: impl Into<String>,
    ) {
        self.problems.push(Problem::new(at, title, label));
    }

    /// The texts of a value that is one, or an array of them.
    pub(super) fn texts(&mut self, entry: Entry<'_, '_>, example: &str) -> Vec<Placed<String>> {
        match entry.value.get_ref() {
            DeValue::Array(items) => {
                let items = items.iter();
                items
                    .filter_map(|item| self.text(entry.name(), item, example))
                    .collect()
            }
            _ => self
                .text(entry.name(), entry.value, example)
                .into_iter()
                .collect(),
        }
    }

    /// The text of a value that is one.
    pub(super) fn text(
        &mut self,
        name: &str,
        value: &Spanned<DeValue<'_>>,
        example: &str,
    ) -> Option<Placed<String>> {
        let at = value.span();
        match value.get_ref() {
            DeValue::String(text) => Some(Placed {
                value: text.to_string(),
                at,
            }),
            _ => {
                let label = format!("write a text in quotes, for example {example}");
                self.wrong_type(name, at, label);
                None
            }
        }
    }

    /// The value of a switch.
    pub(super) fn switch(&mut self, entry: Entry<'_, '_>) -> Option<bool> {
        let is_on = entry.value.get_ref().as_bool();
        if is_on.is_none() {
            let label = format!("write true or false, for example {} = true", entry.name());
            self.wrong_type(entry.name(), entry.value.span(), label);
        }
        is_on
    }

    /// A table that stands in another one than the root, and has no header of its own.
    pub(super) fn inline_table<'t, 's>(&mut self, entry: Entry<'t, 's>) -> Option<&'t DeTable<'s>> {
        let table = self.table(entry)?;
        if self.has_header(entry.value) {
            let name = entry.name();
            let title = format!("the header of `{name}` is too deep");
            let label = format!("write `{name} = {{ … }}`, without a header of its own");
            self.refuse(entry.value.span(), title, label);
            return None;
        }
        Some(table)
    }

    /// A table of whatever form.
    pub(super) fn table<'t, 's>(&mut self, entry: Entry<'t, 's>) -> Option<&'t DeTable<'s>> {
        let table = entry.value.get_ref().as_table();
        if table.is_none() {
            let name = entry.name();
            let label = format!("write a table, for example `{} = {{ … }}`", excerpt(name));
            self.wrong_type(name, entry.value.span(), label);
        }
        table
    }

    /// Whether the table begins with a header.
    pub(super) fn has_header(&self, table: &Spanned<DeValue<'_>>) -> bool {
        let rest = self.text.get(table.span().start..);
        rest.is_some_and(|rest| rest.starts_with('['))
    }

    pub(super) fn wrong_type(&mut self, name: &str, at: Range<usize>, label: String) {
        let title = format!("`{}` has a value of the wrong type", excerpt(name));
        self.refuse(at, title, label);
    }
}
