//! `…/api-management/{key}/public-keys`: what clients that sign are known by, and whether secrets open anything beside.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::{KeyId, Keypair, KeypairEdit, KeypairRefusal, PublicKeyError, VerifyingKey};

use super::api_management::{KeyPath, NumberPath, address, refused, sentence};
use super::credentials::{PublicKeyRow, public_keys};
use super::door::Admin;
use super::dress::page;
use super::failure::PageError;
use super::form::{Field, Fields};
use super::keypair_new::{DAY_IN_THE_PAST, read_expiry, tomorrow};
use super::outcome::Outcome;
use super::shell::Shell;
use crate::app::App;
use crate::keypairs::{self, KeypairError};

#[derive(Template)]
#[template(path = "keypair_public_keys.html")]
struct PublicKeysPage {
    shell: Shell,
    base: String,
    id: String,
    issuer: String,
    accepts_secrets: bool,
    may_refuse_secrets: bool,
    keys: Vec<PublicKeyRow>,
    public_key: Field,
    expires: Field,
    tomorrow: String,
}

/// `GET …/api-management/{key}/public-keys`
pub(super) async fn show(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<KeyPath>,
) -> Result<Response, PageError> {
    let keypair = app.store.keypair(admin.owner(), path.id()?).await?;
    page(Outcome::Shown, &view(&app, &admin, &keypair, Field::default(), Field::default()).await?)
}

/// `POST …/api-management/{key}/public-keys`
pub(super) async fn add(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<KeyPath>,
    fields: Fields,
) -> Result<Response, PageError> {
    let (owner, id) = (admin.owner(), path.id()?);
    let keypair = app.store.keypair(owner, id).await?;
    let mut public_key = Field::of(fields.one("public_key")?);
    let mut expires = Field::of(fields.optional("expires")?.unwrap_or_default());
    let key = VerifyingKey::from_text(&public_key.value, None);
    let until = read_expiry(&mut expires);
    let (Ok(key), Some(until)) = (&key, until) else {
        match key {
            // It is not sent back: that would only spread it.
            Err(error @ PublicKeyError::Private) => public_key = Field::wrong(sentence(&error)),
            Err(error) => public_key.error = Some(sentence(&error)),
            Ok(_) => {}
        }
        return page(Outcome::Invalid, &view(&app, &admin, &keypair, public_key, expires).await?);
    };
    let key = (key.clone(), until);
    match keypairs::add_public_key(&app, &admin.author(), owner, id, key, None, None).await {
        Ok(_) => return Ok(back(&admin, id, "public-key-added")),
        Err(KeypairError::Refused(KeypairRefusal::ExpiryInThePast)) => {
            expires.error = Some(DAY_IN_THE_PAST.to_owned());
        }
        Err(KeypairError::Refused(
            refusal @ (KeypairRefusal::SamePublicKey | KeypairRefusal::TooManyPublicKeys),
        )) => public_key.error = Some(sentence(&refusal)),
        Err(error) => return Err(refused(error)),
    }
    page(Outcome::Invalid, &view(&app, &admin, &keypair, public_key, expires).await?)
}

/// `POST …/api-management/{key}/public-keys/{n}/remove`
pub(super) async fn remove(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<KeyPath>,
    Path(public): Path<NumberPath>,
) -> Result<Response, PageError> {
    let (owner, id) = (admin.owner(), path.id()?);
    let removed = keypairs::delete_public_key(&app, &admin.author(), owner, id, public.n, None).await;
    removed.map_err(refused)?;
    Ok(back(&admin, id, "public-key-removed"))
}

/// `POST …/api-management/{key}/secrets/refuse`
pub(super) async fn refuse_secrets(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<KeyPath>,
) -> Result<Response, PageError> {
    let id = path.id()?;
    accept(&app, &admin, id, false).await?;
    Ok(back(&admin, id, "secrets-refused"))
}

/// `POST …/api-management/{key}/secrets/accept`
pub(super) async fn accept_secrets(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<KeyPath>,
) -> Result<Response, PageError> {
    let id = path.id()?;
    accept(&app, &admin, id, true).await?;
    Ok(back(&admin, id, "secrets-accepted"))
}

async fn accept(app: &App, admin: &Admin, id: KeyId, accepts: bool) -> Result<(), PageError> {
    let edit = KeypairEdit { accepts_secrets: Some(accepts), ..KeypairEdit::default() };
    keypairs::edit(app, &admin.author(), admin.owner(), id, &edit, None, None).await.map_err(refused)?;
    Ok(())
}

/// Back to the page, saying what was done.
fn back(admin: &Admin, id: KeyId, done: &str) -> Response {
    Redirect::to(&format!("{}/{id}/public-keys?done={done}", address(admin))).into_response()
}

async fn view(
    app: &App,
    admin: &Admin,
    keypair: &Keypair,
    public_key: Field,
    expires: Field,
) -> Result<PublicKeysPage, PageError> {
    let now = app.clock.now();
    let keys = public_keys(keypair, now);
    Ok(PublicKeysPage {
        shell: admin.shell(app, "api").await?,
        base: address(admin),
        id: keypair.id.to_string(),
        issuer: app.config.issuer().to_owned(),
        accepts_secrets: keypair.accepts_secrets,
        may_refuse_secrets: !keys.is_empty(),
        keys,
        public_key,
        expires,
        tomorrow: tomorrow(app),
    })
}
