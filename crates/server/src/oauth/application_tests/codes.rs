//! What a code is worth at the token endpoint, to whom, and once.

use std::time::Duration;

use axum::http::header::AUTHORIZATION;
use domain::Actor;
use serde_json::json;

use super::{ADMIN, Given, VERIFIER, World};
use crate::api::test_harness::{ISSUER, REDIRECT_URI};
use crate::oauth::TOKEN_PATH;
use crate::oauth::test_jwt::part;

#[tokio::test]
async fn a_code_gives_a_token_that_acts_for_the_person() {
    let world = World::start().await;
    let given = world.given(world.account, "feedback-report:read feedback-queries:create").await;
    let answer = &given.answer;
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!(answer["scope"], "feedback-report:read feedback-queries:create");
    let claims = part(&given.access, 1);
    assert_eq!(part(&given.access, 0)["typ"], "at+jwt");
    assert_eq!(claims["sub"], world.user.id.to_string());
    assert_eq!(claims["client_id"], world.application.id.to_string());
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!(format!("{ISSUER}/v1"))));
    assert_eq!(claims["owner"], world.account.to_string());
    assert!(claims["gen"].is_null() && claims["sec"].is_null());
    assert!(claims["grant"].as_str().unwrap().starts_with("gra_"));
    let environments = json!([
        {"id": world.environment.to_string(), "name": "Production", "account_id": world.account.to_string()},
        {"id": world.sibling.to_string(), "name": "Staging", "account_id": world.account.to_string()},
    ]);
    let mut access = world.serves(&given.access).await;
    assert!(access.as_object_mut().unwrap().remove("expires_at").is_some());
    assert_eq!(
        access,
        json!({
            "key_id": null,
            "user_id": world.user.id.to_string(),
            "client_id": world.application.id.to_string(),
            "owner": {"type": "account", "id": world.account.to_string()},
            "scopes": ["feedback-report:read", "feedback-queries:create"],
            "environments": environments,
        })
    );
    let path = format!("/v1/environments/{}/queries", world.environment);
    let query = json!({"title": "Checkout", "question": "How was it?"});
    world.server.call(&given.access, "POST", &path, query).await.expect(201);
    let line =
        world.server.app.store.audit_events(world.environment.into(), None, 1).await.unwrap().remove(0);
    let person = Actor::User(world.user.id, world.user.email.to_string());
    assert_eq!((line.action.as_str(), line.stamp.actor), ("query.created", person));
    world.server.pass(Duration::from_secs(900));
    world.refuses(&given.access).await;
}

#[tokio::test]
async fn a_code_is_refused_to_everybody_but_whoever_asked_for_it() {
    let world = World::start().await;
    let other = world.server.application(world.account).await.id.to_string();
    let code = world.code(world.account, ADMIN).await;
    let right = world.exchange(&code);
    let own = world.application.id.to_string();
    let mut said = Vec::new();
    for wrong in [
        right.replace(VERIFIER, &VERIFIER.replace('d', "e")),
        right.replace(VERIFIER, "short"),
        right.replace(REDIRECT_URI, "http://127.0.0.1/callback"),
        right.replace(&own, &other),
        right.replace(&own, "feedback-cli"),
        right.replace(&code, "nonsense"),
    ] {
        said.push(World::refused(&world.token(&wrong).await, "invalid_grant"));
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    for (name, value) in [
        ("code", code.as_str()),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
        ("client_id", &own),
    ] {
        let said = World::refused(
            &world.token(&right.replace(&format!("&{name}={value}"), "")).await,
            "invalid_request",
        );
        assert!(said.contains(&format!("'{name}' is missing")), "{said}");
        let twice = format!("{right}&{name}={value}");
        World::refused(&world.token(&twice).await, "invalid_request");
    }
    let removed = world.server.application(world.account).await;
    world.server.app.store.remove_application(&world.operator(), removed.owner, removed.id).await.unwrap();
    for nobody in [removed.id.to_string(), "key_01jdaaaaaaaaaaaaaaaaaaaaaa".to_owned(), "x".to_owned()] {
        World::refused(&world.token(&right.replace(&own, &nobody)).await, "invalid_client");
    }
    // An application has nothing to authenticate with, and a keypair has no use for a code.
    World::refused(&world.token(&format!("{right}&client_secret=x")).await, "invalid_client");
    World::refused(&world.token(&format!("{right}&client_assertion=x")).await, "invalid_request");
    let basic = [(AUTHORIZATION.as_str(), "Basic eDp5")];
    let without = right.replace(&format!("&client_id={own}"), "");
    World::refused(&world.send(TOKEN_PATH, &without, &basic).await, "invalid_client");
    let key = world.server.key(world.account, "feedback-report:read").await;
    for form in [without.clone(), "grant_type=refresh_token&refresh_token=x".to_owned()] {
        let answer = world.server.post_form(&key, TOKEN_PATH, form, &[]).await;
        World::refused(&answer, "unauthorized_client");
    }
    world.server.pass(Duration::from_secs(50));
    Given::read(&world.token(&right).await);

    let late = world.exchange(&world.code(world.account, ADMIN).await);
    world.server.pass(Duration::from_secs(60));
    World::refused(&world.token(&late).await, "invalid_grant");
}

#[tokio::test]
async fn a_code_that_comes_once_more_ends_all_that_it_gave() {
    let world = World::start().await;
    let code = world.code(world.account, ADMIN).await;
    let given = Given::read(&world.token(&world.exchange(&code)).await);
    world.serves(&given.access).await;
    World::refused(&world.token(&world.exchange(&code)).await, "invalid_grant");
    world.refuses(&given.access).await;
    World::refused(&world.token(&world.refresh(&given.refresh)).await, "invalid_grant");
}
