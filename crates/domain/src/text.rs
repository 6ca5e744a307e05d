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
    /// A character that nobody sees, so that one text looks like another.
    #[error(
        "must not contain U+{:04X}, which is invisible or turns the direction of writing around",
        u32::from(*.0)
    )]
    Invisible(char),
    /// Not `local@domain`.
    #[error("must be an e-mail address, as in name@example.com")]
    NotAnEmail,
}

/// What a text is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// To tell one thing from another, on one line.
    Label,
    /// To tell one thing from another, in as many lines as it takes.
    Description,
    /// To tell one person from another, on one line of few signs.
    Address,
    /// To be read, in as many lines as it takes. Nothing is chosen by it, and a question in Hebrew or Arabic may need marks
    /// of direction.
    Prose,
}

/// Whether it can be neither seen nor missed, or puts what follows elsewhere: by such characters a text passes for another
/// (Trojan Source). Joiners and variation selectors are left to names and comments: emoji and some scripts need them.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{200B}'
            | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{2800}'
            | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E00FF}' | '\u{E01F0}'..='\u{E0FFF}'
    )
}

/// Whether it changes how the characters around it look, if anything.
fn joins_or_varies(c: char) -> bool {
    matches!(
        c,
        '\u{180B}'..='\u{180F}' | '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}'
    )
}

fn checked(text: &str, least: usize, most: usize, kind: Kind) -> Result<String, TextError> {
    let text = text.trim();
    let has = text.chars().count();
    if has < least {
        return Err(TextError::Empty);
    }
    if has > most {
        return Err(TextError::TooLong { most, has });
    }
    let lines = matches!(kind, Kind::Description | Kind::Prose);
    let forbidden = |c: char| c.is_control() && !(lines && matches!(c, '\n' | '\r' | '\t'));
    if text.chars().any(forbidden) {
        return Err(TextError::ControlCharacter);
    }
    let hidden = |c: &char| match kind {
        Kind::Label | Kind::Description => is_invisible(*c),
        Kind::Address => is_invisible(*c) || joins_or_varies(*c),
        Kind::Prose => false,
    };
    match text.chars().find(hidden) {
        Some(invisible) => Err(TextError::Invisible(invisible)),
        None => Ok(text.to_owned()),
    }
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident($least:literal..=$most:literal, $kind:ident);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The most characters it may have.
            pub const MAX: usize = $most;

            /// Trims and checks `text`.
            pub fn new(text: &str) -> Result<Self, TextError> {
                checked(text, $least, $most, Kind::$kind).map(Self)
            }

            /// What a store has, as it is: it was accepted once, by whichever rules.
            pub fn stored(text: &str) -> Self {
                Self(text.to_owned())
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
    Name(1..=100, Label);
    /// What a keypair is for: up to 500 characters, also none.
    Comment(0..=500, Description);
    /// What people are asked: 1 to 1,000 characters.
    QuestionText(1..=1000, Prose);
}

/// An e-mail address, in lower case: what a person signs in with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// Checks that `text` has the form of an address (RFC 5321 §4.5.3.1 for its length).
    pub fn new(text: &str) -> Result<Self, TextError> {
        // Some letters grow with it.
        let text = checked(&text.to_lowercase(), 1, 254, Kind::Address)?;
        let well_formed = text
            .split_once('@')
            .is_some_and(|(local, host)| !local.is_empty() && !host.is_empty() && !host.contains('@'))
            && !text.contains(char::is_whitespace);
        if well_formed { Ok(Self(text)) } else { Err(TextError::NotAnEmail) }
    }

    /// What a store has, as it is: it was accepted once, by whichever rules.
    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
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
    fn what_nobody_sees_is_refused_where_things_are_told_apart() {
        for c in [
            '\u{202A}', '\u{202E}', '\u{2066}', '\u{2069}', '\u{200E}', '\u{200F}', '\u{61C}', '\u{200B}',
            '\u{2060}',
        ] {
            let text = format!("Ac{c}me");
            assert_eq!(Name::new(&text), Err(TextError::Invisible(c)), "{c:?}");
            assert_eq!(Comment::new(&text), Err(TextError::Invisible(c)), "{c:?}");
            assert_eq!(Email::new(&format!("{text}@example.com")), Err(TextError::Invisible(c)), "{c:?}");
            assert_eq!(QuestionText::new(&text).unwrap().as_str(), text);
        }
        for c in ['\u{AD}', '\u{2028}', '\u{2800}', '\u{3164}', '\u{FEFF}', '\u{FFF9}', '\u{E0041}'] {
            assert_eq!(Name::new(&format!("a{c}b")), Err(TextError::Invisible(c)), "{c:?}");
        }
        let told = Name::new("a\u{202E}b").unwrap_err().to_string();
        assert_eq!(
            told,
            "must not contain U+202E, which is invisible or turns the direction of writing around"
        );
    }

    #[test]
    fn every_script_and_emoji_can_name_things() {
        for name in [
            "خانه\u{200C}ها",
            "क\u{94D}\u{200D}ष",
            "👩\u{200D}💻 team",
            "❤\u{FE0F}",
            "葛\u{E0100}城",
            "חנות",
            "Žižkov",
            "Ωmega 株式会社",
        ] {
            assert_eq!(Name::new(name).unwrap().as_str(), name);
            assert_eq!(Comment::new(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn addresses_are_lower_case_and_have_two_sides() {
        assert_eq!(Email::new("Admin@Example.com").unwrap().as_str(), "admin@example.com");
        for bad in ["", "admin", "@example.com", "a@", "a@b@c", "a b@c"] {
            assert!(Email::new(bad).is_err(), "{bad}");
        }
        // Each of these letters is two in lower case.
        assert!(matches!(Email::new(&format!("{}@a.b", "İ".repeat(130))), Err(TextError::TooLong { .. })));
        for c in ['\u{200D}', '\u{FE0F}', '\u{180E}', '\u{E0100}'] {
            let address = format!("admin{c}@example.com");
            assert_eq!(Email::new(&address), Err(TextError::Invisible(c)), "{c:?}");
        }
    }

    #[test]
    fn what_was_accepted_once_can_be_read() {
        let text = "Ac\u{202E}me\u{0}";
        assert_eq!(Name::stored(text).as_str(), text);
        assert_eq!(Email::stored(text).as_str(), text);
    }
}
