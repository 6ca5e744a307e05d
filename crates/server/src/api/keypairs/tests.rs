//! Keypairs over the API: what a program may do to them, and what that does to tokens.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{AccountId, EnvironmentId};
use serde_json::{Value, json};

use crate::api::test_harness::{TestApp, TestKey};

pub(super) struct World {
    pub(super) test: TestApp,
    pub(super) account: AccountId,
    pub(super) environment: EnvironmentId,
    /// Of a keypair of the environment with `feedback-admin feedback-report:read`.
    pub(super) admin: String,
    pub(super) admin_key: TestKey,
}

pub(super) async fn world() -> World {
    let test = TestApp::start().await;
    let account = test.account("Acme").await;
    let environment = test.environment(account, "Production").await;
    let admin_key = test.key(environment, "feedback-admin feedback-report:read").await;
    let admin = test.exchange(&admin_key, "").await;
    World { test, account, environment, admin, admin_key }
}

impl World {
    pub(super) fn keys(&self) -> String {
        format!("/v1/environments/{}/api-keys", self.environment)
    }
}

#[tokio::test]
async fn a_keypair_is_created_and_its_secret_shown_once() {
    let world = world().await;
    let new = json!({
        "comment": "<b>export</b>", "scopes": ["feedback-report:read"], "expires_at": "2026-04-01T00:00:00+00:00",
    });
    let created = world.test.call(&world.admin, "POST", &world.keys(), new).await;
    let mut body = created.expect(201);
    let id = body["id"].as_str().unwrap().to_owned();
    let secret = body.as_object_mut().unwrap().remove("secret").unwrap();
    let secret = secret.as_str().unwrap();
    assert!(secret.starts_with("fbs_") && secret.len() == 53);
    let address = format!("{}/{id}", world.keys());
    assert_eq!((created.header("location"), created.header("etag")), (address.as_str(), "\"1\""));
    assert_eq!(created.header("cache-control"), "no-store");
    assert_eq!(
        body,
        json!({
            "id": id,
            "owner": {"type": "environment", "id": world.environment.to_string()},
            "comment": "<b>export</b>",
            "scopes": ["feedback-report:read"],
            "enabled": true,
            "status": "active",
            "expires_at": "2026-04-01T00:00:00Z",
            "created_at": world.test.now(),
            "created_by": world.admin_key.keypair.id.to_string(),
            "last_used_at": null,
            "secrets": [{
                "n": 1, "hint": &secret[49..], "created_at": world.test.now(), "expires_at": null, "last_used_at": null,
                "leaked_at": null, "retire_when_idle_seconds": null,
            }],
            "accepts_secrets": true,
            "token_binding": "none",
            "allowed_addresses": [],
            "public_keys": [],
        })
    );
    let shown = world.test.get(&world.admin, &address).await;
    assert_eq!(shown.expect(200), body);
    let listed = world.test.get(&world.admin, &world.keys()).await.expect(200);
    assert_eq!(listed["items"][0], body, "the newest first");
    assert!(!listed.to_string().contains("fbs_"));
    let token = world.test.exchange_secret(&id, secret, "").await;
    world.test.get(&token, "/v1/access").await.expect(200);
    let log =
        world.test.get(&world.admin, &format!("/v1/environments/{}/audit-events", world.environment)).await;
    assert!(!log.text.contains(secret));
}

#[tokio::test]
async fn no_program_hands_on_what_it_lacks() {
    let world = world().await;
    let test = &world.test;
    let mightier =
        test.key(world.environment, "feedback-responses:create feedback-report:read").await.keypair.id;
    let path = format!("{}/{mightier}", world.keys());
    let beyond = async |method: &str, path: &str, body: Value| {
        let answer = test.call(&world.admin, method, path, body).await;
        assert_eq!(answer.problem(403), "insufficient_scope");
        assert!(answer.header("www-authenticate").ends_with("scope=\"feedback-responses:create\""));
        assert!(answer.json()["detail"].as_str().unwrap().contains("`feedback-responses:create`"));
    };
    beyond("POST", &world.keys(), json!({"scopes": ["feedback-report:read", "feedback-responses:create"]}))
        .await;
    beyond("POST", &format!("{path}/secrets"), Value::Null).await;

    // It may stop the keypair and take scopes from it, but not let it work again or longer.
    test.call(&world.admin, "PATCH", &path, json!({"enabled": false})).await.expect(200);
    beyond("PATCH", &path, json!({"enabled": true})).await;
    let own = test.key(world.environment, "feedback-report:read").await.keypair.id;
    let own = format!("{}/{own}", world.keys());
    beyond("PATCH", &own, json!({"scopes": ["feedback-report:read", "feedback-responses:create"]})).await;
    let soon = test.key(world.environment, "feedback-responses:create").await.keypair.id;
    let soon = format!("{}/{soon}", world.keys());
    test.call(&world.admin, "PATCH", &soon, json!({"expires_at": "2026-03-16T00:00:00Z"})).await.expect(200);
    beyond("PATCH", &soon, json!({"expires_at": null})).await;
    beyond("PATCH", &soon, json!({"expires_at": "2026-03-17T00:00:00Z"})).await;
    test.call(&world.admin, "PATCH", &soon, json!({"expires_at": "2026-03-15T12:00:00Z"})).await.expect(200);

    let narrower = json!({"scopes": ["feedback-report:read"], "enabled": true});
    test.call(&world.admin, "PATCH", &path, narrower).await.expect(200);
    test.call(&world.admin, "DELETE", &path, Value::Null).await.expect(204);
}

#[tokio::test]
async fn an_accounts_own_keypairs_are_for_account_administrators() {
    let world = world().await;
    let test = &world.test;
    let account = format!("/v1/accounts/{}/api-keys", world.account);
    assert_eq!(test.get(&world.admin, &account).await.problem(403), "insufficient_scope");
    let token = test.token(world.account, "feedback-account-admin feedback-report:read").await;
    let new = json!({"scopes": ["feedback-account-admin"]});
    let created = test.call(&token, "POST", &account, new).await.expect(201);
    assert_eq!(created["owner"], json!({"type": "account", "id": world.account.to_string()}));
    let more = test.call(&token, "POST", &account, json!({"scopes": ["feedback-admin"]})).await;
    assert_eq!(more.problem(403), "insufficient_scope");
    let listed = test.get(&token, &account).await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2, "the environment's are apart");
    let id = created["id"].as_str().unwrap();
    test.call(&token, "DELETE", &format!("{account}/{id}"), Value::Null).await.expect(204);
    assert_eq!(test.get(&token, &format!("{account}/{id}")).await.problem(404), "not_found");
}

#[tokio::test]
async fn disabling_ends_tokens_and_enabling_does_not_revive_them() {
    let world = world().await;
    let test = &world.test;
    let key = test.key(world.environment, "feedback-report:read").await;
    let path = format!("{}/{}", world.keys(), key.keypair.id);
    let token = test.exchange(&key, "").await;
    let disabled = test.call(&world.admin, "PATCH", &path, json!({"enabled": false})).await.expect(200);
    assert_eq!((&disabled["enabled"], &disabled["status"]), (&json!(false), &json!("disabled")));
    assert_eq!(test.get(&token, "/v1/access").await.problem(401), "invalid_token");
    test.call(&world.admin, "PATCH", &path, json!({"enabled": true})).await.expect(200);
    assert_eq!(test.get(&token, "/v1/access").await.problem(401), "invalid_token");
    let fresh = test.exchange(&key, "").await;
    test.get(&fresh, "/v1/access").await.expect(200);
    test.call(&world.admin, "DELETE", &path, Value::Null).await.expect(204);
    assert_eq!(test.get(&fresh, "/v1/access").await.problem(401), "invalid_token");
}

#[tokio::test]
async fn a_narrowed_keypair_takes_the_scope_from_its_tokens() {
    let world = world().await;
    let test = &world.test;
    let key = test.key(world.environment, "feedback-report:read feedback-queries:create").await;
    let token = test.exchange(&key, "").await;
    let path = format!("{}/{}", world.keys(), key.keypair.id);
    test.call(&world.admin, "PATCH", &path, json!({"scopes": ["feedback-report:read"]})).await.expect(200);
    let queries = format!("/v1/environments/{}/queries", world.environment);
    let create = test.call(&token, "POST", &queries, json!({"title": "a", "question": "b"})).await;
    assert_eq!(create.problem(403), "insufficient_scope");
    test.get(&token, &queries).await.expect(200);
    assert_eq!(test.get(&token, "/v1/access").await.expect(200)["scopes"], json!(["feedback-report:read"]));
}

#[tokio::test]
async fn expiry_tells_null_from_absent() {
    let world = world().await;
    let test = &world.test;
    let key = test.key(world.environment, "feedback-report:read").await;
    let path = format!("{}/{}", world.keys(), key.keypair.id);
    let edit = async |body: Value| test.call(&world.admin, "PATCH", &path, body).await.expect(200);
    assert_eq!(
        edit(json!({"expires_at": "2026-03-15T11:00:00Z"})).await["expires_at"],
        "2026-03-15T11:00:00Z"
    );
    assert_eq!(edit(json!({"comment": "x"})).await["expires_at"], "2026-03-15T11:00:00Z");
    test.pass(Duration::from_secs(3500));
    assert_eq!(edit(json!({"expires_at": null})).await["expires_at"], Value::Null);
    edit(json!({"expires_at": "2026-03-15T11:00:00Z"})).await;
    test.pass(Duration::from_secs(200));
    let admin = test.exchange(&world.admin_key, "").await;
    assert_eq!(test.get(&admin, &path).await.expect(200)["status"], "expired");
}

#[tokio::test]
async fn rotation_overlaps_as_long_as_is_said() {
    let world = world().await;
    let test = &world.test;
    let key = test.key(world.environment, "feedback-report:read").await;
    let id = key.keypair.id.to_string();
    let path = format!("{}/{id}", world.keys());
    let old = test.exchange(&key, "").await;

    let rotated = test.call(&world.admin, "POST", &format!("{path}/secrets"), Value::Null).await.expect(201);
    let second = rotated["secret"].as_str().unwrap();
    assert_eq!(rotated["secrets"][1]["n"], 2);
    assert_eq!(rotated["secrets"][0]["expires_at"], Value::Null, "the old one works until it is deleted");
    let new = test.exchange_secret(&id, second, "").await;
    for token in [&old, &new] {
        test.get(token, "/v1/access").await.expect(200);
    }

    let deleted =
        test.call(&world.admin, "DELETE", &format!("{path}/secrets/1"), Value::Null).await.expect(200);
    assert_eq!(deleted["secrets"].as_array().unwrap().len(), 1);
    assert_eq!(test.get(&old, "/v1/access").await.problem(401), "invalid_token");
    test.get(&new, "/v1/access").await.expect(200);
    let last = test.call(&world.admin, "DELETE", &format!("{path}/secrets/2"), Value::Null).await;
    assert_eq!(last.problem(409), "last_secret");
    for n in ["1", "0", "-1", "x", "99999999999"] {
        let answer = test.call(&world.admin, "DELETE", &format!("{path}/secrets/{n}"), Value::Null).await;
        assert_eq!(answer.problem(404), "not_found", "{n}");
    }

    let overlap = json!({"overlap_seconds": 60});
    let third = test.call(&world.admin, "POST", &format!("{path}/secrets"), overlap).await.expect(201);
    assert_eq!(third["secrets"][0]["expires_at"], json!(test.now() + jiff::SignedDuration::from_secs(60)));
    test.get(&new, "/v1/access").await.expect(200);
    test.pass(Duration::from_secs(61));
    assert_eq!(test.get(&new, "/v1/access").await.problem(401), "invalid_token");

    let newest = test.exchange_secret(&id, third["secret"].as_str().unwrap(), "").await;
    test.call(&world.admin, "POST", &format!("{path}/secrets"), json!({"overlap_seconds": 0}))
        .await
        .expect(201);
    assert_eq!(test.get(&newest, "/v1/access").await.problem(401), "invalid_token");
    for bad in [json!(-1), json!(604_801)] {
        let body = json!({"overlap_seconds": bad});
        let answer = test.call(&world.admin, "POST", &format!("{path}/secrets"), body).await;
        assert_eq!(answer.errors(), ["overlap_seconds: the overlap must be from 0 seconds to 7 days"]);
    }
}

#[tokio::test]
async fn secrets_are_bounded_and_edits_take_if_match() {
    let world = world().await;
    let test = &world.test;
    let key = test.key(world.environment, "feedback-report:read").await.keypair.id;
    let path = format!("{}/{key}", world.keys());
    for _ in 2..=5 {
        test.call(&world.admin, "POST", &format!("{path}/secrets"), Value::Null).await.expect(201);
    }
    let sixth = test.call(&world.admin, "POST", &format!("{path}/secrets"), Value::Null).await;
    assert_eq!(sixth.problem(409), "too_many_secrets");

    let tag = test.get(&world.admin, &path).await.header("etag").to_owned();
    assert_eq!(tag, "\"5\"");
    let with_tag = async |method: &str, path: &str, body: Value, tag: &str| {
        test.call_with(&world.admin, method, path, body, &[("if-match", tag)]).await
    };
    with_tag("PATCH", &path, json!({"comment": "x"}), &tag).await.expect(200);
    for (method, path, body) in [
        ("PATCH", path.clone(), json!({"comment": "y"})),
        ("POST", format!("{path}/secrets"), Value::Null),
        ("DELETE", format!("{path}/secrets/1"), Value::Null),
        ("DELETE", path.clone(), Value::Null),
    ] {
        assert_eq!(
            with_tag(method, &path, body, &tag).await.problem(412),
            "precondition_failed",
            "{method} {path}"
        );
    }
    with_tag("DELETE", &path, Value::Null, "\"6\"").await.expect(204);
}

#[tokio::test]
async fn the_audit_log_tells_who_did_what_newest_first() {
    let world = world().await;
    let test = &world.test;
    let key = test.key(world.environment, "feedback-report:read").await.keypair.id;
    test.call(&world.admin, "PATCH", &format!("{}/{key}", world.keys()), json!({"enabled": false}))
        .await
        .expect(200);
    let path = format!("/v1/environments/{}/audit-events", world.environment);
    let log = test.get(&world.admin, &format!("{path}?limit=1")).await.expect(200);
    let event = &log["items"][0];
    let admin = world.admin_key.keypair.id.to_string();
    assert_eq!(event["action"], "keypair.disabled");
    assert_eq!(event["actor"], json!({"type": "keypair", "id": admin, "name": admin}));
    assert_eq!(event["address"], "192.0.2.7");
    assert_eq!(event["object"], json!({"type": "keypair", "id": key.to_string()}));
    assert_eq!(event["owner"], json!({"type": "environment", "id": world.environment.to_string()}));
    assert_eq!((&event["before"]["enabled"], &event["after"]["enabled"]), (&json!(true), &json!(false)));
    let mut names: Vec<_> = event.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort();
    assert_eq!(
        names,
        ["action", "actor", "address", "after", "at", "before", "id", "object", "owner"],
        "and nothing that tells how much others do"
    );
    let cursor = log["next_cursor"].as_str().unwrap();
    assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(cursor).unwrap(), event["id"].as_str().unwrap().as_bytes());
    let next = test.get(&world.admin, &format!("{path}?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!(next["items"][0]["action"], "keypair.created");
}
