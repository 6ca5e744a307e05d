//! Keypairs, from making to removing.

use serde_json::json;

use crate::operator::{Operator, assert_harmless, id, stderr, stdout};

#[test]
fn a_keypair_is_disabled_enabled_edited_rotated_and_removed() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let key = id(&operator.key(&account, "feedback-report:read"));
    for _ in 0..2 {
        let disabled = operator.json(&["key", "disable", &key]);
        assert_eq!((&disabled["enabled"], &disabled["status"]), (&json!(false), &json!("disabled")));
    }
    assert_eq!(operator.json(&["key", "enable", &key])["status"], "active");
    let edited = operator.json(&[
        "key",
        "edit",
        &key,
        "--comment",
        "-- <b>bold</b>",
        "--scope",
        "feedback-admin",
        "--expires",
        "90d",
    ]);
    assert_eq!(
        (&edited["comment"], &edited["scopes"]),
        (&json!("-- <b>bold</b>"), &json!(["feedback-admin"]))
    );
    assert!(edited["expires_at"].is_string());
    assert!(operator.json(&["key", "edit", &key, "--expires", "never"])["expires_at"].is_null());
    assert!(stdout(&operator.run(&["key", "show", &key])).contains("-- <b>bold</b>"), "markup is text");
    let usage = operator.json(&["key", "usage", &key]);
    assert_eq!(usage["days"].as_array().unwrap().len(), 30);
    assert_eq!(usage["scopes"], json!([{"scope": "feedback-admin", "last_used_at": null}]));
    assert!(stdout(&operator.run(&["key", "usage", &key])).contains("It was not used"));

    let rotated = operator.json(&["key", "rotate", &key, "--overlap", "7d"]);
    assert!(rotated["secret"].as_str().unwrap().starts_with("fbs_"));
    assert_eq!(rotated["secrets"].as_array().unwrap().len(), 2);
    assert!(rotated["secrets"][0]["expires_at"].is_string());
    let left = operator.json(&["key", "delete-secret", &key, "1", "--yes"]);
    assert_eq!(left["secrets"].as_array().unwrap().len(), 1);
    assert!(operator.refusal(&["key", "delete-secret", &key, "2", "--yes"]).contains("last secret"));

    assert!(operator.refusal(&["key", "remove", &key]).contains("--yes"));
    assert_eq!(operator.json(&["key", "remove", &key, "--yes"]), json!({"id": key, "removed": true}));
    for act in ["show", "usage", "enable", "disable"] {
        assert!(operator.refusal(&["key", act, &key]).contains("no keypair"));
    }
}

#[test]
fn the_secret_is_told_once_with_a_warning() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let made =
        operator.run(&["key", "create", "--owner", &account, "--scope", "feedback-admin", "--comment", "C"]);
    assert_eq!(stdout(&made).matches("fbs_").count(), 1);
    assert!(stdout(&made).contains("only time"));
    assert!(!stdout(&operator.run(&["key", "list"])).contains("fbs_"));
}

/// RFC 8037 appendix A.2 and A.1, and RFC 7517 appendix A.1 as PEM.
const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const PRIVATE: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const P256: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEMKBCTNIcKUSDii11ySs3526iDZ8A\n\
    iTo7Tu6KPAqv7D7gS2XpJFbZiItSs3m9+9Ue6GnvHw/GW2ZZaVtszggXIw==\n\
    -----END PUBLIC KEY-----\n";

#[test]
fn no_comment_commands_the_terminal() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let comment = "Export\rKey ID  key_other\tnightly";
    let scope = "feedback-report:read";
    let create = ["key", "create", "--owner", &account, "--scope", scope, "--comment", comment];
    let key = id(&operator.json(&create));
    assert_eq!(operator.json(&["key", "show", &key])["comment"], comment);
    for act in [&create[..], &["key", "list"], &["key", "show", &key], &["key", "remove", &key]] {
        let output = operator.run(act);
        let said = stdout(&output) + &stderr(&output);
        assert!(said.contains("nightly"), "{said}");
        assert_harmless(&said);
    }
}

#[test]
fn public_keys_are_registered_and_removed() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (jwk, pem, private) = (file("jwk", ED25519), file("pem", P256), file("private", PRIVATE));
    let key = id(&operator.key(&account, "feedback-report:read"));

    assert!(operator.refusal(&["key", "edit", &key, "--accept-secrets", "false"]).contains("public key"));
    let one = operator.json(&["key", "add-public-key", &key, "--jwk-file", &jwk]);
    assert_eq!(one["public_keys"][0]["kid"], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let two =
        operator.json(&["key", "add-public-key", &key, "--pem-file", &pem, "--public-key-expires", "90d"]);
    assert_eq!(
        (&two["public_keys"][1]["n"], &two["public_keys"][1]["algorithm"]),
        (&json!(3), &json!("ES256"))
    );
    assert!(two["public_keys"][1]["expires_at"].is_string());
    assert!(
        stdout(&operator.run(&["key", "show", &key])).contains("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
    );

    let nowhere = folder.path().join("nowhere").to_str().unwrap().to_owned();
    for (arguments, named) in [
        (&["key", "add-public-key", &key, "--jwk-file", &jwk][..], "already"),
        (&["key", "add-public-key", &key, "--jwk-file", &private], "treat it as leaked"),
        (&["key", "add-public-key", &key, "--pem-file", &jwk], "BEGIN PUBLIC KEY"),
        (&["key", "add-public-key", &key, "--pem-file", &pem, "--algorithm", "RS256"], "ES256 for P-256"),
        (&["key", "add-public-key", &key, "--pem-file", &nowhere], "can't be read"),
        (&["key", "add-public-key", &key], "--pem-file"),
        (&["key", "remove-public-key", &key, "--n", "1", "--yes"], "no such public key"),
        (&["key", "remove-public-key", &key, "--n", "2"], "--yes"),
    ] {
        let refusal = operator.refusal(arguments);
        assert!(refusal.contains(named), "{named}: {refusal}");
    }
    assert_eq!(operator.json(&["key", "edit", &key, "--accept-secrets", "false"])["accepts_secrets"], false);
    assert!(operator.refusal(&["key", "rotate", &key]).contains("accepts no secrets"));
    let left = operator.json(&["key", "remove-public-key", &key, "--n", "2", "--yes"]);
    assert_eq!(left["public_keys"].as_array().unwrap().len(), 1);

    let made = operator.json(&[
        "key",
        "create",
        "--owner",
        &account,
        "--scope",
        "feedback-admin",
        "--jwk-file",
        &jwk,
    ]);
    assert!(made.get("secret").is_none());
    assert_eq!((&made["secrets"], &made["accepts_secrets"]), (&json!([]), &json!(false)));
}

/// The steps of docs/operations.md, and what says so to whoever tries others.
#[test]
fn a_stolen_private_key_never_works_again_once_its_keypair_does() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (stolen, new) = (file("jwk", ED25519), file("pem", P256));
    let create =
        ["key", "create", "--owner", &account, "--scope", "feedback-report:read", "--jwk-file", &stolen];
    let key = id(&operator.json(&create));

    assert_eq!(operator.json(&["key", "disable", &key])["enabled"], false);
    let rotating = operator.refusal(&["key", "rotate", &key, "--overlap", "0s"]);
    assert!(rotating.contains("add a new public key and remove the old one"), "{rotating}");
    let remove = ["key", "remove-public-key", &key, "--n", "1", "--yes"];
    let removing = operator.refusal(&remove);
    assert!(removing.contains("add another one first"), "{removing}");

    operator.json(&["key", "add-public-key", &key, "--pem-file", &new]);
    operator.json(&remove);
    let enabled = operator.json(&["key", "enable", &key]);
    assert_eq!((&enabled["enabled"], &enabled["public_keys"][0]["n"]), (&json!(true), &json!(2)));
    assert_eq!(enabled["public_keys"].as_array().unwrap().len(), 1);
}

#[test]
fn tokens_can_be_required_to_be_bound() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let create =
        ["key", "create", "--owner", &account, "--scope", "feedback-admin", "--token-binding", "mtls"];
    let made = operator.json(&create);
    let key = id(&made);
    assert_eq!(made["token_binding"], "mtls");
    assert_eq!(operator.json(&["key", "edit", &key, "--token-binding", "dpop"])["token_binding"], "dpop");
    assert_eq!(operator.json(&["key", "show", &key])["token_binding"], "dpop");
    assert_eq!(operator.json(&["key", "edit", &key, "--comment", "C"])["token_binding"], "dpop");
}

#[test]
fn a_rotation_that_finishes_itself_is_asked_for() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let key = id(&operator.key(&account, "feedback-report:read"));
    for (arguments, named) in [
        (&["key", "rotate", &key, "--when-idle", "59s"][..], "from 60 seconds to 30 days"),
        (&["key", "rotate", &key, "--when-idle", "31d"], "from 60 seconds to 30 days"),
        (&["key", "rotate", &key, "--when-idle", "soon"], "no length of time"),
    ] {
        let refusal = operator.refusal(arguments);
        assert!(refusal.contains(named), "{named}: {refusal}");
    }
    let both = operator.run(&["key", "rotate", &key, "--when-idle", "1h", "--overlap", "7d"]);
    assert_eq!(both.status.code(), Some(2));
    let rotated = operator.json(&["key", "rotate", &key, "--when-idle", "1h"]);
    let idle = |n: usize| &rotated["secrets"][n]["retire_when_idle_seconds"];
    assert_eq!((idle(0), idle(1)), (&json!(3600), &json!(null)));
    assert!(stdout(&operator.run(&["key", "show", &key])).contains("ends once idle for 1h"));
}

#[test]
fn a_keypair_is_bound_to_networks() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let create = |from: &str| {
        let words = ["key", "create", "--owner", &account, "--scope", "feedback-admin", "--allow-from", from];
        words.map(str::to_owned)
    };
    let made = operator.json(&create("192.0.2.0/24, 2001:db8::/32").each_ref().map(String::as_str));
    let key = id(&made);
    assert_eq!(made["allowed_addresses"], json!(["192.0.2.0/24", "2001:db8::/32"]));
    assert!(stdout(&operator.run(&["key", "show", &key])).contains("2001:db8::/32"));
    let edit =
        |from: &str| operator.json(&["key", "edit", &key, "--allow-from", from])["allowed_addresses"].clone();
    assert_eq!(edit("198.51.100.7"), json!(["198.51.100.7/32"]));
    let kept = operator.json(&["key", "edit", &key, "--comment", "C"]);
    assert_eq!(kept["allowed_addresses"], json!(["198.51.100.7/32"]));
    for (from, named) in
        [("192.0.2.7/24", "192.0.2.0/24"), ("office", "no network"), ("", "anywhere"), (" , ", "anywhere")]
    {
        let refusal = operator.refusal(&["key", "edit", &key, "--allow-from", from]);
        assert!(refusal.contains(named), "{from}: {refusal}");
        let refusal = operator.refusal(&create(from).each_ref().map(String::as_str));
        assert!(refusal.contains(named), "{from}: {refusal}");
    }
    assert_eq!(edit("anywhere"), json!([]));
}

#[test]
fn who_stops_a_keypair_hears_what_used_it() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let key = operator.key(&account, "feedback-report:read feedback-account-admin");
    let id = key["id"].as_str().unwrap();
    let unused = "In the last seven days it was not used.";
    for words in [&["key", "disable", id] as &[_], &["key", "edit", id, "--scope", "feedback-report:read"]] {
        let done = operator.run(words);
        assert!(done.status.success() && stdout(&done).contains(unused), "{words:?}: {}", stdout(&done));
    }
    for words in [&["key", "enable", id] as &[_], &["key", "edit", id, "--comment", "Nightly"]] {
        assert!(!stdout(&operator.run(words)).contains("In the last"), "{words:?}");
    }
    let asked = operator.run(&["key", "remove", id]);
    assert!(!asked.status.success() && stderr(&asked).contains(unused), "{}", stderr(&asked));
    let asked = operator.run(&["account", "close", &account]);
    let none = "None of them was used in the last seven days.";
    assert!(!asked.status.success() && stderr(&asked).contains(none), "{}", stderr(&asked));
}
