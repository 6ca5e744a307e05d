//! Applications that people can let act in their names.

use serde_json::json;

use crate::operator::{Operator, id, keys};

#[test]
fn applications_are_registered_listed_shown_and_removed() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let environment = operator.environment(&account);
    let register = |owner: &str| {
        let uris = ["--redirect-uri", "https://example.com/callback", "--redirect-uri", "http://127.0.0.1/"];
        operator
            .json(&[&["application", "create", "--owner", owner, "--name", "Dashboard"], &uris[..]].concat())
    };
    let (of_account, of_environment) = (register(&account), register(&environment));
    assert_eq!(keys(&of_account), ["created_at", "id", "name", "owner", "people", "redirect_uris"]);
    assert_eq!(of_account["redirect_uris"], json!(["https://example.com/callback", "http://127.0.0.1/"]));
    assert_eq!(operator.json(&["application", "show", &id(&of_account)]), of_account);
    let all = operator.json(&["application", "list"]);
    assert_eq!(all["items"], json!([of_account, of_environment]));
    let some = operator.json(&["application", "list", "--owner", &environment]);
    assert_eq!(some["items"], json!([of_environment]));
    let asked = operator.refusal(&["application", "remove", &id(&of_account)]);
    assert!(asked.contains("--yes"), "{asked}");
    let removed = operator.json(&["application", "remove", &id(&of_account), "--yes"]);
    assert_eq!(removed, json!({"id": id(&of_account), "removed": true}));
    let gone = operator.refusal(&["application", "show", &id(&of_account)]);
    assert!(gone.contains("there is no application"), "{gone}");
    operator.json(&["environment", "close", &environment, "--yes"]);
    assert_eq!(operator.json(&["application", "list"])["items"], json!([]));
}

#[test]
fn what_can_not_be_registered_is_named_and_changes_nothing() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let unknown = "acc_01jx1m2q6fe8gtvdb2v3cx2xkq";
    for (owner, name, uri, named) in [
        (account.as_str(), "", "https://example.com/", "must not be empty"),
        (&account, "Dashboard", "http://example.com/", "can't be a redirect URI"),
        (unknown, "Dashboard", "https://example.com/", "no account"),
        ("nonsense", "Dashboard", "https://example.com/", "acc_"),
    ] {
        let create = ["application", "create", "--owner", owner, "--name", name, "--redirect-uri", uri];
        let refusal = operator.refusal(&create);
        assert!(refusal.contains(named), "{named}: {refusal}");
    }
    assert_eq!(operator.json(&["application", "list"])["items"], json!([]));
}
