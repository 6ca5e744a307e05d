//! Reporting a leaked Key Secret on the page, and what its administrators see of it.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use domain::{Actor, Comment, KeySecret, Keypair, KeypairEdit, NewKeypair, Scope, VerifyingKey};

use super::super::door::base;
use super::{House, form, send};
use crate::app::Author;
use crate::keypairs;

async fn with_secret(house: &House) -> (Keypair, KeySecret) {
    let new = NewKeypair {
        owner: house.shop(),
        comment: Comment::new("Nightly export").unwrap(),
        scopes: Scope::ReportRead.into(),
        expires_at: None,
        token_binding: domain::TokenBinding::None,
        allowed_addresses: domain::AllowedAddresses::default(),
    };
    let operator = Author { actor: Actor::Operator, address: None, standing: None };
    keypairs::create(&house.app, &operator, new, None).await.unwrap()
}

#[tokio::test]
async fn a_reported_secret_stops_its_keypair_and_its_administrators_see_why() {
    let house = House::new().await;
    let admin = house.admin().await;
    let (keypair, secret) = with_secret(&house).await;
    let page = house.get("/leaked-secret", "").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("<label for=\"secret\">Key Secret</label>"));
    assert!(page.body.contains(">Report</button>") && !page.body.contains("value="));

    let reported = house.post("/leaked-secret", "", &[("secret", secret.reveal())]).await;
    assert_eq!(reported.status, StatusCode::OK);
    assert!(reported.body.contains("Thank you") && !reported.body.contains("fbs_"), "{}", reported.body);
    let stopped = house.app.store.keypair(house.shop(), keypair.id).await.unwrap();
    assert!(!stopped.enabled && stopped.leaked_at().is_some());

    let administration = format!("{}/administration", base(house.shop()));
    let list = format!("{administration}/access-management/api-management");
    let listed = house.get(&list, &admin).await.body;
    assert!(listed.contains("reported as leaked") && listed.contains("Rotate, then enable."), "{listed}");
    let log = house.get(&format!("{administration}/audit-log"), &admin).await.body;
    assert!(
        log.contains("Key Secret reported as leaked") && log.contains("Somebody who has found it"),
        "{log}"
    );
    let rotate = format!("{list}/{}/rotate", keypair.id);
    let rotated = house.send_once(&rotate, &rotate, &admin, &[("overlap", "168")]).await;
    assert_eq!(rotated.status, StatusCode::CREATED, "{}", rotated.body);
    let listed = house.get(&list, &admin).await.body;
    assert!(!listed.contains("reported as leaked"), "the old secret is gone");
}

#[tokio::test]
async fn the_page_says_the_same_of_every_secret_and_takes_no_form_from_elsewhere() {
    let house = House::new().await;
    let (keypair, secret) = with_secret(&house).await;
    let unknown = KeySecret::generate(&*house.app.entropy);
    let fields = [("secret", secret.reveal())];
    let from_elsewhere = |site: Option<&str>| {
        let mut request =
            Request::post("/leaked-secret").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(site) = site {
            request = request.header("sec-fetch-site", site);
        }
        request.body(Body::from(form(&fields))).unwrap()
    };
    for site in [None, Some("cross-site")] {
        let refused = send(&house.router, from_elsewhere(site)).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{site:?}");
    }
    let untouched = house.app.store.keypair(house.shop(), keypair.id).await.unwrap();
    assert!(untouched.enabled);
    let mut pages = Vec::new();
    for found in ["", "nonsense", unknown.reveal(), secret.reveal(), secret.reveal()] {
        let reported = house.post("/leaked-secret", "", &[("secret", found)]).await;
        pages.push((reported.status, reported.body));
    }
    pages.dedup();
    assert_eq!(pages.len(), 1, "{pages:?}");
}

#[tokio::test]
async fn where_secrets_are_not_accepted_the_keypair_goes_on_and_the_advice_is_another() {
    let house = House::new().await;
    let admin = house.admin().await;
    let (keypair, secret) = with_secret(&house).await;
    let operator = Author { actor: Actor::Operator, address: None, standing: None };
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let key = (VerifyingKey::from_text(key, None).unwrap(), None);
    let (app, owner, id) = (&house.app, keypair.owner, keypair.id);
    keypairs::add_public_key(app, &operator, owner, id, key, None, None).await.unwrap();
    let refusing = KeypairEdit { accepts_secrets: Some(false), ..KeypairEdit::default() };
    keypairs::edit(app, &operator, owner, id, &refusing, None, None).await.unwrap();

    house.post("/leaked-secret", "", &[("secret", secret.reveal())]).await;
    let after = app.store.keypair(owner, id).await.unwrap();
    assert!(after.enabled && after.leaked_at().is_some());
    let list = format!("{}/administration/access-management/api-management", base(owner));
    let listed = house.get(&list, &admin).await.body;
    assert!(
        listed.contains("so it went on. Delete that secret.") && !listed.contains("Rotate, "),
        "{listed}"
    );
    let accepting = KeypairEdit { accepts_secrets: Some(true), ..KeypairEdit::default() };
    keypairs::edit(app, &operator, owner, id, &accepting, None, None).await.unwrap();
    let listed = house.get(&list, &admin).await.body;
    assert!(listed.contains("Rotate, or delete that secret."), "{listed}");
}
