//! What the access tokens reach, and what others are told of them.

use domain::{Client, Role};
use serde_json::{Value, json};

use super::{ADMIN, World};
use crate::api::test_harness::{ISSUER, TestApp};
use crate::config::Config;
use crate::oauth::INTROSPECTION_PATH;
use crate::oauth::test_jwt::part;

#[tokio::test]
async fn a_token_reaches_what_was_granted_and_nothing_of_another_customer() {
    let world = World::start().await;
    let server = &world.server;
    let strangers = server.account("Other").await;
    let elsewhere = server.environment(strangers, "Elsewhere").await;
    let stranger = World::person(server, "stranger@example.com").await;
    world.grant(&stranger, strangers, Role::Administrator).await;
    let of_environment = world.given(world.environment, "feedback-report:read feedback-admin").await;
    let nowhere = server.get(&of_environment.access, "/v1/environments/env_01jx1m2q6fe8gtvdb2v3cx2xkq").await;
    let expected = nowhere.expect(404)["detail"].clone();
    for path in [
        format!("/v1/environments/{}", world.sibling),
        format!("/v1/environments/{elsewhere}"),
        format!("/v1/accounts/{}", world.account),
        format!("/v1/accounts/{strangers}"),
    ] {
        assert_eq!(server.get(&of_environment.access, &path).await.expect(404)["detail"], expected, "{path}");
    }
    // A person of another customer's, who has no role here, gives nothing here.
    let code = world.code_for(&stranger, world.client(), world.account, ADMIN).await;
    World::refused(&world.token(&world.exchange(&code)).await, "invalid_grant");
    assert!(!Client::Application(world.application.clone()).may_act_at(domain::Place::Account(strangers)));
    let keys = format!("/v1/environments/{}/api-keys", world.environment);
    let made = json!({"scopes": ["feedback-report:read"]});
    server.call(&of_environment.access, "POST", &keys, made).await.expect(201);
    let more = json!({"scopes": ["feedback-queries:create"]});
    let refused = server.call(&of_environment.access, "POST", &keys, more).await;
    assert_eq!(refused.status.as_u16(), 403, "no token hands on what it lacks: {}", refused.text);
}

#[tokio::test]
async fn a_resource_server_is_told_of_a_persons_token_and_a_keypair_is_not() {
    let world = World::start().await;
    let key = world.server.key(world.account, "feedback-report:read").await;
    let given = world.given(world.account, "feedback-report:read feedback-admin").await;
    let ask = async |node: &TestApp, token: &str| {
        node.post_form(&key, INTROSPECTION_PATH, format!("token={token}"), &[]).await.expect(200)
    };
    assert_eq!(ask(&world.server, &given.access).await, json!({"active": false}));
    let node =
        world.server.another(Config { resource_servers: vec![key.keypair.id], ..Config::default() }).await;
    let claims = part(&given.access, 1);
    let mut expected = json!({
        "active": true, "scope": "feedback-report:read feedback-admin", "token_type": "Bearer",
        "sub": world.user.id.to_string(), "client_id": world.application.id.to_string(),
        "iss": ISSUER, "aud": format!("{ISSUER}/v1"), "owner": world.account.to_string(),
        "exp": claims["exp"], "iat": claims["iat"], "jti": claims["jti"],
    });
    assert_eq!(ask(&node, &given.access).await, expected);
    world.grant(&world.user, world.account, Role::Reader).await;
    expected["scope"] = json!("feedback-report:read");
    assert_eq!(ask(&node, &given.access).await, expected);
    world.ungrant(&world.user, world.account).await;
    assert_eq!(ask(&node, &given.access).await, json!({"active": false}));
    assert_eq!(ask(&node, &given.refresh).await, json!({"active": false}));
}

#[tokio::test]
async fn claims_that_do_not_fit_together_are_no_token() {
    let world = World::start().await;
    let given = world.given(world.account, ADMIN).await;
    let key = world.server.key(world.account, "feedback-report:read").await;
    let of_key = part(&world.server.exchange(&key, "").await, 1);
    let claims = part(&given.access, 1);
    let sign = async |claims: &Value| {
        world.server.app.signing_keys.sign(&world.server.app.live, claims, world.server.now()).await.unwrap()
    };
    world.serves(&sign(&claims).await).await;
    let other = World::person(&world.server, "second@example.com").await;
    for (name, value) in [
        ("sub", json!(other.id.to_string())),
        ("sub", claims["client_id"].clone()),
        ("client_id", json!("feedback-cli")),
        ("client_id", claims["sub"].clone()),
        ("owner", json!(world.environment.to_string())),
        ("grant", json!("gra_01jx1m2q6fe8gtvdb2v3cx2xkq")),
        ("grant", Value::Null),
        ("gen", of_key["gen"].clone()),
        ("sec", of_key["sec"].clone()),
        ("cnf", json!({"jkt": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"})),
    ] {
        let mut wrong = claims.clone();
        wrong[name] = value.clone();
        assert_eq!(
            world.server.get(&sign(&wrong).await, "/v1/access").await.problem(401),
            "invalid_token",
            "{name} {value}"
        );
    }
    let mut both = of_key.clone();
    both["grant"] = claims["grant"].clone();
    world.refuses(&sign(&both).await).await;
}

#[tokio::test]
async fn what_can_not_be_asked_of_the_store_is_not_trusted() {
    let world = World::start().await;
    let given = world.given(world.account, ADMIN).await;
    world.serves(&given.access).await;
    world.server.app.store.close().await;
    assert_eq!(world.server.get(&given.access, "/v1/access").await.problem(503), "unavailable");
    let answer = world.token(&world.refresh(&given.refresh)).await;
    assert_eq!(answer.expect(503)["error"], "temporarily_unavailable");
}

#[tokio::test]
async fn the_log_names_the_application_beside_the_person() {
    let world = World::start().await;
    let by_person = world.given(world.account, ADMIN).await.access;
    let key = world.server.key(world.account, ADMIN).await;
    let by_program = world.server.exchange(&key, "").await;
    let keys = format!("/v1/accounts/{}/api-keys", world.account);
    for token in [&by_person, &by_program] {
        let new = json!({"scopes": ["feedback-report:read"]});
        world.server.call(token, "POST", &keys, new).await.expect(201);
    }
    let log = format!("/v1/accounts/{}/audit-events?limit=2", world.account);
    let lines = world.server.get(&by_program, &log).await.expect(200)["items"].clone();
    let (person, program) = (world.user.id.to_string(), key.keypair.id.to_string());
    assert_eq!(lines[0]["actor"], json!({"type": "keypair", "id": program, "name": program}));
    assert_eq!(
        lines[1]["actor"],
        json!({"type": "user", "id": person, "name": person, "client_id": world.application.id.to_string()})
    );
}
