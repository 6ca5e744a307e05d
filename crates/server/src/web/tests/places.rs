//! Environments, queries, the log, and closing for good.

use axum::http::StatusCode;
use domain::{NewResponse, Role, new_id};

use super::super::door::base;
use super::House;

#[tokio::test]
async fn an_environment_is_made_renamed_and_closed() {
    let house = House::new().await;
    let admin = house.admin().await;
    let account = base(house.account());
    let bad = house.post(&format!("{account}/environments"), &admin, &[("name", " ")]).await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    let made = house.post(&format!("{account}/environments"), &admin, &[("name", "Arrivals <hall>")]).await;
    let environment = made.location().split('?').next().unwrap().to_owned();
    let page = house.get(&environment, &admin).await;
    assert!(page.body.contains("Send the first response") && page.body.contains("Arrivals &#60;hall&#62;"));
    assert!(house.get(&account, &admin).await.body.contains("Arrivals &#60;hall&#62;"));

    let settings = format!("{environment}/administration/settings");
    let rename = format!("{settings}/rename");
    let answer = house.post(&rename, &admin, &[("name", "Arrivals"), ("version", "1")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let stale = house.post(&rename, &admin, &[("name", "Departures"), ("version", "1")]).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);

    let close = format!("{settings}/close");
    let unsure = house.post(&close, &admin, &[("confirm", "Departures")]).await;
    assert_eq!(unsure.status, StatusCode::UNPROCESSABLE_ENTITY);
    let answer = house.post(&close, &admin, &[("confirm", "Arrivals")]).await;
    assert_eq!(answer.location(), format!("{account}?done=environment-closed"));
    assert_eq!(house.get(&environment, &admin).await.status, StatusCode::NOT_FOUND);
    assert!(!house.get(&account, &admin).await.body.contains("Arrivals"));
}

#[tokio::test]
async fn a_closed_account_is_gone_with_all_it_owned() {
    let house = House::new().await;
    let admin = house.admin().await;
    let close = format!("{}/administration/settings/close", base(house.account()));
    let answer = house.post(&close, &admin, &[("confirm", "Northwind Stores")]).await;
    assert_eq!(answer.location(), "/?done=account-closed");
    for path in [base(house.account()), base(house.shop()), close] {
        assert_eq!(house.get(&path, &admin).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(house.get("/", &admin).await.body.contains("Nothing has been shared with you yet"));
}

#[tokio::test]
async fn a_query_is_put_read_and_closed() {
    let house = House::new().await;
    let queries = format!("{}/queries", base(house.shop()));
    let author = house.signed_in("author@example.com", &[(house.shop(), Role::Author)]).await;
    let reader = house.signed_in("reader@example.com", &[(house.shop(), Role::Reader)]).await;
    let admin = house.admin().await;
    let long = "x".repeat(10_000);
    for fields in [[("title", ""), ("question", "?")], [("title", "t"), ("question", &long)]] {
        assert_eq!(house.post(&queries, &author, &fields).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let fields = [("title", "Delivery"), ("question", "In time?")];
    assert_eq!(house.post(&queries, &reader, &fields).await.status, StatusCode::NOT_FOUND);
    let made = house.post(&queries, &author, &fields).await;
    let query = made.location().split('?').next().unwrap().to_owned();
    let page = house.get(&query, &reader).await;
    assert!(page.body.contains("In time?") && page.body.contains("No answers in this period"));
    assert!(!page.body.contains("Close query"));
    assert!(!house.get(&queries, &reader).await.body.contains("Create query"));
    assert_eq!(house.post(&format!("{query}/close"), &author, &[]).await.status, StatusCode::NOT_FOUND);
    for _ in 0..2 {
        assert_eq!(house.post(&format!("{query}/close"), &admin, &[]).await.status, StatusCode::SEE_OTHER);
    }
    assert!(house.get(&queries, &reader).await.body.contains(">Closed<"));
}

#[tokio::test]
async fn the_overview_draws_what_came_in() {
    let house = House::new().await;
    let reader = house.signed_in("reader@example.com", &[(house.shop(), Role::Reader)]).await;
    let now = house.now();
    let responses: Vec<NewResponse> = [5, 5, 4, 1]
        .into_iter()
        .map(|score| NewResponse {
            id: new_id(now, &*house.app.entropy),
            external_id: None,
            query: None,
            score,
            text: None,
            respondent: None,
            machine: None,
            at: now,
        })
        .collect();
    house.app.store.add_responses(house.shop.id, &responses).await.unwrap();
    let overview = base(house.shop());
    let page = house.get(&overview, &reader).await;
    assert!(page.body.contains("<svg class=\"plot\" role=\"img\""));
    assert!(page.body.contains("3.75") && page.body.contains("4 responses in all"));
    for (period, status) in [
        ("?days=90", StatusCode::OK),
        ("?from=2026-01-01&to=2026-01-31", StatusCode::OK),
        ("?from=2026-01-31&to=2026-01-01", StatusCode::BAD_REQUEST),
        ("?from=2020-01-01&to=2026-01-01", StatusCode::BAD_REQUEST),
        ("?days=minus", StatusCode::BAD_REQUEST),
        ("?days=7&days=30", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(house.get(&format!("{overview}{period}"), &reader).await.status, status, "{period}");
    }
}

#[tokio::test]
async fn the_log_tells_who_did_what() {
    let house = House::new().await;
    let admin = house.admin().await;
    let keys = format!("{}/administration/access-management/api-management", base(house.shop()));
    house
        .send_once(
            &format!("{keys}/new"),
            &keys,
            &admin,
            &[("comment", "for the log"), ("scope", "feedback-report:read")],
        )
        .await;
    let log = format!("{}/administration/audit-log", base(house.shop()));
    let page = house.get(&log, &admin).await;
    assert!(page.body.contains("API keypair created") && page.body.contains("admin@example.com"));
    assert!(page.body.contains("for the log"));
    assert!(!page.body.contains("hash&#34;") && !page.body.contains("fbs_"));
    let no_line = format!("{log}?before=evt_00000000000000000000000000");
    assert_eq!(house.get(&no_line, &admin).await.status, StatusCode::OK);
    for other in ["1", "x"] {
        assert_eq!(house.get(&format!("{log}?before={other}"), &admin).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_query_is_edited_unless_somebody_was_faster() {
    let house = House::new().await;
    let admin = house.admin().await;
    let reader = house.signed_in("reader@example.com", &[(house.shop(), Role::Reader)]).await;
    let queries = format!("{}/queries", base(house.shop()));
    let made = house.post(&queries, &admin, &[("title", "Delivery"), ("question", "In time?")]).await;
    let query = made.location().split('?').next().unwrap().to_owned();
    let edit = format!("{query}/edit");
    assert!(house.get(&query, &admin).await.body.contains(&edit));
    assert!(!house.get(&query, &reader).await.body.contains(&edit));
    let version = house.get(&edit, &admin).await.between("name=\"version\" value=\"", "\"").to_owned();
    let fields = |title| [("version", version.as_str()), ("title", title), ("question", "On the day?")];
    let bad = house.post(&edit, &admin, &fields("")).await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(bad.body.contains("On the day?"), "what was typed is kept");
    let saved = house.post(&edit, &admin, &fields("Shipping")).await;
    assert_eq!(
        (saved.status, saved.location()),
        (StatusCode::SEE_OTHER, &*format!("{query}?done=query-saved"))
    );
    let page = house.get(saved.location(), &reader).await;
    assert!(page.body.contains("Shipping") && page.body.contains("On the day?"));

    let late = house.post(&edit, &admin, &fields("Dispatch")).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    assert!(late.body.contains("Somebody changed this query while you were editing."));
    assert!(late.body.contains("value=\"Dispatch\"") && late.body.contains("name=\"version\" value=\"2\""));
    assert!(house.get(&query, &reader).await.body.contains("Shipping"), "nothing was saved");
    for version in ["x", ""] {
        let fields = [("version", version), ("title", "t"), ("question", "q")];
        assert_eq!(house.post(&edit, &admin, &fields).await.status, StatusCode::BAD_REQUEST);
    }
}
