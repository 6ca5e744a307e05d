//! How keypairs are used, where it is shown; what a token reaches; and a first request.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use domain::{Comment, KeyId, KeySecret, NewKeypair, Owner, Role, Scope, TokenBinding};
use serde_json::Value;

use super::super::api_management::address_of;
use super::super::door::base;
use super::{Answer, House, send};
use crate::app::Author;

impl House {
    async fn keypair(&self, owner: Owner, scopes: &str) -> (KeyId, KeySecret) {
        let new = NewKeypair {
            owner,
            comment: Comment::new(&format!("Of the {}", owner.kind())).unwrap(),
            scopes: scopes.parse().unwrap(),
            expires_at: None,
            token_binding: TokenBinding::None,
            allowed_addresses: domain::AllowedAddresses::default(),
        };
        let operator = Author { actor: domain::Actor::Operator, address: None, standing: None };
        let (keypair, secret) = crate::keypairs::create(&self.app, &operator, new, None).await.unwrap();
        (keypair.id, secret)
    }

    async fn token(&self, (id, secret): &(KeyId, KeySecret)) -> String {
        let credentials = BASE64_STANDARD.encode(format!("{id}:{}", secret.reveal()));
        let request = Request::post("/oauth2/token")
            .header(header::AUTHORIZATION, format!("Basic {credentials}"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let body = Body::from("grant_type=client_credentials");
        let answer = send(&self.router, request.body(body).unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// Calls the API, and has what it counts written.
    async fn call(&self, token: &str, path: &str) -> StatusCode {
        let request = Request::get(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::USER_AGENT, "lobby/2");
        let answer = send(&self.router, request.body(Body::empty()).unwrap()).await;
        self.app.live.flush_uses().await.unwrap();
        answer.status
    }

    async fn queries(&self, token: &str) {
        let path = format!("/v1/environments/{}/queries", self.shop.id);
        assert_eq!(self.call(token, &path).await, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_keypair_s_page_tells_what_it_does_and_takes_away_what_it_does_not_use() {
    let house = House::new().await;
    let admin = house.admin().await;
    let list = address_of(house.shop());
    let made = house.keypair(house.shop(), "feedback-report:read feedback-admin").await;
    let page = format!("{list}/{}", made.0);
    assert!(house.get(&list, &admin).await.body.contains(&format!("href=\"{page}\"")));

    let quiet = house.get(&page, &admin).await;
    assert!(quiet.body.contains("Nothing used it in the last 7 days."), "{}", quiet.body);
    assert!(!quiet.body.contains("Remove unused scopes"), "none of them was used");
    let unused = format!("{page}/scopes/remove-unused");
    let refused = house.post(&unused, &admin, &[]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.body.contains("disable or remove the keypair instead"), "{}", refused.body);

    let token = house.token(&made).await;
    house.queries(&token).await;
    house.queries(&token).await;
    let creating = Request::post(format!("/v1/environments/{}/queries", house.shop.id))
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json");
    let refused = send(&house.router, creating.body(Body::from("{}")).unwrap()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    house.app.live.flush_uses().await.unwrap();
    let used = house.get(&page, &admin).await;
    for words in [
        "List queries",
        "GET /v1/environments/{env}/queries",
        "lobby/2",
        "Never used",
        "Obtain an access token",
    ] {
        assert!(used.body.contains(words), "no {words} in {}", used.body);
    }
    assert!(used.body.contains("Requests: 2, tokens: 1, refused for their scopes: 1"), "{}", used.body);
    assert!(house.get(&list, &admin).await.body.contains("2 requests in 7 days"));

    let removed = house.post(&unused, &admin, &[]).await;
    assert_eq!(removed.location(), format!("{page}?done=scopes-removed"));
    let narrowed = house.app.store.keypair(house.shop(), made.0).await.unwrap();
    assert_eq!(narrowed.scopes, Scope::ReportRead.into());
    house.queries(&token).await;
    assert!(!house.get(&page, &admin).await.body.contains("Remove unused scopes"));
    let again = house.post(&unused, &admin, &[]).await;
    assert_eq!(again.location(), format!("{page}?done=scopes-all-used"));
    assert_eq!(house.app.store.keypair(house.shop(), made.0).await.unwrap().version, narrowed.version);
}

#[tokio::test]
async fn what_would_fail_is_told_where_it_would_be_made_to() {
    let house = House::new().await;
    let admin = house.admin().await;
    let made = house.keypair(house.shop(), "feedback-report:read feedback-admin").await;
    let of_account = house.keypair(house.account(), "feedback-report:read").await;
    for keypair in [&made, &of_account] {
        house.queries(&house.token(keypair).await).await;
    }
    let page = format!("{}/{}", address_of(house.shop()), made.0);
    let edit = house.get(&format!("{page}/edit"), &admin).await;
    assert!(edit.body.contains("1 request in 7 days, just now."), "{}", edit.body);
    assert!(edit.body.contains("Not used since"));
    assert!(house.get(&format!("{page}/remove"), &admin).await.body.contains("List queries"));

    let settings = |owner: Owner| format!("{}/administration/settings", base(owner));
    for path in [format!("{page}/remove"), settings(house.shop())] {
        let shown = house.get(&path, &admin).await;
        assert!(!shown.body.contains("class=\"scroll\""), "a box cuts rows off: {}", shown.body);
    }
    for owner in [house.shop(), house.account()] {
        let shown = house.get(&settings(owner), &admin).await;
        for (id, _) in [&made, &of_account] {
            assert!(shown.body.contains(&id.to_string()), "no {id} in {}", shown.body);
        }
    }
    // The account's own keypairs are none of an environment's administrator's business.
    let of_shop = house.signed_in("shop@example.com", &[(house.shop(), Role::Administrator)]).await;
    let shown = house.get(&settings(house.shop()), &of_shop).await;
    assert!(shown.body.contains(&made.0.to_string()) && !shown.body.contains(&of_account.0.to_string()));
    let kiosk = house.get(&settings(Owner::Environment(house.kiosk.id)), &admin).await;
    assert!(!kiosk.body.contains(&made.0.to_string()), "another environment's");
}

#[tokio::test]
async fn keypairs_in_use_beyond_the_list_are_said_to_be() {
    let house = House::new().await;
    let admin = house.admin().await;
    let settings = format!("{}/administration/settings", base(house.shop()));
    let more = "There are more than the 20 that are listed.";
    for n in 1..=21 {
        house.queries(&house.token(&house.keypair(house.shop(), "feedback-report:read").await).await).await;
        if n >= 20 {
            let shown = house.get(&settings, &admin).await;
            assert_eq!(shown.body.contains(more), n == 21, "{n}: {}", shown.body);
        }
    }
}

#[tokio::test]
async fn a_token_says_what_it_reaches_and_why_it_is_dead() {
    let house = House::new().await;
    let admin = house.admin().await;
    let list = address_of(house.shop());
    let made = house.keypair(house.shop(), "feedback-report:read feedback-admin").await;
    let token = house.token(&made).await;
    let path = format!("{list}/token");
    let told = async |cookie: &str, token: &str| house.post(&path, cookie, &[("token", token)]).await;

    let works = told(&admin, &format!("\n{token} ")).await;
    assert_eq!(works.status, StatusCode::OK);
    for words in ["It works.", "Of the environment", "feedback-admin", &made.0.to_string()] {
        assert!(works.body.contains(words), "no {words} in {}", works.body);
    }
    assert!(!works.body.contains(&token), "it is not shown again");
    let reaches = |id| {
        works.body.contains(&format!("<li class=\"break\"><a href=\"{}\">", base(Owner::Environment(id))))
    };
    assert!(reaches(house.shop.id) && !reaches(house.kiosk.id), "{}", works.body);
    house.app.live.flush_uses().await.unwrap();
    let keypair = house.app.store.keypair(house.shop(), made.0).await.unwrap();
    let usage = crate::keypairs::usage(&house.app, &keypair).await.unwrap();
    assert!(usage.operations.is_empty(), "looking is no use of it");

    let narrow = format!("{list}/{}/edit", made.0);
    let fields = [("version", "1"), ("comment", "Of the environment"), ("scope", "feedback-report:read")];
    assert_eq!(house.post(&narrow, &admin, &fields).await.status, StatusCode::SEE_OTHER);
    assert!(told(&admin, &token).await.body.contains("Issued with, and lost"));
    house.post(&format!("{list}/{}/disable", made.0), &admin, &[]).await;
    assert!(told(&admin, &token).await.body.contains("Its keypair is disabled."));
    house.post(&format!("{list}/{}/enable", made.0), &admin, &[]).await;
    assert!(told(&admin, &token).await.body.contains("brings no token back"));
    let id = made.0.to_string();
    let tail = id.get(id.len() - 6..).unwrap();
    house.post(&format!("{list}/{id}/remove"), &admin, &[("confirm", tail)]).await;
    assert!(told(&admin, &token).await.body.contains("Its keypair was removed"));
}

#[tokio::test]
async fn of_others_tokens_nobody_learns_more_than_of_nonsense() {
    let house = House::new().await;
    let of_shop = house.signed_in("shop@example.com", &[(house.shop(), Role::Administrator)]).await;
    let path = format!("{}/token", address_of(house.shop()));
    let ask = async |token: &str| {
        let answer: Answer = house.post(&path, &of_shop, &[("token", token)]).await;
        let request = answer.headers.get("x-request-id").unwrap().to_str().unwrap();
        (answer.status, answer.body.replace(request, ""))
    };
    let nonsense = ask("nonsense").await;
    assert!(nonsense.1.contains("Nothing can be told of that."), "{}", nonsense.1);
    for owner in [house.account(), Owner::Environment(house.kiosk.id)] {
        let token = house.token(&house.keypair(owner, "feedback-report:read").await).await;
        assert_eq!(ask(&token).await, nonsense);
    }
    let own = house.token(&house.keypair(house.shop(), "feedback-report:read").await).await;
    assert!(ask(&own).await.1.contains("It works."));
    let fields: [(&str, &str); 0] = [];
    assert_eq!(house.post(&path, &of_shop, &fields).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_pasted_token_is_revoked_in_two_steps_and_no_other_is() {
    let house = House::new().await;
    let admin = house.admin().await;
    let path = format!("{}/token", address_of(house.shop()));
    let made = house.keypair(house.shop(), "feedback-report:read").await;
    let (token, other) = (house.token(&made).await, house.token(&made).await);
    let told = house.post(&path, &admin, &[("token", &token)]).await;
    assert!(told.body.contains("Revoke this token…") && !told.body.contains(&token), "{}", told.body);
    let act = format!("{path}/revoke");
    assert!(!told.one_click_acts().contains(&act.as_str()));
    let sealed = told.between("name=\"sealed\" value=\"", "\"").to_owned();
    let before = house.app.store.last_sequence().await.unwrap();

    let revoked = house.post(&act, &admin, &[("sealed", &sealed)]).await;
    assert_eq!(revoked.location(), format!("{path}?done=token-revoked"));
    assert!(house.get(revoked.location(), &admin).await.body.contains("The token stopped working."));
    assert_eq!(house.call(&token, "/v1/access").await, StatusCode::UNAUTHORIZED);
    assert_eq!(house.call(&other, "/v1/access").await, StatusCode::OK);
    let told = house.post(&path, &admin, &[("token", &token)]).await;
    assert!(told.body.contains("It was revoked, by its program or an administrator."), "{}", told.body);
    assert!(!told.body.contains("name=\"sealed\""), "there is nothing more to revoke");
    let again = house.post(&act, &admin, &[("sealed", &sealed)]).await;
    assert!(again.body.contains("It was revoked"), "{}", again.body);

    let lines = house.app.store.events_after(before, 9).await.unwrap();
    assert_eq!(lines.len(), 1, "the second time changes nothing");
    assert_eq!((lines[0].action.as_str(), lines[0].owner), ("keypair.token_revoked", Some(house.shop())));
    assert_eq!(lines[0].stamp.actor.name(), "admin@example.com");
}

#[tokio::test]
async fn nobody_revokes_the_token_of_a_keypair_that_others_administer() {
    let house = House::new().await;
    let admin = house.admin().await;
    let of_shop = house.signed_in("shop@example.com", &[(house.shop(), Role::Administrator)]).await;
    let sealed = async |token: &str| {
        let path = format!("{}/token", address_of(house.account()));
        let told = house.post(&path, &admin, &[("token", token)]).await;
        told.between("name=\"sealed\" value=\"", "\"").to_owned()
    };
    let act = format!("{}/token/revoke", address_of(house.shop()));
    for owner in [house.account(), Owner::Environment(house.kiosk.id)] {
        let token = house.token(&house.keypair(owner, "feedback-report:read").await).await;
        let sealed = sealed(&token).await;
        for carried in [sealed.as_str(), token.as_str(), "nonsense", ""] {
            let answer = house.post(&act, &of_shop, &[("sealed", carried)]).await;
            assert!(answer.body.contains("Nothing can be told of that."), "{}", answer.body);
        }
        assert_eq!(house.call(&token, "/v1/access").await, StatusCode::OK, "of {owner}");
    }
    let own = house.token(&house.keypair(house.shop(), "feedback-report:read").await).await;
    let sealed = sealed(&own).await;
    assert_eq!(house.post(&act, &of_shop, &[("sealed", &sealed)]).await.status, StatusCode::SEE_OTHER);
    assert_eq!(house.call(&own, "/v1/access").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_first_request_is_made_and_nothing_secret_shown() {
    let house = House::new().await;
    let admin = house.admin().await;
    let list = address_of(house.shop());
    let fields = [("comment", ""), ("scope", "feedback-report:read"), ("expires", "")];
    let made = house.send_once(&format!("{list}/new"), &list, &admin, &fields).await;
    let id = made.between("<code id=\"key-id\">", "<").to_owned();
    let secret = made.between("name=\"secret\" value=\"", "\"").to_owned();
    let attempt = format!("{list}/{id}/try");
    assert!(made.body.contains(&format!("action=\"{attempt}\"")));

    let tried = house.post(&attempt, &admin, &[("secret", &secret)]).await;
    assert_eq!(tried.status, StatusCode::OK);
    for words in ["200 OK", "expires_in", "Web shop", "It got one."] {
        assert!(tried.body.contains(words), "no {words} in {}", tried.body);
    }
    assert!(!tried.body.contains("fbs_") && !tried.body.contains("eyJ0"), "{}", tried.body);
    assert_eq!(tried.headers.get(header::CACHE_CONTROL).unwrap(), "no-store");

    let (_, other) = house.keypair(house.shop(), "feedback-report:read").await;
    let wrong = house.post(&attempt, &admin, &[("secret", other.reveal())]).await;
    assert!(
        wrong.body.contains("401 Unauthorized") && wrong.body.contains("invalid_client"),
        "{}",
        wrong.body
    );
    assert!(wrong.body.contains("It got none.") && !wrong.body.contains("/v1/access"));
    assert_eq!(house.post(&attempt, &admin, &[("secret", "fbs_x")]).await.status, StatusCode::BAD_REQUEST);
    let elsewhere = format!("{}/{id}/try", address_of(house.account()));
    assert_eq!(house.post(&elsewhere, &admin, &[("secret", &secret)]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_first_request_is_no_use_of_the_keypair() {
    let house = House::new().await;
    let admin = house.admin().await;
    let made = house.keypair(house.shop(), "feedback-report:read").await;
    let operator = Author { actor: domain::Actor::Operator, address: None, standing: None };
    let old = domain::OldSecrets::EndWhenIdle(domain::MIN_IDLE);
    let rotating = crate::keypairs::rotate(&house.app, &operator, house.shop(), made.0, old, None, None);
    let (_, second) = rotating.await.unwrap();
    let attempt = format!("{}/{}/try", address_of(house.shop()), made.0);
    let used = async || {
        house.app.live.flush_uses().await.unwrap();
        let keypair = house.app.store.keypair(house.shop(), made.0).await.unwrap();
        let usage = crate::keypairs::usage(&house.app, &keypair).await.unwrap();
        let secrets: Vec<_> = keypair.secrets.iter().map(|secret| secret.last_used_at.is_some()).collect();
        (keypair.last_used_at.is_some(), secrets, usage.token.is_some(), usage.operations.len())
    };
    let tried = house.post(&attempt, &admin, &[("secret", second.reveal())]).await;
    assert!(tried.body.contains("It got one.") && tried.body.contains("This is what the program may do."));
    assert_eq!(used().await, (false, vec![false, false], false, 0), "no program has the new secret");

    let token = house.token(&(made.0, second)).await;
    assert_eq!(house.call(&token, "/v1/access").await, StatusCode::OK);
    assert_eq!(used().await, (true, vec![false, true], true, 1));
}

#[tokio::test]
async fn scopes_that_are_handed_on_are_not_taken_away() {
    let house = House::new().await;
    let admin = house.admin().await;
    let made = house.keypair(house.account(), "feedback-report:read feedback-account-admin").await;
    let page = format!("{}/{}", address_of(house.account()), made.0);
    let token = house.token(&made).await;
    let create = async || {
        let path = format!("/v1/accounts/{}/api-keys", house.account.id);
        let request = Request::post(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(r#"{"comment": "", "scopes": ["feedback-report:read"]}"#));
        let answer = send(&house.router, request.unwrap()).await;
        house.app.live.flush_uses().await.unwrap();
        answer.status
    };
    assert_eq!(create().await, StatusCode::CREATED);
    let shown = house.get(&page, &admin).await;
    assert!(!shown.body.contains("Remove unused scopes"), "{}", shown.body);
    assert!(shown.body.contains("may hand on scopes"), "{}", shown.body);
    let kept = house.post(&format!("{page}/scopes/remove-unused"), &admin, &[]).await;
    assert_eq!(kept.location(), format!("{page}?done=scopes-all-used"));
    assert_eq!(create().await, StatusCode::CREATED);
}

#[tokio::test]
async fn programs_to_copy_ask_for_a_scope_that_there_is_and_read_only() {
    let house = House::new().await;
    let admin = house.admin().await;
    let shop = format!("/v1/environments/{}", house.shop.id);
    for (owner, scope, path) in [
        (house.shop(), "feedback-report:read", format!("{shop}/reports/overview?combine=true")),
        (house.shop(), "feedback-queries:create", format!("{shop}/queries")),
        (house.shop(), "feedback-responses:create", "/v1/access".to_owned()),
        (house.shop(), "feedback-admin", format!("{shop}/api-keys")),
        (house.account(), "feedback-report:read", "/v1/environments".to_owned()),
        (house.account(), "feedback-account-admin", format!("/v1/accounts/{}/api-keys", house.account.id)),
    ] {
        let list = address_of(owner);
        let made = house
            .send_once(&format!("{list}/new"), &list, &admin, &[("scope", scope), ("expires", "")])
            .await;
        for language in ["python", "javascript", "rust"] {
            let code = made.between(&format!("<pre id=\"{language}\" tabindex=\"0\">"), "</pre>");
            assert!(code.contains(scope) && code.contains(&path), "{scope} of {owner}: {code}");
            assert!(!code.contains("fbs_"), "it reads the secret from its environment");
        }
        let id: KeyId = made.between("<code id=\"key-id\">", "<").parse().unwrap();
        let secret = made.between("<code id=\"key-secret\">", "<").parse().unwrap();
        let token = house.token(&(id, secret)).await;
        assert_eq!(house.call(&token, &path).await, StatusCode::OK, "{path} with {scope}");
    }
}
