//! How a keypair is used, for the pages that show it, and above all for those that would stop it.

use domain::{
    Call, KeyId, Keypair, KeypairUsage, Owner, Place, Role, ScopeUse, Timestamp, USAGE_RECENT, USAGE_SHOWN,
    effective_role, usage_from,
};

use super::api_management::address_of;
use super::door::Admin;
use super::part::cut;
use super::when::{When, grouped, long_day};
use crate::api::operations;
use crate::app::App;
use crate::keypairs;

/// What is done with a keypair, by operation.
pub(super) struct OperationRow {
    /// What the operation does.
    pub(super) title: String,
    /// Its method and path.
    pub(super) call: String,
    pub(super) scopes: Vec<&'static str>,
    pub(super) requests: String,
    pub(super) refused: String,
    pub(super) last: When,
    /// From where and by which program, the last time.
    pub(super) by: String,
}

/// What a keypair did lately, and would fail to do if it was stopped.
pub(super) struct Recent {
    pub(super) operations: Vec<OperationRow>,
    /// What it is refused, for its scopes: nothing more to lose.
    pub(super) refused: Vec<OperationRow>,
    /// When it last obtained a token, and from where and by which program.
    pub(super) token: Option<(When, String)>,
}

impl Recent {
    /// Out of what is known.
    pub(super) fn of(usage: &KeypairUsage, now: Timestamp) -> Self {
        let row = |used: &domain::OperationUse| {
            let known = operations::named(&used.operation);
            OperationRow {
                title: known.map_or_else(|| used.operation.to_string(), |known| known.summary.clone()),
                call: known.map_or_else(String::new, |known| format!("{} {}", known.method, known.path)),
                scopes: used.scopes.iter().map(domain::Scope::name).collect(),
                requests: grouped(used.requests),
                refused: grouped(used.refused),
                last: When::new(used.last.at, now),
                by: by(&used.last),
            }
        };
        let refused = usage.operations.iter().filter(|used| used.refused > 0);
        Self {
            operations: usage.operations.iter().filter(|used| used.requests > 0).map(row).collect(),
            refused: refused.map(row).collect(),
            token: usage.token.as_ref().map(|last| (When::new(last.at, now), by(last))),
        }
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.operations.is_empty() && self.token.is_none()
    }
}

fn by(call: &Call) -> String {
    let address = call.address.map(|address| address.to_string());
    let program = call.program.as_ref().map(ToString::to_string);
    [program, address].into_iter().flatten().collect::<Vec<_>>().join(" from ")
}

/// How a keypair is used; none if that can't be told, which must not keep anybody from stopping it.
pub(super) async fn load(app: &App, keypair: &Keypair) -> Option<KeypairUsage> {
    let usage = keypairs::usage(app, keypair).await;
    usage.inspect_err(|error| tracing::warn!(%error, "how a keypair is used can't be told")).ok()
}

/// The same as it is shown where it would be stopped.
pub(super) async fn recent(app: &App, keypair: &Keypair) -> Option<Recent> {
    Some(Recent::of(&load(app, keypair).await?, app.clock.now()))
}

fn requests(count: u64) -> String {
    if count == 1 { "1 request".to_owned() } else { format!("{} requests", grouped(count)) }
}

/// How a scope was used, as a sentence.
pub(super) fn of_scope(used: &ScopeUse, usage: &KeypairUsage, now: Timestamp) -> String {
    let Some(at) = used.last_used_at else {
        return format!("Not used since {}.", long_day(usage.since));
    };
    let when = When::new(at, now).relative;
    match used.recent {
        0 => format!("Last used {when}."),
        1 => format!("1 request in {USAGE_RECENT} days, {when}."),
        recent => format!("{} in {USAGE_RECENT} days, the last {when}.", requests(recent)),
    }
}

/// A keypair in the list of those that would end.
pub(super) struct InUseRow {
    pub(super) href: String,
    pub(super) id: String,
    pub(super) comment: String,
    /// Whose it is, if it is not the owner's that would be closed.
    pub(super) whose: Option<&'static str>,
    pub(super) requests: String,
    pub(super) last: When,
}

/// The keypairs in use that closing an owner would stop, or part of them.
pub(super) struct InUse {
    pub(super) keypairs: Vec<InUseRow>,
    /// Whether there are more than are listed.
    pub(super) more: bool,
}

const LISTED: u32 = 20;

/// What closing the account or environment would stop; none if that can't be told, which must not keep anybody from closing
/// it. The account's own keypairs are shown to those who administer it.
pub(super) async fn in_use(app: &App, admin: &Admin) -> Option<InUse> {
    let (now, owner) = (app.clock.now(), admin.owner());
    let above = effective_role(&admin.grants, Place::Account(admin.account.id)) == Some(Role::Administrator);
    let above = (above && admin.environment.is_some()).then_some(admin.account.id);
    let from = usage_from(now, USAGE_RECENT);
    let found = app.store.keypairs_in_use(owner, above, from, LISTED + 1).await;
    let mut found =
        found.inspect_err(|error| tracing::warn!(%error, "which keypairs are in use can't be told")).ok()?;
    let more = cut(&mut found, LISTED).is_some();
    let row = |used: &domain::KeypairInUse| InUseRow {
        href: format!("{}/{}", address_of(used.owner), used.keypair),
        id: used.keypair.to_string(),
        comment: used.comment.to_string(),
        whose: match (used.owner, owner) {
            (Owner::Account(_), Owner::Environment(_)) => Some("The account’s: loses this environment only"),
            (Owner::Environment(_), Owner::Account(_)) => Some("An environment’s"),
            _ => None,
        },
        requests: grouped(used.requests),
        last: When::new(used.last_at, now),
    };
    Some(InUse { keypairs: found.iter().map(row).collect(), more })
}

/// The last days in one line of the list.
pub(super) struct Spark {
    /// How many requests in the last [`USAGE_RECENT`] days.
    pub(super) recent: String,
    /// What it shows, in words.
    pub(super) label: String,
    pub(super) bars: Vec<SparkBar>,
}

/// A day in it, in percent.
pub(super) struct SparkBar {
    pub(super) x: String,
    pub(super) y: String,
    pub(super) height: String,
}

/// The lines of these keypairs, in their order; none where there was no request, and none at all if that can't be told.
pub(super) async fn sparks(app: &App, ids: &[KeyId]) -> Vec<Option<Spark>> {
    let now = app.clock.now();
    let from = usage_from(now, USAGE_SHOWN);
    let counted = app.store.requests_by_day(ids, from).await;
    let counted = counted
        .inspect_err(|error| tracing::warn!(%error, "how keypairs are used can't be told"))
        .unwrap_or_default();
    let recent_from = usage_from(now, USAGE_RECENT);
    let spark = |id: &KeyId| {
        let of_it = || counted.iter().filter(|(keypair, ..)| keypair == id);
        let most = of_it().map(|(.., requests)| *requests).max().filter(|most| *most > 0)?;
        let bar = |(_, day, requests): &(KeyId, domain::Date, u64)| {
            let height = (*requests as f64 * 100.0 / most as f64).max(8.0);
            SparkBar {
                x: format!("{:.2}", f64::from((*day - from).get_days()) * 100.0 / f64::from(USAGE_SHOWN)),
                y: format!("{:.1}", 100.0 - height),
                height: format!("{height:.1}"),
            }
        };
        let sum = |since| of_it().filter(|(_, day, _)| *day >= since).map(|(.., count)| count).sum::<u64>();
        Some(Spark {
            recent: requests(sum(recent_from)),
            label: format!("Requests in the last {USAGE_SHOWN} days: {}", grouped(sum(from))),
            bars: of_it().map(bar).collect(),
        })
    };
    ids.iter().map(spark).collect()
}
