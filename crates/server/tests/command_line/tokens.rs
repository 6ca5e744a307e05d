//! What the operator is told of a token, and how one is ended, offline and beside a running server.

use serde_json::{Value, json};

use crate::operator::{Operator, id, keys, stderr, stdout};
use crate::server::{Serving, access_status, comes_to, get, serve, token};

/// A server whose public URL is where it listens, so that the command line does not know it.
fn served(operator: &Operator) -> (Serving, String) {
    let mut serving = serve(operator, &[]);
    let line = serving.until("served at").pop().unwrap();
    (serving, line.rsplit(' ').next().unwrap().to_owned())
}

/// What `token inspect --json` tells.
fn inspect(operator: &Operator, token: &str) -> Value {
    let output = operator.with_stdin(&["token", "inspect", "--json"], &format!("{token}\n"));
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn why(operator: &Operator, token: &str) -> String {
    let told = inspect(operator, token);
    assert_eq!((&told["active"], &told["scopes"]), (&json!(false), &json!([])), "{told}");
    assert_eq!(told["environments"], json!([]));
    told["reason"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_in_hand_tells_what_it_reaches_and_is_ended_alone() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let environments = [operator.environment(&account), operator.environment(&account)];
    let key = operator.key(&account, "feedback-report:read feedback-account-admin");
    let (_serving, server) = served(&operator);
    let (one, other) = (token(&server, &key), token(&server, &key));

    let told = inspect(&operator, &one);
    let expected = [
        "active",
        "environments",
        "expires_at",
        "issued_at",
        "key_id",
        "lost_scopes",
        "narrowed_to",
        "owner",
        "reason",
        "scopes",
        "token_binding",
    ];
    let mut names = keys(&told);
    names.sort_unstable();
    assert_eq!(names, expected);
    assert_eq!((&told["active"], &told["reason"], &told["key_id"]), (&json!(true), &json!(null), &key["id"]));
    assert_eq!(told["owner"], json!({"type": "account", "id": account}));
    assert_eq!(told["scopes"], json!(["feedback-report:read", "feedback-account-admin"]));
    let access: Value = serde_json::from_str(&get(&server, &one, "/v1/access").1).unwrap();
    for name in ["key_id", "owner", "scopes", "environments", "expires_at"] {
        assert_eq!(told[name], access[name], "the API says the same: {name}");
    }
    assert_eq!(told["environments"].as_array().unwrap().len(), environments.len());
    let text = stdout(&operator.with_stdin(&["token", "introspect"], &one));
    assert!(text.starts_with("Works        yes\n") && text.contains("Export"), "{text}");
    assert!(environments.iter().all(|environment| text.contains(environment)), "{text}");
    assert!(!text.contains(&one));

    operator.json(&["key", "edit", &id(&key), "--scope", "feedback-account-admin"]);
    assert_eq!(inspect(&operator, &one)["lost_scopes"], json!(["feedback-report:read"]));

    let unsure = operator.with_stdin(&["token", "revoke"], &one);
    assert!(!unsure.status.success() && stderr(&unsure).contains("pass --yes"), "{}", stderr(&unsure));
    assert_eq!(access_status(&server, &one), 200);
    let revoked = operator.with_stdin(&["token", "revoke", "--yes"], &one);
    assert!(revoked.status.success(), "{}", stderr(&revoked));
    assert_eq!(stdout(&revoked), format!("Revoked the token. Other tokens of {} go on.\n", id(&key)));
    comes_to(401, || access_status(&server, &one));
    assert_eq!(why(&operator, &one), "it was revoked");

    let path = format!("/v1/accounts/{account}/audit-events?limit=1");
    let (status, body) = get(&server, &other, &path);
    let lines: Value = serde_json::from_str(&body).unwrap();
    let line = &lines["items"][0];
    assert_eq!((status, line["action"].as_str()), (200, Some("keypair.token_revoked")), "{body}");
    assert_eq!((&line["actor"]["type"], &line["object"]["id"]), (&json!("operator"), &key["id"]));

    let again = operator.with_stdin(&["token", "revoke", "--yes", "--json"], &one);
    assert_eq!(again.status.code(), Some(0));
    let (_, after) = get(&server, &other, &path);
    let after: Value = serde_json::from_str(&after).unwrap();
    assert_eq!(after["items"][0]["id"], line["id"], "the second time changes nothing");
    let revoked = operator.with_stdin(&["token", "revoke", "--yes", "--json"], &other);
    let revoked: Value = serde_json::from_slice(&revoked.stdout).unwrap();
    assert_eq!((&revoked["active"], &revoked["reason"]), (&json!(false), &json!("it was revoked")));
}

#[test]
fn a_token_tells_why_it_is_worth_nothing() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let key = operator.key(&account, "feedback-report:read");
    let (serving, server) = served(&operator);
    let (first, of_secret) = (token(&server, &key), token(&server, &key));
    serving.stop("-TERM");
    let key = id(&key);
    operator.json(&["key", "rotate", &key]);
    operator.json(&["key", "delete-secret", &key, "1", "--yes"]);
    assert_eq!(why(&operator, &of_secret), "the secret or public key that obtained it is gone");
    operator.json(&["key", "disable", &key]);
    assert_eq!(why(&operator, &first), "its keypair is disabled");
    operator.json(&["key", "enable", &key]);
    assert_eq!(why(&operator, &first), "its keypair was stopped after it was issued");
    operator.json(&["key", "remove", &key, "--yes"]);
    assert_eq!(why(&operator, &first), "its keypair was removed");
    let text = stdout(&operator.with_stdin(&["token", "inspect"], &first));
    assert!(text.starts_with("Works        no: its keypair was removed\n"), "{text}");
    let nothing = operator.with_stdin(&["token", "revoke", "--yes"], &first);
    assert_eq!(stdout(&nothing), "There was nothing to end; nothing was changed.\n");
    operator.json(&["signing-key", "rotate", "--now", "--yes"]);
    let foreign = operator.with_stdin(&["token", "inspect"], &first);
    assert!(!foreign.status.success() && stderr(&foreign).contains("or that key was removed"));
}

#[test]
fn what_is_no_token_of_this_server_is_said_to_be_none() {
    let operator = Operator::new();
    let account = operator.account("Acme");
    let (_serving, server) = served(&operator);
    let token = token(&server, &operator.key(&account, "feedback-report:read"));
    let (rest, signature) = token.rsplit_once('.').unwrap();
    let forged = format!("{rest}.{}", "A".repeat(signature.len()));
    let elsewhere = Operator::new();
    elsewhere.account("Another");
    for (operator, text, said) in [
        (&operator, "nonsense", "none of its keys signed it"),
        (&operator, &forged, "none of its keys signed it"),
        (&operator, "\u{1b}.\u{9b}.", "none of its keys signed it"),
        (&elsewhere, &token, "none of its keys signed it"),
        (&operator, &format!("Bearer {token}"), "more than an access token"),
        (&operator, &format!("{token}{}x", " ".repeat(16 * 1024)), "longer than any access token"),
        (&operator, " \n", "no access token on stdin"),
        (&operator, "", "no access token on stdin"),
    ] {
        for act in [&["token", "inspect"][..], &["token", "revoke", "--yes"]] {
            let refused = operator.with_stdin(act, text);
            assert_eq!(refused.status.code(), Some(1), "{text}");
            assert!(stderr(&refused).contains(said) && refused.stdout.is_empty(), "{}", stderr(&refused));
        }
    }
    let argument = operator.command(&["token", "inspect", &token]).output().unwrap();
    assert_eq!(argument.status.code(), Some(2), "others could read it there");
    std::fs::write(operator.folder.path().join("feedback.toml"), "public_url = \"http://127.0.0.1:1\"\n")
        .unwrap();
    let other = operator.with_stdin(&["token", "inspect", "--json"], &token);
    let said: Value = serde_json::from_slice(&other.stderr).unwrap();
    let said = said["error"].as_str().unwrap();
    assert!(said.contains(&server) && said.contains("http://127.0.0.1:1"), "{said}");
    assert_eq!(access_status(&server, &token), 200);
}
