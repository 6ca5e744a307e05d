//! An application asks, a person answers: what is shown, where the browser is sent, and where it never is.

use axum::http::{StatusCode, header};
use domain::{Application, CodeChallenge, Grant, Name, Owner, RedirectUris, Role, Scope, Scopes, UserId};
use serde_json::Value;

use super::super::failure::encoded;
use super::{Answer, House, form, send};
use crate::app::Author;
use crate::oauth::{AUTHORIZATION_PATH, TOKEN_PATH};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CALLBACK: &str = "https://dashboard.example.com/callback";
const ISSUER: &str = "http://127.0.0.1:8080";

async fn application(house: &House, owner: Owner) -> Application {
    let (now, name) = (house.now(), Name::new("Dashboard <b>").unwrap());
    let uris = RedirectUris::new([
        CALLBACK,
        "http://127.0.0.1/callback?x=1",
        "com.example.app:/done",
        "https://[2001:db8::1]/cb",
    ])
    .unwrap();
    let application = Application::new(owner, name, uris, now, &*house.app.entropy);
    let operator = Author { actor: domain::Actor::Operator, address: None, standing: None };
    house.app.store.create_application(&house.app.stamp(&operator, now), &application).await.unwrap();
    application
}

/// What an application asks; each of `changes` stands in place of a parameter of that name, or takes it away.
fn request(client: &str, changes: &[(&str, &str)]) -> String {
    let challenge = CodeChallenge::of(VERIFIER).to_string();
    let mut all = vec![
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", CALLBACK),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("state", "a state"),
    ];
    for (name, value) in changes {
        all.retain(|(known, _)| known != name);
        if !value.is_empty() {
            all.push((name, value));
        }
    }
    form(&all)
}

fn address(request: &str) -> String {
    format!("{AUTHORIZATION_PATH}?{request}")
}

/// The parameters that the browser takes to the application, which are its answer.
#[track_caller]
fn answered(answer: &Answer, uri: &str) -> Vec<(String, String)> {
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let parameters = answer.location().strip_prefix(uri).unwrap_or_else(|| panic!("{}", answer.location()));
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let pairs = parameters.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

#[track_caller]
fn error(answer: &Answer) -> String {
    let parameters = answered(answer, &format!("{CALLBACK}?"));
    let names: Vec<_> = parameters.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["error", "error_description", "state", "iss"]);
    assert_eq!((parameters[2].1.as_str(), parameters[3].1.as_str()), ("a state", ISSUER));
    parameters[0].1.clone()
}

/// Decides on a page that showed every scope.
async fn decide(house: &House, cookie: &str, request: &str, owner: Owner, decision: &str) -> Answer {
    let (owner, scopes) = (owner.to_string(), Scope::ALL.into_iter().collect::<Scopes>().to_string());
    let fields = [("request", request), ("owner", &owner), ("scopes", &scopes), ("decision", decision)];
    house.post(AUTHORIZATION_PATH, cookie, &fields).await
}

/// Allows what a page shows.
async fn allow_shown(house: &House, cookie: &str, request: &str, shown: &Answer) -> Answer {
    let [owner, scopes] =
        ["owner", "scopes"].map(|name| shown.between(&format!("name=\"{name}\" value=\""), "\""));
    let fields = [("request", request), ("owner", owner), ("scopes", scopes), ("decision", "allow")];
    house.post(AUTHORIZATION_PATH, cookie, &fields).await
}

/// What the token endpoint gives an application for the code that the browser brought it.
async fn given(house: &House, client: &str, allowed: &Answer) -> Value {
    let parameters = answered(allowed, &format!("{CALLBACK}?"));
    let exchange = form(&[
        ("grant_type", "authorization_code"),
        ("code", &parameters[0].1),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("client_id", client),
    ]);
    let exchange = axum::http::Request::post(TOKEN_PATH)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(axum::body::Body::from(exchange));
    serde_json::from_str(&send(&house.router, exchange.unwrap()).await.body).unwrap()
}

async fn set_role(house: &House, user: UserId, on: Owner, role: Role) {
    let operator = Author { actor: domain::Actor::Operator, address: None, standing: None };
    let stamp = house.app.stamp(&operator, house.now());
    house.app.store.grant_role(&stamp, user, Grant { on, role }).await.unwrap();
}

#[tokio::test]
async fn a_person_allows_an_application_and_it_gets_a_token_of_that() {
    let house = House::new().await;
    let cookie = house.signed_in("author@example.com", &[(house.shop(), Role::Author)]).await;
    let client = application(&house, house.account()).await.id.to_string();
    let asked = request(&client, &[]);
    let shown = house.get(&address(&asked), &cookie).await;
    assert_eq!(shown.status, StatusCode::OK);
    for said in [
        "Dashboard &#60;b&#62;",
        "author@example.com",
        "Web shop",
        "Northwind Stores",
        "feedback-report:read",
        "feedback-queries:create",
        "you are author there",
        CALLBACK,
    ] {
        assert!(shown.body.contains(said), "{said}: {}", shown.body);
    }
    for unsaid in ["feedback-admin", "feedback-responses", "Kiosk"] {
        assert!(!shown.body.contains(unsaid), "{unsaid}");
    }
    let policy = shown.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("form-action 'self' https://dashboard.example.com"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("script-src 'self'"), "{policy}");
    let sent = shown.between("name=\"request\" value=\"", "\"").replace("&#38;", "&");
    assert_eq!(sent, asked);

    let allowed = allow_shown(&house, &cookie, &asked, &shown).await;
    let parameters = answered(&allowed, &format!("{CALLBACK}?"));
    let [(code_name, code), (state_name, state), (iss_name, iss)] = parameters.as_slice() else {
        panic!("{parameters:?}")
    };
    assert_eq!([code_name, state_name, iss_name], ["code", "state", "iss"]);
    assert_eq!((state.as_str(), iss.as_str()), ("a state", ISSUER));
    assert!(!code.is_empty());
    let given = given(&house, &client, &allowed).await;
    assert_eq!(given["scope"], "feedback-report:read feedback-queries:create");
    let api = axum::http::Request::get("/v1/access")
        .header(header::AUTHORIZATION, format!("Bearer {}", given["access_token"].as_str().unwrap()))
        .body(axum::body::Body::empty());
    let access: Value = serde_json::from_str(&send(&house.router, api.unwrap()).await.body).unwrap();
    assert_eq!(access["owner"]["id"], house.shop.id.to_string());

    let listed = house.get("/your-account", &cookie).await;
    assert!(listed.body.contains("Dashboard &#60;b&#62;") && listed.body.contains("Web shop"));
    let grant = listed.between("name=\"grant\" value=\"", "\"").to_owned();
    let stranger = house.signed_in("stranger@example.com", &[]).await;
    let refused = house.post("/your-account/grants/revoke", &stranger, &[("grant", &grant)]).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    let revoked = house.post("/your-account/grants/revoke", &cookie, &[("grant", &grant)]).await;
    assert_eq!(revoked.location(), "/your-account?done=grant-revoked");
    let api = axum::http::Request::get("/v1/access")
        .header(header::AUTHORIZATION, format!("Bearer {}", given["access_token"].as_str().unwrap()))
        .body(axum::body::Body::empty());
    assert_eq!(send(&house.router, api.unwrap()).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn nothing_leads_to_an_address_that_is_not_the_applications() {
    let house = House::new().await;
    let cookie = house.admin().await;
    let client = application(&house, house.account()).await.id.to_string();
    let removed = application(&house, house.account()).await;
    let operator = Author { actor: domain::Actor::Operator, address: None, standing: None };
    let stamp = house.app.stamp(&operator, house.now());
    house.app.store.remove_application(&stamp, removed.owner, removed.id).await.unwrap();
    let removed = removed.id.to_string();
    let twice = format!("{}&redirect_uri={}", request(&client, &[]), encoded(CALLBACK));
    let other_client = format!("{}&client_id={client}", request(&client, &[]));
    for wrong in [
        request(&client, &[("client_id", "")]),
        request(&client, &[("client_id", "nonsense")]),
        request(&client, &[("client_id", &removed)]),
        request(&client, &[("client_id", "key_01jdaaaaaaaaaaaaaaaaaaaaaa")]),
        request(&client, &[("redirect_uri", "")]),
        request(&client, &[("redirect_uri", "https://evil.example/callback")]),
        request(&client, &[("redirect_uri", "https://dashboard.example.com/callback/")]),
        request(&client, &[("redirect_uri", "https://dashboard.example.com/callback?x=1")]),
        request(&client, &[("redirect_uri", "http://127.0.0.1:5000/other")]),
        // Our own command line is on the person's machine and nowhere else.
        request("feedback-cli", &[]),
        request("feedback-cli", &[("redirect_uri", "com.example.app:/done")]),
        format!("{twice}&state=a&state=b"),
        format!("{other_client}&scope=a&scope=b"),
        twice,
        other_client,
        "%zz".to_owned(),
        String::new(),
    ] {
        for cookie in [cookie.as_str(), ""] {
            let answer = house.get(&address(&wrong), cookie).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
            assert_eq!(answer.location(), "", "{wrong}");
            assert!(answer.body.contains("Nothing was allowed"), "{wrong}: {}", answer.body);
        }
        let answer = decide(&house, &cookie, &wrong, house.account(), "allow").await;
        assert_eq!((answer.status, answer.location()), (StatusCode::BAD_REQUEST, ""), "{wrong}");
    }
}

#[tokio::test]
async fn what_is_asked_in_a_wrong_way_is_told_to_the_application() {
    let house = House::new().await;
    let cookie = house.admin().await;
    let client = application(&house, house.account()).await.id.to_string();
    let twice = format!("{}&scope=a&scope=b", request(&client, &[]));
    for (asked, code) in [
        (request(&client, &[("response_type", "")]), "invalid_request"),
        (request(&client, &[("response_type", "token")]), "unsupported_response_type"),
        (request(&client, &[("response_type", "code id_token")]), "unsupported_response_type"),
        (request(&client, &[("response_mode", "fragment")]), "invalid_request"),
        (request(&client, &[("code_challenge", "")]), "invalid_request"),
        (request(&client, &[("code_challenge", "short")]), "invalid_request"),
        (request(&client, &[("code_challenge_method", "")]), "invalid_request"),
        (request(&client, &[("code_challenge_method", "plain")]), "invalid_request"),
        (request(&client, &[("scope", "openid")]), "invalid_scope"),
        (request(&client, &[("scope", " ")]), "invalid_scope"),
        (request(&client, &[("resource", "https://other.example")]), "invalid_target"),
        (request(&client, &[("owner", "nonsense")]), "invalid_request"),
        (twice, "invalid_request"),
    ] {
        assert_eq!(error(&house.get(&address(&asked), &cookie).await), code, "{asked}");
        // Nobody who is not signed in is led away.
        let answer = house.get(&address(&asked), "").await;
        assert_eq!((answer.status, answer.location()), (StatusCode::BAD_REQUEST, ""), "{asked}");
        assert!(answer.body.contains(&format!("href=\"{CALLBACK}?error={code}")), "{}", answer.body);
        let answer = decide(&house, &cookie, &asked, house.account(), "allow").await;
        assert_eq!((answer.status, answer.location()), (StatusCode::BAD_REQUEST, ""), "{asked}");
    }
    let right = request(&client, &[]);
    let to_sign_in = house.get(&address(&right), "").await;
    let next = format!("/sign-in?next={}", encoded(&address(&right)));
    assert_eq!((to_sign_in.status, to_sign_in.location()), (StatusCode::SEE_OTHER, next.as_str()));
    assert_eq!(error(&decide(&house, &cookie, &right, house.account(), "deny").await), "access_denied");
    for decision in ["", "yes", "ALLOW"] {
        let answer = decide(&house, &cookie, &right, house.account(), decision).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
    let nobody = decide(&house, "", &right, house.account(), "allow").await;
    assert_eq!(nobody.location(), "/sign-in");
    let forged = axum::http::Request::post(AUTHORIZATION_PATH)
        .header(header::COOKIE, &cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("sec-fetch-site", "cross-site")
        .body(axum::body::Body::from(form(&[("request", &right), ("decision", "allow")])));
    assert_eq!(send(&house.router, forged.unwrap()).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_person_chooses_among_the_places_where_there_is_something_to_allow() {
    let house = House::new().await;
    let roles = [(house.shop(), Role::Author), (Owner::Environment(house.kiosk.id), Role::Reader)];
    let cookie = house.signed_in("two@example.com", &roles).await;
    let of_account = application(&house, house.account()).await.id.to_string();
    let asked = request(&of_account, &[]);
    let choice = house.get(&address(&asked), &cookie).await;
    assert_eq!(choice.status, StatusCode::OK);
    for owner in [house.shop(), Owner::Environment(house.kiosk.id)] {
        let link = format!("{}&#38;owner={owner}\"", address(&asked).replace('&', "&#38;"));
        assert!(choice.body.contains(&link), "{}", choice.body);
        assert!(choice.body.contains("<span class=\"quiet\">of Northwind Stores</span>"), "{}", choice.body);
        let chosen = house.get(&format!("{}&owner={owner}", address(&asked)), &cookie).await;
        assert_eq!(chosen.between("name=\"owner\" value=\"", "\""), owner.to_string());
    }
    assert!(!choice.body.contains(&format!("owner={}", house.account())), "no role there");
    let only_author = request(&of_account, &[("scope", "feedback-queries:create feedback-admin")]);
    let consent = house.get(&address(&only_author), &cookie).await;
    assert_eq!(consent.between("name=\"owner\" value=\"", "\""), house.shop().to_string());
    let shown = |scope: &str| consent.body.contains(&format!(">{scope}</span>"));
    assert!(shown("feedback-queries:create") && !shown("feedback-admin") && !shown("feedback-report:read"));
    let narrowed = format!("{ISSUER}/v1/environments/{}", house.kiosk.id);
    let consent = house.get(&address(&request(&of_account, &[("resource", &narrowed)])), &cookie).await;
    assert_eq!(consent.between("name=\"owner\" value=\"", "\""), house.kiosk.id.to_string());
    let of_kiosk = application(&house, Owner::Environment(house.kiosk.id)).await.id.to_string();
    let consent = house.get(&address(&request(&of_kiosk, &[])), &cookie).await;
    assert_eq!(consent.between("name=\"owner\" value=\"", "\""), house.kiosk.id.to_string());

    // What was not offered can't be allowed either.
    let elsewhere = domain::Account::new(Name::new("Elsewhere").unwrap(), house.now(), &*house.app.entropy);
    let operator = Author { actor: domain::Actor::Operator, address: None, standing: None };
    house.app.store.create_account(&house.app.stamp(&operator, house.now()), &elsewhere).await.unwrap();
    let (elsewhere, of_kiosk) = (Owner::Account(elsewhere.id), request(&of_kiosk, &[]));
    let strangers = application(&house, elsewhere).await.id.to_string();
    for (asked, owner) in [
        (&asked, house.account()),
        (&asked, elsewhere),
        (&of_kiosk, house.shop()),
        (&request(&strangers, &[]), house.shop()),
        (&request(&strangers, &[]), elsewhere),
    ] {
        let answer = decide(&house, &cookie, asked, owner, "allow").await;
        assert_eq!(answer.location(), "", "{asked} on {owner}");
        assert!(answer.body.contains("Nothing to allow"), "{}", answer.body);
    }
    let nothing = house.get(&address(&request(&strangers, &[])), &cookie).await;
    assert!(nothing.body.contains("Nothing to allow"), "{}", nothing.body);
    let unreached = format!("{ISSUER}/v1/environments/env_01jx1m2q6fe8gtvdb2v3cx2xkq");
    let nothing = house.get(&address(&request(&of_account, &[("resource", &unreached)])), &cookie).await;
    assert!(nothing.body.contains("Nothing to allow"));
}

#[tokio::test]
async fn the_answer_goes_to_a_port_of_the_persons_machine_or_to_a_scheme_of_the_application() {
    let house = House::new().await;
    let cookie = house.admin().await;
    let client = application(&house, house.account()).await.id.to_string();
    for (client, uri, action) in [
        (client.as_str(), "http://127.0.0.1:54321/callback?x=1", "http://127.0.0.1:54321"),
        (&client, "com.example.app:/done", "com.example.app:"),
        ("feedback-cli", "http://127.0.0.1:1/", "http://127.0.0.1:1"),
        ("feedback-cli", "http://[::1]:54321/", "http:"),
        (&client, "https://[2001:db8::1]/cb", "https:"),
    ] {
        let asked = request(client, &[("redirect_uri", uri)]);
        let chosen = format!("{}&owner={}", address(&asked), house.account());
        let shown = house.get(&chosen, &cookie).await;
        let policy = shown.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.ends_with(&format!("form-action 'self' {action}")), "{policy}");
        let joint = if uri.contains('?') { '&' } else { '?' };
        let allowed = decide(&house, &cookie, &asked, house.account(), "allow").await;
        assert_eq!(answered(&allowed, &format!("{uri}{joint}"))[0].0, "code", "{uri}");
    }
    let own = house
        .get(&address(&request("feedback-cli", &[("redirect_uri", "http://127.0.0.1:1/")])), &cookie)
        .await;
    assert!(own.body.contains("Where may Feedback’s command line act?"), "{}", own.body);
}

#[tokio::test]
async fn what_the_page_did_not_show_is_not_granted() {
    let house = House::new().await;
    let user = house.person("grows@example.com", &[(house.shop(), Role::Reader)]).await;
    let cookie = house.session_of("grows@example.com").await;
    let client = application(&house, house.account()).await.id.to_string();
    let asked = request(&client, &[]);
    let of_reader = house.get(&address(&asked), &cookie).await;
    set_role(&house, user, house.shop(), Role::Administrator).await;
    let allowed = allow_shown(&house, &cookie, &asked, &of_reader).await;
    assert_eq!(given(&house, &client, &allowed).await["scope"], "feedback-report:read");

    let of_administrator = house.get(&address(&asked), &cookie).await;
    set_role(&house, user, house.shop(), Role::Author).await;
    let allowed = allow_shown(&house, &cookie, &asked, &of_administrator).await;
    assert_eq!(
        given(&house, &client, &allowed).await["scope"],
        "feedback-report:read feedback-queries:create"
    );

    let owner = house.shop().to_string();
    let said = async |scopes: &[(&str, &str)]| {
        let fields = [("request", asked.as_str()), ("owner", &owner), ("decision", "allow")];
        let answer = house.post(AUTHORIZATION_PATH, &cookie, &[&fields, scopes].concat()).await;
        assert_eq!(answer.location(), "");
        (answer.status, answer.body)
    };
    for wrong in [&[][..], &[("scopes", "nonsense")], &[("scopes", "feedback-admin"); 2]] {
        let (status, body) = said(wrong).await;
        assert!(status == StatusCode::BAD_REQUEST && body.contains("“scopes”"), "{body}");
    }
    let (_, body) = said(&[("scopes", "feedback-admin")]).await;
    assert!(body.contains("Nothing to allow"), "{body}");
}

#[tokio::test]
async fn what_is_asked_for_one_environment_names_it_and_administers_no_account() {
    let house = House::new().await;
    let cookie = house.admin().await;
    let client = application(&house, house.account()).await.id.to_string();
    let only = format!("{ISSUER}/v1/environments/{}", house.kiosk.id);
    let asked = request(&client, &[("resource", &only)]);
    // The account would be the same, so there is nothing to choose.
    let shown = house.get(&address(&asked), &cookie).await;
    assert_eq!(shown.between("name=\"owner\" value=\"", "\""), house.kiosk.id.to_string());

    let chosen = format!("{asked}&owner={}", house.account());
    let shown = house.get(&address(&chosen), &cookie).await;
    assert_eq!(shown.between("name=\"owner\" value=\"", "\""), house.account().to_string());
    assert!(shown.body.contains(">Kiosk</strong> of "), "{}", shown.body);
    assert!(
        shown.body.contains(">feedback-admin</span>") && !shown.body.contains(">feedback-account-admin<")
    );
    let allowed = decide(&house, &cookie, &chosen, house.account(), "allow").await;
    let scope = given(&house, &client, &allowed).await["scope"].as_str().unwrap().to_owned();
    assert!(scope.contains("feedback-admin") && !scope.contains("feedback-account-admin"), "{scope}");
    let nothing = request(&client, &[("resource", &only), ("scope", "feedback-account-admin")]);
    let nothing = house.get(&address(&nothing), &cookie).await;
    assert!(nothing.body.contains("Nothing to allow"), "{}", nothing.body);
}

#[tokio::test]
async fn nobody_is_led_to_an_application_that_may_not_ask_them() {
    let house = House::new().await;
    let of_account = application(&house, house.account()).await.id.to_string();
    let of_kiosk = application(&house, Owner::Environment(house.kiosk.id)).await.id.to_string();
    let elsewhere = domain::Account::new(Name::new("Elsewhere").unwrap(), house.now(), &*house.app.entropy);
    let operator = Author { actor: domain::Actor::Operator, address: None, standing: None };
    house.app.store.create_account(&house.app.stamp(&operator, house.now()), &elsewhere).await.unwrap();
    let stranger =
        house.signed_in("stranger@example.com", &[(elsewhere.id.into(), Role::Administrator)]).await;
    let nobody = house.signed_in("nobody@example.com", &[]).await;
    let of_shop = house.signed_in("shop@example.com", &[(house.shop(), Role::Reader)]).await;
    let wrong = [("response_type", "x")];
    for (client, cookie, is_led) in [
        (&of_account, &stranger, false),
        (&of_account, &nobody, false),
        (&of_account, &of_shop, true),
        (&of_kiosk, &of_shop, false),
    ] {
        let answer = house.get(&address(&request(client, &wrong)), cookie).await;
        if is_led {
            assert_eq!(error(&answer), "unsupported_response_type");
            continue;
        }
        assert_eq!((answer.status, answer.location()), (StatusCode::BAD_REQUEST, ""));
        assert!(answer.body.contains("asks in a way that can't be answered"), "{}", answer.body);
    }
    let machine = "http://127.0.0.1:5000/";
    let asked = request("feedback-cli", &[("response_type", "x"), ("redirect_uri", machine)]);
    let led = house.get(&address(&asked), &nobody).await;
    assert_eq!(answered(&led, &format!("{machine}?"))[0].1, "unsupported_response_type");
}
