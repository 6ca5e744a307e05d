use std::time::Duration;

use async_trait::async_trait;
use domain::{
    AccountId, Activity, Call, Comment, CountedUsage, Date, KeyId, Keypair, KeypairInUse, KeypairRefusal,
    Owner, Program, Role, Stamp, Timestamp, USAGE_KEPT, Usage, usage_from,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use storage::{DecideByUse, Result, Usages};

use crate::reports::{day_number, day_of};
use crate::row::{Columns, Stored, corrupt, json};
use crate::{SqliteStorage, author, begin, keypairs};

/// How many rows are forgotten in one transaction, and how long the writer is let go of between two.
const AT_ONCE: u32 = 5000;
const BETWEEN: Duration = Duration::from_millis(10);

/// How many rows one statement adds: SQLite takes some 32,000 values.
const ROWS: usize = 500;

/// Adds to what was counted, of keypairs that there still are; the rows stand in between.
const ADD: [&str; 2] = [
    "INSERT INTO key_usage (keypair_id, day, kind, operation, scope, count, last_at, last_address, last_program) \
     SELECT * FROM (",
    ") WHERE EXISTS (SELECT 1 FROM keypair WHERE id = column1) \
     ON CONFLICT DO UPDATE SET count = count + excluded.count, \
     last_address = IIF(excluded.last_at > last_at, excluded.last_address, last_address), \
     last_program = IIF(excluded.last_at > last_at, excluded.last_program, last_program), \
     last_at = MAX(last_at, excluded.last_at)",
];

/// When this installation began to count: with the step of the schema that made the table.
const BEGAN: &str = "SELECT unixepoch(installed_on) / 86400 FROM _sqlx_migrations WHERE version = 7";

const OF_KEYPAIR: &str = "SELECT * FROM key_usage WHERE keypair_id = ? AND day >= ?";

const BY_DAY: &str = "SELECT keypair_id, day, SUM(count) AS requests FROM key_usage \
     WHERE keypair_id IN (SELECT value FROM json_each(?)) AND day >= ? AND kind = 'request' GROUP BY keypair_id, day";

const IN_USE: &str = "SELECT keypair.id, owner_id, comment, SUM(IIF(kind = 'request', count, 0)) AS requests, \
     MAX(last_at) AS last_at FROM keypair JOIN key_usage ON keypair_id = keypair.id AND day >= ?2 \
     WHERE owner_id IN (SELECT ?1 UNION ALL SELECT id FROM environment WHERE account_id = ?1 \
     UNION ALL SELECT ?4) \
     GROUP BY keypair.id ORDER BY last_at DESC LIMIT ?3";

const SWEEP: &str = "DELETE FROM key_usage WHERE (keypair_id, day, kind, operation, scope) IN \
     (SELECT keypair_id, day, kind, operation, scope FROM key_usage WHERE day < ? LIMIT ?)";

/// The statement that adds these, of which there is one or more.
fn add(usage: &[Usage]) -> QueryBuilder<Sqlite> {
    let [before, after] = ADD;
    let mut add = QueryBuilder::new(before);
    add.push_values(usage, |mut row, usage| {
        let (kind, operation, scope) = usage.activity.parts();
        let last = &usage.last;
        row.push_bind(usage.keypair.to_string())
            .push_bind(day_number(usage.day))
            .push_bind(kind)
            .push_bind(operation.to_owned())
            .push_bind(scope)
            .push_bind(i64::try_from(usage.count).unwrap_or(i64::MAX))
            .push_bind(last.at.as_millisecond())
            .push_bind(last.address.map(|address| address.to_string()))
            .push_bind(last.program.as_ref().map(|program| program.as_str().to_owned()));
    });
    add.push(after);
    add
}

fn day(row: &SqliteRow) -> Result<Date> {
    Ok(day_of(row.value("day")?)?.from())
}

fn usage(row: &SqliteRow) -> Result<Usage> {
    let activity = Activity::from_parts(row.value("kind")?, row.value("operation")?, row.value("scope")?);
    Ok(Usage {
        keypair: row.parsed("keypair_id")?,
        day: day(row)?,
        activity: activity.ok_or_else(|| corrupt("kind"))?,
        count: row.value::<i64>("count")?.unsigned_abs(),
        last: Call {
            at: row.instant("last_at")?,
            address: row.parsed_or_null("last_address")?,
            program: row.value::<Option<&str>>("last_program")?.and_then(Program::from_user_agent),
        },
    })
}

async fn counted(connection: &mut SqliteConnection, keypair: KeyId, from: Date) -> Result<CountedUsage> {
    let began: i64 = sqlx::query_scalar(BEGAN).fetch_one(&mut *connection).await.stored()?;
    let rows = sqlx::query(OF_KEYPAIR)
        .bind(keypair.to_string())
        .bind(day_number(from))
        .fetch_all(connection)
        .await
        .stored()?;
    let usage = rows.iter().map(usage).collect::<Result<_>>()?;
    Ok(CountedUsage { since: from.max(day_of(began)?.from()), usage })
}

#[async_trait]
impl Usages for SqliteStorage {
    async fn add_usage(&self, usage: &[Usage]) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        for part in usage.chunks(ROWS) {
            add(part).build().execute(&mut *tx).await.stored()?;
        }
        tx.commit().await.stored()
    }

    async fn usage(&self, keypair: KeyId, from: Date) -> Result<CountedUsage> {
        let mut tx = self.readers.begin().await.stored()?;
        counted(&mut tx, keypair, from).await
    }

    async fn requests_by_day(&self, keypairs: &[KeyId], from: Date) -> Result<Vec<(KeyId, Date, u64)>> {
        let ids: Vec<_> = keypairs.iter().map(KeyId::to_string).collect();
        let rows = sqlx::query(BY_DAY)
            .bind(json(&ids)?)
            .bind(day_number(from))
            .fetch_all(&self.readers)
            .await
            .stored()?;
        rows.iter()
            .map(|row| {
                Ok((row.parsed("keypair_id")?, day(row)?, row.value::<i64>("requests")?.unsigned_abs()))
            })
            .collect()
    }

    async fn keypairs_in_use(
        &self,
        owner: Owner,
        above: Option<AccountId>,
        from: Date,
        limit: u32,
    ) -> Result<Vec<KeypairInUse>> {
        let rows = sqlx::query(IN_USE)
            .bind(owner.to_string())
            .bind(day_number(from))
            .bind(limit)
            .bind(above.map(|account| account.to_string()))
            .fetch_all(&self.readers)
            .await
            .stored()?;
        rows.iter()
            .map(|row| {
                Ok(KeypairInUse {
                    keypair: row.parsed("id")?,
                    owner: row.parsed("owner_id")?,
                    comment: Comment::stored(row.value("comment")?),
                    requests: row.value::<i64>("requests")?.unsigned_abs(),
                    last_at: row.instant("last_at")?,
                })
            })
            .collect()
    }

    async fn change_keypair_by_use(
        &self,
        stamp: &Stamp,
        owner: Owner,
        id: KeyId,
        from: Date,
        decide: DecideByUse<'_>,
    ) -> Result<std::result::Result<Keypair, KeypairRefusal>> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        author::require(&mut tx, stamp, owner, Role::Administrator).await?;
        let before = keypairs::find(&mut tx, owner, id).await?;
        let used = counted(&mut tx, id, from).await?.scopes();
        let (after, action) = match decide(&before, used) {
            Ok(decided) => decided,
            Err(refusal) => return Ok(Err(refusal)),
        };
        keypairs::put(&mut tx, stamp, &before, &after, action).await?;
        tx.commit().await.stored()?;
        Ok(Ok(after))
    }
}

/// Forgets what is from before the days that are kept.
pub(crate) async fn sweep(storage: &SqliteStorage, now: Timestamp) -> Result<()> {
    let kept_from = day_number(usage_from(now, USAGE_KEPT));
    loop {
        let swept = {
            let mut writer = storage.write().await?;
            let mut tx = begin!(writer);
            let swept = sqlx::query(SWEEP).bind(kept_from).bind(AT_ONCE).execute(&mut *tx).await.stored()?;
            tx.commit().await.stored()?;
            swept.rows_affected()
        };
        if swept < u64::from(AT_ONCE) {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan;

    #[tokio::test]
    async fn each_statement_searches_the_indexes() {
        for statement in [OF_KEYPAIR, BY_DAY, IN_USE, SWEEP] {
            let steps = plan(statement).await;
            let reads_all =
                |step: &&String| step.starts_with("SCAN key") || step.starts_with("SCAN environment");
            assert_eq!(steps.iter().find(reads_all), None, "{steps:?}");
        }
    }
}
