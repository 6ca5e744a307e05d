//! What the endpoints have in common that clients authenticate at: a form, read strictly, and whose it is.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, header};
use domain::{KeyId, Timestamp};
use storage::{AssertionUse, KeyUse};
use tokio::time::Instant;

use super::client_assertion::Holds;
use super::client_authentication::{Presented, presented};
use super::error::OAuthError;
use super::form::Form;
use super::throttle::Attempt;
use crate::app::App;
use crate::client_address::client_address;
use crate::live::LiveKeypair;
use crate::own_attempt::OwnAttempt;

const MOST_BYTES: usize = 16 * 1024;

/// When a refusal of a client leaves, counted from when its credentials were read. Longer than any way to it takes,
/// so that the time tells nothing of whether the Key ID exists.
const REFUSAL_AFTER: Duration = Duration::from_millis(25);

/// A request with the parameters in its body.
pub(super) struct ClientRequest {
    pub(super) parts: Parts,
    pub(super) form: Form,
}

/// Whom a client was found to be.
pub(super) struct Authenticated {
    pub(super) key: KeyId,
    pub(super) live: Arc<LiveKeypair>,
    /// The number of the secret that it presented, or of the public key that verifies its assertion.
    pub(super) n: u32,
    /// Whether it used the `Authorization` header.
    pub(super) by_header: bool,
}

impl ClientRequest {
    /// Reads the parameters.
    pub(super) async fn read(request: Request) -> Result<Self, OAuthError> {
        let (parts, body) = request.into_parts();
        if parts.uri.query().is_some_and(|query| !query.is_empty()) {
            return Err(OAuthError::InvalidRequest(
                "parameters belong in the body, not in the address".to_owned(),
            ));
        }
        let body = read_body(body).await?;
        let form = Form::read(&parts.headers, &body)?;
        Ok(Self { parts, form })
    }

    /// The keypair that the client presents a live secret or an assertion of, from where that may be used; one refusal for
    /// whatever is wrong.
    pub(super) async fn authenticate(&self, app: &App, now: Timestamp) -> Result<Authenticated, OAuthError> {
        let presented = presented(&self.parts.headers, &self.form)?;
        let began = Instant::now();
        let attempt = || Attempt::new(presented.key, self.address(app));
        let seconds_left = app.client_throttle.left(attempt, now);
        // Whoever failed too often is let in by the right secret still, but the store is asked for it only now and then.
        let asks_store = presented.key.is_some()
            && (seconds_left.is_none() || app.client_throttle.may_ask_store(&attempt(), now));
        let live = match presented.key {
            Some(key) if asks_store => app.live.keypair(key).await?,
            Some(key) => app.live.remembered_keypair(key),
            None => None,
        };
        if let Some((key, live)) = presented.key.zip(live) {
            if live.credential.allowed_addresses.allow(|| self.address(app)) {
                if let Some(n) = opened_with(app, &presented, key, &live, now).await? {
                    return Ok(Authenticated { key, live, n, by_header: presented.by_header });
                }
            } else if let Some(n) = right_secret(&presented, &live, now) {
                // It opens nothing from here, but is needed: who waits until nobody uses it has to wait on.
                self.note_use(app, &live, KeyUse { keypair: key, secret: n, at: now });
            }
        }
        if let Some(seconds) = seconds_left {
            if asks_store {
                // As long as for any, so that the time does not tell what was in memory.
                tokio::time::sleep_until(began + REFUSAL_AFTER).await;
            }
            return Err(OAuthError::TooManyFailures { seconds });
        }
        app.client_throttle.failed(&attempt(), now);
        tokio::time::sleep_until(began + REFUSAL_AFTER).await;
        Err(OAuthError::InvalidClient { by_header: presented.by_header })
    }

    /// The token that the request is about, and whose keypair asks; the secret that it presented counts as used.
    pub(super) async fn about_token(
        &self,
        app: &App,
        now: Timestamp,
    ) -> Result<(&str, Authenticated), OAuthError> {
        let token = self
            .form
            .get("token")
            .ok_or_else(|| OAuthError::InvalidRequest("the parameter `token` is missing".to_owned()))?;
        let caller = self.authenticate(app, now).await?;
        self.note_use(app, &caller.live, KeyUse { keypair: caller.key, secret: caller.n, at: now });
        Ok((token, caller))
    }

    /// Notes that the keypair was used, unless the server itself tries it.
    pub(super) fn note_use(&self, app: &App, live: &LiveKeypair, used: KeyUse) {
        if !OwnAttempt::is(&self.parts.extensions) {
            app.live.note_use(live, used);
        }
    }

    /// From where it came.
    pub(super) fn address(&self, app: &App) -> Option<IpAddr> {
        client_address(&self.parts.extensions, &self.parts.headers, &app.config.trusted_proxies)
    }
}

/// The number of the live secret that is presented, or of the public key that an assertion holds by that is presented for
/// the first time.
async fn opened_with(
    app: &App,
    presented: &Presented,
    key: KeyId,
    live: &LiveKeypair,
    now: Timestamp,
) -> Result<Option<u32>, OAuthError> {
    if let Some(assertion) = &presented.assertion {
        let Some(holds) = assertion.judge(&live.credential, app.config.issuer(), now) else {
            return Ok(None);
        };
        let Holds { n, jti_hash, kept_until } = holds;
        let used = app.store.use_assertion(key, &jti_hash, kept_until).await?;
        return Ok((used == AssertionUse::First).then_some(n));
    }
    Ok(right_secret(presented, live, now))
}

/// The number of the live secret that is presented.
fn right_secret(presented: &Presented, live: &LiveKeypair, now: Timestamp) -> Option<u32> {
    presented.secret.as_ref().and_then(|secret| live.credential.authenticate(&secret.hash(), now))
}

async fn read_body(body: Body) -> Result<axum::body::Bytes, OAuthError> {
    to_bytes(body, MOST_BYTES).await.map_err(|_| {
        OAuthError::InvalidRequest("the body must be at most 16 KiB long, and complete".to_owned())
    })
}

/// What keeps an answer out of caches (RFC 6749 §5.1).
pub(super) type NoStore = [(HeaderName, HeaderValue); 2];

/// Those headers.
pub(super) fn no_store() -> NoStore {
    [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::PRAGMA, HeaderValue::from_static("no-cache")),
    ]
}
