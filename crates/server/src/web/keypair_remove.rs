//! `…/api-management/{key}/remove`: for good, confirmed by typing the end of the Key ID.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use domain::Keypair;

use super::api_management::{KeyPath, address, back, refused};
use super::door::Admin;
use super::dress::page;
use super::failure::PageError;
use super::form::{Field, Fields};
use super::outcome::Outcome;
use super::shell::Shell;
use super::usage::{self, Recent};
use crate::app::App;
use crate::keypairs;

const TYPED: usize = 6;

#[derive(Template)]
#[template(path = "keypair_remove.html")]
struct RemovePage {
    shell: Shell,
    base: String,
    id: String,
    id_head: String,
    id_tail: String,
    comment: String,
    enabled: bool,
    confirm: Field,
    /// What would fail; none if that can't be told.
    recent: Option<Recent>,
}

/// `GET …/api-management/{key}/remove`
pub(super) async fn show(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<KeyPath>,
) -> Result<Response, PageError> {
    let keypair = app.store.keypair(admin.owner(), path.id()?).await?;
    page(Outcome::Shown, &view(&app, &admin, &keypair, Field::default()).await?)
}

/// `POST …/api-management/{key}/remove`
pub(super) async fn remove(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<KeyPath>,
    fields: Fields,
) -> Result<Response, PageError> {
    let keypair = app.store.keypair(admin.owner(), path.id()?).await?;
    let mut confirm = Field::of(fields.one("confirm")?);
    let (_, tail) = parted(&keypair);
    if !confirm.value.trim().eq_ignore_ascii_case(&tail) {
        confirm.error = Some("These are not the last 6 characters of the Key ID.".to_owned());
        return page(Outcome::Invalid, &view(&app, &admin, &keypair, confirm).await?);
    }
    keypairs::remove(&app, &admin.author(), keypair.owner, keypair.id, None).await.map_err(refused)?;
    Ok(back(&admin, "keypair-removed"))
}

fn parted(keypair: &Keypair) -> (String, String) {
    let mut head = keypair.id.to_string();
    let tail = head.split_off(head.len().saturating_sub(TYPED));
    (head, tail)
}

async fn view(app: &App, admin: &Admin, keypair: &Keypair, confirm: Field) -> Result<RemovePage, PageError> {
    let (id_head, id_tail) = parted(keypair);
    Ok(RemovePage {
        shell: admin.shell(app, "api").await?,
        base: address(admin),
        id: keypair.id.to_string(),
        id_head,
        id_tail,
        comment: keypair.comment.to_string(),
        enabled: keypair.enabled,
        confirm,
        recent: usage::recent(app, keypair).await,
    })
}
