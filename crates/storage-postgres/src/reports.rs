//! Reports read days, not responses.

use std::collections::BTreeMap;

use domain::{
    Date, EnvironmentId, Period, Point, QueryId, QueryStatistics, Scores, Series, from_millis, utc_date,
};
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use storage::{People, Result};

use crate::days::{EVERY_RESPONSE, MILLIS_A_DAY, NO_QUERY};
use crate::people::{MACHINE, RESPONDENT};
use crate::row::{Columns, Stored, corrupt};

/// What each day of the period counted. As the other statements here, a search in the key: its cost is the days asked for,
/// however long the environment's history.
const DAILY_SCORES: &str = "SELECT day, score_1, score_2, score_3, score_4, score_5 FROM response_day \
     WHERE environment_id = $1 AND series = $2 AND day BETWEEN $3 AND $4 ORDER BY day";

/// Sums of numbers as wide as these are numbers of any width to PostgreSQL.
macro_rules! sums {
    () => {
        "SUM(score_1)::BIGINT AS score_1, SUM(score_2)::BIGINT AS score_2, SUM(score_3)::BIGINT AS score_3, \
         SUM(score_4)::BIGINT AS score_4, SUM(score_5)::BIGINT AS score_5"
    };
}

/// What the period counted.
const COMBINED_SCORES: &str = concat!(
    "SELECT ",
    sums!(),
    " FROM response_day WHERE environment_id = $1 AND series = $2 AND day BETWEEN $3 AND $4"
);

/// What all days counted.
const ALL_SCORES: &str = concat!(
    "SELECT ",
    sums!(),
    ", MIN(first_at) AS first_at, MAX(last_at) AS last_at \
     FROM response_day WHERE environment_id = $1 AND series = $2"
);

/// How many people of a kind answered on each day of the period.
const DAILY_PEOPLE: &str = "SELECT day, SUM(count)::BIGINT AS people FROM response_day_people \
     WHERE environment_id = $1 AND series = $2 AND kind = $3 AND day BETWEEN $4 AND $5 GROUP BY day";

/// Who of a kind answered in the period.
const COMBINED_PEOPLE: &str = "SELECT chunk, people FROM response_day_people \
     WHERE environment_id = $1 AND series = $2 AND kind = $3 AND day BETWEEN $4 AND $5";

/// Who of a kind ever answered.
const ALL_PEOPLE: &str = "SELECT chunk, people FROM response_day_people \
     WHERE environment_id = $1 AND series = $2 AND kind = $3";

/// The series as the tables of days name it.
fn series_name(series: Series) -> String {
    match series {
        Series::Overview => EVERY_RESPONSE.to_owned(),
        Series::Spontaneous => NO_QUERY.to_owned(),
        Series::Query(query) => query.to_string(),
    }
}

pub(crate) fn day_number(date: Date) -> i64 {
    let epoch = Date::constant(1970, 1, 1);
    i64::from((date - epoch).get_days())
}

pub(crate) fn day_of(number: i64) -> Result<Period> {
    let day = utc_date(from_millis(number.saturating_mul(MILLIS_A_DAY)));
    Period::new(day, day).map_err(|_| corrupt("day"))
}

fn scores(row: &PgRow) -> Result<Scores> {
    let count = |column| Ok(row.value::<Option<i64>>(column)?.unwrap_or(0).unsigned_abs());
    Ok(Scores([
        count("score_1")?,
        count("score_2")?,
        count("score_3")?,
        count("score_4")?,
        count("score_5")?,
    ]))
}

/// How many people of one kind answered, by day.
async fn daily_people(
    tx: &mut PgConnection,
    environment: EnvironmentId,
    series: &str,
    kind: i16,
    period: Period,
) -> Result<BTreeMap<i64, u64>> {
    sqlx::query(DAILY_PEOPLE)
        .bind(environment.to_string())
        .bind(series)
        .bind(kind)
        .bind(day_number(period.from()))
        .bind(day_number(period.to()))
        .fetch_all(tx)
        .await
        .stored()?
        .iter()
        .map(|row| Ok((row.value("day")?, row.value::<i64>("people")?.unsigned_abs())))
        .collect()
}

pub(crate) async fn daily_points(
    tx: &mut PgConnection,
    environment: EnvironmentId,
    series: Series,
    period: Period,
) -> Result<Vec<Point>> {
    let series = series_name(series);
    let rows = sqlx::query(DAILY_SCORES)
        .bind(environment.to_string())
        .bind(&series)
        .bind(day_number(period.from()))
        .bind(day_number(period.to()))
        .fetch_all(&mut *tx)
        .await
        .stored()?;
    let respondents = daily_people(tx, environment, &series, RESPONDENT, period).await?;
    let machines = daily_people(tx, environment, &series, MACHINE, period).await?;
    let on = |people: &BTreeMap<i64, u64>, day: i64| people.get(&day).copied().unwrap_or(0);
    rows.iter()
        .map(|row| {
            let day = row.value::<i64>("day")?;
            Ok(Point {
                period: day_of(day)?,
                scores: scores(row)?,
                respondents: on(&respondents, day),
                machines: on(&machines, day),
            })
        })
        .collect()
}

/// How many different people are in chunks. One at a time is in memory, and their union: a bit for each ordinal.
async fn count_people(mut chunks: BoxStream<'_, sqlx::Result<PgRow>>) -> Result<u64> {
    let mut people = People::default();
    while let Some(row) = chunks.try_next().await.stored()? {
        people.add_stored(row.value("chunk")?, row.value("people")?)?;
    }
    Ok(people.count())
}

async fn combined_people(
    tx: &mut PgConnection,
    environment: EnvironmentId,
    series: &str,
    kind: i16,
    period: Period,
) -> Result<u64> {
    let chunks = sqlx::query(COMBINED_PEOPLE)
        .bind(environment.to_string())
        .bind(series)
        .bind(kind)
        .bind(day_number(period.from()))
        .bind(day_number(period.to()))
        .fetch(tx);
    count_people(chunks).await
}

pub(crate) async fn combined_point(
    tx: &mut PgConnection,
    environment: EnvironmentId,
    series: Series,
    period: Period,
) -> Result<Point> {
    let series = series_name(series);
    let row = sqlx::query(COMBINED_SCORES)
        .bind(environment.to_string())
        .bind(&series)
        .bind(day_number(period.from()))
        .bind(day_number(period.to()))
        .fetch_one(&mut *tx)
        .await
        .stored()?;
    Ok(Point {
        period,
        scores: scores(&row)?,
        respondents: combined_people(tx, environment, &series, RESPONDENT, period).await?,
        machines: combined_people(tx, environment, &series, MACHINE, period).await?,
    })
}

async fn all_people(
    tx: &mut PgConnection,
    environment: EnvironmentId,
    series: &str,
    kind: i16,
) -> Result<u64> {
    let chunks = sqlx::query(ALL_PEOPLE).bind(environment.to_string()).bind(series).bind(kind).fetch(tx);
    count_people(chunks).await
}

pub(crate) async fn query_statistics(
    tx: &mut PgConnection,
    environment: EnvironmentId,
    query: QueryId,
) -> Result<QueryStatistics> {
    let series = series_name(Series::Query(query));
    let row = sqlx::query(ALL_SCORES)
        .bind(environment.to_string())
        .bind(&series)
        .fetch_one(&mut *tx)
        .await
        .stored()?;
    Ok(QueryStatistics {
        scores: scores(&row)?,
        respondents: all_people(tx, environment, &series, RESPONDENT).await?,
        machines: all_people(tx, environment, &series, MACHINE).await?,
        first_response_at: row.instant_or_null("first_at")?,
        last_response_at: row.instant_or_null("last_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Planner;

    #[tokio::test]
    async fn each_statement_searches_the_key() {
        let mut planner = Planner::new().await;
        let days = "response_day_pkey ((environment_id = $1) AND (series = $2)";
        let people = "response_day_people_pkey ((environment_id = $1) AND (series = $2) AND (kind = $3)";
        for (statement, expected) in [
            (DAILY_SCORES, format!("{days} AND (day >= $3) AND (day <= $4))")),
            (COMBINED_SCORES, format!("{days} AND (day >= $3) AND (day <= $4))")),
            (ALL_SCORES, format!("{days})")),
            (DAILY_PEOPLE, format!("{people} AND (day >= $4) AND (day <= $5))")),
            (COMBINED_PEOPLE, format!("{people} AND (day >= $4) AND (day <= $5))")),
            (ALL_PEOPLE, format!("{people})")),
        ] {
            assert_eq!(planner.plan(statement).await, [expected], "{statement}");
        }
    }
}
