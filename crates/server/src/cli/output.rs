//! What a command prints: text for people or one JSON object for programs, on stdout; a failure on stderr. Part of it may come
//! from outside, so none of it commands the terminal.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use domain::Timestamp;
use serde::Serialize;

use super::failure::{Failure, Result};
use crate::api::shapes::ListShape;

/// Prints a line, or several. A reader that has heard enough is no failure.
pub(super) fn line(text: impl std::fmt::Display) -> Result<()> {
    written(writeln!(io::stdout().lock(), "{}", clean(&text.to_string())))
}

/// Prints what a server answered: its bytes for a program, text for a person at a terminal.
pub(super) fn answer(body: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let shown = shown(body, stdout.is_terminal());
    written(stdout.write_all(&shown).and_then(|()| stdout.flush()))
}

fn shown(body: &[u8], at_a_terminal: bool) -> Cow<'_, [u8]> {
    if !at_a_terminal || body.is_empty() {
        return Cow::Borrowed(body);
    }
    let text = clean(&String::from_utf8_lossy(body));
    Cow::Owned(format!("{}\n", text.trim_end()).into_bytes())
}

/// `text` without the control characters that terminals take for commands: C0, where lines end apart, DEL and C1 (ECMA-48 §5).
pub(super) fn clean(text: &str) -> String {
    text.chars().filter(|character| *character == '\n' || !character.is_control()).collect()
}

/// Says something beside the answer, on stderr.
pub(super) fn note(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr().lock(), "{}", clean(&text.to_string()));
}

/// Prints one JSON object.
pub(super) fn json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(Failure::new)?;
    line(escaped(&text))
}

/// JSON that says the same without DEL and C1, which it need not escape (RFC 8259 §7) and terminals obey.
fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\u{7f}'..='\u{9f}' => escaped.push_str(&format!("\\u{:04x}", u32::from(character))),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Prints a failure, which nothing more can be done about.
pub(super) fn failure(failure: &Failure, as_json: bool) {
    if as_json {
        note(escaped(&serde_json::json!({ "error": failure.to_string() }).to_string()));
    } else {
        note(format_args!("error: {failure}"));
    }
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
    fn no_text_commands_the_terminal() {
        let title = "a\u{1b}]0;title\u{7}\u{9b}2J\u{7f}\r\nb é";
        assert_eq!(clean(title), "a]0;title2J\nb é");
    }

    #[test]
    fn programs_get_the_bytes_of_an_answer_and_terminals_its_text() {
        let body = b"{\"a\":\"\x1b[2J\xff\xc2\x9b\"}\r\n\n";
        assert_eq!(shown(body, false).as_ref(), body);
        assert_eq!(shown(body, true).as_ref(), "{\"a\":\"[2J\u{fffd}\"}\n".as_bytes());
        assert!(shown(b"", true).is_empty());
    }

    #[test]
    fn json_means_the_same_when_it_is_escaped() {
        let value = serde_json::json!({ "name": "a\u{9b}2J\u{7f}\u{1b}é" });
        let text = escaped(&value.to_string());
        assert!(!text.chars().any(char::is_control), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

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
