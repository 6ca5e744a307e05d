//! Every way in which the API does not do what it was asked: one table from error to status and code, rendered in
//! one place.

use std::error::Error;
use std::sync::Arc;

use axum::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::{AssertionAlgorithm, Fallen, KeypairRefusal, MAX_SECRETS, Scope, Scopes};
use storage::StorageError;

use super::shapes::{FieldError, Problem};
use crate::app::App;
use crate::keypairs::KeypairError;
use crate::oauth::access_token::Scheme;

/// Why a request was not carried out.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// There is no token.
    NoToken,
    /// The token is not one of ours, outlived, or not bound as it is presented; how it should be presented.
    InvalidToken(Scheme),
    /// The DPoP proof beside the token does not hold, or is missing; what to mend.
    InvalidProof(&'static str),
    /// The token is given in a way other than one `Authorization` header.
    MisplacedToken(&'static str),
    /// The token, presented so, has none of the scopes, any of which would do.
    MissingScope(Scheme, &'static [Scope]),
    /// The token, presented so, had these scopes when the request came, and lost them before the change was made.
    LostScopes(Scheme, Scopes),
    /// The caller would hand on scopes that its own token lacks.
    BeyondCaller(Scopes),
    /// There is no such object within the token's reach.
    NotFound,
    /// There is nothing at this address.
    NoSuchAddress,
    /// There is something at this address, but not for this method.
    WrongMethod,
    /// The body is not JSON.
    MalformedJson(String),
    /// Fields of the body are not as they should be.
    BadFields(Vec<FieldError>),
    /// Parameters in the query are not as they should be.
    BadParameters(Vec<FieldError>),
    /// A header is not as it should be.
    BadHeader(&'static str),
    /// The body is not said to be JSON.
    NotJson,
    /// The body is longer than it may be.
    TooLarge,
    /// The object is no longer of the version in `If-Match`.
    Moved,
    /// The keypair has as many secrets as it can have.
    TooManySecrets,
    /// The keypair would be left without a secret.
    LastSecret,
    /// A rule about keypairs stands against it: which kind of problem that is, and the rule.
    KeypairRule(&'static ProblemKind, KeypairRefusal),
    /// Something else has that name already.
    Exists,
    /// There is too much to do.
    Overloaded,
    /// What it takes to answer can't be reached.
    Unavailable(Box<dyn Error + Send + Sync>),
    /// A fault of ours.
    Internal(Box<dyn Error + Send + Sync>),
    /// A handler panicked; what it said is for the log.
    Panicked(String),
}

/// A kind of problem: what a client's program can tell apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProblemKind {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// The stable name.
    pub(crate) code: &'static str,
    /// The kind in words.
    pub(crate) title: &'static str,
}

macro_rules! problem_kinds {
    ($($name:ident = $status:ident, $code:literal, $title:literal;)*) => {
        $(const $name: ProblemKind = ProblemKind { status: StatusCode::$status, code: $code, title: $title };)*

        /// Every kind of problem that the API answers with.
        pub(crate) const PROBLEM_KINDS: &[ProblemKind] = &[$($name),*];
    };
}

problem_kinds! {
    INVALID_REQUEST = BAD_REQUEST, "invalid_request", "The token is not given as it should be";
    MALFORMED_JSON = BAD_REQUEST, "malformed_json", "The body is not well-formed JSON";
    INVALID_BODY = BAD_REQUEST, "invalid_body", "The body is not as it should be";
    INVALID_PARAMETER = BAD_REQUEST, "invalid_parameter", "The parameters are not as they should be";
    INVALID_HEADER = BAD_REQUEST, "invalid_header", "A header is not as it should be";
    TOKEN_REQUIRED = UNAUTHORIZED, "token_required", "A token is needed";
    INVALID_TOKEN = UNAUTHORIZED, "invalid_token", "The token is not valid";
    INVALID_DPOP_PROOF = UNAUTHORIZED, "invalid_dpop_proof", "The DPoP proof is not valid";
    INSUFFICIENT_SCOPE = FORBIDDEN, "insufficient_scope", "The token lacks a scope";
    ADDRESSES_BEYOND_CALLER = FORBIDDEN, "addresses_beyond_caller", "The keypair could be used from where the caller's may not";
    NOT_FOUND = NOT_FOUND, "not_found", "Not found";
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not allowed here";
    TOO_MANY_SECRETS = CONFLICT, "too_many_secrets", "The keypair has as many secrets as it can have";
    LAST_SECRET = CONFLICT, "last_secret", "The keypair needs this secret";
    TOO_MANY_PUBLIC_KEYS = CONFLICT, "too_many_public_keys", "The keypair has as many public keys as it can have";
    LAST_PUBLIC_KEY = CONFLICT, "last_public_key", "The keypair needs this public key";
    PUBLIC_KEY_NEEDED = CONFLICT, "public_key_needed", "The keypair needs a public key first";
    SECRETS_NOT_ACCEPTED = CONFLICT, "secrets_not_accepted", "The keypair accepts no secrets";
    ALREADY_EXISTS = CONFLICT, "already_exists", "It exists already";
    PRECONDITION_FAILED = PRECONDITION_FAILED, "precondition_failed", "The object was changed in the meantime";
    BODY_TOO_LARGE = PAYLOAD_TOO_LARGE, "body_too_large", "The body is too large";
    UNSUPPORTED_MEDIA_TYPE = UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "The body is not JSON";
    INTERNAL_ERROR = INTERNAL_SERVER_ERROR, "internal_error", "Something went wrong on our side";
    OVERLOADED = SERVICE_UNAVAILABLE, "overloaded", "There is too much to do";
    UNAVAILABLE = SERVICE_UNAVAILABLE, "unavailable", "The service can't answer right now";
}

impl ApiError {
    /// The table: nothing else in the API chooses a status.
    fn kind(&self) -> &'static ProblemKind {
        match self {
            Self::MisplacedToken(_) => &INVALID_REQUEST,
            Self::MalformedJson(_) => &MALFORMED_JSON,
            Self::BadFields(_) => &INVALID_BODY,
            Self::BadParameters(_) => &INVALID_PARAMETER,
            Self::BadHeader(_) => &INVALID_HEADER,
            Self::NoToken => &TOKEN_REQUIRED,
            Self::InvalidToken(_) => &INVALID_TOKEN,
            Self::InvalidProof(_) => &INVALID_DPOP_PROOF,
            Self::MissingScope(..) | Self::LostScopes(..) | Self::BeyondCaller(_) => &INSUFFICIENT_SCOPE,
            Self::NotFound | Self::NoSuchAddress => &NOT_FOUND,
            Self::WrongMethod => &METHOD_NOT_ALLOWED,
            Self::TooManySecrets => &TOO_MANY_SECRETS,
            Self::LastSecret => &LAST_SECRET,
            Self::KeypairRule(kind, _) => kind,
            Self::Exists => &ALREADY_EXISTS,
            Self::Moved => &PRECONDITION_FAILED,
            Self::TooLarge => &BODY_TOO_LARGE,
            Self::NotJson => &UNSUPPORTED_MEDIA_TYPE,
            Self::Internal(_) | Self::Panicked(_) => &INTERNAL_ERROR,
            Self::Overloaded => &OVERLOADED,
            Self::Unavailable(_) => &UNAVAILABLE,
        }
    }

    /// What to mend, for people.
    fn detail(&self) -> String {
        match self {
            Self::NoToken => "Send an access token: `Authorization: Bearer …`.".to_owned(),
            Self::InvalidToken(Scheme::Bearer) => {
                "The token is malformed, has expired or was revoked; obtain another at the token endpoint."
                    .to_owned()
            }
            Self::InvalidToken(Scheme::Dpop) => {
                "The token is malformed, has expired, was revoked, or is not bound to the key of the proof; send \
                 `Authorization: DPoP …` and a proof signed with the key that the token was obtained with."
                    .to_owned()
            }
            Self::InvalidProof(why) => format!("Of the DPoP proof: {why}."),
            Self::MisplacedToken(detail) | Self::BadHeader(detail) => (*detail).to_owned(),
            Self::MissingScope(_, any_of) => match any_of {
                [scope] => format!("This needs a token with the scope `{scope}`."),
                several => {
                    let names: Vec<_> = several.iter().map(|scope| format!("`{scope}`")).collect();
                    format!("This needs a token with one of the scopes {}.", names.join(", "))
                }
            },
            Self::LostScopes(_, scopes) => {
                format!("The keypair may not request `{scopes}` any more, so this token has lost what this rests on.")
            }
            Self::BeyondCaller(scopes) => {
                format!("A token can't hand on what it lacks itself: `{scopes}`.")
            }
            Self::NotFound => "There is no such object within the token's reach.".to_owned(),
            Self::NoSuchAddress => "There is nothing at this address; see /docs.".to_owned(),
            Self::WrongMethod => {
                "The address exists, but not for this method; see the header `Allow`.".to_owned()
            }
            Self::MalformedJson(detail) => format!("The body can't be read as JSON: {detail}."),
            Self::BadFields(errors) | Self::BadParameters(errors) => match errors.as_slice() {
                [one] if one.field.is_empty() => format!("The body: {}.", one.detail),
                [one] => format!("`{}`: {}.", one.field, one.detail),
                several => format!("{} things are to be mended; see `errors`.", several.len()),
            },
            Self::NotJson => "Send the body as JSON, with `Content-Type: application/json`.".to_owned(),
            Self::TooLarge => "The body is longer than this address takes.".to_owned(),
            Self::Moved => {
                "The object is no longer of the version in `If-Match`; read it again and decide anew."
                    .to_owned()
            }
            Self::TooManySecrets => format!("A keypair has at most {MAX_SECRETS} secrets; delete one first."),
            Self::LastSecret => {
                "The last way to authenticate can't be deleted; rotate or add a public key first, or remove the keypair."
                    .to_owned()
            }
            Self::KeypairRule(_, rule) => {
                let rule = rule.to_string();
                let (first, rest) = rule.split_at_checked(1).unwrap_or_default();
                format!("{}{rest}.", first.to_uppercase())
            }
            Self::Exists => "Something else has that name already.".to_owned(),
            Self::Overloaded => "More requests come than can be served; try again in a second.".to_owned(),
            Self::Unavailable(_) => "Try again in a second.".to_owned(),
            Self::Internal(_) | Self::Panicked(_) => {
                "It was logged under this request's id; nothing in the request needs mending.".to_owned()
            }
        }
    }

    fn errors(&self) -> Vec<FieldError> {
        match self {
            Self::BadFields(errors) | Self::BadParameters(errors) => errors.clone(),
            _ => Vec::new(),
        }
    }

    /// The challenge to a client that has no token, no good one, or one that does not suffice (RFC 6750 §3, RFC 9449
    /// §7.1).
    fn challenge(&self, app: &App) -> Option<String> {
        let issuer = app.config.issuer();
        let metadata = format!("resource_metadata=\"{issuer}/.well-known/oauth-protected-resource/v1\"");
        let base = match self {
            Self::InvalidProof(_)
            | Self::InvalidToken(Scheme::Dpop)
            | Self::MissingScope(Scheme::Dpop, _)
            | Self::LostScopes(Scheme::Dpop, _) => {
                format!("DPoP algs=\"{}\", {metadata}", AssertionAlgorithm::NAMES.join(" "))
            }
            _ => format!("Bearer {metadata}"),
        };
        match self {
            Self::NoToken => Some(base),
            Self::InvalidToken(_) => Some(format!("{base}, error=\"invalid_token\"")),
            Self::InvalidProof(_) => Some(format!("{base}, error=\"invalid_dpop_proof\"")),
            Self::MisplacedToken(_) => Some(format!("{base}, error=\"invalid_request\"")),
            Self::MissingScope(_, any_of) => {
                let scopes: Scopes = any_of.iter().copied().collect();
                Some(format!("{base}, error=\"insufficient_scope\", scope=\"{scopes}\""))
            }
            Self::LostScopes(_, scopes) | Self::BeyondCaller(scopes) => {
                Some(format!("{base}, error=\"insufficient_scope\", scope=\"{scopes}\""))
            }
            _ => None,
        }
    }

    /// One line for what is ours to mend; a client's mistakes are not.
    fn log(&self) {
        match self {
            Self::Internal(error) => tracing::error!(%error, "a request failed"),
            Self::Panicked(said) => tracing::error!(said, "a handler panicked"),
            Self::Unavailable(error) => tracing::warn!(%error, "a request could not be answered"),
            _ => {}
        }
    }

    fn render(&self, app: &App, request_id: &str) -> Response {
        self.log();
        let kind = self.kind();
        let problem = Problem {
            kind: format!("{}/docs#problem-{}", app.config.issuer(), kind.code),
            title: kind.title,
            status: kind.status.as_u16(),
            code: kind.code,
            detail: self.detail(),
            request_id: request_id.to_owned(),
            errors: self.errors(),
        };
        let mut response = (kind.status, axum::Json(problem)).into_response();
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        };
        set(CONTENT_TYPE, "application/problem+json");
        if let Some(challenge) = self.challenge(app) {
            set(WWW_AUTHENTICATE, &challenge);
        }
        if kind.status == StatusCode::SERVICE_UNAVAILABLE {
            set(RETRY_AFTER, "1");
        }
        response
    }
}

/// The error on its way out: [`rendered`] makes a problem of it.
#[derive(Clone)]
struct Raised(Arc<ApiError>);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.kind().status;
        let mut response = status.into_response();
        response.extensions_mut().insert(Raised(Arc::new(self)));
        response
    }
}

/// The boundary of the API: makes a problem of an error and logs what is ours to mend. Answers are not for caches.
pub(crate) fn rendered(mut response: Response, app: &App, request_id: &str) -> Response {
    if let Some(Raised(error)) = response.extensions_mut().remove() {
        let allow = response.headers_mut().remove(ALLOW);
        response = error.render(app, request_id);
        if let Some(allow) = allow {
            response.headers_mut().insert(ALLOW, allow);
        }
    }
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

impl From<StorageError> for ApiError {
    fn from(error: StorageError) -> Self {
        match error {
            // What is closed is out of every token's reach; here it was closed in the middle of the request.
            StorageError::NotFound | StorageError::Closed => Self::NotFound,
            StorageError::Moved => Self::Moved,
            StorageError::NotAllowed => Self::InvalidToken(Scheme::Bearer),
            StorageError::Fallen(fallen) => fallen.into(),
            StorageError::Exists => Self::Exists,
            StorageError::Unavailable(_) => Self::Unavailable(error.into()),
            StorageError::LastAdministrator
            | StorageError::NotOpen(_)
            | StorageError::TooNew { .. }
            | StorageError::Corrupt(_)
            | StorageError::NotHere(_) => Self::Internal(error.into()),
        }
    }
}

impl From<Fallen> for ApiError {
    /// What the door would have said.
    fn from(fallen: Fallen) -> Self {
        match fallen {
            Fallen::Outlived(_, confirmation) => Self::InvalidToken(Scheme::of(confirmation)),
            Fallen::Lacks(scopes, confirmation) => Self::LostScopes(Scheme::of(confirmation), scopes),
            Fallen::Client | Fallen::Session => Self::InvalidToken(Scheme::Bearer),
            Fallen::Networks => {
                Self::KeypairRule(&ADDRESSES_BEYOND_CALLER, KeypairRefusal::CallersAddressesChanged)
            }
        }
    }
}

impl From<KeypairError> for ApiError {
    fn from(error: KeypairError) -> Self {
        match error {
            KeypairError::Store(error) => error.into(),
            KeypairError::Refused(refusal) => match refusal {
                KeypairRefusal::Scopes(error) => Self::BadFields(vec![FieldError::new("scopes", error)]),
                KeypairRefusal::NoScopeUsed => Self::BadFields(vec![FieldError::new("scopes", refusal)]),
                KeypairRefusal::ExpiryInThePast => {
                    Self::BadFields(vec![FieldError::new("expires_at", refusal)])
                }
                KeypairRefusal::UnmetBinding(_) => {
                    Self::BadFields(vec![FieldError::new("token_binding", refusal)])
                }
                KeypairRefusal::Overlap => Self::BadFields(vec![FieldError::new("overlap_seconds", refusal)]),
                KeypairRefusal::Idle => {
                    Self::BadFields(vec![FieldError::new("retire_when_idle_seconds", refusal)])
                }
                KeypairRefusal::BeyondCaller(scopes) => Self::BeyondCaller(scopes),
                KeypairRefusal::BeyondCallersAddresses(_) | KeypairRefusal::CallersAddressesChanged => {
                    Self::KeypairRule(&ADDRESSES_BEYOND_CALLER, refusal)
                }
                KeypairRefusal::TooManySecrets => Self::TooManySecrets,
                KeypairRefusal::LastSecret => Self::LastSecret,
                KeypairRefusal::NoSuchSecret | KeypairRefusal::NoSuchPublicKey => Self::NotFound,
                KeypairRefusal::TooManyPublicKeys => Self::KeypairRule(&TOO_MANY_PUBLIC_KEYS, refusal),
                KeypairRefusal::SamePublicKey => Self::KeypairRule(&ALREADY_EXISTS, refusal),
                KeypairRefusal::LastPublicKey => Self::KeypairRule(&LAST_PUBLIC_KEY, refusal),
                KeypairRefusal::NeedsPublicKey => Self::KeypairRule(&PUBLIC_KEY_NEEDED, refusal),
                KeypairRefusal::SecretsNotAccepted => Self::KeypairRule(&SECRETS_NOT_ACCEPTED, refusal),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_on_statuses_names_every_kind_of_problem() {
        let page = include_str!("../../../../docs/http-status-codes.md");
        for kind in PROBLEM_KINDS {
            let row = format!("| {} | `{}` | {} |", kind.status.as_u16(), kind.code, kind.title);
            assert!(page.contains(&row), "docs/http-status-codes.md lacks: {row}");
        }
    }

    #[test]
    fn codes_are_unique() {
        let mut codes: Vec<_> = PROBLEM_KINDS.iter().map(|kind| kind.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), PROBLEM_KINDS.len());
    }
}
