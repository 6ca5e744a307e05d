//! Public keys on API management.

use axum::http::StatusCode;
use domain::{KeyId, Keypair};

use super::super::door::base;
use super::House;

/// Those of RFC 8037 appendix A.2 and RFC 7517 appendix A.1, and the second one's private half.
const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const P256: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEMKBCTNIcKUSDii11ySs3526iDZ8A\n\
    iTo7Tu6KPAqv7D7gS2XpJFbZiItSs3m9+9Ue6GnvHw/GW2ZZaVtszggXIw==\n\
    -----END PUBLIC KEY-----\n";
const PRIVATE: &str = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

async fn stored(house: &House, id: KeyId) -> Keypair {
    house.app.store.keypair(house.shop(), id).await.unwrap()
}

#[tokio::test]
async fn a_keypair_goes_over_from_secrets_to_public_keys() {
    let house = House::new().await;
    let admin = house.admin().await;
    let list = format!("{}/administration/access-management/api-management", base(house.shop()));
    let fields = [("comment", ""), ("scope", "feedback-report:read"), ("expires", "")];
    let made = house.send_once(&format!("{list}/new"), &list, &admin, &fields).await;
    let id: KeyId = made.between("<code id=\"key-id\">", "<").parse().unwrap();
    let path = format!("{list}/{id}/public-keys");
    let edit = house.get(&format!("{list}/{id}/edit"), &admin).await;
    assert!(edit.body.contains(&format!("action=\"{path}\"")), "{}", edit.body);
    let empty = house.get(&path, &admin).await;
    assert!(empty.body.contains("<label for=\"public_key\">Public key (PEM or JWK)</label>"));
    assert!(!empty.body.contains("Stop accepting secrets"), "nothing else would open it");
    let refuse = format!("{list}/{id}/secrets/refuse");
    assert_eq!(house.post(&refuse, &admin, &[]).await.status, StatusCode::CONFLICT);

    for (n, key) in [ED25519, P256].into_iter().enumerate() {
        let added = house.post(&path, &admin, &[("public_key", key)]).await;
        assert_eq!(added.status, StatusCode::SEE_OTHER, "{}", added.body);
        assert_eq!(added.location(), format!("{path}?done=public-key-added"));
        assert_eq!(stored(&house, id).await.public_keys.len(), n + 1);
    }
    let shown = house.get(&path, &admin).await;
    for said in ["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "EdDSA", "ES256", "Stop accepting secrets"] {
        assert!(shown.body.contains(said), "{said}");
    }
    assert!(shown.body.contains("> public key 2 kPrK_qmx…</span>"), "{}", shown.body);
    assert_eq!(shown.one_click_acts(), ["/sign-out", &path], "what can't be undone takes a second step");
    assert_eq!(house.post(&refuse, &admin, &[]).await.status, StatusCode::SEE_OTHER);
    assert!(!stored(&house, id).await.accepts_secrets);
    let rotate = format!("{list}/{id}/rotate");
    let rotated = house.send_once(&rotate, &rotate, &admin, &[("overlap", "0")]).await;
    assert_eq!(rotated.status, StatusCode::CONFLICT);

    let remove = async |n: u32| house.post(&format!("{path}/{n}/remove"), &admin, &[]).await.status;
    assert_eq!(remove(2).await, StatusCode::SEE_OTHER);
    assert_eq!(remove(2).await, StatusCode::CONFLICT, "it is gone");
    assert_eq!(remove(3).await, StatusCode::CONFLICT, "nothing else opens it");
    let accept = format!("{list}/{id}/secrets/accept");
    assert_eq!(house.post(&accept, &admin, &[]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(remove(3).await, StatusCode::SEE_OTHER);
    assert!(stored(&house, id).await.public_keys.is_empty());
}

#[tokio::test]
async fn what_is_no_public_key_is_not_kept_and_a_private_one_not_repeated() {
    let house = House::new().await;
    let admin = house.admin().await;
    let list = format!("{}/administration/access-management/api-management", base(house.shop()));
    let fields = [("comment", ""), ("scope", "feedback-report:read"), ("expires", "")];
    let made = house.send_once(&format!("{list}/new"), &list, &admin, &fields).await;
    let id: KeyId = made.between("<code id=\"key-id\">", "<").parse().unwrap();
    let path = format!("{list}/{id}/public-keys");
    house.post(&path, &admin, &[("public_key", P256)]).await;
    for (text, said) in [
        ("", "Expected one PEM block"),
        ("<script>", "Expected one PEM block"),
        (P256, "The keypair has this public key already."),
        (PRIVATE, "treat it as leaked"),
        ("-----BEGIN EC PRIVATE KEY-----\nnWGxne\n-----END EC PRIVATE KEY-----", "treat it as leaked"),
    ] {
        let answer = house.post(&path, &admin, &[("public_key", text)]).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{text}");
        assert!(answer.body.contains(said), "{text}: {}", answer.body);
        assert!(!answer.body.contains("nWGxne") && !answer.body.contains("<script>\n"), "{text}");
    }
    assert_eq!(stored(&house, id).await.public_keys.len(), 1);
}

#[tokio::test]
async fn a_public_key_stops_on_the_day_that_is_chosen() {
    let house = House::new().await;
    let admin = house.admin().await;
    let list = format!("{}/administration/access-management/api-management", base(house.shop()));
    let fields = [("comment", ""), ("scope", "feedback-report:read"), ("expires", "")];
    let made = house.send_once(&format!("{list}/new"), &list, &admin, &fields).await;
    let id: KeyId = made.between("<code id=\"key-id\">", "<").parse().unwrap();
    let path = format!("{list}/{id}/public-keys");
    let add = async |key: &str, day: &str| {
        house.post(&path, &admin, &[("public_key", key), ("expires", day)]).await
    };
    for (day, said) in [("31.1.2999", "2027-01-31"), ("2020-01-31", "The day must lie in the future.")] {
        let refused = add(P256, day).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{day}");
        assert!(refused.body.contains(said) && refused.body.contains("BEGIN PUBLIC KEY"), "{}", refused.body);
    }
    assert!(stored(&house, id).await.public_keys.is_empty());
    for (key, day) in [(ED25519, "2999-01-31"), (P256, "")] {
        assert_eq!(add(key, day).await.status, StatusCode::SEE_OTHER);
    }
    let ends =
        stored(&house, id).await.public_keys.iter().map(|public| public.expires_at).collect::<Vec<_>>();
    assert_eq!(ends, [Some("2999-01-31T00:00:00Z".parse().unwrap()), None]);
}
