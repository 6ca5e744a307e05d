//! `feedback user …`

use clap::Subcommand;
use domain::{Email, Grant, Owner, Role, Timestamp, new_id};
use serde::Serialize;

use super::failure::{About, Failure, Result};
use super::output::{self, instant, short};
use super::store::{Common, operator, place, whole};
use super::{arguments, ask};
use crate::app::{App, Missing};
use crate::passwords::Password;

#[derive(Debug, clap::Args)]
pub(super) struct User {
    #[command(flatten)]
    pub(super) common: Common,
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Make a user, who can sign in but do nothing until a role is granted
    Create {
        /// What the person signs in with
        #[arg(long)]
        email: String,
        /// Take the password from stdin instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the users and their roles
    List {
        /// Only those with a role there, explicit or inherited (acc_… or env_…)
        #[arg(long, value_name = "ACC|ENV")]
        on: Option<String>,
    },
    /// Show a user
    Show {
        /// The person's e-mail address
        user: String,
    },
    /// Give a user a role on an account or environment, in place of the one held there
    Grant {
        /// The person's e-mail address
        #[arg(long, value_name = "EMAIL")]
        user: String,
        /// Where (acc_… or env_…)
        #[arg(long, value_name = "ACC|ENV")]
        on: String,
        /// administrator, author or reader
        #[arg(long)]
        role: String,
    },
    /// Take the role that a user holds on exactly that account or environment
    Revoke {
        /// The person's e-mail address
        #[arg(long, value_name = "EMAIL")]
        user: String,
        /// Where (acc_… or env_…)
        #[arg(long, value_name = "ACC|ENV")]
        on: String,
    },
    /// Set another password, and end the user's sessions
    SetPassword {
        /// The person's e-mail address
        user: String,
        /// Take the password from stdin instead of asking for it
        #[arg(long)]
        password_stdin: bool,
    },
    /// Remove a user with every role and session, for good
    Remove {
        /// The person's e-mail address
        user: String,
        /// Don't ask
        #[arg(long)]
        yes: bool,
    },
}

/// A user, with the roles held on open accounts and environments.
#[derive(Debug, Serialize)]
struct UserShape {
    id: String,
    email: String,
    created_at: Timestamp,
    roles: Vec<RoleShape>,
}

/// A role, and where it is held.
#[derive(Debug, Serialize)]
struct RoleShape {
    on: Owner,
    role: Role,
}

impl UserShape {
    fn new(user: &domain::User, grants: &[Grant]) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.to_string(),
            created_at: user.created_at,
            roles: grants.iter().map(|grant| RoleShape { on: grant.on, role: grant.role }).collect(),
        }
    }
}

impl User {
    pub(super) async fn run(self) -> Result<()> {
        let Self { common, act } = self;
        common.on_store(Missing::Refuse, async |app| act.run(app, common.json).await).await
    }
}

impl Act {
    async fn run(self, app: &App, json: bool) -> Result<()> {
        match self {
            Self::Create { email, password_stdin } => {
                let email = arguments::email(&email)?;
                if app.store.email_is_known(&email).await.about("user")? {
                    return Err(Failure::new(format!("user {email} exists already")));
                }
                let password = checked_password(&email, password_stdin)?;
                let user = create(app, &email, &password).await?;
                print(app, json, user).await
            }
            Self::List { on } => list(app, json, on).await,
            Self::Show { user } => {
                let user = find(app, &user).await?;
                print(app, json, user).await
            }
            Self::Grant { user, on, role } => {
                let (on, role) = (arguments::owner(&on)?, role.parse::<Role>().map_err(Failure::new)?);
                let user = find(app, &user).await?;
                grant(app, &user, Grant { on, role }).await?;
                print(app, json, user).await
            }
            Self::Revoke { user, on } => {
                let on = arguments::owner(&on)?;
                let user = find(app, &user).await?;
                let stamp = app.stamp(&operator(), app.clock.now());
                let what = format!("role of {} on {on} itself", user.email);
                app.store.revoke_role(&stamp, user.id, on).await.about(what)?;
                print(app, json, user).await
            }
            Self::SetPassword { user, password_stdin } => {
                let user = find(app, &user).await?;
                let password = checked_password(&user.email, password_stdin)?;
                let hash = app.passwords.hash(&password, &*app.entropy).await;
                let stamp = app.stamp(&operator(), app.clock.now());
                app.store.set_password(&stamp, user.id, &hash).await.about(about(&user))?;
                print(app, json, user).await
            }
            Self::Remove { user, yes } => {
                let user = find(app, &user).await?;
                let question =
                    format!("Removing the user {} takes every role and session, for good.", user.email);
                ask::confirmed(yes, &question)?;
                let stamp = app.stamp(&operator(), app.clock.now());
                app.store.remove_user(&stamp, user.id).await.about(about(&user))?;
                output::removed(json, &user.id.to_string(), &format!("Removed the user {}.", user.email))
            }
        }
    }
}

async fn list(app: &App, json: bool, on: Option<String>) -> Result<()> {
    let mut items: Vec<(domain::User, Vec<Grant>)> = Vec::new();
    match on {
        Some(on) => {
            let place = place(app, arguments::owner(&on)?).await?;
            for member in app.store.members(place).await.about("user")? {
                match items.last_mut() {
                    Some((user, grants)) if *user == member.user => grants.push(member.grant),
                    _ => items.push((member.user, vec![member.grant])),
                }
            }
        }
        None => {
            for user in all(app).await? {
                let grants = app.store.grants_of(user.id).await.about(about(&user))?;
                items.push((user, grants));
            }
        }
    }
    output::list(
        json,
        &items,
        |(user, grants)| UserShape::new(user, grants),
        ["USER", "E-MAIL", "CREATED", "ROLES"],
        "There is no such user yet.",
        |(user, grants)| {
            let roles = match grants.as_slice() {
                [] => "-".to_owned(),
                [one] => format!("{} on {}", one.role, one.on),
                [one, more @ ..] => format!("{} on {} and {} more", one.role, one.on, more.len()),
            };
            [user.id.to_string(), short(user.email.as_str(), 60), instant(user.created_at), roles]
        },
    )
}

async fn print(app: &App, json: bool, user: domain::User) -> Result<()> {
    let grants = app.store.grants_of(user.id).await.about(about(&user))?;
    let roles: Vec<_> = grants.iter().map(|grant| format!("{} on {}", grant.role, grant.on)).collect();
    let fields = [
        ("User", user.id.to_string()),
        ("E-mail", user.email.to_string()),
        ("Created", instant(user.created_at)),
        ("Roles", roles.join("\n")),
    ];
    output::object(json, &UserShape::new(&user, &grants), fields)
}

fn about(user: &domain::User) -> String {
    format!("user {}", user.email)
}

async fn find(app: &App, email: &str) -> Result<domain::User> {
    let email = arguments::email(email)?;
    Ok(app.store.user_by_email(&email).await.about(format!("user {email}"))?.0)
}

async fn all(app: &App) -> Result<Vec<domain::User>> {
    whole(|user: &domain::User| user.id, async |slice| app.store.users(slice).await).await.about("user")
}

fn checked_password(email: &Email, from_stdin: bool) -> Result<Password> {
    let password = ask::new_password(from_stdin)?;
    password.check(email).map_err(|weak| Failure::new(format!("the password {weak}")))?;
    Ok(password)
}

/// Stores a new user.
pub(super) async fn create(app: &App, email: &Email, password: &Password) -> Result<domain::User> {
    let hash = app.passwords.hash(password, &*app.entropy).await;
    let now = app.clock.now();
    let user = domain::User { id: new_id(now, &*app.entropy), email: email.clone(), created_at: now };
    app.store.create_user(&app.stamp(&operator(), now), &user, &hash).await.about(about(&user))?;
    Ok(user)
}

/// Gives a user a role.
pub(super) async fn grant(app: &App, user: &domain::User, grant: Grant) -> Result<()> {
    place(app, grant.on).await?;
    let stamp = app.stamp(&operator(), app.clock.now());
    app.store.grant_role(&stamp, user.id, grant).await.about(grant.on)
}
