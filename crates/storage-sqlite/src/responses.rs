use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use domain::{EnvironmentId, NewResponse, Period, PersonHash, Point, QueryId, QueryStatistics, Series};
use serde_json::json;
use sqlx::SqliteConnection;
use storage::{Accepted, Responses, Result, StorageError};

use crate::people::{Answered, MACHINE, RESPONDENT, ordinals};
use crate::row::Stored;
use crate::{SqliteStorage, begin, environments, reports};

const MILLIS_A_DAY: i64 = 86_400_000;

/// Series as the tables of days name them, beside the queries by their identifiers.
pub(crate) const EVERY_RESPONSE: &str = "*";
pub(crate) const NO_QUERY: &str = "";

/// Which of the callers' identifiers are stored already.
const KNOWN: &str = "SELECT external_id FROM response \
     WHERE environment_id = ? AND external_id IN (SELECT value FROM json_each(?))";

/// Which of the queries are open ones of the environment.
const OPEN: &str = "SELECT id FROM query WHERE environment_id = ? AND closed_at IS NULL \
     AND id IN (SELECT value FROM json_each(?))";

const INSERT: &str = "INSERT INTO response \
     (id, environment_id, external_id, query_id, score, text, respondent, machine, at) \
     SELECT value ->> 0, ?1, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7 \
     FROM json_each(?2)";

/// `WHERE true` keeps what follows from being read as part of a join.
const ADD_TO_DAYS: &str = "INSERT INTO response_day (environment_id, series, day, score_1, score_2, score_3, score_4, \
     score_5, first_at, last_at) \
     SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7, \
     value ->> 8 FROM json_each(?2) WHERE true \
     ON CONFLICT (environment_id, series, day) DO UPDATE SET \
     score_1 = score_1 + excluded.score_1, score_2 = score_2 + excluded.score_2, \
     score_3 = score_3 + excluded.score_3, score_4 = score_4 + excluded.score_4, \
     score_5 = score_5 + excluded.score_5, \
     first_at = MIN(first_at, excluded.first_at), last_at = MAX(last_at, excluded.last_at)";

/// What a batch adds to one day of one series.
#[derive(Clone, Copy)]
struct DayDelta {
    scores: [i64; 5],
    first_at: i64,
    last_at: i64,
}

/// A response's people by their ordinals.
struct Ordinals {
    respondents: HashMap<PersonHash, u32>,
    machines: HashMap<PersonHash, u32>,
}

impl Ordinals {
    fn respondent(&self, response: &NewResponse) -> Option<u32> {
        response.respondent.and_then(|person| self.respondents.get(&person)).copied()
    }

    fn machine(&self, response: &NewResponse) -> Option<u32> {
        response.machine.and_then(|person| self.machines.get(&person)).copied()
    }
}

/// Those of a column of texts that the statement finds.
async fn found(
    tx: &mut SqliteConnection,
    statement: &'static str,
    environment: EnvironmentId,
    wanted: serde_json::Value,
) -> Result<HashSet<String>> {
    let found = sqlx::query_scalar(statement)
        .bind(environment.to_string())
        .bind(wanted.to_string())
        .fetch_all(tx)
        .await
        .stored()?;
    Ok(found.into_iter().collect())
}

/// Those of a batch that are new, without the second and later of one identifier. `NotOpen` if any that is not stored
/// yet names a query that takes none.
async fn new<'a>(
    tx: &mut SqliteConnection,
    environment: EnvironmentId,
    responses: &'a [NewResponse],
) -> Result<Vec<&'a NewResponse>> {
    let external_ids: Vec<&str> =
        responses.iter().filter_map(|response| response.external_id.as_deref()).collect();
    let known = found(tx, KNOWN, environment, json!(external_ids)).await?;
    let queries: HashSet<QueryId> = responses.iter().filter_map(|response| response.query).collect();
    let open = found(tx, OPEN, environment, json!(queries)).await?;
    let queries: HashMap<QueryId, bool> =
        queries.into_iter().map(|query| (query, open.contains(&query.to_string()))).collect();
    let mut seen = HashSet::with_capacity(external_ids.len());
    let (mut new, mut refused) = (Vec::with_capacity(responses.len()), Vec::new());
    for (place, response) in responses.iter().enumerate() {
        let external_id = response.external_id.as_deref();
        if external_id.is_some_and(|id| known.contains(id)) {
            continue;
        }
        if response.query.is_some_and(|query| queries.get(&query) != Some(&true)) {
            refused.push(place);
        } else if external_id.is_none_or(|id| seen.insert(id)) {
            new.push(response);
        }
    }
    if refused.is_empty() { Ok(new) } else { Err(StorageError::NotOpen(refused)) }
}

async fn insert(
    tx: &mut SqliteConnection,
    environment: EnvironmentId,
    responses: &[&NewResponse],
    people: &Ordinals,
) -> Result<()> {
    let rows: Vec<_> = responses
        .iter()
        .map(|response| {
            (
                response.id,
                &response.external_id,
                response.query,
                response.score,
                &response.text,
                people.respondent(response),
                people.machine(response),
                response.at.as_millisecond(),
            )
        })
        .collect();
    sqlx::query(INSERT)
        .bind(environment.to_string())
        .bind(json!(rows).to_string())
        .execute(tx)
        .await
        .stored()?;
    Ok(())
}

/// Adds what was stored to the days that reports read: to the response's own series and to the overview's, so that
/// neither report reads the other's rows.
async fn roll_up(
    tx: &mut SqliteConnection,
    environment: EnvironmentId,
    stored: &[&NewResponse],
    people: &Ordinals,
) -> Result<()> {
    let mut days: BTreeMap<(String, i64), DayDelta> = BTreeMap::new();
    let mut answered = Answered::default();
    for response in stored {
        let own = response.query.map_or_else(|| NO_QUERY.to_owned(), |query| query.to_string());
        let at = response.at.as_millisecond();
        let day = at.div_euclid(MILLIS_A_DAY);
        for series in [own, EVERY_RESPONSE.to_owned()] {
            for (kind, person) in
                [(RESPONDENT, people.respondent(response)), (MACHINE, people.machine(response))]
            {
                if let Some(ordinal) = person {
                    answered.note(&series, kind, day, ordinal);
                }
            }
            let delta =
                days.entry((series, day)).or_insert(DayDelta { scores: [0; 5], first_at: at, last_at: at });
            if let Some(count) = delta.scores.get_mut(usize::from(response.score).wrapping_sub(1)) {
                *count += 1;
            }
            delta.first_at = delta.first_at.min(at);
            delta.last_at = delta.last_at.max(at);
        }
    }
    let rows: Vec<_> = days
        .iter()
        .map(|((series, day), delta)| {
            let [one, two, three, four, five] = delta.scores;
            (series, day, one, two, three, four, five, delta.first_at, delta.last_at)
        })
        .collect();
    sqlx::query(ADD_TO_DAYS)
        .bind(environment.to_string())
        .bind(json!(rows).to_string())
        .execute(&mut *tx)
        .await
        .stored()?;
    answered.save(tx, environment).await
}

#[async_trait]
impl Responses for SqliteStorage {
    async fn add_responses(&self, environment: EnvironmentId, responses: &[NewResponse]) -> Result<Accepted> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        environments::find_open(&mut tx, environment).await?;
        let new = new(&mut tx, environment, responses).await?;
        if !new.is_empty() {
            let respondents = new.iter().filter_map(|response| response.respondent);
            let machines = new.iter().filter_map(|response| response.machine);
            let people = Ordinals {
                respondents: ordinals(&mut tx, environment, RESPONDENT, respondents).await?,
                machines: ordinals(&mut tx, environment, MACHINE, machines).await?,
            };
            insert(&mut tx, environment, &new, &people).await?;
            roll_up(&mut tx, environment, &new, &people).await?;
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
