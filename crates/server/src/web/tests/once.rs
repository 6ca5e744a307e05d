//! What is shown once is made once, however often the form is sent.

use axum::http::StatusCode;
use domain::Role;
use storage::Slice;

use super::super::door::base;
use super::House;

fn keys_of(house: &House) -> String {
    format!("{}/administration/access-management/api-management", base(house.shop()))
}

#[tokio::test]
async fn a_reload_makes_no_second_keypair() {
    let house = House::new().await;
    let admin = house.admin().await;
    let list = keys_of(&house);
    let token = house.form_on(&format!("{list}/new"), &admin).await;
    let fields = [("comment", "Nightly"), ("scope", "feedback-report:read"), ("form", token.as_str())];
    assert_eq!(house.post(&list, &admin, &[("form", &token)]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        house.post(&list, &admin, &fields).await.status,
        StatusCode::CREATED,
        "a mistake spends nothing"
    );
    for _ in 0..2 {
        let again = house.post(&list, &admin, &fields).await;
        assert_eq!(again.status, StatusCode::CONFLICT);
        assert!(again.body.contains("This keypair was made already") && again.body.contains("shown once"));
        assert!(again.body.contains(&format!("action=\"{list}\"")) && !again.body.contains("fbs_"));
    }
    assert_eq!(house.app.store.keypairs(house.shop(), Slice::first(9)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_form_from_elsewhere_is_shown_again_with_what_was_typed() {
    let house = House::new().await;
    let admin = house.admin().await;
    let other = house.signed_in("other@example.com", &[(house.shop(), Role::Administrator)]).await;
    let list = keys_of(&house);
    let theirs = house.form_on(&format!("{list}/new"), &other).await;
    for token in [theirs.as_str(), "", "made up"] {
        let fields = [("comment", "Nightly"), ("scope", "feedback-report:read"), ("form", token)];
        let answer = house.post(&list, &admin, &fields).await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert!(answer.body.contains("Nothing was made") && answer.body.contains("value=\"Nightly\""));
    }
    let fields = [("comment", "Nightly"), ("scope", "feedback-report:read")];
    assert_eq!(house.post(&list, &admin, &fields).await.status, StatusCode::BAD_REQUEST);
    assert!(house.app.store.keypairs(house.shop(), Slice::first(9)).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_reload_makes_no_second_secret_and_no_second_invitation() {
    let house = House::new().await;
    let admin = house.admin().await;
    let list = keys_of(&house);
    let fields = [("scope", "feedback-report:read")];
    let made = house.send_once(&format!("{list}/new"), &list, &admin, &fields).await;
    let rotate = format!("{list}/{}/rotate", made.between("<code id=\"key-id\">", "<"));
    let users = format!("{}/administration/access-management/users", base(house.shop()));
    for (path, field, value) in [(&rotate, "overlap", "24"), (&users, "email", "new@example.com")] {
        let token = house.form_on(path, &admin).await;
        let fields = [(field, value), ("role", "reader"), ("form", token.as_str())];
        assert_eq!(house.post(path, &admin, &fields).await.status, StatusCode::CREATED);
        let again = house.post(path, &admin, &fields).await;
        assert_eq!(again.status, StatusCode::CONFLICT);
        assert!(again.body.contains("was made already"), "{}", again.body);
    }
    let keypairs = house.app.store.keypairs(house.shop(), Slice::first(9)).await.unwrap();
    assert_eq!(keypairs[0].secrets.len(), 2);
}
