//! `…/administration/settings`: the name, and closing for good.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use domain::Name;

use super::door::{Admin, base};
use super::dress::page;
use super::failure::PageError;
use super::form::{Field, Fields};
use super::outcome::Outcome;
use super::shell::Shell;
use super::usage::{self, InUse};
use crate::app::App;

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    shell: Shell,
    base: String,
    id: String,
    is_environment: bool,
    current_name: String,
    version: i64,
    name: Field,
    confirm: Field,
    ends: &'static [&'static str],
    /// What would fail; none if that can't be told.
    in_use: Option<InUse>,
}

impl SettingsPage {
    async fn new(app: &App, admin: &Admin) -> Result<Self, PageError> {
        let version = admin.environment.as_ref().map_or(admin.account.version, |it| it.version);
        Ok(Self {
            shell: admin.shell(app, "settings").await?,
            base: format!("{}/administration/settings", admin.base()),
            id: admin.owner().to_string(),
            is_environment: admin.environment.is_some(),
            current_name: admin.name(),
            version,
            name: Field::of(admin.name()),
            confirm: Field::default(),
            ends: if admin.environment.is_some() { &ENVIRONMENT_ENDS } else { &ACCOUNT_ENDS },
            in_use: usage::in_use(app, admin).await,
        })
    }
}

const ENVIRONMENT_ENDS: [&str; 4] = [
    "Its API keypairs cease to exist, and their access tokens stop working.",
    "Account keypairs no longer reach it.",
    "It takes no more responses, and its queries and reports can no longer be seen.",
    "Roles and invitations to it end.",
];

const ACCOUNT_ENDS: [&str; 4] = [
    "Every environment of the account closes with it.",
    "All API keypairs of the account and of its environments cease to exist, and their access tokens stop working.",
    "No more responses are taken, and queries and reports can no longer be seen.",
    "Roles and invitations end, yours too.",
];

/// `GET …/settings`
pub(super) async fn show(admin: Admin, State(app): State<Arc<App>>) -> Result<Response, PageError> {
    page(Outcome::Shown, &SettingsPage::new(&app, &admin).await?)
}

/// `POST …/settings/rename`
pub(super) async fn rename(
    admin: Admin,
    State(app): State<Arc<App>>,
    fields: Fields,
) -> Result<Response, PageError> {
    let mut form = SettingsPage::new(&app, &admin).await?;
    form.name = Field::of(fields.one("name")?);
    let Some(name) = form.name.read("The name", Name::new) else {
        return page(Outcome::Invalid, &form);
    };
    if fields.one("version")? != form.version.to_string() {
        form.name.error = Some(format!(
            "It was renamed to “{}” in the meantime. Save again to rename it all the same.",
            form.current_name
        ));
        return page(Outcome::Conflict, &form);
    }
    let seen = Some(form.version);
    let stamp = app.stamp(&admin.author(), app.clock.now());
    match &admin.environment {
        Some(environment) => {
            app.store.rename_environment(&stamp, environment.id, seen, &name).await.map(drop)?
        }
        None => app.store.rename_account(&stamp, admin.account.id, seen, &name).await.map(drop)?,
    }
    Ok(Redirect::to(&format!("{}?done=renamed", form.base)).into_response())
}

/// `POST …/settings/close`
pub(super) async fn close(
    admin: Admin,
    State(app): State<Arc<App>>,
    fields: Fields,
) -> Result<Response, PageError> {
    let confirm = fields.one("confirm")?;
    if confirm.trim() != admin.name() {
        let mut form = SettingsPage::new(&app, &admin).await?;
        form.confirm = Field { value: confirm.to_owned(), error: Some("This is not its name.".to_owned()) };
        return page(Outcome::Invalid, &form);
    }
    let stamp = app.stamp(&admin.author(), app.clock.now());
    let to = match &admin.environment {
        Some(environment) => {
            app.store.close_environment(&stamp, environment.id, None).await?;
            let account = domain::Owner::Account(admin.account.id);
            let sees_account = admin.grants.iter().any(|grant| grant.on == account);
            let to = if sees_account { base(account) } else { "/".to_owned() };
            format!("{to}?done=environment-closed")
        }
        None => {
            app.store.close_account(&stamp, admin.account.id).await?;
            "/?done=account-closed".to_owned()
        }
    };
    Ok(Redirect::to(&to).into_response())
}
