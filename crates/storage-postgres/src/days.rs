//! What reports read: the scores of each day of each series, and who answered on it.

use std::collections::BTreeMap;

use domain::EnvironmentId;
use futures_util::TryStreamExt;
use sqlx::PgConnection;
use storage::{People, Result, chunk_of};

use crate::people::{MACHINE, RESPONDENT};
use crate::row::{Columns, Stored, corrupt};

/// Series as the tables of days name them, beside the queries by their identifiers.
pub(crate) const EVERY_RESPONSE: &str = "*";
pub(crate) const NO_QUERY: &str = "";

pub(crate) const MILLIS_A_DAY: i64 = 86_400_000;

const ADD_SCORES: &str = "INSERT INTO response_day AS known (environment_id, series, day, score_1, score_2, \
     score_3, score_4, score_5, first_at, last_at) \
     SELECT $1, * FROM UNNEST($2::TEXT[], $3::BIGINT[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[], $7::BIGINT[], \
     $8::BIGINT[], $9::BIGINT[], $10::BIGINT[]) \
     ON CONFLICT (environment_id, series, day) DO UPDATE SET \
     score_1 = known.score_1 + excluded.score_1, score_2 = known.score_2 + excluded.score_2, \
     score_3 = known.score_3 + excluded.score_3, score_4 = known.score_4 + excluded.score_4, \
     score_5 = known.score_5 + excluded.score_5, \
     first_at = LEAST(known.first_at, excluded.first_at), last_at = GREATEST(known.last_at, excluded.last_at)";

/// What is stored of the chunks that a batch adds to.
const CHUNKS: &str = "SELECT wanted.place, found.people \
     FROM UNNEST($2::TEXT[], $3::SMALLINT[], $4::BIGINT[], $5::BIGINT[]) \
     WITH ORDINALITY AS wanted (series, kind, day, chunk, place) \
     JOIN response_day_people found ON found.environment_id = $1 AND found.series = wanted.series \
     AND found.kind = wanted.kind AND found.day = wanted.day AND found.chunk = wanted.chunk";

const PUT_CHUNKS: &str = "INSERT INTO response_day_people (environment_id, series, kind, day, chunk, count, people) \
     SELECT $1, * FROM \
     UNNEST($2::TEXT[], $3::SMALLINT[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[], $7::BYTEA[]) \
     ON CONFLICT (environment_id, series, kind, day, chunk) \
     DO UPDATE SET count = excluded.count, people = excluded.people";

/// What one series counted on one day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DayScores {
    pub(crate) scores: [i64; 5],
    pub(crate) first_at: i64,
    pub(crate) last_at: i64,
}

/// A chunk of those of one kind who answered on one day: series, kind, day, chunk.
pub(crate) type ChunkKey = (String, i16, i64, i64);

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

    /// Adds them to what is stored; the environment must be held for that.
    pub(crate) async fn save(self, tx: &mut PgConnection, environment: EnvironmentId) -> Result<()> {
        let scores: Vec<DayScores> = self.scores.values().copied().collect();
        let column = |value: fn(&DayScores) -> i64| scores.iter().map(value).collect::<Vec<i64>>();
        let (series, days): (Vec<String>, Vec<i64>) = self.scores.into_keys().unzip();
        sqlx::query(ADD_SCORES)
            .bind(environment.to_string())
            .bind(series)
            .bind(days)
            .bind(column(|day| day.scores[0]))
            .bind(column(|day| day.scores[1]))
            .bind(column(|day| day.scores[2]))
            .bind(column(|day| day.scores[3]))
            .bind(column(|day| day.scores[4]))
            .bind(column(|day| day.first_at))
            .bind(column(|day| day.last_at))
            .execute(&mut *tx)
            .await
            .stored()?;
        save_people(tx, environment, self.people).await
    }
}

/// The keys of chunks, column by column.
#[derive(Default)]
struct Keys {
    series: Vec<String>,
    kinds: Vec<i16>,
    days: Vec<i64>,
    chunks: Vec<i64>,
}

impl Keys {
    fn push(&mut self, (series, kind, day, chunk): &ChunkKey) {
        self.series.push(series.clone());
        self.kinds.push(*kind);
        self.days.push(*day);
        self.chunks.push(*chunk);
    }
}

/// Adds who answered. A chunk that has them all already is not written again.
async fn save_people(
    tx: &mut PgConnection,
    environment: EnvironmentId,
    people: BTreeMap<ChunkKey, People>,
) -> Result<()> {
    let mut wanted = Keys::default();
    people.keys().for_each(|key| wanted.push(key));
    let mut chunks: Vec<(ChunkKey, People, u64)> =
        people.into_iter().map(|(key, people)| (key, people, 0)).collect();
    let mut stored = sqlx::query(CHUNKS)
        .bind(environment.to_string())
        .bind(wanted.series)
        .bind(wanted.kinds)
        .bind(wanted.days)
        .bind(wanted.chunks)
        .fetch(&mut *tx);
    while let Some(row) = stored.try_next().await.stored()? {
        // Counted from 1.
        let place = usize::try_from(row.value::<i64>("place")? - 1).map_err(|_| corrupt("place"))?;
        let (key, people, before) = chunks.get_mut(place).ok_or_else(|| corrupt("place"))?;
        let added = std::mem::take(people);
        people.add_stored(key.3, row.value("people")?)?;
        *before = people.count();
        people.add(&added);
    }
    drop(stored);
    let (mut keys, mut counts, mut sets) = (Keys::default(), Vec::new(), Vec::new());
    for (key, people, before) in &chunks {
        if people.count() != *before {
            keys.push(key);
            counts.push(i64::try_from(people.count()).map_err(|_| corrupt("count"))?);
            sets.push(people.to_stored());
        }
    }
    sqlx::query(PUT_CHUNKS)
        .bind(environment.to_string())
        .bind(keys.series)
        .bind(keys.kinds)
        .bind(keys.days)
        .bind(keys.chunks)
        .bind(counts)
        .bind(sets)
        .execute(tx)
        .await
        .stored()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Planner;

    #[tokio::test]
    async fn a_chunk_is_found_by_its_key() {
        let key = "response_day_people_pkey ((environment_id = $1) AND (series = (wanted.series)::text) \
                   AND (kind = wanted.kind) AND (day = wanted.day) AND (chunk = wanted.chunk))";
        assert_eq!(Planner::new().await.plan(CHUNKS).await, [key]);
    }
}
