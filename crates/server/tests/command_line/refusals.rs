//! What is refused, how it is said, and with which exit code.

use serde_json::json;

use crate::operator::{Operator, stderr};

#[test]
fn what_is_wrong_is_named_and_changes_nothing() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let long = "x".repeat(10_000);
    let unknown = "acc_01jx1m2q6fe8gtvdb2v3cx2xkq";
    let key =
        |scope: &'static str| ["key", "create", "--owner", &account, "--scope", scope, "--comment", "C"];
    for (arguments, named) in [
        (&["account", "create", "--name", &long][..], "10000"),
        (&["account", "rename", &account, "--name", &long], "at most 100"),
        (&["account", "show", unknown], "no account"),
        (&["account", "show", "env_01jx1m2q6fe8gtvdb2v3cx2xkq"], "acc_"),
        (&["environment", "create", "--account", unknown, "--name", "N"], "no account"),
        (&["environment", "create", "--account", &long, "--name", "N"], "not the identifier"),
        (&["user", "grant", "--user", "a@example.com", "--on", &account, "--role", "reader"], "no user"),
        (&["user", "grant", "--user", "a@example.com", "--on", &account, "--role", "owner"], "administrator"),
        (&["user", "show", "nobody"], "e-mail"),
        (&["key", "create", "--owner", unknown, "--scope", "feedback-admin", "--comment", "C"], "no account"),
        (
            &["key", "create", "--owner", &account, "--scope", "feedback-admin", "--comment", &long],
            "at most 500",
        ),
        (&key("feedback-admin feedback-admin"), "twice"),
        (&key("nope"), "no scope `nope`"),
        (&key(""), "at least one scope"),
        (&["key", "show", "key_01jx1m2q6fe8gtvdb2v3cx2xkq"], "no keypair"),
        (&["key", "show", "nonsense"], "key_"),
    ] {
        let refusal = operator.refusal(arguments);
        assert!(refusal.contains(named), "{named}: {refusal}");
        assert!(refusal.len() < 300);
    }
    assert_eq!(operator.json(&["account", "list"])["items"].as_array().unwrap().len(), 1);
    assert_eq!(operator.json(&["key", "list"])["items"], json!([]));
    let environment = operator.environment(&account);
    let beyond =
        ["key", "create", "--owner", &environment, "--scope", "feedback-account-admin", "--comment", ""];
    assert!(operator.refusal(&beyond).contains("not of an environment"));
    let past = [
        "key",
        "create",
        "--owner",
        &account,
        "--scope",
        "feedback-admin",
        "--expires",
        "2020-01-01T00:00:00Z",
    ];
    assert!(operator.refusal(&past).contains("future"));
}

#[test]
fn usage_and_settings_have_their_exit_codes() {
    let operator = Operator::new();
    assert_eq!(operator.command(&["key", "edit", "key_1"]).output().unwrap().status.code(), Some(2));
    assert_eq!(operator.command(&["nonsense"]).output().unwrap().status.code(), Some(2));
    let wrong = operator.command(&["serve"]).env("FEEDBACK_LISTEN", "here").output().unwrap();
    assert_eq!(wrong.status.code(), Some(1));
    assert!(stderr(&wrong).contains("listen"));
    let wrong = operator.command(&["demo", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert!(!wrong.status.success() && stderr(&wrong).contains("loopback"));
}

#[test]
fn a_taken_address_is_named() {
    let operator = Operator::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for command in ["serve", "demo"] {
        let output = operator.command(&[command, "--listen", &address]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(
            stderr(&output).contains(&address) && stderr(&output).contains("--listen"),
            "{}",
            stderr(&output)
        );
    }
}
