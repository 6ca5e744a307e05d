use async_trait::async_trait;
use domain::{Action, EnvironmentId, Query, QueryId, Stamp};

use crate::{Result, Slice};

/// What a change makes of a query.
pub type DecideQuery<'a> = &'a (dyn Fn(&Query) -> Query + Send + Sync);

/// Queries.
#[async_trait]
pub trait Queries: Send + Sync {
    /// Stores a new query; `NotFound` or `Closed` if its environment is.
    async fn create_query(&self, stamp: &Stamp, query: &Query) -> Result<()>;

    /// The environment's query; `NotFound`, also if it is another environment's.
    async fn query(&self, environment: EnvironmentId, id: QueryId) -> Result<Query>;

    /// The environment's queries, the newest first.
    async fn queries(&self, environment: EnvironmentId, slice: Slice<QueryId>) -> Result<Vec<Query>>;

    /// Loads the environment's query, decides what becomes of it, and stores that: no other change comes in between.
    /// With `expected_version`, `Moved` unless it still has that version. What comes out as it was is not written.
    /// `NotFound`, `Closed`.
    async fn change_query(
        &self,
        stamp: &Stamp,
        action: Action,
        environment: EnvironmentId,
        id: QueryId,
        expected_version: Option<i64>,
        decide: DecideQuery<'_>,
    ) -> Result<Query>;
}
