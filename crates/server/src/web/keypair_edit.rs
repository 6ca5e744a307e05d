//! `…/api-management/{key}/edit`: comment, scopes and expiry; and ending a secret that is not the only way in.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::{Comment, Keypair, KeypairEdit, KeypairRefusal, Scope, Scopes, Timestamp, utc_date};
use storage::StorageError;

use super::api_management::{KeyPath, NumberPath, address, back, refused, sentence};
use super::credentials::{SecretRow, secrets};
use super::door::Admin;
use super::dress::page;
use super::failure::PageError;
use super::form::{Field, Fields};
use super::keypair_new::{
    BindingChoice, DAY_IN_THE_PAST, ScopeChoice, binding_choices, read_binding, read_expiry, read_networks,
    scope_choices,
};
use super::outcome::Outcome;
use super::shell::Shell;
use super::usage;
use crate::app::App;
use crate::keypairs::{self, KeypairError};

#[derive(Template)]
#[template(path = "keypair_edit.html")]
struct EditPage {
    shell: Shell,
    base: String,
    id: String,
    version: i64,
    conflict: bool,
    comment: Field,
    scopes: Vec<ScopeChoice>,
    scopes_error: Option<String>,
    expires: Field,
    bindings: Vec<BindingChoice>,
    networks: Field,
    accepts_secrets: bool,
    secrets: Vec<SecretRow>,
    public_keys: usize,
}

impl EditPage {
    async fn new(app: &App, admin: &Admin, keypair: &Keypair) -> Result<Self, PageError> {
        let now = app.clock.now();
        let public_keys = keypair.public_keys.iter().filter(|public| public.is_live(now)).count();
        Ok(Self {
            shell: admin.shell(app, "api").await?,
            base: address(admin),
            id: keypair.id.to_string(),
            version: keypair.version,
            conflict: false,
            comment: Field::of(&keypair.comment),
            scopes: choices(app, keypair, |scope| keypair.scopes.contains(scope)).await,
            scopes_error: None,
            expires: Field::of(keypair.expires_at.map(|at| utc_date(at).to_string()).unwrap_or_default()),
            bindings: binding_choices(app, keypair.token_binding),
            networks: Field::of(keypair.allowed_addresses.names().join("\n")),
            accepts_secrets: keypair.accepts_secrets,
            secrets: secrets(keypair, now),
            public_keys,
        })
    }
}

/// A checkbox for each scope; beside those that it has, how they were used: what would fail without them.
async fn choices(app: &App, keypair: &Keypair, checked: impl Fn(Scope) -> bool) -> Vec<ScopeChoice> {
    let mut choices = scope_choices(&keypair.owner, checked);
    if let Some(usage) = usage::load(app, keypair).await {
        for used in &usage.scopes {
            if let Some(choice) = choices.iter_mut().find(|choice| choice.name == used.scope.name()) {
                choice.used = Some(usage::of_scope(used, &usage, app.clock.now()));
            }
        }
    }
    choices
}

/// `GET …/api-management/{key}/edit`
pub(super) async fn show(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<KeyPath>,
) -> Result<Response, PageError> {
    let keypair = app.store.keypair(admin.owner(), path.id()?).await?;
    page(Outcome::Shown, &EditPage::new(&app, &admin, &keypair).await?)
}

/// `POST …/api-management/{key}/edit`
pub(super) async fn save(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<KeyPath>,
    fields: Fields,
) -> Result<Response, PageError> {
    let (owner, id) = (admin.owner(), path.id()?);
    let version = fields.version()?;
    let keypair = app.store.keypair(owner, id).await?;
    let mut form = EditPage::new(&app, &admin, &keypair).await?;
    form.comment = Field::of(fields.optional("comment")?.unwrap_or_default());
    form.expires = Field::of(fields.optional("expires")?.unwrap_or_default());
    let chosen = |scope: Scope| fields.all("scope").any(|name| name == scope.name());
    form.scopes = choices(&app, &keypair, chosen).await;
    let token_binding = read_binding(&fields)?;
    form.bindings = binding_choices(&app, token_binding.unwrap_or(keypair.token_binding));
    let asked = Scopes::from_names(fields.all("scope")).and_then(|scopes| scopes.fit_for(&owner));
    let comment = form.comment.read("The comment", Comment::new);
    let expiry = read_expiry(&mut form.expires);
    // A form without the field asks for no other list: none is anywhere.
    if let Some(networks) = fields.optional("networks")? {
        form.networks = Field::of(networks);
    }
    let networks = read_networks(&mut form.networks);
    let (Some(comment), Some(expires_at), Some(allowed_addresses), Ok(scopes)) =
        (comment, expiry, networks, &asked)
    else {
        form.version = version;
        form.scopes_error = asked.err().map(|error| sentence(&error));
        return page(Outcome::Invalid, &form);
    };
    let edit = KeypairEdit {
        enabled: None,
        comment: Some(comment),
        scopes: Some(*scopes),
        expires_at: changed_expiry(&keypair, expires_at),
        accepts_secrets: None,
        token_binding,
        allowed_addresses: Some(allowed_addresses),
    };
    match keypairs::edit(&app, &admin.author(), owner, id, &edit, Some(version), None).await {
        Ok(_) => Ok(back(&admin, "keypair-saved")),
        Err(KeypairError::Store(StorageError::Moved)) => {
            form.conflict = true;
            page(Outcome::Conflict, &form)
        }
        Err(KeypairError::Refused(KeypairRefusal::ExpiryInThePast)) => {
            form.version = version;
            form.expires.error = Some(DAY_IN_THE_PAST.to_owned());
            page(Outcome::Invalid, &form)
        }
        Err(error) => Err(refused(error)),
    }
}

/// The form shows a day. An expiry within that day, to the second, stays as it is unless another day was chosen.
fn changed_expiry(keypair: &Keypair, chosen: Option<Timestamp>) -> Option<Option<Timestamp>> {
    if keypair.expires_at.map(utc_date) == chosen.map(utc_date) { None } else { Some(chosen) }
}

/// `POST …/api-management/{key}/secrets/{n}/end`
pub(super) async fn end_secret(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<KeyPath>,
    Path(secret): Path<NumberPath>,
) -> Result<Response, PageError> {
    let (owner, id) = (admin.owner(), path.id()?);
    match keypairs::delete_secret(&app, &admin.author(), owner, id, secret.n, None).await {
        Ok(_) => {
            let to = format!("{}/{id}/edit?done=secret-ended", address(&admin));
            Ok(Redirect::to(&to).into_response())
        }
        Err(KeypairError::Refused(KeypairRefusal::NoSuchSecret)) => Err(PageError::NotFound),
        Err(error) => Err(refused(error)),
    }
}
