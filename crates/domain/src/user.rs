use std::fmt;

use jiff::Timestamp;

use crate::{Email, UserId};

/// A person who signs in to the Web UI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `usr_…`
    pub id: UserId,
    /// What the person signs in with; unique.
    pub email: Email,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A password's Argon2id hash as a PHC string. Does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// From what was computed, or what a store kept.
    pub fn from_phc(phc: String) -> Self {
        Self(phc)
    }

    /// The PHC string.
    pub fn as_phc(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}
