use async_trait::async_trait;
use domain::{Action, EnvironmentId, Query, QueryId, Stamp};

use crate::{Result, Slice};

/// Queries.
#[async_trait]
pub trait Queries: Send + Sync {
    /// Stores a new query; `NotFound` or `Closed` if its environment is.
    async fn create_query(&self, stamp: &Stamp, query: &Query) -> Result<()>;

    /// The environment's query; `NotFound`, also if it is another environment's.
    async fn query(&self, environment: EnvironmentId, id: QueryId) -> Result<Query>;

    /// The environment's queries, the newest first.
    async fn queries(&self, environment: EnvironmentId, slice: Slice<QueryId>) -> Result<Vec<Query>>;

    /// Stores `after` in place of `before`; `Moved` if it is no longer as it was read, `NotFound`.
    async fn save_query(&self, stamp: &Stamp, action: Action, before: &Query, after: &Query) -> Result<()>;
}
