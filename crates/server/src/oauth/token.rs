//! `POST /oauth2/token` (RFC 6749 §4.4).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use domain::{EnvironmentId, KeyId, Timestamp, grant_scopes};
use serde::Serialize;
use storage::{AssertionUse, KeyUse};
use tokio::time::Instant;

use super::access_token::{issue, parse_resource};
use super::client_assertion::{ClientAssertion, Holds};
use super::client_authentication::{Presented, presented};
use super::error::OAuthError;
use super::form::Form;
use crate::app::App;
use crate::live::LiveKeypair;

const MOST_BYTES: usize = 16 * 1024;

/// When a refusal of a client leaves, counted from when its credentials were read. Longer than any way to it takes,
/// so that the time tells nothing of whether the Key ID exists.
const REFUSAL_AFTER: Duration = Duration::from_millis(25);

/// A successful answer (RFC 6749 §5.1).
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    scope: String,
}

type NoStore = [(HeaderName, HeaderValue); 2];

/// Exchanges a keypair for an access token.
pub(super) async fn token(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<(NoStore, Json<Answer>), OAuthError> {
    let (parts, body) = request.into_parts();
    if parts.uri.query().is_some_and(|query| !query.is_empty()) {
        return Err(OAuthError::InvalidRequest(
            "parameters belong in the body, not in the address".to_owned(),
        ));
    }
    let body = read_body(body).await?;
    let form = Form::read(&parts.headers, &body)?;
    let grant_type = form
        .get("grant_type")
        .ok_or_else(|| OAuthError::InvalidRequest("the parameter `grant_type` is missing".to_owned()))?;
    let presented = presented(&parts.headers, &form)?;
    let now = app.clock.now();
    let Authenticated { key, live, n } = authenticate(&app, &presented, now).await?;
    let credential = &live.credential;
    if grant_type != "client_credentials" {
        return Err(OAuthError::UnsupportedGrantType);
    }
    let scopes = grant_scopes(form.get("scope"), credential.scopes)?;
    let narrowed_to = match form.get("resource") {
        Some(resource) => target(&app, &live, resource).await?,
        None => None,
    };
    let issued = issue(&app, key, credential, n, scopes, narrowed_to, now)
        .map_err(|error| OAuthError::Unavailable(error.into()))?;
    app.live.note_use(KeyUse { keypair: key, secret: n, at: now });
    let answer = Answer {
        access_token: issued.token,
        token_type: "Bearer",
        expires_in: issued.expires_in,
        scope: scopes.to_string(),
    };
    let no_store = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::PRAGMA, HeaderValue::from_static("no-cache")),
    ];
    Ok((no_store, Json(answer)))
}

async fn read_body(body: Body) -> Result<axum::body::Bytes, OAuthError> {
    to_bytes(body, MOST_BYTES).await.map_err(|_| {
        OAuthError::InvalidRequest("the body must be at most 16 KiB long, and complete".to_owned())
    })
}

/// Whom a client was found to be.
struct Authenticated {
    key: KeyId,
    live: Arc<LiveKeypair>,
    /// The number of the secret that it presented, or of the public key that verifies its assertion.
    n: u32,
}

/// The keypair that the client presented a live secret or an assertion of; one refusal for whatever is wrong.
async fn authenticate(app: &App, presented: &Presented, now: Timestamp) -> Result<Authenticated, OAuthError> {
    let began = Instant::now();
    let known = match presented {
        Presented { assertion: Some(assertion), .. } => by_assertion(app, assertion, now).await?,
        Presented { key: Some(key), secret: Some(secret), .. } => {
            let key = *key;
            let hash = secret.hash();
            app.live.keypair(key).await?.and_then(|live| {
                let n = live.credential.authenticate(&hash, now)?;
                Some(Authenticated { key, live, n })
            })
        }
        _ => None,
    };
    match known {
        Some(known) => Ok(known),
        None => {
            tokio::time::sleep_until(began + REFUSAL_AFTER).await;
            Err(OAuthError::InvalidClient { by_header: presented.by_header })
        }
    }
}

/// The keypair that the assertion is of, if it holds and is presented for the first time.
async fn by_assertion(
    app: &App,
    assertion: &ClientAssertion,
    now: Timestamp,
) -> Result<Option<Authenticated>, OAuthError> {
    let key = assertion.key;
    let Some(live) = app.live.keypair(key).await? else {
        return Ok(None);
    };
    let Some(holds) = assertion.judge(&live.credential, app.config.issuer(), now) else {
        return Ok(None);
    };
    let Holds { n, jti_hash, kept_until } = holds;
    let used = app.store.use_assertion(key, &jti_hash, kept_until).await?;
    Ok((used == AssertionUse::First).then_some(Authenticated { key, live, n }))
}

/// The environment that the token is narrowed to, if it is (RFC 8707 §2): one that the keypair reaches.
async fn target(app: &App, live: &LiveKeypair, resource: &str) -> Result<Option<EnvironmentId>, OAuthError> {
    let Some(id) = parse_resource(app, resource).ok_or(OAuthError::InvalidTarget)? else {
        return Ok(None);
    };
    let environment = app.live.environment(id).await?;
    let reached = environment.is_some_and(|environment| live.credential.owner.reaches(&environment));
    if reached { Ok(Some(id)) } else { Err(OAuthError::InvalidTarget) }
}
