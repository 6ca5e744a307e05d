//! The same commands on a database of PostgreSQL.

use serde_json::json;

use crate::operator::{Operator, id, stderr, stdout};

#[test]
fn the_operator_s_hands_reach_the_database() {
    let operator = Operator::on_postgres();
    let account = operator.account("Acme");
    let environment = operator.environment(&account);
    operator.user("admin@example.com");
    operator.json(&[
        "user",
        "grant",
        "--user",
        "admin@example.com",
        "--on",
        &account,
        "--role",
        "administrator",
    ]);
    let key = id(&operator.key(&environment, "feedback-report:read"));
    assert_eq!(operator.json(&["key", "disable", &key])["status"], "disabled");
    assert_eq!(operator.json(&["key", "show", &key])["enabled"], json!(false));
    operator.json(&["key", "remove", &key, "--yes"]);
    assert!(operator.refusal(&["key", "show", &key]).contains("there is no keypair"));
    let checked = operator.json(&["check"]);
    assert_eq!((&checked["ok"], &checked["faults"]), (&json!(true), &json!([])));
    assert_eq!(
        std::fs::read_dir(operator.data()).unwrap().count(),
        1,
        "the master key alone is in the folder"
    );
}

#[test]
fn copies_are_left_to_the_tools_of_postgresql() {
    let operator = Operator::on_postgres();
    let account = operator.account("Acme");
    let key = id(&operator.key(&account, "feedback-admin"));
    assert!(operator.refusal(&["backup", "copy"]).contains("pg_dump"));
    assert!(operator.refusal(&["restore", "copy", "--yes"]).contains("pg_restore"));
    assert!(operator.refusal(&["restore"]).contains("pass --yes"));
    let empty = Operator::on_postgres();
    assert!(empty.refusal(&["restore", "--yes"]).contains("there is no store"), "nothing was brought back");
    assert!(empty.refusal(&["check"]).contains("there is no store"));
    let restored = operator.json(&["restore", "--yes"]);
    assert_eq!(restored["audit_events"], operator.json(&["check"])["audit_events"].as_u64().unwrap() - 1);
    assert_eq!(operator.json(&["key", "show", &key])["id"], json!(key), "keypairs stay, their tokens do not");
}

#[test]
fn a_database_that_can_t_be_used_is_told_in_a_line() {
    let operator = Operator::new();
    let line = |url: &str| {
        let output = operator.run(&["account", "list", "--database-url", url]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!((stdout(&output).as_str(), stderr(&output).lines().count()), ("", 1));
        stderr(&output)
    };
    let unreachable = line("postgres://feedback:secret@127.0.0.1:1/feedback");
    assert!(unreachable.contains("postgres://127.0.0.1:1/feedback"), "{unreachable}");
    assert!(line("mysql://feedback:secret@127.0.0.1/feedback").contains("database_url"));
    let database = Operator::on_postgres().database.unwrap();
    let gone = database.url();
    drop(database);
    assert!(line(&gone).contains("does not exist"));
    for url in ["postgres://feedback:secret@127.0.0.1:1/feedback", "mysql://feedback:secret@h"] {
        assert!(!line(url).contains("secret"));
    }
}
