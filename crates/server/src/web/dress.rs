//! What every answer of the Web UI wears: headers that keep it to itself, and a page for every failure.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use super::failure::{PageError, Words};
use super::outcome::Outcome;
use crate::app::App;
use crate::request_id::RequestId;

macro_rules! policy {
    () => {
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; base-uri 'none'; \
         frame-ancestors 'none'; connect-src 'self'; form-action 'self'"
    };
}

/// The answer with a policy by which its forms lead to `action`, too.
pub(super) fn with_form_action(mut response: Response, action: &str) -> Response {
    if let Ok(policy) = HeaderValue::from_str(&format!("{} {action}", policy!())) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    status: u16,
    title: &'static str,
    detail: String,
    action: String,
    label: &'static str,
    request_id: String,
}

/// Makes pages of failures, and puts the headers on.
pub(super) async fn dress(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let request_id = RequestId::current().map(|id| id.to_string()).unwrap_or_default();
    let mut response = with_page(next.run(request).await, request_id);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(policy!()));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if app.config.issuer().starts_with("https:") {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

fn with_page(mut response: Response, request_id: String) -> Response {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let words = match response.extensions_mut().remove::<Words>() {
        Some(words) => words,
        None if is_page(&response) => return response,
        None => PageError::standing_for(Outcome::of(status)).words(),
    };
    let page = MessagePage {
        status: status.as_u16(),
        title: words.title,
        detail: words.detail,
        label: if words.way_on == "/" { "Back to Feedback" } else { "Go on" },
        action: words.way_on,
        request_id,
    };
    let body = page.render().unwrap_or_else(|_| page.title.to_owned());
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_TYPE);
    (parts.status, parts.headers, Html(body)).into_response()
}

fn is_page(response: &Response) -> bool {
    let media_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media_type.is_some_and(|value| value.starts_with("text/html"))
}

/// A page, and what it means.
pub(super) fn page(outcome: Outcome, template: &impl Template) -> Result<Response, PageError> {
    Ok(outcome.with(Html(template.render()?)))
}
