//! A client of the demo's own server, over HTTP as anybody's would be.

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{KeyId, KeySecret};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::cli::failure::{Failure, Result};

/// A client that knows where the server is.
pub(super) struct Client {
    http: HttpClient<HttpConnector, Body>,
    base: String,
}

/// What the server answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Client {
    pub(super) fn new(base: &str) -> Self {
        Self { http: HttpClient::builder(TokioExecutor::new()).build_http(), base: base.to_owned() }
    }

    /// Exchanges a keypair for an access token (RFC 6749 §4.4).
    pub(super) async fn token(&self, id: KeyId, secret: &KeySecret) -> Result<(String, Answer)> {
        // Neither half has a character that would have to be percent-encoded first (RFC 6749 §2.3.1).
        let credentials = STANDARD.encode(format!("{id}:{}", secret.reveal()));
        let request = Request::post(format!("{}/oauth2/token", self.base))
            .header(header::AUTHORIZATION, format!("Basic {credentials}"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from("grant_type=client_credentials"));
        let answer = self.send(request).await?;
        let token = answer.body.get("access_token").and_then(Value::as_str).map(str::to_owned);
        let token = token.ok_or_else(|| answer.unexpected("the token endpoint"))?;
        Ok((token, answer))
    }

    /// Asks the Feedback API.
    pub(super) async fn get(&self, token: &str, path: &str) -> Result<Answer> {
        self.send(self.request(Method::GET, token, path).body(Body::empty())).await
    }

    /// Sends JSON to the Feedback API.
    pub(super) async fn post(&self, token: &str, path: &str, body: &str) -> Result<Answer> {
        let request = self
            .request(Method::POST, token, path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_owned()));
        self.send(request).await
    }

    fn request(&self, method: Method, token: &str, path: &str) -> axum::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
    }

    async fn send(&self, request: axum::http::Result<Request<Body>>) -> Result<Answer> {
        let failed =
            |error: &dyn std::fmt::Display| Failure::new(format!("the demo can't reach itself: {error}"));
        let request = request.map_err(|error| failed(&error))?;
        let (head, body) = self.http.request(request).await.map_err(|error| failed(&error))?.into_parts();
        let body = body.collect().await.map_err(|error| failed(&error))?.to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

impl Answer {
    /// The answer, if it was given.
    pub(super) fn succeeded(self, whose: &str) -> Result<Self> {
        if self.status.is_success() { Ok(self) } else { Err(self.unexpected(whose)) }
    }

    /// The answer, if it refuses the token.
    pub(super) fn refused(self, whose: &str) -> Result<Self> {
        if self.status == StatusCode::UNAUTHORIZED { Ok(self) } else { Err(self.unexpected(whose)) }
    }

    fn unexpected(&self, whose: &str) -> Failure {
        Failure::new(format!("{whose} answered {} {}", self.status, self.body))
    }
}
