use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use domain::{EnvironmentId, NewResponse, Period, Point, QueryId, QueryStatistics, Series};
use sqlx::SqliteConnection;
use storage::{Accepted, Responses, Result, StorageError};

use crate::row::Stored;
use crate::{SqliteStorage, begin, environments, reports};

const MILLIS_A_DAY: i64 = 86_400_000;

/// Kinds of people, as `response_day_person` has them.
pub(crate) const RESPONDENT: i64 = 1;
pub(crate) const MACHINE: i64 = 2;

/// Series as the tables of days name them, beside the queries by their identifiers.
pub(crate) const EVERY_RESPONSE: &str = "*";
pub(crate) const NO_QUERY: &str = "";

/// What a batch adds to one day of one series.
#[derive(Clone, Copy)]
struct DayDelta {
    scores: [i64; 5],
    first_at: i64,
    last_at: i64,
}

/// Whether the query is an open one of this environment.
async fn is_open(tx: &mut SqliteConnection, environment: EnvironmentId, query: QueryId) -> Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM query WHERE id = ? AND environment_id = ? AND closed_at IS NULL)",
    )
    .bind(query.to_string())
    .bind(environment.to_string())
    .fetch_one(tx)
    .await
    .stored()
}

/// Stores the response unless the caller's identifier is known; answers whether it was stored.
async fn insert(
    tx: &mut SqliteConnection,
    environment: EnvironmentId,
    response: &NewResponse,
) -> Result<bool> {
    let stored = sqlx::query(
        "INSERT INTO response (id, environment_id, external_id, query_id, score, text, respondent, machine, at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (environment_id, external_id) WHERE external_id IS NOT NULL DO NOTHING",
    )
    .bind(response.id.to_string())
    .bind(environment.to_string())
    .bind(response.external_id.as_deref())
    .bind(response.query.map(|query| query.to_string()))
    .bind(response.score)
    .bind(response.text.as_deref())
    .bind(response.respondent.map(|person| person.0.to_vec()))
    .bind(response.machine.map(|person| person.0.to_vec()))
    .bind(response.at.as_millisecond())
    .execute(tx)
    .await
    .stored()?;
    Ok(stored.rows_affected() == 1)
}

async fn is_known(tx: &mut SqliteConnection, environment: EnvironmentId, external_id: &str) -> Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM response WHERE environment_id = ? AND external_id = ?)")
        .bind(environment.to_string())
        .bind(external_id)
        .fetch_one(tx)
        .await
        .stored()
}

/// The places in the batch of new responses to queries that take none.
async fn not_open(
    tx: &mut SqliteConnection,
    environment: EnvironmentId,
    responses: &[NewResponse],
) -> Result<Vec<usize>> {
    let mut open: HashMap<QueryId, bool> = HashMap::new();
    let mut refused = Vec::new();
    for (place, response) in responses.iter().enumerate() {
        let Some(query) = response.query else { continue };
        let takes_responses = match open.get(&query) {
            Some(known) => *known,
            None => {
                let is_open = is_open(tx, environment, query).await?;
                open.insert(query, is_open);
                is_open
            }
        };
        if takes_responses {
            continue;
        }
        let repeated = match &response.external_id {
            Some(external_id) => is_known(tx, environment, external_id).await?,
            None => false,
        };
        if !repeated {
            refused.push(place);
        }
    }
    Ok(refused)
}

/// Adds what was stored to the days that reports read: to the response's own series and to the overview's, so that
/// neither report reads the other's rows.
async fn roll_up(
    tx: &mut SqliteConnection,
    environment: EnvironmentId,
    stored: &[&NewResponse],
) -> Result<()> {
    let mut days: BTreeMap<(String, i64), DayDelta> = BTreeMap::new();
    for response in stored {
        let own = response.query.map_or_else(|| NO_QUERY.to_owned(), |query| query.to_string());
        let at = response.at.as_millisecond();
        let day = at.div_euclid(MILLIS_A_DAY);
        for series in [own, EVERY_RESPONSE.to_owned()] {
            for (kind, person) in [(RESPONDENT, response.respondent), (MACHINE, response.machine)] {
                let Some(person) = person else { continue };
                sqlx::query(
                    "INSERT OR IGNORE INTO response_day_person (environment_id, series, kind, day, person) \
                     VALUES (?, ?, ?, ?, ?)",
                )
                .bind(environment.to_string())
                .bind(&series)
                .bind(kind)
                .bind(day)
                .bind(person.0.to_vec())
                .execute(&mut *tx)
                .await
                .stored()?;
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
    for ((series, day), delta) in days {
        let [one, two, three, four, five] = delta.scores;
        sqlx::query(
            "INSERT INTO response_day (environment_id, series, day, score_1, score_2, score_3, score_4, score_5, \
             first_at, last_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (environment_id, series, day) DO UPDATE SET \
             score_1 = score_1 + excluded.score_1, score_2 = score_2 + excluded.score_2, \
             score_3 = score_3 + excluded.score_3, score_4 = score_4 + excluded.score_4, \
             score_5 = score_5 + excluded.score_5, \
             first_at = MIN(first_at, excluded.first_at), last_at = MAX(last_at, excluded.last_at)",
        )
        .bind(environment.to_string())
        .bind(series)
        .bind(day)
        .bind(one)
        .bind(two)
        .bind(three)
        .bind(four)
        .bind(five)
        .bind(delta.first_at)
        .bind(delta.last_at)
        .execute(&mut *tx)
        .await
        .stored()?;
    }
    Ok(())
}

#[async_trait]
impl Responses for SqliteStorage {
    async fn add_responses(&self, environment: EnvironmentId, responses: &[NewResponse]) -> Result<Accepted> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        environments::find_open(&mut tx, environment).await?;
        let refused = not_open(&mut tx, environment, responses).await?;
        if !refused.is_empty() {
            return Err(StorageError::NotOpen(refused));
        }
        let mut stored = Vec::with_capacity(responses.len());
        for response in responses {
            if insert(&mut tx, environment, response).await? {
                stored.push(response);
            }
        }
        roll_up(&mut tx, environment, &stored).await?;
        tx.commit().await.stored()?;
        let accepted = stored.len() as u64;
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
