//! Respondents and machines: the keyed hash of each, and its ordinal.

use std::collections::{HashMap, HashSet};

use domain::{EnvironmentId, PersonHash};
use sqlx::SqliteConnection;
use storage::Result;

use crate::row::{Stored, corrupt, hex, json};

/// Kinds of people, as the tables have them.
pub(crate) const RESPONDENT: i64 = 1;
pub(crate) const MACHINE: i64 = 2;

/// The ordinals of people, in the order that they are asked for in; NULL for who has none. In one row, since to hand over
/// a row for each costs as much as to find it.
const KNOWN: &str = "SELECT json_group_array(person.ordinal ORDER BY wanted.key) FROM json_each(?3) AS wanted \
     LEFT JOIN person ON person.environment_id = ?1 AND person.kind = ?2 AND person.hash = unhex(wanted.value)";

/// The ordinal that the next new one gets.
const NEXT: &str = "SELECT COALESCE(MAX(ordinal) + 1, 0) FROM person WHERE environment_id = ? AND kind = ?";

const NUMBER: &str = "INSERT INTO person (environment_id, kind, hash, ordinal) \
     SELECT ?1, ?2, unhex(value), ?3 + key FROM json_each(?4)";

/// The ordinals of people of one kind. Who has none yet gets the next.
pub(crate) async fn ordinals(
    tx: &mut SqliteConnection,
    environment: EnvironmentId,
    kind: i64,
    people: impl Iterator<Item = PersonHash>,
) -> Result<HashMap<PersonHash, u32>> {
    let mut seen = HashSet::new();
    let people: Vec<PersonHash> = people.filter(|person| seen.insert(*person)).collect();
    let mut ordinals = HashMap::with_capacity(people.len());
    if people.is_empty() {
        return Ok(ordinals);
    }
    let known: String = sqlx::query_scalar(KNOWN)
        .bind(environment.to_string())
        .bind(kind)
        .bind(json(&people.iter().map(|person| hex(person.0)).collect::<Vec<_>>())?)
        .fetch_one(&mut *tx)
        .await
        .stored()?;
    let known: Vec<Option<u32>> = serde_json::from_str(&known).map_err(|_| corrupt("ordinal"))?;
    let mut new = Vec::new();
    for (person, ordinal) in people.into_iter().zip(known) {
        match ordinal {
            Some(ordinal) => {
                ordinals.insert(person, ordinal);
            }
            None => new.push(person),
        }
    }
    if new.is_empty() {
        return Ok(ordinals);
    }
    let next: i64 = sqlx::query_scalar(NEXT)
        .bind(environment.to_string())
        .bind(kind)
        .fetch_one(&mut *tx)
        .await
        .stored()?;
    sqlx::query(NUMBER)
        .bind(environment.to_string())
        .bind(kind)
        .bind(next)
        .bind(json(&new.iter().map(|person| hex(person.0)).collect::<Vec<_>>())?)
        .execute(&mut *tx)
        .await
        .stored()?;
    for (person, ordinal) in new.into_iter().zip(next..) {
        ordinals.insert(person, u32::try_from(ordinal).map_err(|_| corrupt("ordinal"))?);
    }
    Ok(ordinals)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan;

    #[tokio::test]
    async fn people_are_found_and_numbered_without_a_scan() {
        for (statement, expected) in [
            (KNOWN, "USING PRIMARY KEY (environment_id=? AND kind=? AND hash=?)"),
            (NEXT, "USING COVERING INDEX person_by_ordinal (environment_id=? AND kind=?)"),
        ] {
            let plan = plan(statement).await;
            let search = |step: &String| step.starts_with("SEARCH person") && step.contains(expected);
            assert!(plan.iter().any(search), "{statement}: {plan:?}");
        }
    }
}
