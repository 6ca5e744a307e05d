//! The server that is logged in to, over HTTP.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode, Uri, header};
use domain::{Timestamp, from_millis};
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::access_token::AccessToken;
use crate::cli::failure::{Failure, Result};
use crate::cli::output::short;
use crate::oauth::METADATA_PATH;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest answer of the Feedback API, in bytes.
const LONGEST: usize = 64 * 1024 * 1024;

/// The longest answer of the Authorization Server, in bytes.
const LONGEST_OF_OAUTH: usize = 256 * 1024;

/// How much is told of a server's reason, in characters.
pub(super) const LONGEST_REASON: usize = 300;

/// What the Authorization Server says of itself (RFC 8414 §2), as far as it matters here.
#[derive(Deserialize)]
pub(super) struct AuthorizationServer {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    revocation_endpoint: String,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What the token endpoint gives. Does not print.
#[derive(Deserialize)]
pub(super) struct Tokens {
    pub(super) access_token: AccessToken,
    pub(super) refresh_token: String,
    /// Seconds.
    pub(super) expires_in: i64,
    pub(super) scope: String,
}

impl Tokens {
    /// When the access token runs out, if it was given at `now`.
    pub(super) fn expires_at(&self, now: Timestamp) -> Timestamp {
        let millis = self.expires_in.saturating_mul(1000);
        from_millis(now.as_millisecond().saturating_add(millis))
    }
}

/// Why there are no tokens.
pub(super) enum Refused {
    /// The refresh token is worth nothing any more.
    Ended,
    /// Anything else, which may be over in a while.
    Failed(Failure),
}

impl AuthorizationServer {
    /// Asks the server what it can do.
    pub(super) async fn discover(url: &str) -> Result<Self> {
        let issuer = url.trim_end_matches('/');
        if !is_safe(issuer) {
            return Err(Failure::new(format!(
                "`{issuer}` is not the URL of a server: expected https://…, or http://… on this machine"
            )));
        }
        let (status, body) = get(&format!("{issuer}{METADATA_PATH}"), None).await?;
        let found: Option<Self> = serde_json::from_slice(&body).ok().filter(|_| status == StatusCode::OK);
        let found = found.ok_or_else(|| Failure::new(format!("there is no Feedback server at {issuer}")))?;
        // Else another server could have our answers (RFC 8414 §3.3, RFC 9207).
        let below = format!("{}/", found.issuer);
        let endpoints = [&found.authorization_endpoint, &found.token_endpoint, &found.revocation_endpoint];
        if found.issuer != issuer {
            return Err(Failure::new(format!(
                "the server at {issuer} calls itself {}; use its public URL",
                short(&found.issuer, LONGEST_REASON)
            )));
        }
        let own = |endpoint: &str| endpoint.starts_with(&below) && endpoint.parse::<Uri>().is_ok();
        if !endpoints.iter().all(|endpoint| own(endpoint)) {
            return Err(Failure::new(format!("the server at {issuer} names endpoints that are not its own")));
        }
        let able = found.code_challenge_methods_supported.iter().any(|method| method == "S256")
            && found.authorization_response_iss_parameter_supported;
        if !able {
            return Err(Failure::new(format!("the server at {issuer} is too old for `feedback login`")));
        }
        Ok(found)
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) fn token_endpoint(&self) -> &str {
        &self.token_endpoint
    }

    pub(super) fn revocation_endpoint(&self) -> &str {
        &self.revocation_endpoint
    }

    /// Where the browser goes. What is empty is left out.
    pub(super) fn authorization_address(&self, parameters: &[(&str, String)]) -> String {
        let given: Vec<_> = parameters
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        format!("{}?{}", self.authorization_endpoint, form(&given))
    }

    /// Exchanges a code.
    pub(super) async fn tokens(&self, form: &str) -> Result<Tokens> {
        tokens_at(&self.token_endpoint, form).await.map_err(|refused| match refused {
            Refused::Ended => {
                Failure::new("the server takes the code for none of its own; run `feedback login` again")
            }
            Refused::Failed(failure) => failure,
        })
    }
}

/// Asks a token endpoint.
pub(super) async fn tokens_at(endpoint: &str, form: &str) -> Result<Tokens, Refused> {
    #[derive(Deserialize)]
    struct Problem {
        error: String,
        #[serde(default)]
        error_description: String,
    }
    let (status, body) = send(endpoint, form).await.map_err(Refused::Failed)?;
    if status == StatusCode::OK
        && let Ok(tokens) = serde_json::from_slice(&body)
    {
        return Ok(tokens);
    }
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) if problem.error == "invalid_grant" => Err(Refused::Ended),
        Ok(problem) => {
            let (description, error) =
                (short(&problem.error_description, LONGEST_REASON), short(&problem.error, LONGEST_REASON));
            let why = format!("the server refused: {description} ({error})");
            Err(Refused::Failed(Failure::new(why)))
        }
        Err(_) => Err(Refused::Failed(unexpected(endpoint, status))),
    }
}

/// Sends a form that only has to be taken.
pub(super) async fn post(endpoint: &str, form: &str) -> Result<()> {
    match send(endpoint, form).await? {
        (StatusCode::OK, _) => Ok(()),
        (status, _) => Err(unexpected(endpoint, status)),
    }
}

/// Asks the Feedback API; answers the status and the body.
pub(super) async fn call(
    address: &str,
    method: Method,
    token: &AccessToken,
    json: Option<String>,
) -> Result<(StatusCode, Vec<u8>)> {
    let mut request = Request::builder()
        .method(method)
        .uri(address)
        .header(header::AUTHORIZATION, format!("Bearer {}", token.as_str()))
        .header(header::ACCEPT, "application/json");
    if json.is_some() {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    exchange(address, request.body(json.map_or_else(Body::empty, Body::from)), LONGEST).await
}

async fn get(address: &str, accept: Option<&str>) -> Result<(StatusCode, Vec<u8>)> {
    let request = Request::get(address).header(header::ACCEPT, accept.unwrap_or("application/json"));
    exchange(address, request.body(Body::empty()), LONGEST_OF_OAUTH).await
}

async fn send(endpoint: &str, form: &str) -> Result<(StatusCode, Vec<u8>)> {
    let request = Request::post(endpoint)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::ACCEPT, "application/json");
    exchange(endpoint, request.body(Body::from(form.to_owned())), LONGEST_OF_OAUTH).await
}

/// Asks once, and follows no redirect: what is sent is for `address` alone. `longest` is in bytes.
async fn exchange(
    address: &str,
    request: Result<Request<Body>, axum::http::Error>,
    longest: usize,
) -> Result<(StatusCode, Vec<u8>)> {
    let request = request.map_err(|error| Failure::new(format!("`{address}` can't be asked: {error}")))?;
    let asked = async {
        let response: Response<_> = client()?.request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), longest).collect().await?;
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>((status, body.to_bytes().to_vec()))
    };
    let failed = |why: &dyn std::fmt::Display| Failure::new(format!("{address} does not answer: {why}"));
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(failed(&root(&*error))),
        Err(_) => Err(failed(&format_args!("{} seconds were not enough", PATIENCE.as_secs()))),
    }
}

/// What is at the bottom of an error: that is what people can do something about.
fn root<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root
}

/// Over TLS with the certificate authorities that this machine trusts; without, on this machine alone.
fn client() -> std::io::Result<HttpClient<HttpsConnector<HttpConnector>, Body>> {
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(rustls::crypto::aws_lc_rs::default_provider())?
        .https_or_http()
        .enable_http1()
        .build();
    Ok(HttpClient::builder(TokioExecutor::new()).build(connector))
}

/// Whether nobody between here and there can listen.
fn is_safe(url: &str) -> bool {
    let rest = url.strip_prefix("http://").unwrap_or_default();
    let host = rest.split('/').next().unwrap_or_default();
    let host =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(host, _)| host);
    url.starts_with("https://") || matches!(host, "127.0.0.1" | "[::1]" | "localhost")
}

fn unexpected(address: &str, status: StatusCode) -> Failure {
    Failure::new(format!("{address} answered {status}, which is not understood"))
}

/// Parameters as a form, or as a query.
pub(super) fn form(parameters: &[(&str, &str)]) -> String {
    let pairs = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)));
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_travel_where_nobody_listens() {
        for safe in
            ["https://feedback.example", "http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost"]
        {
            assert!(is_safe(safe), "{safe}");
        }
        for unsafe_ in
            ["http://feedback.example", "http://127.0.0.1.example", "ftp://127.0.0.1", "", "127.0.0.1"]
        {
            assert!(!is_safe(unsafe_), "{unsafe_}");
        }
    }
}
