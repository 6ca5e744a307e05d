//! The schema, step by step. Append-only: a step that was released is never edited.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use sqlx::SqliteConnection;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, SqlSafeStr};
use storage::{Result, StorageError};

use crate::files;

const STEPS: [(i64, &str, &str); 11] = [
    (1, "first", include_str!("../migrations/0001_first.sql")),
    (2, "revoked tokens", include_str!("../migrations/0002_revoked_tokens.sql")),
    (3, "signing_keys", include_str!("../migrations/0003_signing_keys.sql")),
    (4, "public_keys", include_str!("../migrations/0004_public_keys.sql")),
    (5, "leaked secrets", include_str!("../migrations/0005_leaked_secrets.sql")),
    (6, "rotation and addresses", include_str!("../migrations/0006_rotation_and_addresses.sql")),
    (7, "usage", include_str!("../migrations/0007_usage.sql")),
    (8, "token binding", include_str!("../migrations/0008_token_binding.sql")),
    (9, "applications", include_str!("../migrations/0009_applications.sql")),
    (10, "narrowed grants", include_str!("../migrations/0010_narrowed_grants.sql")),
    (11, "changes through applications", include_str!("../migrations/0011_changes_through_applications.sql")),
];

/// Held while the schema is brought up to date, so that processes that start together do it one by one. Makes the
/// database's file if there is none.
pub(crate) async fn lock(database: &Path) -> Result<File> {
    let database = database.to_owned();
    let locked = tokio::task::spawn_blocking(move || {
        let mut create = files::private();
        create.create(true);
        let file = create.open(database.with_extension("lock"))?;
        file.lock()?;
        files::make_private(&create.open(database)?)?;
        Ok::<_, std::io::Error>(file)
    });
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| StorageError::Unavailable(error);
    locked.await.map_err(|error| failed(error.into()))?.map_err(|error| failed(error.into()))
}

/// Runs the steps that the store has not seen; refuses a store that has seen more.
pub(crate) async fn run(connection: &mut SqliteConnection) -> Result<()> {
    let steps = STEPS.map(|(version, name, sql)| {
        let sql = AssertSqlSafe(sql).into_sql_str();
        Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql, false)
    });
    let steps = Migrator::with_migrations(steps.to_vec());
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
