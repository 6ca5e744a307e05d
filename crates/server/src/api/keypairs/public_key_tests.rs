//! Public keys over the API: who may register them, and what is none.

use serde_json::{Value, json};

use super::tests::world;

/// RFC 8037 appendix A.2; its thumbprint is in A.3.
const ED25519: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn ed25519() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": ED25519})
}

#[tokio::test]
async fn a_public_key_is_as_strong_as_a_secret_to_hand_out() {
    let world = world().await;
    let test = &world.test;
    let mightier = test.key(world.environment, "feedback-responses:create").await.keypair.id;
    let path = format!("{}/{mightier}", world.keys());
    let keys = format!("{path}/public-keys");
    let beyond = test.call(&world.admin, "POST", &keys, json!({"jwk": ed25519()})).await;
    assert_eq!(beyond.problem(403), "insufficient_scope");

    let key = test.key(world.environment, "feedback-report:read").await.keypair.id;
    let path = format!("{}/{key}", world.keys());
    let keys = format!("{path}/public-keys");
    let added = test.call(&world.admin, "POST", &keys, json!({"jwk": ed25519()})).await;
    assert_eq!((added.header("location"), added.header("etag")), (path.as_str(), "\"2\""));
    let expected = json!([{
        "n": 2, "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "algorithm": "EdDSA",
        "created_at": test.now(), "expires_at": null, "last_used_at": null,
    }]);
    assert_eq!(added.expect(201)["public_keys"], expected);
    assert_eq!(test.get(&world.admin, &path).await.expect(200)["public_keys"], expected);
    let again = test.call(&world.admin, "POST", &keys, json!({"jwk": ed25519()})).await;
    assert_eq!(again.problem(409), "already_exists");
    let gone = format!("{keys}/2");
    let moved = test.call_with(&world.admin, "DELETE", &gone, Value::Null, &[("if-match", "\"1\"")]).await;
    assert_eq!(moved.problem(412), "precondition_failed");

    // Letting secrets work again hands them out again.
    test.call(&world.admin, "PATCH", &path, json!({"accepts_secrets": false})).await.expect(200);
    let narrower = test.key(world.environment, "feedback-admin").await;
    let narrower = test.exchange(&narrower, "").await;
    let beyond = test.call(&narrower, "PATCH", &path, json!({"accepts_secrets": true})).await;
    assert_eq!(beyond.problem(403), "insufficient_scope");

    let log = format!("/v1/environments/{}/audit-events?limit=2", world.environment);
    test.call(&world.admin, "PATCH", &path, json!({"accepts_secrets": true})).await.expect(200);
    test.call(&world.admin, "DELETE", &format!("{keys}/2"), Value::Null).await.expect(200);
    let log = test.get(&world.admin, &log).await.expect(200);
    let event = &log["items"][0];
    assert_eq!(event["action"], "keypair.public_key_deleted");
    assert_eq!(event["before"]["public_keys"][0]["kid"], expected[0]["kid"]);
    assert_eq!(event["after"]["public_keys"], json!([]));
    assert_eq!(log["items"][1]["after"]["accepts_secrets"], true);
}

#[tokio::test]
async fn a_keypair_made_for_a_public_key_has_no_secret() {
    let world = world().await;
    let test = &world.test;
    let new = json!({
        "scopes": ["feedback-report:read"],
        "public_key": {"jwk": ed25519(), "expires_at": "2026-04-01T00:00:00Z"},
    });
    let created = test.call(&world.admin, "POST", &world.keys(), new).await.expect(201);
    assert_eq!(created.get("secret"), None);
    assert_eq!((&created["secrets"], &created["accepts_secrets"]), (&json!([]), &json!(false)));
    assert_eq!(created["public_keys"][0]["n"], 1);
    let path = format!("{}/{}", world.keys(), created["id"].as_str().unwrap());
    assert_eq!(test.get(&world.admin, &path).await.expect(200), created);
    test.call(&world.admin, "PATCH", &path, json!({"accepts_secrets": true})).await.expect(200);
    let rotated = test.call(&world.admin, "POST", &format!("{path}/secrets"), Value::Null).await.expect(201);
    assert_eq!(rotated["secrets"][0]["n"], 2);
    let last = test.call(&world.admin, "DELETE", &format!("{path}/public-keys/1"), Value::Null).await;
    last.expect(200);
}

#[tokio::test]
async fn what_is_no_public_key_is_refused_by_name() {
    let world = world().await;
    let test = &world.test;
    let key = test.key(world.environment, "feedback-report:read").await.keypair.id;
    let keys = format!("{}/{key}/public-keys", world.keys());
    let leaked = "that is a private key, and whoever saw it on its way here has it: treat it as leaked, make another pair, and register the public half alone";
    let kinds = "expected a key on P-256 or Ed25519, or an RSA key of 2048 to 4096 bits";
    let readable = "expected one PEM block `BEGIN PUBLIC KEY`, which is no certificate, or one JWK";
    let algorithms = "the algorithm must be ES256 for P-256, EdDSA for Ed25519, RS256 or PS256 for RSA";
    let with = |name: &str, value: Value| {
        let mut jwk = ed25519();
        jwk[name] = value;
        jwk
    };
    let certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    for (body, expected) in [
        (json!({}), ": either `jwk` or `pem` is needed, and not both".to_owned()),
        (json!({"jwk": ed25519(), "pem": "x"}), ": either `jwk` or `pem` is needed, and not both".to_owned()),
        (json!({"jwk": null}), "jwk: invalid type: null, expected a map".to_owned()),
        (json!({"jwk": "x"}), "jwk: invalid type: string \"x\", expected a map".to_owned()),
        (json!({"jwk": {}}), format!("jwk: {kinds}")),
        (json!({"jwk": with("d", json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))}), format!("jwk: {leaked}")),
        (json!({"jwk": with("d", Value::Null)}), format!("jwk: {leaked}")),
        (json!({"jwk": {"kty": "oct", "k": "c2VjcmV0"}}), format!("jwk: {leaked}")),
        (json!({"jwk": with("crv", json!("X25519"))}), format!("jwk: {kinds}")),
        (json!({"jwk": with("x", json!("AAAA"))}), format!("jwk: {kinds}")),
        (json!({"jwk": with("x", json!("?"))}), format!("jwk: {kinds}")),
        (json!({"jwk": with("x", json!(format!("{ED25519}=")))}), format!("jwk: {kinds}")),
        (json!({"jwk": {"kty": "EC", "crv": "P-256", "x": ED25519, "y": ED25519}}), format!("jwk: {kinds}")),
        (json!({"jwk": {"kty": "RSA", "n": ED25519, "e": "AQAB"}}), format!("jwk: {kinds}")),
        (json!({"jwk": with("alg", json!("ES256"))}), format!("jwk: {algorithms}")),
        (json!({"jwk": with("alg", json!("none"))}), format!("jwk: {algorithms}")),
        (json!({"jwk": ed25519(), "algorithm": "PS256"}), format!("jwk: {algorithms}")),
        (json!({"jwk": ed25519(), "algorithm": "HS256"}), format!("algorithm: {algorithms}")),
        (
            json!({"jwk": with("use", json!("enc"))}),
            "jwk: the JWK is not meant for signatures: `use` must be `sig`, or left out".to_owned(),
        ),
        (
            json!({"jwk": with("kid", json!("mine"))}),
            "jwk: the JWK's `kid` must be `kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k`, the key's thumbprint (RFC 7638), or left out".to_owned(),
        ),
        (json!({"pem": ""}), format!("pem: {readable}")),
        (json!({"pem": ed25519().to_string()}), format!("pem: {readable}")),
        (json!({"pem": certificate}), format!("pem: {readable}")),
        (json!({"pem": "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n"}), format!("pem: {kinds}")),
        (json!({"pem": "-----BEGIN RSA PRIVATE KEY-----\n"}), format!("pem: {leaked}")),
        (
            json!({"jwk": ed25519(), "expires_at": "2020-01-01T00:00:00Z"}),
            "expires_at: the expiry must lie in the future".to_owned(),
        ),
        (
            json!({"jwk": ed25519(), "kid": "x"}),
            "kid: unknown field `kid`, expected one of `jwk`, `pem`, `algorithm`, `expires_at`".to_owned(),
        ),
    ] {
        let answer = test.call(&world.admin, "POST", &keys, body.clone()).await;
        assert_eq!(answer.problem(400), "invalid_body", "{body}");
        assert_eq!(answer.errors(), [expected], "{body}");
        assert!(!answer.text.contains("nWGxne"), "{body}");
    }
    let new = json!({"scopes": ["feedback-report:read"], "public_key": {"pem": "x"}});
    let answer = test.call(&world.admin, "POST", &world.keys(), new).await;
    assert_eq!(answer.errors(), [format!("public_key.pem: {readable}")]);
    for n in ["1", "2", "0", "x"] {
        test.call(&world.admin, "DELETE", &format!("{keys}/{n}"), Value::Null).await.problem(404);
    }
    let path = format!("{}/{key}", world.keys());
    assert_eq!(test.get(&world.admin, &path).await.expect(200)["public_keys"], json!([]));
}
