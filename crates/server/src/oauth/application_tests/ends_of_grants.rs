//! What stops a grant, with all that it gave.

use domain::{
    Actor, AllowedAddresses, ClientId, Comment, NewKeypair, PasswordHash, Role, Scope, TokenBinding,
};
use serde_json::json;

use super::{ADMIN, Given, World};
use crate::api::error::ApiError;
use crate::api::test_harness::ISSUER;
use crate::app::Author;
use crate::keypairs;
use crate::oauth::REVOCATION_PATH;
use crate::oauth::access_token::{Scheme, worth_something};
use crate::oauth::test_jwt::part;
use crate::oauth::token_basis::Basis;

#[tokio::test]
async fn what_the_person_may_no_longer_do_the_token_may_not_either() {
    let world = World::start().await;
    let given = world.given(world.account, ADMIN).await;
    let scopes = async || world.serves(&given.access).await["scopes"].clone();
    assert_eq!(scopes().await.as_array().unwrap().len(), 5);
    world.grant(&world.user, world.account, Role::Author).await;
    assert_eq!(scopes().await, json!(["feedback-report:read", "feedback-queries:create"]));
    let keys = format!("/v1/environments/{}/api-keys", world.environment);
    assert_eq!(world.server.get(&given.access, &keys).await.problem(403), "insufficient_scope");
    let next = Given::read(&world.token(&world.refresh(&given.refresh)).await);
    assert_eq!(next.answer["scope"], "feedback-report:read feedback-queries:create");
    let lost = format!("{}&scope=feedback-admin", world.refresh(&next.refresh));
    World::refused(&world.token(&lost).await, "invalid_scope");
    world.ungrant(&world.user, world.account).await;
    world.refuses(&given.access).await;
    world.refuses(&next.access).await;
    World::refused(&world.token(&world.refresh(&next.refresh)).await, "invalid_grant");
    world.grant(&world.user, world.account, Role::Author).await;
    world.refuses(&next.access).await;

    let code = world.code(world.environment, "feedback-report:read").await;
    world.ungrant(&world.user, world.account).await;
    World::refused(&world.token(&world.exchange(&code)).await, "invalid_grant");
}

#[tokio::test]
async fn whatever_the_grant_rests_on_stops_it_with_the_next_request() {
    let world = World::start().await;
    let store = &world.server.app.store;
    for what in ["revoked", "password", "environment"] {
        let given = world.given(world.environment, "feedback-report:read").await;
        let another = world.server.another_node().await;
        for node in [&world.server, &another] {
            node.get(&given.access, "/v1/access").await.expect(200);
        }
        let grant = part(&given.access, 1)["grant"].as_str().unwrap().parse().unwrap();
        match what {
            "revoked" => store.revoke_grant(&world.operator(), world.user.id, grant).await.unwrap(),
            "password" => {
                let hash = PasswordHash::from_phc("$argon2id$of-another".to_owned());
                store.set_password(&world.operator(), world.user.id, &hash).await.unwrap();
            }
            _ => world.server.close_environment(world.environment).await,
        }
        // Also on a node that has heard of nothing.
        for node in [&world.server, &another] {
            assert_eq!(node.get(&given.access, "/v1/access").await.problem(401), "invalid_token", "{what}");
        }
        World::refused(&world.token(&world.refresh(&given.refresh)).await, "invalid_grant");
    }
    let given = world.given(world.account, ADMIN).await;
    let application = &world.application;
    store.remove_application(&world.operator(), application.owner, application.id).await.unwrap();
    world.refuses(&given.access).await;
    World::refused(&world.token(&world.refresh(&given.refresh)).await, "invalid_client");
    let code = world.code_for(&world.user, ClientId::CommandLine, world.account, ADMIN).await;
    let own = world.application.id.to_string();
    let by_command_line = world.exchange(&code).replace(&own, "feedback-cli");
    let given = Given::read(&world.token(&by_command_line).await);
    world.serves(&given.access).await;
    store.remove_user(&world.operator(), world.user.id).await.unwrap();
    world.refuses(&given.access).await;
}

#[tokio::test]
async fn an_application_gives_up_what_it_was_granted() {
    let world = World::start().await;
    let revoke = async |client: &str, token: &str| {
        let form = format!("token={token}&client_id={client}");
        let answer = world.send(REVOCATION_PATH, &form, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
    };
    let (own, other) =
        (world.application.id.to_string(), world.server.application(world.account).await.id.to_string());
    let first = world.given(world.account, ADMIN).await;
    let second = Given::read(&world.token(&world.refresh(&first.refresh)).await);
    for nothing in [first.refresh.as_str(), &second.access, "nonsense"] {
        revoke(&other, nothing).await;
    }
    revoke(&own, "nonsense").await;
    world.serves(&second.access).await;
    let before = world.server.app.store.last_sequence().await.unwrap();
    revoke(&own, &first.refresh).await;
    world.refuses(&second.access).await;
    World::refused(&world.token(&world.refresh(&second.refresh)).await, "invalid_grant");
    revoke(&own, &second.refresh).await;
    let lines = world.server.app.store.events_after(before, 9).await.unwrap();
    let person = Actor::User(world.user.id, world.user.email.to_string());
    assert_eq!(lines.len(), 1);
    assert_eq!((lines[0].action.as_str(), &lines[0].stamp.actor), ("grant.revoked", &person));
    assert_eq!(lines[0].stamp.client, Some(world.client()));

    let given = world.given(world.account, ADMIN).await;
    revoke(&own, &given.access).await;
    world.refuses(&given.access).await;

    // By a token that is worth nothing by itself: the environment that it was narrowed to is closed.
    let whole = world.given(world.account, ADMIN).await;
    let narrow =
        format!("{}&resource={ISSUER}/v1/environments/{}", world.refresh(&whole.refresh), world.sibling);
    let narrow = Given::read(&world.token(&narrow).await);
    world.server.close_environment(world.sibling).await;
    world.refuses(&narrow.access).await;
    world.serves(&whole.access).await;
    revoke(&own, &narrow.access).await;
    world.refuses(&whole.access).await;
    World::refused(&world.token(&world.refresh(&narrow.refresh)).await, "invalid_grant");

    World::refused(&world.send(REVOCATION_PATH, &format!("client_id={own}"), &[]).await, "invalid_request");
    let with_secret = format!("token={}&client_id={own}&client_secret=x", given.access);
    World::refused(&world.send(REVOCATION_PATH, &with_secret, &[]).await, "invalid_client");
    let key = world.server.key(world.account, "feedback-report:read").await;
    let given = world.given(world.account, ADMIN).await;
    for token in [&given.access, &given.refresh] {
        world.server.post_form(&key, REVOCATION_PATH, format!("token={token}"), &[]).await.expect(200);
    }
    world.serves(&given.access).await;
}

#[tokio::test]
async fn a_grant_that_ends_after_the_door_makes_no_change() {
    let world = World::start().await;
    let app = &world.server.app;
    let new = || NewKeypair {
        owner: world.account.into(),
        comment: Comment::new("").unwrap(),
        scopes: Scope::ReportRead.into(),
        expires_at: None,
        token_binding: TokenBinding::None,
        allowed_addresses: AllowedAddresses::default(),
    };
    let all = "feedback-report:read feedback-account-admin";
    for by_password in [false, true] {
        let given = world.given(world.account, all).await;
        let verified =
            worth_something(app, &given.access, |_| true, world.server.now()).await.unwrap().unwrap();
        let standing = Some(verified.standing(Scope::AccountAdmin.into()));
        let author = Author { actor: verified.actor(), address: None, standing };
        keypairs::create(app, &author, new(), None).await.unwrap();
        let stamp = world.operator();
        if by_password {
            let hash = PasswordHash::from_phc("$argon2id$of-another".to_owned());
            app.store.set_password(&stamp, world.user.id, &hash).await.unwrap();
        } else {
            let Basis::Grant(claims, _) = &verified.basis else { panic!("a person's") };
            app.store.revoke_grant(&stamp, world.user.id, claims.grant).await.unwrap();
        }
        let before = app.store.last_sequence().await.unwrap();
        let refused = keypairs::create(app, &author, new(), None).await.unwrap_err();
        assert!(matches!(ApiError::from(refused), ApiError::InvalidToken(Scheme::Bearer)));
        assert_eq!(app.store.last_sequence().await.unwrap(), before);
    }
}
