use std::time::Duration;

use async_trait::async_trait;
use domain::{
    AccountId, Activity, Call, Comment, CountedUsage, Date, KeyId, Keypair, KeypairInUse, KeypairRefusal,
    Owner, Program, Role, Stamp, Timestamp, USAGE_KEPT, Usage, usage_from,
};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use storage::{DecideByUse, Result, Usages};

use crate::reports::{day_number, day_of};
use crate::row::{Columns, Stored, corrupt};
use crate::{PostgresStorage, author, keypairs};

/// How many rows are forgotten in one transaction, and how long the database is let go of between two.
const AT_ONCE: i64 = 5000;
const BETWEEN: Duration = Duration::from_millis(10);

/// Adds to what was counted, of keypairs that there still are, each row once. In order, so that of two nodes that add to the
/// same rows none waits for one that waits for it.
const ADD: &str = "INSERT INTO key_usage \
     (keypair_id, day, kind, operation, scope, count, last_at, last_address, last_program) \
     SELECT added.* FROM UNNEST($1::TEXT[], $2::BIGINT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::BIGINT[], $7::BIGINT[], \
     $8::TEXT[], $9::TEXT[]) AS added (id, day, kind, operation, scope, count, at, address, program) \
     JOIN keypair ON keypair.id = added.id \
     ORDER BY added.id COLLATE \"C\", day, kind COLLATE \"C\", operation COLLATE \"C\", scope COLLATE \"C\" \
     ON CONFLICT (keypair_id, day, kind, operation, scope) DO UPDATE SET count = key_usage.count + EXCLUDED.count, \
     last_address = CASE WHEN EXCLUDED.last_at > key_usage.last_at \
     THEN EXCLUDED.last_address ELSE key_usage.last_address END, \
     last_program = CASE WHEN EXCLUDED.last_at > key_usage.last_at \
     THEN EXCLUDED.last_program ELSE key_usage.last_program END, \
     last_at = GREATEST(key_usage.last_at, EXCLUDED.last_at)";

/// When this installation began to count: with the step of the schema that made the table.
const BEGAN: &str =
    "SELECT FLOOR(EXTRACT(EPOCH FROM installed_on) / 86400)::BIGINT FROM _sqlx_migrations WHERE version = 7";

const OF_KEYPAIR: &str = "SELECT keypair_id, day, kind, operation, scope, count, last_at, last_address, last_program \
     FROM key_usage WHERE keypair_id = $1 AND day >= $2";

const BY_DAY: &str = "SELECT keypair_id, day, SUM(count)::BIGINT AS requests FROM key_usage \
     WHERE keypair_id = ANY ($1) AND day >= $2 AND kind = 'request' GROUP BY keypair_id, day";

const IN_USE: &str = "SELECT keypair.id, owner_id, comment, \
     (SUM(count) FILTER (WHERE kind = 'request'))::BIGINT AS requests, MAX(last_at) AS last_at \
     FROM keypair JOIN key_usage ON keypair_id = keypair.id AND day >= $2 \
     WHERE owner_id IN (SELECT $1 UNION ALL SELECT id FROM environment WHERE account_id = $1 \
     UNION ALL SELECT $4) \
     GROUP BY keypair.id ORDER BY MAX(last_at) DESC LIMIT $3";

/// Another node may be deleting these, in another order: what is locked is as good as gone.
const SWEEP: &str = "DELETE FROM key_usage WHERE (keypair_id, day, kind, operation, scope) IN \
     (SELECT keypair_id, day, kind, operation, scope FROM key_usage WHERE day < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)";

fn day(row: &PgRow) -> Result<Date> {
    Ok(day_of(row.value("day")?)?.from())
}

fn usage(row: &PgRow) -> Result<Usage> {
    let activity = Activity::from_parts(row.value("kind")?, row.value("operation")?, row.value("scope")?);
    Ok(Usage {
        keypair: row.parsed("keypair_id")?,
        day: day(row)?,
        activity: activity.ok_or_else(|| corrupt("kind"))?,
        count: row.number("count")?,
        last: Call {
            at: row.instant("last_at")?,
            address: row.parsed_or_null("last_address")?,
            program: row.value::<Option<&str>>("last_program")?.and_then(Program::from_user_agent),
        },
    })
}

async fn counted(connection: &mut PgConnection, keypair: KeyId, from: Date) -> Result<CountedUsage> {
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

async fn add(tx: &mut PgConnection, usage: &[Usage]) -> Result<()> {
    // A statement can't add to one row twice.
    let usage = Usage::added_up(usage.to_vec());
    let (mut ids, mut days, mut counts, mut at) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut kinds, mut operations, mut scopes) = (Vec::new(), Vec::new(), Vec::new());
    let (mut addresses, mut programs) = (Vec::new(), Vec::new());
    for usage in &usage {
        let (kind, operation, scope) = usage.activity.parts();
        ids.push(usage.keypair.to_string());
        days.push(day_number(usage.day));
        kinds.push(kind);
        operations.push(operation);
        scopes.push(scope);
        counts.push(i64::try_from(usage.count).unwrap_or(i64::MAX));
        at.push(usage.last.at.as_millisecond());
        addresses.push(usage.last.address.map(|address| address.to_string()));
        programs.push(usage.last.program.as_ref().map(|program| program.as_str()));
    }
    keypairs::keep(tx, &ids).await?;
    sqlx::query(ADD)
        .bind(&ids)
        .bind(&days)
        .bind(&kinds)
        .bind(&operations)
        .bind(&scopes)
        .bind(&counts)
        .bind(&at)
        .bind(&addresses)
        .bind(&programs)
        .execute(tx)
        .await
        .stored()?;
    Ok(())
}

#[async_trait]
impl Usages for PostgresStorage {
    async fn add_usage(&self, usage: &[Usage]) -> Result<()> {
        self.write(async |tx| add(tx, usage).await).await
    }

    async fn usage(&self, keypair: KeyId, from: Date) -> Result<CountedUsage> {
        self.read_all(async |tx| counted(tx, keypair, from).await).await
    }

    async fn requests_by_day(&self, keypairs: &[KeyId], from: Date) -> Result<Vec<(KeyId, Date, u64)>> {
        let ids: Vec<String> = keypairs.iter().map(KeyId::to_string).collect();
        self.read(async |connection| {
            let rows = sqlx::query(BY_DAY).bind(&ids).bind(day_number(from)).fetch_all(connection).await;
            let sum = |row: &PgRow| Ok((row.parsed("keypair_id")?, day(row)?, row.number("requests")?));
            rows.stored()?.iter().map(sum).collect()
        })
        .await
    }

    async fn keypairs_in_use(
        &self,
        owner: Owner,
        above: Option<AccountId>,
        from: Date,
        limit: u32,
    ) -> Result<Vec<KeypairInUse>> {
        self.read(async |connection| {
            let rows = sqlx::query(IN_USE)
                .bind(owner.to_string())
                .bind(day_number(from))
                .bind(i64::from(limit))
                .bind(above.map(|account| account.to_string()))
                .fetch_all(connection)
                .await
                .stored()?;
            let in_use = |row: &PgRow| {
                Ok(KeypairInUse {
                    keypair: row.parsed("id")?,
                    owner: row.parsed("owner_id")?,
                    comment: Comment::stored(row.value("comment")?),
                    requests: row.number_or_null("requests")?.unwrap_or(0),
                    last_at: row.instant("last_at")?,
                })
            };
            rows.iter().map(in_use).collect()
        })
        .await
    }

    async fn change_keypair_by_use(
        &self,
        stamp: &Stamp,
        owner: Owner,
        id: KeyId,
        from: Date,
        decide: DecideByUse<'_>,
    ) -> Result<std::result::Result<Keypair, KeypairRefusal>> {
        self.administer(async |tx| {
            author::require(tx, stamp, owner, Role::Administrator).await?;
            // Whoever adds usage of it waits for that.
            let before = keypairs::hold(tx, owner, id).await?;
            let used = counted(tx, id, from).await?.scopes();
            let (after, action) = match decide(&before, used) {
                Ok(decided) => decided,
                Err(refusal) => return Ok(Err(refusal)),
            };
            keypairs::put(tx, stamp, &before, &after, action).await?;
            Ok(Ok(after))
        })
        .await
    }
}

/// Forgets what is from before the days that are kept.
pub(crate) async fn sweep(storage: &PostgresStorage, now: Timestamp) -> Result<()> {
    let kept_from = day_number(usage_from(now, USAGE_KEPT));
    loop {
        let swept = storage
            .write(async |tx| {
                let swept = sqlx::query(SWEEP).bind(kept_from).bind(AT_ONCE).execute(tx).await;
                Ok(swept.stored()?.rows_affected())
            })
            .await?;
        if swept < AT_ONCE.unsigned_abs() {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Planner;

    #[tokio::test]
    async fn each_statement_searches_the_indexes() {
        let mut planner = Planner::new().await;
        for statement in [OF_KEYPAIR, BY_DAY, IN_USE, SWEEP] {
            let steps = planner.plan(statement).await;
            assert!(!steps.iter().any(|step| step.starts_with("Seq Scan")), "{steps:?}");
        }
    }
}
