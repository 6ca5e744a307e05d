//! Respondents and machines: their ordinals, and which of them answered on which day. All of it belongs to one
//! environment, which a batch of responses holds alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::{EnvironmentId, PersonHash};
use futures_util::TryStreamExt;
use sqlx::PgConnection;
use storage::{People, Result, chunk_of};

use crate::row::{Columns, Stored, corrupt};

/// Kinds of people, as the tables have them.
pub(crate) const RESPONDENT: i16 = 1;
pub(crate) const MACHINE: i16 = 2;

/// The ordinals of those who have one already.
const KNOWN: &str =
    "SELECT hash, ordinal FROM person WHERE environment_id = $1 AND kind = $2 AND hash = ANY ($3)";

/// The ordinal that the next new one gets.
const NEXT: &str = "SELECT COALESCE(MAX(ordinal) + 1, 0) FROM person WHERE environment_id = $1 AND kind = $2";

const NUMBER: &str = "INSERT INTO person (environment_id, kind, hash, ordinal) \
     SELECT $1, $2, hash, $3 + place - 1 FROM UNNEST($4::BYTEA[]) WITH ORDINALITY AS new (hash, place)";

/// What is stored of the chunks that a batch adds to.
const CHUNKS: &str = "SELECT wanted.place, found.people \
     FROM UNNEST($2::TEXT[], $3::SMALLINT[], $4::BIGINT[], $5::BIGINT[]) WITH ORDINALITY AS wanted (series, kind, day, chunk, place) \
     JOIN response_day_people found ON found.environment_id = $1 AND found.series = wanted.series \
     AND found.kind = wanted.kind AND found.day = wanted.day AND found.chunk = wanted.chunk";

const PUT_CHUNKS: &str = "INSERT INTO response_day_people (environment_id, series, kind, day, chunk, count, people) \
     SELECT $1, * FROM UNNEST($2::TEXT[], $3::SMALLINT[], $4::BIGINT[], $5::BIGINT[], $6::BIGINT[], $7::BYTEA[]) \
     ON CONFLICT (environment_id, series, kind, day, chunk) DO UPDATE SET count = excluded.count, people = excluded.people";

/// The ordinals of people of one kind. Who has none yet gets the next.
pub(crate) async fn ordinals(
    tx: &mut PgConnection,
    environment: EnvironmentId,
    kind: i16,
    people: impl Iterator<Item = PersonHash>,
) -> Result<HashMap<PersonHash, u32>> {
    let mut unknown: HashSet<PersonHash> = people.collect();
    let mut ordinals = HashMap::with_capacity(unknown.len());
    if unknown.is_empty() {
        return Ok(ordinals);
    }
    let wanted: Vec<[u8; 16]> = unknown.iter().map(|person| person.0).collect();
    let known = sqlx::query(KNOWN)
        .bind(environment.to_string())
        .bind(kind)
        .bind(wanted)
        .fetch_all(&mut *tx)
        .await
        .stored()?;
    for row in known {
        let person = PersonHash(row.bytes("hash")?);
        unknown.remove(&person);
        ordinals.insert(person, row.number("ordinal")?);
    }
    if unknown.is_empty() {
        return Ok(ordinals);
    }
    let unknown: Vec<PersonHash> = unknown.into_iter().collect();
    let next: i64 = sqlx::query_scalar(NEXT)
        .bind(environment.to_string())
        .bind(kind)
        .fetch_one(&mut *tx)
        .await
        .stored()?;
    let hashes: Vec<[u8; 16]> = unknown.iter().map(|person| person.0).collect();
    sqlx::query(NUMBER)
        .bind(environment.to_string())
        .bind(kind)
        .bind(next)
        .bind(hashes)
        .execute(tx)
        .await
        .stored()?;
    for (person, ordinal) in unknown.into_iter().zip(next..) {
        ordinals.insert(person, u32::try_from(ordinal).map_err(|_| corrupt("ordinal"))?);
    }
    Ok(ordinals)
}

/// A chunk of those of one kind who answered on one day: series, kind, day, chunk.
type ChunkKey = (String, i16, i64, i64);

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

/// Who answered: what a batch adds to days.
#[derive(Debug, Default)]
pub(crate) struct Answered(BTreeMap<ChunkKey, People>);

impl Answered {
    /// Notes that the person of that kind answered on that day.
    pub(crate) fn note(&mut self, series: &str, kind: i16, day: i64, ordinal: u32) {
        self.0.entry((series.to_owned(), kind, day, chunk_of(ordinal))).or_default().insert(ordinal);
    }

    /// Adds them to what is stored of their days. What has them all already is not written again.
    pub(crate) async fn save(self, tx: &mut PgConnection, environment: EnvironmentId) -> Result<()> {
        let mut chunks: Vec<(ChunkKey, People, u64)> =
            self.0.into_iter().map(|(key, people)| (key, people, 0)).collect();
        let mut wanted = Keys::default();
        chunks.iter().for_each(|(key, ..)| wanted.push(key));
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
            let mut found = People::default();
            found.add_stored(key.3, row.value("people")?)?;
            *before = found.count();
            people.add(&found);
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Planner;

    #[tokio::test]
    async fn a_batch_searches_the_keys() {
        let mut planner = Planner::new().await;
        for (statement, expected) in [
            (KNOWN, "person_pkey ((environment_id = $1) AND (kind = $2) AND (hash = ANY ($3)))"),
            (NEXT, "person_by_ordinal ((environment_id = $1) AND (kind = $2) AND (ordinal IS NOT NULL))"),
            (
                CHUNKS,
                "response_day_people_pkey ((environment_id = $1) AND (series = (wanted.series)::text) \
                 AND (kind = wanted.kind) AND (day = wanted.day) AND (chunk = wanted.chunk))",
            ),
        ] {
            assert_eq!(planner.plan(statement).await, [expected], "{statement}");
        }
    }
}
