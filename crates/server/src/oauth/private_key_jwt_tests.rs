//! Clients that sign instead of sending a secret, through the whole router.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_lc_rs::rsa::KeySize;
use axum::body::Body;
use axum::http::Request;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use domain::AccountId;
use serde_json::{Value, json};

use super::client_assertion::ASSERTION_TYPE;
use super::test_signer::Signer;
use crate::api::test_harness::{Answer, ISSUER, TestApp, TestKey};

struct World {
    server: TestApp,
    account: AccountId,
    key: TestKey,
    /// May administer the account's keypairs.
    admin: String,
    jtis: AtomicU32,
}

impl World {
    async fn new() -> Self {
        let server = TestApp::start().await;
        let account = server.account("Account").await;
        let key = server.key(account, "feedback-report:read").await;
        let admin = server.token(account, "feedback-account-admin feedback-report:read").await;
        Self { server, account, key, admin, jtis: AtomicU32::new(0) }
    }

    fn id(&self) -> String {
        self.key.keypair.id.to_string()
    }

    fn path(&self) -> String {
        format!("/v1/accounts/{}/api-keys/{}", self.account, self.id())
    }

    /// Registers the public half with the keypair; its object then.
    async fn register(&self, signer: &Signer) -> Value {
        let body = json!({"jwk": signer.jwk()});
        self.server.call(&self.admin, "POST", &format!("{}/public-keys", self.path()), body).await.expect(201)
    }

    async fn patch(&self, body: Value) -> Answer {
        self.server.call(&self.admin, "PATCH", &self.path(), body).await
    }

    /// Claims that hold now, and were never presented.
    fn claims(&self) -> Value {
        let now = self.server.now().as_second();
        let jti = format!("jti {}", self.jtis.fetch_add(1, Ordering::Relaxed));
        json!({
            "iss": self.id(), "sub": self.id(), "aud": ISSUER, "iat": now, "nbf": now, "exp": now + 60, "jti": jti,
        })
    }

    fn assertion(&self, signer: &Signer) -> String {
        signer.signed(&signer.header(), &self.claims())
    }

    async fn token(&self, signer: &Signer) -> String {
        let answer = present(&self.server, &self.assertion(signer)).await.expect(200);
        answer["access_token"].as_str().unwrap().to_owned()
    }
}

async fn post(server: &TestApp, authorization: Option<&str>, body: String) -> Answer {
    let mut request =
        Request::post("/oauth2/token").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    server.send(request.body(Body::from(body)).unwrap()).await
}

async fn present(server: &TestApp, assertion: &str) -> Answer {
    let grant = "grant_type=client_credentials";
    post(server, None, format!("{grant}&client_assertion_type={ASSERTION_TYPE}&client_assertion={assertion}"))
        .await
}

#[track_caller]
fn assert_refused(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 401, "{what}: {}", answer.text);
    assert_eq!(answer.json()["error"], "invalid_client", "{what}");
    assert_eq!(answer.header("www-authenticate"), "", "{what}");
}

#[tokio::test]
async fn each_algorithm_obtains_a_token() {
    let world = World::new().await;
    for (n, signer) in [Signer::es256(), Signer::eddsa(), Signer::rs256(KeySize::Rsa2048), Signer::ps256()]
        .iter()
        .enumerate()
    {
        let keypair = world.register(signer).await;
        let public = &keypair["public_keys"][n];
        assert_eq!((&public["n"], &public["algorithm"]), (&json!(n + 2), &json!(signer.algorithm())));
        let token = world.token(signer).await;
        assert_eq!(world.server.get(&token, "/v1/access").await.expect(200)["key_id"], json!(world.id()));
        let mut named = signer.header();
        named["kid"] = public["kid"].clone();
        named["typ"] = json!("client-authentication+jwt");
        let mut claims = world.claims();
        claims["aud"] = json!([ISSUER]);
        let answer = present(&world.server, &signer.signed(&named, &claims)).await.expect(200);
        assert_eq!(answer["scope"], "feedback-report:read");
    }
    world.server.app.live.flush_uses().await.unwrap();
    let keypair = world.server.get(&world.admin, &world.path()).await.expect(200);
    let used: Vec<_> =
        keypair["public_keys"].as_array().unwrap().iter().map(|key| &key["last_used_at"]).collect();
    assert!(used.iter().all(|at| at.is_string()), "{used:?}");
    assert_eq!(keypair["secrets"][0]["last_used_at"], Value::Null);
}

#[tokio::test]
async fn only_what_an_assertion_must_say_is_believed() {
    let world = World::new().await;
    let signer = Signer::es256();
    world.register(&signer).await;
    let now = world.server.now().as_second();
    let refused = async |what: &str, header: &Value, claims: &Value| {
        assert_refused(&present(&world.server, &signer.signed(header, claims)).await, what);
    };
    for (name, value) in [
        ("iss", json!("key_01jdaaaaaaaaaaaaaaaaaaaaaa")),
        ("sub", json!("key_01jdaaaaaaaaaaaaaaaaaaaaaa")),
        ("aud", json!(format!("{ISSUER}/oauth2/token"))),
        ("aud", json!(format!("{ISSUER}/"))),
        ("aud", json!([ISSUER, "https://other.example"])),
        ("aud", json!([ISSUER, ISSUER])),
        ("aud", json!([])),
        ("aud", json!({})),
        ("exp", json!(now - 31)),
        ("exp", json!(now + 400)),
        ("exp", json!((now + 60).to_string())),
        ("exp", json!(1e300)),
        ("exp", Value::Null),
        ("iat", json!(now + 40)),
        ("iat", json!("now")),
        ("iat", Value::Null),
        ("nbf", json!(now + 40)),
        ("nbf", Value::Null),
        ("jti", json!("")),
        ("jti", json!("x".repeat(129))),
        ("jti", json!(7)),
        ("jti", Value::Null),
    ] {
        let mut claims = world.claims();
        claims[name] = value.clone();
        refused(&format!("{name} {value}"), &signer.header(), &claims).await;
    }
    for name in ["iss", "sub", "aud", "exp", "jti"] {
        let mut claims = world.claims();
        claims.as_object_mut().unwrap().remove(name);
        refused(&format!("no {name}"), &signer.header(), &claims).await;
    }
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("es256")),
        ("alg", json!("RS256")),
        ("alg", json!("EdDSA")),
        ("alg", Value::Null),
        ("typ", json!("at+jwt")),
        ("kid", json!("another")),
        ("jwk", signer.jwk()),
        ("jwk", Value::Null),
        ("jku", json!("https://other.example/keys")),
        ("x5u", json!("https://other.example/certificate")),
        ("x5c", json!([])),
        ("crit", json!(["exp"])),
    ] {
        let mut header = signer.header();
        header[name] = value.clone();
        refused(&format!("{name} {value}"), &header, &world.claims()).await;
    }
    for (name, value) in [
        ("exp", json!(now - 25)),
        ("exp", json!(now as f64 + 60.5)),
        ("exp", json!(now + 300)),
        ("iat", json!(now + 25)),
        ("nbf", json!(now + 25)),
        ("jti", json!("ü".repeat(128))),
        ("more", json!({"of": "its own"})),
    ] {
        let mut claims = world.claims();
        claims[name] = value.clone();
        let answer = present(&world.server, &signer.signed(&signer.header(), &claims)).await;
        assert_eq!(answer.status, 200, "{name} {value}: {}", answer.text);
    }
    let mut bare = world.claims();
    bare.as_object_mut().unwrap().retain(|name, _| !["iat", "nbf"].contains(&name.as_str()));
    present(&world.server, &signer.signed(&json!({"alg": "ES256"}), &bare)).await.expect(200);
}

#[tokio::test]
async fn what_is_not_whole_or_of_somebody_else_is_refused() {
    let world = World::new().await;
    let signer = Signer::es256();
    world.register(&signer).await;
    let good = world.assertion(&signer);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let plain = world.claims().to_string();
    let twice = plain.replacen('{', "{\"jti\":\"x\",", 1);
    let listed = json!([world.id(), world.id(), ISSUER, world.claims()["exp"], "x"]).to_string();
    let hmac = {
        let header = encode(&json!({"alg": "HS256"}).to_string());
        let message = format!("{header}.{claims}");
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, signer.pem().as_bytes());
        let forged = aws_lc_rs::hmac::sign(&key, message.as_bytes());
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(forged))
    };
    for (what, assertion) in [
        ("no JWT", "x".to_owned()),
        ("two parts", message.to_owned()),
        ("four parts", format!("{good}.{signature}")),
        ("unsigned", format!("{message}.")),
        ("cut off", good[..good.len() - 4].to_owned()),
        ("padded", format!("{good}=")),
        ("alg twice", signer.signed_text("{\"alg\":\"ES256\",\"alg\":\"ES256\"}", &plain)),
        ("jti twice", signer.signed_text("{\"alg\":\"ES256\"}", &twice)),
        ("claims in a list", signer.signed_text("{\"alg\":\"ES256\"}", &listed)),
        ("a header in a list", signer.signed_text("[\"ES256\",null,null]", &plain)),
        ("something behind the claims", signer.signed_text("{\"alg\":\"ES256\"}", &format!("{plain} x"))),
        ("not UTF-8", format!("{header}.{}.{signature}", BASE64_URL_SAFE_NO_PAD.encode([0xff, 0xfe]))),
        ("HS256 with the public key", hmac),
        ("a Key Secret", world.key.secret.clone()),
    ] {
        assert_refused(&present(&world.server, &assertion).await, what);
    }
    let stranger = Signer::es256();
    assert_refused(&present(&world.server, &world.assertion(&stranger)).await, "a key of nobody");
    let other = world.server.key(world.account, "feedback-report:read").await;
    let path = format!("/v1/accounts/{}/api-keys/{}/public-keys", world.account, other.keypair.id);
    world.server.call(&world.admin, "POST", &path, json!({"pem": stranger.pem()})).await.expect(201);
    assert_refused(&present(&world.server, &world.assertion(&stranger)).await, "another keypair's key");
    present(&world.server, &good).await.expect(200);
}

#[tokio::test]
async fn parameters_that_do_not_fit_together_say_what_to_mend() {
    let world = World::new().await;
    let signer = Signer::eddsa();
    world.register(&signer).await;
    let grant = "grant_type=client_credentials";
    let typ = format!("client_assertion_type={ASSERTION_TYPE}");
    let id = world.id();
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{}", world.key.secret)));
    let secret = format!("client_id={id}&client_secret={}", world.key.secret);
    let assertion = || format!("client_assertion={}", world.assertion(&signer));
    for (authorization, body, said) in [
        (None, format!("{grant}&{typ}"), "'client_assertion' is missing"),
        (None, format!("{grant}&{}", assertion()), "client_assertion_type must be"),
        (None, format!("{grant}&client_assertion_type=x&{}", assertion()), "client_assertion_type must be"),
        (None, format!("{grant}&client_assertion_type=x&{secret}"), "client_assertion_type must be"),
        (None, format!("{grant}&{typ}&{}&{}", assertion(), assertion()), "more than once"),
        (None, format!("{grant}&{typ}&{}&{secret}", assertion()), "two ways"),
        (Some(basic.as_str()), format!("{grant}&{typ}&{}", assertion()), "two ways"),
    ] {
        let refused = post(&world.server, authorization, body).await.expect(400);
        assert_eq!(refused["error"], "invalid_request");
        assert!(refused["error_description"].as_str().unwrap().contains(said), "{said}: {refused}");
    }
    let body = format!("{grant}&{typ}&{}&client_id=key_01jdaaaaaaaaaaaaaaaaaaaaaa", assertion());
    assert_refused(&post(&world.server, None, body).await, "another client_id");
    post(&world.server, None, format!("{grant}&{typ}&{}&client_id={id}", assertion())).await.expect(200);
}

#[tokio::test]
async fn every_refused_client_hears_the_same() {
    let world = World::new().await;
    let signer = Signer::es256();
    world.register(&signer).await;
    let mut unknown = world.claims();
    for name in ["iss", "sub"] {
        unknown[name] = json!("key_01jdaaaaaaaaaaaaaaaaaaaaaa");
    }
    let used = world.assertion(&signer);
    present(&world.server, &used).await.expect(200);
    let mut answers = vec![
        present(&world.server, &signer.signed(&signer.header(), &unknown)).await,
        present(&world.server, &used).await,
        present(&world.server, "nonsense").await,
    ];
    world.patch(json!({"enabled": false})).await.expect(200);
    answers.push(present(&world.server, &world.assertion(&signer)).await);
    let by_secret =
        format!("grant_type=client_credentials&client_id={}&client_secret={}", world.id(), world.key.secret);
    answers.push(post(&world.server, None, by_secret).await);
    for answer in &answers {
        assert_refused(answer, "a refused client");
        assert_eq!(answer.text, answers[0].text);
    }
}

#[tokio::test]
async fn an_assertion_counts_once_on_all_nodes() {
    let world = World::new().await;
    let signer = Signer::es256();
    world.register(&signer).await;
    let other_node = world.server.another_node().await;
    let (first, second) = (world.assertion(&signer), world.assertion(&signer));
    present(&world.server, &first).await.expect(200);
    assert_refused(&present(&world.server, &first).await, "again");
    assert_refused(&present(&other_node, &first).await, "again on another node");
    let (here, there) = tokio::join!(present(&world.server, &second), present(&other_node, &second));
    let mut statuses = [here.status.as_u16(), there.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);

    // Kept as long as it could pass: a sweep in between takes nothing away.
    let mut claims = world.claims();
    claims["exp"] = json!(world.server.now().as_second() + 60);
    let kept = signer.signed(&signer.header(), &claims);
    present(&world.server, &kept).await.expect(200);
    world.server.pass(Duration::from_secs(85));
    world.server.app.store.sweep(world.server.now()).await.unwrap();
    assert_refused(&present(&other_node, &kept).await, "after a sweep");
}

#[tokio::test]
async fn the_same_jti_of_another_keypair_is_another() {
    let world = World::new().await;
    let signer = Signer::es256();
    world.register(&signer).await;
    let other = world.server.key(world.account, "feedback-report:read").await;
    let id = other.keypair.id.to_string();
    let path = format!("/v1/accounts/{}/api-keys/{id}/public-keys", world.account);
    world.server.call(&world.admin, "POST", &path, json!({"jwk": signer.jwk()})).await.expect(201);
    let mut claims = world.claims();
    present(&world.server, &signer.signed(&signer.header(), &claims)).await.expect(200);
    for name in ["iss", "sub"] {
        claims[name] = json!(id);
    }
    present(&world.server, &signer.signed(&signer.header(), &claims)).await.expect(200);
}

#[tokio::test]
async fn a_token_ends_with_the_public_key_that_obtained_it_and_no_other() {
    let world = World::new().await;
    let (one, other) = (Signer::es256(), Signer::es256());
    world.register(&one).await;
    world.register(&other).await;
    let (of_one, of_other) = (world.token(&one).await, world.token(&other).await);
    let of_secret = world.server.exchange(&world.key, "").await;
    let delete = async |n: u32| {
        world
            .server
            .call(&world.admin, "DELETE", &format!("{}/public-keys/{n}", world.path()), Value::Null)
            .await
    };
    let left = delete(2).await.expect(200);
    assert_eq!(left["public_keys"].as_array().unwrap().len(), 1);
    assert_eq!(world.server.get(&of_one, "/v1/access").await.problem(401), "invalid_token");
    assert_refused(&present(&world.server, &world.assertion(&one)).await, "a deleted key");
    for token in [&of_other, &of_secret] {
        world.server.get(token, "/v1/access").await.expect(200);
    }
    // Secrets are not deleted as public keys, nor the other way round.
    delete(1).await.problem(404);
    delete(2).await.problem(404);
    let again = world.register(&one).await;
    assert_eq!(again["public_keys"][1]["n"], 4, "no number is given twice");
    assert_eq!(world.server.get(&of_one, "/v1/access").await.problem(401), "invalid_token");

    world.patch(json!({"enabled": false})).await.expect(200);
    world.patch(json!({"enabled": true})).await.expect(200);
    assert_eq!(world.server.get(&of_other, "/v1/access").await.problem(401), "invalid_token");
    world.token(&other).await;
}

#[tokio::test]
async fn a_public_key_and_its_tokens_end_when_it_was_said() {
    let world = World::new().await;
    let signer = Signer::eddsa();
    let until = world.server.now() + Duration::from_secs(100);
    let body = json!({"pem": signer.pem(), "expires_at": until.to_string()});
    let path = format!("{}/public-keys", world.path());
    world.server.call(&world.admin, "POST", &path, body).await.expect(201);
    let answer = present(&world.server, &world.assertion(&signer)).await.expect(200);
    assert!(answer["expires_in"].as_i64().unwrap() <= 100);
    let token = answer["access_token"].as_str().unwrap();
    world.server.pass(Duration::from_secs(100));
    assert_refused(&present(&world.server, &world.assertion(&signer)).await, "a key that has run out");
    assert_eq!(world.server.get(token, "/v1/access").await.problem(401), "invalid_token");
}

#[tokio::test]
async fn a_keypair_that_accepts_no_secrets_takes_assertions_alone() {
    let world = World::new().await;
    let signer = Signer::es256();
    let no_secrets = || json!({"accepts_secrets": false});
    assert_eq!(world.patch(no_secrets()).await.problem(409), "public_key_needed");
    let other_node = world.server.another_node().await;
    world.register(&signer).await;
    let by_secret = world.server.exchange(&world.key, "").await;
    let by_key = world.token(&signer).await;
    let changed = world.patch(no_secrets()).await.expect(200);
    assert_eq!((&changed["accepts_secrets"], &changed["status"]), (&json!(false), &json!("active")));
    other_node.app.live.catch_up().await.unwrap();
    for node in [&world.server, &other_node] {
        assert_eq!(node.get(&by_secret, "/v1/access").await.problem(401), "invalid_token");
        node.get(&by_key, "/v1/access").await.expect(200);
        let body = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}",
            world.id(),
            world.key.secret
        );
        assert_refused(&post(node, None, body).await, "a secret");
        present(node, &world.assertion(&signer)).await.expect(200);
    }
    let path = world.path();
    let rotated = world.server.call(&world.admin, "POST", &format!("{path}/secrets"), Value::Null).await;
    assert_eq!(rotated.problem(409), "secrets_not_accepted");
    let last = world.server.call(&world.admin, "DELETE", &format!("{path}/public-keys/2"), Value::Null).await;
    assert_eq!(last.problem(409), "last_public_key");
    world.server.call(&world.admin, "DELETE", &format!("{path}/secrets/1"), Value::Null).await.expect(200);

    world.patch(json!({"accepts_secrets": true})).await.expect(200);
    for token in [&by_secret, &by_key] {
        let old = world.server.get(token, "/v1/access").await;
        assert_eq!(old.problem(401), "invalid_token", "nothing from before comes back to life");
    }
}
