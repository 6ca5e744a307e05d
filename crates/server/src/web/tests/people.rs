//! Signing in, being invited, and losing a role.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::{Request, StatusCode, header};
use axum::response::IntoResponse;
use domain::{Environment, Role, new_id};

use super::super::door::base;
use super::super::failure::PageError;
use super::super::once::Once;
use super::super::session::SignedIn;
use super::super::set_up::make_link;
use super::{House, PASSWORD, get, post};

fn path(link: &str) -> &str {
    link.strip_prefix("http://127.0.0.1:8080").unwrap()
}

#[tokio::test]
async fn the_set_up_link_makes_the_first_administrator_once() {
    let (app, router, _data) = House::empty().await;
    let link = make_link(&app).await.unwrap().unwrap();
    let link = path(&link);
    assert_eq!(get(&router, "/set-up/other", "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(get(&router, link, "").await.status, StatusCode::OK);
    let fields =
        |password| [("account", "Northwind"), ("email", "admin@example.com"), ("password", password)];
    for weak in ["too short", "passwordpassword", "admin@example.com"] {
        let answer = post(&router, link, "", &fields(weak)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{weak}");
        assert!(
            answer.body.contains("value=\"admin@example.com\"")
                && !answer.body.contains("type=\"password\" id=\"password\" name=\"password\" value")
        );
    }
    let answer = post(&router, link, "", &fields(PASSWORD)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let welcome = get(&router, answer.location(), &answer.cookie()).await;
    assert!(welcome.body.contains("No environments yet") && welcome.body.contains("Welcome to Feedback."));
    assert_eq!(get(&router, link, "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(post(&router, link, "", &fields(PASSWORD)).await.status, StatusCode::NOT_FOUND);
    assert!(make_link(&app).await.unwrap().is_none());
}

#[tokio::test]
async fn signing_in_and_out() {
    let house = House::new().await;
    house.person("admin@example.com", &[(house.account(), Role::Administrator)]).await;
    let wrong = house.post("/sign-in", "", &[("email", "admin@example.com"), ("password", "x")]).await;
    let unknown = house.post("/sign-in", "", &[("email", "nobody@example.com"), ("password", "x")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(unknown.status, wrong.status);
    assert_eq!(unknown.body.replace("nobody", "admin"), wrong.body);

    let fields = [("email", "Admin@Example.com"), ("password", PASSWORD), ("next", "//example.com")];
    let answer = house.post("/sign-in", "", &fields).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/"));
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-session=") && cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax")
    );
    let cookie = answer.cookie();
    assert!(house.get("/", &cookie).await.location().starts_with("/environments/"));

    assert_eq!(house.post("/sign-out", &cookie, &[]).await.location(), "/sign-in?signed-out");
    assert_eq!(house.get("/", &cookie).await.location(), "/sign-in", "the session itself is over");
    let back = house.get("/accounts/acc_x?a=b", "").await;
    assert_eq!(back.location(), "/sign-in?next=/accounts/acc_x%3Fa%3Db");
}

#[tokio::test]
async fn whoever_tries_passwords_is_slowed_down() {
    let house = House::new().await;
    house.person("admin@example.com", &[(house.account(), Role::Administrator)]).await;
    for _ in 0..8 {
        let fields = [("email", "admin@example.com"), ("password", "wrong")];
        assert_eq!(house.post("/sign-in", "", &fields).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let answer = house.post("/sign-in", "", &[("email", "admin@example.com"), ("password", PASSWORD)]).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
    assert!(!answer.headers.contains_key(header::SET_COOKIE));
}

#[tokio::test]
async fn an_invitation_brings_somebody_new_or_known() {
    let house = House::new().await;
    let admin = house.admin().await;
    house.person("known@example.com", &[]).await;
    let users = format!("{}/administration/access-management/users", base(house.shop()));
    for (email, good, bad) in [
        ("new@example.com", "seven quiet herons", "short"),
        ("known@example.com", PASSWORD, "not the password"),
    ] {
        let made = house.send_once(&users, &users, &admin, &[("email", email), ("role", "author")]).await;
        assert_eq!(made.status, StatusCode::CREATED);
        let link = made.between("<code id=\"invitation-link\">", "<").to_owned();
        assert!(!house.get(&users, &admin).await.body.contains("/invitations/A"), "a link is shown once");
        let link = path(&link);
        let asked = house.get(link, "").await;
        assert!(asked.body.contains(email) && asked.body.contains("Join Web shop"));
        assert_eq!(house.post(link, "", &[("password", bad)]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        let answer = house.post(link, "", &[("password", good)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        let page = house.get(answer.location(), &answer.cookie()).await;
        assert_eq!(page.status, StatusCode::OK);
        assert_eq!(house.get(link, "").await.status, StatusCode::NOT_FOUND, "it works once");
        assert_eq!(house.get(&users, &answer.cookie()).await.status, StatusCode::NOT_FOUND);
    }
    assert!(house.get(&users, &admin).await.body.contains("new@example.com"));
}

#[tokio::test]
async fn a_revoked_invitation_is_dead() {
    let house = House::new().await;
    let admin = house.admin().await;
    let users = format!("{}/administration/access-management/users", base(house.account()));
    let made =
        house.send_once(&users, &users, &admin, &[("email", "new@example.com"), ("role", "reader")]).await;
    let link = made.between("<code id=\"invitation-link\">", "<").to_owned();
    let revoke = format!("{users}/invitations/revoke");
    assert_eq!(
        house.post(&revoke, &admin, &[("email", "new@example.com")]).await.status,
        StatusCode::SEE_OTHER
    );
    assert_eq!(house.get(path(&link), "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        house.post(&revoke, &admin, &[("email", "new@example.com")]).await.status,
        StatusCode::NOT_FOUND
    );
    for (email, role, status) in [("nonsense", "reader", 422), ("a@example.com", "owner", 400)] {
        let answer = house.send_once(&users, &users, &admin, &[("email", email), ("role", role)]).await;
        assert_eq!(answer.status.as_u16(), status);
    }
}

#[tokio::test]
async fn the_last_administrator_stays_and_a_demoted_one_is_out_at_once() {
    let house = House::new().await;
    let first = house.person("first@example.com", &[(house.account(), Role::Administrator)]).await;
    let users = format!("{}/administration/access-management/users", base(house.account()));
    let fields = [("email", "first@example.com"), ("password", PASSWORD)];
    let cookie = house.post("/sign-in", "", &fields).await.cookie();
    for (act, fields) in [("remove", vec![]), ("role", vec![("role", "reader")])] {
        let answer = house.post(&format!("{users}/{first}/{act}"), &cookie, &fields).await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert!(answer.body.contains("This is the last administrator of the account."));
    }
    let second = house.person("second@example.com", &[(house.account(), Role::Administrator)]).await;
    let fields = [("email", "second@example.com"), ("password", PASSWORD)];
    let theirs = house.post("/sign-in", "", &fields).await.cookie();
    assert_eq!(house.get(&users, &theirs).await.status, StatusCode::OK);
    let answer = house.post(&format!("{users}/{second}/role"), &cookie, &[("role", "author")]).await;
    assert_eq!(answer.location(), format!("{users}?done=role-changed"));
    assert_eq!(house.get(&users, &theirs).await.status, StatusCode::NOT_FOUND);
    let stranger = house.person("stranger@example.com", &[]).await;
    let answer = house.post(&format!("{users}/{stranger}/role"), &cookie, &[("role", "reader")]).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "a role is given by invitation");
}

#[tokio::test]
async fn a_password_that_was_changed_while_it_was_verified_signs_nobody_in() {
    let house = House::new().await;
    let id = house.person("admin@example.com", &[]).await;
    let another = domain::PasswordHash::from_phc("$argon2id$of-something-else".to_owned());
    let answer = crate::web::session::begin(&house.app, id, &another, "/").await;
    assert!(matches!(answer, Err(crate::web::failure::PageError::SignedOut(back)) if back.is_empty()));
}

#[tokio::test]
async fn another_password_ends_every_other_session() {
    let house = House::new().await;
    house.person("admin@example.com", &[(house.account(), Role::Administrator)]).await;
    let fields = |password| [("email", "admin@example.com"), ("password", password)];
    let here = house.post("/sign-in", "", &fields(PASSWORD)).await.cookie();
    let there = house.post("/sign-in", "", &fields(PASSWORD)).await.cookie();
    let change = "/your-account/password";
    for (current, new) in [("wrong", "seven quiet herons"), (PASSWORD, "short")] {
        let answer = house.post(change, &here, &[("current", current), ("new", new)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let answer = house.post(change, &here, &[("current", PASSWORD), ("new", "seven quiet herons")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(house.get("/your-account", &answer.cookie()).await.status, StatusCode::OK);
    for ended in [here, there] {
        assert_eq!(house.get("/your-account", &ended).await.status, StatusCode::SEE_OTHER);
    }
    let old = house.post("/sign-in", "", &fields(PASSWORD)).await;
    assert_eq!(old.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(house.post("/sign-in", "", &fields("seven quiet herons")).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_session_that_ends_after_the_door_makes_no_change() {
    let house = House::new().await;
    let cookie = house.admin().await;
    let request = Request::get("/").header(header::COOKIE, &cookie).extension(Arc::new(Once::new()));
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    let person = SignedIn::from_request_parts(&mut parts, &house.app).await.ok().unwrap();
    let environment = || Environment { id: new_id(house.now(), &*house.app.entropy), ..house.shop.clone() };
    let make = async || {
        let stamp = house.app.stamp(&person.author(), house.now());
        house.app.store.create_environment(&stamp, &environment()).await
    };
    make().await.unwrap();
    house.post("/sign-out", &cookie, &[]).await;
    let before = house.app.store.last_sequence().await.unwrap();
    let refused = PageError::from(make().await.unwrap_err()).into_response();
    assert_eq!(refused.status(), StatusCode::SEE_OTHER);
    assert_eq!(refused.headers()[header::LOCATION], "/sign-in");
    assert_eq!(house.app.store.last_sequence().await.unwrap(), before);
}
