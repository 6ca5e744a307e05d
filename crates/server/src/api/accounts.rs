//! `GET /v1/accounts/{acc}`.

use std::sync::Arc;

use axum::extract::State;

use super::authorization::{Any, InAccount};
use super::error::ApiError;
use super::parameters::NoParameters;
use super::shapes::AccountShape;
use super::versions::Versioned;
use crate::app::App;

/// Show the account
///
/// Only a keypair of the account itself reaches it, not one of its environments'.
#[utoipa::path(
    get,
    path = "/v1/accounts/{acc}",
    operation_id = "showAccount",
    tag = "Accounts",
    responses((
        status = 200, description = "The account.", body = AccountShape,
        headers(("ETag" = String, description = "Its version.")),
    )),
)]
pub(super) async fn show(
    account: InAccount<Any>,
    State(app): State<Arc<App>>,
    _: NoParameters,
) -> Result<Versioned<AccountShape>, ApiError> {
    let account = app.store.account(account.id()).await?;
    Ok(Versioned { version: account.version, shape: AccountShape::from(&account) })
}
