//! `…/administration/access-management/users`: who has which role, and inviting others.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::{Email, Grant, Member, Owner, Role, UserId, effective_role};
use jiff::SignedDuration;
use serde::Deserialize;
use storage::{Invitation, StorageError};

use super::door::{Admin, base};
use super::dress::page;
use super::failure::{LAST_ADMINISTRATOR, PageError};
use super::form::{Field, Fields};
use super::once::{Refusal, UNKNOWN};
use super::outcome::Outcome;
use super::session;
use super::shell::Shell;
use super::when::When;
use crate::app::App;

const LASTS: SignedDuration = SignedDuration::from_hours(7 * 24);

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage {
    shell: Shell,
    base: String,
    is_environment: bool,
    account_name: String,
    /// Where inherited roles are changed, if the person may go there.
    account_users: String,
    users: Vec<Row>,
    roles: Vec<RoleChoice>,
    form: String,
    email: Field,
    invitations: Vec<InvitationRow>,
    error: Option<&'static str>,
    made: Option<Made>,
}

struct Row {
    id: String,
    email: String,
    you: bool,
    role: &'static str,
    inherited: bool,
    roles: Vec<RoleChoice>,
}

struct RoleChoice {
    value: &'static str,
    label: &'static str,
    chosen: bool,
}

struct InvitationRow {
    email: String,
    role: &'static str,
    expires: When,
}

struct Made {
    email: String,
    link: String,
}

fn label(role: Role) -> &'static str {
    match role {
        Role::Administrator => "Administrator",
        Role::Author => "Author",
        Role::Reader => "Reader",
    }
}

fn choices(chosen: Role) -> Vec<RoleChoice> {
    let choice = |role: Role| RoleChoice { value: role.name(), label: label(role), chosen: role == chosen };
    Role::ALL.into_iter().map(choice).collect()
}

impl UsersPage {
    async fn new(app: &App, admin: &Admin) -> Result<Self, PageError> {
        let now = app.clock.now();
        let owner = admin.owner();
        let row = |member: Member| Row {
            id: member.user.id.to_string(),
            email: member.user.email.to_string(),
            you: member.user.id == admin.person.user.id,
            role: label(member.grant.role),
            inherited: member.grant.on != owner,
            roles: choices(member.grant.role),
        };
        let invitation = |invitation: Invitation| InvitationRow {
            email: invitation.email.to_string(),
            role: label(invitation.grant.role),
            expires: When::new(invitation.expires_at, now),
        };
        let above = domain::Place::Account(admin.account.id);
        let administers_account = effective_role(&admin.grants, above) == Some(Role::Administrator);
        let account_users =
            if administers_account { address(Owner::Account(admin.account.id)) } else { String::new() };
        Ok(Self {
            shell: admin.shell(app, "users").await?,
            base: address(owner),
            is_environment: admin.environment.is_some(),
            account_name: admin.account.name.to_string(),
            account_users,
            users: app.store.members(admin.place).await?.into_iter().map(row).collect(),
            roles: choices(Role::Reader),
            form: admin.person.forms.issue(app),
            email: Field::default(),
            invitations: app.store.invitations(owner, now).await?.into_iter().map(invitation).collect(),
            error: None,
            made: None,
        })
    }
}

fn address(owner: Owner) -> String {
    format!("{}/administration/access-management/users", base(owner))
}

/// `GET …/users`
pub(super) async fn list(admin: Admin, State(app): State<Arc<App>>) -> Result<Response, PageError> {
    page(Outcome::Shown, &UsersPage::new(&app, &admin).await?)
}

fn role_in(fields: &Fields) -> Result<Role, PageError> {
    fields.one("role")?.parse().map_err(|_| PageError::BadForm("There is no such role.".to_owned()))
}

/// `POST …/users`: makes an invitation and shows its link, once.
pub(super) async fn invite(
    admin: Admin,
    State(app): State<Arc<App>>,
    fields: Fields,
) -> Result<Response, PageError> {
    let role = role_in(&fields)?;
    let mut email = Field::of(fields.one("email")?);
    let Some(address) = email.read("The e-mail", Email::new) else {
        let view = UsersPage { email, roles: choices(role), ..UsersPage::new(&app, &admin).await? };
        return page(Outcome::Invalid, &view);
    };
    let sending = match admin.person.forms.send(&app, &fields)? {
        Ok(sending) => sending,
        Err(Refusal::Sent) => return Err(made_already(&admin)),
        Err(Refusal::Unknown) => {
            let (error, roles) = (Some(UNKNOWN), choices(role));
            let view = UsersPage { email, roles, error, ..UsersPage::new(&app, &admin).await? };
            return page(Outcome::Conflict, &view);
        }
    };
    let token = session::new_token(&app);
    let now = app.clock.now();
    let invitation = Invitation {
        token: session::hash(&token),
        email: address,
        grant: Grant { on: admin.owner(), role },
        expires_at: now.saturating_add(LASTS).unwrap_or(now),
    };
    let (stamp, all, new) = (app.stamp(&admin.author(), now), app.clone(), invitation.clone());
    sending.finish(async move { all.store.create_invitation(&stamp, &new).await }).await??;
    let link = format!("{}/invitations/{token}", app.config.issuer());
    let made = Some(Made { email: invitation.email.to_string(), link });
    page(Outcome::Created, &UsersPage { made, ..UsersPage::new(&app, &admin).await? })
}

fn made_already(admin: &Admin) -> PageError {
    PageError::MadeAlready {
        title: "This invitation was made already",
        detail: "Its link was shown once and can't be shown again. Nothing more was made.",
        list: address(admin.owner()),
    }
}

/// `POST …/users/invitations/revoke`
pub(super) async fn revoke(
    admin: Admin,
    State(app): State<Arc<App>>,
    fields: Fields,
) -> Result<Response, PageError> {
    let email = Email::new(fields.one("email")?).map_err(|_| PageError::NotFound)?;
    let stamp = app.stamp(&admin.author(), app.clock.now());
    app.store.revoke_invitation(&stamp, admin.owner(), &email).await?;
    Ok(back(&admin, "invitation-revoked"))
}

/// What the paths of a user carry.
#[derive(Deserialize)]
pub(super) struct UserPath {
    user: String,
}

/// `POST …/users/{user}/role`
pub(super) async fn change_role(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<UserPath>,
    fields: Fields,
) -> Result<Response, PageError> {
    let role = role_in(&fields)?;
    let id = explicit_member(&app, &admin, &path).await?;
    let stamp = app.stamp(&admin.author(), app.clock.now());
    let grant = Grant { on: admin.owner(), role };
    finish(&app, &admin, id, "role-changed", app.store.grant_role(&stamp, id, grant).await).await
}

/// `POST …/users/{user}/remove`
pub(super) async fn remove(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<UserPath>,
) -> Result<Response, PageError> {
    let id = explicit_member(&app, &admin, &path).await?;
    let stamp = app.stamp(&admin.author(), app.clock.now());
    finish(&app, &admin, id, "user-removed", app.store.revoke_role(&stamp, id, admin.owner()).await).await
}

/// Only who holds a role right here can be changed here: everybody else comes by invitation.
async fn explicit_member(app: &App, admin: &Admin, path: &UserPath) -> Result<UserId, PageError> {
    let id: UserId = path.user.parse().map_err(|_| PageError::NotFound)?;
    let members = app.store.members(admin.place).await?;
    let here = members.iter().any(|member| member.user.id == id && member.grant.on == admin.owner());
    if here { Ok(id) } else { Err(PageError::NotFound) }
}

async fn finish(
    app: &App,
    admin: &Admin,
    user: UserId,
    done: &str,
    result: Result<(), StorageError>,
) -> Result<Response, PageError> {
    match result {
        // Whoever gave up the own role may see this page no more.
        Ok(()) if user == admin.person.user.id => {
            let grants = app.store.grants_of(user).await?;
            match effective_role(&grants, admin.place) {
                Some(Role::Administrator) => Ok(back(admin, done)),
                _ => Ok(Redirect::to("/").into_response()),
            }
        }
        Ok(()) => Ok(back(admin, done)),
        Err(StorageError::LastAdministrator) => {
            let view = UsersPage { error: Some(LAST_ADMINISTRATOR), ..UsersPage::new(app, admin).await? };
            page(Outcome::Conflict, &view)
        }
        Err(error) => Err(error.into()),
    }
}

fn back(admin: &Admin, done: &str) -> Response {
    Redirect::to(&format!("{}?done={done}", address(admin.owner()))).into_response()
}
