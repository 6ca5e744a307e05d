//! Scope × endpoint: the committed table against the document and against the running router.

use std::collections::BTreeMap;

use domain::Scope;
use serde_json::{Value, json};

use super::openapi;
use super::test_harness::TestApp;

/// What a scope alone does for an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Opens,
    Refused,
    Open,
}

type Operation = (String, String);

fn table() -> BTreeMap<Operation, Vec<Cell>> {
    include_str!("scope_matrix.txt")
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| {
            let mut words = line.split_whitespace();
            let method = words.next().unwrap().to_owned();
            let path = words.next().unwrap().to_owned();
            let cells: Vec<_> = words
                .map(|word| match word {
                    "yes" => Cell::Opens,
                    "-" => Cell::Refused,
                    "open" => Cell::Open,
                    other => panic!("{other}?"),
                })
                .collect();
            assert_eq!(cells.len(), Scope::ALL.len(), "{line}");
            ((method, path), cells)
        })
        .collect()
}

fn document() -> BTreeMap<Operation, Vec<Cell>> {
    let document: Value = serde_json::from_str(openapi::document().unwrap()).unwrap();
    let mut found = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let any_of = operation["security"].as_array().unwrap();
            let scopes: Vec<&str> = any_of
                .iter()
                .flat_map(|one| one["oauth2"].as_array().unwrap())
                .map(|scope| scope.as_str().unwrap())
                .collect();
            let cells = Scope::ALL.map(|scope| match (any_of.is_empty(), scopes.is_empty()) {
                (true, _) => Cell::Open,
                (false, true) => Cell::Opens,
                (false, false) if scopes.contains(&scope.name()) => Cell::Opens,
                (false, false) => Cell::Refused,
            });
            found.insert((method.to_uppercase(), path.clone()), cells.to_vec());
        }
    }
    found
}

#[test]
fn the_document_says_what_the_table_says() {
    let (table, document) = (table(), document());
    for (operation, cells) in &document {
        assert_eq!(table.get(operation), Some(cells), "{operation:?} is missing in the table, or differs");
    }
    for operation in table.keys() {
        assert!(document.contains_key(operation), "{operation:?} is in the table, but not served");
    }
}

/// Every request stops short of doing anything: a body that is refused, or a version that no object has.
async fn ask(test: &TestApp, token: &str, method: &str, path: &str) -> (u16, Value) {
    let body = if method == "GET" { Value::Null } else { json!({"no such field": true}) };
    let answer = test.call_with(token, method, path, body, &[("if-match", "\"0\"")]).await;
    let body = serde_json::from_str(&answer.text).unwrap_or(Value::Null);
    (answer.status.as_u16(), body)
}

#[tokio::test]
async fn the_router_does_what_the_table_says() {
    let test = TestApp::start().await;
    let account = test.account("Acme").await;
    let environment = test.environment(account, "Production").await;
    let query = test.query(environment, "Checkout").await;
    let of_environment = test.key(environment, "feedback-report:read").await.keypair.id;
    let of_account = test.key(account, "feedback-report:read").await.keypair.id;
    let applications = [test.application(environment).await.id, test.application(account).await.id];
    let strangers = test.account("Other").await;
    let elsewhere = test.environment(strangers, "Elsewhere").await;
    let all = Scope::ALL.map(Scope::name).join(" ");
    let stranger = test.token(strangers, &all).await;
    let neighbour = test
        .token(
            elsewhere,
            "feedback-report:read feedback-queries:create feedback-responses:create feedback-admin",
        )
        .await;
    let mut tokens = Vec::new();
    for scope in Scope::ALL {
        tokens.push((scope, test.token(account, scope.name()).await));
    }

    for ((method, template), cells) in table() {
        let key = if template.contains("{acc}") { of_account } else { of_environment };
        let application = applications[usize::from(template.contains("{acc}"))];
        let path = template
            .replace("{app}", &application.to_string())
            .replace("{acc}", &account.to_string())
            .replace("{env}", &environment.to_string())
            .replace("{key}", &key.to_string())
            .replace("{qry}", &query.id.to_string())
            .replace("{n}", "1");
        let what = format!("{method} {template}");

        for ((scope, token), cell) in tokens.iter().zip(&cells) {
            let (status, body) = ask(&test, token, &method, &path).await;
            match cell {
                Cell::Refused => {
                    assert_eq!(
                        (status, &body["code"]),
                        (403, &json!("insufficient_scope")),
                        "{what} with {scope}"
                    );
                    let detail = body["detail"].as_str().unwrap();
                    for (scope, cell) in Scope::ALL.iter().zip(&cells) {
                        assert_eq!(
                            detail.contains(&format!("`{scope}`")),
                            *cell == Cell::Opens,
                            "{what}: {detail}"
                        );
                    }
                }
                Cell::Opens | Cell::Open => {
                    let done = if method == "GET" { status == 200 } else { matches!(status, 400 | 412) };
                    assert!(done, "{what} with {scope}: {status} {body}");
                }
            }
        }

        let anonymous = axum::http::Request::builder().method(method.as_str()).uri(&path);
        let answer = test.send(anonymous.body(axum::body::Body::empty()).unwrap()).await;
        let open = cells.contains(&Cell::Open);
        let expected = match (open, method.as_str()) {
            (true, "GET") => 200,
            // Nothing but the body was missing.
            (true, _) => 415,
            (false, _) => 401,
        };
        assert_eq!(answer.status.as_u16(), expected, "{what} without a token");

        if template.contains('{') {
            for (token, who) in [(&stranger, "a stranger"), (&neighbour, "a stranger's environment")] {
                let (status, body) = ask(&test, token, &method, &path).await;
                let expected = if who == "a stranger" { vec![404] } else { vec![403, 404] };
                assert!(expected.contains(&status), "{what} for {who}: {status} {body}");
            }
        }

        let (status, body) = ask(&test, &tokens[4].1, "PUT", &path).await;
        assert_eq!((status, &body["code"]), (405, &json!("method_not_allowed")), "PUT {template}");
        let unknown = ask(&test, &test_token(&tokens, &cells), &method, &format!("{path}?surprise=1")).await;
        assert_eq!(unknown.0, 400, "{what} with an unknown parameter: {}", unknown.1);
        assert_eq!(unknown.1["errors"][0]["field"], "surprise", "{what}");
    }
}

/// A token that opens an operation.
fn test_token(tokens: &[(Scope, String)], cells: &[Cell]) -> String {
    let opening = tokens.iter().zip(cells).find(|(_, cell)| **cell != Cell::Refused);
    opening.map(|((_, token), _)| token.clone()).unwrap()
}

#[tokio::test]
async fn the_methods_of_each_address_are_those_of_the_document() {
    let test = TestApp::start().await;
    let account = test.account("Acme").await;
    let token = test.token(account, "feedback-account-admin").await;
    let mut methods: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (method, path) in document().into_keys() {
        methods.entry(path).or_default().push(method);
    }
    for (path, documented) in methods {
        let path = path.replace(['{', '}'], "");
        let answer = test.call(&token, "PUT", &path, Value::Null).await;
        assert_eq!(answer.problem(405), "method_not_allowed");
        let mut allowed: Vec<_> =
            answer.header("allow").split(',').filter(|method| *method != "HEAD").map(str::to_owned).collect();
        allowed.sort();
        assert_eq!(allowed, documented, "{path}");
    }
}
