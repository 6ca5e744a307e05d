//! Stores with many keypairs.
//!
//! They go straight into their tables, many in one transaction: made one by one through the verb of the store, each
//! with its line of the log and a commit of its own, a million would take an hour. They have no lines in the log, and
//! all the same secret: what the server does with a secret does not depend on which it is.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{Context, SHA256};
use domain::{
    Account, Actor, Comment, Entropy, Environment, EnvironmentId, KeyId, Keypair, Name, NewKeypair, Owner,
    Scopes, Stamp, Timestamp, from_millis, new_id,
};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use storage::{Accounts, Environments, Upkeep};
use storage_sqlite::{FILE_NAME, SqliteStorage};

use crate::Result;
use crate::feedback::serve;
use crate::workplace::Workplace;

/// How many keypairs an environment has.
const KEYPAIRS_EACH: usize = 100;

/// How many keypairs are written in one transaction.
const ROWS_AT_ONCE: usize = 50_000;

/// What the keypairs may request, and so what is in each token.
const SCOPES: &str = "feedback-report:read feedback-responses:create";

/// 2025-01-01T00:00:00Z: when everything in the stores was made.
const BEGINNING: i64 = 1_735_689_600_000;

/// A filled store: who can authenticate there, and for what.
pub(crate) struct Filled {
    /// `key_…:fbs_…` of each keypair, in the order of making.
    pub(crate) credentials: Vec<String>,
    /// The environments, each with [`KEYPAIRS_EACH`] keypairs.
    environments: Vec<EnvironmentId>,
}

impl Filled {
    /// The environment that the `n`th keypair belongs to.
    pub(crate) fn environment(&self, n: usize) -> Result<EnvironmentId> {
        self.environments.get(n / KEYPAIRS_EACH).copied().ok_or_else(|| "no such environment".into())
    }
}

/// Numbers in the place of randomness, so that the same store comes out each time.
pub(crate) struct Numbered(AtomicU64);

impl Numbered {
    /// Numbers from `first` on.
    pub(crate) fn from(first: u64) -> Self {
        Self(AtomicU64::new(first))
    }
}

impl Entropy for Numbered {
    fn fill(&self, buffer: &mut [u8]) {
        let n = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        for (byte, filling) in buffer.iter_mut().rev().zip(n.into_iter().rev().chain(std::iter::repeat(7))) {
            *byte = filling;
        }
    }
}

/// When everything in the stores was made.
pub(crate) fn beginning() -> Timestamp {
    from_millis(BEGINNING)
}

/// The stores' account, environments and keypairs, before they are written.
struct Plan {
    account: Account,
    environments: Vec<Environment>,
    keypair: Keypair,
    secret: String,
    ids: Vec<KeyId>,
    entropy: Numbered,
}

impl Plan {
    fn new(keypairs: usize) -> Result<Self> {
        let entropy = Numbered::from(0);
        let account = Account::new(Name::new("Account")?, beginning(), &entropy);
        let environments = (0..keypairs.div_ceil(KEYPAIRS_EACH))
            .map(|n| {
                let name = Name::new(&format!("Environment {n}"))?;
                Ok(Environment::new(account.id, name, beginning(), &entropy))
            })
            .collect::<Result<Vec<_>>>()?;
        let new = NewKeypair {
            owner: Owner::Account(account.id),
            comment: Comment::new("Measuring")?,
            scopes: SCOPES.parse::<Scopes>()?,
            expires_at: None,
            token_binding: domain::TokenBinding::None,
            allowed_addresses: domain::AllowedAddresses::default(),
        };
        let (keypair, secret) = Keypair::create(new, None, Actor::Operator, beginning(), &entropy)?;
        let secret = secret.reveal().to_owned();
        let ids = (0..keypairs).map(|_| new_id(beginning(), &entropy)).collect();
        Ok(Self { account, environments, keypair, secret, ids, entropy })
    }

    fn filled(&self) -> Filled {
        Filled {
            credentials: self.ids.iter().map(|id| format!("{id}:{}", self.secret)).collect(),
            environments: self.environments.iter().map(|environment| environment.id).collect(),
        }
    }
}

/// A store with so many keypairs in the folder, made unless it is there; the server that makes it gets the settings.
pub(crate) async fn with_keypairs(
    workplace: &Workplace,
    folder: &Path,
    keypairs: usize,
    settings: &[(&str, &str)],
) -> Result<Filled> {
    let plan = Plan::new(keypairs)?;
    if !is_complete(workplace, folder)? {
        eprintln!("  filling a store with {keypairs} keypairs");
        begin(workplace, folder, settings).await?;
        fill(&folder.join(FILE_NAME), &plan).await?;
        complete(workplace, folder)?;
    }
    Ok(plan.filled())
}

/// A hundred keypairs in the store of a server that runs; `key_…:fbs_…` of each.
pub(crate) async fn fill_while_served(file: &Path) -> Result<Vec<String>> {
    let plan = Plan::new(KEYPAIRS_EACH)?;
    fill(file, &plan).await?;
    Ok(plan.filled().credentials)
}

/// What a change by the operator carries into the log.
pub(crate) fn stamp(entropy: &Numbered) -> Stamp {
    Stamp {
        event: new_id(beginning(), entropy),
        at: beginning(),
        actor: Actor::Operator,
        client: None,
        address: None,
        standing: None,
    }
}

/// Lets the server make the store in an empty folder, with its keys.
pub(crate) async fn begin(workplace: &Workplace, folder: &Path, settings: &[(&str, &str)]) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    serve(workplace, folder, settings).await?.stop()
}

async fn fill(file: &Path, plan: &Plan) -> Result<()> {
    let store = SqliteStorage::open(file).await?;
    store.create_account(&stamp(&plan.entropy), &plan.account).await?;
    for environment in &plan.environments {
        store.create_environment(&stamp(&plan.entropy), environment).await?;
    }
    store.close().await;
    let options = SqliteConnectOptions::new().filename(file).pragma("synchronous", "OFF");
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let template = &plan.keypair;
    let filled = plan.filled();
    for (part, ids) in plan.ids.chunks(ROWS_AT_ONCE).enumerate() {
        let mut tx = connection.begin().await?;
        for (n, id) in ids.iter().enumerate() {
            insert_keypair(&mut tx, template, *id, filled.environment(part * ROWS_AT_ONCE + n)?).await?;
        }
        tx.commit().await?;
    }
    connection.close().await?;
    Ok(())
}

async fn insert_keypair(
    tx: &mut SqliteConnection,
    template: &Keypair,
    id: KeyId,
    owner: EnvironmentId,
) -> Result<()> {
    let id = id.to_string();
    sqlx::query(
        "INSERT INTO keypair (id, owner_id, comment, scopes, enabled, generation, version, created_at, \
         created_by_kind, created_by_name, secrets_made) VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&id)
    .bind(owner.to_string())
    .bind(template.comment.as_str())
    .bind(template.scopes.to_string())
    .bind(template.generation)
    .bind(template.version)
    .bind(template.created_at.as_millisecond())
    .bind(template.created_by.kind())
    .bind(template.created_by.name())
    .bind(template.secrets_made)
    .execute(&mut *tx)
    .await?;
    for secret in &template.secrets {
        sqlx::query(
            "INSERT INTO keypair_secret (keypair_id, n, hint, hash, created_at) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(&id)
        .bind(secret.n)
        .bind(&secret.hint)
        .bind(secret.hash.as_bytes().as_slice())
        .bind(secret.created_at.as_millisecond())
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// Which way of filling stores this is: to be counted up when something else shall be in them, so that they are made anew.
const FILLING: &str = "1";

/// By which a store is known to be filled as this version would: later steps of the schema than its first are taken by
/// the server that opens it.
fn fingerprint(workplace: &Workplace) -> Result<String> {
    let mut context = Context::new(&SHA256);
    context.update(&fs::read(workplace.root.join("crates/storage-sqlite/migrations/0001_first.sql"))?);
    context.update(FILLING.as_bytes());
    Ok(format!("{:?}", context.finish()))
}

const COMPLETE: &str = "filled";

/// Whether the folder holds a whole store of this version.
pub(crate) fn is_complete(workplace: &Workplace, folder: &Path) -> Result<bool> {
    let expected = fingerprint(workplace)?;
    Ok(fs::read_to_string(folder.join(COMPLETE)).is_ok_and(|found| found == expected))
}

/// Notes that it does.
pub(crate) fn complete(workplace: &Workplace, folder: &Path) -> Result<()> {
    Ok(fs::write(folder.join(COMPLETE), fingerprint(workplace)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use storage::Keypairs;

    #[tokio::test]
    async fn what_is_filled_in_authenticates() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE_NAME);
        let credentials = fill_while_served(&file).await.unwrap();
        assert_eq!(credentials.len(), KEYPAIRS_EACH);
        let store = SqliteStorage::open(&file).await.unwrap();
        for credentials in [credentials.first(), credentials.last()] {
            let (id, secret) = credentials.unwrap().split_once(':').unwrap();
            let live = store.live_keypair(id.parse().unwrap()).await.unwrap().unwrap();
            let secret: domain::KeySecret = secret.parse().unwrap();
            assert_eq!(
                domain::Credential::of(&live.keypair).authenticate(&secret.hash(), beginning()),
                Some(1)
            );
        }
    }
}
