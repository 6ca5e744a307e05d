use async_trait::async_trait;
use domain::{AuditEvent, Owner};

use crate::Result;

/// The log of administrative changes, which is also the change feed.
#[async_trait]
pub trait Audit: Send + Sync {
    /// The log of an account or environment, the newest first: what comes before `before`, at most `limit` of it.
    async fn audit_events(&self, owner: Owner, before: Option<i64>, limit: u32) -> Result<Vec<AuditEvent>>;

    /// The whole log in the order of commits: what comes after `after`, at most `limit` of it.
    async fn events_after(&self, after: i64, limit: u32) -> Result<Vec<AuditEvent>>;

    /// The number of the last line; 0 for an empty log.
    async fn last_sequence(&self) -> Result<i64>;
}
