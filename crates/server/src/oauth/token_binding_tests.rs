//! Tokens that are bound: by DPoP to a key, by TLS to a certificate. What whoever copied one can do with it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum_server::tls::TlsInfo;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use domain::{Actor, KeypairEdit, TokenBinding, VerifyingKey};
use serde_json::{Value, json};

use super::test_signer::Signer;
use crate::api::test_harness::{Answer, ISSUER, TestApp, TestKey};
use crate::app::Author;
use crate::config::Config;
use crate::crypto::sha256;
use crate::keypairs;

const TOKEN: &str = "/oauth2/token";
const ACCESS: &str = "/v1/access";

struct World {
    server: TestApp,
    key: TestKey,
    signer: Signer,
}

impl World {
    async fn new() -> Self {
        Self::with(Config::default()).await
    }

    async fn with(settings: Config) -> Self {
        let server = TestApp::start_with(settings).await;
        let account = server.account("Account").await;
        let key = server.key(account, "feedback-report:read feedback-account-admin").await;
        Self { server, key, signer: Signer::es256() }
    }

    /// A proof by `signer` with these changes to a good one's header and claims; `null` takes a member away.
    fn proof(
        &self,
        signer: &Signer,
        (method, path): (&str, &str),
        token: Option<&str>,
        changes: [Value; 2],
    ) -> String {
        let mut header = json!({"typ": "dpop+jwt", "alg": signer.algorithm(), "jwk": signer.jwk()});
        let mut claims = json!({
            "jti": format!("{}", self.server.now().as_millisecond()),
            "htm": method,
            "htu": format!("{ISSUER}{path}"),
            "iat": self.server.now().as_second(),
        });
        if let Some(token) = token {
            claims["ath"] = json!(BASE64_URL_SAFE_NO_PAD.encode(sha256(token.as_bytes())));
        }
        let [in_header, in_claims] = changes;
        for (whole, changes) in [(&mut header, in_header), (&mut claims, in_claims)] {
            for (name, value) in changes.as_object().into_iter().flatten() {
                match value {
                    Value::Null => drop(whole.as_object_mut().unwrap().remove(name)),
                    value => whole[name] = value.clone(),
                }
            }
        }
        signer.signed(&header, &claims)
    }

    fn good(&self, at: (&str, &str), token: Option<&str>) -> String {
        self.proof(&self.signer, at, token, [json!({}), json!({})])
    }

    async fn ask_for_token(&self, proofs: &[&str]) -> Answer {
        let headers: Vec<_> = proofs.iter().map(|proof| ("dpop", *proof)).collect();
        let form = "grant_type=client_credentials".to_owned();
        self.server.post_form(&self.key, TOKEN, form, &headers).await
    }

    /// A token that is bound to the signer's key.
    async fn bound(&self) -> String {
        let answer = self.ask_for_token(&[&self.good(("POST", TOKEN), None)]).await.expect(200);
        assert_eq!(answer["token_type"], "DPoP");
        answer["access_token"].as_str().unwrap().to_owned()
    }

    async fn access(&self, authorization: &str, proofs: &[&str]) -> Answer {
        let mut request = Request::get(format!("{ACCESS}?")).header("authorization", authorization);
        for proof in proofs {
            request = request.header("dpop", *proof);
        }
        self.server.send(request.body(Body::empty()).unwrap()).await
    }

    fn thumbprint(&self) -> String {
        let jwk = self.signer.jwk();
        VerifyingKey::from_jwk(jwk.as_object().unwrap(), None).unwrap().thumbprint().to_string()
    }

    /// Has the operator require a certificate, whether the server sees any or not.
    async fn require_certificate(&self) {
        let operator = Author { actor: Actor::Operator, address: None, standing: None };
        let required = KeypairEdit { token_binding: Some(TokenBinding::Mtls), ..KeypairEdit::default() };
        let (app, keypair) = (&self.server.app, &self.key.keypair);
        keypairs::edit(app, &operator, keypair.owner, keypair.id, &required, None, None).await.unwrap();
    }

    /// Has an administrator's token change the keypair.
    async fn patch(&self, body: Value) -> Answer {
        let admin =
            self.server.token(self.key.keypair.owner, "feedback-account-admin feedback-report:read").await;
        let path = format!("/v1/accounts/{}/api-keys/{}", self.key.keypair.owner, self.key.keypair.id);
        self.server.call(&admin, "PATCH", &path, body).await
    }
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// `invalid_dpop_proof`, or another code, with the challenge that belongs to it.
#[track_caller]
fn refused(answer: &Answer, code: &str, said: &str) {
    assert_eq!(answer.problem(401), code);
    assert!(answer.text.contains(said), "{said}: {}", answer.text);
    let challenge = answer.header("www-authenticate");
    assert!(challenge.starts_with("DPoP algs=\"ES256 EdDSA Ed25519 RS256 PS256\""), "{challenge}");
    assert!(challenge.contains(&format!("error=\"{code}\"")), "{challenge}");
}

#[tokio::test]
async fn a_client_binds_its_token_by_any_algorithm_and_proves_each_request() {
    let mut world = World::new().await;
    for signer in [Signer::es256(), Signer::eddsa(), Signer::ps256()] {
        world.signer = signer;
        let token = world.bound().await;
        assert_eq!(claims(&token)["cnf"], json!({"jkt": world.thumbprint()}));
        let scheme = format!("DPoP {token}");
        for _ in 0..2 {
            let proof = world.good(("GET", ACCESS), Some(&token));
            let access = world.access(&scheme, &[&proof]).await.expect(200);
            assert_eq!(access["key_id"], json!(world.key.keypair.id));
        }
        let form = format!("token={token}");
        let said = world.server.post_form(&world.key, "/oauth2/introspect", form, &[]).await.expect(200);
        assert_eq!(said["cnf"], json!({"jkt": world.thumbprint()}));
        assert_eq!(said["token_type"], "DPoP");
    }
    let plain = world.ask_for_token(&[]).await.expect(200);
    assert_eq!(plain["token_type"], "Bearer");
    assert_eq!(claims(plain["access_token"].as_str().unwrap()).get("cnf"), None);
}

#[tokio::test]
async fn who_has_the_token_alone_has_nothing() {
    let world = World::new().await;
    let token = world.bound().await;
    let answer = world.access(&format!("Bearer {token}"), &[]).await;
    refused(&answer, "invalid_token", "proof");
    let proof = world.good(("GET", ACCESS), Some(&token));
    let answer = world.access(&format!("Bearer {token}"), &[&proof]).await;
    refused(&answer, "invalid_token", "proof");
    let scheme = format!("DPoP {token}");
    refused(&world.access(&scheme, &[]).await, "invalid_dpop_proof", "missing");
    let strangers = world.proof(&Signer::es256(), ("GET", ACCESS), Some(&token), [json!({}), json!({})]);
    for _ in 0..2 {
        // It takes no room among the proofs that are remembered, either.
        refused(&world.access(&scheme, &[&strangers]).await, "invalid_token", "not bound to the key");
    }
    assert_eq!(world.access(&scheme, &[&proof]).await.status, 200, "none of it used the good proof up");
    refused(&world.access(&scheme, &[&proof]).await, "invalid_dpop_proof", "used before");
    let unbound = world.server.exchange(&world.key, "").await;
    let proof = world.good(("GET", ACCESS), Some(&unbound));
    refused(&world.access(&format!("DPoP {unbound}"), &[&proof]).await, "invalid_token", "not bound");
    world.access(&format!("Bearer {unbound}"), &[]).await.expect(200);
}

/// What is wrong with a proof: the changes to its header and claims, and a word of what is said of it.
fn faults(world: &World) -> Vec<([Value; 2], &'static str)> {
    let at = |seconds: i64| json!(world.server.now().as_second() + seconds);
    let of_header = |changes: Value, said| ([changes, json!({})], said);
    let of_claims = |changes: Value, said| ([json!({}), changes], said);
    let mut private = world.signer.jwk();
    private["d"] = json!("AAAA");
    let symmetric = json!({"kty": "oct", "k": "AAAA"});
    vec![
        of_header(json!({"typ": "JWT"}), "typ"),
        of_header(json!({"typ": null}), "not a JWT"),
        of_header(json!({"alg": "none"}), "alg"),
        of_header(json!({"alg": "HS256"}), "alg"),
        of_header(json!({"alg": "HS256", "jwk": symmetric}), "alg"),
        of_header(json!({"alg": "RS256"}), "jwk"),
        of_header(json!({"jwk": private}), "jwk must be a public key"),
        of_header(json!({"jwk": symmetric}), "jwk"),
        of_header(json!({"jwk": null}), "not a JWT"),
        of_header(json!({"jwk": [world.signer.jwk()]}), "not a JWT"),
        of_header(json!({"jwk": Signer::es256().jwk()}), "signature"),
        of_header(json!({"crit": ["b64"]}), "crit"),
        of_claims(json!({"htm": "DELETE"}), "htm"),
        of_claims(json!({"htm": "get"}), "htm"),
        of_claims(json!({"htm": null}), "not a JWT"),
        of_claims(json!({"htu": format!("{ISSUER}/v1/environments")}), "htu"),
        of_claims(json!({"htu": "https://other.example/v1/access"}), "htu"),
        of_claims(json!({"iat": at(-61)}), "iat"),
        of_claims(json!({"iat": at(32)}), "iat"),
        of_claims(json!({"iat": at(0).to_string()}), "not a JWT"),
        of_claims(json!({"iat": null}), "not a JWT"),
        of_claims(json!({"jti": ""}), "jti"),
        of_claims(json!({"jti": "x".repeat(129)}), "jti"),
        of_claims(json!({"jti": null}), "not a JWT"),
    ]
}

#[tokio::test]
async fn a_proof_that_is_not_of_the_request_proves_nothing() {
    let world = World::new().await;
    let token = world.bound().await;
    let scheme = format!("DPoP {token}");
    let other = world.bound().await;
    let hash = |token: &str| json!(BASE64_URL_SAFE_NO_PAD.encode(sha256(token.as_bytes())));
    let ath = |value: Value| ([json!({}), json!({"ath": value})], "ath");
    let of_token = [ath(hash(&other)), ath(Value::Null), ath(json!(token))];
    for (changes, said) in faults(&world).into_iter().chain(of_token) {
        let proof = world.proof(&world.signer, ("GET", ACCESS), Some(&token), changes.clone());
        let answer = world.access(&scheme, &[&proof]).await;
        assert_eq!(answer.status, 401, "{changes:?}");
        refused(&answer, "invalid_dpop_proof", said);
    }
    let good = || world.good(("GET", ACCESS), Some(&token));
    for (proof, said) in [
        ("".to_owned(), "not a JWT"),
        (good().replace('.', ""), "not a JWT"),
        (
            {
                let proof = good();
                format!("{}.", proof.rsplit_once('.').unwrap().0)
            },
            "signature",
        ),
    ] {
        refused(&world.access(&scheme, &[&proof]).await, "invalid_dpop_proof", said);
    }
    let two = [good(), good()];
    refused(&world.access(&scheme, &[&two[0], &two[1]]).await, "invalid_dpop_proof", "more than once");
    assert_eq!(world.access(&scheme, &[&good()]).await.status, 200, "the control");
}

#[tokio::test]
async fn the_token_endpoint_takes_no_proof_that_does_not_hold() {
    let world = World::new().await;
    for (mut changes, said) in faults(&world) {
        if changes[1]["htm"] == "DELETE" {
            changes[1]["htm"] = json!("GET");
        }
        let proof = world.proof(&world.signer, ("POST", TOKEN), None, changes.clone());
        let answer = world.ask_for_token(&[&proof]).await.expect(400);
        assert_eq!(answer["error"], "invalid_dpop_proof", "{changes:?}");
        let why = answer["error_description"].as_str().unwrap();
        assert!(why.contains(said), "{said}: {why}");
    }
    let proof = world.good(("POST", TOKEN), None);
    let twice = world.ask_for_token(&[&proof, &proof]).await.expect(400);
    assert_eq!(twice["error"], "invalid_dpop_proof");
    world.ask_for_token(&[&proof]).await.expect(200);
    assert_eq!(world.ask_for_token(&[&proof]).await.expect(400)["error"], "invalid_dpop_proof", "replayed");
    // Who is not the client does not get to use anything up.
    let proof = world.good(("POST", TOKEN), None);
    let other = world.server.key(world.key.keypair.owner, "feedback-report:read").await;
    let wrong = TestKey { keypair: world.key.keypair.clone(), secret: other.secret };
    let form = "grant_type=client_credentials".to_owned();
    world.server.post_form(&wrong, TOKEN, form, &[("dpop", &proof)]).await.expect(401);
    world.ask_for_token(&[&proof]).await.expect(200);
}

#[tokio::test]
async fn a_keypair_that_requires_dpop_has_no_other_tokens_any_more() {
    let world = World::new().await;
    let (unbound, bound) = (world.server.exchange(&world.key, "").await, world.bound().await);
    world.server.get(&unbound, ACCESS).await.expect(200);
    assert_eq!(world.patch(json!({"token_binding": "dpop"})).await.expect(200)["token_binding"], "dpop");
    assert_eq!(world.server.get(&unbound, ACCESS).await.problem(401), "invalid_token");
    let usable = async |token: &str| {
        let proof = world.good(("GET", ACCESS), Some(token));
        world.access(&format!("DPoP {token}"), &[&proof]).await.status.as_u16()
    };
    assert_eq!(usable(&bound).await, 200);
    let refused = world.ask_for_token(&[]).await.expect(400);
    assert_eq!(refused["error"], "invalid_dpop_proof");
    let another = world.bound().await;
    assert_eq!(usable(&another).await, 200);
    world.patch(json!({"token_binding": "none"})).await.expect(200);
    assert_eq!(world.server.get(&unbound, ACCESS).await.problem(401), "invalid_token", "it stays dead");
    assert_eq!(usable(&another).await, 401);
    world.server.get(&world.server.exchange(&world.key, "").await, ACCESS).await.expect(200);
    let wrong = world.patch(json!({"token_binding": "bearer"})).await;
    assert_eq!(wrong.problem(400), "invalid_body");
    assert_eq!(wrong.errors(), ["token_binding: expected none, dpop or mtls"]);
}

#[tokio::test]
async fn a_proof_of_a_long_body_is_asked_for_once() {
    let world = World::new().await;
    let environment = {
        let owner = world.key.keypair.owner.to_string().parse().unwrap();
        world.server.environment(owner, "One").await
    };
    let key = world.server.key(environment, "feedback-responses:create").await;
    let proof = world.good(("POST", TOKEN), None);
    let form = "grant_type=client_credentials".to_owned();
    let answer = world.server.post_form(&key, TOKEN, form, &[("dpop", &proof)]).await.expect(200);
    let token = answer["access_token"].as_str().unwrap();
    let path = format!("/v1/environments/{environment}/responses");
    let responses: Vec<_> = (0..900).map(|_| json!({"score": 5, "text": "x".repeat(100)})).collect();
    let request = Request::post(&path)
        .header("authorization", format!("DPoP {token}"))
        .header("dpop", world.good(("POST", &path), Some(token)))
        .header("content-type", "application/json")
        .body(Body::from(json!({"responses": responses}).to_string()))
        .unwrap();
    assert_eq!(world.server.send(request).await.expect(200)["accepted"], 900);
}

/// A request of a client with a certificate, if `certificate` says so, which the connection or a header shows.
async fn with_certificate(
    world: &World,
    request: axum::http::request::Builder,
    body: &'static str,
    certificate: Option<&[u8]>,
) -> Answer {
    let mut tls = TlsInfo::default();
    tls.peer_certificates = certificate.map(<[u8]>::to_vec).into_iter().collect();
    let request = request.extension(Arc::new(tls)).body(Body::from(body)).unwrap();
    world.server.send(request).await
}

fn token_request(key: &TestKey) -> axum::http::request::Builder {
    let credentials = BASE64_STANDARD.encode(format!("{}:{}", key.keypair.id, key.secret));
    Request::post(TOKEN)
        .header("authorization", format!("Basic {credentials}"))
        .header("content-type", "application/x-www-form-urlencoded")
}

const FORM: &str = "grant_type=client_credentials";

#[tokio::test]
async fn a_token_bound_to_a_certificate_needs_it_on_the_connection() {
    let header = Some("client-cert".parse().unwrap());
    let world = World::with(Config { client_certificate_header: header, ..Config::default() }).await;
    let (own, other): (&[u8], &[u8]) = (b"own certificate", b"another");
    world.patch(json!({"token_binding": "mtls"})).await.expect(200);
    let without = with_certificate(&world, token_request(&world.key), FORM, None).await.expect(400);
    assert_eq!(without["error"], "invalid_request");
    let proof = world.good(("POST", TOKEN), None);
    let proven = token_request(&world.key).header("dpop", proof);
    let proven = with_certificate(&world, proven, FORM, Some(own)).await.expect(400);
    assert_eq!(proven["error"], "invalid_dpop_proof");
    let given = with_certificate(&world, token_request(&world.key), FORM, Some(own)).await.expect(200);
    assert_eq!(given["token_type"], "Bearer");
    let token = given["access_token"].as_str().unwrap();
    let cnf = json!({"x5t#S256": BASE64_URL_SAFE_NO_PAD.encode(sha256(own))});
    assert_eq!(claims(token)["cnf"], cnf);
    let access = async |certificate, header: Option<&str>| {
        let mut request = Request::get(ACCESS).header("authorization", format!("Bearer {token}"));
        if let Some(value) = header {
            request = request.header("client-cert", value);
        }
        with_certificate(&world, request, "", certificate).await
    };
    access(Some(own), None).await.expect(200);
    let forged = format!(":{}:", BASE64_STANDARD.encode(own));
    for (certificate, header) in [(None, None), (Some(other), None), (None, Some(forged.as_str()))] {
        let answer = access(certificate, header).await;
        assert_eq!(answer.problem(401), "invalid_token");
        assert!(answer.header("www-authenticate").starts_with("Bearer "));
    }
    let dpop = Request::get(ACCESS).header("authorization", format!("DPoP {token}"));
    assert_eq!(with_certificate(&world, dpop, "", Some(own)).await.problem(401), "invalid_token");
    let said = world.server.post_form(&world.key, "/oauth2/introspect", format!("token={token}"), &[]).await;
    assert_eq!(said.expect(200)["cnf"], cnf);
    world.patch(json!({"token_binding": "none"})).await.expect(200);
    let unbound = with_certificate(&world, token_request(&world.key), FORM, Some(own)).await.expect(200);
    assert_eq!(
        claims(unbound["access_token"].as_str().unwrap()).get("cnf"),
        None,
        "only where it is required"
    );
}

#[tokio::test]
async fn of_a_certificate_in_a_header_only_a_trusted_proxy_is_believed() {
    // The requests of tests come from here.
    let proxy = || vec!["192.0.2.7".parse().unwrap()];
    let header = Some("client-cert".parse().unwrap());
    let own: &[u8] = b"own certificate";
    let value = format!(":{}:", BASE64_STANDARD.encode(own));
    let ask = async |world: &World, values: &[&str], connection: Option<&[u8]>| {
        world.require_certificate().await;
        let mut request = token_request(&world.key);
        for value in values {
            request = request.header("client-cert", *value);
        }
        with_certificate(world, request, FORM, connection).await
    };
    let believed =
        Config { trusted_proxies: proxy(), client_certificate_header: header.clone(), ..Config::default() };
    let world = World::with(believed).await;
    let given = ask(&world, &[&value], Some(b"the proxy's own")).await.expect(200);
    let bound_to = claims(given["access_token"].as_str().unwrap())["cnf"]["x5t#S256"].clone();
    assert_eq!(bound_to, json!(BASE64_URL_SAFE_NO_PAD.encode(sha256(own))));
    for values in [&[][..], &[value.as_str(), &value], &["::"], &["nonsense"], &[":%:"]] {
        ask(&world, values, Some(b"the proxy's own")).await.expect(400);
    }
    let not_named = Config { trusted_proxies: proxy(), ..Config::default() };
    ask(&World::with(not_named).await, &[&value], None).await.expect(400);
    let somebody = vec!["10.0.0.1".parse().unwrap()];
    let elsewhere =
        Config { trusted_proxies: somebody, client_certificate_header: header, ..Config::default() };
    ask(&World::with(elsewhere).await, &[&value], None).await.expect(400);
}

#[tokio::test]
async fn a_certificate_can_t_be_required_where_none_is_seen() {
    let world = World::new().await;
    let unmet =
        ["token_binding: `mtls` can't be met: this server does not see the certificates of its clients"];
    let refused = world.patch(json!({"token_binding": "mtls", "comment": "Renamed"})).await;
    assert_eq!(refused.problem(400), "invalid_body");
    assert_eq!(refused.errors(), unmet);
    let path = format!("/v1/accounts/{}/api-keys", world.key.keypair.owner);
    let admin =
        world.server.token(world.key.keypair.owner, "feedback-account-admin feedback-report:read").await;
    let new = json!({"scopes": ["feedback-report:read"], "token_binding": "mtls"});
    let refused = world.server.call(&admin, "POST", &path, new).await;
    assert_eq!(refused.problem(400), "invalid_body");
    assert_eq!(refused.errors(), unmet);

    world.require_certificate().await;
    let kept = world.patch(json!({"token_binding": "mtls", "comment": "Renamed"})).await.expect(200);
    assert_eq!((&kept["token_binding"], &kept["comment"]), (&json!("mtls"), &json!("Renamed")));
    assert_eq!(world.patch(json!({"token_binding": "dpop"})).await.expect(200)["token_binding"], "dpop");
    assert_eq!(world.patch(json!({"token_binding": "mtls"})).await.problem(400), "invalid_body");
}

#[tokio::test]
async fn what_is_published_says_how_tokens_can_be_bound() {
    let world = World::new().await;
    let algorithms = json!(["ES256", "EdDSA", "Ed25519", "RS256", "PS256"]);
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource"] {
        let published = world.server.get("", path).await.expect(200);
        assert_eq!(published["dpop_signing_alg_values_supported"], algorithms, "{path}");
        assert_eq!(published["tls_client_certificate_bound_access_tokens"], false);
    }
    let resource = world.server.get("", "/.well-known/oauth-protected-resource").await.expect(200);
    assert_eq!(resource["dpop_bound_access_tokens_required"], false);
    let settings =
        Config { client_certificate_header: Some("client-cert".parse().unwrap()), ..Config::default() };
    let passing = World::with(settings).await;
    let published = passing.server.get("", "/.well-known/oauth-authorization-server").await.expect(200);
    assert_eq!(published["tls_client_certificate_bound_access_tokens"], true);
    // Changes nothing for who knows nothing of it.
    passing.server.pass(Duration::from_secs(1));
    let token = passing.server.exchange(&passing.key, "").await;
    passing.server.get(&token, ACCESS).await.expect(200);
    assert_eq!(passing.key.keypair.token_binding, TokenBinding::None);
}

#[tokio::test]
async fn a_bound_token_that_ended_elsewhere_is_refused_in_its_own_way_where_that_was_not_heard() {
    const PATH: &str = "/v1/environments";
    let world = World::new().await;
    let token = world.bound().await;
    let deaf = world.server.another_node().await;
    let create = async || {
        let proof = world.good(("POST", PATH), Some(&token));
        let request = Request::post(PATH)
            .header("authorization", format!("DPoP {token}"))
            .header("dpop", proof)
            .header("content-type", "application/json")
            .body(Body::from(json!({"name": "Another"}).to_string()));
        deaf.send(request.unwrap()).await
    };
    create().await.expect(201);
    world.patch(json!({"enabled": false})).await.expect(200);
    refused(&create().await, "invalid_token", "revoked");
}
