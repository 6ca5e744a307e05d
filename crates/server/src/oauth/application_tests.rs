//! Applications that act in people's names: what the token endpoint gives them, and what stops it.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::{
    AccountId, Actor, AllowedAddresses, Application, AuthorizationCode, Client, ClientId, CodeChallenge,
    Comment, Email, EnvironmentId, Grant, NewKeypair, Owner, PasswordHash, Role, Scope, Scopes,
    SignedDuration, Stamp, TokenBinding, User, new_id,
};
use serde_json::{Value, json};
use storage::Session;

use super::access_token::{Scheme, worth_something};
use super::authorization_code;
use super::token_basis::Basis;
use crate::api::error::ApiError;
use crate::api::test_harness::{Answer, ISSUER, REDIRECT_URI, TestApp};
use crate::app::Author;
use crate::config::Config;
use crate::keypairs;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const ADMIN: &str = "feedback-report:read feedback-queries:create feedback-responses:create feedback-admin \
     feedback-account-admin";

/// An account with two environments, an application, and a person who administers all of it.
struct World {
    server: TestApp,
    account: AccountId,
    environment: EnvironmentId,
    sibling: EnvironmentId,
    application: Application,
    user: User,
}

/// What the token endpoint gave.
struct Given {
    access: String,
    refresh: String,
    answer: Value,
}

impl Given {
    fn read(answer: &Answer) -> Self {
        let answer = answer.expect(200);
        let text = |name: &str| answer[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token"), answer: answer.clone() }
    }
}

impl World {
    async fn start() -> Self {
        let server = TestApp::start().await;
        let account = server.account("Acme").await;
        let environment = server.environment(account, "Production").await;
        let sibling = server.environment(account, "Staging").await;
        let application = server.application(account).await;
        let user = Self::person(&server, "person@example.com").await;
        let world = Self { server, account, environment, sibling, application, user };
        // Somebody has to stay.
        let other = Self::person(&world.server, "other@example.com").await;
        world.grant(&other, account, Role::Administrator).await;
        world.grant(&world.user, account, Role::Administrator).await;
        world
    }

    async fn person(server: &TestApp, email: &str) -> User {
        let now = server.now();
        let user = User {
            id: new_id(now, &*server.app.entropy),
            email: Email::new(email).unwrap(),
            created_at: now,
        };
        let stamp = server.app.stamp(&Author { actor: Actor::Operator, address: None, standing: None }, now);
        let hash = PasswordHash::from_phc("$argon2id$of-nothing".to_owned());
        server.app.store.create_user(&stamp, &user, &hash).await.unwrap();
        user
    }

    fn operator(&self) -> Stamp {
        self.server
            .app
            .stamp(&Author { actor: Actor::Operator, address: None, standing: None }, self.server.now())
    }

    async fn grant(&self, user: &User, on: impl Into<Owner>, role: Role) {
        let grant = Grant { on: on.into(), role };
        self.server.app.store.grant_role(&self.operator(), user.id, grant).await.unwrap();
    }

    async fn ungrant(&self, user: &User, on: impl Into<Owner>) {
        self.server.app.store.revoke_role(&self.operator(), user.id, on.into()).await.unwrap();
    }

    fn client(&self) -> ClientId {
        ClientId::Application(self.application.id)
    }

    /// A code that the person allowed, with these scopes on this owner.
    async fn code(&self, owner: impl Into<Owner>, scopes: &str) -> String {
        self.code_for(&self.user, self.client(), owner, scopes).await
    }

    async fn code_for(&self, user: &User, client: ClientId, owner: impl Into<Owner>, scopes: &str) -> String {
        let code = authorization_code::generate(&self.server.app);
        let stored = AuthorizationCode {
            hash: authorization_code::hash(&code),
            client,
            redirect_uri: REDIRECT_URI.to_owned(),
            challenge: CodeChallenge::of(VERIFIER),
            user: user.id,
            owner: owner.into(),
            scopes: scopes.parse::<Scopes>().unwrap(),
            narrowed_to: None,
            created_at: self.server.now(),
        };
        let session = Session {
            token: self.server.app.entropy.bytes(),
            user: user.id,
            created_at: stored.created_at,
            expires_at: stored.created_at + SignedDuration::from_secs(1),
        };
        let (_, hash) = self.server.app.store.user_by_email(&user.email).await.unwrap();
        self.server.app.store.create_session(&session, &hash).await.unwrap();
        self.server.app.store.put_code(&stored, &session.token).await.unwrap();
        code
    }

    async fn token(&self, form: &str) -> Answer {
        self.send(super::TOKEN_PATH, form, &[]).await
    }

    async fn send(&self, path: &str, form: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.server.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    fn exchange(&self, code: &str) -> String {
        format!(
            "grant_type=authorization_code&code={code}&redirect_uri={REDIRECT_URI}&code_verifier={VERIFIER}&client_id={}",
            self.application.id
        )
    }

    fn refresh(&self, token: &str) -> String {
        format!("grant_type=refresh_token&refresh_token={token}&client_id={}", self.application.id)
    }

    /// What the application has once the person let it act on the owner.
    async fn given(&self, owner: impl Into<Owner>, scopes: &str) -> Given {
        let code = self.code(owner, scopes).await;
        Given::read(&self.token(&self.exchange(&code)).await)
    }

    async fn refuses(&self, token: &str) {
        assert_eq!(self.server.get(token, "/v1/access").await.problem(401), "invalid_token");
    }

    async fn serves(&self, token: &str) -> Value {
        self.server.get(token, "/v1/access").await.expect(200)
    }

    #[track_caller]
    fn refused(answer: &Answer, error: &str) -> String {
        let status = if error == "invalid_client" { 401 } else { 400 };
        let body = answer.expect(status);
        assert_eq!(body["error"], error, "{body}");
        assert_eq!(answer.header("cache-control"), "no-store");
        body["error_description"].as_str().unwrap().to_owned()
    }
}

fn part(jwt: &str, n: usize) -> Value {
    let encoded = jwt.split('.').nth(n).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
}

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
    World::refused(&world.send(super::TOKEN_PATH, &without, &basic).await, "invalid_client");
    let key = world.server.key(world.account, "feedback-report:read").await;
    for form in [without.clone(), "grant_type=refresh_token&refresh_token=x".to_owned()] {
        let answer = world.server.post_form(&key, super::TOKEN_PATH, form, &[]).await;
        World::refused(&answer, "unauthorized_client");
    }
    world.server.pass(Duration::from_secs(50));
    Given::read(&world.token(&right).await);

    let late = world.exchange(&world.code(world.account, ADMIN).await);
    world.server.pass(Duration::from_secs(60));
    World::refused(&world.token(&late).await, "invalid_grant");
}

#[tokio::test]
async fn a_code_or_refresh_token_that_comes_once_more_ends_all_that_it_gave() {
    let world = World::start().await;
    let code = world.code(world.account, ADMIN).await;
    let given = Given::read(&world.token(&world.exchange(&code)).await);
    world.serves(&given.access).await;
    World::refused(&world.token(&world.exchange(&code)).await, "invalid_grant");
    world.refuses(&given.access).await;
    World::refused(&world.token(&world.refresh(&given.refresh)).await, "invalid_grant");

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
async fn an_application_gives_up_what_it_was_granted() {
    let world = World::start().await;
    let revoke = async |client: &str, token: &str| {
        let form = format!("token={token}&client_id={client}");
        let answer = world.send(super::REVOCATION_PATH, &form, &[]).await;
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
    World::refused(
        &world.send(super::REVOCATION_PATH, &format!("client_id={own}"), &[]).await,
        "invalid_request",
    );
    let with_secret = format!("token={}&client_id={own}&client_secret=x", given.access);
    World::refused(&world.send(super::REVOCATION_PATH, &with_secret, &[]).await, "invalid_client");
    let key = world.server.key(world.account, "feedback-report:read").await;
    let given = world.given(world.account, ADMIN).await;
    for token in [&given.access, &given.refresh] {
        world.server.post_form(&key, super::REVOCATION_PATH, format!("token={token}"), &[]).await.expect(200);
    }
    world.serves(&given.access).await;
}

#[tokio::test]
async fn a_resource_server_is_told_of_a_persons_token_and_a_keypair_is_not() {
    let world = World::start().await;
    let key = world.server.key(world.account, "feedback-report:read").await;
    let given = world.given(world.account, "feedback-report:read feedback-admin").await;
    let ask = async |node: &TestApp, token: &str| {
        node.post_form(&key, super::INTROSPECTION_PATH, format!("token={token}"), &[]).await.expect(200)
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
        world.send(super::REVOCATION_PATH, &form, &[]).await
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
    for _ in 0..3 {
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

#[tokio::test]
async fn an_application_hears_which_grants_are_not_for_it() {
    let world = World::start().await;
    for client in [world.application.id.to_string(), "feedback-cli".to_owned()] {
        let ask = async |grant: &str| world.token(&format!("grant_type={grant}&client_id={client}")).await;
        World::refused(&ask("password").await, "unsupported_grant_type");
        let said = World::refused(&ask("client_credentials").await, "unauthorized_client");
        assert!(said.contains("authorization_code"), "{said}");
    }
    let key = world.server.key(world.account, "feedback-report:read").await.keypair.id;
    for nobody in ["app_00000000000000000000000000", &key.to_string()] {
        for grant in ["password", "client_credentials"] {
            let form = format!("grant_type={grant}&client_id={nobody}");
            World::refused(&world.token(&form).await, "invalid_client");
        }
    }
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
async fn the_metadata_says_all_that_an_application_needs() {
    let server = TestApp::start().await;
    let metadata = server.get("", super::METADATA_PATH).await.expect(200);
    assert_eq!(metadata["authorization_endpoint"], format!("{ISSUER}/oauth2/authorize"));
    assert_eq!(metadata["response_types_supported"], json!(["code"]));
    assert_eq!(
        metadata["grant_types_supported"],
        json!(["client_credentials", "authorization_code", "refresh_token"])
    );
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    assert!(metadata["token_endpoint_auth_methods_supported"].as_array().unwrap().contains(&json!("none")));
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
