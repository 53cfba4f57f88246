//! What is wrong with a file, and the picture of it: the place, the line itself, a caret, and what to
//! write instead. Must not know what keys there are.

use annotate_snippets::{
    Annotation, AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet,
};
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// More pictures than these nobody reads at once.
pub(super) const MOST_PICTURES: usize = 50;

/// A place further to the right in its line is named without showing the line.
const LONGEST_LINE: usize = 500;

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    /// Where; `None` if something is missing altogether.
    pub(super) at: Option<Range<usize>>,
    /// What is wrong.
    title: String,
    /// What to do about it, beside the caret.
    label: String,
    /// Another place that belongs to it, and what it is.
    other: Option<(Range<usize>, String)>,
}

impl Problem {
    pub(super) fn new(
        at: Range<usize>,
        title: impl Into<String>,
        label: impl Into<String>,
    ) -> Self {
        Self {
            at: Some(at),
            title: title.into(),
            label: label.into(),
            other: None,
        }
    }

    /// Something that is nowhere.
    pub(super) fn missing(title: impl Into<String>, label: impl Into<String>) -> Self {
        Self {
            at: None,
            ..Self::new(0..0, title, label)
        }
    }

    /// The same, with another place that belongs to it.
    pub(super) fn beside(self, at: Range<usize>, what: impl Into<String>) -> Self {
        Self {
            other: Some((at, what.into())),
            ..self
        }
    }
}

/// Everything that is wrong with a file. Its `Display` is one picture for each error.
#[derive(Clone, Debug)]
pub struct FileErrors {
    path: PathBuf,
    text: String,
    problems: Vec<Problem>,
}

/// Whether pictures have colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colors {
    /// For a terminal.
    Ansi,
    /// For a file, a pipe, or where `NO_COLOR` is set.
    None,
}

impl FileErrors {
    /// In the order of the file; what is missing altogether comes last.
    pub(super) fn new(path: &Path, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.at.as_ref().map_or(usize::MAX, |at| at.start));
        Self {
            path: path.into(),
            text: text.into(),
            problems,
        }
    }

    /// How many there are, at least 1.
    #[must_use]
    pub fn count(&self) -> usize {
        self.problems.len()
    }

    /// All of it in one line: `lb.toml has 3 errors: the first is in line 7`.
    #[must_use]
    pub fn summary(&self) -> String {
        let path = self.path.display();
        let Some(first) = self.problems.first() else {
            return format!("{path} has no errors");
        };
        let place = match &first.at {
            Some(at) => format!(" in line {}", line_of(&self.text, at.start)),
            None => String::new(),
        };
        match self.count() {
            1 => format!("{path} has 1 error{place}: {}", first.title),
            count => format!(
                "{path} has {count} errors, the first{place}: {}",
                first.title
            ),
        }
    }

    /// The pictures.
    #[must_use]
    pub fn pictures(&self, colors: Colors) -> String {
        let renderer = match colors {
            Colors::Ansi => Renderer::styled(),
            Colors::None => Renderer::plain(),
        };
        let path = self.path.display().to_string();
        let shown = self.problems.iter().take(MOST_PICTURES);
        let mut all: Vec<_> = shown
            .map(|problem| renderer.render(&[self.picture(problem, &path)]))
            .collect();
        if let Some(more @ 1..) = self.count().checked_sub(MOST_PICTURES) {
            all.push(format!("and {more} more errors"));
        }
        all.join("\n\n")
    }

    fn picture<'p>(&'p self, problem: &'p Problem, path: &'p str) -> Group<'p> {
        let group = Level::ERROR.primary_title(problem.title.as_str());
        let Some(at) = &problem.at else {
            let group = group.element(Element::from(Origin::path(path)));
            return group.element(Level::HELP.message(problem.label.as_str()));
        };
        let spot = Spot::new(&self.text, at);
        if spot.span.start > LONGEST_LINE {
            let origin = Origin::path(path).line(spot.line);
            let column = spot.source[..spot.span.start].chars().count() + 1;
            let group = group.element(Element::from(origin.char_column(column)));
            return group.element(Level::HELP.message(problem.label.as_str()));
        }
        let here = AnnotationKind::Primary.span(spot.span.clone());
        let group = group.element(snippet(&spot, path, here.label(problem.label.as_str())));
        let Some((at, what)) = &problem.other else {
            return group;
        };
        let spot = Spot::new(&self.text, at);
        if spot.span.start > LONGEST_LINE {
            return group;
        }
        let there = AnnotationKind::Context.span(spot.span.clone());
        group.element(snippet(&spot, path, there.label(what.as_str())))
    }
}

fn snippet<'p>(
    spot: &Spot<'p>,
    path: &'p str,
    annotation: Annotation<'p>,
) -> Snippet<'p, Annotation<'p>> {
    let snippet = Snippet::source(spot.source).line_start(spot.line);
    snippet.path(path).annotation(annotation)
}

impl fmt::Display for FileErrors {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.pictures(Colors::None))
    }
}

impl std::error::Error for FileErrors {}

/// A place in its line.
struct Spot<'t> {
    /// The line, cut where it is long.
    source: &'t str,
    line: usize,
    /// The place in `source`; its first line only.
    span: Range<usize>,
}

impl<'t> Spot<'t> {
    fn new(text: &'t str, at: &Range<usize>) -> Self {
        let start = boundary(text, at.start);
        let begin = text[..start].rfind('\n').map_or(0, |end| end + 1);
        let end = text[start..]
            .find('\n')
            .map_or(text.len(), |end| start + end);
        let end = boundary(text, end.min(start + LONGEST_LINE));
        let source = text[begin..end].trim_end_matches('\r');
        let last = boundary(text, at.end.min(end)).max(start) - begin;
        Self {
            source,
            line: line_of(text, start),
            span: (start - begin).min(source.len())..last.min(source.len()),
        }
    }
}

/// The next boundary of a character at or before `place`.
fn boundary(text: &str, place: usize) -> usize {
    let places = (0..=place.min(text.len())).rev();
    places
        .into_iter()
        .find(|place| text.is_char_boundary(*place))
        .unwrap_or(0)
}

/// The number of a line, from 1.
fn line_of(text: &str, place: usize) -> usize {
    memchr::memchr_iter(b'\n', &text.as_bytes()[..place.min(text.len())]).count() + 1
}

/// Where the lines of a text end, for many questions about it.
#[derive(Debug)]
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        Self(memchr::memchr_iter(b'\n', text.as_bytes()).collect())
    }

    /// The number of the line that has this place, from 1.
    pub(super) fn of(&self, place: usize) -> usize {
        self.0.partition_point(|end| *end < place) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str, problems: Vec<Problem>) -> String {
        FileErrors::new(Path::new("lb.toml"), text, problems).to_string()
    }

    #[test]
    fn a_picture_has_the_file_the_line_the_column_and_a_caret() {
        let text = "workers = 4\nworker = 5\r\n";
        let problem = Problem::new(12..18, "unknown key", "did you mean `workers`?");
        let picture = errors(text, vec![problem.beside(0..7, "set here")]);
        for part in [
            "error: unknown key",
            "lb.toml:2:1",
            "2 | worker = 5",
            "^^^^^^ did you mean",
            "------- set here",
        ] {
            assert!(picture.contains(part), "{picture}");
        }
        assert!(!picture.contains('\u{1b}'));
    }

    #[test]
    fn any_place_in_any_text_can_be_shown() {
        for text in [
            "",
            "\n",
            "ä = 'ö'\r\nx",
            "\u{0}\u{1b}[1m\tx\n",
            &"é".repeat(5000),
        ] {
            for start in 0..text.len().min(1100) + 2 {
                for length in [0, 1, 5, 9000] {
                    let shown = errors(text, vec![Problem::new(start..start + length, "a", "b")]);
                    assert!(
                        shown.contains("lb.toml:") && !shown.contains('\u{1b}'),
                        "{shown}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_summary_is_one_line_and_counts() {
        let text = "a\nb\nc";
        let problem = |at| Problem::new(at, "unknown key", "");
        let summary = |problems| FileErrors::new(Path::new("x"), text, problems).summary();
        assert_eq!(
            summary(vec![problem(2..3)]),
            "x has 1 error in line 2: unknown key"
        );
        let two = vec![
            problem(4..5),
            problem(2..3),
            Problem::missing("no listen", ""),
        ];
        assert_eq!(
            summary(two),
            "x has 3 errors, the first in line 2: unknown key"
        );
        let many: Vec<_> = (0..60).map(|_| problem(0..1)).collect();
        assert!(errors(text, many).ends_with("and 10 more errors"));
    }
}
