//! `GET /v1/access`: what a token is, and what it reaches.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use storage::{Slice, StorageError};

use super::authorization::{Any, Token};
use super::error::ApiError;
use super::parameters::NoParameters;
use super::shapes::{AccessShape, ReachedEnvironment};
use crate::app::App;
use crate::oauth::access_token::Verified;

/// How many environments are asked of the store at a time.
const AT_A_TIME: u32 = 500;

/// Show what the token is and reaches
///
/// The keypair that obtained it and whom that belongs to, or the person in whose name an application has it and where, the scopes that the token has at this moment, and the open
/// environments that it reaches.
#[utoipa::path(
    get,
    path = "/v1/access",
    operation_id = "showAccess",
    tag = "Access",
    responses((status = 200, description = "What the token is and reaches.", body = AccessShape)),
)]
pub(super) async fn show(
    token: Token<Any>,
    State(app): State<Arc<App>>,
    _: NoParameters,
) -> Result<Json<AccessShape>, ApiError> {
    let verified = token.verified();
    let environments = all_environments(&app, verified).await?;
    Ok(Json(AccessShape::new(verified, environments)))
}

async fn all_environments(app: &App, verified: &Verified) -> Result<Vec<ReachedEnvironment>, StorageError> {
    let mut all = Vec::new();
    let mut slice = Slice::first(AT_A_TIME);
    loop {
        let found = verified.environments(app, slice).await?;
        all.extend(found.iter().map(ReachedEnvironment::from));
        match found.last() {
            Some(last) if found.len() >= AT_A_TIME as usize => slice.after = Some(last.id),
            _ => return Ok(all),
        }
    }
}
