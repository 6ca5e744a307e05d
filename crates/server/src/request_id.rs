//! A name for each request, which the client, the problem that it is shown and the log agree on.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use crate::app::App;

/// The request's name: 16 hexadecimal digits.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) Arc<str>);

/// Names the request, for everything inside, and the response.
pub(crate) async fn name_request(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let random = u64::from_be_bytes(app.entropy.bytes());
    let id = format!("{random:016x}");
    request.extensions_mut().insert(RequestId(id.as_str().into()));
    // Every line that is logged on the way carries the name.
    let span = tracing::info_span!("request", request_id = %id);
    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HeaderName::from_static("x-request-id"), value);
    }
    response
}
