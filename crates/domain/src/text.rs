use std::fmt;

use serde::{Serialize, Serializer};

/// Why a text was refused. Reads as the end of "The name …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing but white space where something must stand.
    #[error("must not be empty")]
    Empty,
    /// Longer than it may be.
    #[error("must be at most {most} characters long; it has {has}")]
    TooLong {
        /// The most characters it may have.
        most: usize,
        /// The characters it has.
        has: usize,
    },
    /// A character that can't be shown.
    #[error("must not contain control characters")]
    ControlCharacter,
    /// Not `local@domain`.
    #[error("must be an e-mail address, as in name@example.com")]
    NotAnEmail,
}

fn checked(text: &str, least: usize, most: usize, lines: bool) -> Result<String, TextError> {
    let text = text.trim();
    let has = text.chars().count();
    if has < least {
        return Err(TextError::Empty);
    }
    if has > most {
        return Err(TextError::TooLong { most, has });
    }
    let forbidden = |c: char| c.is_control() && !(lines && matches!(c, '\n' | '\r' | '\t'));
    if text.chars().any(forbidden) {
        return Err(TextError::ControlCharacter);
    }
    Ok(text.to_owned())
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident($least:literal..=$most:literal, lines: $lines:literal);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The most characters it may have.
            pub const MAX: usize = $most;

            /// Trims and checks `text`.
            pub fn new(text: &str) -> Result<Self, TextError> {
                checked(text, $least, $most, $lines).map(Self)
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    )*};
}

texts! {
    /// The name of an account or environment, or a query's title: 1 to 100 characters on one line.
    Name(1..=100, lines: false);
    /// What a keypair is for: up to 500 characters, also none.
    Comment(0..=500, lines: true);
    /// What people are asked: 1 to 1,000 characters.
    QuestionText(1..=1000, lines: true);
}

/// An e-mail address, in lower case: what a person signs in with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Checks that `text` has the form of an address (RFC 5321 §4.5.3.1 for its length).
    pub fn new(text: &str) -> Result<Self, TextError> {
        let text = checked(text, 1, 254, false)?.to_lowercase();
        let well_formed = text
            .split_once('@')
            .is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'))
            && !text.contains(char::is_whitespace);
        if well_formed { Ok(Self(text)) } else { Err(TextError::NotAnEmail) }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!(Name::new("  Acme ").unwrap().as_str(), "Acme");
        assert_eq!(Name::new(" \t "), Err(TextError::Empty));
        assert_eq!(Name::new("a\u{0}b"), Err(TextError::ControlCharacter));
        let long = "x".repeat(10_000);
        assert_eq!(Name::new(&long), Err(TextError::TooLong { most: 100, has: 10_000 }));
    }

    #[test]
    fn comments_may_have_lines_and_markup_and_may_be_empty() {
        assert_eq!(Comment::new("").unwrap().as_str(), "");
        assert_eq!(Comment::new("<b>a</b>\nb").unwrap().as_str(), "<b>a</b>\nb");
    }

    #[test]
    fn addresses_are_lower_case_and_have_two_sides() {
        assert_eq!(Email::new("Admin@Example.com").unwrap().as_str(), "admin@example.com");
        for bad in ["", "admin", "@example.com", "a@", "a@b@c", "a b@c"] {
            assert!(Email::new(bad).is_err(), "{bad}");
        }
    }
}
