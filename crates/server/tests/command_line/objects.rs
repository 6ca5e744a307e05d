//! Accounts, environments and what the store is made of.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::operator::{Operator, id, keys};

#[test]
fn the_first_account_makes_the_store_and_nothing_else_does() {
    let operator = Operator::new();
    for arguments in [
        &["account", "list"][..],
        &["environment", "list"],
        &["user", "list"],
        &["key", "list"],
        &["signing-key", "list"],
        &["backup", "copy.db"],
        &["check"],
    ] {
        let refusal = operator.refusal(arguments);
        assert!(refusal.contains("no store"), "{arguments:?}: {refusal}");
        assert!(!operator.data().exists(), "{arguments:?}");
    }
    operator.refusal(&["account", "create", "--name", " "]);
    assert!(!operator.data().exists());
    operator.account("Acme");
    assert!(operator.data().exists());
    assert_eq!(operator.json(&["account", "list"])["items"].as_array().unwrap().len(), 1);
}

#[test]
fn objects_have_the_names_of_the_api() {
    let operator = Operator::new();
    let account = operator.json(&["account", "create", "--name", "Acme"]);
    assert_eq!(keys(&account), ["closed_at", "created_at", "id", "name", "state"]);
    assert_eq!((&account["name"], &account["state"]), (&json!("Acme"), &json!("open")));
    let account = id(&account);
    let environment =
        operator.json(&["environment", "create", "--account", &account, "--name", "Production"]);
    assert_eq!(keys(&environment), ["account_id", "closed_at", "created_at", "id", "name", "state"]);
    let keypair = operator.key(&id(&environment), "feedback-report:read feedback-admin");
    assert_eq!(
        keys(&keypair),
        [
            "accepts_secrets",
            "allowed_addresses",
            "comment",
            "created_at",
            "created_by",
            "enabled",
            "expires_at",
            "id",
            "last_used_at",
            "owner",
            "public_keys",
            "scopes",
            "secret",
            "secrets",
            "status",
            "token_binding"
        ]
    );
    assert_eq!(keypair["owner"], json!({"type": "environment", "id": id(&environment)}));
    assert_eq!(keypair["scopes"], json!(["feedback-report:read", "feedback-admin"]));
    assert_eq!((&keypair["created_by"], &keypair["status"]), (&json!("operator"), &json!("active")));
    let secret = keypair["secret"].as_str().unwrap();
    assert!(secret.starts_with("fbs_") && secret.len() == 53);
    assert_eq!(
        keys(&keypair["secrets"][0]),
        ["created_at", "expires_at", "hint", "last_used_at", "leaked_at", "n", "retire_when_idle_seconds"]
    );

    let list = operator.json(&["key", "list", "--owner", &id(&environment)]);
    assert_eq!((list["items"].as_array().unwrap().len(), &list["next_cursor"]), (1, &Value::Null));
    assert!(list["items"][0].get("secret").is_none(), "the secret is shown once");
    assert!(operator.json(&["key", "show", &id(&keypair)]).get("secret").is_none());
    assert_eq!(operator.json(&["key", "list", "--owner", &account])["items"], json!([]));
    assert_eq!(operator.json(&["key", "list"])["items"].as_array().unwrap().len(), 1);
    assert_eq!(
        keys(&operator.json(&["signing-key", "list"])["items"][0]),
        ["algorithm", "created_at", "kid", "removed_at", "retired_at", "signs_from", "state"]
    );
}

#[test]
fn closing_ends_the_keypairs() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let (one, other) = (operator.environment(&account), operator.environment(&account));
    let key = |owner: &str| id(&operator.key(owner, "feedback-report:read"));
    let (of_one, of_other, of_account) = (key(&one), key(&other), key(&account));

    assert!(operator.refusal(&["environment", "close", &one]).contains("--yes"));
    assert_eq!(operator.json(&["environment", "close", &one, "--yes"])["state"], "closed");
    assert!(operator.refusal(&["key", "show", &of_one]).contains("no keypair"));
    operator.json(&["key", "show", &of_other]);
    assert!(operator.refusal(&["environment", "close", &one, "--yes"]).contains("closed"));
    let late = ["key", "create", "--owner", &one, "--scope", "feedback-admin", "--comment", ""];
    assert!(operator.refusal(&late).contains("closed"));

    assert!(operator.json(&["account", "close", &account, "--yes"])["closed_at"].is_string());
    for key in [&of_other, &of_account] {
        assert!(operator.refusal(&["key", "show", key]).contains("no keypair"));
    }
    assert_eq!(operator.json(&["environment", "show", &other])["state"], "closed");
    let late = ["environment", "create", "--account", &account, "--name", "Late"];
    assert!(operator.refusal(&late).contains("closed"));
}

#[test]
fn the_data_folder_is_the_operators_alone() {
    let operator = Operator::new();
    operator.account("Acme");
    let mode = std::fs::metadata(operator.data()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
