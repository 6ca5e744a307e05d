//! Keypairs, from making to removing.

use serde_json::json;

use crate::operator::{Operator, id, stdout};

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

    let rotated = operator.json(&["key", "rotate", &key, "--overlap", "7d"]);
    assert!(rotated["secret"].as_str().unwrap().starts_with("fbs_"));
    assert_eq!(rotated["secrets"].as_array().unwrap().len(), 2);
    assert!(rotated["secrets"][0]["expires_at"].is_string());
    let left = operator.json(&["key", "delete-secret", &key, "1", "--yes"]);
    assert_eq!(left["secrets"].as_array().unwrap().len(), 1);
    assert!(operator.refusal(&["key", "delete-secret", &key, "2", "--yes"]).contains("last secret"));

    assert!(operator.refusal(&["key", "remove", &key]).contains("--yes"));
    assert_eq!(operator.json(&["key", "remove", &key, "--yes"]), json!({"id": key, "removed": true}));
    for act in ["show", "enable", "disable"] {
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
