//! What passes for an access token, whatever it is signed with, and what does not.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::test_jwt::part;
use crate::api::test_harness::{ISSUER, TestApp};
use crate::config::Config;
use crate::signing::Algorithm;

fn encoded(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Claims with one of them standing twice.
struct Twice<'a>(&'a Map<String, Value>, &'a str);

impl Serialize for Twice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let again = self.0.get_key_value(self.1);
        serializer.collect_map(self.0.iter().chain(again))
    }
}

/// The claims of `token` that are wrong in one thing each.
fn wrong_claims(server: &TestApp, token: &str) -> Vec<(&'static str, Value)> {
    let claims = part(token, 1);
    let exp = claims["exp"].as_i64().unwrap();
    let changes = [
        ("exp as a string", "exp", Some(json!(exp.to_string()))),
        ("exp as a fraction", "exp", Some(json!(exp as f64 + 0.5))),
        ("exp as a whole fraction", "exp", Some(json!(exp as f64))),
        ("exp true", "exp", Some(json!(true))),
        ("exp in a list", "exp", Some(json!([exp]))),
        ("exp null", "exp", Some(Value::Null)),
        ("exp missing", "exp", None),
        ("exp past", "exp", Some(json!(server.now().as_second()))),
        ("exp negative", "exp", Some(json!(-exp))),
        ("exp out of time", "exp", Some(json!(i64::MAX))),
        ("exp beyond all numbers", "exp", Some(json!(u64::MAX))),
        ("aud another", "aud", Some(json!("https://other.example"))),
        ("aud the issuer", "aud", Some(json!(ISSUER))),
        ("aud in a list", "aud", Some(json!([claims["aud"]]))),
        ("aud null", "aud", Some(Value::Null)),
        ("aud missing", "aud", None),
        ("iss another", "iss", Some(json!("https://other.example"))),
        ("iss with a slash", "iss", Some(json!(format!("{ISSUER}/")))),
        ("iss null", "iss", Some(Value::Null)),
        ("iss missing", "iss", None),
        ("iat as a string", "iat", Some(json!("0"))),
        ("sub another", "sub", Some(json!("key_01jdaaaaaaaaaaaaaaaaaaaaaa"))),
        ("sub no key", "sub", Some(json!("usr_01jdaaaaaaaaaaaaaaaaaaaaaa"))),
        ("sub missing", "sub", None),
        ("owner another", "owner", Some(json!("acc_01jdaaaaaaaaaaaaaaaaaaaaaa"))),
        ("scope unknown", "scope", Some(json!("feedback-everything"))),
        ("scope missing", "scope", None),
        ("client_id another", "client_id", Some(json!("key_01jdaaaaaaaaaaaaaaaaaaaaaa"))),
        ("jti missing", "jti", None),
        ("jti too short", "jti", Some(json!("AAAA"))),
        ("generation earlier", "gen", Some(json!(0))),
        ("generation later", "gen", Some(json!(2))),
        ("secret another", "sec", Some(json!(2))),
    ];
    let changed = changes.into_iter().map(|(what, name, value)| {
        let mut claims = claims.clone();
        match value {
            Some(value) => claims[name] = value,
            None => drop(claims.as_object_mut().unwrap().remove(name)),
        }
        (what, claims)
    });
    changed.chain([("claims in a list", json!([claims])), ("claims null", Value::Null)]).collect()
}

/// The header of `token` with one thing in it that a verifier could be taken in by.
fn wrong_headers(token: &str, strangers: &EcdsaKeyPair) -> Vec<Value> {
    let point = &strangers.public_key().as_ref()[1..];
    let coordinate = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let jwk =
        json!({"kty": "EC", "crv": "P-256", "x": coordinate(&point[..32]), "y": coordinate(&point[32..])});
    let own = part(token, 0);
    let changes = [
        ("alg", json!("none")),
        ("alg", json!("None")),
        ("alg", json!("")),
        ("alg", Value::Null),
        ("alg", json!(own["alg"].as_str().unwrap().to_lowercase())),
        ("alg", json!("rs256")),
        ("alg", json!("ES384")),
        ("alg", json!("PS256")),
        ("alg", json!("ES256")),
        ("alg", json!("EdDSA")),
        ("alg", json!("RS256")),
        ("typ", json!("JWT")),
        ("typ", json!("at+JWT")),
        ("typ", json!("token-introspection+jwt")),
        ("typ", json!("dpop+jwt")),
        ("typ", Value::Null),
        ("kid", json!("another")),
        ("kid", json!("../../../dev/null")),
        ("kid", Value::Null),
        ("jwk", jwk.clone()),
        ("jku", json!("https://other.example/jwks")),
        ("x5u", json!("https://other.example/chain.pem")),
        ("x5c", json!(["MII"])),
        ("crit", json!(["b64"])),
        ("b64", json!(false)),
    ];
    let changed = changes.into_iter().filter(|(name, value)| own[name] != *value).map(|(name, value)| {
        let mut header = own.clone();
        header[name] = value;
        header
    });
    let own_names = own.as_object().unwrap().keys().cloned();
    let lacking = own_names.map(|name| {
        let mut header = own.clone();
        header.as_object_mut().unwrap().remove(&name);
        header
    });
    let strangers_own = json!({"typ": "at+jwt", "alg": "ES256", "kid": own["kid"], "jwk": jwk});
    changed.chain(lacking).chain([strangers_own, json!({}), Value::Null]).collect()
}

async fn nothing_but_a_whole_access_token_passes(algorithm: Algorithm) {
    let server = TestApp::start_with(Config { signing_algorithm: algorithm, ..Config::default() }).await;
    let account = server.account("Account").await;
    let token = server.token(account, "feedback-report:read").await;
    assert_eq!(part(&token, 0)["alg"], algorithm.name());
    let signed = async |claims: &Value| {
        server.app.signing_keys.sign(&server.app.live, claims, server.now()).await.unwrap()
    };
    assert_eq!(server.get(&signed(&part(&token, 1)).await, "/v1/access").await.status, 200, "the control");

    let mut refused: Vec<(String, String)> = Vec::new();
    for (what, claims) in wrong_claims(&server, &token) {
        refused.push((what.to_owned(), signed(&claims).await));
    }
    let own = part(&token, 1).as_object().unwrap().clone();
    for name in own.keys() {
        // Even if it says the same both times: another reader may take the one, and we the other.
        let twice = Twice(&own, name);
        let signed = server.app.signing_keys.sign(&server.app.live, &twice, server.now()).await.unwrap();
        refused.push((format!("{name} twice"), signed));
    }
    let elsewhere = TestApp::start_with(Config { signing_algorithm: algorithm, ..Config::default() }).await;
    let good_there = elsewhere.token(elsewhere.account("Account").await, "feedback-report:read").await;
    elsewhere.get(&good_there, "/v1/access").await.expect(200);
    refused.push(("of another installation of the same name".to_owned(), good_there));
    let signed_there =
        elsewhere.app.signing_keys.sign(&elsewhere.app.live, &own, server.now()).await.unwrap();
    refused.push(("signed by another installation".to_owned(), signed_there));

    let (message, signature) = token.rsplit_once('.').unwrap();
    let (own_header, claims) = message.split_once('.').unwrap();
    let strangers = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let by_stranger = |message: &str| {
        let signature = strangers.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        format!("{message}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    };
    for header in wrong_headers(&token, &strangers) {
        let message = format!("{}.{claims}", encoded(&header));
        refused.push((format!("{header}"), format!("{message}.{signature}")));
        refused.push((format!("{header}, unsigned"), format!("{message}.")));
        refused.push((format!("{header}, by a stranger"), by_stranger(&message)));
    }
    refused.push(("by a stranger".to_owned(), by_stranger(message)));
    // The public key as the secret of an HMAC: what confuses a verifier that trusts `alg`.
    let public = server.get("", "/oauth2/jwks").await.json()["keys"][0].clone();
    let number = public.get("n").or(public.get("x")).unwrap().as_str().unwrap().to_owned();
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(&number).unwrap();
    for secret in [public.to_string().as_bytes(), number.as_bytes(), &bytes, b""] {
        let mut header = part(&token, 0);
        header["alg"] = json!("HS256");
        for header in [encoded(&header), own_header.to_owned()] {
            let message = format!("{header}.{claims}");
            let forged = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
            let forged = BASE64_URL_SAFE_NO_PAD.encode(forged);
            refused.push(("HS256 with the public key".to_owned(), format!("{message}.{forged}")));
        }
    }
    for (what, token) in [
        ("cut off", token[..token.len() - 2].to_owned()),
        ("unsigned", format!("{message}.")),
        ("without a signature", message.to_owned()),
        ("one part more", format!("{token}.{signature}")),
        ("padded", format!("{token}=")),
        ("no JWT", "abc".to_owned()),
        ("dots", "..".to_owned()),
        ("many dots", ".".repeat(10_000)),
        ("huge", format!("{message}.{}", "A".repeat(1_000_000))),
        ("huge in its claims", format!("{own_header}.{}.{signature}", "A".repeat(1_000_000))),
        ("a Key Secret", "fbs_x".to_owned()),
    ] {
        refused.push((what.to_owned(), token));
    }
    for (what, token) in refused {
        let answer = server.get(&token, "/v1/access").await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text);
        assert!(answer.header("www-authenticate").contains(r#"error="invalid_token""#), "{what}");
    }
}

#[tokio::test]
async fn nothing_but_a_whole_access_token_passes_with_es256() {
    nothing_but_a_whole_access_token_passes(Algorithm::Es256).await;
}

#[tokio::test]
async fn nothing_but_a_whole_access_token_passes_with_eddsa() {
    nothing_but_a_whole_access_token_passes(Algorithm::EdDsa).await;
}

#[tokio::test]
async fn nothing_but_a_whole_access_token_passes_with_rs256() {
    nothing_but_a_whole_access_token_passes(Algorithm::Rs256).await;
}
