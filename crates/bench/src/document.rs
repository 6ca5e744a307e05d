//! docs/performance.md: the parts of it that are measured, between markers, and the pictures beside it.

use std::fs;

use crate::Result;
use crate::rounds::{Figure, digits};
use crate::workplace::Workplace;

const DOCUMENT: &str = "docs/performance.md";
const PICTURES: &str = "docs/performance";

/// What a part of the measuring has to say.
pub(crate) struct Part {
    /// Where it stands in the document.
    pub(crate) name: &'static str,
    /// Markdown.
    pub(crate) text: String,
    /// What it says of the targets.
    pub(crate) targets: Vec<Target>,
    /// Files beside the document, each with what is in it.
    pub(crate) pictures: Vec<(&'static str, String)>,
}

/// A target and what was measured.
pub(crate) struct Target {
    what: String,
    target: String,
    measured: String,
    met: Option<bool>,
}

impl Target {
    /// At most so much, in the unit, `×` say.
    pub(crate) fn at_most(what: &str, limit: f64, unit: &str, measured: Figure) -> Self {
        Self {
            what: what.to_owned(),
            target: format!("≤ {limit}{unit}"),
            measured: format!("{}{unit}", digits(measured.median)),
            met: Some(measured.median <= limit),
        }
    }

    /// At least so much.
    pub(crate) fn at_least(what: &str, limit: f64, unit: &str, measured: Figure) -> Self {
        Self {
            target: format!("≥ {limit}{unit}"),
            met: Some(measured.median >= limit),
            ..Self::at_most(what, limit, unit, measured)
        }
    }

    /// One that could not be measured, and why.
    pub(crate) fn not_measured(what: &str, target: &str, why: &str) -> Self {
        Self { what: what.to_owned(), target: target.to_owned(), measured: why.to_owned(), met: None }
    }

    fn row(&self) -> Vec<String> {
        let met = match self.met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "–",
        };
        vec![self.what.clone(), self.target.clone(), self.measured.clone(), met.to_owned()]
    }
}

/// A Markdown table; all columns but the first stand at the right.
pub(crate) fn table(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let rule = (0..headings.len()).map(|n| if n == 0 { "---" } else { "---:" }.to_owned()).collect();
    let head = headings.iter().map(|heading| (*heading).to_owned()).collect();
    [head, rule].into_iter().chain(rows).map(line).collect()
}

const TARGETS: [&str; 4] = ["target", "at", "measured", "met"];

/// The table of what the parts say of the targets.
pub(crate) fn targets(parts: &[Part]) -> String {
    let rows = parts.iter().flat_map(|part| &part.targets).map(Target::row);
    table(&TARGETS, rows)
}

/// Writes what was measured into the document, and the pictures beside it.
pub(crate) fn write(workplace: &Workplace, machine: &str, parts: &[Part]) -> Result<()> {
    let path = workplace.root.join(DOCUMENT);
    let mut text = fs::read_to_string(&path)?;
    text = replaced(&text, "machine", machine)?;
    let known = between(&text, "targets")?.to_owned();
    text = replaced(&text, "targets", &renewed(&known, parts))?;
    let pictures = workplace.root.join(PICTURES);
    fs::create_dir_all(&pictures)?;
    for part in parts {
        text = replaced(&text, part.name, &part.text)?;
        for (name, picture) in &part.pictures {
            fs::write(pictures.join(name), picture)?;
        }
    }
    Ok(fs::write(path, text)?)
}

/// The table of targets with what was measured now in the place of what was known of it; the rest of it stays.
fn renewed(known: &str, parts: &[Part]) -> String {
    let measured = || parts.iter().flat_map(|part| &part.targets).map(Target::row);
    let mut rows: Vec<Vec<String>> = known
        .lines()
        .skip_while(|line| !line.starts_with("| ---"))
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|row| row.split(" | ").map(str::to_owned).collect())
        .skip(1)
        .collect();
    for row in measured() {
        match rows.iter_mut().find(|known| known.first() == row.first()) {
            Some(known) => *known = row,
            None => rows.push(row),
        }
    }
    table(&TARGETS, rows)
}

/// What stands between the markers.
fn between<'a>(text: &'a str, name: &str) -> Result<&'a str> {
    let missing = || format!("{DOCUMENT} has no place for {name}");
    let (_, rest) = text.split_once(&format!("<!-- {name}:begin -->")).ok_or_else(missing)?;
    let (inside, _) = rest.split_once(&format!("<!-- {name}:end -->")).ok_or_else(missing)?;
    Ok(inside)
}

/// The text with something else between `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
fn replaced(text: &str, name: &str, with: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let missing = || format!("{DOCUMENT} has no place for {name}");
    let (before, rest) = text.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    Ok(format!("{before}{begin}\n\n{}\n\n{end}{after}", with.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() {
        let text =
            "a\n<!-- one:begin -->\nold\n<!-- one:end -->\nb\n<!-- two:begin -->\nkept\n<!-- two:end -->\n";
        let once = replaced(text, "one", "new\n").unwrap();
        let expected = "a\n<!-- one:begin -->\n\nnew\n\n<!-- one:end -->\nb\n<!-- two:begin -->\nkept\n<!-- two:end -->\n";
        assert_eq!(once, expected);
        assert_eq!(replaced(&once, "one", "new").unwrap(), expected);
        assert!(replaced(text, "three", "").is_err());
    }

    #[test]
    fn targets_that_were_not_measured_again_stay() {
        let part = |measured: &[(&str, f64)]| Part {
            name: "http",
            text: String::new(),
            targets: measured
                .iter()
                .map(|(what, value)| Target::at_most(what, 5.0, "", Figure::of([(*value, false)])))
                .collect(),
            pictures: Vec::new(),
        };
        let first = renewed("", &[part(&[("one", 9.0), ("two", 2.0)])]);
        let then = renewed(&first, &[part(&[("one", 3.0), ("three", 1.0)])]);
        assert_eq!(then, targets(&[part(&[("one", 3.0), ("two", 2.0), ("three", 1.0)])]));
    }

    #[test]
    fn the_document_has_a_place_for_every_part() {
        let text =
            fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/performance.md")).unwrap();
        for name in ["machine", "targets", "revocation"].into_iter().chain(crate::PARTS) {
            assert!(replaced(&text, name, "").is_ok(), "{name}");
        }
    }
}
