//! The store for many nodes: PostgreSQL 15 or later.
//!
//! Any number of processes share one database, so nothing here relies on being the only one. Administrative verbs, all
//! that write the audit log, take turns: each begins with the same advisory lock, so what it reads after that was
//! committed before it, and the log's numbers are in the order of commits.
//!
//! The other verbs lock the rows that they rely on. None waits for one that waits for it, since all take their locks in
//! one order: the advisory lock; a user, an account or an environment; keypairs by their identifiers; what belongs to
//! one of these. Whoever locks several rows of what somebody else may be deleting skips the locked ones.

mod accounts;
mod application_grants;
mod applications;
mod assertions;
mod audit;
mod author;
mod days;
mod environments;
mod invitations;
mod keypairs;
mod leaked_secrets;
mod links;
mod migrations;
mod people;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests: they fail by panicking")]
mod plan;
mod public_keys;
mod queries;
mod recount;
mod reports;
mod responses;
mod retirement;
mod revoked_tokens;
mod roles;
mod row;
mod server_keys;
mod sessions;
#[cfg(any(test, feature = "test-database"))]
#[allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests: without a database there is nothing to test, and they fail by panicking"
)]
pub mod test_database;
mod upkeep;
mod usages;
mod users;

use std::time::Duration;

use sqlx::{Connection, PgConnection};
use storage::Result;
use tokio::time::timeout;

use crate::links::{Links, Patience, Purpose};
use crate::row::Stored;

/// A store that hangs makes a node refuse within seconds; without a bound, requests would pile up behind it.
const READ: Patience = Patience { turn: Duration::from_secs(1), whole: Duration::from_secs(2) };
const WRITE: Patience = Patience { turn: Duration::from_secs(5), whole: Duration::from_secs(6) };

/// What reads or writes all of the store, which nobody does while a program waits for it.
const UPKEEP: Patience = Patience { turn: Duration::from_secs(5), whole: Duration::from_secs(600) };

/// Whoever reads waits for nobody who writes, and whoever administers for nobody who submits responses: a verb that waits
/// for a lock has its connection meanwhile. The change feed waits for nobody at all.
const FEED: Purpose = Purpose { most: 1, statement_timeout: "1500ms" };
const READING: Purpose = Purpose { most: 5, statement_timeout: "1500ms" };
const WRITING: Purpose = Purpose { most: 4, statement_timeout: "5s" };
const ADMINISTERING: Purpose = Purpose { most: 2, statement_timeout: "5s" };

/// How long opening waits for the database to answer at all.
const CONNECT: Duration = Duration::from_secs(5);

/// Each statement sees what was committed before it, and rows that were locked as they are now.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// Whoever holds this lock may write the audit log, and administers. The number has no meaning; it is `Fbk1`.
macro_rules! lock_of_administration {
    () => {
        "SELECT pg_advisory_xact_lock(1180855089)"
    };
}
pub(crate) use lock_of_administration;

const BEGIN_ADMINISTRATION: &str =
    concat!("BEGIN ISOLATION LEVEL READ COMMITTED; ", lock_of_administration!());

/// All statements see the same state. What only reads can't fail for that.
const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// The store in a database that other processes may have open too.
#[derive(Debug)]
pub struct PostgresStorage {
    feed: Links,
    reading: Links,
    writing: Links,
    administering: Links,
}

impl PostgresStorage {
    /// Opens the store in the database at `url` (`postgres://user:password@host:port/name?sslmode=…`) and brings it to
    /// this version. `Unavailable`, with the reason, if it can't be reached or is none for us; `TooNew`, `Corrupt`.
    pub async fn open(url: &str) -> Result<Self> {
        let options = links::options(url)?;
        let connecting = timeout(CONNECT, links::connect(&options, WRITING.statement_timeout));
        let mut connection = connecting.await.map_err(|_| links::late(CONNECT))??;
        let migrating = timeout(UPKEEP.whole, migrations::run(&mut connection));
        migrating.await.map_err(|_| links::late(UPKEEP.whole))??;
        connection.close().await.stored()?;
        Ok(Self {
            feed: Links::new(&options, FEED)?,
            reading: Links::new(&options, READING)?,
            writing: Links::new(&options, WRITING)?,
            administering: Links::new(&options, ADMINISTERING)?,
        })
    }

    /// Whether there is a store, of whatever version, in the database at `url`. Changes nothing. `Unavailable` as in
    /// [`open`](Self::open).
    pub async fn is_there(url: &str) -> Result<bool> {
        let options = links::options(url)?;
        let connecting = timeout(CONNECT, links::connect(&options, READING.statement_timeout));
        let mut connection = connecting.await.map_err(|_| links::late(CONNECT))??;
        let is_there = sqlx::query_scalar("SELECT to_regclass('audit_event') IS NOT NULL");
        let is_there = is_there.fetch_one(&mut connection).await.stored()?;
        connection.close().await.stored()?;
        Ok(is_there)
    }

    /// Reads what the change feed asks for, by one statement.
    async fn read_feed<T>(&self, verb: impl AsyncFnOnce(&mut PgConnection) -> Result<T>) -> Result<T> {
        self.feed.lend(READ, verb).await
    }

    /// Reads by one statement.
    async fn read<T>(&self, verb: impl AsyncFnOnce(&mut PgConnection) -> Result<T>) -> Result<T> {
        self.reading.lend(READ, verb).await
    }

    /// Reads by several statements that see the same state.
    async fn read_all<T>(&self, verb: impl AsyncFnOnce(&mut PgConnection) -> Result<T>) -> Result<T> {
        self.transaction(&self.reading, READ, BEGIN_SNAPSHOT, verb).await
    }

    /// Writes what leaves no line in the audit log.
    async fn write<T>(&self, verb: impl AsyncFnOnce(&mut PgConnection) -> Result<T>) -> Result<T> {
        self.transaction(&self.writing, WRITE, BEGIN, verb).await
    }

    /// Writes what programs write in any number, with a line in the audit log: there are never many of them between an
    /// administrator and the lock.
    async fn write_with_line<T>(&self, verb: impl AsyncFnOnce(&mut PgConnection) -> Result<T>) -> Result<T> {
        self.transaction(&self.writing, WRITE, BEGIN_ADMINISTRATION, verb).await
    }

    /// Makes an administrative change.
    async fn administer<T>(&self, verb: impl AsyncFnOnce(&mut PgConnection) -> Result<T>) -> Result<T> {
        self.transaction(&self.administering, WRITE, BEGIN_ADMINISTRATION, verb).await
    }

    /// Commits what the verb did, unless it answers an error.
    async fn transaction<T>(
        &self,
        links: &Links,
        patience: Patience,
        begin: &'static str,
        verb: impl AsyncFnOnce(&mut PgConnection) -> Result<T>,
    ) -> Result<T> {
        links
            .lend(patience, async |connection| {
                let mut tx = connection.begin_with(begin).await.stored()?;
                let outcome = verb(&mut tx).await;
                match outcome {
                    Ok(_) => tx.commit().await.stored()?,
                    Err(_) => tx.rollback().await.stored()?,
                }
                outcome
            })
            .await
    }
}
