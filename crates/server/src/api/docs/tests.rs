use axum::body::Body;
use axum::http::Request;
use serde_json::Value;

use super::openapi;
use crate::api::error::PROBLEM_KINDS;
use crate::api::test_harness::TestApp;

async fn page() -> (crate::api::test_harness::Answer, TestApp) {
    let test = TestApp::start().await;
    let answer = test.send(Request::get("/docs").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 200);
    (answer, test)
}

#[tokio::test]
async fn every_operation_and_every_problem_stands_on_the_page() {
    let (page, _) = page().await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let document: Value = serde_json::from_str(openapi::document().unwrap()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(page.text.contains(&format!("<code class=\"path\">{path}</code>")), "{path}");
        for operation in item.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(page.text.contains(&format!("id=\"{id}\"")), "{id}");
        }
    }
    for problem in PROBLEM_KINDS {
        assert!(page.text.contains(&format!("id=\"problem-{}\"", problem.code)), "{}", problem.code);
    }
}

#[tokio::test]
async fn every_command_can_be_pasted_once_the_variables_of_the_page_are_set() {
    let (page, _) = page().await;
    let blocks: Vec<_> = page
        .text
        .split("<pre id=\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('>')?.1.split("</pre>").next())
        .filter(|block| !block.starts_with("import "))
        .collect();
    assert!(blocks.len() > 50, "{}", blocks.len());
    let letter = |c: char| c.is_ascii_uppercase() || c == '_';
    let set: Vec<_> = blocks
        .iter()
        .flat_map(|block| block.lines())
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name)
        .filter(|name| name.chars().all(letter))
        .collect();
    for block in blocks {
        let address = block.split("$FEEDBACK_URL").nth(1).and_then(|rest| rest.split(['"', '&']).next());
        assert!(!address.unwrap_or_default().contains('{'), "curl takes that for a pattern: {block}");
        for used in block.split('$').skip(1).filter(|rest| !rest.starts_with('(')) {
            let name = used.split(|c| !letter(c)).next().unwrap_or_default();
            assert!(set.contains(&name), "${name} is never set: {block}");
        }
    }
}

#[tokio::test]
async fn nothing_on_the_page_is_inline_or_from_another_host() {
    let (page, test) = page().await;
    for forbidden in ["<script>", "style=\"", "<style", "onclick", "src=\"http", "href=\"http"] {
        assert!(!page.text.contains(forbidden), "{forbidden}");
    }
    assert!(page.header("content-security-policy").starts_with("default-src 'none'; style-src 'self'"));
    for asset in page.text.split("\"/static/").skip(1).filter_map(|rest| rest.split('"').next()) {
        let answer = test.send(Request::get(format!("/static/{asset}")).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 200, "{asset}");
    }
}

#[tokio::test]
async fn the_page_is_whole() {
    let (page, _) = page().await;
    for tag in ["section", "article", "table", "details", "ul", "ol", "li", "p", "div", "pre", "code"] {
        let opened =
            page.text.matches(&format!("<{tag}>")).count() + page.text.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.text.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    let mut targets: Vec<_> =
        page.text.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    targets.dedup();
    for target in targets {
        assert!(page.text.contains(&format!("id=\"{target}\"")), "#{target} leads nowhere");
    }
}
