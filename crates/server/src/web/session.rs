//! Being signed in: a random token in a cookie, of which the store has only the hash.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{Actor, PasswordHash, SecretHash, Standing, User, UserId};
use jiff::SignedDuration;
use storage::{Session, StorageError, TokenHash};

use super::access::{Access, Guard, not_forged};
use super::failure::PageError;
use super::once::{Forms, Once};
use crate::app::{App, Author};
use crate::client_address::client_address;
use crate::crypto::sha256;

const COOKIE: &str = "__Host-session";
const LASTS: SignedDuration = SignedDuration::from_hours(12);

/// A person who is signed in.
pub(super) struct SignedIn {
    pub(super) user: User,
    /// Those that the person can send once each.
    pub(super) forms: Forms,
    /// The hash of the session's token.
    pub(super) session: TokenHash,
    address: Option<IpAddr>,
}

impl SignedIn {
    /// The person as the author of a change.
    pub(super) fn author(&self) -> Author {
        Author {
            actor: Actor::User(self.user.id, self.user.email.to_string()),
            address: self.address,
            standing: Some(Standing::Session(SecretHash::from_bytes(self.session))),
        }
    }
}

impl Guard for SignedIn {
    const ACCESS: Access = Access::SignedIn;
}

impl FromRequestParts<Arc<App>> for SignedIn {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, PageError> {
        let person = Self::in_session(parts, app).await?;
        not_forged(parts)?;
        Ok(person)
    }
}

impl SignedIn {
    /// Whose session the request belongs to. That it was not forged is for the caller to ask.
    pub(super) async fn in_session(parts: &Parts, app: &App) -> Result<Self, PageError> {
        let signed_out = || {
            let back = if parts.method == Method::GET {
                parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default()
            } else {
                String::new()
            };
            PageError::SignedOut(back)
        };
        let token = token_in(&parts.headers).ok_or_else(signed_out)?;
        let (_, user) = match app.store.session(&token, app.clock.now()).await {
            Ok(found) => found,
            Err(StorageError::NotFound) => return Err(signed_out()),
            Err(error) => return Err(error.into()),
        };
        let address = client_address(&parts.extensions, &parts.headers, &app.config.trusted_proxies);
        let once = parts.extensions.get::<Arc<Once>>().ok_or(PageError::Internal)?;
        let forms = Forms::new(once.clone(), token);
        Ok(Self { user, forms, session: token, address })
    }
}

/// From where the request comes, for the log and the throttle.
pub(super) struct From(pub(super) Option<IpAddr>);

impl FromRequestParts<Arc<App>> for From {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, PageError> {
        Ok(Self(client_address(&parts.extensions, &parts.headers, &app.config.trusted_proxies)))
    }
}

/// Signs `user`, whose password was `verified` or just set, in on this browser and leads to `to`.
pub(super) async fn begin(
    app: &App,
    user: UserId,
    verified: &PasswordHash,
    to: &str,
) -> Result<Response, PageError> {
    let token = new_token(app);
    let now = app.clock.now();
    let session = Session {
        token: hash(&token),
        user,
        created_at: now,
        expires_at: now.saturating_add(LASTS).unwrap_or(now),
    };
    match app.store.create_session(&session, verified).await {
        Ok(()) => {}
        // The password was changed in this moment: it has to be asked for again.
        Err(StorageError::NotFound) => return Err(PageError::SignedOut(String::new())),
        Err(error) => return Err(error.into()),
    }
    Ok(leading_to(to, &format!("{COOKIE}={token}; Path=/; Secure; HttpOnly; SameSite=Lax")))
}

/// Ends the session of this browser.
pub(super) async fn end(app: &App, headers: &HeaderMap) -> Result<Response, PageError> {
    if let Some(token) = token_in(headers) {
        app.store.delete_session(&token).await?;
    }
    let cookie = format!("{COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    Ok(leading_to("/sign-in?signed-out", &cookie))
}

fn leading_to(to: &str, cookie: &str) -> Response {
    let mut response = Redirect::to(to).into_response();
    if let Ok(value) = HeaderValue::from_str(cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}

/// The hash of the token in the session's cookie.
pub(super) fn token_in(headers: &HeaderMap) -> Option<TokenHash> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, token)| hash(token))
}

/// A new token of 256 random bits, for a cookie or a link.
pub(super) fn new_token(app: &App) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(app.entropy.bytes::<32>())
}

/// What the store has of a token.
pub(super) fn hash(token: &str) -> TokenHash {
    sha256(token.as_bytes())
}
