//! What a refresh token is worth at the token endpoint, and once.

use std::time::Duration;

use domain::Actor;

use super::{ADMIN, Given, World};
use crate::api::test_harness::ISSUER;

#[tokio::test]
async fn a_refresh_token_gives_no_more_than_was_granted_and_a_refused_one_is_not_used_up() {
    let world = World::start().await;
    let given = world.given(world.account, "feedback-report:read feedback-admin").await;
    let right = world.refresh(&given.refresh);
    let said = World::refused(
        &world.token(&format!("{right}&scope=feedback-report:read+feedback-queries:create")).await,
        "invalid_scope",
    );
    assert!(said.contains("feedback-queries:create"), "{said}");
    World::refused(&world.token(&format!("{right}&scope=nonsense")).await, "invalid_scope");
    let elsewhere = world.server.environment(world.server.account("Other").await, "Elsewhere").await;
    for target in [
        format!("{ISSUER}/v1/environments/{elsewhere}"),
        format!("{ISSUER}/v1/environments/env_01jx1m2q6fe8gtvdb2v3cx2xkq"),
        "https://other.example".to_owned(),
    ] {
        World::refused(&world.token(&format!("{right}&resource={target}")).await, "invalid_target");
    }
    let other = world.server.application(world.account).await.id.to_string();
    let own = world.application.id.to_string();
    World::refused(&world.token(&right.replace(&own, &other)).await, "invalid_grant");
    for nonsense in ["", "nonsense", &given.refresh[..52], &given.refresh.replace("fbr_", "fbs_")] {
        let answer = world.token(&world.refresh(nonsense)).await;
        World::refused(&answer, if nonsense.is_empty() { "invalid_request" } else { "invalid_grant" });
    }

    let narrow =
        format!("{right}&scope=feedback-report:read&resource={ISSUER}/v1/environments/{}", world.environment);
    let narrow = Given::read(&world.token(&narrow).await);
    assert_eq!(narrow.answer["scope"], "feedback-report:read");
    let access = world.serves(&narrow.access).await;
    assert_eq!(access["environments"].as_array().unwrap().len(), 1);
    let sibling = format!("/v1/environments/{}", world.sibling);
    assert_eq!(world.server.get(&narrow.access, &sibling).await.problem(404), "not_found");
    let whole = Given::read(&world.token(&world.refresh(&narrow.refresh)).await);
    assert_eq!(whole.answer["scope"], "feedback-report:read feedback-admin");
    world.server.pass(Duration::from_secs(30 * 24 * 3600));
    World::refused(&world.token(&world.refresh(&whole.refresh)).await, "invalid_grant");
}

#[tokio::test]
async fn a_refresh_token_that_comes_once_more_ends_all_that_came_of_its_grant() {
    let world = World::start().await;
    let first = world.given(world.account, ADMIN).await;
    let second = Given::read(&world.token(&world.refresh(&first.refresh)).await);
    assert_ne!(first.refresh, second.refresh);
    world.serves(&first.access).await;
    world.serves(&second.access).await;
    World::refused(&world.token(&world.refresh(&first.refresh)).await, "invalid_grant");
    world.refuses(&first.access).await;
    world.refuses(&second.access).await;
    World::refused(&world.token(&world.refresh(&second.refresh)).await, "invalid_grant");
    let last = world.server.app.store.audit_events(world.account.into(), None, 1).await.unwrap().remove(0);
    assert_eq!((last.action.as_str(), last.stamp.actor), ("grant.reused", Actor::Anonymous));
}
