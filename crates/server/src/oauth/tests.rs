//! The token endpoint and its tokens, through the whole router.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::{Actor, AllowedAddresses, Comment, KeyId, KeySecret, KeypairEdit, Timestamp, TokenBinding};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::test_jwt::part;
use crate::api::test_harness::{Answer, ISSUER, TestApp, TestKey};
use crate::app::Author;
use crate::config::Config;
use crate::keypairs;

const FORM: &str = "application/x-www-form-urlencoded";

async fn post(server: &TestApp, authorization: Option<&str>, content_type: &str, body: &str) -> Answer {
    let mut request = Request::post("/oauth2/token").header(CONTENT_TYPE, content_type);
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    server.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}")))
}

async fn with_key(server: &TestApp, key: &TestKey, more: &str) -> Answer {
    let authorization = basic(&key.keypair.id.to_string(), &key.secret);
    post(server, Some(&authorization), FORM, &format!("grant_type=client_credentials{more}")).await
}

#[tokio::test]
async fn a_keypair_becomes_a_jwt_that_says_only_what_it_must() {
    let server = TestApp::start().await;
    let account = server.account("Account").await;
    let key = server.key(account, "feedback-report:read feedback-admin").await;
    let answer = with_key(&server, &key, "").await;
    let body = answer.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 3600);
    assert_eq!(body["scope"], "feedback-report:read feedback-admin");
    assert_eq!(body.get("refresh_token"), None);
    let token = body["access_token"].as_str().unwrap();

    let kid = server.get("", "/oauth2/jwks").await.json()["keys"][0]["kid"].clone();
    assert_eq!(part(token, 0), json!({"typ": "at+jwt", "alg": "ES256", "kid": kid}));
    let claims = part(token, 1);
    let id = key.keypair.id.to_string();
    let iat = server.now().as_second();
    assert_eq!(
        claims,
        json!({
            "iss": ISSUER, "aud": format!("{ISSUER}/v1"), "sub": id, "client_id": id,
            "scope": "feedback-report:read feedback-admin", "iat": iat, "exp": iat + 3600,
            "jti": claims["jti"], "owner": account.to_string(), "gen": 1, "sec": 1,
        })
    );
    assert!(claims["jti"].as_str().unwrap().len() >= 16);
}

#[tokio::test]
async fn every_refused_client_gets_the_same_answer() {
    let server = TestApp::start().await;
    let account = server.account("Account").await;
    let environment = server.environment(account, "Production").await;
    let good = server.key(account, "feedback-report:read").await;
    let other = server.key(account, "feedback-report:read").await;
    let closed = server.key(environment, "feedback-report:read").await;
    let admin = server.token(account, "feedback-account-admin feedback-report:read").await;
    let path = |key: &TestKey| format!("/v1/accounts/{account}/api-keys/{}", key.keypair.id);
    let (disabled, removed, expired) = (
        server.key(account, "feedback-report:read").await,
        server.key(account, "feedback-report:read").await,
        server.key(account, "feedback-report:read").await,
    );
    server.call(&admin, "PATCH", &path(&disabled), json!({"enabled": false})).await.expect(200);
    server.call(&admin, "DELETE", &path(&removed), Value::Null).await.expect(204);
    let soon = (server.now() + Duration::from_secs(60)).to_string();
    server.call(&admin, "PATCH", &path(&expired), json!({"expires_at": soon})).await.expect(200);
    server.pass(Duration::from_secs(61));
    server.close_environment(environment).await;

    let id = |key: &TestKey| key.keypair.id.to_string();
    let unknown = "key_01jdaaaaaaaaaaaaaaaaaaaaaa".to_owned();
    let mut answers = Vec::new();
    for (client, secret) in [
        (unknown, good.secret.clone()),
        (id(&good), other.secret.clone()),
        (id(&good), "fbs_wrong".to_owned()),
        ("nobody".to_owned(), "nothing".to_owned()),
        (id(&disabled), disabled.secret.clone()),
        (id(&removed), removed.secret.clone()),
        (id(&expired), expired.secret.clone()),
        (id(&closed), closed.secret.clone()),
    ] {
        let answer =
            post(&server, Some(&basic(&client, &secret)), FORM, "grant_type=client_credentials").await;
        assert_eq!(answer.status, 401, "{client}");
        assert!(answer.header("www-authenticate").starts_with("Basic "));
        assert_eq!(answer.header("cache-control"), "no-store");
        let body = format!("grant_type=client_credentials&client_id={client}&client_secret={secret}");
        let by_body = post(&server, None, FORM, &body).await;
        assert_eq!(by_body.status, 401);
        assert_eq!(by_body.header("www-authenticate"), "");
        answers.extend([answer.text, by_body.text]);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(answers[0].contains(r#""error":"invalid_client""#));
    with_key(&server, &good, "").await.expect(200);
}

#[tokio::test]
async fn scopes_are_granted_as_asked_or_refused_by_name() {
    let server = TestApp::start().await;
    let account = server.account("Account").await;
    let key = server.key(account, "feedback-report:read feedback-admin").await;
    let narrowed = with_key(&server, &key, "&scope=feedback-admin").await.expect(200);
    assert_eq!(narrowed["scope"], "feedback-admin");
    for (scope, named) in [
        ("feedback-responses:create", "feedback-responses:create"),
        ("feedback-admin+feedback-account-admin", "feedback-account-admin"),
        ("nonsense", "nonsense"),
        ("feedback-admin+feedback-admin", "twice"),
    ] {
        let refused = with_key(&server, &key, &format!("&scope={scope}")).await.expect(400);
        assert_eq!(refused["error"], "invalid_scope");
        assert!(refused["error_description"].as_str().unwrap().contains(named), "{refused}");
    }
    let all = with_key(&server, &key, "&scope=").await.expect(200);
    assert_eq!(all["scope"], "feedback-report:read feedback-admin");
}

#[tokio::test]
async fn a_malformed_request_says_what_to_mend() {
    let server = TestApp::start().await;
    let account = server.account("Account").await;
    let key = server.key(account, "feedback-report:read").await;
    let good = basic(&key.keypair.id.to_string(), &key.secret);
    let grant = "grant_type=client_credentials";
    let long = format!("{grant}&x={}", "y".repeat(16 * 1024));
    for (content_type, body, error, said) in [
        ("application/json", "{}", "invalid_request", "content type"),
        (FORM, "", "invalid_request", "grant_type"),
        (FORM, "grant_type=client_credentials&grant_type=x", "invalid_request", "more than once"),
        (FORM, "grant_type=client_credentials&scope=%ff", "invalid_request", "UTF-8"),
        (FORM, "grant_type=client_credentials&scope=%f", "invalid_request", "percent"),
        (FORM, "grant_type=client_credentials&client_secret=x", "invalid_request", "two ways"),
        (FORM, long.as_str(), "invalid_request", "16 KiB"),
        (FORM, "grant_type=password", "unsupported_grant_type", "client_credentials"),
        (FORM, "grant_type=client_credentials&resource=https://other.example", "invalid_target", "resource"),
    ] {
        let refused = post(&server, Some(&good), content_type, body).await.expect(400);
        assert_eq!(refused["error"], error, "{body:.60}");
        assert!(refused["error_description"].as_str().unwrap().contains(said), "{refused}");
    }
    let nobody = post(&server, None, FORM, grant).await;
    assert_eq!(nobody.expect(401)["error"], "invalid_client");
    let request = Request::get("/oauth2/token").body(Body::empty()).unwrap();
    let wrong_method = server.send(request).await;
    assert_eq!((wrong_method.status.as_u16(), wrong_method.header("allow")), (405, "POST"));
    let request = Request::post(format!("/oauth2/token?{grant}"))
        .header(CONTENT_TYPE, FORM)
        .header(AUTHORIZATION, good)
        .body(Body::from(grant))
        .unwrap();
    assert_eq!(server.send(request).await.expect(400)["error"], "invalid_request");
}

#[tokio::test]
async fn a_token_for_one_environment_reaches_no_other() {
    let server = TestApp::start().await;
    let account = server.account("Account").await;
    let (here, there) =
        (server.environment(account, "Here").await, server.environment(account, "There").await);
    let stranger = server.account("Stranger").await;
    let foreign = server.environment(stranger, "Foreign").await;
    let key = server.key(account, "feedback-report:read feedback-account-admin").await;
    let token = server.exchange(&key, &format!("&resource={ISSUER}/v1/environments/{here}")).await;
    assert_eq!(part(&token, 1)["aud"], format!("{ISSUER}/v1/environments/{here}"));
    let reached = server.get(&token, "/v1/access").await.expect(200);
    assert_eq!(reached["environments"].as_array().unwrap().len(), 1);
    server.get(&token, &format!("/v1/environments/{here}")).await.expect(200);
    server.get(&token, &format!("/v1/environments/{there}")).await.problem(404);
    server.get(&token, &format!("/v1/accounts/{account}/api-keys")).await.problem(404);
    for resource in [format!("{ISSUER}/v1/environments/{foreign}"), format!("{ISSUER}/v1x"), "x".into()] {
        let refused = with_key(&server, &key, &format!("&resource={resource}")).await.expect(400);
        assert_eq!(refused["error"], "invalid_target");
    }
    let whole = server.exchange(&key, &format!("&resource={ISSUER}/v1")).await;
    server.get(&whole, &format!("/v1/environments/{there}")).await.expect(200);
}

#[tokio::test]
async fn a_token_for_one_environment_ends_with_it_and_the_others_of_its_keypair_do_not() {
    let server = TestApp::start().await;
    let account = server.account("Account").await;
    let here = server.environment(account, "Here").await;
    let key = server.key(account, "feedback-report:read").await;
    let narrow = server.exchange(&key, &format!("&resource={ISSUER}/v1/environments/{here}")).await;
    let whole = server.exchange(&key, "").await;
    let access = async |token: &str| server.get(token, "/v1/access").await.status.as_u16();
    let active = async |token: &str| {
        let asked = server.post_form(&key, "/oauth2/introspect", format!("token={token}"), &[]).await;
        asked.expect(200)["active"].as_bool().unwrap()
    };
    assert_eq!((access(&narrow).await, active(&narrow).await), (200, true));
    let admin = server.token(account, "feedback-account-admin").await;
    let close = format!("/v1/environments/{here}/close");
    server.call(&admin, "POST", &close, serde_json::Value::Null).await.expect(200);
    assert_eq!((access(&narrow).await, active(&narrow).await), (401, false));
    assert_eq!((access(&whole).await, active(&whole).await), (200, true));
}

#[tokio::test]
async fn a_token_lives_no_longer_than_its_keypair_and_its_secret() {
    let server = TestApp::start().await;
    let account = server.account("Account").await;
    let key = server.key(account, "feedback-account-admin").await;
    let path = format!("/v1/accounts/{account}/api-keys/{}", key.keypair.id);
    let old = server.exchange(&key, "").await;
    let rotated = server
        .call(&old, "POST", &format!("{path}/secrets"), json!({"overlap_seconds": 60}))
        .await
        .expect(201);
    let new =
        server.exchange_secret(&key.keypair.id.to_string(), rotated["secret"].as_str().unwrap(), "").await;
    let short = with_key(&server, &key, "").await.expect(200);
    assert!(short["expires_in"].as_i64().unwrap() <= 60);
    server.get(&old, "/v1/access").await.expect(200);
    server.pass(Duration::from_secs(61));
    assert_eq!(server.get(&old, "/v1/access").await.problem(401), "invalid_token");
    server.get(&new, "/v1/access").await.expect(200);
    server.pass(Duration::from_secs(3600));
    assert_eq!(server.get(&new, "/v1/access").await.problem(401), "invalid_token");
}

#[tokio::test]
async fn the_metadata_leads_a_client_to_everything() {
    let server = TestApp::start().await;
    let read =
        async |path: &str| server.send(Request::get(path).body(Body::empty()).unwrap()).await.expect(200);
    let metadata = read("/.well-known/oauth-authorization-server").await;
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["token_endpoint"], format!("{ISSUER}/oauth2/token"));
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&json!("client_credentials")));
    for (name, path) in [("revocation", "revoke"), ("introspection", "introspect")] {
        assert_eq!(metadata[format!("{name}_endpoint")], format!("{ISSUER}/oauth2/{path}"));
        let methods = metadata[format!("{name}_endpoint_auth_methods_supported")].as_array().unwrap();
        for method in ["client_secret_basic", "client_secret_post", "private_key_jwt"] {
            assert!(methods.contains(&json!(method)), "{name} {method}");
        }
        // An application may end what it was granted, and ask nothing.
        assert_eq!(methods.contains(&json!("none")), name == "revocation");
    }
    assert_eq!(metadata["introspection_signing_alg_values_supported"], json!(["ES256"]));
    let jwks = metadata["jwks_uri"].as_str().unwrap().strip_prefix(ISSUER).unwrap().to_owned();
    let key = read(&jwks).await["keys"][0].clone();
    assert_eq!((&key["use"], &key["alg"], &key["kty"]), (&json!("sig"), &json!("ES256"), &json!("EC")));
    assert!(key.get("d").is_none(), "the private half stays inside");
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/v1"] {
        let resource = read(path).await;
        assert_eq!(resource["resource"], format!("{ISSUER}/v1"));
        assert_eq!(resource["authorization_servers"], json!([ISSUER]));
    }
}

/// A wrong secret of the keypair from an address, which a proxy may name.
async fn fail_from(server: &TestApp, key: &TestKey, peer: [u8; 4], forwarded: Option<&str>) -> Answer {
    let wrong = basic(&key.keypair.id.to_string(), KeySecret::generate(&*server.app.entropy).reveal());
    let mut request = Request::post("/oauth2/token")
        .header(CONTENT_TYPE, FORM)
        .header(AUTHORIZATION, wrong)
        .extension(ConnectInfo(SocketAddr::from((peer, 1))));
    if let Some(forwarded) = forwarded {
        request = request.header("x-forwarded-for", forwarded);
    }
    server.send(request.body(Body::from("grant_type=client_credentials")).unwrap()).await
}

#[tokio::test]
async fn whoever_fails_too_often_waits_and_nobody_else() {
    let proxy = [10, 0, 0, 1];
    let settings = Config { trusted_proxies: vec![IpAddr::from(proxy)], ..Config::default() };
    let server = TestApp::start_with(settings).await;
    let account = server.account("Account").await;
    let key = server.key(account, "feedback-report:read").await;
    let other = server.key(account, "feedback-report:read").await;
    let attacker = [192, 0, 2, 1];
    // What the attacker says of its address counts for nothing: it is no trusted proxy.
    let said: Vec<_> = (0..30).map(|n| format!("203.0.113.{n}")).collect();
    let failing = said.iter().map(|said| fail_from(&server, &key, attacker, Some(said)));
    assert!(join_all(failing).await.iter().all(|answer| answer.status == 401));
    let answer = fail_from(&server, &key, attacker, None).await;
    assert_eq!(answer.status, 429, "{}", answer.text);
    assert_eq!(answer.json()["error"], "temporarily_unavailable");
    assert!(answer.header("retry-after").parse::<i64>().unwrap() <= 60);
    assert_eq!(answer.header("cache-control"), "no-store");
    // The proxy is trusted, and so is what it says.
    assert_eq!(fail_from(&server, &key, proxy, Some("192.0.2.1")).await.status, 429);
    assert_eq!(fail_from(&server, &key, proxy, Some("192.0.2.2")).await.status, 401);
    assert_eq!(fail_from(&server, &other, attacker, None).await.status, 401);
    with_key(&server, &key, "").await.expect(200);
    server.pass(Duration::from_secs(60));
    assert_eq!(fail_from(&server, &key, attacker, None).await.status, 401);
}

#[tokio::test]
async fn the_right_secret_opens_also_where_others_failed_too_often() {
    let server = TestApp::start().await;
    let account = server.account("Account").await;
    let (key, other) = (
        server.key(account, "feedback-report:read").await,
        server.key(account, "feedback-report:read").await,
    );
    let right = |key: &TestKey| basic(&key.keypair.id.to_string(), &key.secret);
    with_key(&server, &key, "").await.expect(200);
    with_key(&server, &other, "").await.expect(200);
    let wrong = basic(&key.keypair.id.to_string(), &other.secret);
    let body = "grant_type=client_credentials";
    let failing = join_all((0..30).map(|_| post(&server, Some(&wrong), FORM, body)));
    assert!(failing.await.iter().all(|answer| answer.status == 401));
    assert_eq!(post(&server, Some(&wrong), FORM, body).await.status, 429);
    for key in [&key, &other] {
        post(&server, Some(&right(key)), FORM, body).await.expect(200);
    }
    // Unknown Key IDs, one after the other, are limited by the address alone.
    let unknown = async |_| {
        let id: KeyId = domain::new_id(server.now(), &*server.app.entropy);
        post(&server, Some(&basic(&id.to_string(), &key.secret)), FORM, body).await.status
    };
    assert!(join_all((0..270).map(unknown)).await.iter().all(|status| *status == 401));
    assert!(join_all((0..3).map(unknown)).await.iter().all(|status| *status == 429));
    for key in [&key, &other] {
        post(&server, Some(&right(key)), FORM, body).await.expect(200);
    }
}

#[tokio::test]
async fn a_keypair_obtains_so_many_tokens_a_minute_if_that_is_limited() {
    let settings = Config { tokens_per_minute: NonZeroU32::new(2), ..Config::default() };
    let server = TestApp::start_with(settings).await;
    let account = server.account("Account").await;
    let (key, other) = (
        server.key(account, "feedback-report:read").await,
        server.key(account, "feedback-report:read").await,
    );
    for _ in 0..2 {
        with_key(&server, &key, "").await.expect(200);
    }
    let answer = with_key(&server, &key, "").await;
    assert_eq!(answer.status, 429, "{}", answer.text);
    let seconds: u64 = answer.header("retry-after").parse().unwrap();
    with_key(&server, &other, "").await.expect(200);
    server.pass(Duration::from_secs(seconds));
    with_key(&server, &key, "").await.expect(200);
}

#[tokio::test]
async fn the_right_secret_opens_a_keypair_that_was_forgotten_where_others_failed_too_often() {
    let server = TestApp::start().await;
    let account = server.account("Account").await;
    let key = server.key(account, "feedback-report:read").await;
    let right = basic(&key.keypair.id.to_string(), &key.secret);
    let body = "grant_type=client_credentials";
    // Nothing of it is in memory yet, and everybody else behind the address fails.
    let unknown = async |_| {
        let id: KeyId = domain::new_id(server.now(), &*server.app.entropy);
        post(&server, Some(&basic(&id.to_string(), &key.secret)), FORM, body).await.status
    };
    assert!(join_all((0..300).map(unknown)).await.iter().all(|status| *status == 401));
    server.pass(Duration::from_secs(1));
    assert_eq!(unknown(0).await, 429);
    post(&server, Some(&right), FORM, body).await.expect(200);
    // An edit makes every node forget it.
    let comment = Some(Comment::new("edited").unwrap());
    let edit = KeypairEdit { comment, ..KeypairEdit::default() };
    let operator = Author { actor: Actor::Operator, address: None, standing: None };
    keypairs::edit(&server.app, &operator, account.into(), key.keypair.id, &edit, None, None).await.unwrap();
    server.app.live.catch_up().await.unwrap();
    post(&server, Some(&right), FORM, body).await.expect(200);
    // What there is in a second is used up: the store is asked no more, and memory still is.
    assert!(join_all((0..20).map(unknown)).await.iter().all(|status| *status == 429));
    post(&server, Some(&right), FORM, body).await.expect(200);
}

#[tokio::test]
async fn an_edit_does_not_begin_the_count_of_tokens_anew() {
    let settings = Config { tokens_per_minute: NonZeroU32::new(1), ..Config::default() };
    let server = TestApp::start_with(settings).await;
    let account = server.account("Account").await;
    let key = server.key(account, "feedback-report:read").await;
    with_key(&server, &key, "").await.expect(200);
    let comment = Some(Comment::new("edited").unwrap());
    let edit = KeypairEdit { comment, ..KeypairEdit::default() };
    let operator = Author { actor: Actor::Operator, address: None, standing: None };
    keypairs::edit(&server.app, &operator, account.into(), key.keypair.id, &edit, None, None).await.unwrap();
    server.app.live.catch_up().await.unwrap();
    assert_eq!(with_key(&server, &key, "").await.status, 429);
}

/// When each of the keypair's secrets was last used, as the store knows it.
async fn secrets_used(server: &TestApp, key: &TestKey) -> Vec<Option<Timestamp>> {
    server.app.live.flush_uses().await.unwrap();
    let keypair = server.app.store.keypair(key.keypair.owner, key.keypair.id).await.unwrap();
    keypair.secrets.iter().map(|secret| secret.last_used_at).collect()
}

#[tokio::test]
async fn a_right_secret_that_is_refused_counts_as_needed() {
    let server = TestApp::start().await;
    let account = server.account("Account").await;
    let operator = Author { actor: Actor::Operator, address: None, standing: None };
    let elsewhere = AllowedAddresses::new(["198.51.100.0/24"]).unwrap();
    let bound = |binding| KeypairEdit { token_binding: Some(binding), ..KeypairEdit::default() };
    for (edit, more, status) in [
        (KeypairEdit { allowed_addresses: Some(elsewhere), ..KeypairEdit::default() }, "", 401),
        (bound(TokenBinding::Dpop), "", 400),
        (bound(TokenBinding::Mtls), "", 400),
        (KeypairEdit::default(), "&scope=feedback-admin", 400),
    ] {
        let key = server.key(account, "feedback-report:read").await;
        keypairs::edit(&server.app, &operator, account.into(), key.keypair.id, &edit, None, None)
            .await
            .unwrap();
        server.app.live.catch_up().await.unwrap();
        let wrong = KeySecret::generate(&*server.app.entropy).reveal().to_owned();
        let wrong = TestKey { keypair: key.keypair.clone(), secret: wrong };
        assert_eq!(with_key(&server, &wrong, more).await.status, 401);
        assert_eq!(secrets_used(&server, &key).await, [None], "a wrong secret says nothing");
        assert_eq!(with_key(&server, &key, more).await.status, status);
        assert_eq!(secrets_used(&server, &key).await, [Some(server.now())], "{edit:?}");
    }
}
