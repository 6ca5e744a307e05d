//! How keypairs are used: counted in memory, added to the store in batches. A crash loses what was counted since.
//!
//! A keypair has counters only from its first use until they are written, so a million that are remembered and quiet cost
//! nothing. They are its own: whoever counts waits at most for another request with the same keypair, to add one.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::USER_AGENT;
use domain::{Activity, Call, KeyId, Program, Timestamp, Usage, utc_date};
use storage::{Storage, StorageError};

use super::LiveKeypair;

/// Of more keypairs than these, the use is not counted between two writings.
const MOST: usize = 100_000;

/// How many rows are added in one transaction, and how long the store is let go of between two: whoever disables a keypair
/// must not wait for thousands of them.
const AT_ONCE: usize = 500;
const BETWEEN: Duration = Duration::from_millis(10);

/// What was counted of a keypair since the last writing.
#[derive(Debug, Default)]
pub(super) struct Counters(Mutex<Option<Box<Counts>>>);

/// Those of a keypair that has some. A program does few different things, so they are looked through one by one.
#[derive(Debug)]
struct Counts(Vec<Count>);

impl Default for Counts {
    /// Room for one thing: most do no more between two writings, and there may be many keypairs.
    fn default() -> Self {
        Self(Vec::with_capacity(1))
    }
}

#[derive(Debug)]
struct Count {
    activity: Activity,
    times: u64,
    /// By whom the first time, and when the last time: on one day in UTC.
    last: Call,
}

/// Who is calling.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) address: Option<IpAddr>,
    pub(crate) program: Option<Program>,
}

impl Caller {
    /// Whoever sent these headers from that address.
    pub(crate) fn new(headers: &HeaderMap, address: Option<IpAddr>) -> Self {
        let header = headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        Self { address, program: header.and_then(Program::from_user_agent) }
    }
}

#[derive(Default)]
pub(super) struct Counting {
    /// The keypairs that have counters. It keeps them, also those that are forgotten in the meantime.
    counted: Mutex<Vec<(KeyId, Arc<LiveKeypair>)>>,
    /// What was counted and is not in the store. Locked while it is written.
    unwritten: tokio::sync::Mutex<Vec<Usage>>,
}

fn same_day(one: Timestamp, other: Timestamp) -> bool {
    let day = |at: Timestamp| at.as_second().div_euclid(86_400);
    day(one) == day(other)
}

impl Counting {
    /// Counts one activity. Who it was is asked for the first time in a round, and nothing is allocated after that.
    pub(super) fn count(
        &self,
        id: KeyId,
        live: &Arc<LiveKeypair>,
        activity: Activity,
        now: Timestamp,
        caller: impl FnOnce() -> Caller,
    ) {
        let mut counters = live.counters.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counters.is_none() && !self.has_room_for(id, live) {
            return;
        }
        let Counts(counts) = &mut **counters.get_or_insert_default();
        let known = |count: &&mut Count| count.activity == activity && same_day(count.last.at, now);
        match counts.iter_mut().find(known) {
            Some(count) => {
                count.times += 1;
                count.last.at = count.last.at.max(now);
            }
            None => {
                let Caller { address, program } = caller();
                counts.push(Count { activity, times: 1, last: Call { at: now, address, program } });
            }
        }
    }

    fn has_room_for(&self, id: KeyId, live: &Arc<LiveKeypair>) -> bool {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let room = counted.len() < MOST;
        if room {
            counted.push((id, live.clone()));
        }
        room
    }

    /// Adds what was counted to the store. It is let go of only once it is there: if the answer to a writing is lost, it may
    /// be added twice, but whoever gives up in between loses nothing.
    pub(super) async fn flush(&self, store: &dyn Storage) -> Result<(), StorageError> {
        let mut unwritten = self.unwritten.lock().await;
        let counted = std::mem::take(&mut *self.counted.lock().unwrap_or_else(PoisonError::into_inner));
        for (keypair, live) in counted {
            let counts = live.counters.0.lock().unwrap_or_else(PoisonError::into_inner).take();
            unwritten.extend(counts.into_iter().flat_map(|counts| counts.0).map(|count| Usage {
                keypair,
                day: utc_date(count.last.at),
                activity: count.activity,
                count: count.times,
                last: count.last,
            }));
        }
        *unwritten = Usage::added_up(std::mem::take(&mut *unwritten));
        while !unwritten.is_empty() {
            // From the end, so that the others stay where they are.
            let others = unwritten.len().saturating_sub(AT_ONCE);
            store.add_usage(unwritten.get(others..).unwrap_or_default()).await?;
            unwritten.truncate(others);
            if !unwritten.is_empty() {
                tokio::time::sleep(BETWEEN).await;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {

    use domain::{Scope, USAGE_SHOWN, usage_from};
    use serde_json::json;

    use super::*;
    use crate::api::test_harness::{TestApp, TestKey};

    async fn with_key() -> (TestApp, TestKey) {
        let server = TestApp::start().await;
        let account = server.account("Acme").await;
        let key = server.key(account, "feedback-report:read feedback-admin").await;
        (server, key)
    }

    /// Each activity that is stored of the keypair, and how often.
    async fn stored(server: &TestApp, key: &TestKey) -> Vec<(Activity, u64)> {
        let from = usage_from(server.now(), USAGE_SHOWN);
        let usage = server.app.store.usage(key.keypair.id, from).await.unwrap().usage;
        Usage::added_up(usage).into_iter().map(|usage| (usage.activity, usage.count)).collect()
    }

    fn access() -> Activity {
        Activity::Request("showAccess".into(), None)
    }

    #[tokio::test]
    async fn tokens_requests_and_refusals_are_counted_each() {
        let (server, key) = with_key().await;
        let environment = server.environment(key.keypair.owner.to_string().parse().unwrap(), "One").await;
        let below = format!("/v1/environments/{environment}");
        let token = server.exchange(&key, "").await;
        let overview = format!("{below}/reports/overview?from=2026-03-01&to=2026-03-02");
        for _ in 0..3 {
            server.get(&token, &overview).await.expect(200);
        }
        server.get(&token, "/v1/access").await.expect(200);
        server.get(&token, &format!("{below}/queries")).await.expect(200);
        let query = json!({"title": "a", "question": "b"});
        server.call(&token, "POST", &format!("{below}/queries"), query).await.expect(403);
        // What a token does not let in is no use of its keypair.
        server.get("nonsense", "/v1/access").await.expect(401);
        assert!(stored(&server, &key).await.is_empty(), "written later");
        server.app.live.flush_uses().await.unwrap();
        let by = |operation: &'static str| Activity::Request(operation.into(), Some(Scope::ReportRead));
        let expected = [
            (Activity::Token, 1),
            (by("listQueries"), 1),
            (by("reportOverview"), 3),
            (access(), 1),
            (Activity::Refused("createQuery".into()), 1),
        ];
        let stored = stored(&server, &key).await;
        assert_eq!(stored.len(), expected.len(), "{stored:?}");
        for one in expected {
            assert!(stored.contains(&one), "{one:?} is not in {stored:?}");
        }
        let from = usage_from(server.now(), USAGE_SHOWN);
        let usage = server.app.store.usage(key.keypair.id, from).await.unwrap().usage;
        assert!(usage.iter().all(|usage| usage.last.address == Some("192.0.2.7".parse().unwrap())));
    }

    #[tokio::test]
    async fn what_is_forgotten_in_the_meantime_is_counted() {
        let (server, key) = with_key().await;
        let token = server.exchange(&key, "").await;
        for round in 0..3 {
            server.get(&token, "/v1/access").await.expect(200);
            // A change of it makes every node forget it.
            let path = format!("/v1/accounts/{}/api-keys/{}", key.keypair.owner, key.keypair.id);
            let admin = server.token(key.keypair.owner, "feedback-account-admin").await;
            let comment = json!({"comment": round.to_string()});
            server.call(&admin, "PATCH", &path, comment).await.expect(200);
        }
        server.app.live.flush_uses().await.unwrap();
        assert!(stored(&server, &key).await.contains(&(access(), 3)));
    }

    #[tokio::test]
    async fn what_is_counted_at_the_same_time_is_all_there() {
        let (server, key) = with_key().await;
        let token = server.exchange(&key, "").await;
        let live = server.app.live.keypair(key.keypair.id).await.unwrap().unwrap();
        let now = server.now();
        let caller = || Caller { address: None, program: None };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        server.app.live.count_use(key.keypair.id, &live, access(), now, caller);
                    }
                });
            }
        });
        let (one, other) = tokio::join!(server.app.live.flush_uses(), server.app.live.flush_uses());
        one.and(other).unwrap();
        assert!(stored(&server, &key).await.contains(&(access(), 4000)));
        server.get(&token, "/v1/access").await.expect(200);
        server.app.live.flush_uses().await.unwrap();
        assert!(stored(&server, &key).await.contains(&(access(), 4001)));
    }

    #[tokio::test]
    async fn more_than_is_written_at_once_is_all_written() {
        let (server, key) = with_key().await;
        let live = server.app.live.keypair(key.keypair.id).await.unwrap().unwrap();
        let different = 2 * AT_ONCE + 1;
        for n in 0..different {
            let activity = Activity::Refused(n.to_string().into());
            let caller = || Caller { address: None, program: None };
            server.app.live.count_use(key.keypair.id, &live, activity, server.now(), caller);
        }
        server.app.live.flush_uses().await.unwrap();
        assert_eq!(stored(&server, &key).await.len(), different);
    }

    #[tokio::test]
    async fn a_day_ends_at_midnight() {
        let (server, key) = with_key().await;
        let token = server.exchange(&key, "").await;
        server.pass(Duration::from_secs(13 * 3600 + 3599));
        let late = server.exchange(&key, "").await;
        server.get(&late, "/v1/access").await.expect(200);
        server.pass(Duration::from_secs(5));
        server.get(&late, "/v1/access").await.expect(200);
        assert_eq!(server.get(&token, "/v1/access").await.problem(401), "invalid_token");
        server.app.live.flush_uses().await.unwrap();
        let from = usage_from(server.now(), USAGE_SHOWN);
        let usage = server.app.store.usage(key.keypair.id, from).await.unwrap().usage;
        let mut days: Vec<_> = usage
            .iter()
            .filter(|usage| usage.activity == access())
            .map(|usage| (usage.day.to_string(), usage.count))
            .collect();
        days.sort();
        assert_eq!(days, [("2026-03-15".to_owned(), 1), ("2026-03-16".to_owned(), 1)]);
    }

    #[tokio::test]
    async fn what_could_not_be_written_is_written_later() {
        let (server, key) = with_key().await;
        let token = server.exchange(&key, "").await;
        server.get(&token, "/v1/access").await.expect(200);
        let closed = server.another_node().await;
        closed.app.store.close().await;
        server.app.live.counting.flush(&*closed.app.store).await.unwrap_err();
        server.get(&token, "/v1/access").await.expect(200);
        server.app.live.flush_uses().await.unwrap();
        assert!(stored(&server, &key).await.contains(&(access(), 2)));
        // Once it is written, it is not written again.
        server.app.live.flush_uses().await.unwrap();
        assert!(stored(&server, &key).await.contains(&(access(), 2)));
    }
}
