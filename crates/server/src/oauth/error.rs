//! Every way in which the Authorization Server refuses: the one table of statuses.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::MAX_REVOKED;
use serde_json::json;
use storage::StorageError;

use super::dpop::ProofRefused;
use super::form::FormError;

/// Why a request was refused (RFC 6749 §5.2, RFC 8707 §2).
#[derive(Debug, thiserror::Error)]
pub(crate) enum OAuthError {
    /// Something is missing, repeated or malformed; says what to mend.
    #[error("{0}")]
    InvalidRequest(String),
    /// The client is not who it says, whatever the reason.
    #[error(
        "the Key ID and the Key Secret or assertion do not open anything: unknown, wrong, used, disabled, expired, removed, or not to be used from this address"
    )]
    InvalidClient {
        /// Whether it used the `Authorization` header.
        by_header: bool,
    },
    /// It did not say who it is.
    #[error(
        "client authentication is missing: send the Key ID and the Key Secret, either with HTTP Basic or as client_id and client_secret in the body, or a client_assertion"
    )]
    NoClient,
    /// An application that does not exist, or no longer.
    #[error("there is no such application, or no longer; register it, and send its client_id")]
    UnknownApplication,
    /// It uses the `Authorization` header in a way that is not served.
    #[error("the Authorization header must be HTTP Basic with the Key ID and the Key Secret")]
    OtherScheme,
    /// A grant that is not served.
    #[error("the grant type is not supported; use client_credentials, authorization_code or refresh_token")]
    UnsupportedGrantType,
    /// A keypair, which asks for what only applications get.
    #[error("a keypair gets no codes and no refresh tokens; use client_credentials")]
    UnauthorizedClient,
    /// An application, which asks for what only keypairs get.
    #[error("an application gets tokens in a person's name only; use authorization_code or refresh_token")]
    ApplicationAlone,
    /// A code or refresh token that is good for nothing; says why as far as it helps.
    #[error("{0}")]
    InvalidGrant(&'static str),
    /// A scope that does not exist or that the keypair may not request; names it.
    #[error("{0}")]
    InvalidScope(#[from] domain::ScopeError),
    /// The DPoP proof does not hold, or is missing (RFC 9449 §5); says what to mend.
    #[error("{0}")]
    InvalidProof(&'static str),
    /// A resource that is not the Feedback API.
    #[error(
        "the resource is not served here: use the Feedback API's base URL or the URL of one environment that the token would reach"
    )]
    InvalidTarget,
    /// The endpoint takes POST only.
    #[error("this endpoint takes POST only")]
    MethodNotAllowed,
    /// There is nothing at this address.
    #[error("there is nothing at this address; see /.well-known/oauth-authorization-server")]
    NoSuchAddress,
    /// There is too much to do.
    #[error("more requests come than can be served; try again in a second")]
    Overloaded,
    /// No more revoked tokens of the keypair can be kept, until the first of them has expired.
    #[error(
        "{MAX_REVOKED} revoked tokens of this keypair are kept already, and no more can be; to end further ones, \
         disable the keypair or delete the secret that obtained them"
    )]
    TooManyRevoked {
        /// How many seconds until then.
        seconds: i64,
    },
    /// The client failed to say who it is too often.
    #[error("too many requests with wrong credentials came from this address; wait before the next")]
    TooManyFailures {
        /// How many seconds to wait.
        seconds: i64,
    },
    /// The keypair obtains too many tokens.
    #[error("the keypair has obtained as many tokens as it may in a minute; use each until it expires")]
    TooManyTokens {
        /// How many seconds to wait.
        seconds: i64,
    },
    /// Something failed inside.
    #[error("the server can't answer right now; try again")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl OAuthError {
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::InvalidRequest(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::InvalidClient { .. } | Self::NoClient | Self::UnknownApplication | Self::OtherScheme => {
                (StatusCode::UNAUTHORIZED, "invalid_client")
            }
            Self::UnsupportedGrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            Self::UnauthorizedClient | Self::ApplicationAlone => {
                (StatusCode::BAD_REQUEST, "unauthorized_client")
            }
            Self::InvalidGrant(_) => (StatusCode::BAD_REQUEST, "invalid_grant"),
            Self::InvalidScope(_) => (StatusCode::BAD_REQUEST, "invalid_scope"),
            Self::InvalidProof(_) => (StatusCode::BAD_REQUEST, "invalid_dpop_proof"),
            Self::InvalidTarget => (StatusCode::BAD_REQUEST, "invalid_target"),
            Self::TooManyFailures { .. } | Self::TooManyTokens { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable")
            }
            Self::NoSuchAddress => (StatusCode::NOT_FOUND, "invalid_request"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "invalid_request"),
            Self::Overloaded | Self::TooManyRevoked { .. } | Self::Unavailable(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable")
            }
        }
    }
}

impl From<StorageError> for OAuthError {
    fn from(error: StorageError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<ProofRefused> for OAuthError {
    fn from(refused: ProofRefused) -> Self {
        match refused {
            ProofRefused::Invalid(why) => Self::InvalidProof(why),
            ProofRefused::TooMany => Self::Overloaded,
        }
    }
}

impl From<FormError> for OAuthError {
    fn from(error: FormError) -> Self {
        Self::InvalidRequest(error.to_string())
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let (status, code) = self.status_and_code();
        let body = json!({"error": code, "error_description": printable(&self.to_string())});
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::InvalidClient { by_header: true } | Self::OtherScheme => {
                headers.insert(
                    header::WWW_AUTHENTICATE,
                    HeaderValue::from_static(r#"Basic realm="Feedback", charset="UTF-8""#),
                );
            }
            Self::MethodNotAllowed => {
                headers.insert(header::ALLOW, HeaderValue::from_static("POST"));
            }
            Self::TooManyRevoked { seconds }
            | Self::TooManyFailures { seconds }
            | Self::TooManyTokens { seconds } => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Self::Overloaded => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::Unavailable(error) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
                tracing::error!(%error, "the Authorization Server failed");
            }
            _ => {}
        }
        response
    }
}

/// The characters that an error description may have (RFC 6749 §4.1.2.1, §5.2): what a client sent may be quoted in it.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '"' | '`' => '\'',
            ' '..='~' if c != '\\' => c,
            _ => '?',
        })
        .collect()
}

pub(super) async fn method_not_allowed() -> OAuthError {
    OAuthError::MethodNotAllowed
}

pub(super) async fn no_such_address() -> OAuthError {
    OAuthError::NoSuchAddress
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_to_come_back_hears_when() {
        let errors = [
            OAuthError::Overloaded,
            OAuthError::Unavailable("the store".into()),
            OAuthError::TooManyFailures { seconds: 1 },
            OAuthError::TooManyTokens { seconds: 1 },
            OAuthError::TooManyRevoked { seconds: 1 },
        ];
        for error in errors {
            assert_eq!(error.into_response().headers()[header::RETRY_AFTER], "1");
        }
    }
}
