//! What surrounds every request, whatever its address: its name, its measure, its whole body first, and nothing untrue
//! remembered after. One layer: each costs a request as much as routing it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use crate::app::App;
use crate::metrics::Measured;
use crate::{oauth, whole_body};

/// Headers that every answer has, unless it has others of that name.
const HEADERS: [(HeaderName, HeaderValue); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// Answers a request, by what is inside.
pub(crate) async fn surround(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let measured = Measured::from(&request);
    let id = app.request_ids.next();
    request.extensions_mut().insert(id.clone());
    // Every line that is logged on the way carries the name.
    let span = tracing::info_span!("request", request_id = &*id.0);
    let mut response = answer(&app, request, next).instrument(span).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    measured.answered(&response);
    response
}

async fn answer(app: &App, request: Request, next: Next) -> Response {
    let may_change = may_change(&request);
    let request = match whole_body::read_first(app, request).await {
        Ok(request) => request,
        Err(refused) => return refused,
    };
    let response = next.run(request).await;
    // The node that makes a change applies it before it answers: whatever the request may have changed is read back from
    // the change feed while its answer waits. No handler has to remember to.
    if may_change && let Err(error) = app.live.catch_up().await {
        tracing::warn!(%error, "the change feed can't be read; nothing is trusted until it can");
    }
    response
}

/// Whether the request may change what is remembered. Tokens, questions about them and responses leave no line in the log.
fn may_change(request: &Request) -> bool {
    let path = request.uri().path();
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let leaves_no_line = matches!(path, oauth::TOKEN_PATH | oauth::INTROSPECTION_PATH)
        || (path.starts_with("/v1/") && path.ends_with("/responses"));
    !safe && !leaves_no_line
}
