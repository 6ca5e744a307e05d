//! Registering applications, and removing them.

use axum::http::StatusCode;
use domain::{Actor, ClientId, Name, Role, Stamp};

use super::House;
use crate::app::Author;

#[tokio::test]
async fn an_administrator_registers_and_removes_an_application() {
    let house = House::new().await;
    let cookie = house.admin().await;
    let page = format!("/environments/{}/administration/access-management/applications", house.shop.id);
    assert!(house.get(&page, &cookie).await.body.contains("No applications yet"));
    let uris = "https://example.com/callback\r\n  http://127.0.0.1/  ";
    let made = house.post(&page, &cookie, &[("name", "Dash <b>board"), ("redirect_uris", uris)]).await;
    assert_eq!(made.location(), format!("{page}?done=application-created"));
    let listed = house.get(&page, &cookie).await;
    for said in ["Dash &#60;b&#62;board", "https://example.com/callback", "http://127.0.0.1/", "for 0 people"]
    {
        assert!(listed.body.contains(said), "{said}: {}", listed.body);
    }
    let id = listed.between("name=\"application\" value=\"", "\"").to_owned();
    assert!(id.starts_with("app_"));
    // Elsewhere it is not there.
    let of_account = format!("/accounts/{}/administration/access-management/applications", house.account.id);
    assert!(!house.get(&of_account, &cookie).await.body.contains(&id));
    let elsewhere = house.post(&format!("{of_account}/remove"), &cookie, &[("application", &id)]).await;
    assert_eq!(elsewhere.status, StatusCode::NOT_FOUND);
    let author = house.signed_in("author@example.com", &[(house.shop(), Role::Author)]).await;
    let refused = house.post(&format!("{page}/remove"), &author, &[("application", &id)]).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    assert!(house.get(&page, &cookie).await.body.contains(&id));
    let removed = house.post(&format!("{page}/remove"), &cookie, &[("application", &id)]).await;
    assert_eq!(removed.location(), format!("{page}?done=application-removed"));
    assert!(!house.get(&page, &cookie).await.body.contains(&id));
}

#[tokio::test]
async fn what_is_wrong_is_said_beside_its_field_and_what_was_typed_stays() {
    let house = House::new().await;
    let cookie = house.admin().await;
    let page = format!("/accounts/{}/administration/access-management/applications", house.account.id);
    for (name, uris, said) in [
        ("", "https://example.com/", "The name must not be empty."),
        ("Dashboard", "", "An application has 1 to 10 redirect URIs."),
        ("Dashboard", "http://example.com/", "can&#39;t be a redirect URI"),
        ("Dashboard", "https://example.com/ https://example.com/", "is named twice"),
    ] {
        let answer = house.post(&page, &cookie, &[("name", name), ("redirect_uris", uris)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains(said), "{said}: {}", answer.body);
        assert!(answer.body.contains(&format!(">{uris}</textarea>")), "{}", answer.body);
    }
    assert!(house.get(&page, &cookie).await.body.contains("No applications yet"));
}

#[tokio::test]
async fn the_audit_log_names_the_application_that_was_used() {
    let house = House::new().await;
    let cookie = house.admin().await;
    let log = format!("/accounts/{}/administration/audit-log", house.account.id);
    let said = async || house.get(&log, &cookie).await.body.matches("through ").count();
    assert_eq!(said().await, 0);
    let operator = Author { actor: Actor::Operator, address: None, standing: None };
    for (client, through) in [
        (ClientId::CommandLine, "through Feedback’s command line<"),
        ("app_01jx1m2q6fe8gtvdb2v3cx2xkq".parse().unwrap(), "through app_01jx1m2q6fe8gtvdb2v3cx2xkq<"),
    ] {
        let stamp = Stamp { client: Some(client), ..house.app.stamp(&operator, house.now()) };
        let name = Name::new(&client.to_string()).unwrap();
        house.app.store.rename_account(&stamp, house.account.id, None, &name).await.unwrap();
        let shown = house.get(&log, &cookie).await.body;
        assert!(shown.contains(through), "{shown}");
    }
    assert_eq!(said().await, 2);
}
