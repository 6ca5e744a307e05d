//! What the API tells of how keypairs are used.

use serde_json::{Value, json};

use super::tests::{World, world};
use crate::api::test_harness::TestKey;

impl World {
    async fn usage(&self, key: &TestKey) -> Value {
        self.test.app.live.flush_uses().await.unwrap();
        let path = format!("{}/{}/usage", self.keys(), key.keypair.id);
        self.test.get(&self.admin, &path).await.expect(200)
    }
}

#[tokio::test]
async fn an_administrators_program_sees_what_a_keypair_did() {
    let world = world().await;
    let test = &world.test;
    let key = test.key(world.environment, "feedback-report:read feedback-queries:create").await;
    let nothing = world.usage(&key).await;
    assert_eq!((&nothing["from"], &nothing["to"]), (&json!("2026-02-14"), &json!("2026-03-15")));
    assert_eq!(nothing["days"].as_array().unwrap().len(), 30);
    assert_eq!(nothing["operations"], json!([]));
    assert_eq!(nothing["known_since"], "2026-03-15", "since it was made");
    let scopes = json!([
        {"scope": "feedback-report:read", "last_used_at": null},
        {"scope": "feedback-queries:create", "last_used_at": null},
    ]);
    assert_eq!(nothing["scopes"], scopes);

    let token = test.exchange(&key, "").await;
    let below = format!("/v1/environments/{}", world.environment);
    let (queries, program) = (format!("{below}/queries"), [("user-agent", "lobby/2 (x)")]);
    test.call_with(&token, "GET", &queries, Value::Null, &program).await.expect(200);
    let at = test.now();
    test.get(&token, &format!("{below}/api-keys")).await.expect(403);
    let usage = world.usage(&key).await;
    assert_eq!(usage["days"][29], json!({"date": "2026-03-15", "tokens": 1, "requests": 1, "refused": 1}));
    assert_eq!(usage["scopes"][0], json!({"scope": "feedback-report:read", "last_used_at": at}));
    assert_eq!(usage["scopes"][1]["last_used_at"], Value::Null, "the other one would have done too");
    assert_eq!(usage["operations_from"], "2026-03-09");
    let operations = usage["operations"].as_array().unwrap();
    assert_eq!(operations.len(), 2);
    assert_eq!(operations[0]["operation"], "listEnvironmentKeypairs");
    assert_eq!((&operations[0]["requests"], &operations[0]["refused"]), (&json!(0), &json!(1)));
    assert_eq!(
        operations[1],
        json!({
            "operation": "listQueries", "scopes": ["feedback-report:read"], "requests": 1, "refused": 0,
            "last_used_at": at, "last_address": "192.0.2.7", "last_program": "lobby/2",
        })
    );
}

#[tokio::test]
async fn the_usage_of_others_is_not_there() {
    let world = world().await;
    let elsewhere = world.test.account("Elsewhere").await;
    let key = world.test.key(elsewhere, "feedback-report:read").await;
    let path = format!("{}/{}/usage", world.keys(), key.keypair.id);
    let theirs = world.test.get(&world.admin, &path).await;
    let nobodys = path.replace(&key.keypair.id.to_string(), "key_01jx1m2q6fe8gtvdb2v3cx2xkq");
    let nobodys = world.test.get(&world.admin, &nobodys).await;
    assert_eq!((theirs.problem(404), nobodys.problem(404)), ("not_found".to_owned(), "not_found".to_owned()));
    assert_eq!(theirs.json()["detail"], nobodys.json()["detail"]);
}
