//! Users, their roles and passwords.

use serde_json::json;

use crate::operator::{Operator, PASSWORD, keys, stderr};

#[test]
fn people_are_let_in_and_the_last_administrator_stays() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let environment = operator.environment(&account);
    let made = operator.user("Admin@Example.com");
    assert_eq!(keys(&made), ["created_at", "email", "id", "roles"]);
    assert_eq!((&made["email"], &made["roles"]), (&json!("admin@example.com"), &json!([])));
    operator.user("reader@example.com");

    let grant = |user: &str, on: &str, role: &str| {
        operator.json(&["user", "grant", "--user", user, "--on", on, "--role", role])
    };
    let granted = grant("admin@example.com", &account, "administrator");
    assert_eq!(
        granted["roles"],
        json!([{"on": {"type": "account", "id": account}, "role": "administrator"}])
    );
    grant("reader@example.com", &environment, "reader");
    assert_eq!(operator.json(&["user", "list", "--on", &environment])["items"].as_array().unwrap().len(), 2);
    assert_eq!(operator.json(&["user", "list", "--on", &account])["items"].as_array().unwrap().len(), 1);

    let last = ["user", "revoke", "--user", "admin@example.com", "--on", &account];
    assert!(operator.refusal(&last).contains("at least one administrator"));
    let demote = ["user", "grant", "--user", "admin@example.com", "--on", &account, "--role", "reader"];
    assert!(operator.refusal(&demote).contains("at least one administrator"));
    let remove = ["user", "remove", "admin@example.com", "--yes"];
    assert!(operator.refusal(&remove).contains("at least one administrator"));

    let none = ["user", "revoke", "--user", "reader@example.com", "--on", &account];
    assert!(operator.refusal(&none).contains("no role"));
    assert_eq!(operator.json(&["user", "remove", "reader@example.com", "--yes"])["removed"], true);
    assert!(operator.refusal(&["user", "show", "reader@example.com"]).contains("no user"));
    grant("admin@example.com", &environment, "administrator");
}

#[test]
fn passwords_come_by_stdin_and_must_be_good() {
    let operator = Operator::new();
    operator.account("Acme");
    let create = ["user", "create", "--email", "a@example.com", "--password-stdin"];
    for bad in ["", "\n", "short\n", "passwordpassword\n"] {
        let output = operator.with_stdin(&create, bad);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("password"), "{}", stderr(&output));
    }
    assert!(operator.refusal(&["user", "create", "--email", "a@example.com"]).contains("--password-stdin"));
    assert_eq!(operator.json(&["user", "list"])["items"], json!([]));
    operator.user("a@example.com");
    assert!(stderr(&operator.with_stdin(&create, PASSWORD)).contains("exists already"));
    let change = ["user", "set-password", "a@example.com", "--password-stdin"];
    assert!(operator.with_stdin(&change, "another quiet harbour").status.success());
}
