//! What surrounds every request, whatever its address: its name, its measure, its whole body first, a fault that takes
//! no other request along, and nothing untrue remembered after. One layer: each costs a request as much as routing it.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tracing::Instrument;

use crate::api::error::{ApiError, rendered};
use crate::app::App;
use crate::metrics::Measured;
use crate::oauth::error::OAuthError;
use crate::surface::Surface;
use crate::{oauth, whole_body};

/// Headers that every answer has, unless it has others of that name.
const HEADERS: [(HeaderName, HeaderValue); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// Answers a request, by what is inside.
pub(crate) async fn surround(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let surface = Surface::of(request.uri().path());
    let measured = Measured::from(surface, &request);
    let id = app.request_ids.next();
    request.extensions_mut().insert(id.clone());
    // Every line that is logged on the way carries the name.
    let span = tracing::info_span!("request", request_id = &*id.0);
    let answered = async {
        let response = answer(&app, surface, request, next).await;
        if surface == Surface::Api { rendered(response, &app, &id.0) } else { response }
    };
    let mut response = answered.instrument(span).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    measured.answered(response.status());
    response
}

async fn answer(app: &App, surface: Surface, request: Request, next: Next) -> Response {
    let may_change = may_change(&request);
    let request = match whole_body::read_first(app, request).await {
        Ok(request) => request,
        Err(refused) => return refused,
    };
    if app.overload.refuses(surface, request.method(), request.uri().path()) {
        return match surface {
            Surface::OAuth => OAuthError::Overloaded.into_response(),
            _ => ApiError::Overloaded.into_response(),
        };
    }
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let response = answered.unwrap_or_else(|said| panicked(surface, &*said));
    // The node that makes a change applies it before it answers: whatever the request may have changed is read back from
    // the change feed while its answer waits. No handler has to remember to.
    if may_change && let Err(error) = app.live.catch_up().await {
        tracing::warn!(%error, "the change feed can't be read; nothing is trusted until it can");
    }
    response
}

/// Whether the request may change what is remembered. Tokens and responses leave no line in the log.
fn may_change(request: &Request) -> bool {
    let path = request.uri().path();
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    !safe && path != oauth::TOKEN_PATH && !(path.starts_with("/v1/") && path.ends_with("/responses"))
}

/// What a handler with a fault of its own answers: only its own request is lost.
fn panicked(surface: Surface, said: &(dyn Any + Send)) -> Response {
    let said = said
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| said.downcast_ref::<&str>().copied())
        .unwrap_or("something unprintable");
    if surface == Surface::Api {
        return ApiError::Panicked(said.to_owned()).into_response();
    }
    tracing::error!(said, "a handler panicked");
    (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong on our side; it was logged\n").into_response()
}
