use std::time::Duration;

use async_trait::async_trait;
use domain::{
    AccountId, Action, Actor, Comment, KeyId, Keypair, KeypairRefusal, ObjectRef, Owner, RevokedToken, Role,
    Scopes, Secret, SecretHash, Stamp, Timestamp, TokenId,
};
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use storage::{
    DecideKeypair, KeyUse, Keypairs, LiveKeypair, Record, Result, Revocation, Slice, StorageError,
};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored, corrupt, upper_bound};
use crate::{PostgresStorage, author, environments, leaked_secrets, public_keys, retirement, revoked_tokens};

/// How many uses are noted in one transaction, and how long their keypairs are let go of between two: whoever disables
/// one of them must not wait for thousands.
const USES_AT_ONCE: usize = 500;
const BETWEEN_USES: Duration = Duration::from_millis(10);

/// What `keypairs` makes keypairs of: a row for each secret and public key, those of a keypair one after another.
macro_rules! columns {
    () => {
        "keypair.id, keypair.owner_id, keypair.comment, keypair.scopes, keypair.enabled, keypair.generation, \
         keypair.version, keypair.expires_at, keypair.created_at, keypair.created_by_kind, keypair.created_by_id, \
         keypair.created_by_name, keypair.secrets_made, keypair.accepts_secrets, keypair.token_binding, \
         keypair.allowed_addresses, way.n, way.hint, way.hash, way.algorithm, way.thumbprint, way.spki, \
         way.created_at AS way_created_at, \
         way.expires_at AS way_expires_at, way.leaked_at, way.retire_when_idle, way.idle_counts_from, \
         (SELECT MAX(at) FROM key_use WHERE keypair_id = keypair.id) AS last_used_at, \
         (SELECT at FROM key_use WHERE keypair_id = keypair.id AND n = way.n) AS way_last_used_at"
    };
}

/// The secrets and public keys of the keypairs before it.
macro_rules! ways {
    () => {
        " LEFT JOIN LATERAL (SELECT n, hint, hash, NULL::TEXT AS algorithm, NULL::BYTEA AS thumbprint, \
         NULL::BYTEA AS spki, created_at, expires_at, leaked_at, retire_when_idle, idle_counts_from \
         FROM keypair_secret WHERE keypair_id = keypair.id \
         UNION ALL SELECT n, NULL, NULL, algorithm, thumbprint, spki, created_at, expires_at, NULL, NULL, NULL \
         FROM keypair_public_key WHERE keypair_id = keypair.id) way ON TRUE"
    };
}

/// A part of an owner's keypairs.
const NEWEST: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM (SELECT * FROM keypair WHERE owner_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3) keypair",
    ways!(),
    " ORDER BY keypair.id DESC, way.n"
);

/// A keypair with the account of the environment that owns it, if one does, and the tokens that it revoked.
const LIVE: &str = concat!(
    "SELECT ",
    columns!(),
    ", environment.account_id, ARRAY (SELECT token FROM revoked_token WHERE keypair_id = keypair.id) AS revoked \
     FROM keypair",
    ways!(),
    " LEFT JOIN environment ON environment.id = keypair.owner_id WHERE keypair.id = $1 ORDER BY way.n"
);

fn keypair(row: &PgRow) -> Result<Keypair> {
    let created_by = Actor::from_parts(
        row.value("created_by_kind")?,
        row.value("created_by_id")?,
        row.value("created_by_name")?,
    );
    Ok(Keypair {
        id: row.parsed("id")?,
        owner: row.parsed("owner_id")?,
        comment: Comment::stored(row.value("comment")?),
        scopes: row.parsed::<Scopes>("scopes")?,
        enabled: row.value("enabled")?,
        generation: row.value("generation")?,
        version: row.value("version")?,
        expires_at: row.instant_or_null("expires_at")?,
        created_at: row.instant("created_at")?,
        created_by: created_by.ok_or_else(|| corrupt("created_by_kind"))?,
        last_used_at: row.instant_or_null("last_used_at")?,
        secrets_made: row.number("secrets_made")?,
        accepts_secrets: row.value("accepts_secrets")?,
        token_binding: row.parsed("token_binding")?,
        allowed_addresses: row.parsed("allowed_addresses")?,
        secrets: Vec::new(),
        public_keys: Vec::new(),
    })
}

fn secret(row: &PgRow) -> Result<Secret> {
    Ok(Secret {
        n: row.number("n")?,
        hint: row.value("hint")?,
        hash: SecretHash::from_bytes(row.bytes("hash")?),
        created_at: row.instant("way_created_at")?,
        expires_at: row.instant_or_null("way_expires_at")?,
        retirement: retirement::of(row)?,
        last_used_at: row.instant_or_null("way_last_used_at")?,
        leaked_at: row.instant_or_null("leaked_at")?,
    })
}

fn keypairs(rows: &[PgRow]) -> Result<Vec<Keypair>> {
    let mut keypairs: Vec<Keypair> = Vec::new();
    for row in rows {
        let id: KeyId = row.parsed("id")?;
        if keypairs.last().is_none_or(|last| last.id != id) {
            keypairs.push(keypair(row)?);
        }
        // One that nothing opens has a row too.
        if let (Some(last), Some(_)) = (keypairs.last_mut(), row.value::<Option<i64>>("n")?) {
            match row.value::<Option<&str>>("algorithm")? {
                None => last.secrets.push(secret(row)?),
                Some(_) => last.public_keys.push(public_keys::public_key(row)?),
            }
        }
    }
    Ok(keypairs)
}

async fn find(connection: &mut PgConnection, owner: Owner, id: KeyId) -> Result<Keypair> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM keypair",
        ways!(),
        " WHERE keypair.id = $1 AND keypair.owner_id = $2 ORDER BY way.n"
    ))
    .bind(id.to_string())
    .bind(owner.to_string())
    .fetch_all(connection)
    .await
    .stored()?;
    keypairs(&rows)?.pop().ok_or(StorageError::NotFound)
}

/// The owner's keypair, kept from everybody else for the rest of the transaction: those who note uses don't take turns
/// with administrative verbs.
pub(crate) async fn hold(tx: &mut PgConnection, owner: Owner, id: KeyId) -> Result<Keypair> {
    sqlx::query("SELECT 1 FROM keypair WHERE id = $1 AND owner_id = $2 FOR UPDATE")
        .bind(id.to_string())
        .bind(owner.to_string())
        .fetch_one(&mut *tx)
        .await
        .stored()?;
    find(tx, owner, id).await
}

/// The keypair, whoever owns it, as its tokens are judged by.
pub(crate) async fn live(connection: &mut PgConnection, id: KeyId) -> Result<Option<LiveKeypair>> {
    let rows = sqlx::query(LIVE).bind(id.to_string()).fetch_all(connection).await.stored()?;
    let (Some(row), Some(keypair)) = (rows.first(), keypairs(&rows)?.pop()) else {
        return Ok(None);
    };
    let account = match keypair.owner {
        Owner::Account(account) => account,
        Owner::Environment(_) => {
            row.parsed_or_null::<AccountId>("account_id")?.ok_or_else(|| corrupt("account_id"))?
        }
    };
    let revoked = row
        .value::<Vec<Vec<u8>>>("revoked")?
        .into_iter()
        .map(|token| token.try_into().map(TokenId::from_bytes).map_err(|_| corrupt("revoked")));
    Ok(Some(LiveKeypair { keypair, account, revoked: revoked.collect::<Result<_>>()? }))
}

async fn insert_secret(tx: &mut PgConnection, id: KeyId, secret: &Secret) -> Result<()> {
    sqlx::query(
        "INSERT INTO keypair_secret (keypair_id, n, hint, hash, created_at, expires_at, retire_when_idle, \
         idle_counts_from) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind(id.to_string())
    .bind(i64::from(secret.n))
    .bind(&secret.hint)
    .bind(secret.hash.as_bytes().as_slice())
    .bind(secret.created_at.as_millisecond())
    .bind(secret.expires_at.map(|at| at.as_millisecond()))
    .bind(secret.retirement.map(|retirement| retirement.when_idle.as_secs()))
    .bind(secret.retirement.map(|retirement| retirement.counted_from.as_millisecond()))
    .execute(tx)
    .await
    .stored()?;
    Ok(())
}

/// Keeps keypairs from going while their uses are noted.
const KEEP: &str = "SELECT 1 FROM keypair WHERE id = ANY ($1) ORDER BY id FOR KEY SHARE";

/// Keeps these keypairs from going for the rest of the transaction.
pub(crate) async fn keep(tx: &mut PgConnection, ids: &[String]) -> Result<()> {
    sqlx::query(KEEP).bind(ids).execute(tx).await.stored()?;
    Ok(())
}

/// Notes uses, of keypairs that there still are, each secret's latest. In order, so that of two who note the same none
/// waits for one that waits for it.
const NOTE: &str = "INSERT INTO key_use (keypair_id, n, at) \
     SELECT used.id, n, MAX(at) FROM UNNEST($1::TEXT[], $2::BIGINT[], $3::BIGINT[]) AS used (id, n, at) \
     JOIN keypair ON keypair.id = used.id GROUP BY used.id, n ORDER BY used.id, n \
     ON CONFLICT (keypair_id, n) DO UPDATE SET at = GREATEST(key_use.at, EXCLUDED.at)";

async fn note(tx: &mut PgConnection, uses: &[KeyUse]) -> Result<()> {
    let ids: Vec<String> = uses.iter().map(|used| used.keypair.to_string()).collect();
    let ways: Vec<i64> = uses.iter().map(|used| i64::from(used.secret)).collect();
    let at: Vec<i64> = uses.iter().map(|used| used.at.as_millisecond()).collect();
    keep(tx, &ids).await?;
    sqlx::query(NOTE).bind(&ids).bind(&ways).bind(&at).execute(tx).await.stored()?;
    Ok(())
}

pub(crate) fn change(action: Action, id: KeyId, owner: Owner, before: Value, after: Value) -> Change {
    Change { action, object: ObjectRef::new("keypair", id), owner: Some(owner), before, after }
}

/// Makes the stored secrets of a keypair those that it has after a change.
async fn put_secrets(tx: &mut PgConnection, before: &Keypair, after: &Keypair) -> Result<()> {
    for known in &before.secrets {
        match after.secrets.iter().find(|secret| secret.n == known.n) {
            None => sqlx::query("DELETE FROM keypair_secret WHERE keypair_id = $1 AND n = $2")
                .bind(before.id.to_string())
                .bind(i64::from(known.n)),
            Some(kept) => sqlx::query(
                "UPDATE keypair_secret SET expires_at = $3, retire_when_idle = $4, idle_counts_from = $5 \
                 WHERE keypair_id = $1 AND n = $2",
            )
            .bind(before.id.to_string())
            .bind(i64::from(known.n))
            .bind(kept.expires_at.map(|at| at.as_millisecond()))
            .bind(kept.retirement.map(|retirement| retirement.when_idle.as_secs()))
            .bind(kept.retirement.map(|retirement| retirement.counted_from.as_millisecond())),
        }
        .execute(&mut *tx)
        .await
        .stored()?;
    }
    for secret in &after.secrets {
        if !before.secrets.iter().any(|known| known.n == secret.n) {
            insert_secret(tx, before.id, secret).await?;
        }
    }
    Ok(())
}

/// Stores what becomes of a keypair, with its line in the log; nothing if it stays as it was.
pub(crate) async fn put(
    tx: &mut PgConnection,
    stamp: &Stamp,
    before: &Keypair,
    after: &Keypair,
    action: Action,
) -> Result<()> {
    if after == before {
        return Ok(());
    }
    sqlx::query(
        "UPDATE keypair SET comment = $1, scopes = $2, enabled = $3, generation = $4, version = $5, \
         expires_at = $6, secrets_made = $7, accepts_secrets = $8, token_binding = $9, \
         allowed_addresses = $10 WHERE id = $11",
    )
    .bind(after.comment.as_str())
    .bind(after.scopes.to_string())
    .bind(after.enabled)
    .bind(after.generation)
    .bind(after.version)
    .bind(after.expires_at.map(|at| at.as_millisecond()))
    .bind(i64::from(after.secrets_made))
    .bind(after.accepts_secrets)
    .bind(after.token_binding.name())
    .bind(after.allowed_addresses.to_string())
    .bind(before.id.to_string())
    .execute(&mut *tx)
    .await
    .stored()?;
    put_secrets(tx, before, after).await?;
    public_keys::put(tx, before, after).await?;
    append(tx, stamp, change(action, before.id, before.owner, before.record(), after.record())).await
}

#[async_trait]
impl Keypairs for PostgresStorage {
    async fn create_keypair(&self, stamp: &Stamp, keypair: &Keypair) -> Result<()> {
        self.administer(async |tx| {
            author::require(tx, stamp, keypair.owner, Role::Administrator).await?;
            environments::require_open(tx, keypair.owner).await?;
            sqlx::query(
                "INSERT INTO keypair (id, owner_id, comment, scopes, enabled, generation, version, expires_at, \
                 created_at, created_by_kind, created_by_id, created_by_name, secrets_made, accepts_secrets, \
                 token_binding, allowed_addresses) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
            )
            .bind(keypair.id.to_string())
            .bind(keypair.owner.to_string())
            .bind(keypair.comment.as_str())
            .bind(keypair.scopes.to_string())
            .bind(keypair.enabled)
            .bind(keypair.generation)
            .bind(keypair.version)
            .bind(keypair.expires_at.map(|at| at.as_millisecond()))
            .bind(keypair.created_at.as_millisecond())
            .bind(keypair.created_by.kind())
            .bind(keypair.created_by.id())
            .bind(keypair.created_by.name())
            .bind(i64::from(keypair.secrets_made))
            .bind(keypair.accepts_secrets)
            .bind(keypair.token_binding.name())
            .bind(keypair.allowed_addresses.to_string())
            .execute(&mut *tx)
            .await
            .stored()?;
            for secret in &keypair.secrets {
                insert_secret(tx, keypair.id, secret).await?;
            }
            for public in &keypair.public_keys {
                public_keys::insert(tx, keypair.id, public).await?;
            }
            let created =
                change(Action::KeypairCreated, keypair.id, keypair.owner, Value::Null, keypair.record());
            append(tx, stamp, created).await
        })
        .await
    }

    async fn keypair(&self, owner: Owner, id: KeyId) -> Result<Keypair> {
        self.read(async |connection| find(connection, owner, id).await).await
    }

    async fn keypairs(&self, owner: Owner, slice: Slice<KeyId>) -> Result<Vec<Keypair>> {
        self.read(async |connection| {
            let rows = sqlx::query(NEWEST)
                .bind(owner.to_string())
                .bind(upper_bound(slice.after))
                .bind(i64::from(slice.limit))
                .fetch_all(connection)
                .await
                .stored()?;
            keypairs(&rows)
        })
        .await
    }

    async fn change_keypair(
        &self,
        stamp: &Stamp,
        owner: Owner,
        id: KeyId,
        expected_version: Option<i64>,
        decide: DecideKeypair<'_>,
    ) -> Result<Result<Keypair, KeypairRefusal>> {
        self.administer(async |tx| {
            author::require(tx, stamp, owner, Role::Administrator).await?;
            let before = hold(tx, owner, id).await?;
            if expected_version.is_some_and(|expected| expected != before.version) {
                return Err(StorageError::Moved);
            }
            let (after, action) = match decide(&before) {
                Ok(decided) => decided,
                Err(refusal) => return Ok(Err(refusal)),
            };
            put(tx, stamp, &before, &after, action).await?;
            Ok(Ok(after))
        })
        .await
    }

    async fn remove_keypair(
        &self,
        stamp: &Stamp,
        owner: Owner,
        id: KeyId,
        expected_version: Option<i64>,
    ) -> Result<()> {
        self.administer(async |tx| {
            author::require(tx, stamp, owner, Role::Administrator).await?;
            let before = hold(tx, owner, id).await?;
            if expected_version.is_some_and(|expected| expected != before.version) {
                return Err(StorageError::Moved);
            }
            sqlx::query("DELETE FROM keypair WHERE id = $1")
                .bind(id.to_string())
                .execute(&mut *tx)
                .await
                .stored()?;
            let removed = change(Action::KeypairRemoved, id, owner, before.record(), Value::Null);
            append(tx, stamp, removed).await
        })
        .await
    }

    async fn revoke_token(&self, stamp: &Stamp, keypair: KeyId, token: &RevokedToken) -> Result<Revocation> {
        self.write_with_line(async |tx| revoked_tokens::revoke(tx, stamp, keypair, token).await).await
    }

    async fn disable_leaked(&self, stamp: &Stamp, secret: &SecretHash) -> Result<Option<KeyId>> {
        // Anybody may ask, so what is none takes no turn of those who administer.
        let asked = self.read(async |connection| leaked_secrets::owner(connection, secret, stamp.at).await);
        if asked.await?.is_none() {
            return Ok(None);
        }
        self.administer(async |tx| leaked_secrets::disable(tx, stamp, secret).await).await
    }

    async fn keypairs_to_retire(&self, now: Timestamp) -> Result<Vec<(Owner, KeyId)>> {
        self.read(async |connection| retirement::due(connection, now).await).await
    }

    async fn live_keypair(&self, id: KeyId) -> Result<Option<LiveKeypair>> {
        self.read(async |connection| live(connection, id).await).await
    }

    async fn note_uses(&self, uses: &[KeyUse]) -> Result<()> {
        for (n, part) in uses.chunks(USES_AT_ONCE).enumerate() {
            if n > 0 {
                tokio::time::sleep(BETWEEN_USES).await;
            }
            self.write(async |tx| note(tx, part).await).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Planner;

    #[tokio::test]
    async fn each_statement_searches_the_indexes() {
        let mut planner = Planner::new().await;
        let ways = [
            "keypair_secret_pkey (keypair_id = keypair.id)",
            "keypair_public_key_pkey (keypair_id = keypair.id)",
        ];
        let used = [
            "key_use_pkey (keypair_id = keypair.id)",
            "key_use_pkey ((keypair_id = keypair.id) AND (n = keypair_secret.n))",
        ];
        let newest = "keypair_of_owner ((owner_id = $1) AND (id < $2))";
        assert_eq!(planner.plan(NEWEST).await, [newest, ways[0], ways[1], used[0], used[1]]);
        assert_eq!(
            planner.plan(LIVE).await,
            [
                "Sort",
                "keypair_pkey (id = $1)",
                "environment_pkey (id = keypair.owner_id)",
                ways[0],
                ways[1],
                used[0],
                used[1],
                "revoked_token_pkey (keypair_id = keypair.id)",
            ]
        );
    }
}
