//! What a page answers when it can't answer: one table of words.

use axum::response::{IntoResponse, Redirect, Response};
use storage::StorageError;

use super::outcome::Outcome;

/// Why there is no page.
#[derive(Clone, Debug)]
pub(super) enum PageError {
    /// Nobody is signed in; the address to come back to.
    SignedOut(String),
    /// There is no such page, or not for this person.
    NotFound,
    /// The form is not one of ours.
    BadForm(String),
    /// An application asks for something in a way that no answer can be sent to.
    Unanswerable(String),
    /// The form is too long.
    TooLarge,
    /// The request did not come from one of our pages.
    CrossSite,
    /// What was asked can't be done as things stand.
    Conflict(String),
    /// The form was sent before and made what it makes: what to say, and where that is listed.
    MadeAlready { title: &'static str, detail: &'static str, list: String },
    /// A one-time link that was used, replaced or has run out.
    DeadLink,
    /// The address exists, but not for this method.
    Method,
    /// A fault of ours; logged where it happened.
    Internal,
    /// The store can't be reached.
    Unavailable,
}

/// The words of a failure, for whoever dresses the answer.
#[derive(Clone, Debug)]
pub(super) struct Words {
    pub(super) title: &'static str,
    pub(super) detail: String,
    /// Where to go on.
    pub(super) way_on: String,
}

impl PageError {
    fn table(&self) -> (Outcome, &'static str, String) {
        match self {
            Self::SignedOut(_) => (Outcome::Elsewhere, "Sign in", String::new()),
            Self::NotFound => (
                Outcome::NotFound,
                "Page not found",
                "There is nothing at this address, or you have no access to it.".to_owned(),
            ),
            Self::BadForm(what) => {
                (Outcome::Unreadable, "The form can't be read", format!("{what} Nothing was changed."))
            }
            Self::Unanswerable(why) => (
                Outcome::Unreadable,
                "The application can't be let in",
                format!("It can't be told who asks: {why}. Nothing was allowed, and nothing was sent to it."),
            ),
            Self::TooLarge => (
                Outcome::TooLarge,
                "That is too much",
                "The form is longer than any of ours can be. Nothing was changed.".to_owned(),
            ),
            Self::CrossSite => (
                Outcome::Forged,
                "Refused",
                "This request did not come from a page of Feedback. Nothing was changed.".to_owned(),
            ),
            Self::Conflict(what) => {
                (Outcome::Conflict, "That can't be done", format!("{what} Nothing was changed."))
            }
            Self::MadeAlready { title, detail, .. } => (Outcome::Conflict, title, (*detail).to_owned()),
            Self::DeadLink => (
                Outcome::NotFound,
                "This link no longer works",
                "It was used already, replaced by another, or has run out. Ask for a new one.".to_owned(),
            ),
            Self::Method => (
                Outcome::WrongMethod,
                "Not possible here",
                "This address does not take that kind of request.".to_owned(),
            ),
            Self::Internal => (
                Outcome::Internal,
                "Something went wrong",
                "The fault is ours and has been noted. Please try again in a while.".to_owned(),
            ),
            Self::Unavailable => (
                Outcome::Unavailable,
                "Not available right now",
                "Feedback can't reach its data. Please try again in a while.".to_owned(),
            ),
        }
    }

    /// The failure that stands for an answer that came from elsewhere.
    pub(super) fn standing_for(outcome: Outcome) -> Self {
        match outcome {
            Outcome::NotFound => Self::NotFound,
            Outcome::WrongMethod => Self::Method,
            Outcome::TooLarge => Self::TooLarge,
            Outcome::Forged => Self::CrossSite,
            Outcome::Unavailable => Self::Unavailable,
            Outcome::Unreadable => Self::BadForm("The request makes no sense here.".to_owned()),
            _ => Self::Internal,
        }
    }

    /// Its title and sentence, and where to go on.
    pub(super) fn words(&self) -> Words {
        let (_, title, detail) = self.table();
        let way_on = match self {
            Self::MadeAlready { list, .. } => list.clone(),
            _ => "/".to_owned(),
        };
        Words { title, detail, way_on }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        if let Self::SignedOut(next) = &self {
            let to = if next.is_empty() || next == "/" {
                "/sign-in".to_owned()
            } else {
                format!("/sign-in?next={}", encoded(next))
            };
            return Redirect::to(&to).into_response();
        }
        let (outcome, ..) = self.table();
        let mut response = outcome.with(());
        // The page itself is made where the request's name is known.
        response.extensions_mut().insert(self.words());
        response
    }
}

impl From<StorageError> for PageError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::NotFound | StorageError::Closed | StorageError::NotAllowed => Self::NotFound,
            // The session was ended between the door and the change.
            StorageError::Fallen(_) => Self::SignedOut(String::new()),
            StorageError::Moved => {
                Self::Conflict("Somebody else changed it in the meantime; load the page again.".to_owned())
            }
            StorageError::Exists => Self::Conflict("It exists already.".to_owned()),
            StorageError::LastAdministrator => Self::Conflict(LAST_ADMINISTRATOR.to_owned()),
            StorageError::Unavailable(_) => {
                tracing::error!(%error, "a page could not be made");
                Self::Unavailable
            }
            StorageError::NotOpen(_)
            | StorageError::TooNew { .. }
            | StorageError::Corrupt(_)
            | StorageError::NotHere(_) => {
                tracing::error!(%error, "a page could not be made");
                Self::Internal
            }
        }
    }
}

impl From<askama::Error> for PageError {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "a page could not be rendered");
        Self::Internal
    }
}

/// Said when an account would be left without anybody to administer it.
pub(super) const LAST_ADMINISTRATOR: &str =
    "This is the last administrator of the account. Make somebody else an administrator first.";

/// `text` percent-encoded, for a query.
pub(super) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
