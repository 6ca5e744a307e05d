//! Signing keys come and go on two nodes, and tokens go on, or stop.

use std::slice::from_ref;
use std::time::Duration;

use serde_json::Value;

use super::{Algorithm, SigningKeyError, SigningKeys, When};
use crate::api::test_harness::{TestApp, TestKey};
use crate::config::Config;
use crate::crypto::Sealer;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Two nodes on one store, and a keypair.
struct Nodes {
    nodes: [TestApp; 2],
    key: TestKey,
}

impl Nodes {
    async fn start(settings: Config) -> Self {
        let first = TestApp::start_with(settings).await;
        let account = first.account("Account").await;
        let key = first.key(account, "feedback-report:read").await;
        let second = first.another_node().await;
        Self { nodes: [first, second], key }
    }

    /// Lets time pass. Nodes hear of what happened all the time.
    async fn pass(&self, time: Duration) {
        self.nodes[0].pass(time);
        self.hear().await;
    }

    async fn hear(&self) {
        for node in &self.nodes {
            node.app.live.catch_up().await.unwrap();
        }
    }

    async fn rotate(&self, when: When) {
        let app = &self.nodes[0].app;
        app.signing_keys.rotate(&app.own_stamp(), when, &*app.entropy).await.unwrap();
        self.hear().await;
    }

    /// What every node does each hour, here at the same time.
    async fn keep_up(&self) {
        let each = async |node: &TestApp| {
            let app = &node.app;
            let days = app.config.signing_key_days;
            app.signing_keys.keep_up(&app.own_stamp(), days, &*app.entropy).await.unwrap();
        };
        let [first, second] = &self.nodes;
        tokio::join!(each(first), each(second));
        self.hear().await;
    }

    /// A token from each node.
    async fn tokens(&self) -> [String; 2] {
        let [first, second] = &self.nodes;
        [first.exchange(&self.key, "").await, second.exchange(&self.key, "").await]
    }

    /// The `kid` that both nodes sign with.
    async fn signs(&self) -> Value {
        let [first, second] = self.tokens().await.map(|token| kid(&token));
        assert_eq!(first, second, "nodes agree");
        first
    }

    /// The `kid`s that both nodes publish.
    async fn published(&self) -> Vec<Value> {
        let mut published = Vec::new();
        for node in &self.nodes {
            let keys = node.get("", "/oauth2/jwks").await.json()["keys"].as_array().unwrap().clone();
            published.push(keys.iter().map(|key| key["kid"].clone()).collect::<Vec<_>>());
        }
        assert_eq!(published[0], published[1], "nodes agree");
        published.remove(0)
    }

    async fn assert_each_answers(&self, tokens: &[String], status: u16) {
        for node in &self.nodes {
            for token in tokens {
                let answer = node.get(token, "/v1/access").await;
                assert_eq!(answer.status, status, "{}", answer.text);
            }
        }
    }
}

fn kid(token: &str) -> Value {
    use base64::Engine;
    let header = token.split('.').next().unwrap();
    let header = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(header).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].clone()
}

#[tokio::test]
async fn every_token_is_good_until_it_expires_while_keys_come_and_go() {
    let lifetime = u32::try_from(DAY.as_secs()).unwrap();
    let nodes = Nodes::start(Config { token_lifetime: lifetime, ..Config::default() }).await;
    let first = nodes.signs().await;
    assert_eq!(nodes.published().await, from_ref(&first), "a first key signs at once");
    let before = nodes.tokens().await;

    nodes.rotate(When::Published).await;
    let published = nodes.published().await;
    assert_eq!((published.len(), &published[0]), (2, &first));
    let second = published[1].clone();
    assert_eq!(nodes.signs().await, first, "the next key is published, and does not sign yet");
    nodes.pass(MINUTE * 10 - Duration::from_secs(1)).await;
    assert_eq!(nodes.signs().await, first);
    // What the key that goes signs last is what it is published longest for.
    let last = nodes.tokens().await;
    assert_eq!(kid(&last[0]), first);
    nodes.pass(Duration::from_secs(1)).await;
    assert_eq!(nodes.signs().await, second);
    let after = nodes.tokens().await;

    for _ in 0..24 {
        nodes.assert_each_answers(&after, 200).await;
        nodes.assert_each_answers(&last, 200).await;
        nodes.keep_up().await;
        assert_eq!(nodes.published().await, [first.clone(), second.clone()], "retired, and published");
        nodes.pass(HOUR - MINUTE).await;
    }
    nodes.pass(MINUTE * 14).await;
    nodes.assert_each_answers(&before, 401).await;
    nodes.assert_each_answers(&last, 200).await;
    nodes.pass(MINUTE * 10).await;
    nodes.assert_each_answers(&last, 401).await;
    nodes.keep_up().await;
    assert_eq!(nodes.published().await.len(), 2, "some node's clock may be behind");
    nodes.pass(MINUTE * 10).await;
    nodes.keep_up().await;
    assert_eq!(nodes.published().await, from_ref(&second), "removed once nothing needs it");
    assert_eq!(nodes.signs().await, second);
    nodes.assert_each_answers(&nodes.tokens().await, 200).await;
}

#[tokio::test]
async fn in_an_emergency_every_token_from_before_stops() {
    let nodes = Nodes::start(Config::default()).await;
    nodes.rotate(When::Published).await;
    nodes.pass(MINUTE * 10).await;
    nodes.rotate(When::Published).await;
    let before = nodes.tokens().await;
    nodes.assert_each_answers(&before, 200).await;
    assert_eq!(nodes.published().await.len(), 3, "retired, signing and next");

    nodes.rotate(When::Now).await;
    nodes.assert_each_answers(&before, 401).await;
    let published = nodes.published().await;
    assert_eq!(published.len(), 1);
    assert_eq!(nodes.signs().await, published[0]);
    nodes.assert_each_answers(&nodes.tokens().await, 200).await;
    nodes.rotate(When::Published).await;
    assert_eq!(nodes.signs().await, published[0], "until the next was published for long enough");
}

#[tokio::test]
async fn a_node_that_hears_nothing_refuses_the_tokens_of_a_removed_key_too() {
    let nodes = Nodes::start(Config::default()).await;
    let before = nodes.tokens().await;
    nodes.assert_each_answers(&before, 200).await;
    let [first, second] = &nodes.nodes;
    let app = &first.app;
    app.signing_keys.rotate(&app.own_stamp(), When::Now, &*app.entropy).await.unwrap();
    first.app.live.catch_up().await.unwrap();
    assert_eq!(first.get(&before[0], "/v1/access").await.status, 401);
    // Longer than what a node remembers counts without a reading of the feed.
    second.pass(Duration::from_millis(800));
    assert_eq!(second.get(&before[0], "/v1/access").await.status, 401);
    let new = second.exchange(&nodes.key, "").await;
    assert_eq!(first.get(&new, "/v1/access").await.status, 200, "nor does it sign with it");
    assert_eq!(second.get(&new, "/v1/access").await.status, 200);

    second.app.store.close().await;
    second.pass(Duration::from_millis(800));
    assert_eq!(second.get(&new, "/v1/access").await.status, 503, "what it can't ask it does not trust");
}

#[tokio::test]
async fn a_key_is_made_by_the_day_and_once() {
    let nodes = Nodes::start(Config { signing_key_days: 30, ..Config::default() }).await;
    nodes.pass(DAY * 30 - HOUR).await;
    nodes.keep_up().await;
    assert_eq!(nodes.published().await.len(), 1);
    nodes.pass(HOUR).await;
    nodes.keep_up().await;
    nodes.keep_up().await;
    assert_eq!(nodes.published().await.len(), 2, "one for both nodes, and for whoever asks again");

    let never = Nodes::start(Config { signing_key_days: 0, ..Config::default() }).await;
    never.pass(DAY * 9999).await;
    never.keep_up().await;
    assert_eq!(never.published().await.len(), 1);
}

#[tokio::test]
async fn another_algorithm_comes_with_a_key_of_its_own_and_stays() {
    let nodes = Nodes::start(Config::default()).await;
    let first = nodes.signs().await;
    let app = &nodes.nodes[1].app;
    for _ in 0..2 {
        app.signing_keys.adopt(Algorithm::EdDsa, &app.own_stamp(), &*app.entropy).await.unwrap();
    }
    nodes.hear().await;
    assert_eq!(nodes.published().await.len(), 2);
    assert_eq!(nodes.signs().await, first, "of the algorithm from before, meanwhile");
    nodes.pass(MINUTE * 10).await;
    nodes.rotate(When::Published).await;
    let keys = nodes.nodes[0].app.store.signing_keys().await.unwrap();
    let algorithms: Vec<_> = keys.iter().map(|key| key.algorithm.as_str()).collect();
    assert_eq!(algorithms, ["ES256", "EdDSA", "EdDSA"]);
    assert_eq!(nodes.signs().await, keys[1].kid.as_str());
}

/// What a node does whose master key was replaced under it.
#[tokio::test]
async fn with_an_old_master_key_a_node_goes_on_and_adds_nothing() {
    let nodes = Nodes::start(Config::default()).await;
    let [first, second] = &nodes.nodes;
    let (old, new) = (&first.app.sealer, Sealer::new(&[9; 32]));
    let entropy = &*first.app.entropy;
    let anew = |name: &str, sealed: &[u8]| Some(new.seal(name, &old.open(name, sealed).ok()?, entropy));
    first.app.store.reseal(&first.app.own_stamp(), &anew).await.unwrap();
    nodes.hear().await;
    let before = nodes.tokens().await;
    nodes.assert_each_answers(&before, 200).await;
    let added = first.app.signing_keys.rotate(&first.app.own_stamp(), When::Now, entropy).await;
    assert!(matches!(added, Err(SigningKeyError::Sealed { .. })));
    assert_eq!(nodes.published().await.len(), 1);

    // A node that was started anew with the new one makes the next key.
    let (store, stamp) = (second.app.store.clone(), second.app.own_stamp());
    let renewed = SigningKeys::open(store, new.clone(), Algorithm::Es256, &stamp, entropy).await.unwrap();
    renewed.rotate(&second.app.own_stamp(), When::Published, entropy).await.unwrap();
    nodes.pass(MINUTE * 10).await;
    nodes.assert_each_answers(&before, 200).await;
    nodes.assert_each_answers(&nodes.tokens().await, 200).await;
    assert_eq!(first.app.store.signing_keys().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_node_that_can_open_none_of_the_signing_keys_is_not_ready() {
    let nodes = Nodes::start(Config::default()).await;
    let [first, second] = &nodes.nodes;
    let ready = async || {
        let answer = first.get("", "/readyz").await;
        (answer.status.as_u16(), answer.text)
    };
    assert_eq!(ready().await, (200, "ready\n".to_owned()));
    let (old, new) = (&first.app.sealer, Sealer::new(&[9; 32]));
    let entropy = &*first.app.entropy;
    let anew = |name: &str, sealed: &[u8]| Some(new.seal(name, &old.open(name, sealed).ok()?, entropy));
    first.app.store.reseal(&first.app.own_stamp(), &anew).await.unwrap();
    nodes.hear().await;
    assert_eq!(ready().await.0, 200, "those that it knows still sign");

    let (store, stamp) = (second.app.store.clone(), second.app.own_stamp());
    let renewed = SigningKeys::open(store, new.clone(), Algorithm::Es256, &stamp, entropy).await.unwrap();
    renewed.rotate(&second.app.own_stamp(), When::Now, entropy).await.unwrap();
    nodes.hear().await;
    let (status, why) = ready().await;
    assert_eq!(status, 503);
    assert!(why.contains("signing keys") && why.contains("master key"), "{why}");
}
