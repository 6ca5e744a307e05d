//! `GET /oauth2/jwks` (RFC 7517 §5).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::app::App;
use crate::signing::CACHED_FOR;

/// The keys that verify access tokens.
pub(super) async fn jwks(State(app): State<Arc<App>>) -> impl IntoResponse {
    // Those from before, if the store can't be asked: to publish one too many reveals nothing.
    let keys = app.signing_keys.current(&app.live).await.unwrap_or_else(|_| app.signing_keys.held());
    let keys: Vec<Value> = keys.public().cloned().collect();
    let cached = format!("public, max-age={}", CACHED_FOR.as_secs());
    ([(header::CACHE_CONTROL, cached)], Json(json!({ "keys": keys })))
}
