//! Respondents and machines: their ordinals, and which of them answered on which day.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::{EnvironmentId, PersonHash};
use futures_util::TryStreamExt;
use serde_json::json;
use sqlx::SqliteConnection;
use storage::{People, Result, chunk_of};

use crate::row::{Columns, Stored, corrupt};

/// Kinds of people, as the tables have them.
pub(crate) const RESPONDENT: i64 = 1;
pub(crate) const MACHINE: i64 = 2;

/// The ordinals of those who have one already.
const KNOWN: &str = "SELECT hash, ordinal FROM person \
     WHERE environment_id = ? AND kind = ? AND hash IN (SELECT unhex(value) FROM json_each(?))";

/// The ordinal that the next new one gets.
const NEXT: &str = "SELECT COALESCE(MAX(ordinal) + 1, 0) FROM person WHERE environment_id = ? AND kind = ?";

const NUMBER: &str = "INSERT INTO person (environment_id, kind, hash, ordinal) \
     SELECT ?1, ?2, unhex(value), ?3 + key FROM json_each(?4)";

/// What is stored of the chunks that a batch adds to.
const CHUNKS: &str = "SELECT wanted.key AS place, found.people AS people FROM json_each(?2) AS wanted \
     CROSS JOIN response_day_people AS found ON found.environment_id = ?1 \
     AND found.series = wanted.value ->> 0 AND found.kind = wanted.value ->> 1 \
     AND found.day = wanted.value ->> 2 AND found.chunk = wanted.value ->> 3";

const PUT_CHUNK: &str = "INSERT INTO response_day_people (environment_id, series, kind, day, chunk, count, people) \
     VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (environment_id, series, kind, day, chunk) \
     DO UPDATE SET count = excluded.count, people = excluded.people";

/// A chunk of those of one kind who answered on one day: series, kind, day, chunk.
type ChunkKey = (String, i64, i64, i64);

fn hex(hash: PersonHash) -> String {
    format!("{:032x}", u128::from_be_bytes(hash.0))
}

/// The ordinals of people of one kind. Who has none yet gets the next.
pub(crate) async fn ordinals(
    tx: &mut SqliteConnection,
    environment: EnvironmentId,
    kind: i64,
    people: impl Iterator<Item = PersonHash>,
) -> Result<HashMap<PersonHash, u32>> {
    let mut unknown: HashSet<PersonHash> = people.collect();
    let mut ordinals = HashMap::with_capacity(unknown.len());
    if unknown.is_empty() {
        return Ok(ordinals);
    }
    let wanted: Vec<String> = unknown.iter().copied().map(hex).collect();
    let known = sqlx::query(KNOWN)
        .bind(environment.to_string())
        .bind(kind)
        .bind(json!(wanted).to_string())
        .fetch_all(&mut *tx)
        .await
        .stored()?;
    for row in known {
        let person = PersonHash(row.bytes("hash")?);
        unknown.remove(&person);
        ordinals.insert(person, row.value("ordinal")?);
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
    let hashes: Vec<String> = unknown.iter().copied().map(hex).collect();
    sqlx::query(NUMBER)
        .bind(environment.to_string())
        .bind(kind)
        .bind(next)
        .bind(json!(hashes).to_string())
        .execute(&mut *tx)
        .await
        .stored()?;
    for (person, ordinal) in unknown.into_iter().zip(next..) {
        ordinals.insert(person, u32::try_from(ordinal).map_err(|_| corrupt("ordinal"))?);
    }
    Ok(ordinals)
}

/// Who answered: what a batch adds to days.
#[derive(Debug, Default)]
pub(crate) struct Answered(BTreeMap<ChunkKey, People>);

impl Answered {
    /// Notes that the person of that kind answered on that day.
    pub(crate) fn note(&mut self, series: &str, kind: i64, day: i64, ordinal: u32) {
        self.0.entry((series.to_owned(), kind, day, chunk_of(ordinal))).or_default().insert(ordinal);
    }

    /// Adds them to what is stored of their days. What has them all already is not written again.
    pub(crate) async fn save(self, tx: &mut SqliteConnection, environment: EnvironmentId) -> Result<()> {
        let mut chunks: Vec<(ChunkKey, People, u64)> =
            self.0.into_iter().map(|(key, people)| (key, people, 0)).collect();
        let keys: Vec<&ChunkKey> = chunks.iter().map(|(key, ..)| key).collect();
        let keys = json!(keys).to_string();
        let mut stored = sqlx::query(CHUNKS).bind(environment.to_string()).bind(keys).fetch(&mut *tx);
        while let Some(row) = stored.try_next().await.stored()? {
            let place = usize::try_from(row.value::<i64>("place")?).map_err(|_| corrupt("place"))?;
            let (key, people, before) = chunks.get_mut(place).ok_or_else(|| corrupt("place"))?;
            let mut found = People::default();
            found.add_stored(key.3, row.value("people")?)?;
            *before = found.count();
            people.add(&found);
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
}
