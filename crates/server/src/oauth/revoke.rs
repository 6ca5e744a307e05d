//! `POST /oauth2/revoke` (RFC 7009): a keypair ends one of its own tokens, an application all that it was granted with one.

use std::sync::Arc;

use axum::extract::{Request, State};
use domain::{Actor, ApplicationGrant, ClientId, RefreshToken, Stamp, Standing, Timestamp, User};
use storage::{Revocation, StorageError};

use super::access_token::{accepted, signed, worth_something};
use super::application_client::ApplicationClient;
use super::client_request::{ClientRequest, NoStore, no_store};
use super::error::OAuthError;
use super::token_basis::{Basis, Says};
use crate::app::{App, Author};

/// Revokes the token. The answer is the same for what is none of the caller's, or worth nothing already (§2.2).
pub(super) async fn revoke(State(app): State<Arc<App>>, request: Request) -> Result<NoStore, OAuthError> {
    let request = ClientRequest::read(request).await?;
    let now = app.clock.now();
    if ApplicationClient::sends(&request) {
        return revoke_grant(&app, &request, now).await;
    }
    let (token, caller) = request.about_token(&app, now).await?;
    let own = |says: &Says| says.keypair() == Some(caller.key);
    let Some(Basis::Keypair(claims, _)) =
        worth_something(&app, token, own, now).await?.map(|verified| verified.basis)
    else {
        return Ok(no_store());
    };
    let author = Author {
        actor: Actor::Keypair(caller.key),
        address: request.address(&app),
        standing: Some(Standing::Client(caller.n)),
    };
    match app.store.revoke_token(&app.stamp(&author, now), caller.key, &claims.revoked()).await {
        Ok(Revocation::Done) => Ok(no_store()),
        // What it authenticated by opens nothing any more, which this node had not heard.
        Err(StorageError::NotFound | StorageError::Fallen(_)) => {
            Err(OAuthError::InvalidClient { by_header: caller.by_header })
        }
        Ok(Revocation::Full(until)) => {
            let seconds = until.as_second().saturating_sub(now.as_second());
            Err(OAuthError::TooManyRevoked { seconds: seconds.max(1) })
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends what an application was granted, by a refresh token, also one that was used, or by an access token of it. Whoever
/// has one acts for the person.
async fn revoke_grant(app: &App, request: &ClientRequest, now: Timestamp) -> Result<NoStore, OAuthError> {
    let client = ApplicationClient::of(app, request, now).await?;
    let token = request
        .form
        .get("token")
        .ok_or_else(|| OAuthError::InvalidRequest("the parameter `token` is missing".to_owned()))?;
    let Some((grant, user)) = granted_with(app, client.id, token, now).await? else {
        client.must_wait()?;
        return Ok(no_store());
    };
    let actor = Actor::User(user.id, user.email.to_string());
    let author = Author { actor, address: request.address(app), standing: None };
    let stamp = Stamp { client: Some(grant.client), ..app.stamp(&author, now) };
    match app.store.revoke_grant(&stamp, user.id, grant.id).await {
        Ok(()) | Err(StorageError::NotFound) => Ok(no_store()),
        Err(error) => Err(error.into()),
    }
}

/// What the application was granted that the token is of, and who granted it.
async fn granted_with(
    app: &App,
    client: ClientId,
    token: &str,
    now: Timestamp,
) -> Result<Option<(ApplicationGrant, User)>, StorageError> {
    if let Ok(token) = token.parse::<RefreshToken>() {
        let grant = app.store.grant_of(&token.hash()).await?.filter(|grant| grant.client == client);
        let Some(grant) = grant else { return Ok(None) };
        return match app.store.user(grant.user).await {
            Ok(user) => Ok(Some((grant, user))),
            Err(StorageError::NotFound) => Ok(None),
            Err(error) => Err(error),
        };
    }
    // Whether or not the environment is open that the token was narrowed to: what was granted may reach more.
    let basis = async {
        let says = signed(app, token).await?.says;
        let own = matches!(says, Says::Grant(claims) if claims.client == client);
        Ok(if own { Some(says.judged(app, now).await?.0) } else { None })
    };
    Ok(match accepted(basis.await)?.flatten() {
        Some(Basis::Grant(_, live)) => Some((live.grant.clone(), live.user.clone())),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use axum::http::Request;
    use domain::{MAX_REVOKED, Owner, RevokedToken, TokenId};

    use super::*;
    use crate::api::test_harness::{Answer, TestApp, TestKey};
    use crate::config::Config;

    const PATH: &str = "/oauth2/revoke";

    async fn revoke(server: &TestApp, key: &TestKey, token: &str) -> Answer {
        server.post_form(key, PATH, format!("token={token}"), &[]).await
    }

    /// A keypair, and the right to look at it.
    async fn with_key() -> (TestApp, TestKey) {
        let server = TestApp::start().await;
        let account = server.account("Account").await;
        let key = server.key(account, "feedback-report:read feedback-account-admin").await;
        (server, key)
    }

    async fn refuses(server: &TestApp, token: &str) {
        assert_eq!(server.get(token, "/v1/access").await.problem(401), "invalid_token");
    }

    #[tokio::test]
    async fn a_revoked_token_stops_at_once_and_no_other_does() {
        let (server, key) = with_key().await;
        let (one, other) = (server.exchange(&key, "").await, server.exchange(&key, "").await);
        server.get(&one, "/v1/access").await.expect(200);
        let before = server.app.store.last_sequence().await.unwrap();
        let answer = revoke(&server, &key, &one).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, ""));
        assert_eq!(answer.header("cache-control"), "no-store");
        refuses(&server, &one).await;
        server.get(&other, "/v1/access").await.expect(200);
        revoke(&server, &key, &one).await.expect(200);
        let lines = server.app.store.events_after(before, 9).await.unwrap();
        assert_eq!(lines.len(), 1, "the second time changes nothing");
        assert_eq!(lines[0].action, "keypair.token_revoked");
        assert_eq!(lines[0].stamp.actor, Actor::Keypair(key.keypair.id));
        assert_eq!(lines[0].stamp.address.as_deref(), Some("192.0.2.7"));
        let new = server.exchange(&key, "").await;
        server.get(&new, "/v1/access").await.expect(200);
        let hinted = format!("token={new}&token_type_hint=refresh_token&more=1");
        server.post_form(&key, PATH, hinted, &[]).await.expect(200);
        refuses(&server, &new).await;
    }

    #[tokio::test]
    async fn what_is_not_the_callers_or_worth_nothing_gets_the_same_answer_and_stays_as_it_is() {
        let (server, key) = with_key().await;
        let stranger = server.key(server.account("Stranger").await, "feedback-report:read").await;
        let disabled = server.key(key.keypair.owner, "feedback-report:read").await;
        let expired = server.exchange(&key, "").await;
        server.pass(Duration::from_secs(3600));
        let own = server.exchange(&key, "").await;
        let foreign = server.exchange(&stranger, "").await;
        let of_disabled = server.exchange(&disabled, "").await;
        let Owner::Account(account) = key.keypair.owner else { panic!("an account's") };
        let path = format!("/v1/accounts/{account}/api-keys/{}", disabled.keypair.id);
        server.call(&own, "PATCH", &path, serde_json::json!({"enabled": false})).await.expect(200);
        let before = server.app.store.last_sequence().await.unwrap();
        let shape = |answer: Answer| {
            let mut headers = answer.headers;
            headers.remove("x-request-id");
            (answer.status, headers, answer.text)
        };
        let introspection = server
            .app
            .signing_keys
            .sign_introspection(&server.app.live, &serde_json::json!({}), server.now())
            .await
            .unwrap();
        let mut answers = Vec::new();
        for token in [
            foreign.as_str(),
            &of_disabled,
            &expired,
            &introspection,
            "nonsense",
            &own[..own.len() - 4],
            "fbs_x",
        ] {
            answers.push(shape(revoke(&server, &key, token).await));
        }
        assert_eq!(server.app.store.last_sequence().await.unwrap(), before);
        server.get(&foreign, "/v1/access").await.expect(200);
        server.get(&own, "/v1/access").await.expect(200);
        answers.push(shape(revoke(&server, &key, &own).await));
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        refuses(&server, &own).await;
    }

    #[tokio::test]
    async fn who_is_not_the_client_revokes_nothing() {
        let (server, key) = with_key().await;
        let token = server.exchange(&key, "").await;
        let other = server.key(key.keypair.owner, "feedback-report:read").await;
        let wrong = TestKey { keypair: key.keypair.clone(), secret: other.secret.clone() };
        assert_eq!(revoke(&server, &wrong, &token).await.expect(401)["error"], "invalid_client");
        let nobody = Request::post(PATH)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(format!("token={token}")))
            .unwrap();
        assert_eq!(server.send(nobody).await.expect(401)["error"], "invalid_client");
        for (form, said) in [
            (String::new(), "token"),
            ("token=".to_owned(), "token"),
            (format!("token={token}&token={token}"), "more than once"),
            (format!("token={token}&more={}", "x".repeat(16 * 1024)), "16 KiB"),
            (format!("token={token}&client_secret=x"), "two ways"),
        ] {
            let refused = server.post_form(&key, PATH, form, &[]).await.expect(400);
            assert_eq!(refused["error"], "invalid_request");
            assert!(refused["error_description"].as_str().unwrap().contains(said), "{refused}");
        }
        let read = server.send(Request::get(PATH).body(Body::empty()).unwrap()).await;
        assert_eq!((read.status.as_u16(), read.header("allow")), (405, "POST"));
        server.get(&token, "/v1/access").await.expect(200);
        let by_body = format!("token={token}&client_id={}&client_secret={}", key.keypair.id, key.secret);
        let request = Request::post(PATH)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(by_body))
            .unwrap();
        server.send(request).await.expect(200);
        refuses(&server, &token).await;
    }

    #[tokio::test]
    async fn another_node_hears_of_it_and_trusts_nothing_old_where_it_does_not() {
        let (here, key) = with_key().await;
        let (there, deaf) = (here.another(Config::default()).await, here.another(Config::default()).await);
        let token = here.exchange(&key, "").await;
        for node in [&there, &deaf] {
            node.get(&token, "/v1/access").await.expect(200);
        }
        revoke(&here, &key, &token).await.expect(200);
        there.app.live.catch_up().await.unwrap();
        refuses(&there, &token).await;
        there.pass(Duration::from_secs(1));
        refuses(&deaf, &token).await;
    }

    #[tokio::test]
    async fn where_no_more_can_be_kept_it_says_until_when_and_what_to_do_instead() {
        let (server, key) = with_key().await;
        let author = Author { actor: Actor::Operator, address: None, standing: None };
        let kept_until = server.now() + Duration::from_secs(600);
        for _ in 0..MAX_REVOKED {
            let token = RevokedToken { id: TokenId::generate(&*server.app.entropy), kept_until };
            let stamp = server.app.stamp(&author, server.now());
            server.app.store.revoke_token(&stamp, key.keypair.id, &token).await.unwrap();
        }
        let token = server.exchange(&key, "").await;
        let refused = revoke(&server, &key, &token).await;
        assert_eq!(refused.expect(503)["error"], "temporarily_unavailable");
        assert_eq!(refused.header("retry-after"), "600");
        assert!(refused.text.contains("disable the keypair"), "{}", refused.text);
        server.get(&token, "/v1/access").await.expect(200);
        server.pass(Duration::from_secs(600));
        revoke(&server, &key, &token).await.expect(200);
        refuses(&server, &token).await;
    }

    #[tokio::test]
    async fn what_could_not_be_written_is_not_said_to_be_done() {
        let (server, key) = with_key().await;
        let token = server.exchange(&key, "").await;
        server.get(&token, "/v1/access").await.expect(200);
        server.app.store.close().await;
        let refused = revoke(&server, &key, &token).await;
        assert_eq!(refused.expect(503)["error"], "temporarily_unavailable");
        assert_eq!(refused.header("retry-after"), "1");
    }
}
