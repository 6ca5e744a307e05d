//! What comes of a request, and its status: the one table of the Web UI's statuses. Nothing else here names one.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The page asked for.
    Shown,
    /// Something was made, and the page shows it.
    Created,
    /// The answer is elsewhere.
    Elsewhere,
    /// The browser has it already.
    Unchanged,
    /// The address or the form is not one that our pages lead to.
    Unreadable,
    /// The request did not come from one of our pages.
    Forged,
    /// There is nothing, or not for this person.
    NotFound,
    /// The address takes no such request.
    WrongMethod,
    /// As things stand, it can't be done.
    Conflict,
    /// Longer than any form of ours.
    TooLarge,
    /// A field does not hold what it should; the page says which.
    Invalid,
    /// Too many attempts; the seconds to wait.
    TooMany(i64),
    /// A fault of ours.
    Internal,
    /// The store can't be reached.
    Unavailable,
}

impl Outcome {
    fn table(self) -> (StatusCode, Option<i64>) {
        match self {
            Self::Shown => (StatusCode::OK, None),
            Self::Created => (StatusCode::CREATED, None),
            Self::Elsewhere => (StatusCode::SEE_OTHER, None),
            Self::Unchanged => (StatusCode::NOT_MODIFIED, None),
            Self::Unreadable => (StatusCode::BAD_REQUEST, None),
            Self::Forged => (StatusCode::FORBIDDEN, None),
            Self::NotFound => (StatusCode::NOT_FOUND, None),
            Self::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, None),
            Self::Conflict => (StatusCode::CONFLICT, None),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, None),
            Self::Invalid => (StatusCode::UNPROCESSABLE_ENTITY, None),
            Self::TooMany(seconds) => (StatusCode::TOO_MANY_REQUESTS, Some(seconds)),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, None),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, Some(5)),
        }
    }

    /// What a status means that was chosen elsewhere, such as by the router.
    pub(super) fn of(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::WrongMethod,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::FORBIDDEN => Self::Forged,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            other if other.is_client_error() => Self::Unreadable,
            _ => Self::Internal,
        }
    }

    /// The answer with `content` that says so.
    pub(super) fn with(self, content: impl IntoResponse) -> Response {
        let (status, retry_after) = self.table();
        let mut response = (status, content).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
