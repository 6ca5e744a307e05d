//! The token endpoint and its tokens, through the whole router.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::api::test_harness::{Answer, ISSUER, TestApp, TestKey};

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

fn part(token: &str, n: usize) -> Value {
    let encoded = token.split('.').nth(n).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
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

/// Signs with the server's own key whatever it is told to.
fn signed(server: &TestApp, claims: &Value) -> String {
    server.app.signing_keys.sign(claims, server.now()).unwrap()
}

#[tokio::test]
async fn nothing_but_a_whole_access_token_passes() {
    let server = TestApp::start().await;
    let account = server.account("Account").await;
    let token = server.token(account, "feedback-report:read").await;
    let (header, claims) = (part(&token, 0), part(&token, 1));
    assert_eq!(server.get(&signed(&server, &claims), "/v1/access").await.status, 200, "the control");

    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    let exp = claims["exp"].as_i64().unwrap();
    let mut refused: Vec<(String, String)> = [
        ("exp as a string", with("exp", json!(exp.to_string()))),
        ("exp as a fraction", with("exp", json!(exp as f64 + 0.5))),
        ("exp null", with("exp", Value::Null)),
        ("exp missing", without("exp")),
        ("exp past", with("exp", json!(server.now().as_second()))),
        ("exp out of time", with("exp", json!(i64::MAX))),
        ("aud another", with("aud", json!("https://other.example"))),
        ("aud the issuer", with("aud", json!(ISSUER))),
        ("aud missing", without("aud")),
        ("iss another", with("iss", json!("https://other.example"))),
        ("iss missing", without("iss")),
        ("sub another", with("sub", json!("key_01jdaaaaaaaaaaaaaaaaaaaaaa"))),
        ("sub no key", with("sub", json!("usr_01jdaaaaaaaaaaaaaaaaaaaaaa"))),
        ("owner another", with("owner", json!("acc_01jdaaaaaaaaaaaaaaaaaaaaaa"))),
        ("scope unknown", with("scope", json!("feedback-everything"))),
        ("client_id another", with("client_id", json!("key_01jdaaaaaaaaaaaaaaaaaaaaaa"))),
        ("jti missing", without("jti")),
        ("jti too short", with("jti", json!("AAAA"))),
        ("generation earlier", with("gen", json!(0))),
        ("generation later", with("gen", json!(2))),
        ("secret another", with("sec", json!(2))),
    ]
    .into_iter()
    .map(|(what, claims)| (what.to_owned(), signed(&server, &claims)))
    .collect();

    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let (body, signature) = (token.split('.').nth(1).unwrap(), token.split('.').nth(2).unwrap());
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("es256")),
        ("alg", json!("ES384")),
        ("typ", json!("JWT")),
        ("kid", json!("another")),
        ("jwk", json!({"kty": "EC"})),
        ("crit", json!(["b64"])),
    ] {
        let mut changed = header.clone();
        changed[name] = value.clone();
        refused.push((format!("{name} {value}"), format!("{}.{body}.{signature}", encode(&changed))));
        refused.push((format!("{name} {value}, unsigned"), format!("{}.{body}.", encode(&changed))));
    }
    // The public key as the secret of an HMAC: what confuses a verifier that trusts `alg`.
    let public = server.get("", "/oauth2/jwks").await.json()["keys"][0].to_string();
    let mut hs256 = header.clone();
    hs256["alg"] = json!("HS256");
    let message = format!("{}.{body}", encode(&hs256));
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, public.as_bytes());
    let forged = aws_lc_rs::hmac::sign(&key, message.as_bytes());
    refused.push((
        "HS256 with the public key".to_owned(),
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(forged)),
    ));
    refused.push(("cut off".to_owned(), token[..token.len() - 2].to_owned()));
    refused.push(("no JWT".to_owned(), "abc".to_owned()));
    refused.push(("a Key Secret".to_owned(), "fbs_x".to_owned()));
    for (what, token) in refused {
        let answer = server.get(&token, "/v1/access").await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text);
        assert!(answer.header("www-authenticate").contains(r#"error="invalid_token""#), "{what}");
    }
}

#[tokio::test]
async fn the_metadata_leads_a_client_to_everything() {
    let server = TestApp::start().await;
    let read =
        async |path: &str| server.send(Request::get(path).body(Body::empty()).unwrap()).await.expect(200);
    let metadata = read("/.well-known/oauth-authorization-server").await;
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["token_endpoint"], format!("{ISSUER}/oauth2/token"));
    assert_eq!(metadata["grant_types_supported"], json!(["client_credentials"]));
    for (name, path) in [("revocation", "revoke"), ("introspection", "introspect")] {
        assert_eq!(metadata[format!("{name}_endpoint")], format!("{ISSUER}/oauth2/{path}"));
        let methods = &metadata[format!("{name}_endpoint_auth_methods_supported")];
        assert_eq!(methods, &metadata["token_endpoint_auth_methods_supported"]);
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
