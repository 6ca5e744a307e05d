//! `…/api-management/{key}`: one keypair, what opens it, how it is used, and taking from it what it does not use.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::{Keypair, KeypairUsage, Scopes, Timestamp};

use super::api_management::{KeyPath, address, advice, refused, status_words};
use super::credentials::{PublicKeyRow, SecretRow, Terms, public_keys, secrets};
use super::door::Admin;
use super::dress::page;
use super::failure::PageError;
use super::outcome::Outcome;
use super::shell::Shell;
use super::usage::{self, Recent};
use super::usage_chart::{self, UsageChart};
use super::when::{When, grouped, long_day};
use crate::app::App;
use crate::keypairs;

#[derive(Template)]
#[template(path = "keypair.html")]
struct KeypairPage {
    shell: Shell,
    base: String,
    id: String,
    comment: String,
    enabled: bool,
    status: &'static str,
    status_class: &'static str,
    created: When,
    created_by: String,
    expires: Option<When>,
    last_used: Option<When>,
    scopes: Vec<&'static str>,
    /// When one of its secrets was reported as leaked, and what to do about it.
    leaked: Option<(When, &'static str)>,
    terms: Terms,
    secrets: Vec<SecretRow>,
    public_keys: Vec<PublicKeyRow>,
    /// None if it can't be told.
    usage: Option<UsageView>,
}

struct UsageView {
    chart: UsageChart,
    requests: String,
    tokens: String,
    refused: String,
    since: String,
    scopes: Vec<ScopeRow>,
    unused: Unused,
    recent: Recent,
}

struct ScopeRow {
    name: &'static str,
    last_used: Option<When>,
    recent: String,
}

/// What can be taken away.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unused {
    None,
    Some,
    /// None of the scopes was used.
    All,
    /// What was not used may be handed on.
    HandedOn,
}

impl Unused {
    fn of(usage: &KeypairUsage, all: Scopes) -> Self {
        match usage.unused() {
            unused if unused.is_empty() => Self::None,
            unused if unused == all => Self::All,
            _ if usage.needless().is_empty() => Self::HandedOn,
            _ => Self::Some,
        }
    }
}

impl UsageView {
    fn new(keypair: &Keypair, usage: &KeypairUsage, now: Timestamp) -> Self {
        let sum = |of: fn(&domain::UsageDay) -> u64| grouped(usage.days.iter().map(of).sum());
        let scope = |used: &domain::ScopeUse| ScopeRow {
            name: used.scope.name(),
            last_used: used.last_used_at.map(|at| When::new(at, now)),
            recent: grouped(used.recent),
        };
        Self {
            chart: usage_chart::of_days(&usage.days),
            requests: sum(|day| day.requests),
            tokens: sum(|day| day.tokens),
            refused: sum(|day| day.refused),
            since: long_day(usage.since),
            scopes: usage.scopes.iter().map(scope).collect(),
            unused: Unused::of(usage, keypair.scopes),
            recent: Recent::of(usage, now),
        }
    }
}

/// `GET …/api-management/{key}`
pub(super) async fn show(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<KeyPath>,
) -> Result<Response, PageError> {
    let keypair = app.store.keypair(admin.owner(), path.id()?).await?;
    let now = app.clock.now();
    let usage = usage::load(&app, &keypair).await;
    let (status, status_class) = status_words(keypair.status(now));
    let view = KeypairPage {
        shell: admin.shell(&app, "api").await?,
        base: address(&admin),
        id: keypair.id.to_string(),
        comment: keypair.comment.to_string(),
        enabled: keypair.enabled,
        status,
        status_class,
        created: When::new(keypair.created_at, now),
        created_by: keypair.created_by.name(),
        expires: keypair.expires_at.map(|at| When::new(at, now)),
        last_used: keypair.last_used_at.map(|at| When::new(at, now)),
        scopes: keypair.scopes.iter().map(domain::Scope::name).collect(),
        leaked: keypair.leaked_at().map(|at| (When::new(at, now), advice(&keypair))),
        terms: Terms::of(&app, &keypair, now),
        secrets: secrets(&keypair, now),
        public_keys: public_keys(&keypair, now),
        usage: usage.map(|usage| UsageView::new(&keypair, &usage, now)),
    };
    page(Outcome::Shown, &view)
}

/// `POST …/api-management/{key}/scopes/remove-unused`
pub(super) async fn remove_unused_scopes(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<KeyPath>,
) -> Result<Response, PageError> {
    let (owner, id) = (admin.owner(), path.id()?);
    let before = app.store.keypair(owner, id).await?;
    let after = keypairs::remove_unused_scopes(&app, &admin.author(), owner, id).await.map_err(refused)?;
    let done = if after.scopes == before.scopes { "scopes-all-used" } else { "scopes-removed" };
    Ok(Redirect::to(&format!("{}/{id}?done={done}", address(&admin))).into_response())
}
