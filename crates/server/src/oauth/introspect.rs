//! `POST /oauth2/introspect` (RFC 7662): what a token is worth at this moment. A keypair asks about its own tokens, a
//! resource server about all.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::access_token::{Cnf, Scheme, Verified, worth_something};
use super::client_request::{ClientRequest, no_store};
use super::error::OAuthError;
use super::token_basis::Says;
use crate::app::App;

/// The media type of an answer that is signed (RFC 9701 §5).
const SIGNED: &str = "application/token-introspection+jwt";

/// Says what the token is worth, as JSON, or signed if the client accepts that.
pub(super) async fn introspect(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<Response, OAuthError> {
    let request = ClientRequest::read(request).await?;
    let now = app.clock.now();
    let (token, caller) = request.about_token(&app, now).await?;
    // Who may not ask must not learn that there is something.
    let may_ask =
        |says: &Says| says.keypair() == Some(caller.key) || app.config.resource_servers.contains(&caller.key);
    let answer = match worth_something(&app, token, may_ask, now).await? {
        Some(verified) => active(&app, &verified),
        // Nothing more, whatever the reason (§2.2).
        None => json!({"active": false}),
    };
    if !accepts_signed(&request.parts.headers) {
        return Ok((no_store(), Json(answer)).into_response());
    }
    let claims = json!({
        "iss": app.config.issuer(),
        "aud": caller.key,
        "iat": now.as_second(),
        "token_introspection": answer,
    });
    let signed = app
        .signing_keys
        .sign_introspection(&app.live, &claims, now)
        .await
        .map_err(|error| OAuthError::Unavailable(error.into()))?;
    Ok((no_store(), [(header::CONTENT_TYPE, HeaderValue::from_static(SIGNED))], signed).into_response())
}

/// What is said of a token that is worth something. The scopes are those that it has now.
fn active(app: &App, verified: &Verified) -> Value {
    let basis = &verified.basis;
    let mut answer = json!({
        "active": true,
        "scope": verified.scopes.to_string(),
        "client_id": basis.client(),
        "token_type": Scheme::of(basis.confirmation()).name(),
        "exp": basis.expires_at().as_second(),
        "iat": verified.issued_at,
        "sub": basis.subject(),
        "aud": verified.audience(app),
        "iss": app.config.issuer(),
        "jti": basis.token().to_string(),
        "owner": basis.owner().to_string(),
    });
    if let (Some(confirmation), Some(members)) = (basis.confirmation(), answer.as_object_mut()) {
        let hash = confirmation.hash().to_string();
        members.insert("cnf".to_owned(), json!(Cnf::of(confirmation, &hash)));
    }
    answer
}

/// Whether the client names the signed form among what it accepts: with any weight but 0, which is to refuse it (RFC 9110
/// §12.4.2).
fn accepts_signed(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let weight = |part: &str| {
                let (name, value) = part.split_once('=')?;
                name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse::<f32>().ok())?
            };
            parts.next().is_some_and(|named| named.eq_ignore_ascii_case(SIGNED))
                && parts.find_map(weight) != Some(0.0)
        })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::api::test_harness::{Answer, ISSUER, TestApp, TestKey};
    use crate::config::Config;
    use crate::oauth::test_jwt::part;

    const PATH: &str = "/oauth2/introspect";

    async fn ask(server: &TestApp, key: &TestKey, token: &str) -> Answer {
        server.post_form(key, PATH, format!("token={token}&token_type_hint=access_token"), &[]).await
    }

    async fn with_key() -> (TestApp, TestKey) {
        let server = TestApp::start().await;
        let account = server.account("Account").await;
        let key = server.key(account, "feedback-report:read feedback-account-admin").await;
        (server, key)
    }

    #[tokio::test]
    async fn a_keypair_learns_what_its_token_is_worth_now() {
        let (server, key) = with_key().await;
        let environment = server.environment(key.keypair.owner.to_string().parse().unwrap(), "One").await;
        let resource = format!("{ISSUER}/v1/environments/{environment}");
        let narrow = server.exchange(&key, &format!("&scope=feedback-report:read&resource={resource}")).await;
        let token = server.exchange(&key, "").await;
        let answer = ask(&server, &key, &token).await;
        let (id, claims) = (key.keypair.id.to_string(), part(&token, 1));
        let mut expected = json!({
            "active": true, "scope": "feedback-report:read feedback-account-admin", "client_id": id, "sub": id,
            "token_type": "Bearer", "iss": ISSUER, "aud": format!("{ISSUER}/v1"),
            "exp": claims["exp"], "iat": claims["iat"], "jti": claims["jti"],
            "owner": key.keypair.owner.to_string(),
        });
        assert_eq!(answer.expect(200), expected);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("content-type"), "application/json");
        let narrow = ask(&server, &key, &narrow).await.expect(200);
        assert_eq!((&narrow["aud"], &narrow["scope"]), (&json!(resource), &json!("feedback-report:read")));

        let path = format!("/v1/accounts/{}/api-keys/{id}", key.keypair.owner);
        let fewer = json!({"scopes": ["feedback-account-admin"]});
        server.call(&token, "PATCH", &path, fewer).await.expect(200);
        expected["scope"] = json!("feedback-account-admin");
        assert_eq!(ask(&server, &key, &token).await.expect(200), expected, "as it is now");
    }

    #[tokio::test]
    async fn what_is_worth_nothing_and_what_is_somebody_elses_look_the_same() {
        let (server, key) = with_key().await;
        let stranger = server.key(server.account("Stranger").await, "feedback-report:read").await;
        let resource_servers = vec![stranger.keypair.id];
        let asking_all = server.another(Config { resource_servers, ..Config::default() }).await;
        let token = server.exchange(&key, "").await;
        let nothing = json!({"active": false});
        assert_eq!(ask(&server, &stranger, &token).await.expect(200), nothing);
        let seen = ask(&asking_all, &stranger, &token).await.expect(200);
        assert_eq!((&seen["active"], &seen["client_id"]), (&json!(true), &json!(key.keypair.id)));
        assert_eq!(seen, ask(&server, &key, &token).await.expect(200));

        let expired = server.exchange(&key, "").await;
        server.pass(Duration::from_secs(3601));
        let (one, other) = (server.exchange(&key, "").await, server.exchange(&key, "").await);
        server.post_form(&key, "/oauth2/revoke", format!("token={one}"), &[]).await.expect(200);
        let disabled = server.key(key.keypair.owner, "feedback-report:read").await;
        let of_disabled = server.exchange(&disabled, "").await;
        asking_all.app.live.catch_up().await.unwrap();
        ask(&asking_all, &stranger, &of_disabled).await.expect(200);
        let path = format!("/v1/accounts/{}/api-keys/{}", key.keypair.owner, disabled.keypair.id);
        server.call(&other, "PATCH", &path, json!({"enabled": false})).await.expect(200);
        asking_all.app.live.catch_up().await.unwrap();
        for (what, token) in [
            ("expired", expired.as_str()),
            ("revoked", &one),
            ("of a disabled keypair", &of_disabled),
            ("cut off", &other[..other.len() - 4]),
            ("no token", "fbs_x"),
        ] {
            let answer = ask(&asking_all, &stranger, token).await;
            assert_eq!(answer.expect(200), nothing, "{what}");
            assert_eq!(ask(&server, &key, token).await.expect(200), nothing, "{what}");
        }
        assert_eq!(ask(&server, &key, &other).await.expect(200)["active"], true, "the control");
    }

    #[tokio::test]
    async fn asking_about_a_token_is_no_use_of_it_but_of_the_secret_that_asks() {
        let (server, key) = with_key().await;
        let asking = server.key(key.keypair.owner, "feedback-report:read").await;
        let resource_servers = vec![asking.keypair.id];
        let node = server.another(Config { resource_servers, ..Config::default() }).await;
        let token = server.exchange(&key, "").await;
        assert_eq!(ask(&node, &asking, &token).await.expect(200)["active"], true);
        let asked_at = node.now();
        node.app.live.flush_uses().await.unwrap();
        let used = async |key: &TestKey| {
            node.app.store.keypair(key.keypair.owner, key.keypair.id).await.unwrap().last_used_at
        };
        assert_eq!((used(&key).await, used(&asking).await), (None, Some(asked_at)));
    }

    #[tokio::test]
    async fn whoever_accepts_it_gets_a_signed_answer_that_is_no_access_token() {
        let (server, key) = with_key().await;
        let token = server.exchange(&key, "").await;
        let plain = ask(&server, &key, &token).await.expect(200);
        for (accept, token, expected) in [
            (SIGNED, token.as_str(), plain),
            ("application/json;q=0.5, Application/Token-Introspection+JWT", "x", json!({"active": false})),
        ] {
            let form = format!("token={token}");
            let answer = server.post_form(&key, PATH, form, &[("accept", accept)]).await;
            assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, SIGNED));
            assert_eq!(answer.header("cache-control"), "no-store");
            let jwt = answer.text;
            let kid = server.get("", "/oauth2/jwks").await.json()["keys"][0]["kid"].clone();
            assert_eq!(part(&jwt, 0), json!({"typ": "token-introspection+jwt", "alg": "ES256", "kid": kid}));
            let iat = part(&jwt, 1)["iat"].clone();
            assert!(iat.as_i64().is_some_and(|iat| iat.abs_diff(server.now().as_second()) <= 1));
            let claims = json!({
                "iss": ISSUER, "aud": key.keypair.id, "iat": iat, "token_introspection": expected,
            });
            assert_eq!(part(&jwt, 1), claims);
            assert_eq!(server.get(&jwt, "/v1/access").await.problem(401), "invalid_token");
        }
        let form = format!("token={token}");
        let refusing = format!("application/json, {SIGNED}; q=0.000");
        for accept in ["*/*", &refusing, &format!("{SIGNED};Q=0")] {
            let plain = server.post_form(&key, PATH, form.clone(), &[("accept", accept)]).await;
            assert_eq!(plain.header("content-type"), "application/json", "{accept}");
        }
        let reluctant = format!("application/json, {SIGNED};q=0.001");
        let signed = server.post_form(&key, PATH, form, &[("accept", &reluctant)]).await;
        assert_eq!(signed.header("content-type"), SIGNED);
        // Not for its claims, which are none of an access token, but for its type.
        let claims = part(&token, 1);
        let disguised = server
            .app
            .signing_keys
            .sign_introspection(&server.app.live, &claims, server.now())
            .await
            .unwrap();
        assert_eq!(server.get(&disguised, "/v1/access").await.problem(401), "invalid_token");
        let control = server.app.signing_keys.sign(&server.app.live, &claims, server.now()).await.unwrap();
        server.get(&control, "/v1/access").await.expect(200);
    }

    #[tokio::test]
    async fn who_is_not_the_client_or_asks_about_nothing_is_told_so() {
        let (server, key) = with_key().await;
        let token = server.exchange(&key, "").await;
        let other = server.key(key.keypair.owner, "feedback-report:read").await;
        let wrong = TestKey { keypair: key.keypair.clone(), secret: other.secret };
        assert_eq!(ask(&server, &wrong, &token).await.expect(401)["error"], "invalid_client");
        let refused = server.post_form(&key, PATH, String::new(), &[]).await.expect(400);
        assert_eq!(refused["error"], "invalid_request");
        // What can't be told is not called inactive.
        server.pass(Duration::from_secs(1));
        server.app.store.close().await;
        let refused = ask(&server, &key, &token).await;
        assert_eq!(refused.expect(503)["error"], "temporarily_unavailable");
        assert_eq!(refused.header("retry-after"), "1");
    }
}
