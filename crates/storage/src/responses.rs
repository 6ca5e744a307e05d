use async_trait::async_trait;
use domain::{EnvironmentId, NewResponse, Period, Point, QueryId, QueryStatistics, Series};

use crate::Result;

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// How many were stored.
    pub accepted: u64,
    /// How many had been stored before, by the caller's own identifier.
    pub duplicates: u64,
}

/// Responses, and the reports on them.
#[async_trait]
pub trait Responses: Send + Sync {
    /// Stores all of a batch and rolls it up per day, or none of it. `NotOpen` if any names a query that is not an
    /// open one of this environment (a repeated response is not asked again); `NotFound` or `Closed` if the
    /// environment is.
    async fn add_responses(&self, environment: EnvironmentId, responses: &[NewResponse]) -> Result<Accepted>;

    /// A point for each day of the period on which there is a response, the earliest first.
    async fn daily_points(
        &self,
        environment: EnvironmentId,
        series: Series,
        period: Period,
    ) -> Result<Vec<Point>>;

    /// One point for the whole period; who answered on several days counts once.
    async fn combined_point(
        &self,
        environment: EnvironmentId,
        series: Series,
        period: Period,
    ) -> Result<Point>;

    /// All that was ever answered to the query.
    async fn query_statistics(&self, environment: EnvironmentId, query: QueryId) -> Result<QueryStatistics>;
}
