//! Proving to be somebody by a password. The only place where one is tried, so that each try is counted.

use std::net::IpAddr;

use domain::{Email, PasswordHash, User};
use storage::StorageError;

use super::failure::PageError;
use super::outcome::Outcome;
use super::throttle::Throttle;
use crate::app::App;
use crate::passwords::Password;

/// Why a password proved nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unproven {
    /// Nobody of that e-mail has it.
    Wrong,
    /// It was not tried: there were too many attempts. The seconds to wait.
    Wait(i64),
}

impl Unproven {
    /// What it makes of the request.
    pub(super) fn outcome(self) -> Outcome {
        match self {
            Self::Wrong => Outcome::Invalid,
            Self::Wait(seconds) => Outcome::TooMany(seconds),
        }
    }

    /// What to say; `wrong` if it was tried.
    pub(super) fn words(self, wrong: &str) -> String {
        match self {
            Self::Wrong => wrong.to_owned(),
            Self::Wait(..=60) => "Too many attempts. Wait a minute, then try again.".to_owned(),
            Self::Wait(seconds) => {
                format!("Too many attempts. Wait {} minutes, then try again.", (seconds + 59) / 60)
            }
        }
    }
}

/// The person whose e-mail was typed and whose password this is, with the hash that it was verified against.
pub(super) async fn prove(
    app: &App,
    throttle: &Throttle,
    typed: &str,
    password: &Password,
    address: Option<IpAddr>,
) -> Result<Result<(User, PasswordHash), Unproven>, PageError> {
    match throttle.try_attempt(typed, address, app.clock.now()) {
        Ok(delay) => tokio::time::sleep(delay).await,
        Err(seconds) => return Ok(Err(Unproven::Wait(seconds))),
    }
    let found = match Email::new(typed) {
        Ok(email) => match app.store.user_by_email(&email).await {
            Ok(found) => Some(found),
            Err(StorageError::NotFound) => None,
            Err(error) => return Err(error.into()),
        },
        Err(_) => None,
    };
    // As much work for nobody as for somebody.
    let right = app.passwords.verify(password, found.as_ref().map(|(_, hash)| hash)).await;
    Ok(match found {
        Some(found) if right => {
            throttle.success(typed, address, app.clock.now());
            Ok(found)
        }
        _ => Err(Unproven::Wrong),
    })
}
