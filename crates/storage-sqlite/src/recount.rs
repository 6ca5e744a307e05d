//! Whether what reports read agrees with the responses that it was made from.

use domain::{from_millis, utc_date};
use futures_util::TryStreamExt;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use storage::{People, Result};

use crate::days::{Counted, DayScores, Days, MILLIS_A_DAY};
use crate::row::{Columns, Stored};

/// Every response and every row of a day, by environment and day. One statement, so that all of it is seen at one moment,
/// also beside a running server. SQLite sorts in a temporary file.
const EVERYTHING: &str = "SELECT environment_id, at / 86400000 AS day, 1 AS what, COALESCE(query_id, '') AS series, \
     score AS a, at AS b, respondent AS c, machine AS d, NULL AS e, NULL AS f, NULL AS g, NULL AS people \
     FROM response \
     UNION ALL SELECT environment_id, day, 2, series, score_1, score_2, score_3, score_4, score_5, first_at, last_at, \
     NULL FROM response_day \
     UNION ALL SELECT environment_id, day, 3, series, kind, chunk, count, NULL, NULL, NULL, NULL, people \
     FROM response_day_people \
     ORDER BY environment_id, day";

/// Ordinals count from 0 without a gap.
const GAPS: &str = "SELECT environment_id FROM person GROUP BY environment_id, kind \
     HAVING MIN(ordinal) <> 0 OR MAX(ordinal) <> COUNT(*) - 1";

/// A day of an environment: as its responses count, and as it is stored.
#[derive(Default)]
struct Day {
    environment: String,
    number: i64,
    counted: Days,
    stored: Days,
    unreadable: bool,
}

impl Day {
    fn new(environment: &str, number: i64) -> Self {
        Self { environment: environment.to_owned(), number, ..Self::default() }
    }

    fn add(&mut self, row: &SqliteRow) -> Result<()> {
        let series: &str = row.value("series")?;
        match row.value::<i64>("what")? {
            1 => {
                let response = Counted {
                    score: row.value("a")?,
                    at: row.value("b")?,
                    respondent: row.value("c")?,
                    machine: row.value("d")?,
                };
                self.counted.count(Some(series), response);
            }
            2 => {
                let scores = DayScores {
                    scores: [
                        row.value("a")?,
                        row.value("b")?,
                        row.value("c")?,
                        row.value("d")?,
                        row.value("e")?,
                    ],
                    first_at: row.value("f")?,
                    last_at: row.value("g")?,
                };
                self.stored.scores.insert((series.to_owned(), self.number), scores);
            }
            _ => {
                let (kind, chunk) = (row.value("a")?, row.value("b")?);
                let mut people = People::default();
                people.add_stored(chunk, row.value("people")?)?;
                self.unreadable |= row.value::<i64>("c")?.unsigned_abs() != people.count();
                self.stored.people.insert((series.to_owned(), kind, self.number, chunk), people);
            }
        }
        Ok(())
    }

    fn fault(&self) -> Option<String> {
        if !self.unreadable && self.counted == self.stored {
            return None;
        }
        let day = utc_date(from_millis(self.number.saturating_mul(MILLIS_A_DAY)));
        Some(format!("{}: what reports read of {day} does not agree with the responses", self.environment))
    }
}

/// Counts all responses anew, one day of one environment at a time; what does not agree, in words.
pub(crate) async fn faults(reader: &mut SqliteConnection) -> Result<Vec<String>> {
    let gaps: Vec<String> = sqlx::query_scalar(GAPS).fetch_all(&mut *reader).await.stored()?;
    let gap = |environment| format!("{environment}: the numbers of its people have gaps");
    let mut faults: Vec<String> = gaps.into_iter().map(gap).collect();
    let mut rows = sqlx::query(EVERYTHING).fetch(reader);
    let mut day = Day::default();
    while let Some(row) = rows.try_next().await.stored()? {
        let (environment, number): (&str, i64) = (row.value("environment_id")?, row.value("day")?);
        if (environment, number) != (&day.environment, day.number) {
            faults.extend(day.fault());
            day = Day::new(environment, number);
        }
        // What can't be read agrees with nothing.
        day.unreadable |= day.add(&row).is_err();
    }
    faults.extend(day.fault());
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FILE_NAME, SqliteStorage};
    use domain::{NewResponse, PersonHash};
    use std::sync::Arc;
    use storage::Responses;
    use storage::conformance::Fixture;

    #[tokio::test]
    async fn what_reports_read_is_held_against_the_responses() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStorage::open(&folder.path().join(FILE_NAME)).await.unwrap());
        let f = Fixture::new(store.clone());
        let account = f.account().await;
        for _ in 0..2 {
            let here = f.environment(&account).await;
            let query = f.query(&here).await.id;
            let response = |n: u8| NewResponse {
                id: f.id(),
                external_id: None,
                query: n.is_multiple_of(3).then_some(query),
                score: n % 5 + 1,
                text: None,
                respondent: Some(PersonHash([n / 2; 16])),
                machine: n.is_multiple_of(2).then_some(PersonHash([7; 16])),
                at: from_millis(1_770_000_000_000 + i64::from(n) * MILLIS_A_DAY / 4),
            };
            store.add_responses(here.id, &(0..20).map(response).collect::<Vec<_>>()).await.unwrap();
        }
        let mut writer = store.write().await.unwrap();
        assert_eq!(faults(&mut writer).await.unwrap(), [""; 0]);
        for (tampered, expected) in [
            ("UPDATE response_day SET score_3 = score_3 + 1 WHERE series = '' AND day = 20488", 2),
            ("UPDATE response_day SET first_at = first_at + 1 WHERE series = '*' AND day = 20488", 2),
            ("DELETE FROM response_day WHERE series = '*' AND day = 20488", 2),
            ("DELETE FROM response_day_people WHERE series = '*' AND kind = 2 AND day = 20487", 2),
            ("UPDATE response_day_people SET count = count + 1 WHERE series = '' AND day = 20487", 2),
            ("UPDATE response_day_people SET people = x'00' WHERE series = '' AND day = 20487", 2),
            (
                "INSERT INTO response_day SELECT environment_id, series, 9, 1, 0, 0, 0, 0, 1, 1 FROM response_day \
              WHERE series = '*' AND day = 20487",
                2,
            ),
            ("DELETE FROM response WHERE respondent = 3", 2),
            ("UPDATE response SET at = at + 86400000 WHERE respondent = 9", 4),
            ("DELETE FROM person WHERE kind = 1 AND ordinal = 3", 2),
        ] {
            let mut tx = writer.begin().await.unwrap();
            let changed = sqlx::query(tampered).execute(&mut *tx).await.unwrap().rows_affected();
            let found = faults(&mut tx).await.unwrap();
            assert!(changed >= 2 && found.len() == expected, "{tampered}: {changed} {found:?}");
            tx.rollback().await.unwrap();
        }
    }
}
