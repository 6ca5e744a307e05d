//! `…/api-management/token`: what a token reaches, and its end, for an administrator of its keypair who has the token.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{
    Environment, KeypairStatus, Outlived, Owner, Place, Role, Scope, Scopes, TokenClaims, effective_role,
};
use storage::{Revocation, Slice, StorageError};
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
use crate::oauth::access_token::Verified;
use crate::oauth::examined::{Examined, examine};
use crate::oauth::token_basis::Says;

/// As many environments as are listed.
const LISTED: u32 = 50;

/// What a token is sealed as, for the form that ends it: the page does not show it again.
const SEALED: &str = "token-to-revoke";

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
    /// What the form that ends it carries, if it works.
    sealed: Option<String>,
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
    let token = fields.one("token")?.trim();
    told(&app, &admin, token, own(&app, &admin, token).await?).await
}

/// `POST …/api-management/token/revoke`: ends the token, and no other.
pub(super) async fn revoke(
    admin: Admin,
    State(app): State<Arc<App>>,
    fields: Fields,
) -> Result<Response, PageError> {
    let token = opened(&app, fields.one("sealed")?);
    let own = own(&app, &admin, &token).await?;
    let Some((examined, _)) = own.as_ref().filter(|(examined, _)| examined.worth.is_ok()) else {
        return told(&app, &admin, &token, own).await;
    };
    match examined.revoke(&app, &admin.author(), app.clock.now()).await? {
        Revocation::Done => {
            Ok(Redirect::to(&format!("{}/token?done=token-revoked", address(&admin))).into_response())
        }
        Revocation::Full(_) => Err(PageError::Conflict(
            "As many tokens of its keypair are revoked as can be at a time. Disable the keypair to stop all of its tokens."
                .to_owned(),
        )),
    }
}

/// The page that tells of it.
async fn told(
    app: &App,
    admin: &Admin,
    token: &str,
    own: Option<(Examined, TokenClaims)>,
) -> Result<Response, PageError> {
    let token = match own {
        Some((examined, claims)) => Some(TokenView::new(app, token, &examined, &claims).await?),
        None => None,
    };
    let shell = admin.shell(app, "api").await?;
    page(Outcome::Shown, &TokenPage { shell, base: address(admin), asked: true, token })
}

/// The token, if it is of a keypair that the person administers. Of others' tokens nobody learns more than of nonsense.
async fn own(app: &App, admin: &Admin, token: &str) -> Result<Option<(Examined, TokenClaims)>, StorageError> {
    let Some(examined) = examine(app, token, app.clock.now()).await? else { return Ok(None) };
    let Says::Keypair(claims) = examined.says else { return Ok(None) };
    let administers = administers(app, admin, claims.owner).await?;
    Ok(administers.then_some((examined, claims)))
}

/// What the form carries instead of the token.
fn sealed(app: &App, token: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(app.sealer.seal(SEALED, token.as_bytes(), &*app.entropy))
}

/// The token that the form carries; what is none opens nothing.
fn opened(app: &App, sealed: &str) -> Zeroizing<String> {
    let opened = BASE64_URL_SAFE_NO_PAD.decode(sealed).ok();
    let opened = opened.and_then(|sealed| app.sealer.open(SEALED, &sealed).ok());
    let token = opened.and_then(|token| String::from_utf8(token.to_vec()).ok());
    Zeroizing::new(token.unwrap_or_default())
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
    async fn new(
        app: &App,
        token: &str,
        examined: &Examined,
        claims: &TokenClaims,
    ) -> Result<Self, PageError> {
        let now = app.clock.now();
        let keypair = match app.store.keypair(claims.owner, claims.keypair).await {
            Ok(keypair) => Some(keypair),
            Err(StorageError::NotFound) => None,
            Err(error) => return Err(error.into()),
        };
        let ((environments, more), sealed) = match &examined.worth {
            Ok(verified) => (reached(app, verified).await?, Some(sealed(app, token))),
            Err(_) => ((Vec::new(), false), None),
        };
        let names = |scopes: Scopes| scopes.iter().map(Scope::name).collect();
        Ok(Self {
            outlived: examined.worth.as_ref().err().copied().map(why),
            sealed,
            key_id: claims.keypair.to_string(),
            keypair: keypair.as_ref().map(|keypair| format!("{}/{}", address_of(keypair.owner), keypair.id)),
            comment: keypair.map(|keypair| keypair.comment.to_string()).unwrap_or_default(),
            issued: When::new(examined.issued_at, now),
            expires: When::new(claims.expires_at, now),
            expires_word: if claims.expires_at <= now { "Expired" } else { "Expires" },
            scopes: names(examined.scopes()),
            lost: names(examined.lost()),
            bound: claims.confirmation.map(|confirmation| match confirmation {
                domain::Confirmation::Key(_) => "to a key, by DPoP: without that key it is refused",
                domain::Confirmation::Certificate(_) => {
                    "to a client’s certificate: over another connection it is refused"
                }
            }),
            narrowed: examined.narrowed_to.is_some(),
            environments,
            more,
        })
    }
}

/// The open environments that the token reaches, and whether there are more.
async fn reached(app: &App, verified: &Verified) -> Result<(Vec<Reached>, bool), StorageError> {
    let mut found = verified.environments(app, Slice::first(LISTED + 1)).await?;
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
        Outlived::Revoked => "It was revoked, by its program or an administrator.",
        Outlived::Grant => "What a person had granted was ended.",
        Outlived::Elsewhere => "Its keypair may not be used from there.",
        Outlived::Closed => "The one environment that it is for was closed.",
        Outlived::SigningKey => "The key that signed it was removed.",
        Outlived::Removed => "Its keypair was removed, alone or with what it belonged to.",
    }
}
