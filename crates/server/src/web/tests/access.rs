//! Who gets which page, and what every answer wears.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use domain::{Comment, NewKeypair, Role, Scope, Scopes};

use super::super::door::base;
use super::{Answer, House, form, read, send};

/// The least role for each address, below an account or an environment.
const MATRIX: &[(Method, &str, Role)] = &[
    (Method::GET, "", Role::Reader),
    (Method::GET, "/administration/access-management/users", Role::Administrator),
    (Method::POST, "/administration/access-management/users", Role::Administrator),
    (Method::POST, "/administration/access-management/users/invitations/revoke", Role::Administrator),
    (Method::POST, "/administration/access-management/users/{user}/role", Role::Administrator),
    (Method::POST, "/administration/access-management/users/{user}/remove", Role::Administrator),
    (Method::GET, "/administration/access-management/api-management", Role::Administrator),
    (Method::POST, "/administration/access-management/api-management", Role::Administrator),
    (Method::GET, "/administration/access-management/api-management/new", Role::Administrator),
    (Method::POST, "/administration/access-management/api-management/{key}/enable", Role::Administrator),
    (Method::POST, "/administration/access-management/api-management/{key}/disable", Role::Administrator),
    (Method::GET, "/administration/access-management/api-management/{key}/edit", Role::Administrator),
    (Method::POST, "/administration/access-management/api-management/{key}/edit", Role::Administrator),
    (
        Method::POST,
        "/administration/access-management/api-management/{key}/secrets/1/end",
        Role::Administrator,
    ),
    (Method::GET, "/administration/access-management/api-management/{key}/rotate", Role::Administrator),
    (Method::POST, "/administration/access-management/api-management/{key}/rotate", Role::Administrator),
    (Method::GET, "/administration/access-management/api-management/{key}/remove", Role::Administrator),
    (Method::POST, "/administration/access-management/api-management/{key}/remove", Role::Administrator),
    (Method::GET, "/administration/audit-log", Role::Administrator),
    (Method::GET, "/administration/settings", Role::Administrator),
    (Method::POST, "/administration/settings/rename", Role::Administrator),
    (Method::POST, "/administration/settings/close", Role::Administrator),
];

/// The same for addresses that only environments have.
const ENVIRONMENT_MATRIX: &[(Method, &str, Role)] = &[
    (Method::GET, "/queries", Role::Reader),
    (Method::POST, "/queries", Role::Author),
    (Method::GET, "/queries/new", Role::Author),
    (Method::POST, "/queries/qry_00000000000000000000000000/close", Role::Administrator),
];

/// And for those that only accounts have.
const ACCOUNT_MATRIX: &[(Method, &str, Role)] = &[
    (Method::GET, "/environments/new", Role::Administrator),
    (Method::POST, "/environments", Role::Administrator),
];

async fn ask(house: &House, method: &Method, path: &str, cookie: &str) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "same-origin")
        .body(Body::from(form(&[("nothing", "of use")])))
        .unwrap();
    send(&house.router, request).await
}

/// The page without the name of its request, which differs each time.
fn anonymous(answer: &Answer) -> String {
    let id = answer.headers.get("x-request-id").unwrap().to_str().unwrap();
    answer.body.replace(id, "")
}

#[tokio::test]
async fn each_role_gets_its_pages_and_404_at_all_others() {
    let house = House::new().await;
    let operator = crate::app::Author { actor: domain::Actor::Operator, address: None };
    let account_admin = house.admin().await;
    for (owner, only) in [(house.account(), ACCOUNT_MATRIX), (house.shop(), ENVIRONMENT_MATRIX)] {
        let new = NewKeypair {
            owner,
            comment: Comment::new("").unwrap(),
            scopes: Scopes::from(Scope::ReportRead),
            expires_at: None,
        };
        let (keypair, _) = crate::keypairs::create(&house.app, &operator, new, None).await.unwrap();
        let kind = owner.kind();
        let member = house.person(&format!("member-{kind}@example.com"), &[(owner, Role::Reader)]).await;
        let mut people = vec![(Some(Role::Administrator), account_admin.clone())];
        for role in Role::ALL {
            let cookie = house.signed_in(&format!("{role}-{kind}@example.com"), &[(owner, role)]).await;
            people.push((Some(role), cookie));
        }
        let elsewhere = domain::Owner::Environment(house.kiosk.id);
        let outsider = format!("outsider-{kind}@example.com");
        people.push((None, house.signed_in(&outsider, &[(elsewhere, Role::Administrator)]).await));
        for (method, path, least) in MATRIX.iter().chain(only) {
            let path = format!("{}{path}", base(owner))
                .replace("{key}", &keypair.id.to_string())
                .replace("{user}", &member.to_string());
            for (role, cookie) in &people {
                let answer = ask(&house, method, &path, cookie).await;
                let nowhere = house.get("/nowhere", cookie).await;
                let case = format!("{method} {path} as {role:?}: {}", answer.status);
                if role.is_some_and(|role| role >= *least) {
                    // A form without its fields is refused after the door, not at it.
                    let gone = path.contains("/queries/qry_") || path.ends_with(&format!("{member}/remove"));
                    let inside = answer.status != StatusCode::NOT_FOUND || gone;
                    assert!(inside && !answer.status.is_server_error(), "{case}");
                } else {
                    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{case}");
                    assert_eq!(anonymous(&answer), anonymous(&nowhere), "{case}");
                }
            }
            let stranger = ask(&house, method, &path, "").await;
            assert_eq!(stranger.status, StatusCode::SEE_OTHER, "{method} {path}");
            assert!(stranger.location().starts_with("/sign-in"), "{method} {path}");
        }
    }
}

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
