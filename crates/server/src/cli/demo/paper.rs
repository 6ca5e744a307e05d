//! What the demo prints. All of it is a script for bash: prose and answers are comments, so that any part can be pasted.

use std::path::Path;

use serde_json::Value;

use super::client::Answer;
use crate::cli::failure::Result;
use crate::cli::output::line;

/// How much is shown of a token, and of a list.
const TEXT: usize = 70;
const ITEMS: usize = 3;

/// A heading.
pub(super) fn heading(text: &str) -> Result<()> {
    line(format!("\n# === {text} ==="))
}

/// Prose.
pub(super) fn prose(text: &str) -> Result<()> {
    text.lines().try_for_each(|text| line(format!("# {text}").trim_end()))
}

/// A command, as it is pasted.
pub(super) fn command(text: &str) -> Result<()> {
    line(text)
}

/// An answer, cut where it is long.
pub(super) fn answer(answer: &Answer) -> Result<()> {
    line(format!("#   {}", answer.status))?;
    if let Some(challenge) = answer.headers.get("www-authenticate").and_then(|value| value.to_str().ok()) {
        line(format!("#   WWW-Authenticate: {challenge}"))?;
    }
    let text = serde_json::to_string_pretty(&cut(&answer.body)).unwrap_or_default();
    text.lines().try_for_each(|text| line(format!("#   {text}")))
}

fn cut(value: &Value) -> Value {
    match value {
        Value::String(text) if !text.contains(' ') && text.chars().count() > TEXT => {
            Value::String(text.chars().take(TEXT / 2).chain(['…']).collect())
        }
        Value::Array(items) => {
            let more =
                (items.len() > ITEMS).then(|| Value::String(format!("… {} more", items.len() - ITEMS)));
            items.iter().take(ITEMS).map(cut).chain(more).collect()
        }
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), cut(value))).collect(),
        other => other.clone(),
    }
}

/// `text` as one word of bash.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A path as one word of bash.
pub(super) fn quoted_path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_anything_in_them_stay_one_word() {
        assert_eq!(quoted("/tmp/a-b_1"), "/tmp/a-b_1");
        assert_eq!(quoted("/tmp/a b"), "'/tmp/a b'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn long_answers_are_cut() {
        let cut = cut(&serde_json::json!({"token": "x".repeat(100), "items": [1, 2, 3, 4, 5]}));
        assert_eq!(cut["items"], serde_json::json!([1, 2, 3, "… 2 more"]));
        assert_eq!(cut["token"].as_str().unwrap().chars().count(), TEXT / 2 + 1);
    }
}
