//! A program that was stopped, at a node that has not heard of it and still lets it in: it changes nothing there.

use domain::{AccountId, EnvironmentId, KeypairEdit, OldSecrets, Scope, TokenBinding, VerifyingKey};
use serde_json::{Value, json};

use super::test_harness::{Answer, TestApp, TestKey};
use crate::app::Author;
use crate::keypairs as acts;
use crate::signing::When;

const PUBLIC_KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// What ends a token, or takes from it what a change needs.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Disable,
    DisableAndEnable,
    DeleteSecret,
    RetireSecret,
    RefuseSecrets,
    RequireBinding,
    TakeScopes,
    Revoke,
    Remove,
    ReplaceSigningKeys,
}

const STOPS: [Stop; 10] = [
    Stop::Disable,
    Stop::DisableAndEnable,
    Stop::DeleteSecret,
    Stop::RetireSecret,
    Stop::RefuseSecrets,
    Stop::RequireBinding,
    Stop::TakeScopes,
    Stop::Revoke,
    Stop::Remove,
    Stop::ReplaceSigningKeys,
];

struct World {
    here: TestApp,
    account: AccountId,
    environment: EnvironmentId,
    key: TestKey,
    token: String,
    target: TestKey,
}

impl World {
    async fn new() -> Self {
        let here = TestApp::start().await;
        let account = here.account("Acme").await;
        let environment = here.environment(account, "Production").await;
        let all: Vec<_> = Scope::ALL.iter().map(|scope| scope.name()).collect();
        let key = here.key(account, &all.join(" ")).await;
        let target = here.key(environment, "feedback-report:read").await;
        let token = here.exchange(&key, "").await;
        Self { here, account, environment, key, token, target }
    }

    /// A node that knows the keypair, and hears of nothing that happens from now on.
    async fn deaf(&self) -> TestApp {
        let deaf = self.here.another_node().await;
        deaf.get(&self.token, "/v1/access").await.expect(200);
        deaf
    }

    async fn edit(&self, edit: KeypairEdit) {
        let (operator, keypair) = (operator(), &self.key.keypair);
        let edited =
            acts::edit(&self.here.app, &operator, keypair.owner, keypair.id, &edit, None, None).await;
        edited.unwrap();
    }

    async fn stop(&self, how: Stop) {
        let (app, author, id, owner) =
            (&self.here.app, operator(), self.key.keypair.id, self.key.keypair.owner);
        let switched = |enabled| KeypairEdit { enabled: Some(enabled), ..KeypairEdit::default() };
        match how {
            Stop::Disable => self.edit(switched(false)).await,
            Stop::DisableAndEnable => {
                self.edit(switched(false)).await;
                self.edit(switched(true)).await;
            }
            Stop::DeleteSecret => {
                acts::rotate(app, &author, owner, id, OldSecrets::Stay, None, None).await.unwrap();
                acts::delete_secret(app, &author, owner, id, 1, None).await.unwrap();
            }
            Stop::RetireSecret => {
                let at_once = OldSecrets::EndAfter(jiff::SignedDuration::ZERO);
                acts::rotate(app, &author, owner, id, at_once, None, None).await.unwrap();
            }
            Stop::RefuseSecrets => {
                let key = (VerifyingKey::from_text(PUBLIC_KEY, None).unwrap(), None);
                acts::add_public_key(app, &author, owner, id, key, None, None).await.unwrap();
                self.edit(KeypairEdit { accepts_secrets: Some(false), ..KeypairEdit::default() }).await;
            }
            Stop::RequireBinding => {
                let token_binding = Some(TokenBinding::Mtls);
                self.edit(KeypairEdit { token_binding, ..KeypairEdit::default() }).await;
            }
            Stop::TakeScopes => {
                let scopes = Some(Scope::ResponsesCreate.into());
                self.edit(KeypairEdit { scopes, ..KeypairEdit::default() }).await;
            }
            Stop::Revoke => {
                let form = format!("token={}", self.token);
                self.here.post_form(&self.key, "/oauth2/revoke", form, &[]).await.expect(200);
            }
            Stop::Remove => acts::remove(app, &author, owner, id, None).await.unwrap(),
            Stop::ReplaceSigningKeys => {
                let stamp = app.stamp(&author, self.here.now());
                app.signing_keys.rotate(&stamp, When::Now, &*app.entropy).await.unwrap();
            }
        }
    }

    /// Changes that each need another scope or verb of the store: method, path, body and the scope.
    fn changes(&self) -> [(&'static str, String, Value, &'static str); 6] {
        let environment = format!("/v1/environments/{}", self.environment);
        let target = format!("{environment}/api-keys/{}", self.target.keypair.id);
        let scopes = json!({"scopes": ["feedback-responses:create"]});
        [
            ("POST", "/v1/environments".to_owned(), json!({"name": "Another"}), "feedback-account-admin"),
            (
                "POST",
                format!("/v1/accounts/{}/api-keys", self.account),
                scopes.clone(),
                "feedback-account-admin",
            ),
            ("POST", format!("{environment}/api-keys"), scopes, "feedback-admin"),
            ("PATCH", target.clone(), json!({"comment": "taken over"}), "feedback-admin"),
            ("POST", format!("{target}/secrets"), json!({}), "feedback-admin"),
            (
                "POST",
                format!("{environment}/queries"),
                json!({"title": "T", "question": "Q?"}),
                "feedback-queries:create",
            ),
        ]
    }

    async fn lines(&self) -> i64 {
        self.here.app.store.last_sequence().await.unwrap()
    }
}

fn operator() -> Author {
    Author { actor: domain::Actor::Operator, address: None, standing: None }
}

/// The code of a refusal, which comes with the challenge that the door would give.
fn refused(answer: &Answer, lost: Option<&str>) {
    let challenge = answer.header("www-authenticate");
    match lost {
        None => {
            assert_eq!(answer.problem(401), "invalid_token");
            assert!(challenge.ends_with("error=\"invalid_token\""), "{challenge}");
        }
        Some(scope) => {
            assert_eq!(answer.problem(403), "insufficient_scope");
            assert!(
                challenge.contains("error=\"insufficient_scope\"") && challenge.contains(scope),
                "{challenge}"
            );
        }
    }
}

#[tokio::test]
async fn a_stopped_program_changes_nothing_where_that_was_not_heard() {
    for how in STOPS {
        let world = World::new().await;
        let mut deaf = Vec::new();
        for change in world.changes() {
            // Each hears of everything once it answered a request that may change something.
            deaf.push((world.deaf().await, change));
        }
        world.stop(how).await;
        let before = world.lines().await;
        for (node, (method, path, body, scope)) in deaf {
            let answer = node.call(&world.token, method, &path, body).await;
            let lost = matches!(how, Stop::TakeScopes).then_some(scope);
            refused(&answer, lost);
            assert_eq!(world.lines().await, before, "{how:?}: {method} {path}");
        }
    }
}

#[tokio::test]
async fn what_a_program_has_lost_it_hands_on_nowhere() {
    let world = World::new().await;
    let keys = format!("/v1/environments/{}/api-keys", world.environment);
    let target = format!("{keys}/{}", world.target.keypair.id);
    let stopped = world.here.key(world.environment, "feedback-report:read").await.keypair;
    let disable = KeypairEdit { enabled: Some(false), ..KeypairEdit::default() };
    acts::edit(&world.here.app, &operator(), stopped.owner, stopped.id, &disable, None, None).await.unwrap();
    let stopped = format!("{keys}/{}", stopped.id);
    let [creating, rotating, enabling, disabling, another] =
        [world.deaf().await, world.deaf().await, world.deaf().await, world.deaf().await, world.deaf().await];
    let scopes: Vec<_> = Scope::ALL.into_iter().filter(|scope| *scope != Scope::ReportRead).collect();
    world.edit(KeypairEdit { scopes: Some(scopes.into_iter().collect()), ..KeypairEdit::default() }).await;
    let before = world.lines().await;
    let lost = Some("feedback-report:read");
    let new = json!({"scopes": ["feedback-report:read"]});
    refused(&creating.call(&world.token, "POST", &keys, new).await, lost);
    refused(&rotating.call(&world.token, "POST", &format!("{target}/secrets"), json!({})).await, lost);
    refused(&enabling.call(&world.token, "PATCH", &stopped, json!({"enabled": true})).await, lost);
    assert_eq!(world.lines().await, before);
    // What rests on no lost scope is done.
    disabling.call(&world.token, "PATCH", &target, json!({"enabled": false})).await.expect(200);
    let new = json!({"scopes": ["feedback-responses:create"]});
    another.call(&world.token, "POST", &keys, new).await.expect(201);
}

#[tokio::test]
async fn a_secret_that_was_deleted_revokes_nothing_where_that_was_not_heard() {
    let world = World::new().await;
    let (app, id, owner) = (&world.here.app, world.key.keypair.id, world.key.keypair.owner);
    let (_, second) = acts::rotate(app, &operator(), owner, id, OldSecrets::Stay, None, None).await.unwrap();
    app.live.catch_up().await.unwrap();
    let token = world.here.exchange_secret(&id.to_string(), second.reveal(), "").await;
    let deaf = world.deaf().await;
    acts::delete_secret(app, &operator(), owner, id, 1, None).await.unwrap();
    let before = world.lines().await;
    let answer = deaf.post_form(&world.key, "/oauth2/revoke", format!("token={token}"), &[]).await;
    assert_eq!(answer.expect(401)["error"], "invalid_client");
    assert_eq!(world.lines().await, before);
    world.here.get(&token, "/v1/access").await.expect(200);
}
