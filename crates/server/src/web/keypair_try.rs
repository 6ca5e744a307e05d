//! `…/api-management/{key}/try`: a first request with a keypair whose secret is being shown, made by the server itself at
//! its own door, and answered like anybody's. It is no use of the keypair: that would tell that a program has the secret.

use std::net::SocketAddr;
use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request};
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::{KeyId, KeySecret};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;
use zeroize::Zeroizing;

use super::api_management::{KeyPath, address};
use super::door::Admin;
use super::dress::page;
use super::failure::PageError;
use super::form::Fields;
use super::outcome::Outcome;
use super::shell::Shell;
use crate::app::App;
use crate::oauth::TOKEN_PATH;
use crate::own_attempt::OwnAttempt;
use crate::router::router;

const ACCESS_PATH: &str = "/v1/access";

#[derive(Template)]
#[template(path = "keypair_try.html")]
struct TryPage {
    shell: Shell,
    base: String,
    id: String,
    token: Exchange,
    /// None if there was no token to make it with.
    access: Option<Exchange>,
}

/// A request and what was answered, as people read them. Without what is secret.
struct Exchange {
    request: String,
    answer: String,
    good: bool,
}

/// What came back.
struct Answered {
    /// The status as it is read, `200 OK`.
    status: String,
    good: bool,
    body: Value,
}

/// `POST …/api-management/{key}/try`
pub(super) async fn attempt(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<KeyPath>,
    parts: Parts,
    fields: Fields,
) -> Result<Response, PageError> {
    let keypair = app.store.keypair(admin.owner(), path.id()?).await?;
    let secret: KeySecret = fields
        .one("secret")?
        .parse()
        .map_err(|_| PageError::BadForm("The field “secret” is not a Key Secret.".to_owned()))?;
    let (token, access_token) = exchange(&app, &parts, keypair.id, &secret).await?;
    let access = match access_token {
        Some(access_token) => Some(show_access(&app, &parts, &access_token).await?),
        None => None,
    };
    let view = TryPage {
        shell: admin.shell(&app, "api").await?,
        base: address(&admin),
        id: keypair.id.to_string(),
        token,
        access,
    };
    page(Outcome::Shown, &view)
}

/// Exchanges the keypair for a token.
async fn exchange(
    app: &Arc<App>,
    from: &Parts,
    id: KeyId,
    secret: &KeySecret,
) -> Result<(Exchange, Option<Zeroizing<String>>), PageError> {
    let form = "grant_type=client_credentials";
    let credentials = Zeroizing::new(format!("{id}:{}", secret.reveal()));
    let authorization = Zeroizing::new(format!("Basic {}", BASE64_STANDARD.encode(&*credentials)));
    let request = Request::post(TOKEN_PATH)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(AUTHORIZATION, hidden(&authorization)?)
        .body(Body::from(form))
        .map_err(|_| PageError::Internal)?;
    let mut answered = send(app, from, request).await?;
    let access_token = answered
        .body
        .get("access_token")
        .and_then(Value::as_str)
        .map(|token| Zeroizing::new(token.to_owned()));
    if let (Some(body), true) = (answered.body.as_object_mut(), access_token.is_some()) {
        body.insert("access_token".to_owned(), "eyJ… (not shown)".into());
    }
    let request = format!(
        "POST {TOKEN_PATH}\nAuthorization: Basic (the Key ID and the Key Secret)\n\
         Content-Type: application/x-www-form-urlencoded\n\n{form}"
    );
    Ok((Exchange::new(request, &answered), access_token))
}

/// Asks what the token reaches.
async fn show_access(app: &Arc<App>, from: &Parts, access_token: &str) -> Result<Exchange, PageError> {
    let authorization = Zeroizing::new(format!("Bearer {access_token}"));
    let request = Request::get(ACCESS_PATH)
        .header(AUTHORIZATION, hidden(&authorization)?)
        .body(Body::empty())
        .map_err(|_| PageError::Internal)?;
    let answered = send(app, from, request).await?;
    let request = format!("GET {ACCESS_PATH}\nAuthorization: Bearer (that token)");
    Ok(Exchange::new(request, &answered))
}

/// A header that is not to be printed.
fn hidden(value: &str) -> Result<HeaderValue, PageError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| PageError::Internal)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Sends a request through all that is around every other, as from whoever looks at the page.
async fn send(app: &Arc<App>, from: &Parts, mut request: Request<Body>) -> Result<Answered, PageError> {
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static("Feedback-API-management"));
    for value in from.headers.get_all("x-forwarded-for") {
        headers.append("x-forwarded-for", value.clone());
    }
    if let Some(peer) = from.extensions.get::<ConnectInfo<SocketAddr>>() {
        request.extensions_mut().insert(*peer);
    }
    request.extensions_mut().insert(OwnAttempt);
    let Ok(response) = router(app.clone()).oneshot(request).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.map_err(|_| PageError::Internal)?.to_bytes();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Ok(Answered { status: parts.status.to_string(), good: parts.status.is_success(), body })
}

impl Exchange {
    fn new(request: String, answered: &Answered) -> Self {
        let body = serde_json::to_string_pretty(&answered.body).unwrap_or_default();
        Self { request, answer: format!("{}\n\n{body}", answered.status), good: answered.good }
    }
}
