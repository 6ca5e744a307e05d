//! What is not a form of ours.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};

use super::super::door::base;
use super::{House, send};

#[tokio::test]
async fn broken_requests_get_a_page_that_says_so() {
    let house = House::new().await;
    let admin = house.admin().await;
    let path = format!("{}/environments", base(house.account()));
    let form = "application/x-www-form-urlencoded";
    for (media_type, body, status) in [
        ("application/json", b"{}".to_vec(), StatusCode::BAD_REQUEST),
        (form, b"".to_vec(), StatusCode::BAD_REQUEST),
        (form, b"name=a&name=b".to_vec(), StatusCode::BAD_REQUEST),
        (form, b"name=%00".to_vec(), StatusCode::UNPROCESSABLE_ENTITY),
        (form, [b"name=".as_slice(), &[b'x'; 10_000]].concat(), StatusCode::UNPROCESSABLE_ENTITY),
        (form, [b"name=".as_slice(), &[b'x'; 70_000]].concat(), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let request = Request::post(&path)
            .header(header::COOKIE, &admin)
            .header(header::CONTENT_TYPE, media_type)
            .header("sec-fetch-site", "same-origin")
            .body(Body::from(body))
            .unwrap();
        let answer = send(&house.router, request).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains("<!doctype html>"));
    }
    let account = house.get(&base(house.account()), &admin).await;
    assert_eq!(account.body.matches("<article").count(), 2, "nothing was made");
}

#[tokio::test]
async fn odd_cookies_and_addresses_are_nobody() {
    let house = House::new().await;
    for cookie in ["__Host-session=", "__Host-session=\u{1}", "__Host-session=a; __Host-session=b", "=;;="] {
        let request = Request::get("/").header(header::COOKIE, cookie.as_bytes()).body(Body::empty());
        let Ok(request) = request else { continue };
        assert_eq!(send(&house.router, request).await.location(), "/sign-in", "{cookie:?}");
    }
    let admin = house.admin().await;
    for path in ["/accounts/", "/accounts/x", "/accounts/acc_%00", "/environments/env_", "/accounts/%FF"] {
        assert_eq!(house.get(path, &admin).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
