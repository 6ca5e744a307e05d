//! Copies of the store, and its being whole.

use serde_json::{Value, json};

use crate::operator::{Operator, id, stderr, stdout};

#[test]
fn a_backup_is_restored_and_checked() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let key = id(&operator.key(&account, "feedback-admin"));
    let copy = operator.folder.path().join("copy.db");
    let copy = copy.to_str().unwrap();
    assert!(stdout(&operator.run(&["backup", copy])).contains("master key"));
    assert!(operator.refusal(&["backup", copy]).contains("exists already"));
    assert!(operator.refusal(&["restore", copy]).contains("already"));

    let elsewhere = operator.folder.path().join("elsewhere");
    let restore = || operator.run_on(&elsewhere, &["restore", copy]);
    assert!(stderr(&restore()).contains("master key"), "it can't be used without");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::copy(operator.data().join("master.key"), elsewhere.join("master.key")).unwrap();
    let restored = restore();
    assert!(restored.status.success(), "{}", stderr(&restored));
    let shown = operator.run_on(&elsewhere, &["key", "show", &key, "--json"]);
    assert!(shown.status.success(), "{}", stderr(&shown));
    let checked = operator.run_on(&elsewhere, &["check", "--json"]);
    assert!(checked.status.success(), "{}", stderr(&checked));
    let checked: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!((&checked["ok"], &checked["faults"]), (&json!(true), &json!([])));
    assert_eq!(
        std::fs::read_dir(&elsewhere)
            .unwrap()
            .filter(|entry| { entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".restore") })
            .count(),
        0
    );
}

#[test]
fn what_is_no_backup_is_refused() {
    let operator = Operator::new();
    operator.account("Acme");
    let elsewhere = operator.folder.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::copy(operator.data().join("master.key"), elsewhere.join("master.key")).unwrap();
    let text = operator.folder.path().join("text");
    std::fs::write(&text, "not a database, but long enough to have a header of one hundred bytes".repeat(4))
        .unwrap();
    for file in [text.to_str().unwrap(), "nowhere"] {
        let output = operator.run_on(&elsewhere, &["restore", file]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 1, "only the master key is there");
    }
}

#[test]
fn another_master_key_is_noticed() {
    let operator = Operator::new();
    operator.account("Acme");
    std::fs::write(operator.data().join("master.key"), "00".repeat(32)).unwrap();
    let checked = operator.run(&["check"]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(stderr(&checked).contains("master key"), "{}", stderr(&checked));
}

#[test]
fn a_lost_master_key_is_not_replaced() {
    let operator = Operator::new();
    operator.account("Acme");
    let path = operator.data().join("master.key");
    std::fs::rename(&path, path.with_extension("away")).unwrap();
    assert!(operator.refusal(&["account", "list"]).contains("master.key"));
    assert!(!path.exists());
}

#[test]
fn a_rewritten_audit_log_is_noticed() {
    let operator = Operator::new();
    operator.account("Acme");
    let path = operator.data().join("feedback.db");
    let mut store = std::fs::read(&path).unwrap();
    let said = br#""name":"Acme""#;
    let places: Vec<_> = (0..store.len() - said.len()).filter(|at| store[*at..].starts_with(said)).collect();
    assert!(!places.is_empty());
    for at in places {
        store[at + 8..at + 12].copy_from_slice(b"Evil");
    }
    std::fs::write(&path, store).unwrap();
    let checked = operator.run(&["check", "--json"]);
    assert_eq!(checked.status.code(), Some(1));
    let checked: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(checked["ok"], false);
    assert!(checked["faults"][0].as_str().unwrap().contains("was changed after it was written"), "{checked}");
    let told = operator.run(&["check"]);
    assert!(stdout(&told).starts_with("audit log: line 2 "), "{}", stdout(&told));
}
