//! The keys that sign access tokens, in the operator's hands.

use std::time::Duration;

use serde_json::{Value, json};

use crate::operator::{Operator, stdout};
use crate::server::{access_status, comes_to, comes_within, serve, token};

fn list(operator: &Operator) -> Vec<Value> {
    operator.json(&["signing-key", "list"])["items"].as_array().unwrap().clone()
}

fn states(operator: &Operator) -> Vec<Value> {
    list(operator).iter().map(|key| key["state"].clone()).collect()
}

#[test]
fn a_signing_key_follows_another() {
    let operator = Operator::new();
    operator.account("Acme");
    let first = list(&operator).remove(0);
    assert_eq!((&first["state"], &first["algorithm"]), (&json!("signing"), &json!("ES256")));
    assert_eq!((&first["created_at"], &first["removed_at"]), (&first["signs_from"], &Value::Null));

    let next = operator.json(&["signing-key", "rotate"]);
    assert_eq!((&next["state"], &next["algorithm"]), (&json!("next"), &json!("ES256")));
    let both = list(&operator);
    assert_eq!((both.len(), &both[1]), (2, &next));
    assert_eq!((&both[0]["kid"], &both[0]["state"]), (&first["kid"], &json!("signing")));
    assert_eq!(both[0]["retired_at"], next["signs_from"], "the one until the other");
    assert!(both[0]["removed_at"].as_str() > both[0]["retired_at"].as_str());

    let printed = stdout(&operator.run(&["signing-key", "list"]));
    assert!(printed.starts_with("KEY"), "{printed}");
    assert_eq!(printed.lines().count(), 3, "{printed}");
    let printed = stdout(&operator.run(&["signing-key", "rotate"]));
    assert!(printed.contains("next") && printed.lines().count() == 4, "{printed}");
    assert_eq!(operator.json(&["check"])["ok"], true);
}

#[test]
fn in_an_emergency_tokens_from_before_stop_within_a_second() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let key = operator.key(&account, "feedback-report:read");
    let mut serving = serve(&operator, &[]);
    let line = serving.until("served at").pop().unwrap();
    let server = line.rsplit(' ').next().unwrap();
    let before = token(server, &key);
    assert_eq!(access_status(server, &before), 200);
    operator.json(&["signing-key", "rotate"]);
    assert_eq!(access_status(server, &before), 200);

    let made = operator.json(&["signing-key", "rotate", "--now", "--yes"]);
    comes_to(401, || access_status(server, &before));
    assert_eq!(list(&operator), [made], "the others are gone");
    assert_eq!(access_status(server, &token(server, &key)), 200);
}

#[test]
fn another_algorithm_is_taken_up_by_the_next_start() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let key = operator.key(&account, "feedback-report:read");
    let mut command = operator.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.arg("--data").arg(operator.data()).env("FEEDBACK_SIGNING_ALGORITHM", "RS256");
    let mut serving = crate::server::Serving::start(command);
    let line = serving.until("served at").pop().unwrap();
    let server = line.rsplit(' ').next().unwrap();
    // Making an RSA key takes as long as it takes.
    comes_within(Duration::from_secs(60), 2, || list(&operator).len().try_into().unwrap());
    assert_eq!(states(&operator), ["signing", "next"]);
    assert_eq!(list(&operator)[1]["algorithm"], "RS256");
    assert_eq!(access_status(server, &token(server, &key)), 200);
    // A command's settings are no server's: the key after it is of the algorithm that was taken up.
    assert_eq!(operator.json(&["signing-key", "rotate"])["algorithm"], "RS256");
}
