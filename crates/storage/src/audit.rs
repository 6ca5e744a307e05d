use async_trait::async_trait;
use domain::{AuditEvent, EventId, ObjectRef, Owner};

use crate::Result;

/// One entry of the change feed: what a line of the log says to whoever remembers things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The line's place in the order of commits.
    pub sequence: i64,
    /// The line's own identifier: another line of that number is of another history.
    pub event: EventId,
    /// What was done, as `object.verb`; a newer version of Feedback may have written one that this one does not know.
    pub action: String,
    /// What was touched.
    pub object: ObjectRef,
}

/// The log of administrative changes, which is also the change feed.
#[async_trait]
pub trait Audit: Send + Sync {
    /// The log of an account or environment, the newest first: what comes before its line `before`, at most `limit` of it;
    /// nothing comes before what is none of its lines.
    async fn audit_events(
        &self,
        owner: Owner,
        before: Option<EventId>,
        limit: u32,
    ) -> Result<Vec<AuditEvent>>;

    /// The change feed in the order of commits: what comes after `after`, at most `limit` of it. Cheap enough to be asked
    /// several times a second.
    async fn changes_after(&self, after: i64, limit: u32) -> Result<Vec<Change>>;

    /// The whole log in the order of commits: what comes after `after`, at most `limit` of it.
    async fn events_after(&self, after: i64, limit: u32) -> Result<Vec<AuditEvent>>;

    /// The number of the last line; 0 for an empty log.
    async fn last_sequence(&self) -> Result<i64>;
}
