//! What reports read: the scores of each day of each series, and who answered on it.

use std::collections::BTreeMap;

use domain::EnvironmentId;
use futures_util::TryStreamExt;
use sqlx::SqliteConnection;
use storage::{People, Result, chunk_of};

use crate::people::{MACHINE, RESPONDENT};
use crate::row::{Columns, Stored, corrupt, json};

/// Series as the tables of days name them, beside the queries by their identifiers.
pub(crate) const EVERY_RESPONSE: &str = "*";
pub(crate) const NO_QUERY: &str = "";

pub(crate) const MILLIS_A_DAY: i64 = 86_400_000;

/// `WHERE true` keeps what follows from being read as part of a join.
const ADD_SCORES: &str = "INSERT INTO response_day \
     (environment_id, series, day, score_1, score_2, score_3, score_4, score_5, first_at, last_at) \
     SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, \
     value ->> 7, value ->> 8 FROM json_each(?2) WHERE true \
     ON CONFLICT (environment_id, series, day) DO UPDATE SET \
     score_1 = score_1 + excluded.score_1, score_2 = score_2 + excluded.score_2, \
     score_3 = score_3 + excluded.score_3, score_4 = score_4 + excluded.score_4, \
     score_5 = score_5 + excluded.score_5, \
     first_at = MIN(first_at, excluded.first_at), last_at = MAX(last_at, excluded.last_at)";

/// What is stored of the chunks that a batch adds to.
const CHUNKS: &str = "SELECT wanted.key AS place, found.people AS people FROM json_each(?2) AS wanted \
     CROSS JOIN response_day_people AS found ON found.environment_id = ?1 \
     AND found.series = wanted.value ->> 0 AND found.kind = wanted.value ->> 1 \
     AND found.day = wanted.value ->> 2 AND found.chunk = wanted.value ->> 3";

const PUT_CHUNK: &str = "INSERT INTO response_day_people (environment_id, series, kind, day, chunk, count, people) \
     VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (environment_id, series, kind, day, chunk) \
     DO UPDATE SET count = excluded.count, people = excluded.people";

/// What one series counted on one day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DayScores {
    pub(crate) scores: [i64; 5],
    pub(crate) first_at: i64,
    pub(crate) last_at: i64,
}

/// A chunk of those of one kind who answered on one day: series, kind, day, chunk.
pub(crate) type ChunkKey = (String, i64, i64, i64);

/// Days of one environment.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Days {
    pub(crate) scores: BTreeMap<(String, i64), DayScores>,
    pub(crate) people: BTreeMap<ChunkKey, People>,
}

/// What days keep of a response. Its people are ordinals.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    pub(crate) score: u8,
    pub(crate) at: i64,
    pub(crate) respondent: Option<u32>,
    pub(crate) machine: Option<u32>,
}

impl Days {
    /// Counts a response to a query, or to none, in its own series and in the overview's, so that neither report reads
    /// the other's rows.
    pub(crate) fn count(&mut self, query: Option<&str>, response: Counted) {
        let at = response.at;
        let day = at.div_euclid(MILLIS_A_DAY);
        for series in [query.unwrap_or(NO_QUERY), EVERY_RESPONSE] {
            let start = DayScores { scores: [0; 5], first_at: at, last_at: at };
            let scores = self.scores.entry((series.to_owned(), day)).or_insert(start);
            if let Some(count) = scores.scores.get_mut(usize::from(response.score).wrapping_sub(1)) {
                *count += 1;
            }
            scores.first_at = scores.first_at.min(at);
            scores.last_at = scores.last_at.max(at);
            for (kind, person) in [(RESPONDENT, response.respondent), (MACHINE, response.machine)] {
                let Some(ordinal) = person else { continue };
                let chunk = (series.to_owned(), kind, day, chunk_of(ordinal));
                self.people.entry(chunk).or_default().insert(ordinal);
            }
        }
    }

    /// Adds them to what is stored.
    pub(crate) async fn save(self, tx: &mut SqliteConnection, environment: EnvironmentId) -> Result<()> {
        let rows: Vec<_> = self
            .scores
            .iter()
            .map(|((series, day), DayScores { scores: [one, two, three, four, five], first_at, last_at })| {
                (series, day, one, two, three, four, five, first_at, last_at)
            })
            .collect();
        sqlx::query(ADD_SCORES)
            .bind(environment.to_string())
            .bind(json(&rows)?)
            .execute(&mut *tx)
            .await
            .stored()?;
        save_people(tx, environment, self.people).await
    }
}

/// Adds who answered. A chunk that has them all already is not written again.
async fn save_people(
    tx: &mut SqliteConnection,
    environment: EnvironmentId,
    people: BTreeMap<ChunkKey, People>,
) -> Result<()> {
    let keys = json(&people.keys().collect::<Vec<_>>())?;
    let mut chunks: Vec<(ChunkKey, People, u64)> =
        people.into_iter().map(|(key, people)| (key, people, 0)).collect();
    let mut stored = sqlx::query(CHUNKS).bind(environment.to_string()).bind(keys).fetch(&mut *tx);
    while let Some(row) = stored.try_next().await.stored()? {
        let place = usize::try_from(row.value::<i64>("place")?).map_err(|_| corrupt("place"))?;
        let (key, people, before) = chunks.get_mut(place).ok_or_else(|| corrupt("place"))?;
        let added = std::mem::take(people);
        people.add_stored(key.3, row.value("people")?)?;
        *before = people.count();
        people.add(&added);
    }
    drop(stored);
    for ((series, kind, day, chunk), people, before) in chunks {
        let count = people.count();
        if count == before {
            continue;
        }
        sqlx::query(PUT_CHUNK)
            .bind(environment.to_string())
            .bind(series)
            .bind(kind)
            .bind(day)
            .bind(chunk)
            .bind(i64::try_from(count).map_err(|_| corrupt("count"))?)
            .bind(people.to_stored())
            .execute(&mut *tx)
            .await
            .stored()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan;

    #[tokio::test]
    async fn a_chunk_is_found_by_its_key() {
        let plan = plan(CHUNKS).await;
        let key = "USING PRIMARY KEY (environment_id=? AND series=? AND kind=? AND day=? AND chunk=?)";
        assert!(plan.iter().any(|step| step.starts_with("SEARCH found") && step.ends_with(key)), "{plan:?}");
    }
}
