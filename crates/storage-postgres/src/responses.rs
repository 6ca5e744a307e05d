use std::collections::HashSet;

use async_trait::async_trait;
use domain::{EnvironmentId, NewResponse, Period, Point, QueryId, QueryStatistics, Series};
use sqlx::PgConnection;
use storage::{Accepted, Responses, Result, StorageError};

use crate::days::{Counted, Days};
use crate::people::{MACHINE, RESPONDENT, ordinals};
use crate::row::Stored;
use crate::{PostgresStorage, environments, reports};

/// Which responses of a batch are stored already.
const KNOWN: &str = "SELECT external_hash FROM response WHERE external_hash = ANY ($1)";

/// Which of the queries are open ones of the environment; they stay so until the batch is stored. They are shared with
/// nobody, since batches of one environment come one after another.
const OPEN: &str = "SELECT id FROM query WHERE environment_id = $1 AND closed_at IS NULL AND id = ANY ($2) \
     ORDER BY id FOR SHARE";

const INSERT: &str = "INSERT INTO response \
     (environment_id, id, external_id, external_hash, query_id, score, text, respondent, machine, at) \
     SELECT $1, * FROM UNNEST($2::TEXT[], $3::TEXT[], $4::BYTEA[], $5::TEXT[], $6::SMALLINT[], $7::TEXT[], \
     $8::BIGINT[], $9::BIGINT[], $10::BIGINT[])";

/// Those of a batch that are not stored yet, each once. `NotOpen` if any of them names a query that takes none.
async fn new<'a>(
    tx: &mut PgConnection,
    environment: EnvironmentId,
    responses: &'a [NewResponse],
) -> Result<Vec<&'a NewResponse>> {
    let hashes: Vec<Option<[u8; 16]>> =
        responses.iter().map(|response| response.external_hash(environment)).collect();
    let wanted: Vec<[u8; 16]> = hashes.iter().flatten().copied().collect();
    let known: Vec<[u8; 16]> = sqlx::query_scalar(KNOWN).bind(wanted).fetch_all(&mut *tx).await.stored()?;
    // Of those that come twice, the first is new.
    let mut known: HashSet<[u8; 16]> = known.into_iter().collect();
    let queries: HashSet<QueryId> = responses.iter().filter_map(|response| response.query).collect();
    let open: HashSet<String> = sqlx::query_scalar(OPEN)
        .bind(environment.to_string())
        .bind(queries.iter().map(ToString::to_string).collect::<Vec<_>>())
        .fetch_all(tx)
        .await
        .stored()?
        .into_iter()
        .collect();
    let open: HashSet<QueryId> =
        queries.into_iter().filter(|query| open.contains(&query.to_string())).collect();
    let (mut new, mut refused) = (Vec::with_capacity(responses.len()), Vec::new());
    for (place, (response, hash)) in responses.iter().zip(hashes).enumerate() {
        if hash.is_some_and(|hash| known.contains(&hash)) {
            continue;
        }
        if response.query.is_some_and(|query| !open.contains(&query)) {
            refused.push(place);
            continue;
        }
        known.extend(hash);
        new.push(response);
    }
    if refused.is_empty() { Ok(new) } else { Err(StorageError::NotOpen(refused)) }
}

/// Stores them, and adds them to their days.
async fn insert(tx: &mut PgConnection, environment: EnvironmentId, new: &[&NewResponse]) -> Result<()> {
    let respondents = new.iter().filter_map(|response| response.respondent);
    let respondents = ordinals(tx, environment, RESPONDENT, respondents).await?;
    let machines = new.iter().filter_map(|response| response.machine);
    let machines = ordinals(tx, environment, MACHINE, machines).await?;
    let mut rows = Rows::default();
    let mut days = Days::default();
    for response in new {
        let counted = Counted {
            score: response.score,
            at: response.at.as_millisecond(),
            respondent: response.respondent.and_then(|person| respondents.get(&person)).copied(),
            machine: response.machine.and_then(|person| machines.get(&person)).copied(),
        };
        let query = response.query.map(|query| query.to_string());
        days.count(query.as_deref(), counted);
        rows.push(response, response.external_hash(environment), query, counted);
    }
    rows.insert(tx, environment).await?;
    days.save(tx, environment).await
}

/// Responses, column by column.
#[derive(Default)]
struct Rows<'a> {
    ids: Vec<String>,
    external_ids: Vec<Option<&'a str>>,
    external_hashes: Vec<Option<[u8; 16]>>,
    queries: Vec<Option<String>>,
    scores: Vec<i16>,
    texts: Vec<Option<&'a str>>,
    respondents: Vec<Option<i64>>,
    machines: Vec<Option<i64>>,
    at: Vec<i64>,
}

impl<'a> Rows<'a> {
    fn push(
        &mut self,
        response: &'a NewResponse,
        external_hash: Option<[u8; 16]>,
        query: Option<String>,
        counted: Counted,
    ) {
        self.ids.push(response.id.to_string());
        self.external_ids.push(response.external_id.as_deref());
        self.external_hashes.push(external_hash);
        self.queries.push(query);
        self.scores.push(i16::from(counted.score));
        self.texts.push(response.text.as_deref());
        self.respondents.push(counted.respondent.map(i64::from));
        self.machines.push(counted.machine.map(i64::from));
        self.at.push(counted.at);
    }

    async fn insert(self, tx: &mut PgConnection, environment: EnvironmentId) -> Result<()> {
        sqlx::query(INSERT)
            .bind(environment.to_string())
            .bind(self.ids)
            .bind(self.external_ids)
            .bind(self.external_hashes)
            .bind(self.queries)
            .bind(self.scores)
            .bind(self.texts)
            .bind(self.respondents)
            .bind(self.machines)
            .bind(self.at)
            .execute(tx)
            .await
            .stored()?;
        Ok(())
    }
}

#[async_trait]
impl Responses for PostgresStorage {
    async fn add_responses(&self, environment: EnvironmentId, responses: &[NewResponse]) -> Result<Accepted> {
        self.write(async |tx| {
            environments::hold_open(tx, environment).await?;
            let new = new(tx, environment, responses).await?;
            if !new.is_empty() {
                insert(tx, environment, &new).await?;
            }
            let accepted = new.len() as u64;
            Ok(Accepted { accepted, duplicates: responses.len() as u64 - accepted })
        })
        .await
    }

    async fn daily_points(
        &self,
        environment: EnvironmentId,
        series: Series,
        period: Period,
    ) -> Result<Vec<Point>> {
        self.read_all(async |tx| reports::daily_points(tx, environment, series, period).await).await
    }

    async fn combined_point(
        &self,
        environment: EnvironmentId,
        series: Series,
        period: Period,
    ) -> Result<Point> {
        self.read_all(async |tx| reports::combined_point(tx, environment, series, period).await).await
    }

    async fn query_statistics(&self, environment: EnvironmentId, query: QueryId) -> Result<QueryStatistics> {
        self.read_all(async |tx| reports::query_statistics(tx, environment, query).await).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Planner;

    #[tokio::test]
    async fn a_batch_searches_the_indexes() {
        let mut planner = Planner::new().await;
        assert_eq!(planner.plan(KNOWN).await, ["response_once (external_hash = ANY ($1))"]);
        assert_eq!(planner.plan(OPEN).await, ["query_pkey (id = ANY ($2))"]);
    }
}
