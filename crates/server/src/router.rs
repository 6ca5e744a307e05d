//! Every address that is served, and what surrounds it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::app::App;
use crate::{api, metrics, oauth, request_id, web, whole_body};

/// The Authorization Server, the Feedback API and the Web UI.
pub(crate) fn router(app: Arc<App>) -> Router {
    Router::new()
        .merge(oauth::routes())
        .merge(api::routes(app.clone()))
        .merge(web::router(app.clone()))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .layer(middleware::from_fn_with_state(app.clone(), apply_before_answering))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ))
        // Where a handler has a fault of its own, only its own request is lost.
        .layer(middleware::from_fn_with_state(app.clone(), whole_body::read_first))
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn(metrics::measure))
        .layer(middleware::from_fn_with_state(app.clone(), request_id::name_request))
        .with_state(app)
}

async fn ready(State(app): State<Arc<App>>) -> Response {
    match app.store.ping().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the store can't be read\n").into_response()
        }
    }
}

/// The node that makes a change applies it before it answers: whatever a request may have changed is read back from
/// the change feed while its answer waits. No handler has to remember to.
async fn apply_before_answering(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let may_change = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS)
        && request.uri().path() != oauth::TOKEN_PATH;
    let response = next.run(request).await;
    if may_change && let Err(error) = app.live.catch_up().await {
        tracing::warn!(%error, "the change feed can't be read; nothing is trusted until it can");
    }
    response
}
