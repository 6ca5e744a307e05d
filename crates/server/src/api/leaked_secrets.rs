//! `POST /v1/leaked-secrets`: for whoever has found a Key Secret, with or without a token.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::authorization::Public;
use super::body::Body;
use super::error::ApiError;
use super::parameters::NoParameters;
use super::shapes::Problem;
use crate::app::App;
use crate::leaked_secret;

/// A Key Secret that was found where it should not be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LeakedSecret {
    /// All of it, as it was found.
    #[schema(example = "fbs_0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV1wX2yZ3aB4cD5eF6g")]
    secret: String,
}

/// Report a leaked Key Secret
///
/// It opens nothing from then on, its keypair is disabled at once, unless that accepts no secrets, and its administrators are
/// told why. Anybody can report one: it takes no token. The
/// answer is the same for what is no Key Secret, or none that still opens anything.
#[utoipa::path(
    post,
    path = "/v1/leaked-secrets",
    operation_id = "reportLeakedSecret",
    tag = "Leaked secrets",
    request_body = LeakedSecret,
    responses(
        (status = 202, description = "If it is a Key Secret, it has ended, and its keypair is disabled unless that accepts no secrets."),
        (status = 400, description = "The body or a parameter is not as it should be.", body = Problem,
            content_type = "application/problem+json"),
        (status = 413, description = "The body is too large.", body = Problem,
            content_type = "application/problem+json"),
        (status = 415, description = "The body is not said to be JSON.", body = Problem,
            content_type = "application/problem+json"),
        (status = 503, description = "The service can't answer right now; see `Retry-After`.", body = Problem,
            content_type = "application/problem+json"),
    ),
)]
pub(super) async fn report(
    public: Public,
    State(app): State<Arc<App>>,
    _: NoParameters,
    Body(LeakedSecret { secret }): Body<LeakedSecret>,
) -> Result<StatusCode, ApiError> {
    leaked_secret::report(&app, &secret, public.address()).await?;
    Ok(StatusCode::ACCEPTED)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use axum::http::Request;
    use serde_json::json;

    use crate::api::test_harness::{Answer, TestApp};

    /// Without a token.
    async fn report(server: &TestApp, secret: &str) -> Answer {
        let request = Request::post("/v1/leaked-secrets").header("content-type", "application/json");
        let body = json!({"secret": secret}).to_string();
        server.send(request.body(axum::body::Body::from(body)).unwrap()).await
    }

    #[tokio::test]
    async fn whoever_has_found_a_secret_stops_its_keypair_and_no_other() {
        let server = TestApp::start().await;
        let account = server.account("Account").await;
        let admin = server.token(account, "feedback-account-admin feedback-report:read").await;
        let (key, other) = (
            server.key(account, "feedback-report:read").await,
            server.key(account, "feedback-report:read").await,
        );
        let (token, others) = (server.exchange(&key, "").await, server.exchange(&other, "").await);
        server.get(&token, "/v1/access").await.expect(200);
        assert_eq!(report(&server, &key.secret).await.status, 202);
        assert_eq!(server.get(&token, "/v1/access").await.problem(401), "invalid_token");
        server.get(&others, "/v1/access").await.expect(200);

        let path = format!("/v1/accounts/{account}/api-keys/{}", key.keypair.id);
        let found = server.get(&admin, &path).await.expect(200);
        assert_eq!((&found["status"], &found["enabled"]), (&json!("disabled"), &json!(false)));
        assert_eq!(found["secrets"][0]["leaked_at"], found["secrets"][0]["expires_at"]);
        assert!(found["secrets"][0]["leaked_at"].is_string());
        let log = server.get(&admin, &format!("/v1/accounts/{account}/audit-events")).await.expect(200);
        let line = &log["items"][0];
        assert_eq!(
            (&line["action"], &line["address"]),
            (&json!("keypair.secret_leaked"), &json!("192.0.2.7"))
        );
        assert_eq!(line["actor"], json!({"type": "anonymous", "id": null, "name": "anonymous"}));

        // Enabling it lets in nobody who has only what was found.
        server.call(&admin, "PATCH", &path, json!({"enabled": true})).await.expect(200);
        let form = "grant_type=client_credentials".to_owned();
        let refused = server.post_form(&key, "/oauth2/token", form, &[]).await;
        assert_eq!(refused.expect(401)["error"], "invalid_client");
        let rotated = server.call(&admin, "POST", &format!("{path}/secrets"), json!({})).await.expect(201);
        assert_eq!(rotated["secrets"].as_array().unwrap().len(), 1);
        let secret = rotated["secret"].as_str().unwrap();
        let renewed = server.exchange_secret(&key.keypair.id.to_string(), secret, "").await;
        server.get(&renewed, "/v1/access").await.expect(200);
    }

    #[tokio::test]
    async fn nothing_tells_whether_it_was_one() {
        let server = TestApp::start().await;
        let key = server.key(server.account("Account").await, "feedback-report:read").await;
        let unknown = domain::KeySecret::generate(&*server.app.entropy);
        let mistyped = format!("{}x", &key.secret[..52]);
        let mut answers = Vec::new();
        for found in ["", "x", "fbs_", mistyped.as_str(), unknown.reveal(), &key.secret, &key.secret] {
            let began = Instant::now();
            let answer = report(&server, found).await;
            assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());
            assert!(!answer.headers.values().any(|value| value.as_bytes().windows(4).any(|w| w == b"fbs_")));
            let mut headers = answer.headers;
            headers.remove("x-request-id");
            answers.push((answer.status, headers, answer.text));
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        let lines = server.app.store.last_sequence().await.unwrap();
        report(&server, &format!(" {} ", key.secret)).await;
        assert_eq!(server.app.store.last_sequence().await.unwrap(), lines, "reported before");
    }

    #[tokio::test]
    async fn what_could_not_be_looked_for_is_not_said_to_be_done() {
        let server = TestApp::start().await;
        let key = server.key(server.account("Account").await, "feedback-report:read").await;
        server.app.store.close().await;
        assert_eq!(report(&server, &key.secret).await.problem(503), "unavailable");
    }
}
