//! Rotation that finishes itself, over the API and on nodes that look.

use std::time::Duration;

use serde_json::{Value, json};

use super::tests::{World, world};
use crate::api::test_harness::{TestApp, TestKey};
use crate::retirement::Watch;

/// A keypair that was rotated, to end its first secret once that was idle for a minute.
struct Rotated {
    id: String,
    path: String,
    first: TestKey,
    second: String,
}

impl World {
    async fn rotated(&self) -> Rotated {
        let first = self.test.key(self.environment, "feedback-report:read").await;
        let id = first.keypair.id.to_string();
        let path = format!("{}/{id}", self.keys());
        let body = json!({"retire_when_idle_seconds": 60});
        let rotated = self.test.call(&self.admin, "POST", &format!("{path}/secrets"), body).await.expect(201);
        let idle: Vec<_> = rotated["secrets"].as_array().unwrap().iter().collect();
        assert_eq!(
            (&idle[0]["retire_when_idle_seconds"], &idle[0]["expires_at"]),
            (&json!(60), &Value::Null)
        );
        assert_eq!(idle[1]["retire_when_idle_seconds"], Value::Null);
        let second = rotated["secret"].as_str().unwrap().to_owned();
        Rotated { id, path, first, second }
    }

    async fn numbers(&self, rotated: &Rotated) -> Vec<u64> {
        let shown = self.test.get(&self.admin, &rotated.path).await.expect(200);
        shown["secrets"].as_array().unwrap().iter().map(|secret| secret["n"].as_u64().unwrap()).collect()
    }
}

/// Lets time pass, in which a node looks as often as one does.
async fn pass(node: &TestApp, watch: &mut Watch, seconds: u64) {
    for _ in 0..seconds / 10 {
        node.pass(Duration::from_secs(10));
        watch.look(&node.app).await.unwrap();
    }
    node.app.live.catch_up().await.unwrap();
}

#[tokio::test]
async fn an_old_secret_ends_by_itself_once_nobody_uses_it() {
    let world = world().await;
    let test = &world.test;
    let mut watch = Watch::begin(test.now());
    let rotated = world.rotated().await;
    let old = test.exchange(&rotated.first, "").await;
    pass(test, &mut watch, 300).await;
    assert_eq!(world.numbers(&rotated).await, [1, 2], "nobody has the new one yet");
    let new = test.exchange_secret(&rotated.id, &rotated.second, "").await;
    // A token's use is its secret's.
    for _ in 0..4 {
        test.get(&old, "/v1/access").await.expect(200);
        pass(test, &mut watch, 60).await;
    }
    assert_eq!(world.numbers(&rotated).await, [1, 2]);
    pass(test, &mut watch, 30).await;
    assert_eq!(world.numbers(&rotated).await, [2]);
    assert_eq!(test.get(&old, "/v1/access").await.problem(401), "invalid_token");
    test.get(&new, "/v1/access").await.expect(200);
    let form = "grant_type=client_credentials".to_owned();
    let refused = test.post_form(&rotated.first, "/oauth2/token", form, &[]).await.expect(401);
    assert_eq!(refused["error"], "invalid_client");

    let path = format!("/v1/environments/{}/audit-events?limit=1", world.environment);
    let line = test.get(&world.admin, &path).await.expect(200)["items"][0].clone();
    assert_eq!(
        (&line["action"], &line["actor"]["type"]),
        (&json!("keypair.secret_retired"), &json!("operator"))
    );
    assert_eq!(line["object"]["id"], rotated.id);
    let before = test.app.store.last_sequence().await.unwrap();
    pass(test, &mut watch, 300).await;
    assert_eq!(test.app.store.last_sequence().await.unwrap(), before, "nothing is written for nothing");
}

#[tokio::test]
async fn a_use_on_another_node_counts_before_that_has_told_of_it() {
    let here = world().await;
    let there = here.test.another_node().await;
    let mut watch = Watch::begin(here.test.now());
    let rotated = here.rotated().await;
    let old = here.test.exchange(&rotated.first, "").await;
    here.test.exchange_secret(&rotated.id, &rotated.second, "").await;
    pass(&here.test, &mut watch, 50).await;
    there.get(&old, "/v1/access").await.expect(200);
    pass(&here.test, &mut watch, 20).await;
    assert_eq!(here.numbers(&rotated).await, [1, 2], "it may still be told of");
    there.app.live.flush_uses().await.unwrap();
    pass(&here.test, &mut watch, 50).await;
    assert_eq!(here.numbers(&rotated).await, [1, 2]);
    pass(&here.test, &mut watch, 20).await;
    assert_eq!(here.numbers(&rotated).await, [2]);
    there.app.live.catch_up().await.unwrap();
    assert_eq!(there.get(&old, "/v1/access").await.problem(401), "invalid_token");
}

#[tokio::test]
async fn of_several_nodes_that_look_one_ends_it() {
    let world = world().await;
    let mut watches = vec![(world.test.another_node().await, Watch::begin(world.test.now()))];
    watches.push((world.test.another_node().await, Watch::begin(world.test.now())));
    let rotated = world.rotated().await;
    world.test.exchange_secret(&rotated.id, &rotated.second, "").await;
    world.test.app.live.flush_uses().await.unwrap();
    let before = world.test.app.store.last_sequence().await.unwrap();
    for _ in 0..12 {
        world.test.pass(Duration::from_secs(10));
        let [(one, first), (other, second)] = &mut watches[..] else { panic!("two nodes") };
        let looks = tokio::join!(first.look(&one.app), second.look(&other.app));
        assert!(looks.0.is_ok() && looks.1.is_ok(), "{looks:?}");
    }
    assert_eq!(world.test.app.store.last_sequence().await.unwrap(), before + 1);
    assert_eq!(world.numbers(&rotated).await, [2]);
}

#[tokio::test]
async fn the_time_in_which_nobody_looked_is_not_held_against_a_secret() {
    let world = world().await;
    let test = &world.test;
    let mut watch = Watch::begin(test.now());
    let rotated = world.rotated().await;
    test.exchange_secret(&rotated.id, &rotated.second, "").await;
    pass(test, &mut watch, 20).await;
    test.pass(Duration::from_secs(7200));
    let admin = test.exchange(&world.admin_key, "").await;
    let world = World { admin, ..world };
    pass(&world.test, &mut watch, 60).await;
    assert_eq!(world.numbers(&rotated).await, [1, 2], "its users had no time to come back");
    pass(&world.test, &mut watch, 20).await;
    assert_eq!(world.numbers(&rotated).await, [2]);
}

#[tokio::test]
async fn while_the_keypair_is_disabled_nothing_is_idle() {
    let world = world().await;
    let test = &world.test;
    let mut watch = Watch::begin(test.now());
    let rotated = world.rotated().await;
    test.exchange_secret(&rotated.id, &rotated.second, "").await;
    test.call(&world.admin, "PATCH", &rotated.path, json!({"enabled": false})).await.expect(200);
    pass(test, &mut watch, 600).await;
    test.call(&world.admin, "PATCH", &rotated.path, json!({"enabled": true})).await.expect(200);
    pass(test, &mut watch, 70).await;
    assert_eq!(world.numbers(&rotated).await, [1, 2]);
    pass(test, &mut watch, 20).await;
    assert_eq!(world.numbers(&rotated).await, [2]);
}

#[tokio::test]
async fn one_way_of_ending_is_chosen_and_within_bounds() {
    let world = world().await;
    let key = world.test.key(world.environment, "feedback-report:read").await.keypair.id;
    let path = format!("{}/{key}/secrets", world.keys());
    let refused = async |body: Value| {
        let answer = world.test.call(&world.admin, "POST", &path, body).await;
        assert_eq!(answer.problem(400), "invalid_body");
        answer.errors()
    };
    let both = refused(json!({"overlap_seconds": 60, "retire_when_idle_seconds": 60})).await;
    assert_eq!(
        both,
        [
            "retire_when_idle_seconds: old secrets end after `overlap_seconds` or when idle, not both; send one of the two"
        ]
    );
    for bad in [json!(-1), json!(0), json!(59), json!(2_592_001), json!(i64::MAX), json!(i64::MIN)] {
        let range = "retire_when_idle_seconds: the idle time must be from 60 seconds to 30 days";
        assert_eq!(refused(json!({"retire_when_idle_seconds": bad})).await, [range]);
    }
    refused(json!({"retire_when_idle_seconds": null})).await;
    let shown = world.test.get(&world.admin, &format!("{}/{key}", world.keys())).await.expect(200);
    assert_eq!(shown["secrets"].as_array().unwrap().len(), 1);
}
