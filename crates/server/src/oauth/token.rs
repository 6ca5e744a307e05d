//! `POST /oauth2/token`: for keypairs (RFC 6749 §4.4), and for applications, which act in people's names.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use domain::{
    Activity, Confirmation, EnvironmentId, RefreshToken, Scopes, Timestamp, TokenBinding, grant_scopes,
};
use serde::Serialize;
use storage::KeyUse;

use super::TOKEN_PATH;
use super::access_token::{Grant, Issued, Scheme, issue, parse_resource};
use super::application_client::ApplicationClient;
use super::application_token;
use super::client_request::{Authenticated, ClientRequest, NoStore, no_store};
use super::dpop::{Proven, proof};
use super::error::OAuthError;
use crate::app::App;
use crate::client_certificate::client_certificate;
use crate::live::{Caller, LiveKeypair};
use crate::own_attempt::OwnAttempt;

/// A successful answer (RFC 6749 §5.1).
#[derive(Serialize)]
pub(super) struct Answer {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
}

impl Answer {
    /// The answer to an application.
    pub(super) fn with_refresh_token(issued: Issued, scopes: Scopes, next: RefreshToken) -> Self {
        Self {
            access_token: issued.token,
            token_type: Scheme::Bearer.name(),
            expires_in: issued.expires_in,
            scope: scopes.to_string(),
            refresh_token: Some(next.reveal().to_owned()),
        }
    }
}

/// Exchanges a keypair, a code or a refresh token for an access token.
pub(super) async fn token(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<(NoStore, Json<Answer>), OAuthError> {
    let request = ClientRequest::read(request).await?;
    let form = &request.form;
    let grant_type = form
        .get("grant_type")
        .ok_or_else(|| OAuthError::InvalidRequest("the parameter `grant_type` is missing".to_owned()))?;
    let now = app.clock.now();
    let for_applications = matches!(grant_type, "authorization_code" | "refresh_token");
    if for_applications && ApplicationClient::may_send(&request) {
        let answer = match grant_type {
            "refresh_token" => application_token::by_refresh_token(&app, &request, now).await?,
            _ => application_token::by_code(&app, &request, now).await?,
        };
        return Ok((no_store(), Json(answer)));
    }
    if ApplicationClient::sends(&request) {
        ApplicationClient::of(&app, &request, now).await?;
        return Err(match grant_type {
            "client_credentials" => OAuthError::ApplicationAlone,
            _ => OAuthError::UnsupportedGrantType,
        });
    }
    let Authenticated { key, live, n, .. } = request.authenticate(&app, now).await?;
    // Whatever is wrong with the rest: who has the secret needs it.
    request.note_use(&app, &live, KeyUse { keypair: key, secret: n, at: now });
    let credential = &live.credential;
    if for_applications {
        return Err(OAuthError::UnauthorizedClient);
    }
    if grant_type != "client_credentials" {
        return Err(OAuthError::UnsupportedGrantType);
    }
    let scopes = grant_scopes(form.get("scope"), credential.scopes)?;
    let narrowed_to = match form.get("resource") {
        Some(resource) => target(&app, &live, resource).await?,
        None => None,
    };
    if let Some(most) = app.config.tokens_per_minute {
        app.issued_tokens
            .count(key, most.get(), now)
            .map_err(|seconds| OAuthError::TooManyTokens { seconds })?;
    }
    let confirmation = confirmation(&app, &request.parts, &live, now)?;
    let grant = Grant { scopes, narrowed_to, confirmation };
    let issued = issue(&app, key, credential, n, grant, now)
        .await
        .map_err(|error| OAuthError::Unavailable(error.into()))?;
    if !OwnAttempt::is(&request.parts.extensions) {
        let caller = || Caller::new(&request.parts.headers, request.address(&app));
        app.live.count_use(key, &live, Activity::Token, now, caller);
    }
    let answer = Answer {
        access_token: issued.token,
        token_type: Scheme::of(confirmation).name(),
        expires_in: issued.expires_in,
        scope: scopes.to_string(),
        refresh_token: None,
    };
    Ok((no_store(), Json(answer)))
}

/// What the token will be bound to: what the keypair requires, or if it requires nothing, the key of a proof that the
/// client sends.
fn confirmation(
    app: &App,
    request: &Parts,
    live: &LiveKeypair,
    now: Timestamp,
) -> Result<Option<Confirmation>, OAuthError> {
    let proven = Proven { method: &request.method, path: TOKEN_PATH, token: None };
    let proof = proof(app, &request.headers, proven, now)?;
    let key = proof.map(|proof| proof.take(app, live.account, now)).transpose()?.map(Confirmation::Key);
    match (live.credential.token_binding, key) {
        (TokenBinding::None, key) => Ok(key),
        (TokenBinding::Dpop, Some(key)) => Ok(Some(key)),
        (TokenBinding::Dpop, None) => Err(OAuthError::InvalidProof(
            "this keypair's tokens must be bound by DPoP; send a proof in the header DPoP",
        )),
        (TokenBinding::Mtls, Some(_)) => Err(OAuthError::InvalidProof(
            "this keypair's tokens are bound to the client's certificate; send no proof",
        )),
        (TokenBinding::Mtls, None) => {
            let certificate = client_certificate(request, &app.config).ok_or_else(|| {
                OAuthError::InvalidRequest(
                    "this keypair's tokens must be bound to the client's certificate; connect with one"
                        .to_owned(),
                )
            })?;
            Ok(Some(Confirmation::Certificate(certificate)))
        }
    }
}

/// The environment that the token is narrowed to, if it is (RFC 8707 §2): one that the keypair reaches.
async fn target(app: &App, live: &LiveKeypair, resource: &str) -> Result<Option<EnvironmentId>, OAuthError> {
    let Some(id) = parse_resource(app, resource).ok_or(OAuthError::InvalidTarget)? else {
        return Ok(None);
    };
    let reached = app.live.environment_of(live.credential.owner, id).await?;
    if reached.is_some() { Ok(Some(id)) } else { Err(OAuthError::InvalidTarget) }
}
