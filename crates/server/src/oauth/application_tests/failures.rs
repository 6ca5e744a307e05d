//! What the failures of others cost.

use std::time::Duration;

use super::{ADMIN, Given, World};
use crate::api::test_harness::Answer;
use crate::oauth::REVOCATION_PATH;

#[tokio::test]
async fn failures_of_others_cost_nobody_a_code_a_refresh_token_or_a_revocation() {
    let world = World::start().await;
    let given = world.given(world.account, ADMIN).await;
    let last = world.given(world.environment, ADMIN).await;
    let code = world.code(world.account, ADMIN).await;
    for n in 0..30 {
        let form = if n % 2 == 0 { world.exchange("nonsense") } else { world.refresh("nonsense") };
        World::refused(&world.token(&form).await, "invalid_grant");
    }
    let waits = |answer: &Answer| {
        assert_eq!(answer.expect(429)["error"], "temporarily_unavailable");
        assert_eq!(answer.header("retry-after"), "60");
    };
    let revocation = async |token: &str| {
        let form = format!("token={token}&client_id={}", world.application.id);
        world.send(REVOCATION_PATH, &form, &[]).await
    };
    waits(&world.token(&world.exchange("nonsense")).await);
    waits(&world.token(&world.refresh("nonsense")).await);
    waits(&revocation("nonsense").await);
    let next = Given::read(&world.token(&world.refresh(&given.refresh)).await);
    // Used before: there is nothing to wait for.
    World::refused(&world.token(&world.refresh(&given.refresh)).await, "invalid_grant");
    world.refuses(&next.access).await;
    let by_code = Given::read(&world.token(&world.exchange(&code)).await);
    assert_eq!(revocation(&by_code.refresh).await.status.as_u16(), 200);
    world.refuses(&by_code.access).await;
    // So often in a second the store is asked, and no more; what it is not asked for stays as it is.
    let code = world.code(world.account, ADMIN).await;
    for _ in 0..93 {
        waits(&world.token(&world.refresh("nonsense")).await);
    }
    for _ in 0..2 {
        waits(&world.token(&world.exchange(&code)).await);
        waits(&world.token(&world.refresh(&last.refresh)).await);
        waits(&revocation(&last.access).await);
    }
    world.serves(&last.access).await;
    world.server.pass(Duration::from_secs(1));
    Given::read(&world.token(&world.exchange(&code)).await);
    let last = Given::read(&world.token(&world.refresh(&last.refresh)).await);
    assert_eq!(revocation(&last.access).await.status.as_u16(), 200);
    world.refuses(&last.access).await;
    world.server.pass(Duration::from_secs(60));
    World::refused(&world.token(&world.refresh("nonsense")).await, "invalid_grant");
}
