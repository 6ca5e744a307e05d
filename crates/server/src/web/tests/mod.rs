//! The whole Web UI, called in-process on a store of its own.

mod access;
mod access_matrix;
mod applications;
mod authorize;
mod forms;
mod keypairs;
mod leaked_secrets;
mod links;
mod lists;
mod names;
mod once;
mod outcomes;
mod people;
mod places;
mod public_keys;
mod usage;

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use domain::{
    Account, Actor, Email, Environment, Grant, Name, Owner, Role, State, Timestamp, User, UserId, new_id,
};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::failure::encoded;
use super::session;
use crate::app::{App, Author, Missing};
use crate::config::Config;
use crate::passwords::Password;
use crate::surroundings::Surrounded;
use crate::test_data::TestData;

const PASSWORD: &str = "quiet harbour lantern";

/// An account with two environments, of which the second is nobody's but the account's administrator's.
struct House {
    app: Arc<App>,
    router: Surrounded,
    account: Account,
    shop: Environment,
    kiosk: Environment,
    _data: TestData,
}

/// An answer, read whole.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn location(&self) -> &str {
        self.headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The session's cookie that the answer sets.
    fn cookie(&self) -> String {
        let cookie = self.headers.get(header::SET_COOKIE).unwrap().to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// The forms that change something on a single click: where they go.
    fn one_click_acts(&self) -> Vec<&str> {
        let steps = self.body.split("<details class=\"more confirm\">").enumerate();
        let outside = steps.filter_map(|(n, part)| {
            if n == 0 { Some(part) } else { part.split_once("</details>").map(|(_, rest)| rest) }
        });
        let forms = outside.flat_map(|part| part.split("method=\"post\" action=\"").skip(1));
        forms.filter_map(|form| form.split('"').next()).collect()
    }

    /// What stands between two texts.
    fn between(&self, from: &str, to: &str) -> &str {
        let (_, rest) = self.body.split_once(from).unwrap_or_else(|| panic!("no {from} in {}", self.body));
        rest.split_once(to).unwrap().0
    }
}

impl House {
    /// A server without anybody.
    async fn empty() -> (Arc<App>, Surrounded, TestData) {
        Self::empty_with(Config::default()).await
    }

    async fn empty_with(settings: Config) -> (Arc<App>, Surrounded, TestData) {
        let data = TestData::new().await;
        let config = Config { data: data.folder().to_owned(), database_url: data.database_url(), ..settings };
        let config = config.bound("127.0.0.1:8080".parse().unwrap());
        let app = Arc::new(App::open(config, Missing::Create).await.unwrap());
        (app.clone(), crate::router::router(app), data)
    }

    async fn new() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(settings: Config) -> Self {
        let (app, router, data) = Self::empty_with(settings).await;
        let operator = Author { actor: Actor::Operator, address: None, standing: None };
        let now = app.clock.now();
        let account = Account {
            id: new_id(now, &*app.entropy),
            name: Name::new("Northwind Stores").unwrap(),
            state: State::Open,
            version: 1,
            created_at: now,
        };
        app.store.create_account(&app.stamp(&operator, now), &account).await.unwrap();
        let mut environments = Vec::new();
        for name in ["Web shop", "Kiosk"] {
            let environment = Environment {
                id: new_id(now, &*app.entropy),
                account: account.id,
                name: Name::new(name).unwrap(),
                state: State::Open,
                version: 1,
                created_at: now,
            };
            app.store.create_environment(&app.stamp(&operator, now), &environment).await.unwrap();
            environments.push(environment);
        }
        let kiosk = environments.pop().unwrap();
        let shop = environments.pop().unwrap();
        Self { app, router, account, shop, kiosk, _data: data }
    }

    fn now(&self) -> Timestamp {
        self.app.clock.now()
    }

    fn account(&self) -> Owner {
        Owner::Account(self.account.id)
    }

    fn shop(&self) -> Owner {
        Owner::Environment(self.shop.id)
    }

    /// A person who can sign in, with these roles.
    async fn person(&self, email: &str, roles: &[(Owner, Role)]) -> UserId {
        let operator = Author { actor: Actor::Operator, address: None, standing: None };
        let now = self.now();
        let user =
            User { id: new_id(now, &*self.app.entropy), email: Email::new(email).unwrap(), created_at: now };
        let hash = self.app.passwords.hash(&Password::typed(PASSWORD.to_owned()), &*self.app.entropy).await;
        self.app.store.create_user(&self.app.stamp(&operator, now), &user, &hash).await.unwrap();
        for (on, role) in roles {
            let grant = Grant { on: *on, role: *role };
            self.app.store.grant_role(&self.app.stamp(&operator, now), user.id, grant).await.unwrap();
        }
        user.id
    }

    /// The cookie of a person with these roles, signed in.
    async fn signed_in(&self, email: &str, roles: &[(Owner, Role)]) -> String {
        self.person(email, roles).await;
        self.session_of(email).await
    }

    /// The cookie of another session of somebody.
    async fn session_of(&self, email: &str) -> String {
        let (user, hash) = self.app.store.user_by_email(&Email::new(email).unwrap()).await.unwrap();
        read(session::begin(&self.app, user.id, &hash, "/").await.ok().unwrap()).await.cookie()
    }

    /// The cookie of an administrator of the account, signed in.
    async fn admin(&self) -> String {
        self.signed_in("admin@example.com", &[(self.account(), Role::Administrator)]).await
    }

    /// The token of the form on a page, which is good for sending it once.
    async fn form_on(&self, page: &str, cookie: &str) -> String {
        self.get(page, cookie).await.between("name=\"form\" value=\"", "\"").to_owned()
    }

    /// Sends the form of a page that can be sent once.
    async fn send_once(&self, page: &str, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.form_on(page, cookie).await;
        self.post(path, cookie, &[fields, &[("form", &token)]].concat()).await
    }

    async fn get(&self, path: &str, cookie: &str) -> Answer {
        get(&self.router, path, cookie).await
    }

    async fn post(&self, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
        post(&self.router, path, cookie, fields).await
    }
}

async fn get(router: &Surrounded, path: &str, cookie: &str) -> Answer {
    send(router, Request::get(path).header(header::COOKIE, cookie).body(Body::empty()).unwrap()).await
}

async fn post(router: &Surrounded, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
    let request = Request::post(path)
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin");
    send(router, request.body(Body::from(form(fields))).unwrap()).await
}

fn form(fields: &[(&str, &str)]) -> String {
    let pairs = fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value)));
    pairs.collect::<Vec<_>>().join("&")
}

async fn send(router: &Surrounded, request: Request<Body>) -> Answer {
    read(router.clone().oneshot(request).await.unwrap()).await
}

async fn read(response: axum::response::Response) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(bytes.to_vec()).unwrap() }
}
