use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use domain::{
    AccountId, Action, Actor, Comment, KeyId, Keypair, KeypairRefusal, ObjectRef, Owner, PublicKey,
    RevokedToken, Role, Scopes, Secret, SecretHash, Stamp, Timestamp,
};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, SqliteConnection};
use storage::{
    DecideKeypair, KeyUse, Keypairs, LiveKeypair, Record, Result, Revocation, Slice, StorageError,
};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored, corrupt, upper_bound};
use crate::{
    SqliteStorage, author, begin, environments, leaked_secrets, public_keys, retirement, revoked_tokens,
};

/// How many uses are noted in one transaction, and how long the writer is let go of between two: whoever disables a
/// keypair must not wait for thousands of them, and another process only looks for its turn now and then.
const USES_AT_ONCE: usize = 500;
const BETWEEN_USES: Duration = Duration::from_millis(10);

/// What `keypair` makes a keypair of.
macro_rules! columns {
    () => {
        "keypair.*, (SELECT MAX(at) FROM key_use WHERE keypair_id = keypair.id) AS last_used_at"
    };
}

/// A part of an owner's keypairs.
const NEWEST: &str =
    concat!("SELECT ", columns!(), " FROM keypair WHERE owner_id = ? AND id < ? ORDER BY id DESC LIMIT ?");

/// Notes uses, of keypairs that there still are; they stand in between.
const NOTE: [&str; 2] = [
    "INSERT INTO key_use (keypair_id, n, at) SELECT * FROM (",
    ") WHERE EXISTS (SELECT 1 FROM keypair WHERE id = column1) \
     ON CONFLICT DO UPDATE SET at = MAX(at, excluded.at)",
];

fn keypair(row: &SqliteRow, secrets: Vec<Secret>, public_keys: Vec<PublicKey>) -> Result<Keypair> {
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
        secrets_made: row.value("secrets_made")?,
        accepts_secrets: row.value("accepts_secrets")?,
        token_binding: row.parsed("token_binding")?,
        allowed_addresses: row.parsed("allowed_addresses")?,
        secrets,
        public_keys,
    })
}

fn secret(row: &SqliteRow) -> Result<Secret> {
    Ok(Secret {
        n: row.value("n")?,
        hint: row.value("hint")?,
        hash: SecretHash::from_bytes(row.bytes("hash")?),
        created_at: row.instant("created_at")?,
        expires_at: row.instant_or_null("expires_at")?,
        retirement: retirement::of(row)?,
        last_used_at: row.instant_or_null("last_used_at")?,
        leaked_at: row.instant_or_null("leaked_at")?,
    })
}

async fn whole(connection: &mut SqliteConnection, row: &SqliteRow) -> Result<Keypair> {
    let secrets =
        sqlx::query(
        "SELECT secret.*, at AS last_used_at FROM keypair_secret secret LEFT JOIN key_use USING (keypair_id, n) \
         WHERE keypair_id = ? ORDER BY n",
    )
        .bind(row.value::<&str>("id")?)
        .fetch_all(&mut *connection)
        .await
        .stored()?
        .iter()
        .map(secret)
        .collect::<Result<_>>()?;
    keypair(row, secrets, public_keys::of(connection, row.value("id")?).await?)
}

pub(crate) async fn find(connection: &mut SqliteConnection, owner: Owner, id: KeyId) -> Result<Keypair> {
    let row = sqlx::query(concat!("SELECT ", columns!(), " FROM keypair WHERE id = ? AND owner_id = ?"))
        .bind(id.to_string())
        .bind(owner.to_string())
        .fetch_one(&mut *connection)
        .await
        .stored()?;
    whole(connection, &row).await
}

/// The keypair, whoever owns it, as its tokens are judged by; by several statements, so in a transaction.
pub(crate) async fn live(connection: &mut SqliteConnection, id: KeyId) -> Result<Option<LiveKeypair>> {
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        ", environment.account_id FROM keypair \
         LEFT JOIN environment ON environment.id = keypair.owner_id WHERE keypair.id = ?",
    ))
    .bind(id.to_string())
    .fetch_optional(&mut *connection)
    .await
    .stored()?;
    let Some(row) = row else {
        return Ok(None);
    };
    let keypair = whole(connection, &row).await?;
    let account = match keypair.owner {
        Owner::Account(account) => account,
        Owner::Environment(_) => {
            row.parsed_or_null::<AccountId>("account_id")?.ok_or_else(|| corrupt("account_id"))?
        }
    };
    let revoked = revoked_tokens::of(connection, id).await?;
    Ok(Some(LiveKeypair { keypair, account, revoked }))
}

async fn insert_secret(tx: &mut SqliteConnection, id: KeyId, secret: &Secret) -> Result<()> {
    sqlx::query(
        "INSERT INTO keypair_secret (keypair_id, n, hint, hash, created_at, expires_at, retire_when_idle, \
         idle_counts_from) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(id.to_string())
    .bind(secret.n)
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

pub(crate) fn change(action: Action, id: KeyId, owner: Owner, before: Value, after: Value) -> Change {
    Change { action, object: ObjectRef::new("keypair", id), owner: Some(owner), before, after }
}

/// Stores what becomes of a keypair, with its line in the log; nothing if it stays as it was.
pub(crate) async fn put(
    tx: &mut SqliteConnection,
    stamp: &Stamp,
    before: &Keypair,
    after: &Keypair,
    action: Action,
) -> Result<()> {
    if after == before {
        return Ok(());
    }
    sqlx::query(
        "UPDATE keypair SET comment = ?, scopes = ?, enabled = ?, generation = ?, version = ?, \
         expires_at = ?, secrets_made = ?, accepts_secrets = ?, token_binding = ?, \
         allowed_addresses = ? WHERE id = ?",
    )
    .bind(after.comment.as_str())
    .bind(after.scopes.to_string())
    .bind(after.enabled)
    .bind(after.generation)
    .bind(after.version)
    .bind(after.expires_at.map(|at| at.as_millisecond()))
    .bind(after.secrets_made)
    .bind(after.accepts_secrets)
    .bind(after.token_binding.name())
    .bind(after.allowed_addresses.to_string())
    .bind(before.id.to_string())
    .execute(&mut *tx)
    .await
    .stored()?;
    for known in &before.secrets {
        match after.secrets.iter().find(|secret| secret.n == known.n) {
            None => sqlx::query("DELETE FROM keypair_secret WHERE keypair_id = ? AND n = ?")
                .bind(before.id.to_string())
                .bind(known.n),
            Some(kept) => sqlx::query(
                "UPDATE keypair_secret SET expires_at = ?, retire_when_idle = ?, idle_counts_from = ? \
                 WHERE keypair_id = ? AND n = ?",
            )
            .bind(kept.expires_at.map(|at| at.as_millisecond()))
            .bind(kept.retirement.map(|retirement| retirement.when_idle.as_secs()))
            .bind(kept.retirement.map(|retirement| retirement.counted_from.as_millisecond()))
            .bind(before.id.to_string())
            .bind(known.n),
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
    public_keys::put(tx, before, after).await?;
    append(tx, stamp, change(action, before.id, before.owner, before.record(), after.record())).await
}

#[async_trait]
impl Keypairs for SqliteStorage {
    async fn create_keypair(&self, stamp: &Stamp, keypair: &Keypair) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        author::require(&mut tx, stamp, keypair.owner, Role::Administrator).await?;
        environments::require_open(&mut tx, keypair.owner).await?;
        sqlx::query(
            "INSERT INTO keypair (id, owner_id, comment, scopes, enabled, generation, version, expires_at, \
             created_at, created_by_kind, created_by_id, created_by_name, secrets_made, accepts_secrets, \
             token_binding, allowed_addresses) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
        .bind(keypair.secrets_made)
        .bind(keypair.accepts_secrets)
        .bind(keypair.token_binding.name())
        .bind(keypair.allowed_addresses.to_string())
        .execute(&mut *tx)
        .await
        .stored()?;
        for secret in &keypair.secrets {
            insert_secret(&mut tx, keypair.id, secret).await?;
        }
        for public in &keypair.public_keys {
            public_keys::insert(&mut tx, keypair.id, public).await?;
        }
        let created =
            change(Action::KeypairCreated, keypair.id, keypair.owner, Value::Null, keypair.record());
        append(&mut tx, stamp, created).await?;
        tx.commit().await.stored()
    }

    async fn keypair(&self, owner: Owner, id: KeyId) -> Result<Keypair> {
        let mut tx = self.readers.begin().await.stored()?;
        find(&mut tx, owner, id).await
    }

    async fn keypairs(&self, owner: Owner, slice: Slice<KeyId>) -> Result<Vec<Keypair>> {
        let mut tx = self.readers.begin().await.stored()?;
        let rows = sqlx::query(NEWEST)
            .bind(owner.to_string())
            .bind(upper_bound(slice.after))
            .bind(slice.limit)
            .fetch_all(&mut *tx)
            .await
            .stored()?;
        let mut secrets: HashMap<String, Vec<Secret>> = HashMap::new();
        let mut public: HashMap<String, Vec<PublicKey>> = HashMap::new();
        if let (Some(newest), Some(oldest)) = (rows.first(), rows.last()) {
            let found = sqlx::query(
                "SELECT secret.*, at AS last_used_at \
                 FROM keypair JOIN keypair_secret secret ON secret.keypair_id = keypair.id \
                 LEFT JOIN key_use USING (keypair_id, n) \
                 WHERE owner_id = ? AND keypair.id BETWEEN ? AND ? ORDER BY keypair_id, n",
            )
            .bind(owner.to_string())
            .bind(oldest.value::<&str>("id")?)
            .bind(newest.value::<&str>("id")?)
            .fetch_all(&mut *tx)
            .await
            .stored()?;
            for row in &found {
                secrets.entry(row.value("keypair_id")?).or_default().push(secret(row)?);
            }
            let found = sqlx::query(
                "SELECT public.*, at AS last_used_at \
                 FROM keypair JOIN keypair_public_key public ON public.keypair_id = keypair.id \
                 LEFT JOIN key_use USING (keypair_id, n) \
                 WHERE owner_id = ? AND keypair.id BETWEEN ? AND ? ORDER BY keypair_id, n",
            )
            .bind(owner.to_string())
            .bind(oldest.value::<&str>("id")?)
            .bind(newest.value::<&str>("id")?)
            .fetch_all(&mut *tx)
            .await
            .stored()?;
            for row in &found {
                public.entry(row.value("keypair_id")?).or_default().push(public_keys::public_key(row)?);
            }
        }
        rows.iter()
            .map(|row| {
                let id = row.value::<&str>("id")?;
                keypair(row, secrets.remove(id).unwrap_or_default(), public.remove(id).unwrap_or_default())
            })
            .collect()
    }

    async fn change_keypair(
        &self,
        stamp: &Stamp,
        owner: Owner,
        id: KeyId,
        expected_version: Option<i64>,
        decide: DecideKeypair<'_>,
    ) -> Result<Result<Keypair, KeypairRefusal>> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        author::require(&mut tx, stamp, owner, Role::Administrator).await?;
        let before = find(&mut tx, owner, id).await?;
        if expected_version.is_some_and(|expected| expected != before.version) {
            return Err(StorageError::Moved);
        }
        let (after, action) = match decide(&before) {
            Ok(decided) => decided,
            Err(refusal) => return Ok(Err(refusal)),
        };
        put(&mut tx, stamp, &before, &after, action).await?;
        tx.commit().await.stored()?;
        Ok(Ok(after))
    }

    async fn remove_keypair(
        &self,
        stamp: &Stamp,
        owner: Owner,
        id: KeyId,
        expected_version: Option<i64>,
    ) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        author::require(&mut tx, stamp, owner, Role::Administrator).await?;
        let before = find(&mut tx, owner, id).await?;
        if expected_version.is_some_and(|expected| expected != before.version) {
            return Err(StorageError::Moved);
        }
        sqlx::query("DELETE FROM keypair WHERE id = ?")
            .bind(id.to_string())
            .execute(&mut *tx)
            .await
            .stored()?;
        append(&mut tx, stamp, change(Action::KeypairRemoved, id, owner, before.record(), Value::Null))
            .await?;
        tx.commit().await.stored()
    }

    async fn revoke_token(&self, stamp: &Stamp, keypair: KeyId, token: &RevokedToken) -> Result<Revocation> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        let revocation = revoked_tokens::revoke(&mut tx, stamp, keypair, token).await?;
        tx.commit().await.stored()?;
        Ok(revocation)
    }

    async fn disable_leaked(&self, stamp: &Stamp, secret: &SecretHash) -> Result<Option<KeyId>> {
        // Anybody may ask, so what is none takes no turn of those who write.
        let mut reader = self.readers.acquire().await.stored()?;
        if leaked_secrets::owner(&mut reader, secret, stamp.at).await?.is_none() {
            return Ok(None);
        }
        drop(reader);
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        let stopped = leaked_secrets::disable(&mut tx, stamp, secret).await?;
        tx.commit().await.stored()?;
        Ok(stopped)
    }

    async fn keypairs_to_retire(&self, now: Timestamp) -> Result<Vec<(Owner, KeyId)>> {
        let mut reader = self.readers.acquire().await.stored()?;
        retirement::due(&mut reader, now).await
    }

    async fn live_keypair(&self, id: KeyId) -> Result<Option<LiveKeypair>> {
        live(&mut *self.readers.begin().await.stored()?, id).await
    }

    async fn note_uses(&self, uses: &[KeyUse]) -> Result<()> {
        for (n, part) in uses.chunks(USES_AT_ONCE).enumerate() {
            if n > 0 {
                tokio::time::sleep(BETWEEN_USES).await;
            }
            let [before, after] = NOTE;
            let mut note = QueryBuilder::new(before);
            note.push_values(part, |mut row, used| {
                row.push_bind(used.keypair.to_string())
                    .push_bind(used.secret)
                    .push_bind(used.at.as_millisecond());
            });
            note.push(after);
            let mut writer = self.write().await?;
            let mut tx = begin!(writer);
            note.build().execute(&mut *tx).await.stored()?;
            tx.commit().await.stored()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan;

    #[tokio::test]
    async fn a_part_of_the_list_is_read_from_the_index() {
        let plan = plan(NEWEST).await;
        assert_eq!(
            plan,
            [
                "SEARCH keypair USING INDEX keypair_of_owner (owner_id=? AND id<?)",
                "CORRELATED SCALAR SUBQUERY 1",
                "SEARCH key_use USING PRIMARY KEY (keypair_id=?)"
            ]
        );
    }
}
