//! Every address that is served.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;

use crate::app::App;
use crate::surroundings::surround;
use crate::{api, oauth, web};

/// The Authorization Server, the Feedback API and the Web UI.
pub(crate) fn router(app: Arc<App>) -> Router {
    let around = ServiceBuilder::new()
        .layer(middleware::from_fn_with_state(app.clone(), surround))
        // Where a handler has a fault of its own, only its own request is lost.
        .layer(CatchPanicLayer::new());
    Router::new()
        .merge(oauth::routes())
        .merge(api::routes(app.clone()))
        .merge(web::router(app.clone()))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .layer(around)
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
