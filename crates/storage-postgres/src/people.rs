//! Respondents and machines: the keyed hash of each, and its ordinal.

use std::collections::{HashMap, HashSet};

use domain::{EnvironmentId, PersonHash};
use sqlx::PgConnection;
use storage::Result;

use crate::row::{Columns, Stored, corrupt};

/// Kinds of people, as the tables have them.
pub(crate) const RESPONDENT: i16 = 1;
pub(crate) const MACHINE: i16 = 2;

/// The ordinals of those who have one already. They are searched one by one, behind a limit that the planner can't look
/// through: without statistics it believes that an environment has two people, and would read all of them instead.
const KNOWN: &str = "SELECT person.hash, person.ordinal FROM UNNEST($3::BYTEA[]) AS wanted (hash) \
     CROSS JOIN LATERAL (SELECT hash, ordinal FROM person \
         WHERE environment_id = $1 AND kind = $2 AND hash = wanted.hash LIMIT 1) AS person";

/// The ordinal that the next new one gets. The expression is that of the index, which serves nothing else.
const NEXT: &str =
    "SELECT COALESCE(MAX(ordinal) + 1, 0) FROM person WHERE environment_id || ':' || kind::TEXT = $1";

const NUMBER: &str = "INSERT INTO person (environment_id, kind, hash, ordinal) \
     SELECT $1, $2, hash, $3 + place - 1 FROM UNNEST($4::BYTEA[]) WITH ORDINALITY AS new (hash, place)";

/// The ordinals of people of one kind. Who has none yet gets the next; the environment must be held for that.
pub(crate) async fn ordinals(
    tx: &mut PgConnection,
    environment: EnvironmentId,
    kind: i16,
    people: impl Iterator<Item = PersonHash>,
) -> Result<HashMap<PersonHash, u32>> {
    let mut seen = HashSet::new();
    let people: Vec<PersonHash> = people.filter(|person| seen.insert(*person)).collect();
    let mut ordinals = HashMap::with_capacity(people.len());
    if people.is_empty() {
        return Ok(ordinals);
    }
    let known = sqlx::query(KNOWN)
        .bind(environment.to_string())
        .bind(kind)
        .bind(hashes(&people))
        .fetch_all(&mut *tx)
        .await
        .stored()?;
    for row in known {
        ordinals.insert(PersonHash(row.bytes("hash")?), row.number("ordinal")?);
    }
    let new: Vec<PersonHash> = people.into_iter().filter(|person| !ordinals.contains_key(person)).collect();
    if new.is_empty() {
        return Ok(ordinals);
    }
    let next: i64 =
        sqlx::query_scalar(NEXT).bind(format!("{environment}:{kind}")).fetch_one(&mut *tx).await.stored()?;
    sqlx::query(NUMBER)
        .bind(environment.to_string())
        .bind(kind)
        .bind(next)
        .bind(hashes(&new))
        .execute(tx)
        .await
        .stored()?;
    for (person, ordinal) in new.into_iter().zip(next..) {
        ordinals.insert(person, u32::try_from(ordinal).map_err(|_| corrupt("ordinal"))?);
    }
    Ok(ordinals)
}

fn hashes(people: &[PersonHash]) -> Vec<[u8; 16]> {
    people.iter().map(|person| person.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Planner;

    #[tokio::test]
    async fn people_are_found_and_numbered_without_a_scan() {
        let mut planner = Planner::new().await;
        let known = "person_pkey ((environment_id = $1) AND (kind = $2) AND (hash = wanted.hash))";
        assert_eq!(planner.plan(KNOWN).await, [known]);
        let next = "person_by_ordinal ((((environment_id || ':'::text) || (kind)::text) = $1) AND (ordinal IS NOT NULL))";
        assert_eq!(planner.plan(NEXT).await, [next]);
    }
}
