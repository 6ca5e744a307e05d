//! Who sees which entries, and what every answer wears.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use domain::Role;

use super::super::door::base;
use super::{House, form, read, send};

#[tokio::test]
async fn only_administrators_see_the_entries_of_administration() {
    let house = House::new().await;
    let path = base(house.shop());
    let admin = house.admin().await;
    let answer = house.get(&path, &admin).await;
    for entry in ["Administration", "Users</a>", "API management</a>", "Audit log</a>", "Settings</a>"] {
        assert!(answer.body.contains(entry), "{entry}");
    }
    for role in [Role::Author, Role::Reader] {
        let cookie = house.signed_in(&format!("{role}@example.com"), &[(house.shop(), role)]).await;
        let answer = house.get(&path, &cookie).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(!answer.body.contains("administration"), "{role}");
        assert!(!answer.body.contains("Administration"), "{role}");
    }
}

#[tokio::test]
async fn an_accounts_address_does_not_serve_an_environment() {
    let house = House::new().await;
    let admin = house.admin().await;
    let path = format!("/accounts/{}", house.shop.id);
    assert_eq!(house.get(&path, &admin).await.status, StatusCode::NOT_FOUND);
    let path = format!("/environments/{}", house.account.id);
    assert_eq!(house.get(&path, &admin).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_answer_keeps_to_itself() {
    let house = House::new().await;
    let admin = house.admin().await;
    for path in ["/sign-in", "/", "/nowhere", &base(house.shop()), &base(house.account())] {
        let answer = house.get(path, &admin).await;
        let header = |name: &str| {
            answer.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        assert!(header("content-security-policy").starts_with("default-src 'none';"), "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        for forbidden in ["style=\"", "<style", "onclick", "http://fonts", "javascript:"] {
            assert!(!answer.body.contains(forbidden), "{path} has {forbidden}");
        }
        assert!(!answer.body.contains("<script>"), "{path}");
    }
}

#[tokio::test]
async fn what_another_site_could_send_is_refused() {
    let house = House::new().await;
    let admin = house.admin().await;
    let path = format!("{}/administration/settings/close", base(house.shop()));
    for headers in [
        vec![],
        vec![("sec-fetch-site", ""), ("origin", "")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
        vec![("origin", "https://elsewhere.example.com")],
        vec![("origin", "null")],
    ] {
        let mut request = Request::post(&path)
            .header(header::HOST, "127.0.0.1:8080")
            .header(header::COOKIE, &admin)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        let body = Body::from(form(&[("confirm", "Web shop")]));
        let answer = send(&house.router, request.body(body).unwrap()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert!(answer.body.contains("Nothing was changed"), "{headers:?}");
    }
    assert!(house.app.store.environment(house.shop.id).await.unwrap().state.is_open());
}

#[tokio::test]
async fn who_may_not_act_hears_that_there_is_nothing() {
    let house = House::new().await;
    let reader = house.signed_in("reader@example.com", &[(house.shop(), Role::Reader)]).await;
    let act = format!("{}/administration/settings/close", base(house.shop()));
    for (path, cookie) in [(act.as_str(), reader.as_str()), ("/oauth/token", ""), ("//v1/environments", "")] {
        let request = Request::post(path).header(header::COOKIE, cookie).body(Body::empty()).unwrap();
        let answer = send(&house.router, request).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn static_files_are_cached_under_the_hash_of_their_content() {
    let house = House::new().await;
    let path = super::super::assets::css();
    let answer = house.get(path, "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
    let etag = answer.headers[header::ETAG].clone();
    let again = Request::get(path).header(header::IF_NONE_MATCH, etag).body(Body::empty()).unwrap();
    assert_eq!(send(&house.router, again).await.status, StatusCode::NOT_MODIFIED);
    assert_eq!(house.get("/static/feedback.css", "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_wrong_method_gets_a_page_too() {
    let house = House::new().await;
    let request = Request::delete("/sign-in").header("sec-fetch-site", "same-origin");
    let answer = read(
        tower::ServiceExt::oneshot(house.router.clone(), request.body(Body::empty()).unwrap()).await.unwrap(),
    )
    .await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(answer.body.contains("<!doctype html>"));
}
