//! `…/api-management/new`: making a keypair. The answer shows its secret, once.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::{Comment, Date, KeypairRefusal, NewKeypair, Owner, Scope, Scopes, Timestamp};
use jiff::ToSpan;

use super::api_management::{self, Made, address, refused, sentence};
use super::door::Admin;
use super::dress::page;
use super::failure::PageError;
use super::form::{Field, Fields};
use super::outcome::Outcome;
use super::shell::Shell;
use super::when::{beginning_of, day_of};
use crate::app::App;
use crate::keypairs::{self, KeypairError};

#[derive(Template)]
#[template(path = "keypair_new.html")]
struct NewPage {
    shell: Shell,
    base: String,
    comment: Field,
    scopes: Vec<ScopeChoice>,
    scopes_error: Option<String>,
    expires: Field,
    tomorrow: String,
}

/// A scope with its checkbox.
pub(super) struct ScopeChoice {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) checked: bool,
}

/// A checkbox for each scope that a keypair of `owner` can have.
pub(super) fn scope_choices(owner: &Owner, checked: impl Fn(Scope) -> bool) -> Vec<ScopeChoice> {
    let choice =
        |scope: Scope| ScopeChoice { name: scope.name(), help: scope.allows(), checked: checked(scope) };
    Scopes::available_to(owner).iter().map(choice).collect()
}

/// Reads the day at whose beginning a keypair stops; empty for never.
pub(super) fn read_expiry(field: &mut Field) -> Option<Option<Timestamp>> {
    if field.value.trim().is_empty() {
        return Some(None);
    }
    let day = field.value.trim().parse::<Date>().ok().and_then(beginning_of);
    if day.is_none() {
        field.error = Some("The day must be written as in 2027-01-31.".to_owned());
    }
    day.map(Some)
}

/// `GET …/api-management/new`
pub(super) async fn show(admin: Admin, State(app): State<Arc<App>>) -> Result<Response, PageError> {
    let scopes = scope_choices(&admin.owner(), |_| false);
    page(Outcome::Shown, &view(&app, &admin, Field::default(), scopes, None, Field::default()).await?)
}

/// `POST …/api-management`
pub(super) async fn create(
    admin: Admin,
    State(app): State<Arc<App>>,
    fields: Fields,
) -> Result<Response, PageError> {
    let owner = admin.owner();
    let mut comment = Field::of(fields.optional("comment")?.unwrap_or_default());
    let mut expires = Field::of(fields.optional("expires")?.unwrap_or_default());
    let asked = Scopes::from_names(fields.all("scope")).and_then(|scopes| scopes.fit_for(&owner));
    let choices = scope_choices(&owner, |scope| fields.all("scope").any(|name| name == scope.name()));
    let good_comment = comment.read("The comment", Comment::new);
    let good_expiry = read_expiry(&mut expires);
    let (Some(new_comment), Some(expires_at), Ok(scopes)) = (good_comment, good_expiry, &asked) else {
        let error = asked.err().map(|error| sentence(&error));
        let view = view(&app, &admin, comment, choices, error, expires).await?;
        return page(Outcome::Invalid, &view);
    };
    let new = NewKeypair { owner, comment: new_comment, scopes: *scopes, expires_at };
    match keypairs::create(&app, &admin.author(), new, None).await {
        Ok((keypair, secret)) => {
            let made = Made::new(&app, "Keypair created", &keypair, &secret, None);
            api_management::show(&app, &admin, None, Some(made)).await
        }
        Err(KeypairError::Refused(KeypairRefusal::ExpiryInThePast)) => {
            expires.error = Some("The day must lie in the future.".to_owned());
            page(Outcome::Invalid, &view(&app, &admin, comment, choices, None, expires).await?)
        }
        Err(error) => Err(refused(error)),
    }
}

async fn view(
    app: &App,
    admin: &Admin,
    comment: Field,
    scopes: Vec<ScopeChoice>,
    scopes_error: Option<String>,
    expires: Field,
) -> Result<NewPage, PageError> {
    let shell = admin.shell(app, "api").await?;
    let tomorrow = day_of(app.clock.now()).saturating_add(1.day()).to_string();
    Ok(NewPage { shell, base: address(admin), comment, scopes, scopes_error, expires, tomorrow })
}
