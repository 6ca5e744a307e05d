//! From where keypairs and their tokens may be used.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::tests::world;
use crate::api::test_harness::{Answer, TestApp, TestKey};
use crate::config::Config;

const TOKEN: &str = "/oauth2/token";
const GRANT: &str = "grant_type=client_credentials";

/// From where the requests of these tests come.
const OWN: &str = "192.0.2.7";

async fn exchanged(server: &TestApp, key: &TestKey, headers: &[(&str, &str)]) -> Answer {
    server.post_form(key, TOKEN, GRANT.to_owned(), headers).await
}

#[tokio::test]
async fn a_keypair_and_its_tokens_open_nothing_from_elsewhere() {
    let world = world().await;
    let test = &world.test;
    let key = test.key(world.environment, "feedback-report:read").await;
    let path = format!("{}/{}", world.keys(), key.keypair.id);
    let token = test.exchange(&key, "").await;
    let allow = async |list: Value| {
        let body = json!({"allowed_addresses": list});
        test.call(&world.admin, "PATCH", &path, body).await.expect(200)["allowed_addresses"].clone()
    };
    let works = async || {
        test.get(&token, "/v1/access").await.expect(200);
        exchanged(test, &key, &[]).await.expect(200);
    };
    works().await;
    for inside in [json!([OWN]), json!(["2001:db8::/32", "192.0.2.0/24"]), json!([]), Value::Null] {
        allow(inside).await;
        works().await;
    }
    let wrong = TestKey { keypair: key.keypair.clone(), secret: world.admin_key.secret.clone() };
    let shape = |answer: Answer| {
        let mut headers = answer.headers;
        headers.remove("x-request-id");
        (answer.status, headers, answer.text)
    };
    let refused = shape(exchanged(test, &wrong, &[]).await);
    let unknown = test.get("eyJ.eyJ.x", "/v1/access").await.header("www-authenticate").to_owned();
    for outside in [json!(["192.0.2.8"]), json!(["198.51.100.0/24", "::/0"])] {
        assert_eq!(allow(outside.clone()).await.as_array().unwrap().len(), outside.as_array().unwrap().len());
        let answer = test.get(&token, "/v1/access").await;
        assert_eq!(answer.problem(401), "invalid_token");
        assert_eq!(answer.header("www-authenticate"), unknown);
        for forged in [&[][..], &[("x-forwarded-for", "192.0.2.8")], &[("x-forwarded-for", "198.51.100.1")]] {
            assert_eq!(shape(exchanged(test, &key, forged).await), refused);
            let answer = test.call_with(&token, "GET", "/v1/access", Value::Null, forged).await;
            assert_eq!(answer.problem(401), "invalid_token");
        }
        for endpoint in ["/oauth2/introspect", "/oauth2/revoke"] {
            let answer = test.post_form(&key, endpoint, format!("token={token}"), &[]).await;
            assert_eq!(answer.expect(401)["error"], "invalid_client", "{endpoint}");
        }
    }
    // None of it was revoked, and nothing has to be issued anew.
    allow(json!(["192.0.2.0/24"])).await;
    works().await;
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_clients_address_counts() {
    let world = world().await;
    let settings = Config { trusted_proxies: vec![OWN.parse::<IpAddr>().unwrap()], ..Config::default() };
    let proxied = world.test.another(settings).await;
    let key = world.test.key(world.environment, "feedback-report:read").await;
    let path = format!("{}/{}", world.keys(), key.keypair.id);
    let body = json!({"allowed_addresses": ["198.51.100.0/24"]});
    world.test.call(&world.admin, "PATCH", &path, body).await.expect(200);
    proxied.app.live.catch_up().await.unwrap();
    let inside = &[("x-forwarded-for", "203.0.113.1, 198.51.100.9")];
    let token = exchanged(&proxied, &key, inside).await.expect(200)["access_token"].clone();
    let token = token.as_str().unwrap();
    for (forwarded, status) in [
        ("198.51.100.9", 200),
        ("::ffff:198.51.100.9", 200),
        ("198.51.100.9, 203.0.113.1", 401),
        ("203.0.113.1", 401),
        ("nonsense", 401),
    ] {
        let headers = &[("x-forwarded-for", forwarded)];
        let answer = proxied.call_with(token, "GET", "/v1/access", Value::Null, headers).await;
        assert_eq!(answer.status.as_u16(), status, "{forwarded}: {}", answer.text);
        assert_eq!(exchanged(&proxied, &key, headers).await.status.as_u16(), status, "{forwarded}");
    }
    assert_eq!(proxied.get(token, "/v1/access").await.problem(401), "invalid_token");
}

#[tokio::test]
async fn a_resource_server_hears_of_a_token_whatever_its_own_address() {
    let world = world().await;
    let resource_servers = vec![world.admin_key.keypair.id];
    let server = world.test.another(Config { resource_servers, ..Config::default() }).await;
    let key = world.test.key(world.environment, "feedback-report:read").await;
    let token = world.test.exchange(&key, "").await;
    let path = format!("{}/{}", world.keys(), key.keypair.id);
    let body = json!({"allowed_addresses": ["198.51.100.0/24"]});
    world.test.call(&world.admin, "PATCH", &path, body).await.expect(200);
    server.app.live.catch_up().await.unwrap();
    let asked = server.post_form(&world.admin_key, "/oauth2/introspect", format!("token={token}"), &[]).await;
    assert_eq!(asked.expect(200)["active"], true);
}

#[tokio::test]
async fn lists_are_read_strictly_and_null_is_anywhere() {
    let world = world().await;
    let test = &world.test;
    let scopes = json!(["feedback-report:read"]);
    for (list, said) in [
        (
            json!(["192.0.2.7/24"]),
            "`192.0.2.7/24` is an address within a network; the network is 192.0.2.0/24",
        ),
        (
            json!(["office"]),
            "`office` is no network: expected one as in 192.0.2.0/24 or 2001:db8::/32, or an address",
        ),
        (json!(["::1", "::1/128"]), "the network ::1/128 stands twice"),
        ((0..33).map(|n| format!("10.0.0.{n}")).collect(), "a keypair can be used from at most 32 networks"),
    ] {
        let body = json!({"scopes": scopes, "allowed_addresses": list});
        let answer = test.call(&world.admin, "POST", &world.keys(), body).await;
        assert_eq!(answer.problem(400), "invalid_body");
        assert_eq!(answer.errors(), [format!("allowed_addresses: {said}")]);
    }
    for bad in [json!("192.0.2.0/24"), json!([1]), json!({})] {
        let body = json!({"scopes": scopes, "allowed_addresses": bad});
        let answer = test.call(&world.admin, "POST", &world.keys(), body).await;
        assert_eq!(answer.problem(400), "invalid_body");
    }
    let body = json!({"scopes": scopes, "allowed_addresses": ["::ffff:192.0.2.0/120", "2001:DB8::/32"]});
    let created = test.call(&world.admin, "POST", &world.keys(), body).await.expect(201);
    assert_eq!(created["allowed_addresses"], json!(["192.0.2.0/24", "2001:db8::/32"]));
    let path = format!("{}/{}", world.keys(), created["id"].as_str().unwrap());
    let edit = async |body: Value| test.call(&world.admin, "PATCH", &path, body).await;
    edit(json!({"allowed_addresses": ["192.0.2.1/24"]})).await.expect(400);
    assert_eq!(edit(json!({"comment": "x"})).await.expect(200)["allowed_addresses"][1], "2001:db8::/32");
    assert_eq!(edit(json!({"allowed_addresses": null})).await.expect(200)["allowed_addresses"], json!([]));
    let body = json!({"scopes": scopes, "allowed_addresses": null});
    let anywhere = test.call(&world.admin, "POST", &world.keys(), body).await.expect(201);
    assert_eq!(anywhere["allowed_addresses"], json!([]));
}

#[tokio::test]
async fn no_program_lets_a_keypair_be_used_from_where_its_own_may_not() {
    let world = world().await;
    let test = &world.test;
    let other = test.key(world.environment, "feedback-report:read").await.keypair.id;
    let other = format!("{}/{other}", world.keys());
    let own = format!("{}/{}", world.keys(), world.admin_key.keypair.id);
    let edit = async |path: &str, body: Value| test.call(&world.admin, "PATCH", path, body).await;
    edit(&own, json!({"allowed_addresses": ["192.0.2.0/24"]})).await.expect(200);

    let beyond = |answer: Answer| {
        assert_eq!(answer.problem(403), "addresses_beyond_caller");
        assert!(answer.json()["detail"].as_str().unwrap().contains("192.0.2.0/24"), "{}", answer.text);
        assert_eq!(answer.header("www-authenticate"), "");
    };
    for list in [json!(null), json!([]), json!(["192.0.0.0/16"]), json!([OWN, "::1"])] {
        let new = json!({"scopes": ["feedback-report:read"], "allowed_addresses": list});
        beyond(test.call(&world.admin, "POST", &world.keys(), new).await);
        beyond(edit(&own, json!({"allowed_addresses": list})).await);
    }
    beyond(test.call(&world.admin, "POST", &format!("{other}/secrets"), Value::Null).await);
    let public =
        json!({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}});
    beyond(test.call(&world.admin, "POST", &format!("{other}/public-keys"), public).await);
    beyond(edit(&other, json!({"scopes": ["feedback-report:read", "feedback-admin"]})).await);
    edit(&other, json!({"enabled": false})).await.expect(200);
    beyond(edit(&other, json!({"enabled": true})).await);
    edit(&other, json!({"enabled": true, "allowed_addresses": [OWN]})).await.expect(200);
    let new = json!({"scopes": ["feedback-report:read"], "allowed_addresses": [OWN]});
    test.call(&world.admin, "POST", &world.keys(), new).await.expect(201);
}
