//! Why a command did nothing: one line for people, naming what to mend.

use std::fmt;

use storage::StorageError;

use crate::keypairs::KeypairError;

/// What a command answers.
pub(super) type Result<T, E = Failure> = std::result::Result<T, E>;

/// One line that says what was wrong.
#[derive(Debug)]
pub(super) struct Failure(String);

impl Failure {
    /// A failure with that line.
    pub(super) fn new(line: impl fmt::Display) -> Self {
        Self(line.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Ends a command with a line that tells what the error was about.
pub(super) trait About<T> {
    /// `what` names the object, as in `keypair key_…`.
    fn about(self, what: impl fmt::Display) -> Result<T>;
}

impl<T> About<T> for storage::Result<T> {
    fn about(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| store_failure(&error, what))
    }
}

impl<T> About<T> for std::result::Result<T, KeypairError> {
    fn about(self, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| match error {
            KeypairError::Refused(refusal) => Failure::new(refusal),
            KeypairError::Store(error) => store_failure(&error, what),
        })
    }
}

fn store_failure(error: &StorageError, what: impl fmt::Display) -> Failure {
    Failure(match error {
        StorageError::NotFound => format!("there is no {what}"),
        StorageError::Closed => format!("{what} is closed"),
        StorageError::Moved => format!("{what} was changed in the meantime; look at it and try again"),
        StorageError::Exists => format!("{what} exists already"),
        StorageError::LastAdministrator => {
            "an account needs at least one administrator; grant the role to somebody else first, or close the account"
                .to_owned()
        }
        error => error.to_string(),
    })
}
