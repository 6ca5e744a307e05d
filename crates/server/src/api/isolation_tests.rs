//! What a token reaches, and that everything else is as if it did not exist.

use domain::Scope;
use serde_json::{Value, json};

use super::test_harness::TestApp;

const IN_ENVIRONMENT: &str =
    "feedback-report:read feedback-queries:create feedback-responses:create feedback-admin";

#[tokio::test]
async fn access_says_what_a_token_is_and_reaches() {
    let test = TestApp::start().await;
    let account = test.account("Acme").await;
    let first = test.environment(account, "Production").await;
    let second = test.environment(account, "Staging").await;
    let closed = test.environment(account, "Old").await;
    test.close_environment(closed).await;

    let key = test.key(account, "feedback-report:read feedback-admin").await;
    let token = test.exchange(&key, "").await;
    let both = json!([
        {"id": first.to_string(), "name": "Production", "account_id": account.to_string()},
        {"id": second.to_string(), "name": "Staging", "account_id": account.to_string()},
    ]);
    assert_eq!(
        test.get(&token, "/v1/access").await.expect(200),
        json!({
            "key_id": key.keypair.id.to_string(),
            "owner": {"type": "account", "id": account.to_string()},
            "scopes": ["feedback-report:read", "feedback-admin"],
            "environments": both,
            "expires_at": "2026-03-15T11:00:00Z",
        })
    );

    let one = test.key(second, "feedback-report:read").await;
    let token = test.exchange(&one, "").await;
    let access = test.get(&token, "/v1/access").await.expect(200);
    assert_eq!(access["owner"], json!({"type": "environment", "id": second.to_string()}));
    assert_eq!(access["environments"], json!([both[1]]));

    let narrowed = test
        .exchange(&key, &format!("&resource={}/environments/{first}", test.app.config.api_resource()))
        .await;
    assert_eq!(test.get(&narrowed, "/v1/access").await.expect(200)["environments"], json!([both[0]]));
    test.get(&narrowed, &format!("/v1/environments/{first}/reports/overview")).await.expect(200);
    assert_eq!(test.get(&narrowed, &format!("/v1/environments/{second}")).await.problem(404), "not_found");
    assert_eq!(test.get(&narrowed, &format!("/v1/accounts/{account}")).await.problem(404), "not_found");
}

#[tokio::test]
async fn an_account_keypair_reaches_environments_made_later() {
    let test = TestApp::start().await;
    let account = test.account("Acme").await;
    let token = test.token(account, "feedback-report:read").await;
    let later = test.environment(account, "Later").await;
    test.get(&token, &format!("/v1/environments/{later}/reports/overview")).await.expect(200);
}

#[tokio::test]
async fn what_is_out_of_reach_is_answered_like_what_does_not_exist() {
    let test = TestApp::start().await;
    let account = test.account("Acme").await;
    let here = test.environment(account, "Here").await;
    let sibling = test.environment(account, "Sibling").await;
    let closed = test.environment(account, "Closed").await;
    let strangers = test.account("Other").await;
    let elsewhere = test.environment(strangers, "Elsewhere").await;
    let query_elsewhere = test.query(elsewhere, "Theirs").await.id;
    let key_elsewhere = test.key(elsewhere, "feedback-report:read").await.keypair.id;
    let key_of_account = test.key(account, "feedback-report:read").await.keypair.id;
    test.close_environment(closed).await;
    let of_environment = test.token(here, IN_ENVIRONMENT).await;
    let of_account = test.token(account, &Scope::ALL.map(Scope::name).join(" ")).await;

    let nowhere = "env_01jx1m2q6fe8gtvdb2v3cx2xkq";
    let missing = test.get(&of_environment, &format!("/v1/environments/{nowhere}")).await;
    let expected = {
        let mut body = missing.expect(404);
        body.as_object_mut().unwrap().remove("request_id");
        body
    };

    let environment = |id: &dyn std::fmt::Display, rest: &str| format!("/v1/environments/{id}{rest}");
    let cases = [
        (&of_environment, environment(&sibling, "")),
        (&of_environment, environment(&closed, "")),
        (&of_environment, environment(&elsewhere, "/queries")),
        (&of_environment, environment(&sibling, "/api-keys")),
        (&of_environment, environment(&sibling, "/audit-events")),
        (&of_environment, environment(&sibling, "/reports/overview")),
        (&of_environment, environment(&here, &format!("/queries/{query_elsewhere}"))),
        (&of_environment, environment(&here, &format!("/queries/{query_elsewhere}/statistics"))),
        (&of_environment, environment(&here, &format!("/reports/queries/{query_elsewhere}"))),
        (&of_environment, environment(&here, &format!("/api-keys/{key_elsewhere}"))),
        (&of_environment, environment(&here, &format!("/api-keys/{key_of_account}"))),
        (&of_environment, format!("/v1/accounts/{account}")),
        (&of_account, format!("/v1/accounts/{strangers}")),
        (&of_account, format!("/v1/accounts/{strangers}/api-keys")),
        (&of_account, format!("/v1/accounts/{strangers}/audit-events")),
        (&of_account, format!("/v1/accounts/{account}/api-keys/{key_elsewhere}")),
        (&of_account, environment(&closed, "")),
        (&of_account, environment(&closed, "/reports/overview")),
        (&of_account, environment(&elsewhere, "")),
    ];
    for (token, path) in &cases {
        let answer = test.get(token, path).await;
        let mut body = answer.expect(404);
        body.as_object_mut().unwrap().remove("request_id");
        assert_eq!(body, expected, "{path}");
    }
    let listed = test.get(&of_account, "/v1/environments").await.expect(200);
    let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert_eq!(names, ["Here", "Sibling"]);
    let listed = test.get(&of_environment, "/v1/environments").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn writes_do_not_cross_either() {
    let test = TestApp::start().await;
    let account = test.account("Acme").await;
    let here = test.environment(account, "Here").await;
    let strangers = test.account("Other").await;
    let elsewhere = test.environment(strangers, "Elsewhere").await;
    let query = test.query(elsewhere, "Theirs").await.id;
    let key = test.key(elsewhere, "feedback-report:read").await.keypair.id;
    let token = test.token(account, &Scope::ALL.map(Scope::name).join(" ")).await;

    let cases = [
        ("POST", format!("/v1/environments/{elsewhere}/close"), Value::Null),
        ("PATCH", format!("/v1/environments/{elsewhere}"), json!({"name": "Mine"})),
        ("POST", format!("/v1/environments/{elsewhere}/queries"), json!({"title": "a", "question": "b"})),
        ("POST", format!("/v1/environments/{elsewhere}/responses"), json!({"responses": [{"score": 1}]})),
        (
            "POST",
            format!("/v1/environments/{elsewhere}/api-keys"),
            json!({"scopes": ["feedback-report:read"]}),
        ),
        ("PATCH", format!("/v1/environments/{here}/api-keys/{key}"), json!({"enabled": false})),
        ("DELETE", format!("/v1/environments/{here}/api-keys/{key}"), Value::Null),
        ("POST", format!("/v1/environments/{here}/api-keys/{key}/secrets"), Value::Null),
        ("DELETE", format!("/v1/environments/{here}/api-keys/{key}/secrets/1"), Value::Null),
        ("PATCH", format!("/v1/environments/{here}/queries/{query}"), json!({"title": "Mine"})),
        ("POST", format!("/v1/environments/{here}/queries/{query}/close"), Value::Null),
        ("POST", format!("/v1/accounts/{strangers}/api-keys"), json!({"scopes": ["feedback-report:read"]})),
    ];
    for (method, path, body) in cases {
        assert_eq!(test.call(&token, method, &path, body).await.problem(404), "not_found", "{method} {path}");
    }
    // A query of another environment takes no responses of this one.
    let batch = json!({"responses": [{"score": 5}, {"score": 4, "query": query.to_string()}]});
    let answer = test.call(&token, "POST", &format!("/v1/environments/{here}/responses"), batch).await;
    assert_eq!(answer.problem(400), "invalid_body");
    assert_eq!(answer.errors(), ["responses[1].query: no open query of this environment"]);
    let report = test.get(&token, &format!("/v1/environments/{here}/reports/overview?combine=true")).await;
    assert_eq!(report.expect(200)["points"][0]["responses"], 0, "all of a batch or none");
}

#[tokio::test]
async fn closing_an_environment_ends_its_tokens_at_once_and_leaves_the_accounts() {
    let test = TestApp::start().await;
    let account = test.account("Acme").await;
    let environment = test.environment(account, "Production").await;
    let inside = test.token(environment, "feedback-report:read").await;
    let admin = test.token(account, "feedback-account-admin feedback-report:read").await;
    test.get(&inside, "/v1/access").await.expect(200);

    let path = format!("/v1/environments/{environment}/close");
    let stale = test.call_with(&admin, "POST", &path, Value::Null, &[("if-match", "\"7\"")]).await;
    assert_eq!(stale.problem(412), "precondition_failed");
    let closed = test.call(&admin, "POST", &path, Value::Null).await.expect(200);
    assert_eq!(closed["state"], "closed");
    assert_eq!(closed["closed_at"], json!(test.now()));

    assert_eq!(test.get(&inside, "/v1/access").await.problem(401), "invalid_token");
    assert_eq!(test.get(&admin, "/v1/access").await.expect(200)["environments"], json!([]));
    assert_eq!(test.call(&admin, "POST", &path, Value::Null).await.problem(404), "not_found");
}

#[tokio::test]
async fn without_its_store_the_api_says_so_and_when_to_come_again() {
    let test = TestApp::start().await;
    let account = test.account("Acme").await;
    let environment = test.environment(account, "Production").await;
    let token = test.token(environment, "feedback-report:read").await;
    test.app.store.close().await;
    let answer = test.get(&token, &format!("/v1/environments/{environment}/queries")).await;
    assert_eq!(answer.problem(503), "unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    assert!(!answer.text.to_lowercase().contains("sql") && !answer.text.contains("pool"), "{}", answer.text);
}
