//! Every address that is served.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;
use crate::surroundings::Surrounded;
use crate::{api, oauth, web};

/// The Authorization Server, the Feedback API and the Web UI.
pub(crate) fn router(app: Arc<App>) -> Surrounded {
    let inside = Router::new()
        .merge(oauth::routes())
        .merge(api::routes())
        .merge(web::router(app.clone()))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(app.clone());
    Surrounded::new(app, inside)
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
