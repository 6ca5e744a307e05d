use async_trait::async_trait;
use domain::{Action, Actor, AuditEvent, ChainHash, EventId, ObjectRef, Owner, Stamp};
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use storage::{Audit, Result};

use crate::PostgresStorage;
use crate::row::{Columns, Stored, corrupt};

macro_rules! columns {
    () => {
        "sequence, id, at, actor_kind, actor_id, actor_name, client_id, address, action, object_kind, object_id, \
         owner_id, before, after, previous_hash, hash"
    };
}

/// A part of an owner's log: its own lines, and those on itself that stand in its account's log. Two bounded searches: an
/// `OR` would collect and sort the whole log for each part of it.
const OF_OWNER: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM audit_event WHERE sequence IN (\
     (SELECT sequence FROM audit_event WHERE owner_id = $1 AND sequence < $2 \
     ORDER BY sequence DESC LIMIT $3) UNION \
     (SELECT sequence FROM audit_event WHERE object_id = $1 AND sequence < $2 \
     ORDER BY sequence DESC LIMIT $3)) ORDER BY sequence DESC LIMIT $3"
);

/// A part of the change feed. Without the columns that hold objects, which may be long.
const CHANGES: &str = "SELECT sequence, id, action, object_kind, object_id FROM audit_event \
     WHERE sequence > $1 ORDER BY sequence LIMIT $2";

/// The end of the log.
const LAST: &str = "SELECT sequence, hash FROM audit_event ORDER BY sequence DESC LIMIT 1";

/// What a change did: the part of its line that the stamp does not say.
pub(crate) struct Change {
    pub(crate) action: Action,
    pub(crate) object: ObjectRef,
    pub(crate) owner: Option<Owner>,
    pub(crate) before: Value,
    pub(crate) after: Value,
}

/// Appends a line to the log, in the transaction of the change. The transaction holds the lock of administrative verbs,
/// so the number and the previous hash are the last ones.
pub(crate) async fn append(tx: &mut PgConnection, stamp: &Stamp, change: Change) -> Result<()> {
    let (last, previous) = match sqlx::query(LAST).fetch_optional(&mut *tx).await.stored()? {
        Some(row) => (row.value::<i64>("sequence")?, ChainHash(row.bytes("hash")?)),
        None => (0, ChainHash::default()),
    };
    let mut event = AuditEvent {
        sequence: last + 1,
        stamp: stamp.clone(),
        action: change.action.name().to_owned(),
        object: change.object,
        owner: change.owner,
        before: change.before,
        after: change.after,
        previous,
        hash: ChainHash::default(),
    };
    event.hash = event.expected_hash();
    sqlx::query(concat!(
        "INSERT INTO audit_event (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)"
    ))
    .bind(event.sequence)
    .bind(stamp.event.to_string())
    .bind(stamp.at.as_millisecond())
    .bind(stamp.actor.kind())
    .bind(stamp.actor.id())
    .bind(stamp.actor.name())
    .bind(stamp.client.map(|client| client.to_string()))
    .bind(stamp.address.as_deref())
    .bind(&event.action)
    .bind(&event.object.kind)
    .bind(&event.object.id)
    .bind(event.owner.map(|owner| owner.to_string()))
    .bind(event.before.to_string())
    .bind(event.after.to_string())
    .bind(event.previous.0.as_slice())
    .bind(event.hash.0.as_slice())
    .execute(tx)
    .await
    .stored()?;
    Ok(())
}

fn object(row: &PgRow) -> Result<ObjectRef> {
    Ok(ObjectRef { kind: row.value("object_kind")?, id: row.value("object_id")? })
}

fn event(row: &PgRow) -> Result<AuditEvent> {
    let actor = Actor::from_parts(row.value("actor_kind")?, row.value("actor_id")?, row.value("actor_name")?)
        .ok_or_else(|| corrupt("actor_kind"))?;
    let json = |column| serde_json::from_str(row.value(column)?).map_err(|_| corrupt(column));
    Ok(AuditEvent {
        sequence: row.value("sequence")?,
        stamp: Stamp {
            event: row.parsed("id")?,
            at: row.instant("at")?,
            actor,
            client: row.parsed_or_null("client_id")?,
            address: row.value("address")?,
            standing: None,
        },
        action: row.value("action")?,
        object: object(row)?,
        owner: row.parsed_or_null("owner_id")?,
        before: json("before")?,
        after: json("after")?,
        previous: ChainHash(row.bytes("previous_hash")?),
        hash: ChainHash(row.bytes("hash")?),
    })
}

/// The number of a line of the owner's log; 0, before which there is none, for what is none of its lines.
async fn place(connection: &mut PgConnection, owner: Owner, event: EventId) -> Result<i64> {
    let place = sqlx::query_scalar(
        "SELECT sequence FROM audit_event WHERE id = $1 AND (owner_id = $2 OR object_id = $2)",
    );
    let place = place.bind(event.to_string()).bind(owner.to_string()).fetch_optional(connection);
    Ok(place.await.stored()?.unwrap_or_default())
}

#[async_trait]
impl Audit for PostgresStorage {
    async fn audit_events(
        &self,
        owner: Owner,
        before: Option<EventId>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>> {
        self.read_all(async |connection| {
            let before = match before {
                Some(event) => place(connection, owner, event).await?,
                None => i64::MAX,
            };
            sqlx::query(OF_OWNER)
                .bind(owner.to_string())
                .bind(before)
                .bind(i64::from(limit))
                .fetch_all(&mut *connection)
                .await
                .stored()?
                .iter()
                .map(event)
                .collect()
        })
        .await
    }

    async fn changes_after(&self, after: i64, limit: u32) -> Result<Vec<storage::Change>> {
        self.read_feed(async |connection| {
            let change = |row: &PgRow| {
                Ok(storage::Change {
                    sequence: row.value("sequence")?,
                    event: row.parsed("id")?,
                    action: row.value("action")?,
                    object: object(row)?,
                })
            };
            sqlx::query(CHANGES)
                .bind(after)
                .bind(i64::from(limit))
                .fetch_all(connection)
                .await
                .stored()?
                .iter()
                .map(change)
                .collect()
        })
        .await
    }

    async fn events_after(&self, after: i64, limit: u32) -> Result<Vec<AuditEvent>> {
        self.read(async |connection| {
            sqlx::query(concat!(
                "SELECT ",
                columns!(),
                " FROM audit_event WHERE sequence > $1 ORDER BY sequence LIMIT $2"
            ))
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(connection)
            .await
            .stored()?
            .iter()
            .map(event)
            .collect()
        })
        .await
    }

    async fn last_sequence(&self) -> Result<i64> {
        self.read_feed(async |connection| {
            sqlx::query_scalar("SELECT COALESCE(MAX(sequence), 0) FROM audit_event")
                .fetch_one(connection)
                .await
                .stored()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Planner;

    #[tokio::test]
    async fn the_feed_goes_on_where_it_was() {
        let mut planner = Planner::new().await;
        assert_eq!(planner.plan(CHANGES).await, ["audit_event_pkey (sequence > $1)"]);
        assert_eq!(planner.plan(LAST).await, ["audit_event_pkey"]);
    }

    #[tokio::test]
    async fn a_part_of_the_log_is_read_from_the_indexes() {
        let mut planner = Planner::new().await;
        assert_eq!(
            planner.plan(OF_OWNER).await,
            [
                // Of what the two searches found.
                "Sort",
                "audit_event_of_owner ((owner_id = $1) AND (sequence < $2))",
                "audit_event_on_object ((object_id = $1) AND (sequence < $2))",
                "audit_event_pkey (sequence = audit_event_1.sequence)",
            ]
        );
    }
}
