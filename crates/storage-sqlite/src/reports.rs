//! Reports read days, not responses.

use std::collections::BTreeMap;

use domain::{
    Date, EnvironmentId, Period, Point, QueryId, QueryStatistics, Scores, Series, from_millis, utc_date,
};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use storage::Result;

use crate::responses::{MACHINE, RESPONDENT};
use crate::row::{Columns, Stored, corrupt};

/// What `series = COALESCE(?, series)` is given: NULL for every series.
fn series_name(series: Series) -> Option<String> {
    match series {
        Series::Overview => None,
        Series::Spontaneous => Some(String::new()),
        Series::Query(query) => Some(query.to_string()),
    }
}

fn day_number(date: Date) -> i64 {
    let epoch = Date::constant(1970, 1, 1);
    i64::from((date - epoch).get_days())
}

fn day_of(number: i64) -> Result<Period> {
    let day = utc_date(from_millis(number.saturating_mul(86_400_000)));
    Period::new(day, day).map_err(|_| corrupt("day"))
}

fn scores(row: &SqliteRow) -> Result<Scores> {
    let count = |column| Ok(row.value::<Option<i64>>(column)?.unwrap_or(0).unsigned_abs());
    Ok(Scores([
        count("score_1")?,
        count("score_2")?,
        count("score_3")?,
        count("score_4")?,
        count("score_5")?,
    ]))
}

fn set_persons(point: &mut Point, row: &SqliteRow) -> Result<()> {
    let persons = row.value::<i64>("persons")?.unsigned_abs();
    match row.value::<i64>("kind")? {
        RESPONDENT => point.respondents = persons,
        MACHINE => point.machines = persons,
        _ => return Err(corrupt("kind")),
    }
    Ok(())
}

pub(crate) async fn daily_points(
    readers: &SqlitePool,
    environment: EnvironmentId,
    series: Series,
    period: Period,
) -> Result<Vec<Point>> {
    let mut tx = readers.begin().await.stored()?;
    let (first, last) = (day_number(period.from()), day_number(period.to()));
    let rows = sqlx::query(
        "SELECT day, SUM(score_1) AS score_1, SUM(score_2) AS score_2, SUM(score_3) AS score_3, \
         SUM(score_4) AS score_4, SUM(score_5) AS score_5 FROM response_day \
         WHERE environment_id = ? AND series = COALESCE(?, series) AND day BETWEEN ? AND ? GROUP BY day",
    )
    .bind(environment.to_string())
    .bind(series_name(series))
    .bind(first)
    .bind(last)
    .fetch_all(&mut *tx)
    .await
    .stored()?;
    let mut points = BTreeMap::new();
    for row in &rows {
        let day = row.value::<i64>("day")?;
        points.insert(day, Point { scores: scores(row)?, ..Point::empty(day_of(day)?) });
    }
    let rows = sqlx::query(
        "SELECT day, kind, COUNT(DISTINCT person) AS persons FROM response_day_person \
         WHERE environment_id = ? AND series = COALESCE(?, series) AND day BETWEEN ? AND ? GROUP BY day, kind",
    )
    .bind(environment.to_string())
    .bind(series_name(series))
    .bind(first)
    .bind(last)
    .fetch_all(&mut *tx)
    .await
    .stored()?;
    for row in &rows {
        if let Some(point) = points.get_mut(&row.value::<i64>("day")?) {
            set_persons(point, row)?;
        }
    }
    Ok(points.into_values().collect())
}

pub(crate) async fn combined_point(
    readers: &SqlitePool,
    environment: EnvironmentId,
    series: Series,
    period: Period,
) -> Result<Point> {
    let mut tx = readers.begin().await.stored()?;
    let (first, last) = (day_number(period.from()), day_number(period.to()));
    let row = sqlx::query(
        "SELECT SUM(score_1) AS score_1, SUM(score_2) AS score_2, SUM(score_3) AS score_3, \
         SUM(score_4) AS score_4, SUM(score_5) AS score_5 FROM response_day \
         WHERE environment_id = ? AND series = COALESCE(?, series) AND day BETWEEN ? AND ?",
    )
    .bind(environment.to_string())
    .bind(series_name(series))
    .bind(first)
    .bind(last)
    .fetch_one(&mut *tx)
    .await
    .stored()?;
    let mut point = Point { scores: scores(&row)?, ..Point::empty(period) };
    let rows = sqlx::query(
        "SELECT kind, COUNT(DISTINCT person) AS persons FROM response_day_person \
         WHERE environment_id = ? AND series = COALESCE(?, series) AND day BETWEEN ? AND ? GROUP BY kind",
    )
    .bind(environment.to_string())
    .bind(series_name(series))
    .bind(first)
    .bind(last)
    .fetch_all(&mut *tx)
    .await
    .stored()?;
    for row in &rows {
        set_persons(&mut point, row)?;
    }
    Ok(point)
}

pub(crate) async fn query_statistics(
    readers: &SqlitePool,
    environment: EnvironmentId,
    query: QueryId,
) -> Result<QueryStatistics> {
    let mut tx = readers.begin().await.stored()?;
    let row = sqlx::query(
        "SELECT SUM(score_1) AS score_1, SUM(score_2) AS score_2, SUM(score_3) AS score_3, \
         SUM(score_4) AS score_4, SUM(score_5) AS score_5, MIN(first_at) AS first_at, MAX(last_at) AS last_at \
         FROM response_day WHERE environment_id = ? AND series = ?",
    )
    .bind(environment.to_string())
    .bind(query.to_string())
    .fetch_one(&mut *tx)
    .await
    .stored()?;
    let persons = async |tx: &mut sqlx::SqliteConnection, kind: i64| -> Result<u64> {
        sqlx::query_scalar::<_, i64>(
            "SELECT COUNT(DISTINCT person) FROM response_day_person \
             WHERE environment_id = ? AND kind = ? AND series = ?",
        )
        .bind(environment.to_string())
        .bind(kind)
        .bind(query.to_string())
        .fetch_one(tx)
        .await
        .stored()
        .map(i64::unsigned_abs)
    };
    Ok(QueryStatistics {
        scores: scores(&row)?,
        respondents: persons(&mut tx, RESPONDENT).await?,
        machines: persons(&mut tx, MACHINE).await?,
        first_response_at: row.instant_or_null("first_at")?,
        last_response_at: row.instant_or_null("last_at")?,
    })
}
