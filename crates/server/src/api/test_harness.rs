//! The whole router, in-process, on a store of its own, with a clock that tests set and tokens from the token
//! endpoint.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::{
    Account, AccountId, Actor, Application, Clock, Comment, Environment, EnvironmentId, KeySecret, Keypair,
    Name, NewKeypair, Owner, Query, QuestionText, RedirectUris, Scopes, Timestamp, from_millis,
};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use crate::app::{App, Author};
use crate::config::Config;
use crate::router::router;
use crate::surroundings::Surrounded;
use crate::system::SystemEntropy;
use crate::test_data::TestData;

/// The public URL of the server under test.
pub(crate) const ISSUER: &str = "http://127.0.0.1:8080";

/// Where answers to the applications of tests go.
pub(crate) const REDIRECT_URI: &str = "https://dashboard.example.com/callback";

/// When every test begins.
pub(crate) const BEGIN: &str = "2026-03-15T10:00:00Z";

/// The server under test.
pub(crate) struct TestApp {
    pub(crate) app: Arc<App>,
    router: Surrounded,
    clock: Arc<SetClock>,
    data: Arc<TestData>,
}

struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A keypair with its secret, as its holder has it.
pub(crate) struct TestKey {
    pub(crate) keypair: Keypair,
    pub(crate) secret: String,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl TestApp {
    /// A server with nothing in its store.
    pub(crate) async fn start() -> Self {
        Self::start_with(Config::default()).await
    }

    /// A server with these settings, on data of its own.
    pub(crate) async fn start_with(settings: Config) -> Self {
        let begin: Timestamp = BEGIN.parse().unwrap();
        let clock = Arc::new(SetClock(AtomicI64::new(begin.as_millisecond())));
        Self::on(Arc::new(TestData::new().await), clock, settings).await
    }

    /// Another node on the same data, by the same clock.
    pub(crate) async fn another_node(&self) -> Self {
        self.another(self.app.config.clone()).await
    }

    /// Another node on the same data, by the same clock, with settings of its own.
    pub(crate) async fn another(&self, settings: Config) -> Self {
        Self::on(self.data.clone(), self.clock.clone(), settings).await
    }

    async fn on(data: Arc<TestData>, clock: Arc<SetClock>, settings: Config) -> Self {
        let config =
            Config { public_url: Some(ISSUER.to_owned()), data: data.folder().to_owned(), ..settings };
        let app =
            App::start(config, data.store().await, clock.clone(), Arc::new(SystemEntropy)).await.unwrap();
        app.live.catch_up().await.unwrap();
        let app = Arc::new(app);
        Self { router: router(app.clone()), app, clock, data }
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.0.fetch_add(i64::try_from(time.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Now, on the server's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn operator(&self) -> domain::Stamp {
        self.app.stamp(&Author { actor: Actor::Operator, address: None, standing: None }, self.now())
    }

    /// Makes an account.
    pub(crate) async fn account(&self, name: &str) -> AccountId {
        let account = Account::new(Name::new(name).unwrap(), self.now(), &*self.app.entropy);
        self.app.store.create_account(&self.operator(), &account).await.unwrap();
        self.app.live.catch_up().await.unwrap();
        account.id
    }

    /// Makes an environment.
    pub(crate) async fn environment(&self, account: AccountId, name: &str) -> EnvironmentId {
        // One after the other in time, and so in lists.
        self.pass(Duration::from_millis(1));
        let environment = Environment::new(account, Name::new(name).unwrap(), self.now(), &*self.app.entropy);
        self.app.store.create_environment(&self.operator(), &environment).await.unwrap();
        self.app.live.catch_up().await.unwrap();
        environment.id
    }

    /// Closes an environment by the operator's hands.
    pub(crate) async fn close_environment(&self, id: EnvironmentId) {
        self.app.store.close_environment(&self.operator(), id, None).await.unwrap();
        self.app.live.catch_up().await.unwrap();
    }

    /// Makes a query.
    pub(crate) async fn query(&self, environment: EnvironmentId, title: &str) -> Query {
        self.pass(Duration::from_millis(1));
        let title = Name::new(title).unwrap();
        let question = QuestionText::new("How was it?").unwrap();
        let query = Query::new(environment, title, question, self.now(), &*self.app.entropy);
        self.app.store.create_query(&self.operator(), &query).await.unwrap();
        query
    }

    /// Makes a keypair by the operator's hands.
    pub(crate) async fn key(&self, owner: impl Into<Owner>, scopes: &str) -> TestKey {
        self.pass(Duration::from_millis(1));
        let new = NewKeypair {
            owner: owner.into(),
            comment: Comment::new("made for a test").unwrap(),
            scopes: scopes.parse::<Scopes>().unwrap(),
            expires_at: None,
            token_binding: domain::TokenBinding::None,
            allowed_addresses: domain::AllowedAddresses::default(),
        };
        let (keypair, secret): (Keypair, KeySecret) =
            Keypair::create(new, None, Actor::Operator, self.now(), &*self.app.entropy).unwrap();
        self.app.store.create_keypair(&self.operator(), &keypair).await.unwrap();
        self.app.live.catch_up().await.unwrap();
        TestKey { keypair, secret: secret.reveal().to_owned() }
    }

    /// Registers an application by the operator's hands.
    pub(crate) async fn application(&self, owner: impl Into<Owner>) -> Application {
        self.pass(Duration::from_millis(1));
        let name = Name::new("Dashboard").unwrap();
        let uris = RedirectUris::new([REDIRECT_URI, "http://127.0.0.1/callback"]).unwrap();
        let application = Application::new(owner.into(), name, uris, self.now(), &*self.app.entropy);
        self.app.store.create_application(&self.operator(), &application).await.unwrap();
        application
    }

    /// A token with these scopes, of a new keypair.
    pub(crate) async fn token(&self, owner: impl Into<Owner>, scopes: &str) -> String {
        let key = self.key(owner, scopes).await;
        self.exchange(&key, "").await
    }

    /// Exchanges a keypair for a token; `more` are further parameters, as `&name=value`.
    pub(crate) async fn exchange(&self, key: &TestKey, more: &str) -> String {
        self.exchange_secret(&key.keypair.id.to_string(), &key.secret, more).await
    }

    /// Exchanges a Key ID and a Key Secret for a token.
    pub(crate) async fn exchange_secret(&self, id: &str, secret: &str, more: &str) -> String {
        let credentials = BASE64_STANDARD.encode(format!("{id}:{secret}"));
        let request = Request::post("/oauth2/token")
            .header(AUTHORIZATION, format!("Basic {credentials}"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(format!("grant_type=client_credentials{more}")))
            .unwrap();
        let answer = self.send(request).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// Posts a form as the keypair, with HTTP Basic, and with further headers.
    pub(crate) async fn post_form(
        &self,
        key: &TestKey,
        path: &str,
        form: String,
        headers: &[(&str, &str)],
    ) -> Answer {
        let credentials = BASE64_STANDARD.encode(format!("{}:{}", key.keypair.id, key.secret));
        let mut request = Request::post(path)
            .header(AUTHORIZATION, format!("Basic {credentials}"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(form)).unwrap()).await
    }

    /// Sends a request as from another machine, a millisecond after the one before.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answer {
        self.pass(Duration::from_millis(1));
        if request.extensions().get::<ConnectInfo<SocketAddr>>().is_none() {
            let from: SocketAddr = "192.0.2.7:50000".parse().unwrap();
            request.extensions_mut().insert(ConnectInfo(from));
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// Sends a request with a token, and a JSON body unless that is null.
    pub(crate) async fn call(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        self.call_with(token, method, path, body, &[]).await
    }

    /// The same with further headers.
    pub(crate) async fn call_with(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: Value,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder()
            .method(method.parse::<Method>().unwrap())
            .uri(path)
            .header(AUTHORIZATION, format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header(CONTENT_TYPE, "application/json");
            Body::from(body.to_string())
        };
        self.send(request.body(body).unwrap()).await
    }

    /// Gets a path with a token.
    pub(crate) async fn get(&self, token: &str, path: &str) -> Answer {
        self.call(token, "GET", path, Value::Null).await
    }
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {:?}", self))
    }

    /// A header, as text; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The body, once the answer is seen to have this status.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// The problem's `code`, once the answer is seen to be a whole problem of this status.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> String {
        let body = self.expect(status);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(body["status"], status);
        assert_eq!(body["request_id"], self.header("x-request-id"));
        let code = body["code"].as_str().unwrap().to_owned();
        assert_eq!(body["type"], format!("{ISSUER}/docs#problem-{code}"));
        assert!(!body["title"].as_str().unwrap().is_empty() && !body["detail"].as_str().unwrap().is_empty());
        code
    }

    /// `field: detail` of each of the problem's errors.
    #[track_caller]
    pub(crate) fn errors(&self) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().unwrap_or_else(|| panic!("no errors: {body}"));
        let text = |error: &Value, name: &str| error[name].as_str().unwrap().to_owned();
        errors.iter().map(|error| format!("{}: {}", text(error, "field"), text(error, "detail"))).collect()
    }
}
