use serde_json::json;

use crate::api::test_harness::{REDIRECT_URI, TestApp};

#[tokio::test]
async fn applications_are_registered_shown_listed_and_removed() {
    let test = TestApp::start().await;
    let account = test.account("Acme").await;
    let environment = test.environment(account, "Production").await;
    for (owner, scope, place) in [
        (account.to_string(), "feedback-account-admin", "accounts"),
        (environment.to_string(), "feedback-admin", "environments"),
    ] {
        let token = test.token(owner.parse::<domain::Owner>().unwrap(), scope).await;
        let path = format!("/v1/{place}/{owner}/applications");
        let body = json!({"name": " Dashboard ", "redirect_uris": [REDIRECT_URI, "http://127.0.0.1/"]});
        let made = test.call(&token, "POST", &path, body).await;
        let object = made.expect(201);
        let id = object["id"].as_str().unwrap();
        assert!(id.starts_with("app_"));
        assert_eq!(
            object,
            json!({
                "id": id,
                "owner": {"type": place.trim_end_matches('s'), "id": owner},
                "name": "Dashboard",
                "redirect_uris": [REDIRECT_URI, "http://127.0.0.1/"],
                "people": 0,
                "created_at": object["created_at"],
            })
        );
        assert_eq!(
            (made.header("etag"), made.header("location")),
            ("\"1\"", format!("{path}/{id}").as_str())
        );
        assert_eq!(test.get(&token, &format!("{path}/{id}")).await.expect(200), object);
        let list = test.get(&token, &path).await.expect(200);
        assert_eq!(list, json!({"items": [object], "next_cursor": null}));
        let moved = test
            .call_with(&token, "DELETE", &format!("{path}/{id}"), json!(null), &[("if-match", "\"2\"")])
            .await;
        assert_eq!(moved.problem(412), "precondition_failed");
        let gone = test.call(&token, "DELETE", &format!("{path}/{id}"), json!(null)).await;
        assert_eq!((gone.status.as_u16(), gone.text.as_str()), (204, ""));
        let again = test.call(&token, "DELETE", &format!("{path}/{id}"), json!(null)).await;
        assert_eq!(again.problem(404), "not_found");
        assert_eq!(test.get(&token, &format!("{path}/{id}")).await.problem(404), "not_found");
    }
}

#[tokio::test]
async fn what_can_not_be_registered_is_refused_by_field() {
    let test = TestApp::start().await;
    let account = test.account("Acme").await;
    let token = test.token(account, "feedback-account-admin").await;
    let path = format!("/v1/accounts/{account}/applications");
    for (body, field) in [
        (json!({"name": "", "redirect_uris": [REDIRECT_URI]}), "name"),
        (json!({"name": "Dashboard", "redirect_uris": []}), "redirect_uris"),
        (json!({"name": "Dashboard", "redirect_uris": ["http://example.com/"]}), "redirect_uris"),
        (json!({"name": "Dashboard", "redirect_uris": [REDIRECT_URI, REDIRECT_URI]}), "redirect_uris"),
        (json!({"name": "Dashboard"}), "redirect_uris"),
        (json!({"name": "Dashboard", "redirect_uris": [REDIRECT_URI], "secret": "x"}), "secret"),
    ] {
        let refused = test.call(&token, "POST", &path, body).await;
        assert_eq!(refused.status.as_u16(), 400);
        assert!(refused.errors()[0].starts_with(&format!("{field}: ")), "{:?}", refused.errors());
    }
    assert_eq!(test.get(&token, &path).await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn another_customers_application_is_not_there() {
    let test = TestApp::start().await;
    let (account, strangers) = (test.account("Acme").await, test.account("Other").await);
    let environment = test.environment(account, "Production").await;
    let [of_account, of_environment, theirs] = [
        test.application(account).await,
        test.application(environment).await,
        test.application(strangers).await,
    ];
    let token = test.token(account, "feedback-admin feedback-account-admin").await;
    for (place, id) in [
        (format!("accounts/{account}"), of_environment.id),
        (format!("accounts/{account}"), theirs.id),
        (format!("environments/{environment}"), of_account.id),
        (format!("environments/{environment}"), theirs.id),
        (format!("accounts/{strangers}"), theirs.id),
    ] {
        for method in ["GET", "DELETE"] {
            let answer =
                test.call(&token, method, &format!("/v1/{place}/applications/{id}"), json!(null)).await;
            assert_eq!(answer.problem(404), "not_found", "{method} {place} {id}");
        }
    }
    for application in [of_account, of_environment, theirs] {
        assert!(test.app.store.live_application(application.id).await.unwrap().is_some());
    }
}
