//! Applications that act in people's names: what the token endpoint gives them, and what stops it.

mod access_tokens;
mod codes;
mod ends_of_grants;
mod failures;
mod grant_types;
mod refresh_tokens;

use axum::body::Body;
use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use domain::{
    AccountId, Actor, Application, AuthorizationCode, ClientId, CodeChallenge, Email, EnvironmentId, Grant,
    Owner, PasswordHash, Role, Scopes, SignedDuration, Stamp, User, new_id,
};
use serde_json::Value;
use storage::Session;

use super::authorization_code;
use crate::api::test_harness::{Answer, REDIRECT_URI, TestApp};
use crate::app::Author;

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
