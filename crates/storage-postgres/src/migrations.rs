//! The schema, step by step. Append-only: a step that was released is never edited, and leaves the schema usable by the
//! version before, which may be running beside.

use std::borrow::Cow;

use sqlx::PgConnection;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};
use storage::{Result, StorageError};

use crate::row::Stored;

const STEPS: [(i64, &str, &str); 12] = [
    (1, "first", include_str!("../migrations/0001_first.sql")),
    (2, "revoked tokens", include_str!("../migrations/0002_revoked_tokens.sql")),
    (3, "signing_keys", include_str!("../migrations/0003_signing_keys.sql")),
    (4, "public_keys", include_str!("../migrations/0004_public_keys.sql")),
    (5, "leaked secrets", include_str!("../migrations/0005_leaked_secrets.sql")),
    (6, "rotation and addresses", include_str!("../migrations/0006_rotation_and_addresses.sql")),
    (7, "usage", include_str!("../migrations/0007_usage.sql")),
    (8, "token binding", include_str!("../migrations/0008_token_binding.sql")),
    (9, "applications", include_str!("../migrations/0009_applications.sql")),
    (10, "people by ordinal", include_str!("../migrations/0010_people_by_ordinal.sql")),
    (11, "narrowed grants", include_str!("../migrations/0011_narrowed_grants.sql")),
    (12, "changes through applications", include_str!("../migrations/0012_changes_through_applications.sql")),
];

/// Waits for other nodes that run the steps. Held until the connection closes. The number is `Fbk2`. That the table of
/// steps is there already is not worth a line at each start.
const LOCK: [&str; 2] = [
    "SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', '60s', false), \
     set_config('client_min_messages', 'warning', false)",
    "SELECT pg_advisory_lock(1180855090)",
];

/// A step may run for long, but waits only briefly for a table, since everybody who wants it then waits behind.
const HURRY: &str = "SELECT set_config('lock_timeout', '3s', false)";

/// Runs the steps that the store has not seen, one node at a time and each in a transaction; refuses a store that has
/// seen more. The connection must be closed afterwards.
pub(crate) async fn run(connection: &mut PgConnection) -> Result<()> {
    for statement in LOCK.into_iter().chain([HURRY]) {
        sqlx::query(statement).execute(&mut *connection).await.stored()?;
    }
    let steps = STEPS.map(|(version, name, sql)| {
        let sql = AssertSqlSafe(sql).into_sql_str();
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql, false)
    });
    let mut steps = Migrator::with_migrations(steps.to_vec());
    steps.set_locking(false);
    steps.run_direct(None, connection, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(found) | MigrateError::VersionNotPresent(found) => {
            StorageError::TooNew { found, known: STEPS.last().map_or(0, |step| step.0) }
        }
        MigrateError::VersionMismatch(version) => {
            StorageError::Corrupt(format!("step {version} of the schema is not the one that was released"))
        }
        other => StorageError::Unavailable(other.into()),
    })
}
