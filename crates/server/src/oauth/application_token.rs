//! `POST /oauth2/token` for applications, which act in people's names: by a code (RFC 6749 §4.1.3), and then by one refresh
//! token after the other (RFC 6749 §6).

use std::sync::Arc;

use domain::{
    Actor, CodeExchange, Environment, GrantRefusal, LiveGrant, RefreshToken, Timestamp, Wanted, new_id,
};
use storage::StorageError;

use super::access_token::{issue_by_grant, parse_resource};
use super::application_client::ApplicationClient;
use super::authorization_code;
use super::client_request::ClientRequest;
use super::error::OAuthError;
use super::token::Answer;
use crate::app::{App, Author};

const CODE_IS_NONE: &str = "the code is unknown, used or run out, or it was given to another client_id or redirect_uri, or the \
     code_verifier is not the one; let the person begin anew";
const REFRESH_TOKEN_IS_NONE: &str =
    "the refresh token is unknown, used or run out, or what was granted was ended; let the person begin anew";

/// Exchanges a code.
pub(super) async fn by_code(
    app: &App,
    request: &ClientRequest,
    now: Timestamp,
) -> Result<Answer, OAuthError> {
    let client = ApplicationClient::of(app, request, now).await?;
    let needed = |name: &str| {
        let missing = || OAuthError::InvalidRequest(format!("the parameter `{name}` is missing"));
        request.form.get(name).ok_or_else(missing)
    };
    let environment = environment(app, request).await?;
    let exchange = CodeExchange {
        client: client.id,
        redirect_uri: needed("redirect_uri")?,
        verifier: needed("code_verifier")?,
        wanted: Wanted { scopes: None, environment: environment.as_deref() },
    };
    let code = authorization_code::hash(needed("code")?);
    let next = RefreshToken::generate(&*app.entropy);
    let stamp = app.stamp(&stranger(app, request), now);
    let id = new_id(now, &*app.entropy);
    let given = app.store.exchange_code(&stamp, &code, &exchange, id, &next.hash()).await;
    answer(app, &client, given, &exchange.wanted, next, CODE_IS_NONE, now).await
}

/// Exchanges a refresh token.
pub(super) async fn by_refresh_token(
    app: &App,
    request: &ClientRequest,
    now: Timestamp,
) -> Result<Answer, OAuthError> {
    let client = ApplicationClient::of(app, request, now).await?;
    let presented = request
        .form
        .get("refresh_token")
        .ok_or_else(|| OAuthError::InvalidRequest("the parameter `refresh_token` is missing".to_owned()))?;
    let scopes = request.form.get("scope").map(str::parse).transpose()?;
    let environment = environment(app, request).await?;
    let wanted = Wanted { scopes, environment: environment.as_deref() };
    let next = RefreshToken::generate(&*app.entropy);
    let given = match presented.parse::<RefreshToken>() {
        Ok(token) => {
            let stamp = app.stamp(&stranger(app, request), now);
            app.store.refresh_grant(&stamp, client.id, &token.hash(), &wanted, &next.hash()).await
        }
        Err(_) => Ok(Err(GrantRefusal::Unknown)),
    };
    answer(app, &client, given, &wanted, next, REFRESH_TOKEN_IS_NONE, now).await
}

async fn answer(
    app: &App,
    client: &ApplicationClient,
    given: Result<Result<LiveGrant, GrantRefusal>, StorageError>,
    wanted: &Wanted<'_>,
    next: RefreshToken,
    none: &'static str,
    now: Timestamp,
) -> Result<Answer, OAuthError> {
    let given = given?.and_then(|live| Ok((live.gives(wanted)?, live)));
    let (scopes, live) = given.map_err(|refusal| {
        tracing::debug!(why = %refusal, "an application was refused");
        match refusal {
            GrantRefusal::Unknown => client.refusal(app, now, OAuthError::InvalidGrant(none)),
            // It will never be good again, so there is nothing to wait for.
            GrantRefusal::Reused => {
                client.failed(app, now);
                OAuthError::InvalidGrant(none)
            }
            GrantRefusal::NoRole => OAuthError::InvalidGrant(none),
            GrantRefusal::Scopes(error) => OAuthError::InvalidScope(error),
            GrantRefusal::Target => OAuthError::InvalidTarget,
        }
    })?;
    let narrowed_to = wanted.environment.map(|environment| environment.id).or(live.grant.narrowed_to);
    let issued = issue_by_grant(app, &live, scopes, narrowed_to, now)
        .await
        .map_err(|error| OAuthError::Unavailable(error.into()))?;
    Ok(Answer::with_refresh_token(issued, scopes, next))
}

/// The one environment that the token is to be for, if it is (RFC 8707 §2.2).
async fn environment(app: &App, request: &ClientRequest) -> Result<Option<Arc<Environment>>, OAuthError> {
    let Some(resource) = request.form.get("resource") else { return Ok(None) };
    match parse_resource(app, resource).ok_or(OAuthError::InvalidTarget)? {
        None => Ok(None),
        Some(id) => app.live.environment(id).await?.map(Some).ok_or(OAuthError::InvalidTarget),
    }
}

/// Whoever sends the request: that it is the application is only said.
fn stranger(app: &App, request: &ClientRequest) -> Author {
    Author { actor: Actor::Anonymous, address: request.address(app), standing: None }
}
