use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use domain::{EnvironmentId, NewResponse, Period, Point, QueryId, QueryStatistics, Series};
use sqlx::SqliteConnection;
use storage::{Accepted, Responses, Result, StorageError};

use crate::days::{Counted, Days};
use crate::people::{MACHINE, RESPONDENT, ordinals};
use crate::row::{Stored, hex, json};
use crate::{SqliteStorage, begin, environments, reports};

/// Which of the batch are stored already, by their places.
const KNOWN: &str = "SELECT wanted.key FROM json_each(?) AS wanted \
     CROSS JOIN response ON external_hash = unhex(wanted.value)";

/// Which of the queries are open ones of the environment.
const OPEN: &str = "SELECT id FROM query WHERE environment_id = ? AND closed_at IS NULL \
     AND id IN (SELECT value FROM json_each(?))";

/// A batch is one statement: one for each response costs more than what it does.
const INSERT: &str = "INSERT INTO response \
     (id, environment_id, external_id, external_hash, query_id, score, text, respondent, machine, at) \
     SELECT value ->> 0, ?1, value ->> 1, unhex(value ->> 2), value ->> 3, value ->> 4, value ->> 5, value ->> 6, \
     value ->> 7, value ->> 8 FROM json_each(?2)";

/// Those of a batch that are not stored yet, each once. `NotOpen` if any of them names a query that takes none.
async fn new<'a>(
    tx: &mut SqliteConnection,
    environment: EnvironmentId,
    responses: &'a [NewResponse],
) -> Result<Vec<&'a NewResponse>> {
    let hashes: Vec<_> =
        responses.iter().map(|response| response.external_hash(environment).map(hex)).collect();
    let known: Vec<i64> =
        sqlx::query_scalar(KNOWN).bind(json(&hashes)?).fetch_all(&mut *tx).await.stored()?;
    let known: HashSet<i64> = known.into_iter().collect();
    let queries: HashSet<QueryId> = responses.iter().filter_map(|response| response.query).collect();
    let open: Vec<String> = sqlx::query_scalar(OPEN)
        .bind(environment.to_string())
        .bind(json(&queries)?)
        .fetch_all(&mut *tx)
        .await
        .stored()?;
    let open: HashSet<QueryId> =
        queries.into_iter().filter(|query| open.contains(&query.to_string())).collect();
    let mut seen = HashSet::with_capacity(responses.len());
    let (mut new, mut refused) = (Vec::with_capacity(responses.len()), Vec::new());
    for (place, (response, key)) in responses.iter().zip(0..).enumerate() {
        if known.contains(&key) {
            continue;
        }
        if response.query.is_some_and(|query| !open.contains(&query)) {
            refused.push(place);
        } else if response.external_id.as_deref().is_none_or(|id| seen.insert(id)) {
            new.push(response);
        }
    }
    if refused.is_empty() { Ok(new) } else { Err(StorageError::NotOpen(refused)) }
}

/// Stores them, and adds them to their days.
async fn insert(tx: &mut SqliteConnection, environment: EnvironmentId, new: &[&NewResponse]) -> Result<()> {
    let respondents = new.iter().filter_map(|response| response.respondent);
    let respondents = ordinals(tx, environment, RESPONDENT, respondents).await?;
    let machines = new.iter().filter_map(|response| response.machine);
    let machines = ordinals(tx, environment, MACHINE, machines).await?;
    let queries: HashSet<QueryId> = new.iter().filter_map(|response| response.query).collect();
    let queries: HashMap<QueryId, String> =
        queries.into_iter().map(|query| (query, query.to_string())).collect();
    let mut rows = Vec::with_capacity(new.len());
    let mut days = Days::default();
    for response in new {
        let NewResponse { id, external_id, query, score, text, respondent, machine, at } = response;
        let hash = response.external_hash(environment).map(hex);
        let counted = Counted {
            score: *score,
            at: at.as_millisecond(),
            respondent: respondent.and_then(|person| respondents.get(&person)).copied(),
            machine: machine.and_then(|person| machines.get(&person)).copied(),
        };
        let Counted { respondent, machine, at, .. } = counted;
        let query = query.and_then(|query| queries.get(&query)).map(String::as_str);
        rows.push((id, external_id, hash, query, score, text, respondent, machine, at));
        days.count(query, counted);
    }
    sqlx::query(INSERT).bind(environment.to_string()).bind(json(&rows)?).execute(&mut *tx).await.stored()?;
    days.save(tx, environment).await
}

#[async_trait]
impl Responses for SqliteStorage {
    async fn add_responses(&self, environment: EnvironmentId, responses: &[NewResponse]) -> Result<Accepted> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        environments::find_open(&mut tx, environment).await?;
        let new = new(&mut tx, environment, responses).await?;
        if !new.is_empty() {
            insert(&mut tx, environment, &new).await?;
        }
        tx.commit().await.stored()?;
        let accepted = new.len() as u64;
        Ok(Accepted { accepted, duplicates: responses.len() as u64 - accepted })
    }

    async fn daily_points(
        &self,
        environment: EnvironmentId,
        series: Series,
        period: Period,
    ) -> Result<Vec<Point>> {
        reports::daily_points(&self.readers, environment, series, period).await
    }

    async fn combined_point(
        &self,
        environment: EnvironmentId,
        series: Series,
        period: Period,
    ) -> Result<Point> {
        reports::combined_point(&self.readers, environment, series, period).await
    }

    async fn query_statistics(&self, environment: EnvironmentId, query: QueryId) -> Result<QueryStatistics> {
        reports::query_statistics(&self.readers, environment, query).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan;

    #[tokio::test]
    async fn what_is_stored_already_is_found_in_the_index() {
        let plan = plan(KNOWN).await;
        let index = "USING COVERING INDEX response_once (external_hash=?)";
        assert!(
            plan.iter().any(|step| step.starts_with("SEARCH response") && step.ends_with(index)),
            "{plan:?}"
        );
    }
}
