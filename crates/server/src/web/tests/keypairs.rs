//! API management from the first keypair to its end.

use axum::http::StatusCode;
use domain::{Actor, Credential, KeyId, KeySecret, KeypairEdit, KeypairStatus, Scope, TokenBinding};

use super::super::door::base;
use super::{Answer, House};
use crate::app::Author;
use crate::config::Config;
use crate::keypairs;

fn keys_of(house: &House) -> String {
    format!("{}/administration/access-management/api-management", base(house.shop()))
}

async fn create(house: &House, admin: &str, comment: &str) -> (KeyId, KeySecret, Answer) {
    let fields = [("comment", comment), ("scope", "feedback-report:read"), ("expires", "")];
    let list = keys_of(house);
    let answer = house.send_once(&format!("{list}/new"), &list, admin, &fields).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    let id = answer.between("<code id=\"key-id\">", "<").parse().unwrap();
    let secret = answer.between("<code id=\"key-secret\">", "<").parse().unwrap();
    (id, secret, answer)
}

#[tokio::test]
async fn a_keypair_from_its_making_to_its_end() {
    let house = House::new().await;
    let admin = house.admin().await;
    let list = keys_of(&house);
    assert!(house.get(&list, &admin).await.body.contains("No keypairs yet"));

    let (id, secret, made) = create(&house, &admin, "Nightly <export> & more").await;
    assert!(made.body.contains("<dialog class=\"modal\" open"));
    assert!(made.body.contains(&format!("-u &#39;{id}:{}&#39;", secret.reveal())));
    let stored = house.app.store.keypair(house.shop(), id).await.unwrap();
    assert_eq!(Credential::of(&stored).authenticate(&secret.hash(), house.now()), Some(1));
    assert_eq!(stored.created_by.name(), "admin@example.com");

    let listed = house.get(&list, &admin).await;
    assert!(!listed.body.contains("fbs_"), "a secret is shown once");
    assert!(listed.body.contains("Nightly &#60;export&#62; &#38; more"), "{}", listed.body);

    let answer = house.post(&format!("{list}/{id}/disable"), &admin, &[]).await;
    assert_eq!(
        (answer.status, answer.location()),
        (StatusCode::SEE_OTHER, &*format!("{list}?done=keypair-disabled"))
    );
    let stopped = house.app.store.keypair(house.shop(), id).await.unwrap();
    assert_eq!(stopped.status(house.now()), KeypairStatus::Disabled);
    assert!(house.get(answer.location(), &admin).await.body.contains(">Enable<"));
    house.post(&format!("{list}/{id}/enable"), &admin, &[]).await;

    let edit = format!("{list}/{id}/edit");
    let version = house.get(&edit, &admin).await.between("name=\"version\" value=\"", "\"").to_owned();
    let fields = [
        ("version", version.as_str()),
        ("comment", "Hourly export"),
        ("scope", "feedback-responses:create"),
        ("scope", "feedback-admin"),
        ("expires", "2999-01-31"),
    ];
    assert_eq!(house.post(&edit, &admin, &fields).await.status, StatusCode::SEE_OTHER);
    let edited = house.app.store.keypair(house.shop(), id).await.unwrap();
    assert_eq!(edited.comment.as_str(), "Hourly export");
    assert_eq!(edited.scopes, [Scope::ResponsesCreate, Scope::Admin].into_iter().collect());
    assert_eq!(edited.expires_at.unwrap().to_string(), "2999-01-31T00:00:00Z");

    let again = house.post(&edit, &admin, &fields).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.body.contains("Somebody changed this keypair while you were editing."));
    assert!(again.body.contains("value=\"Hourly export\""), "what was typed is kept");

    let remove = format!("{list}/{id}/remove");
    assert!(house.get(&remove, &admin).await.body.contains("irreversible"));
    assert_eq!(
        house.post(&remove, &admin, &[("confirm", "wrong")]).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert!(house.app.store.keypair(house.shop(), id).await.is_ok());
    let text = id.to_string();
    let tail = text.get(text.len() - 6..).unwrap();
    assert_eq!(house.post(&remove, &admin, &[("confirm", tail)]).await.status, StatusCode::SEE_OTHER);
    assert!(house.app.store.keypair(house.shop(), id).await.is_err());
    assert_eq!(house.get(&edit, &admin).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_rotation_leaves_the_old_secret_for_as_long_as_chosen() {
    let house = House::new().await;
    let admin = house.admin().await;
    let list = keys_of(&house);
    let (id, first, _) = create(&house, &admin, "").await;
    let rotate = format!("{list}/{id}/rotate");
    for bad in [vec![], vec![("overlap", "12")]] {
        assert_eq!(house.post(&rotate, &admin, &bad).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let answer = house.send_once(&rotate, &rotate, &admin, &[("overlap", "24")]).await;
    let second: KeySecret = answer.between("<code id=\"key-secret\">", "<").parse().unwrap();
    let keypair = house.app.store.keypair(house.shop(), id).await.unwrap();
    let now = house.now();
    assert_eq!(Credential::of(&keypair).authenticate(&first.hash(), now), Some(1));
    assert_eq!(Credential::of(&keypair).authenticate(&second.hash(), now), Some(2));
    let day_later = domain::from_millis(now.as_millisecond() + 86_400_000);
    assert_eq!(Credential::of(&keypair).authenticate(&first.hash(), day_later), None);

    let edit = house.get(&format!("{list}/{id}/edit"), &admin).await;
    let hint = first.hint();
    assert_eq!(
        edit.body
            .matches(&*format!("End now…<span class=\"hidden-text\"> secret 1 fbs_…{hint}</span>"))
            .count(),
        1
    );
    assert_eq!(
        edit.body
            .matches(&*format!("End now<span class=\"hidden-text\"> secret 1 fbs_…{hint}</span>"))
            .count(),
        1
    );
    assert_eq!(edit.one_click_acts(), ["/sign-out", &format!("{list}/{id}/edit")]);
    let ended = house.post(&format!("{list}/{id}/secrets/1/end"), &admin, &[]).await;
    assert_eq!(ended.status, StatusCode::SEE_OTHER);
    let last = house.post(&format!("{list}/{id}/secrets/2/end"), &admin, &[]).await;
    assert_eq!(last.status, StatusCode::CONFLICT);

    let answer = house.send_once(&rotate, &rotate, &admin, &[("overlap", "0")]).await;
    let third: KeySecret = answer.between("<code id=\"key-secret\">", "<").parse().unwrap();
    let keypair = house.app.store.keypair(house.shop(), id).await.unwrap();
    assert_eq!(Credential::of(&keypair).authenticate(&second.hash(), house.now()), None);
    assert_eq!(Credential::of(&keypair).authenticate(&third.hash(), house.now()), Some(3));
}

#[tokio::test]
async fn keypairs_of_others_do_not_exist() {
    let house = House::new().await;
    let admin = house.admin().await;
    let (id, ..) = create(&house, &admin, "").await;
    let elsewhere = format!(
        "{}/administration/access-management/api-management/{id}",
        base(domain::Owner::Environment(house.kiosk.id))
    );
    for act in ["disable", "enable", "edit", "rotate", "remove"] {
        let fields = [("overlap", "0"), ("confirm", "x"), ("version", "1"), ("scope", "feedback-admin")];
        let answer = house.post(&format!("{elsewhere}/{act}"), &admin, &fields).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{act}");
    }
    assert!(house.app.store.keypair(house.shop(), id).await.unwrap().enabled);
}

#[tokio::test]
async fn a_form_that_is_not_right_makes_no_keypair() {
    let house = House::new().await;
    let admin = house.admin().await;
    let list = keys_of(&house);
    let long = "x".repeat(10_000);
    let report = ("scope", "feedback-report:read");
    for (fields, status, words) in [
        (vec![("comment", "none")], 422, "At least one scope is needed."),
        (vec![report, ("scope", "feedback-everything")], 422, "There is no scope"),
        (vec![report, report], 422, "is named twice"),
        (vec![("scope", "feedback-account-admin")], 422, "is for keypairs of an account"),
        (vec![report, ("comment", &long)], 422, "at most 500 characters"),
        (vec![report, ("comment", "a\0b")], 422, "control characters"),
        (vec![report, ("expires", "31.1.2999")], 422, "2027-01-31"),
        (vec![report, ("expires", "2020-01-31")], 422, "must lie in the future"),
        (vec![report, ("comment", "a"), ("comment", "b")], 400, "came twice"),
    ] {
        let answer = house.send_once(&format!("{list}/new"), &list, &admin, &fields).await;
        assert_eq!(answer.status.as_u16(), status, "{fields:?}");
        assert!(answer.body.contains(words), "{words} not in {}", answer.body);
    }
    assert!(house.get(&list, &admin).await.body.contains("No keypairs yet"));
}

#[tokio::test]
async fn what_tokens_must_be_bound_to_is_chosen_and_shown() {
    let settings =
        Config { client_certificate_header: Some("client-cert".parse().unwrap()), ..Config::default() };
    let house = House::with(settings).await;
    let admin = house.admin().await;
    let list = keys_of(&house);
    let binding = async |id: KeyId| house.app.store.keypair(house.shop(), id).await.unwrap().token_binding;
    let new = house.get(&format!("{list}/new"), &admin).await;
    assert!(new.body.contains("<label for=\"token-binding\">Binding of its tokens</label>"));
    assert!(new.body.contains("<option value=\"none\" selected>"));

    let (unbound, ..) = create(&house, &admin, "Without the choice").await;
    assert_eq!(binding(unbound).await, TokenBinding::None);
    let fields =
        [("comment", ""), ("scope", "feedback-report:read"), ("expires", ""), ("token_binding", "mtls")];
    let made = house.send_once(&format!("{list}/new"), &list, &admin, &fields).await;
    assert!(made.body.contains("--cert"), "{}", made.body);
    let id: KeyId = made.between("<code id=\"key-id\">", "<").parse().unwrap();
    assert_eq!(binding(id).await, TokenBinding::Mtls);

    let edit = format!("{list}/{id}/edit");
    let shown = house.get(&edit, &admin).await;
    assert!(shown.body.contains("<option value=\"mtls\" selected>"), "{}", shown.body);
    let version = shown.between("name=\"version\" value=\"", "\"").to_owned();
    let send = async |chosen: &str, version: &str| {
        let fields = [
            ("version", version),
            ("comment", ""),
            ("scope", "feedback-report:read"),
            ("expires", ""),
            ("token_binding", chosen),
        ];
        house.post(&edit, &admin, &fields).await.status
    };
    assert_eq!(send("bearer", &version).await, StatusCode::BAD_REQUEST);
    assert_eq!(send("dpop", &version).await, StatusCode::SEE_OTHER);
    assert_eq!(binding(id).await, TokenBinding::Dpop);
}

#[tokio::test]
async fn a_certificate_is_not_asked_for_where_none_is_seen() {
    let house = House::new().await;
    let admin = house.admin().await;
    let list = keys_of(&house);
    let binding = async |id: KeyId| house.app.store.keypair(house.shop(), id).await.unwrap().token_binding;
    let new = house.get(&format!("{list}/new"), &admin).await;
    assert!(new.body.contains("<option value=\"mtls\" disabled>"), "{}", new.body);
    assert!(new.body.contains("mTLS can’t be met here"), "{}", new.body);
    let fields = [("comment", ""), ("scope", "feedback-report:read"), ("token_binding", "mtls")];
    let refused = house.send_once(&format!("{list}/new"), &list, &admin, &fields).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(house.get(&list, &admin).await.body.contains("No keypairs yet"));

    let (id, ..) = create(&house, &admin, "").await;
    let edit = format!("{list}/{id}/edit");
    let save = async |chosen: &str, comment: &str| {
        let version = house.get(&edit, &admin).await.between("name=\"version\" value=\"", "\"").to_owned();
        let fields = [
            ("version", version.as_str()),
            ("comment", comment),
            ("scope", "feedback-report:read"),
            ("token_binding", chosen),
        ];
        house.post(&edit, &admin, &fields).await.status
    };
    assert_eq!(save("mtls", "").await, StatusCode::BAD_REQUEST);
    assert_eq!(binding(id).await, TokenBinding::None);

    // What has it from elsewhere keeps it, can be edited, and is said to be of no use.
    let operator = Author { actor: Actor::Operator, address: None, standing: None };
    let required = KeypairEdit { token_binding: Some(TokenBinding::Mtls), ..KeypairEdit::default() };
    keypairs::edit(&house.app, &operator, house.shop(), id, &required, None, None).await.unwrap();
    let shown = house.get(&edit, &admin).await;
    assert!(shown.body.contains("<option value=\"mtls\" selected>"), "{}", shown.body);
    assert_eq!(save("mtls", "Renamed").await, StatusCode::SEE_OTHER);
    assert_eq!(binding(id).await, TokenBinding::Mtls);
    let page = house.get(&format!("{list}/{id}"), &admin).await;
    assert!(page.body.contains("so the keypair obtains no token"), "{}", page.body);
    assert_eq!(save("none", "").await, StatusCode::SEE_OTHER);
    assert!(!house.get(&format!("{list}/{id}"), &admin).await.body.contains("obtains no token"));
}

#[tokio::test]
async fn a_keypair_s_page_tells_what_opens_it_and_from_where() {
    let house = House::new().await;
    let admin = house.admin().await;
    let list = keys_of(&house);
    let (id, first, _) = create(&house, &admin, "").await;
    let page = format!("{list}/{id}");
    let shown = house.get(&page, &admin).await;
    for said in ["<dd>Key Secrets</dd>", "<dd>Nothing required</dd>", "<dd>Anywhere</dd>", &first.hint()] {
        assert!(shown.body.contains(said), "no {said} in {}", shown.body);
    }
    assert!(shown.body.contains(&format!("href=\"{page}/public-keys\">Public keys</a>")), "{}", shown.body);
    assert!(shown.body.contains(&format!("href=\"{page}/edit\">")), "{}", shown.body);

    let rotate = format!("{page}/rotate");
    let made = house.send_once(&rotate, &rotate, &admin, &[("overlap", "168")]).await;
    let second: KeySecret = made.between("<code id=\"key-secret\">", "<").parse().unwrap();
    let uses = [(1, 3), (2, 0)].map(|(secret, days)| {
        let at = domain::from_millis(house.now().as_millisecond() - days * 86_400_000);
        storage::KeyUse { keypair: id, secret, at }
    });
    house.app.store.note_uses(&uses).await.unwrap();
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    house.post(&format!("{page}/public-keys"), &admin, &[("public_key", key)]).await;
    let operator = Author { actor: Actor::Operator, address: None, standing: None };
    let edit = KeypairEdit {
        token_binding: Some(TokenBinding::Dpop),
        allowed_addresses: Some(domain::AllowedAddresses::new(["192.0.2.0/24"]).unwrap()),
        ..KeypairEdit::default()
    };
    keypairs::edit(&house.app, &operator, house.shop(), id, &edit, None, None).await.unwrap();
    let shown = house.get(&page, &admin).await;
    for said in [
        "<dd>Key Secrets, and what its public keys verify</dd>",
        "To the program’s key, by DPoP",
        ">192.0.2.0/24<",
        "in 7 days</time>",
        "Idle for 3 days, safe to retire",
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        ">Public keys (1)</a>",
    ] {
        assert!(shown.body.contains(said), "no {said} in {}", shown.body);
    }

    house.post("/leaked-secret", "", &[("secret", second.reveal())]).await;
    for path in [page.clone(), format!("{page}/edit")] {
        let shown = house.get(&path, &admin).await;
        assert_eq!(
            shown.body.matches("<span class=\"badge warn\">Leaked</span>").count(),
            1,
            "{}",
            shown.body
        );
    }
    // It can be taken from the list, as the advice says.
    house.post(&format!("{page}/secrets/2/end"), &admin, &[]).await;
    assert!(!house.get(&page, &admin).await.body.contains(">Leaked<"));
}

#[tokio::test]
async fn a_new_secret_of_a_disabled_keypair_is_not_offered_to_be_tried() {
    let house = House::new().await;
    let admin = house.admin().await;
    let list = keys_of(&house);
    let (id, _, made) = create(&house, &admin, "").await;
    let words = "This keypair is disabled: nothing works with it until it is enabled.";
    assert!(made.body.contains("Try a request") && !made.body.contains(words));
    let rotate = format!("{list}/{id}/rotate");
    assert!(!house.get(&rotate, &admin).await.body.contains(words));
    house.post(&format!("{list}/{id}/disable"), &admin, &[]).await;
    assert!(house.get(&rotate, &admin).await.body.contains(words));
    let rotated = house.send_once(&rotate, &rotate, &admin, &[("overlap", "0")]).await;
    assert_eq!(rotated.status, StatusCode::CREATED);
    assert!(rotated.body.contains(words) && !rotated.body.contains("Try a request"), "{}", rotated.body);
}

#[tokio::test]
async fn the_log_says_what_a_keypair_is_for() {
    let house = House::new().await;
    let admin = house.admin().await;
    let (id, ..) = create(&house, &admin, "Nightly <export>").await;
    house
        .app
        .store
        .remove_keypair(
            &house.app.stamp(&Author { actor: Actor::Operator, address: None, standing: None }, house.now()),
            house.shop(),
            id,
            None,
        )
        .await
        .unwrap();
    let log = house.get(&format!("{}/administration/audit-log", base(house.shop())), &admin).await;
    let named = format!("Nightly &#60;export&#62;</div><div class=\"sub mono break\">{id}</div>");
    assert_eq!(log.body.matches(&*named).count(), 2, "made and removed: {}", log.body);
}

#[tokio::test]
async fn a_rotation_that_finishes_itself_is_chosen_and_shows_what_can_go() {
    let house = House::new().await;
    let admin = house.admin().await;
    let list = keys_of(&house);
    let (id, ..) = create(&house, &admin, "").await;
    let rotate = format!("{list}/{id}/rotate");
    let form = house.get(&rotate, &admin).await;
    assert!(form.body.contains("<label for=\"idle\">Not used for</label>"), "{}", form.body);
    for bad in [vec![("overlap", "idle")], vec![("overlap", "idle"), ("idle", "2")]] {
        assert_eq!(house.post(&rotate, &admin, &bad).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let made = house.send_once(&rotate, &rotate, &admin, &[("overlap", "idle"), ("idle", "24")]).await;
    assert!(made.body.contains("has not been for 24 hours"), "{}", made.body);
    let keypair = house.app.store.keypair(house.shop(), id).await.unwrap();
    let idle =
        keypair.secrets.first().and_then(|secret| secret.retirement).map(|one| one.when_idle.as_hours());
    assert_eq!(idle, Some(24));

    let edit = format!("{list}/{id}/edit");
    let shown = house.get(&edit, &admin).await;
    assert!(shown.body.contains("Once not used for 1 day"), "{}", shown.body);
    assert!(!shown.body.contains("safe to retire"), "nobody uses the new one yet");
    let days_ago = |days: i64| domain::from_millis(house.now().as_millisecond() - days * 86_400_000);
    let uses =
        [(1, days_ago(3)), (2, days_ago(0))].map(|(secret, at)| storage::KeyUse { keypair: id, secret, at });
    house.app.store.note_uses(&uses).await.unwrap();
    let shown = house.get(&edit, &admin).await;
    assert_eq!(shown.body.matches("Idle for 3 days, safe to retire").count(), 1, "{}", shown.body);
    house.app.store.note_uses(&[storage::KeyUse { keypair: id, secret: 1, at: house.now() }]).await.unwrap();
    assert!(!house.get(&edit, &admin).await.body.contains("safe to retire"));
}

#[tokio::test]
async fn networks_are_named_one_a_line_and_shown() {
    let house = House::new().await;
    let admin = house.admin().await;
    let list = keys_of(&house);
    let networks = async |id: KeyId| {
        house.app.store.keypair(house.shop(), id).await.unwrap().allowed_addresses.names().join(" ")
    };
    let fields = |networks: &'static str| {
        [("comment", ""), ("scope", "feedback-report:read"), ("expires", ""), ("networks", networks)]
    };
    let bad = house.send_once(&format!("{list}/new"), &list, &admin, &fields("192.0.2.7/24")).await;
    assert_eq!(bad.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(bad.body.contains("the network is 192.0.2.0/24."), "{}", bad.body);
    assert!(bad.body.contains(">192.0.2.7/24</textarea>"), "what was typed is kept");
    let two = fields("192.0.2.0/24\r\n\r\n 2001:db8::/32 \r\n");
    let made = house.send_once(&format!("{list}/new"), &list, &admin, &two).await;
    let id: KeyId = made.between("<code id=\"key-id\">", "<").parse().unwrap();
    assert_eq!(networks(id).await, "192.0.2.0/24 2001:db8::/32");
    let listed = house.get(&list, &admin).await;
    assert!(listed.body.contains("From 2 networks only"), "{}", listed.body);

    let edit = format!("{list}/{id}/edit");
    let save = async |networks: Option<&str>| {
        let shown = house.get(&edit, &admin).await;
        let version = shown.between("name=\"version\" value=\"", "\"").to_owned();
        let mut fields =
            vec![("version", &*version), ("comment", ""), ("scope", "feedback-report:read"), ("expires", "")];
        fields.extend(networks.map(|networks| ("networks", networks)));
        house.post(&edit, &admin, &fields).await
    };
    let shown = house.get(&edit, &admin).await;
    assert!(shown.body.contains(">192.0.2.0/24\n2001:db8::/32</textarea>"), "{}", shown.body);
    assert_eq!(save(None).await.status, StatusCode::SEE_OTHER);
    assert_eq!(networks(id).await, "192.0.2.0/24 2001:db8::/32", "a form without the field");
    assert_eq!(save(Some("192.0.2.0")).await.status, StatusCode::SEE_OTHER);
    assert_eq!(networks(id).await, "192.0.2.0/32");
    assert!(house.get(&list, &admin).await.body.contains("From 192.0.2.0/32 only"));
    let refused = save(Some("<b>office</b>")).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        !refused.body.contains("<b>office") && refused.body.contains("is no network"),
        "{}",
        refused.body
    );
    assert_eq!(save(Some("")).await.status, StatusCode::SEE_OTHER);
    assert_eq!(networks(id).await, "");
    assert!(!house.get(&list, &admin).await.body.contains("only</span>"));
}
