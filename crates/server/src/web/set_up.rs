//! `/set-up/{token}`: the first account and its first administrator, by a one-time link.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use domain::{Account, Actor, Email, Name, Owner, User, new_id};
use storage::StorageError;

use super::access::Public;
use super::door::base;
use super::dress::page;
use super::failure::PageError;
use super::form::{Field, Fields};
use super::outcome::Outcome;
use super::session::{self, From};
use crate::app::{App, Author};
use crate::passwords::Password;

#[derive(Default, Template)]
#[template(path = "set_up.html")]
struct SetUpPage {
    token: String,
    account: Field,
    email: Field,
    password: Field,
}

/// A new set-up link in place of any before it; none once there is a user.
pub(crate) async fn make_link(app: &App) -> Result<Option<String>, StorageError> {
    let token = session::new_token(app);
    let needed = app.store.put_setup_link(&session::hash(&token)).await?;
    Ok(needed.then(|| format!("{}/set-up/{token}", app.config.issuer())))
}

/// `GET /set-up/{token}`
pub(super) async fn show(
    _: Public,
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
) -> Result<Response, PageError> {
    if !app.store.setup_link_is_valid(&session::hash(&token)).await? {
        return Err(PageError::DeadLink);
    }
    page(Outcome::Shown, &SetUpPage { token, ..Default::default() })
}

/// `POST /set-up/{token}`
pub(super) async fn set_up(
    _: Public,
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    From(address): From,
    fields: Fields,
) -> Result<Response, PageError> {
    let link = session::hash(&token);
    // Asked before the password is hashed, so that a stranger can't make the server work.
    if !app.store.setup_link_is_valid(&link).await? {
        return Err(PageError::DeadLink);
    }
    let mut form = SetUpPage {
        token,
        account: Field::of(fields.one("account")?),
        email: Field::of(fields.one("email")?),
        password: Field::default(),
    };
    let password = Password::typed(fields.one("password")?.to_owned());
    let name = form.account.read("The account name", Name::new);
    let email = form.email.read("The e-mail", Email::new);
    let good = email.as_ref().is_none_or(|email| match password.check(email) {
        Ok(()) => true,
        Err(weak) => {
            form.password = Field::wrong(format!("The password {weak}."));
            false
        }
    });
    let (Some(name), Some(email), true) = (name, email, good) else {
        return page(Outcome::Invalid, &form);
    };
    let hash = app.passwords.hash(&password, &*app.entropy).await;
    let now = app.clock.now();
    let account = Account::new(name, now, &*app.entropy);
    let user = User { id: new_id(now, &*app.entropy), email, created_at: now };
    let author = Author { actor: Actor::User(user.id, user.email.to_string()), address, standing: None };
    match app.store.set_up(&app.stamp(&author, now), &link, &account, &user, &hash).await {
        Ok(()) => {}
        Err(StorageError::NotFound) => return Err(PageError::DeadLink),
        Err(error) => return Err(error.into()),
    }
    let to = format!("{}?done=welcome", base(Owner::Account(account.id)));
    session::begin(&app, user.id, &hash, &to).await
}
