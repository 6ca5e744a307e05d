//! `…/api-management/token`: what a token reaches, for an administrator of its keypair who has the token.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::{
    Environment, EnvironmentId, KeypairStatus, Outlived, Owner, Place, Role, Scope, Scopes, TokenClaims,
    effective_role,
};
use storage::{Slice, StorageError};
use zeroize::Zeroizing;

use super::api_management::{address, address_of};
use super::door::{Admin, base};
use super::dress::page;
use super::failure::PageError;
use super::form::Fields;
use super::outcome::Outcome;
use super::part::cut;
use super::shell::Shell;
use super::when::When;
use crate::app::App;
use crate::oauth::access_token::{Examined, examine};

/// As many environments as are listed.
const LISTED: u32 = 50;

#[derive(Template)]
#[template(path = "token_reach.html")]
struct TokenPage {
    shell: Shell,
    base: String,
    asked: bool,
    /// None if nothing is told of it.
    token: Option<TokenView>,
}

struct TokenView {
    /// Why it is worth nothing; none if it works.
    outlived: Option<&'static str>,
    key_id: String,
    /// The keypair's page, if there still is one.
    keypair: Option<String>,
    comment: String,
    issued: When,
    expires: When,
    expires_word: &'static str,
    scopes: Vec<&'static str>,
    /// Those that it was issued with and has no more.
    lost: Vec<&'static str>,
    bound: Option<&'static str>,
    narrowed: bool,
    environments: Vec<Reached>,
    more: bool,
}

struct Reached {
    name: String,
    href: String,
}

/// `GET …/api-management/token`
pub(super) async fn show(admin: Admin, State(app): State<Arc<App>>) -> Result<Response, PageError> {
    let shell = admin.shell(&app, "api").await?;
    page(Outcome::Shown, &TokenPage { shell, base: address(&admin), asked: false, token: None })
}

/// `POST …/api-management/token`
pub(super) async fn tell(
    admin: Admin,
    State(app): State<Arc<App>>,
    fields: Fields,
) -> Result<Response, PageError> {
    let token = Zeroizing::new(fields.one("token")?.trim().to_owned());
    let examined = examine(&app, &token, app.clock.now()).await?;
    let token = match examined {
        // Of others' tokens nobody learns more than of nonsense.
        Some(examined) if administers(&app, &admin, examined.claims.owner).await? => {
            Some(TokenView::new(&app, &examined).await?)
        }
        _ => None,
    };
    let shell = admin.shell(&app, "api").await?;
    page(Outcome::Shown, &TokenPage { shell, base: address(&admin), asked: true, token })
}

async fn administers(app: &App, admin: &Admin, owner: Owner) -> Result<bool, StorageError> {
    let place = match owner {
        Owner::Account(account) => Place::Account(account),
        Owner::Environment(id) => match app.store.environment(id).await {
            Ok(environment) => Place::Environment(id, environment.account),
            Err(StorageError::NotFound) => return Ok(false),
            Err(error) => return Err(error),
        },
    };
    Ok(effective_role(&admin.grants, place) == Some(Role::Administrator))
}

impl TokenView {
    async fn new(app: &App, examined: &Examined) -> Result<Self, PageError> {
        let now = app.clock.now();
        let Examined { claims, narrowed_to, issued_at, worth } = examined;
        let keypair = match app.store.keypair(claims.owner, claims.keypair).await {
            Ok(keypair) => Some(keypair),
            Err(StorageError::NotFound) => None,
            Err(error) => return Err(error.into()),
        };
        let (environments, more) = match worth {
            Ok(_) => reached(app, claims, *narrowed_to).await?,
            Err(_) => (Vec::new(), false),
        };
        let scopes = worth.unwrap_or(Scopes::NONE);
        let names = |scopes: Scopes| scopes.iter().map(Scope::name).collect();
        Ok(Self {
            outlived: worth.err().map(why),
            key_id: claims.keypair.to_string(),
            keypair: keypair.as_ref().map(|keypair| format!("{}/{}", address_of(keypair.owner), keypair.id)),
            comment: keypair.map(|keypair| keypair.comment.to_string()).unwrap_or_default(),
            issued: When::new(*issued_at, now),
            expires: When::new(claims.expires_at, now),
            expires_word: if claims.expires_at <= now { "Expired" } else { "Expires" },
            scopes: names(scopes),
            lost: names(claims.scopes.minus(scopes)),
            bound: claims.confirmation.map(|confirmation| match confirmation {
                domain::Confirmation::Key(_) => "to a key, by DPoP: without that key it is refused",
                domain::Confirmation::Certificate(_) => {
                    "to a client’s certificate: over another connection it is refused"
                }
            }),
            narrowed: narrowed_to.is_some(),
            environments,
            more,
        })
    }
}

/// The open environments that the token reaches, and whether there are more.
async fn reached(
    app: &App,
    claims: &TokenClaims,
    narrowed_to: Option<EnvironmentId>,
) -> Result<(Vec<Reached>, bool), StorageError> {
    let only = match claims.owner {
        Owner::Environment(own) => Some(own),
        Owner::Account(_) => narrowed_to,
    };
    let mut found: Vec<Environment> = match (only, claims.owner) {
        (Some(only), owner) => {
            let environment = app.live.environment_of(owner, only).await?;
            let reached = environment.filter(|_| narrowed_to.is_none_or(|narrowed| narrowed == only));
            reached.iter().map(|environment| (**environment).clone()).collect()
        }
        (None, Owner::Account(account)) => {
            app.store.open_environments(account, Slice::first(LISTED + 1)).await?
        }
        (None, Owner::Environment(_)) => Vec::new(),
    };
    let more = cut(&mut found, LISTED).is_some();
    let row = |environment: &Environment| Reached {
        name: environment.name.to_string(),
        href: base(environment.id.into()),
    };
    Ok((found.iter().map(row).collect(), more))
}

/// Why a token is worth nothing, for people.
fn why(outlived: Outlived) -> &'static str {
    match outlived {
        Outlived::Expired => "It has expired.",
        Outlived::Keypair(KeypairStatus::Disabled) => "Its keypair is disabled.",
        Outlived::Keypair(KeypairStatus::Expired) => "Its keypair has expired.",
        Outlived::Keypair(KeypairStatus::Active) => "Its keypair does not let it in.",
        Outlived::Generation => {
            "Its keypair was stopped after the token was issued. Enabling a keypair again brings no token back."
        }
        Outlived::Secret => {
            "The Key Secret or public key that obtained it was deleted, has run out, or is not accepted any more."
        }
        Outlived::NotBound => "It is not bound as its keypair’s tokens now must be.",
        Outlived::Revoked => "The program that had it revoked it.",
        Outlived::Grant => "What a person had granted was ended.",
        Outlived::Elsewhere => "Its keypair may not be used from there.",
        Outlived::SigningKey => "The key that signed it was removed.",
        Outlived::Removed => "Its keypair was removed, alone or with what it belonged to.",
    }
}
