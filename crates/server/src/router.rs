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
    let not_ready = |why: &'static str| (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    let signs = async {
        app.store.ping().await?;
        app.signing_keys.can_sign(&app.live).await
    };
    match signs.await {
        Ok(true) => "ready\n".into_response(),
        Ok(false) => {
            tracing::warn!("not ready: none of the signing keys in the store can be used");
            not_ready("none of the signing keys in the store opens under this node's master key\n")
        }
        Err(error) => {
            tracing::warn!(%error, "not ready");
            not_ready("the store can't be read\n")
        }
    }
}
