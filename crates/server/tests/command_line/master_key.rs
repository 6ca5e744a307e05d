//! Another master key, in the operator's hands.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::operator::{Operator, stderr};
use crate::server::{access_status, comes_to, serve, token};

const ROTATE: [&str; 3] = ["master-key", "rotate", "--yes"];

fn place(operator: &Operator, name: &str) -> PathBuf {
    operator.data().join(name)
}

fn key(digit: &str) -> String {
    format!("{}\n", digit.repeat(64))
}

#[test]
fn everything_is_sealed_under_another_master_key() {
    let operator = Operator::new();
    operator.account("Acme");
    operator.json(&["signing-key", "rotate"]);
    let path = place(&operator, "master.key");
    let old = fs::read_to_string(&path).unwrap();
    let copy = operator.folder.path().join("copy.db");
    operator.json(&["backup", copy.to_str().unwrap()]);
    assert!(operator.refusal(&["master-key", "rotate"]).contains("pass --yes"));

    let rotated = operator.json(&ROTATE);
    assert_eq!(rotated, json!({"master_key": path, "sealed": 3}));
    let new = fs::read_to_string(&path).unwrap();
    assert_ne!(new, old);
    assert!(!place(&operator, "master.key.new").exists());
    assert_eq!(operator.json(&["check"])["ok"], true);
    fs::write(&path, &old).unwrap();
    assert!(operator.refusal(&["check"]).contains("not the one"), "the old one opens nothing any more");

    // The backup is still sealed under the old one.
    let restored = operator.folder.path().join("restored");
    fs::create_dir(&restored).unwrap();
    fs::write(restored.join("master.key"), &new).unwrap();
    let restore = ["restore", copy.to_str().unwrap(), "--yes"];
    assert!(!operator.run_on(&restored, &restore).status.success());
    fs::write(restored.join("master.key"), &old).unwrap();
    let output = operator.run_on(&restored, &restore);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_rotation_that_was_cut_off_leaves_a_store_that_opens() {
    let operator = Operator::new();
    operator.account("Acme");
    let (path, next) = (place(&operator, "master.key"), place(&operator, "master.key.new"));
    let old = fs::read_to_string(&path).unwrap();
    // Cut off before anything was sealed anew: the new key lies there, and nothing is sealed under it.
    fs::write(&next, key("a")).unwrap();
    operator.json(&["check"]);
    assert_eq!((fs::read_to_string(&path).unwrap(), next.exists()), (old.clone(), true));
    operator.json(&ROTATE);
    assert_eq!((fs::read_to_string(&path).unwrap(), next.exists()), (key("a"), false), "taken up again");
    // Cut off after that: everything is sealed under the new key, which is not in place yet.
    fs::write(&next, key("a")).unwrap();
    fs::write(&path, &old).unwrap();
    operator.json(&["check"]);
    assert_eq!((fs::read_to_string(&path).unwrap(), next.exists()), (key("a"), false), "finished");
    // Half a key is none, and nothing happens.
    fs::write(&next, "abc").unwrap();
    assert!(operator.refusal(&ROTATE).contains("64 hexadecimal digits"));
    operator.json(&["check"]);
}

#[test]
fn a_new_master_key_from_elsewhere_stays_there() {
    let operator = Operator::on_postgres();
    operator.account("Acme");
    let path = place(&operator, "master.key");
    let (old, elsewhere) = (fs::read_to_string(&path).unwrap(), operator.folder.path().join("elsewhere"));
    let rotate = [&ROTATE[..], &["--new-key", elsewhere.to_str().unwrap()]].concat();
    assert!(operator.refusal(&rotate).contains("elsewhere"), "it must be there");
    fs::write(&elsewhere, key("b")).unwrap();
    operator.json(&rotate);
    assert_eq!(fs::read_to_string(&path).unwrap(), old);
    assert!(operator.refusal(&["check"]).contains("not the one"));
    fs::rename(&elsewhere, &path).unwrap();
    assert_eq!(operator.json(&["check"])["ok"], true);
}

#[test]
fn a_running_server_goes_on_meanwhile() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let key = operator.key(&account, "feedback-report:read");
    let mut serving = serve(&operator, &[]);
    let line = serving.until("served at").pop().unwrap();
    let server = line.rsplit(' ').next().unwrap();
    let before = token(server, &key);
    operator.json(&ROTATE);
    operator.json(&["signing-key", "rotate"]);
    // Whoever has heard of this has heard of what came before it.
    let another = operator.key(&account, "feedback-report:read");
    let stopped = token(server, &another);
    operator.json(&["key", "disable", another["id"].as_str().unwrap()]);
    comes_to(401, || access_status(server, &stopped));
    assert_eq!(access_status(server, &before), 200);
    assert_eq!(access_status(server, &token(server, &key)), 200);
    let (ended, log) = serving.stop("-TERM");
    assert!(ended.success());
    assert!(log.contains("a new signing key can't be used"), "{log}");
}
