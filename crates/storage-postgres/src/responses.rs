use std::collections::HashSet;

use async_trait::async_trait;
use domain::{EnvironmentId, NewResponse, Period, Point, QueryId, QueryStatistics, Series};
use sqlx::PgConnection;
use storage::{Accepted, Responses, Result, StorageError};

use crate::days::{Counted, Days};
use crate::people::{MACHINE, RESPONDENT, ordinals};
use crate::row::Stored;
use crate::{PostgresStorage, environments, reports};

/// Which of the callers' identifiers are stored already.
const KNOWN: &str = "SELECT external_id FROM response WHERE environment_id = $1 AND external_id = ANY ($2)";

/// Which of the queries are open ones of the environment; they stay so until the batch is stored. They are shared with
/// nobody, since batches of one environment come one after another.
const OPEN: &str = "SELECT id FROM query WHERE environment_id = $1 AND closed_at IS NULL AND id = ANY ($2) \
     ORDER BY id FOR SHARE";

const INSERT: &str = "INSERT INTO response \
     (environment_id, id, external_id, query_id, score, text, respondent, machine, at) \
     SELECT $1, * FROM UNNEST($2::TEXT[], $3::TEXT[], $4::TEXT[], $5::SMALLINT[], $6::TEXT[], \
     $7::BIGINT[], $8::BIGINT[], $9::BIGINT[])";

/// Those of the wanted texts that the statement finds.
async fn found(
    tx: &mut PgConnection,
    statement: &'static str,
    environment: EnvironmentId,
    wanted: Vec<String>,
) -> Result<HashSet<String>> {
    if wanted.is_empty() {
        return Ok(HashSet::new());
    }
    let found = sqlx::query_scalar(statement).bind(environment.to_string()).bind(wanted);
    Ok(found.fetch_all(tx).await.stored()?.into_iter().collect())
}

/// Those of a batch that are not stored yet, each once. `NotOpen` if any of them names a query that takes none.
async fn new<'a>(
    tx: &mut PgConnection,
    environment: EnvironmentId,
    responses: &'a [NewResponse],
) -> Result<Vec<&'a NewResponse>> {
    let external_ids = responses.iter().filter_map(|response| response.external_id.clone()).collect();
    let known = found(tx, KNOWN, environment, external_ids).await?;
    let queries: HashSet<QueryId> = responses.iter().filter_map(|response| response.query).collect();
    let wanted = queries.iter().map(ToString::to_string).collect();
    let open = found(tx, OPEN, environment, wanted).await?;
    let open: HashSet<QueryId> =
        queries.into_iter().filter(|query| open.contains(&query.to_string())).collect();
    let mut seen = HashSet::new();
    let (mut new, mut refused) = (Vec::with_capacity(responses.len()), Vec::new());
    for (place, response) in responses.iter().enumerate() {
        let external_id = response.external_id.as_deref();
        if external_id.is_some_and(|id| known.contains(id)) {
            continue;
        }
        if response.query.is_some_and(|query| !open.contains(&query)) {
            refused.push(place);
        } else if external_id.is_none_or(|id| seen.insert(id)) {
            new.push(response);
        }
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
        rows.push(response, query, counted);
    }
    rows.insert(tx, environment).await?;
    days.save(tx, environment).await
}

/// Responses, column by column.
#[derive(Default)]
struct Rows<'a> {
    ids: Vec<String>,
    external_ids: Vec<Option<&'a str>>,
    queries: Vec<Option<String>>,
    scores: Vec<i16>,
    texts: Vec<Option<&'a str>>,
    respondents: Vec<Option<i64>>,
    machines: Vec<Option<i64>>,
    at: Vec<i64>,
}

impl<'a> Rows<'a> {
    fn push(&mut self, response: &'a NewResponse, query: Option<String>, counted: Counted) {
        self.ids.push(response.id.to_string());
        self.external_ids.push(response.external_id.as_deref());
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
        let known = "response_once ((environment_id = $1) AND (external_id = ANY ($2)))";
        assert_eq!(planner.plan(KNOWN).await, [known]);
        assert_eq!(planner.plan(OPEN).await, ["query_pkey (id = ANY ($2))"]);
    }
}
