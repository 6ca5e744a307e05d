//! `…/api-management/{key}/public-keys`: what clients that sign are known by, and whether secrets open anything beside.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::{KeyId, Keypair, KeypairEdit, KeypairRefusal, PublicKey, PublicKeyError, VerifyingKey};

use super::api_management::{KeyPath, NumberPath, address, refused, sentence};
use super::door::Admin;
use super::dress::page;
use super::failure::PageError;
use super::form::{Field, Fields};
use super::outcome::Outcome;
use super::shell::Shell;
use super::when::When;
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
    keys: Vec<Row>,
    public_key: Field,
}

struct Row {
    n: u32,
    kid: String,
    copy_target: String,
    algorithm: &'static str,
    created: When,
    last_used: Option<When>,
    expires: Option<When>,
}

/// `GET …/api-management/{key}/public-keys`
pub(super) async fn show(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<KeyPath>,
) -> Result<Response, PageError> {
    let keypair = app.store.keypair(admin.owner(), path.id()?).await?;
    page(Outcome::Shown, &view(&app, &admin, &keypair, Field::default()).await?)
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
    let text = fields.one("public_key")?;
    let invalid = async |field: Field| page(Outcome::Invalid, &view(&app, &admin, &keypair, field).await?);
    let wrong = |error: String| Field { value: text.to_owned(), error: Some(error) };
    let key = match VerifyingKey::from_text(text, None) {
        Ok(key) => key,
        // It is not sent back: that would only spread it.
        Err(error @ PublicKeyError::Private) => return invalid(Field::wrong(sentence(&error))).await,
        Err(error) => return invalid(wrong(sentence(&error))).await,
    };
    match keypairs::add_public_key(&app, &admin.author(), owner, id, (key, None), None, None).await {
        Ok(_) => Ok(back(&admin, id, "public-key-added")),
        Err(KeypairError::Refused(
            refusal @ (KeypairRefusal::SamePublicKey | KeypairRefusal::TooManyPublicKeys),
        )) => invalid(wrong(sentence(&refusal))).await,
        Err(error) => Err(refused(error)),
    }
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
) -> Result<PublicKeysPage, PageError> {
    let now = app.clock.now();
    let row = |public: &PublicKey| Row {
        n: public.n,
        kid: public.key.thumbprint().to_string(),
        copy_target: format!("kid-{}", public.n),
        algorithm: public.key.algorithm().name(),
        created: When::new(public.created_at, now),
        last_used: public.last_used_at.map(|at| When::new(at, now)),
        expires: public.expires_at.map(|at| When::new(at, now)),
    };
    let live = keypair.public_keys.iter().filter(|public| public.is_live(now));
    Ok(PublicKeysPage {
        shell: admin.shell(app, "api").await?,
        base: address(admin),
        id: keypair.id.to_string(),
        issuer: app.config.issuer().to_owned(),
        accepts_secrets: keypair.accepts_secrets,
        may_refuse_secrets: live.clone().next().is_some(),
        keys: live.map(row).collect(),
        public_key,
    })
}
