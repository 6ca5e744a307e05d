//! Every state in which a keypair, what it authenticates with, or a token is worth nothing × every way of showing it ×
//! every endpoint that takes it. The endpoints come from the router and from the OpenAPI document: a new one is in the
//! matrix by itself, or fails it.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::{AccountId, Actor, EnvironmentId, Owner, Scope};
use serde_json::{Value, json};

use super::client_assertion::ASSERTION_TYPE;
use super::test_jwt::part;
use super::test_signer::Signer;
use crate::api::test_harness::{Answer, ISSUER, TestApp, TestKey};
use crate::app::Author;
use crate::config::Config;
use crate::retirement::Watch;
use crate::signing::When;

const UNKNOWN: &str = "key_01jdaaaaaaaaaaaaaaaaaaaaaa";
const ENVIRONMENT_SCOPES: &str =
    "feedback-report:read feedback-queries:create feedback-responses:create feedback-admin";

macro_rules! states {
    ($($name:ident,)*) => {
        /// Why something is worth nothing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        enum State {
            $($name,)*
        }

        impl State {
            const ALL: &[Self] = &[$(Self::$name),*];
        }
    };
}

states! {
    Active,
    NeverExisted,
    WrongSecret,
    Disabled,
    Expired,
    Removed,
    EnvironmentClosed,
    AccountClosed,
    AccountOfEnvironmentClosed,
    SecretDeleted,
    SecretRunOut,
    SecretRetired,
    SecretIdle,
    SecretsNotAccepted,
    PublicKeyDeleted,
    PublicKeyRunOut,
    TokenRevoked,
    GenerationOutlived,
    ScopeTakenAway,
    UsedFromElsewhere,
    TokenExpired,
    SigningKeyRemoved,
}

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Basic,
    Form,
    Assertion,
    TokenOfSecret,
    TokenOfPublicKey,
}

use State::*;
use Way::*;

const CREDENTIALS: [Way; 3] = [Basic, Form, Assertion];
const TOKENS: [Way; 2] = [TokenOfSecret, TokenOfPublicKey];
/// Those that come to more than one keypair, and are judged apart.
const APART: [State; 2] = [TokenExpired, SigningKeyRemoved];

impl State {
    /// The ways that are refused in this state. All others are served.
    fn refuses(self) -> &'static [Way] {
        match self {
            Active | ScopeTakenAway => &[],
            NeverExisted
            | WrongSecret
            | Disabled
            | Expired
            | Removed
            | EnvironmentClosed
            | AccountClosed
            | AccountOfEnvironmentClosed
            | UsedFromElsewhere => &[Basic, Form, Assertion, TokenOfSecret, TokenOfPublicKey],
            SecretDeleted | SecretRunOut | SecretRetired | SecretIdle | SecretsNotAccepted => {
                &[Basic, Form, TokenOfSecret]
            }
            PublicKeyDeleted | PublicKeyRunOut => &[Assertion, TokenOfPublicKey],
            TokenRevoked | GenerationOutlived | TokenExpired | SigningKeyRemoved => &TOKENS,
        }
    }
}

/// A keypair in one state, with what it once obtained.
struct Subject {
    state: State,
    account: AccountId,
    environment: EnvironmentId,
    query: String,
    /// As its holder has it, or somebody who never had it.
    id: String,
    secret: String,
    signer: Signer,
    tokens: [String; 2],
}

struct World {
    server: TestApp,
    /// May ask about every token.
    asks: TestKey,
    jtis: std::cell::Cell<u32>,
}

impl World {
    async fn start() -> Self {
        let first = TestApp::start().await;
        let account = first.account("Resource servers").await;
        let asks = first.key(account, "feedback-report:read").await;
        let server =
            first.another(Config { resource_servers: vec![asks.keypair.id], ..Config::default() }).await;
        Self { server, asks, jtis: std::cell::Cell::new(0) }
    }

    fn operator(&self) -> domain::Stamp {
        self.server
            .app
            .stamp(&Author { actor: Actor::Operator, address: None, standing: None }, self.server.now())
    }

    fn assertion(&self, id: &str, signer: &Signer) -> String {
        self.jtis.set(self.jtis.get() + 1);
        let exp = self.server.now().as_second() + 60;
        let jti = format!("jti {}", self.jtis.get());
        signer.signed(&signer.header(), &json!({"iss": id, "sub": id, "aud": ISSUER, "exp": exp, "jti": jti}))
    }

    /// Shows the subject's credentials to an endpoint.
    async fn show(&self, subject: &Subject, way: Way, path: &str, form: &str) -> Answer {
        let Subject { id, secret, signer, .. } = subject;
        let mut request = Request::post(path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let credentials = match way {
            Basic => {
                let credentials = BASE64_STANDARD.encode(format!("{id}:{secret}"));
                request = request.header(AUTHORIZATION, format!("Basic {credentials}"));
                String::new()
            }
            Form => format!("&client_id={id}&client_secret={secret}"),
            Assertion => format!(
                "&client_assertion_type={ASSERTION_TYPE}&client_assertion={}",
                self.assertion(id, signer)
            ),
            TokenOfSecret | TokenOfPublicKey => panic!("no way for a client"),
        };
        self.server.send(request.body(Body::from(format!("{form}{credentials}"))).unwrap()).await
    }

    /// A keypair that works, with two tokens, brought into the state as people bring it there.
    async fn subject(&self, state: State) -> Subject {
        let server = &self.server;
        let account = server.account("Acme").await;
        let environment = server.environment(account, "Production").await;
        let query = server.query(environment, "Checkout").await.id.to_string();
        let all = Scope::ALL.map(Scope::name).join(" ");
        let owner: Owner = match state {
            EnvironmentClosed | AccountOfEnvironmentClosed => environment.into(),
            _ => account.into(),
        };
        let scopes = if owner == account.into() { all.as_str() } else { ENVIRONMENT_SCOPES };
        let key = server.key(owner, scopes).await;
        let id = key.keypair.id.to_string();
        let admin = server.token(account, &all).await;
        let place = if owner == account.into() { "accounts" } else { "environments" };
        let path = format!("/v1/{place}/{owner}/api-keys/{id}");
        let call = async |method: &str, path: &str, body: Value| {
            let answer = server.call(&admin, method, path, body).await;
            assert!(answer.status.is_success(), "{state:?}: {}", answer.text);
            if answer.text.is_empty() { Value::Null } else { answer.json() }
        };

        let signer = Signer::es256();
        let soon = (server.now() + Duration::from_secs(60)).to_string();
        let expires_at = if state == PublicKeyRunOut { json!(soon) } else { Value::Null };
        let mut registered = json!({"jwk": signer.jwk()});
        if !expires_at.is_null() {
            registered["expires_at"] = expires_at;
        }
        call("POST", &format!("{path}/public-keys"), registered).await;
        let mut subject = Subject {
            state,
            account,
            environment,
            query,
            id,
            secret: key.secret.clone(),
            signer,
            tokens: [server.exchange(&key, "").await, String::new()],
        };
        let grant = "grant_type=client_credentials";
        let answer = self.show(&subject, Assertion, super::TOKEN_PATH, grant).await.expect(200);
        subject.tokens[1] = answer["access_token"].as_str().unwrap().to_owned();
        for token in &subject.tokens {
            server.get(token, "/v1/access").await.expect(200);
        }

        match state {
            Active | PublicKeyRunOut | TokenExpired | SigningKeyRemoved => {}
            NeverExisted => {
                subject.id = UNKNOWN.to_owned();
                for token in &mut subject.tokens {
                    let mut claims = part(token, 1);
                    claims["sub"] = json!(UNKNOWN);
                    claims["client_id"] = json!(UNKNOWN);
                    let live = &server.app.live;
                    *token = server.app.signing_keys.sign(live, &claims, server.now()).await.unwrap();
                }
            }
            WrongSecret => {
                subject.secret = self.asks.secret.clone();
                subject.signer = Signer::es256();
                let signatures =
                    subject.tokens.each_ref().map(|token| token.rsplit_once('.').unwrap().1.to_owned());
                for (token, other) in subject.tokens.iter_mut().zip(signatures.iter().rev()) {
                    *token = format!("{}.{other}", token.rsplit_once('.').unwrap().0);
                }
            }
            Disabled => drop(call("PATCH", &path, json!({"enabled": false})).await),
            Expired => drop(call("PATCH", &path, json!({"expires_at": soon})).await),
            Removed => drop(call("DELETE", &path, Value::Null).await),
            EnvironmentClosed => server.close_environment(environment).await,
            AccountClosed | AccountOfEnvironmentClosed => {
                server.app.store.close_account(&self.operator(), account).await.unwrap();
                server.app.live.catch_up().await.unwrap();
            }
            SecretDeleted => {
                call("POST", &format!("{path}/secrets"), json!({"overlap_seconds": 3600})).await;
                call("DELETE", &format!("{path}/secrets/1"), Value::Null).await;
            }
            SecretRunOut => {
                drop(call("POST", &format!("{path}/secrets"), json!({"overlap_seconds": 60})).await)
            }
            SecretRetired => {
                drop(call("POST", &format!("{path}/secrets"), json!({"overlap_seconds": 0})).await)
            }
            SecretIdle => {
                let old = json!({"retire_when_idle_seconds": 60});
                let rotated = call("POST", &format!("{path}/secrets"), old).await;
                server.exchange_secret(&subject.id, rotated["secret"].as_str().unwrap(), "").await;
                let mut watch = Watch::begin(server.now());
                for _ in 0..9 {
                    server.pass(Duration::from_secs(10));
                    watch.look(&server.app).await.unwrap();
                }
            }
            SecretsNotAccepted => drop(call("PATCH", &path, json!({"accepts_secrets": false})).await),
            PublicKeyDeleted => drop(call("DELETE", &format!("{path}/public-keys/2"), Value::Null).await),
            TokenRevoked => {
                for token in &subject.tokens {
                    let form = format!("token={token}");
                    self.show(&subject, Basic, super::REVOCATION_PATH, &form).await.expect(200);
                }
            }
            GenerationOutlived => {
                call("PATCH", &path, json!({"enabled": false})).await;
                call("PATCH", &path, json!({"enabled": true})).await;
            }
            ScopeTakenAway => drop(call("PATCH", &path, json!({"scopes": ["feedback-report:read"]})).await),
            UsedFromElsewhere => {
                drop(call("PATCH", &path, json!({"allowed_addresses": ["198.51.100.0/24", "::/0"]})).await)
            }
        }
        subject
    }
}

/// The paths of the Authorization Server, from its router.
fn paths() -> BTreeSet<String> {
    let router = format!("{:?}", super::routes());
    // Its own fallbacks stand among them.
    let is_path = |text: &&str| text.starts_with('/') && *text != "/" && !text.contains("__private__");
    router.split('"').filter(is_path).map(str::to_owned).collect()
}

/// What a client says at an endpoint besides who it is; nothing where none authenticates.
fn form_of(path: &str) -> Option<&'static str> {
    match path {
        super::TOKEN_PATH => Some("grant_type=client_credentials"),
        super::INTROSPECTION_PATH | super::REVOCATION_PATH => Some("token=nonsense"),
        super::JWKS_PATH | super::METADATA_PATH | "/oauth2/{*rest}" => None,
        _ if path.starts_with(super::PROTECTED_RESOURCE_PATH) => None,
        new => panic!("say here whether a client authenticates at {new}, and what it says there"),
    }
}

/// An operation of the API that takes a token.
struct Operation {
    method: String,
    path: String,
    /// Any of them opens it; with none, any token does.
    scopes: Vec<String>,
}

impl Operation {
    async fn all(server: &TestApp) -> Vec<Self> {
        let document = server.get("", "/v1/openapi.json").await.expect(200);
        let mut all = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let any_of = operation["security"].as_array().unwrap();
                if any_of.is_empty() {
                    continue;
                }
                let scopes = any_of.iter().flat_map(|one| one["oauth2"].as_array().unwrap());
                let scopes = scopes.map(|scope| scope.as_str().unwrap().to_owned()).collect();
                all.push(Self { method: method.to_uppercase(), path: path.clone(), scopes });
            }
        }
        all
    }

    /// Asks for it with a token, and stops short of doing anything: a body that is refused, or a version that no object
    /// has.
    async fn ask(&self, server: &TestApp, subject: &Subject, token: &str) -> Answer {
        let path = self
            .path
            .replace("{acc}", &subject.account.to_string())
            .replace("{env}", &subject.environment.to_string())
            .replace("{key}", &subject.id)
            .replace("{app}", "app_00000000000000000000000000")
            .replace("{qry}", &subject.query)
            .replace("{n}", "1");
        let body = if self.method == "GET" { Value::Null } else { json!({"no such field": true}) };
        server.call_with(token, &self.method, &path, body, &[("if-match", "\"0\"")]).await
    }
}

impl World {
    /// What the endpoint answers to each way of authenticating.
    async fn judge_credentials(&self, subject: &Subject, path: &str, form: &str) {
        for way in CREDENTIALS {
            let what = format!("{:?}, {way:?}, {path}", subject.state);
            let answer = self.show(subject, way, path, form).await;
            if !subject.state.refuses().contains(&way) {
                assert_eq!(answer.status, 200, "{what}: {}", answer.text);
                continue;
            }
            assert_eq!(answer.status, 401, "{what}: {}", answer.text);
            let one = "the Key ID and the Key Secret or assertion do not open anything: unknown, wrong, used, disabled, \
                   expired, removed, or not to be used from this address";
            assert_eq!(answer.json(), json!({"error": "invalid_client", "error_description": one}), "{what}");
            assert_eq!(answer.header("cache-control"), "no-store", "{what}");
            assert_eq!(answer.header("www-authenticate").starts_with("Basic "), way == Basic, "{what}");
        }
    }

    /// What the API and the introspection endpoint answer about each token.
    async fn judge_tokens(&self, subject: &Subject, operations: &[Operation]) {
        let mut refusals = BTreeSet::new();
        for (way, token) in TOKENS.into_iter().zip(&subject.tokens) {
            let dead = subject.state.refuses().contains(&way);
            for operation in operations {
                let what = format!("{:?}, {way:?}, {} {}", subject.state, operation.method, operation.path);
                let answer = operation.ask(&self.server, subject, token).await;
                let (status, text) = (answer.status.as_u16(), &answer.text);
                if dead {
                    assert_eq!(answer.problem(401), "invalid_token", "{what}");
                    refusals.insert(answer.header("www-authenticate").to_owned());
                    continue;
                }
                let read = |scope: &String| scope == Scope::ReportRead.name();
                let taken = subject.state == ScopeTakenAway
                    && !operation.scopes.is_empty()
                    && !operation.scopes.iter().any(read);
                match status {
                    403 => assert!(taken, "{what}: {text}"),
                    200 | 400 | 404 | 412 => assert!(!taken, "{what}: {text}"),
                    _ => panic!("{what}: {status} {text}"),
                }
            }
            let form = format!("token={token}");
            let said =
                self.server.post_form(&self.asks, super::INTROSPECTION_PATH, form, &[]).await.expect(200);
            // Whoever asks does not know from where it was used.
            let dead = dead && subject.state != UsedFromElsewhere;
            assert_eq!(said["active"], !dead, "{:?}, {way:?}, introspected", subject.state);
            assert_eq!(said.as_object().unwrap().len() == 1, dead, "{said}");
        }
        assert!(refusals.len() <= 1, "the refusals tell one state from another: {refusals:?}");
    }

    async fn judge(&self, subject: &Subject, operations: &[Operation]) {
        self.server.app.live.catch_up().await.unwrap();
        for path in paths() {
            if let Some(form) = form_of(&path) {
                self.judge_credentials(subject, &path, form).await;
            }
        }
        self.judge_tokens(subject, operations).await;
    }
}

#[tokio::test]
async fn nothing_inactive_opens_anything_by_any_way_anywhere() {
    let world = World::start().await;
    let operations = Operation::all(&world.server).await;
    let served: Vec<_> = paths().into_iter().filter(|path| form_of(path).is_some()).collect();
    assert_eq!(served, [super::INTROSPECTION_PATH, super::REVOCATION_PATH, super::TOKEN_PATH]);
    assert!(operations.len() >= 35, "{}", operations.len());

    let mut subjects = Vec::new();
    for state in State::ALL.iter().filter(|state| !APART.contains(state)) {
        subjects.push(world.subject(*state).await);
    }
    let expired = world.subject(TokenExpired).await;
    world.server.pass(Duration::from_secs(61));
    for subject in &subjects {
        world.judge(subject, &operations).await;
    }
    world.server.pass(Duration::from_secs(3600));
    world.judge(&expired, &operations).await;

    let signed_before = world.subject(SigningKeyRemoved).await;
    let app = &world.server.app;
    app.signing_keys.rotate(&app.own_stamp(), When::Now, &*app.entropy).await.unwrap();
    world.judge(&signed_before, &operations).await;
}
