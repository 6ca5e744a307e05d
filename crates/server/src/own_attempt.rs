//! Requests that the server makes itself, to show people what a keypair does.

use axum::http::Extensions;

/// Marks a request as the server's own, made at its own door: no program came, so it is no use of the keypair. A mark that
/// no header can bring about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnAttempt;

impl OwnAttempt {
    /// Whether a request with these extensions is one.
    pub(crate) fn is(extensions: &Extensions) -> bool {
        extensions.get::<Self>().is_some()
    }
}
