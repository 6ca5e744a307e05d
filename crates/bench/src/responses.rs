//! Made-up responses: as a store takes them and as the API does.
//!
//! All of them lie in the same 90 days. One in ten is by somebody new, they come from a thousand machines, a quarter
//! answers no query and the others one of three, and a quarter says something.

use std::fmt::Write;
use std::path::Path;

use domain::{
    EnvironmentId, Name, NewResponse, PersonHash, Query, QueryId, QuestionText, from_millis, new_id,
};
use storage::{Queries, Responses, Upkeep};
use storage_sqlite::{FILE_NAME, SqliteStorage};

use crate::Result;
use crate::store::{Filled, Numbered, beginning, complete, is_complete, stamp, with_keypairs};
use crate::workplace::Workplace;

/// How many responses a batch has: the most that one request takes.
pub(crate) const BATCH: u64 = 1_000;

/// The 90 days, and the last week of them.
pub(crate) const DAYS: (&str, &str) = ("2025-01-01", "2025-03-31");
pub(crate) const LAST_WEEK: (&str, &str) = ("2025-03-25", "2025-03-31");
const MILLIS: u64 = 90 * 86_400_000;

const EACH_PERSON: u64 = 10;
const MACHINES: u64 = 1_000;
const TEXT: &str = "It took a while to find, but then it was quick and clear.";

/// Responses `from` on, one batch of `total` that lie evenly in the 90 days.
#[derive(Clone, Copy)]
pub(crate) struct Batch {
    pub(crate) from: u64,
    pub(crate) total: u64,
}

/// What is made up about the `n`th response.
struct MadeUp {
    n: u64,
    at: i64,
    score: u8,
    respondent: u64,
    machine: u64,
}

/// Spreads numbers without a visible order (SplitMix64).
pub(crate) fn mixed(n: u64) -> u64 {
    let z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Batch {
    fn responses(self) -> impl Iterator<Item = MadeUp> {
        (self.from..(self.from + BATCH).min(self.total)).map(move |n| {
            let random = mixed(n);
            let into = (u128::from(MILLIS) * u128::from(n) / u128::from(self.total)) as i64;
            MadeUp {
                n,
                at: beginning().as_millisecond() + into,
                score: (random % 5) as u8 + 1,
                respondent: (random >> 8) % (self.total / EACH_PERSON).max(1),
                machine: (random >> 40) % MACHINES,
            }
        })
    }

    /// As JSON for the API, spontaneous ones and ones to `queries`.
    pub(crate) fn json(self, queries: &[QueryId]) -> String {
        let mut json = String::from("{\"responses\":[");
        for (i, made_up) in self.responses().enumerate() {
            let MadeUp { n, at, score, respondent, machine } = made_up;
            if i > 0 {
                json.push(',');
            }
            let _ = write!(
                json,
                r#"{{"id":"order-{n}","score":{score},"respondent":"customer-{respondent}","machine":"kiosk-{machine}","at":"{}""#,
                from_millis(at)
            );
            if let Some(query) = query_of(n, queries) {
                let _ = write!(json, r#","query":"{query}""#);
            }
            if n % 4 == 1 {
                let _ = write!(json, r#","text":"{TEXT}""#);
            }
            json.push('}');
        }
        json.push_str("]}");
        json
    }

    fn stored(self, queries: &[QueryId], entropy: &Numbered) -> Vec<NewResponse> {
        let person = |kind: u64, n: u64| {
            let halves = [mixed(kind << 60 | n), mixed(kind << 61 | n)].map(u64::to_be_bytes);
            let mut hash = [0; 16];
            hash.copy_from_slice(halves.as_flattened());
            Some(PersonHash(hash))
        };
        self.responses()
            .map(|MadeUp { n, at, score, respondent, machine }| NewResponse {
                id: new_id(from_millis(at), entropy),
                external_id: Some(format!("order-{n}")),
                query: query_of(n, queries),
                score,
                text: (n % 4 == 1).then(|| TEXT.to_owned()),
                respondent: person(1, respondent),
                machine: person(2, machine),
                at: from_millis(at),
            })
            .collect()
    }
}

fn query_of(n: u64, queries: &[QueryId]) -> Option<QueryId> {
    queries.get((n % 4) as usize).copied()
}

/// Makes three queries in the environment.
pub(crate) async fn make_queries(
    store: &SqliteStorage,
    environment: EnvironmentId,
    entropy: &Numbered,
) -> Result<Vec<QueryId>> {
    let mut queries = Vec::new();
    for n in 1..=3 {
        let (title, question) = (Name::new(&format!("Query {n}"))?, QuestionText::new("How was it?")?);
        let query = Query::new(environment, title, question, beginning(), entropy);
        store.create_query(&stamp(entropy), &query).await?;
        queries.push(query.id);
    }
    Ok(queries)
}

/// A store with a hundred keypairs, and so many responses in the environment of the first; made unless it is there.
pub(crate) async fn with_responses(workplace: &Workplace, folder: &Path, responses: u64) -> Result<Filled> {
    // The store is complete only once it has its responses.
    let whole = folder.join("responses");
    let filled = with_keypairs(workplace, folder, 100, &[]).await?;
    if is_complete(workplace, &whole)? {
        return Ok(filled);
    }
    std::fs::remove_dir_all(folder)?;
    let filled = with_keypairs(workplace, folder, 100, &[]).await?;
    let began = std::time::Instant::now();
    let store = SqliteStorage::open(&folder.join(FILE_NAME)).await?;
    let environment = filled.environment(0)?;
    let entropy = Numbered::from(1 << 40);
    let queries = make_queries(&store, environment, &entropy).await?;
    for from in (0..responses).step_by(BATCH as usize) {
        if from % 100_000 == 0 {
            eprintln!("  filling in responses: {from} of {responses} after {:.0?}", began.elapsed());
        }
        let batch = Batch { from, total: responses }.stored(&queries, &entropy);
        store.add_responses(environment, &batch).await?;
    }
    store.close().await;
    std::fs::create_dir_all(&whole)?;
    complete(workplace, &whole)?;
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_has_what_was_promised() {
        let last = Batch { from: 99_000, total: 100_000 };
        assert_eq!(last.responses().count(), 1_000);
        let end = beginning().as_millisecond() + MILLIS as i64;
        assert!(last.responses().all(|made_up| made_up.at < end && (1..=5).contains(&made_up.score)));
        let json: serde_json::Value = serde_json::from_str(&last.json(&[])).unwrap();
        assert_eq!(json["responses"].as_array().unwrap().len(), 1_000);
        assert_eq!(json["responses"][0]["id"], "order-99000");
    }
}
