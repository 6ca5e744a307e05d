//! The audit log: of an environment, and of an account.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::{EventId, Owner};

use super::authorization::{AccountAdmin, EnvironmentAdmin, InAccount, InEnvironment};
use super::error::ApiError;
use super::parameters::{Page, PageParameters, Parameters, page};
use super::shapes::{AuditEventShape, ListShape};
use crate::app::App;

type Events = Json<ListShape<AuditEventShape>>;

/// List an environment's audit events
///
/// The newest first, in the order in which the changes were made.
#[utoipa::path(
    get,
    path = "/v1/environments/{env}/audit-events",
    operation_id = "listEnvironmentAuditEvents",
    tag = "Audit log",
    params(PageParameters),
    responses((status = 200, description = "A page of the log.", body = ListShape<AuditEventShape>)),
)]
pub(super) async fn of_environment(
    environment: InEnvironment<EnvironmentAdmin>,
    State(app): State<Arc<App>>,
    Parameters(wanted): Parameters<Page<EventId>>,
) -> Result<Events, ApiError> {
    list(&app, environment.id().into(), wanted).await
}

/// List the account's audit events
///
/// The newest first, in the order in which the changes were made. The logs of its environments are apart.
#[utoipa::path(
    get,
    path = "/v1/accounts/{acc}/audit-events",
    operation_id = "listAccountAuditEvents",
    tag = "Audit log",
    params(PageParameters),
    responses((status = 200, description = "A page of the log.", body = ListShape<AuditEventShape>)),
)]
pub(super) async fn of_account(
    account: InAccount<AccountAdmin>,
    State(app): State<Arc<App>>,
    Parameters(wanted): Parameters<Page<EventId>>,
) -> Result<Events, ApiError> {
    list(&app, account.id().into(), wanted).await
}

async fn list(app: &App, owner: Owner, wanted: Page<EventId>) -> Result<Events, ApiError> {
    let (slice, limit) = wanted.slice();
    let events = app.store.audit_events(owner, slice.after, slice.limit).await?;
    Ok(page(events, limit, |event| event.stamp.event, |event| AuditEventShape::from(event)))
}
