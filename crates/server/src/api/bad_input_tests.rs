//! Bad input: each gets a clear problem, changes nothing, and is never answered with 500.

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use domain::{EnvironmentId, Scope};
use serde_json::{Value, json};

use super::test_harness::{Answer, ISSUER, TestApp};

/// A server, and a token that may do everything in the environment.
async fn environment_and_token() -> (TestApp, EnvironmentId, String) {
    let test = TestApp::start().await;
    let account = test.account("Acme").await;
    let environment = test.environment(account, "Production").await;
    let token = test.token(account, &Scope::ALL.map(Scope::name).join(" ")).await;
    (test, environment, token)
}

async fn with_headers(test: &TestApp, path: &str, headers: &[&str]) -> Answer {
    let request =
        headers.iter().fold(Request::get(path), |request, value| request.header(AUTHORIZATION, *value));
    test.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn without_a_token_there_is_a_challenge_without_an_error() {
    let (test, ..) = environment_and_token().await;
    let metadata = format!("Bearer resource_metadata=\"{ISSUER}/.well-known/oauth-protected-resource/v1\"");
    for headers in [&[][..], &["Basic a2V5OnNlY3JldA=="], &["bearerish x"]] {
        let answer = with_headers(&test, "/v1/access", headers).await;
        assert_eq!(answer.problem(401), "token_required");
        assert_eq!(answer.header("www-authenticate"), metadata);
    }
}

#[tokio::test]
async fn a_bad_token_is_invalid() {
    let (test, _, token) = environment_and_token().await;
    let (head, signature) = token.rsplit_once('.').unwrap();
    let tampered = format!("Bearer {head}.{}", signature.chars().rev().collect::<String>());
    for header in ["Bearer", "Bearer ", "Bearer nonsense", "Bearer a.b.c", "Bearer a b", &tampered] {
        let answer = with_headers(&test, "/v1/access", &[header]).await;
        assert_eq!(answer.problem(401), "invalid_token", "{header}");
        assert_eq!(
            answer.header("www-authenticate"),
            format!(
                "Bearer resource_metadata=\"{ISSUER}/.well-known/oauth-protected-resource/v1\", error=\"invalid_token\""
            )
        );
    }
    let lower_case = with_headers(&test, "/v1/access", &[&format!("bearer {token}")]).await;
    lower_case.expect(200);
}

#[tokio::test]
async fn a_token_in_the_query_or_twice_is_refused() {
    let (test, _, token) = environment_and_token().await;
    let header = format!("Bearer {token}");
    let cases = [
        with_headers(&test, &format!("/v1/access?access_token={token}"), &[]).await,
        with_headers(&test, &format!("/v1/access?access%5Ftoken={token}"), &[&header]).await,
        with_headers(&test, "/v1/access", &[&header, &header]).await,
        with_headers(&test, "/v1/access", &[&header, "Basic eA=="]).await,
        with_headers(&test, "/v1/access", &[&format!("{header}, {header}")]).await,
    ];
    for answer in cases {
        assert_eq!(answer.problem(400), "invalid_request");
        assert!(answer.header("www-authenticate").ends_with("error=\"invalid_request\""));
    }
}

#[tokio::test]
async fn a_missing_scope_is_named_in_header_and_detail() {
    let test = TestApp::start().await;
    let account = test.account("Acme").await;
    let environment = test.environment(account, "Production").await;
    let token = test.token(environment, "feedback-responses:create").await;
    let answer = test.get(&token, &format!("/v1/environments/{environment}/queries")).await;
    assert_eq!(answer.problem(403), "insufficient_scope");
    assert!(answer.header("www-authenticate").ends_with(
        "error=\"insufficient_scope\", scope=\"feedback-report:read feedback-queries:create feedback-admin\""
    ));
    assert_eq!(
        answer.json()["detail"],
        "This needs a token with one of the scopes `feedback-queries:create`, `feedback-report:read`, `feedback-admin`."
    );
}

#[tokio::test]
async fn addresses_and_methods_that_are_not_are_problems_too() {
    let (test, environment, token) = environment_and_token().await;
    for path in ["/v1", "/v1/", "/v1/nothing", "/v1/access/", "/v1/environments/", "/v1/%ff", "/v1//access"] {
        assert_eq!(test.get(&token, path).await.problem(404), "not_found", "{path}");
    }
    let answer = test.call(&token, "DELETE", &format!("/v1/environments/{environment}"), Value::Null).await;
    assert_eq!(answer.problem(405), "method_not_allowed");
    assert_eq!(answer.header("allow"), "GET,HEAD,PATCH");
    for malformed in ["env_", "env_x", "acc_01jx1m2q6fe8gtvdb2v3cx2xkq", "%00", "%ff", &"x".repeat(5000)] {
        let answer = test.get(&token, &format!("/v1/environments/{malformed}")).await;
        assert_eq!(answer.problem(404), "not_found", "{malformed}");
    }
}

async fn post(
    test: &TestApp,
    token: &str,
    path: &str,
    content_type: Option<&str>,
    body: impl Into<Body>,
) -> Answer {
    let mut request = Request::post(path).header(AUTHORIZATION, format!("Bearer {token}"));
    if let Some(content_type) = content_type {
        request = request.header(CONTENT_TYPE, content_type);
    }
    test.send(request.body(body.into()).unwrap()).await
}

#[tokio::test]
async fn a_body_must_be_json_and_say_so() {
    let (test, environment, token) = environment_and_token().await;
    let path = format!("/v1/environments/{environment}/queries");
    let good = r#"{"title": "Checkout", "question": "How was it?"}"#;
    for content_type in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonx")]
    {
        let answer = post(&test, &token, &path, content_type, good).await;
        assert_eq!(answer.problem(415), "unsupported_media_type", "{content_type:?}");
    }
    for body in ["", "{", "nonsense", "{\"title\": \"a\", }", "{} {}"] {
        let answer = post(&test, &token, &path, Some("application/json"), body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(matches!(answer.problem(400).as_str(), "malformed_json" | "invalid_body"), "{body}");
    }
    let invalid_utf8 =
        post(&test, &token, &path, Some("application/json"), b"{\"title\": \"\xff\"}".to_vec()).await;
    assert_eq!(invalid_utf8.problem(400), "malformed_json");
    assert_eq!(test.get(&token, &path).await.expect(200)["items"], json!([]), "nothing was created");
    let answer = post(&test, &token, &path, Some("Application/JSON; charset=utf-8"), good).await;
    answer.expect(201);
}

#[tokio::test]
async fn fields_are_refused_by_name() {
    let (test, environment, token) = environment_and_token().await;
    let queries = format!("/v1/environments/{environment}/queries");
    let keys = format!("/v1/environments/{environment}/api-keys");
    let long = "x".repeat(10_000);
    let read = ["feedback-report:read"];
    let cases = [
        (
            &queries,
            json!({"title": "a", "question": "b", "state": "closed"}),
            vec!["state: unknown field `state`, expected `title` or `question`"],
        ),
        (&queries, json!({"title": "a"}), vec!["question: missing field `question`"]),
        (
            &queries,
            json!({"title": 7, "question": "b"}),
            vec!["title: invalid type: integer `7`, expected a string"],
        ),
        (
            &queries,
            json!({"title": "", "question": long}),
            vec!["title: must not be empty", "question: must be at most 1000 characters long; it has 10000"],
        ),
        (
            &queries,
            json!({"title": "a\u{0}b", "question": "b"}),
            vec!["title: must not contain control characters"],
        ),
        (&queries, json!([]), vec![": invalid type: sequence, expected an object"]),
        (&keys, json!({"scopes": []}), vec!["scopes: at least one scope is needed"]),
        (
            &keys,
            json!({"scopes": ["feedback-admin", "feedback-admin"]}),
            vec!["scopes: the scope `feedback-admin` is named twice"],
        ),
        (&keys, json!({"scopes": ["nope"]}), vec!["scopes: there is no scope `nope`"]),
        (
            &keys,
            json!({"scopes": ["feedback-account-admin"]}),
            vec![
                "scopes: the scope `feedback-account-admin` is for keypairs of an account, not of an environment",
            ],
        ),
        (
            &keys,
            json!({"scopes": "feedback-admin"}),
            vec!["scopes: invalid type: string \"feedback-admin\", expected a sequence"],
        ),
        (
            &keys,
            json!({"scopes": read, "owner": {}}),
            vec![
                "owner: unknown field `owner`, expected one of `comment`, `scopes`, `expires_at`, `token_binding`, `allowed_addresses`, `public_key`",
            ],
        ),
        (
            &keys,
            json!({"scopes": read, "id": "key_x"}),
            vec![
                "id: unknown field `id`, expected one of `comment`, `scopes`, `expires_at`, `token_binding`, `allowed_addresses`, `public_key`",
            ],
        ),
        (
            &keys,
            json!({"scopes": read, "comment": long}),
            vec!["comment: must be at most 500 characters long; it has 10000"],
        ),
        (
            &keys,
            json!({"scopes": read, "expires_at": "tomorrow"}),
            vec!["expires_at: expected an instant as in 2026-01-31T12:00:00Z, before 9999-12-30T22:00:00Z"],
        ),
        (
            &keys,
            json!({"scopes": read, "expires_at": "2020-01-01T00:00:00Z"}),
            vec!["expires_at: the expiry must lie in the future"],
        ),
    ];
    for (path, body, expected) in cases {
        let answer = test.call(&token, "POST", path, body.clone()).await;
        assert_eq!(answer.problem(400), "invalid_body", "{body}");
        assert_eq!(answer.errors(), expected, "{body}");
    }
    assert_eq!(test.get(&token, &queries).await.expect(200)["items"], json!([]));
    assert_eq!(test.get(&token, &keys).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn oversized_bodies_are_refused() {
    let (test, environment, token) = environment_and_token().await;
    let big = json!({"title": "x".repeat(70_000), "question": "b"});
    let answer = test.call(&token, "POST", &format!("/v1/environments/{environment}/queries"), big).await;
    assert_eq!(answer.problem(413), "body_too_large");
    let path = format!("/v1/environments/{environment}/responses");
    let huge = json!({"responses": [{"score": 5, "text": "x".repeat(4 * 1024 * 1024)}]});
    assert_eq!(test.call(&token, "POST", &path, huge).await.problem(413), "body_too_large");
    let thousand: Vec<_> = (0..1000).map(|_| json!({"score": 5, "text": "x".repeat(1000)})).collect();
    let answer = test.call(&token, "POST", &path, json!({"responses": thousand})).await;
    assert_eq!(answer.expect(200), json!({"accepted": 1000, "duplicates": 0}));
}

#[tokio::test]
async fn parameters_are_refused_by_name() {
    let (test, environment, token) = environment_and_token().await;
    let cases = [
        ("queries?limit=0", "limit: expected a whole number from 1 to 100"),
        ("queries?limit=101", "limit: expected a whole number from 1 to 100"),
        ("queries?limit=ten", "limit: expected a whole number from 1 to 100"),
        ("queries?limit=1&limit=2", "limit: is given more than once"),
        ("queries?cursor=nonsense!", "cursor: not a `next_cursor` of this list; start again without it"),
        ("queries?cursor=a2V5XzAx", "cursor: not a `next_cursor` of this list; start again without it"),
        ("queries?colour=red", "colour: there is no such parameter here"),
        ("reports/overview?from=2026-02-30", "from: expected a date as in 2026-01-31"),
        ("reports/overview?from=2026-02-01T00:00", "from: expected a date as in 2026-01-31"),
        ("reports/overview?from=2026-02-02&to=2026-02-01", "from: `from` must not be later than `to`"),
        (
            "reports/overview?from=2025-01-01&to=2026-01-02",
            "from: a report spans at most 366 days; this is 367",
        ),
        ("reports/overview?from=-009999-01-01&to=9999-12-31", "from: expected a date as in 2026-01-31"),
        ("reports/overview?combine=yes", "combine: expected true or false"),
        ("reports/overview?combine=true&history=13", "history: expected a whole number from 0 to 12"),
        ("reports/overview?history=2", "history: comes with `combine=true` only"),
        ("reports/feedback?%00=1", "\u{0}: there is no such parameter here"),
    ];
    for (path, expected) in cases {
        let answer = test.get(&token, &format!("/v1/environments/{environment}/{path}")).await;
        assert_eq!(answer.problem(400), "invalid_parameter", "{path}");
        assert_eq!(answer.errors(), [expected], "{path}");
    }
}

#[tokio::test]
async fn a_malformed_if_match_is_refused() {
    let (test, environment, token) = environment_and_token().await;
    let path = format!("/v1/environments/{environment}");
    for malformed in ["1", "", ",", " "] {
        let answer =
            test.call_with(&token, "PATCH", &path, json!({"name": "x"}), &[("if-match", malformed)]).await;
        assert_eq!(answer.problem(400), "invalid_header", "{malformed:?}");
    }
    assert_eq!(test.get(&token, &path).await.expect(200)["name"], "Production");
}

#[tokio::test]
async fn a_panic_is_a_problem_and_says_nothing() {
    use axum::routing::get;
    use tower::ServiceExt;

    async fn panics() {
        panic!("the secret is fbs_");
    }
    let test = TestApp::start().await;
    let router = axum::Router::new().route("/v1/panics", get(panics));
    let router = crate::surroundings::Surrounded::new(test.app.clone(), router);
    let response = router.oneshot(Request::get("/v1/panics").body(Body::empty()).unwrap()).await.unwrap();
    let headers = response.headers().clone();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
    let answer = Answer { status, headers, text: String::from_utf8(body.to_vec()).unwrap() };
    assert_eq!(answer.problem(500), "internal_error");
    assert!(!answer.text.contains("fbs_"));
}
