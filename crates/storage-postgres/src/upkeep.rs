use std::path::Path;

use async_trait::async_trait;
use domain::{Action, ObjectRef, Stamp, Timestamp};
use serde_json::{Value, json};
use storage::{Result, StorageError, Upkeep};

use crate::audit::{Change, append};
use crate::row::Stored;
use crate::{PostgresStorage, UPKEEP, assertions, lock_of_administration, recount, usages};

/// As for other verbs, but for statements that read or write all of the store.
const BEGIN_READING: &str = "BEGIN READ ONLY; SET LOCAL statement_timeout = 0";
const BEGIN_ADMINISTRATION: &str = concat!(
    "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = 0; ",
    lock_of_administration!()
);

/// Somebody else may be deleting these, in another order: what is locked is as good as gone.
const SWEEP: [&str; 5] = [
    "DELETE FROM session WHERE token IN \
     (SELECT token FROM session WHERE expires_at <= $1 FOR UPDATE SKIP LOCKED)",
    "DELETE FROM invitation WHERE (owner_id, email) IN \
     (SELECT owner_id, email FROM invitation WHERE expires_at <= $1 FOR UPDATE SKIP LOCKED)",
    "DELETE FROM revoked_token WHERE (keypair_id, token) IN \
     (SELECT keypair_id, token FROM revoked_token WHERE expires_at <= $1 FOR UPDATE SKIP LOCKED)",
    "DELETE FROM authorization_code WHERE hash IN \
     (SELECT hash FROM authorization_code WHERE kept_until <= $1 FOR UPDATE SKIP LOCKED)",
    "DELETE FROM application_grant WHERE id IN \
     (SELECT id FROM application_grant WHERE expires_at <= $1 FOR UPDATE SKIP LOCKED)",
];

/// What should not be there, each with a statement that counts it. The constraints see to that as long as nobody switches
/// them off, as `pg_restore --disable-triggers` does. Indexes are only read where a statement needs them; pg_amcheck
/// knows more of those.
const FAULTS: [(&str, &str); 17] = [
    (
        "environments of an account that does not exist",
        "SELECT COUNT(*) FROM environment WHERE NOT EXISTS (SELECT 1 FROM account WHERE id = account_id)",
    ),
    (
        "roles of a user who does not exist",
        "SELECT COUNT(*) FROM role WHERE NOT EXISTS (SELECT 1 FROM users WHERE id = user_id)",
    ),
    (
        "sessions of a user who does not exist",
        "SELECT COUNT(*) FROM session WHERE NOT EXISTS (SELECT 1 FROM users WHERE id = user_id)",
    ),
    (
        "secrets of a keypair that does not exist",
        "SELECT COUNT(*) FROM keypair_secret WHERE NOT EXISTS (SELECT 1 FROM keypair WHERE id = keypair_id)",
    ),
    (
        "uses of a keypair that does not exist",
        "SELECT COUNT(*) FROM key_use WHERE NOT EXISTS (SELECT 1 FROM keypair WHERE id = keypair_id)",
    ),
    (
        "usage of a keypair that does not exist",
        "SELECT COUNT(*) FROM key_usage WHERE NOT EXISTS (SELECT 1 FROM keypair WHERE id = keypair_id)",
    ),
    (
        "revoked tokens of a keypair that does not exist",
        "SELECT COUNT(*) FROM revoked_token WHERE NOT EXISTS (SELECT 1 FROM keypair WHERE id = keypair_id)",
    ),
    (
        "public keys of a keypair that does not exist",
        "SELECT COUNT(*) FROM keypair_public_key WHERE NOT EXISTS (SELECT 1 FROM keypair WHERE id = keypair_id)",
    ),
    (
        "grants of a user who does not exist",
        "SELECT COUNT(*) FROM application_grant WHERE NOT EXISTS (SELECT 1 FROM users WHERE users.id = user_id)",
    ),
    (
        "codes of a user who does not exist",
        "SELECT COUNT(*) FROM authorization_code WHERE NOT EXISTS (SELECT 1 FROM users WHERE users.id = user_id)",
    ),
    (
        "refresh tokens of a grant that does not exist",
        "SELECT COUNT(*) FROM refresh_token \
         WHERE NOT EXISTS (SELECT 1 FROM application_grant WHERE application_grant.id = grant_id)",
    ),
    (
        "queries of an environment that does not exist",
        "SELECT COUNT(*) FROM query WHERE NOT EXISTS (SELECT 1 FROM environment WHERE id = environment_id)",
    ),
    (
        "persons of an environment that does not exist",
        "SELECT COUNT(*) FROM person WHERE NOT EXISTS (SELECT 1 FROM environment WHERE id = environment_id)",
    ),
    (
        "responses of an environment that does not exist",
        "SELECT COUNT(*) FROM response \
         WHERE NOT EXISTS (SELECT 1 FROM environment WHERE environment.id = environment_id)",
    ),
    (
        "responses to a query that does not exist",
        "SELECT COUNT(*) FROM response WHERE query_id IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM query WHERE query.id = query_id)",
    ),
    (
        "indexes that are not valid",
        "SELECT COUNT(*) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid \
         WHERE relnamespace = current_schema()::REGNAMESPACE AND NOT indisvalid",
    ),
    (
        "constraints that are not validated",
        "SELECT COUNT(*) FROM pg_constraint \
         WHERE connamespace = current_schema()::REGNAMESPACE AND NOT convalidated",
    ),
];

/// Every table from end to end, down to what is stored beside its rows. The server finds pages that it can't read, and
/// with checksums switched on, as initdb can, those that are not as they were written.
const EVERY_ROW: [&str; 26] = [
    "SELECT MAX(LENGTH(t::TEXT)) FROM account t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM environment t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM users t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM role t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM invitation t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM setup_link t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM session t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM keypair t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM keypair_secret t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM key_use t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM key_usage t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM revoked_token t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM keypair_public_key t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM used_assertion t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM application t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM application_grant t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM refresh_token t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM authorization_code t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM query t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM person t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM response t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM response_day t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM response_day_people t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM signing_key t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM sealed t",
    "SELECT MAX(LENGTH(t::TEXT)) FROM audit_event t",
];

#[async_trait]
impl Upkeep for PostgresStorage {
    async fn ping(&self) -> Result<()> {
        self.read_feed(async |connection| {
            sqlx::query("SELECT 1 FROM account LIMIT 1").fetch_optional(connection).await.stored()?;
            Ok(())
        })
        .await
    }

    async fn sweep(&self, now: Timestamp) -> Result<()> {
        self.write(async |tx| {
            for statement in SWEEP {
                sqlx::query(statement).bind(now.as_millisecond()).execute(&mut *tx).await.stored()?;
            }
            Ok(())
        })
        .await?;
        assertions::sweep(self, now).await?;
        usages::sweep(self, now).await
    }

    async fn backup(&self, _to: &Path) -> Result<()> {
        Err(StorageError::NotHere("pg_dump copies a database of PostgreSQL, pg_restore brings it back"))
    }

    async fn outlive_copies(&self, stamp: &Stamp) -> Result<()> {
        self.transaction(&self.administering, UPKEEP, BEGIN_ADMINISTRATION, async |tx| {
            // As those who note uses do, lest one waits for the other.
            sqlx::query("SELECT 1 FROM keypair ORDER BY id FOR UPDATE").execute(&mut *tx).await.stored()?;
            // Generations count by one; milliseconds are ahead of any such count, and later restores of later ones.
            let renewed = sqlx::query(
                "UPDATE keypair SET generation = GREATEST(generation + 1, $1), version = version + 1",
            )
            .bind(stamp.at.as_millisecond())
            .execute(&mut *tx)
            .await
            .stored()?;
            // Whoever used a secret after the copy was made is not known.
            sqlx::query("UPDATE keypair_secret SET idle_counts_from = $1 WHERE retire_when_idle IS NOT NULL")
                .bind(stamp.at.as_millisecond())
                .execute(&mut *tx)
                .await
                .stored()?;
            for statement in [
                "DELETE FROM session",
                "DELETE FROM invitation",
                "DELETE FROM setup_link",
                "DELETE FROM authorization_code",
                "DELETE FROM application_grant",
            ] {
                sqlx::query(statement).execute(&mut *tx).await.stored()?;
            }
            let restored = Change {
                action: Action::StoreRestored,
                object: ObjectRef::new("store", "store"),
                owner: None,
                before: Value::Null,
                after: json!({"keypairs": renewed.rows_affected()}),
            };
            append(tx, stamp, restored).await
        })
        .await
    }

    async fn check(&self) -> Result<Vec<String>> {
        let mut faults = Vec::new();
        for statement in EVERY_ROW {
            let read = self.transaction(&self.reading, UPKEEP, BEGIN_READING, async |tx| {
                sqlx::query(statement).execute(tx).await.stored()?;
                Ok(())
            });
            match read.await {
                Err(StorageError::Corrupt(fault)) => faults.push(fault),
                other => other?,
            }
        }
        for (what, statement) in FAULTS {
            let count = self.transaction(&self.reading, UPKEEP, BEGIN_READING, async |tx| {
                sqlx::query_scalar::<_, i64>(statement).fetch_one(tx).await.stored()
            });
            match count.await {
                Ok(0) => {}
                Ok(count) => faults.push(format!("{count} {what}")),
                Err(StorageError::Corrupt(fault)) => faults.push(fault),
                Err(error) => return Err(error),
            }
        }
        // What is broken can't be counted.
        if faults.is_empty() {
            faults = self
                .transaction(&self.reading, UPKEEP, BEGIN_READING, async |tx| recount::faults(tx).await)
                .await?;
        }
        Ok(faults)
    }

    async fn close(&self) {
        for links in [&self.feed, &self.reading, &self.writing, &self.administering] {
            links.close();
        }
    }
}
