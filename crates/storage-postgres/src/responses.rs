use std::collections::{BTreeMap, HashMap, HashSet};

use async_trait::async_trait;
use domain::{EnvironmentId, NewResponse, Period, PersonHash, Point, QueryId, QueryStatistics, Series};
use sqlx::PgConnection;
use storage::{Accepted, Responses, Result, StorageError};

use crate::people::{Answered, MACHINE, RESPONDENT, ordinals};
use crate::row::Stored;
use crate::{PostgresStorage, environments, reports};

const MILLIS_A_DAY: i64 = 86_400_000;

/// Series as the tables of days name them, beside the queries by their identifiers.
pub(crate) const EVERY_RESPONSE: &str = "*";
pub(crate) const NO_QUERY: &str = "";

/// Which of the callers' identifiers are stored already.
const KNOWN: &str = "SELECT external_id FROM response WHERE environment_id = $1 AND external_id = ANY ($2)";

/// Which of the queries are open ones of the environment; they stay so until the batch is stored. They are shared with
/// nobody, since batches of one environment come one after another.
const OPEN: &str = "SELECT id FROM query WHERE environment_id = $1 AND closed_at IS NULL AND id = ANY ($2) \
     ORDER BY id FOR SHARE";

const INSERT: &str = "INSERT INTO response \
     (environment_id, id, external_id, query_id, score, text, respondent, machine, at) \
     SELECT $1, * FROM UNNEST($2::TEXT[], $3::TEXT[], $4::TEXT[], $5::SMALLINT[], $6::TEXT[], $7::BIGINT[], $8::BIGINT[], \
     $9::BIGINT[])";

const ADD_TO_DAYS: &str = "INSERT INTO response_day AS known (environment_id, series, day, score_1, score_2, \
     score_3, score_4, score_5, first_at, last_at) \
     SELECT $1, * FROM UNNEST($2::TEXT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[], $7::BIGINT[], \
     $8::BIGINT[], $9::BIGINT[], $10::BIGINT[]) \
     ON CONFLICT (environment_id, series, day) DO UPDATE SET \
     score_1 = known.score_1 + excluded.score_1, score_2 = known.score_2 + excluded.score_2, \
     score_3 = known.score_3 + excluded.score_3, score_4 = known.score_4 + excluded.score_4, \
     score_5 = known.score_5 + excluded.score_5, \
     first_at = LEAST(known.first_at, excluded.first_at), last_at = GREATEST(known.last_at, excluded.last_at)";

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

/// Those of a batch that are new, without the second and later of one identifier. `NotOpen` if any that is not stored
/// yet names a query that takes none.
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

async fn insert(
    tx: &mut PgConnection,
    environment: EnvironmentId,
    responses: &[&NewResponse],
    people: &Ordinals,
) -> Result<()> {
    /// One value of each response.
    fn column<T>(responses: &[&NewResponse], value: impl Fn(&NewResponse) -> T) -> Vec<T> {
        responses.iter().map(|response| value(response)).collect()
    }
    sqlx::query(INSERT)
        .bind(environment.to_string())
        .bind(column(responses, |response| response.id.to_string()))
        .bind(column(responses, |response| response.external_id.clone()))
        .bind(column(responses, |response| response.query.map(|query| query.to_string())))
        .bind(column(responses, |response| i16::from(response.score)))
        .bind(column(responses, |response| response.text.clone()))
        .bind(column(responses, |response| people.respondent(response).map(i64::from)))
        .bind(column(responses, |response| people.machine(response).map(i64::from)))
        .bind(column(responses, |response| response.at.as_millisecond()))
        .execute(tx)
        .await
        .stored()?;
    Ok(())
}

/// Adds what was stored to the days that reports read: to the response's own series and to the overview's, so that
/// neither report reads the other's rows.
async fn roll_up(
    tx: &mut PgConnection,
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
    add_to_days(tx, environment, days).await?;
    answered.save(tx, environment).await
}

async fn add_to_days(
    tx: &mut PgConnection,
    environment: EnvironmentId,
    days: BTreeMap<(String, i64), DayDelta>,
) -> Result<()> {
    let deltas: Vec<DayDelta> = days.values().copied().collect();
    let column = |value: fn(&DayDelta) -> i64| deltas.iter().map(value).collect::<Vec<i64>>();
    let (series, numbers): (Vec<String>, Vec<i64>) = days.into_keys().unzip();
    sqlx::query(ADD_TO_DAYS)
        .bind(environment.to_string())
        .bind(series)
        .bind(numbers)
        .bind(column(|delta| delta.scores[0]))
        .bind(column(|delta| delta.scores[1]))
        .bind(column(|delta| delta.scores[2]))
        .bind(column(|delta| delta.scores[3]))
        .bind(column(|delta| delta.scores[4]))
        .bind(column(|delta| delta.first_at))
        .bind(column(|delta| delta.last_at))
        .execute(tx)
        .await
        .stored()?;
    Ok(())
}

#[async_trait]
impl Responses for PostgresStorage {
    async fn add_responses(&self, environment: EnvironmentId, responses: &[NewResponse]) -> Result<Accepted> {
        self.write(async |tx| {
            environments::hold_open(tx, environment).await?;
            let new = new(tx, environment, responses).await?;
            if !new.is_empty() {
                let respondents = new.iter().filter_map(|response| response.respondent);
                let machines = new.iter().filter_map(|response| response.machine);
                let people = Ordinals {
                    respondents: ordinals(tx, environment, RESPONDENT, respondents).await?,
                    machines: ordinals(tx, environment, MACHINE, machines).await?,
                };
                insert(tx, environment, &new, &people).await?;
                roll_up(tx, environment, &new, &people).await?;
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
