//! What a command prints: text for people or one JSON object for programs, on stdout; a failure on stderr.

use std::io::{self, Write};

use domain::Timestamp;
use serde::Serialize;

use super::failure::{Failure, Result};
use crate::api::shapes::ListShape;

/// Prints a line. A reader that has heard enough is no failure.
pub(super) fn line(text: impl std::fmt::Display) -> Result<()> {
    written(writeln!(io::stdout().lock(), "{text}"))
}

/// Says something beside the answer, on stderr.
pub(super) fn note(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Prints one JSON object.
pub(super) fn json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::new)?;
    line(text)
}

/// Prints a failure, which nothing more can be done about.
pub(super) fn failure(failure: &Failure, as_json: bool) {
    let text = if as_json {
        serde_json::json!({ "error": failure.to_string() }).to_string()
    } else {
        format!("error: {failure}")
    };
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn written(outcome: io::Result<()>) -> Result<()> {
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("can't write the answer: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a list as JSON, each item in its `shape`, or as a table with a `row` for each.
pub(super) fn list<'a, T, S: Serialize, const N: usize>(
    as_json: bool,
    items: &'a [T],
    shape: impl Fn(&'a T) -> S,
    headings: [&str; N],
    none: &str,
    row: impl Fn(&'a T) -> [String; N],
) -> Result<()> {
    if as_json {
        return json(&ListShape { items: items.iter().map(shape).collect(), next_cursor: None });
    }
    if items.is_empty() {
        return line(none);
    }
    let rows: Vec<_> = items.iter().map(row).collect();
    line(table(headings, &rows))
}

/// Prints an object as JSON, in its `shape`, or as one labelled line for each of its fields.
pub(super) fn object<const N: usize>(
    as_json: bool,
    shape: &impl Serialize,
    fields: [(&str, String); N],
) -> Result<()> {
    if as_json { json(shape) } else { line(labelled(&fields)) }
}

/// Says that the object with this identifier is gone.
pub(super) fn removed(as_json: bool, id: &str, sentence: &str) -> Result<()> {
    if as_json { json(&serde_json::json!({ "id": id, "removed": true })) } else { line(sentence) }
}

/// Lines of `label  value`, the values aligned; those of one value with several lines, too.
pub(super) fn labelled(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(label, _)| label.chars().count()).max().unwrap_or(0);
    let lines = fields.iter().flat_map(|(label, value)| {
        let mut parts = value.lines();
        let first = format!("{label:width$}  {}", parts.next().unwrap_or("-"));
        std::iter::once(first).chain(parts.map(move |part| format!("{:width$}  {part}", "")))
    });
    lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Aligned columns below their headings.
pub(super) fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    let headings = headings.map(str::to_owned);
    let all = || std::iter::once(&headings).chain(rows);
    let width = |column: usize| {
        all().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    all()
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// `text` on one line, at most `most` characters of it; `-` for none.
pub(super) fn short(text: &str, most: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return "-".to_owned();
    }
    match text.char_indices().nth(most) {
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
        None => text,
    }
}

/// An instant to the second.
pub(super) fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// An instant, or what stands for none.
pub(super) fn instant_or(at: Option<Timestamp>, none: &str) -> String {
    at.map_or_else(|| none.to_owned(), instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_by_characters() {
        let rows = [["é".to_owned(), "b".to_owned()], ["long".to_owned(), "x".to_owned()]];
        assert_eq!(table(["A", "B"], &rows), "A     B\né     b\nlong  x");
    }

    #[test]
    fn values_with_lines_stay_in_their_column() {
        let fields = [("Comment", "one\ntwo".to_owned()), ("Id", String::new())];
        assert_eq!(labelled(&fields), "Comment  one\n         two\nId       -");
    }

    #[test]
    fn short_texts_stay_whole_and_long_ones_are_cut() {
        assert_eq!(short("a\r\nb", 3), "a b");
        assert_eq!(short("abcdef", 4), "abc…");
        assert_eq!(short(" ", 4), "-");
    }
}
