//! Role × page and act: the committed table against the list of routes and against the running router.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use domain::{
    Account, Comment, Email, Grant, Name, NewKeypair, Owner, Query, Role, Scope, Scopes, State, new_id,
};
use storage::Invitation;

use super::super::access::Access;
use super::super::routes::pages;
use super::super::{assets, session};
use super::{Answer, House, form, send};
use crate::app::Author;

const COLUMNS: [&str; 6] = ["nobody", "stranger", "reader", "author", "environment-admin", "account-admin"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Yes,
    NotFound,
    SignIn,
    Open,
}

type Act = (String, String);

fn table() -> BTreeMap<Act, [Cell; 6]> {
    let rows = include_str!("../access_matrix.txt").lines();
    rows.filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| {
            let mut words = line.split_whitespace();
            let act = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
            let cells: Vec<_> = words
                .map(|word| match word {
                    "yes" => Cell::Yes,
                    "-" => Cell::NotFound,
                    "sign-in" => Cell::SignIn,
                    "open" => Cell::Open,
                    other => panic!("{other}?"),
                })
                .collect();
            (act, cells.try_into().unwrap_or_else(|_| panic!("{line}")))
        })
        .collect()
}

/// What follows from a handler's own arguments.
fn cells(path: &str, access: Access) -> [Cell; 6] {
    let least = match access {
        Access::Public => return [Cell::Open; 6],
        Access::SignedIn => {
            return [Cell::SignIn, Cell::Yes, Cell::Yes, Cell::Yes, Cell::Yes, Cell::Yes];
        }
        Access::At(least) => least,
    };
    let if_ = |may| if may { Cell::Yes } else { Cell::NotFound };
    let below = path.starts_with("/environments/");
    let [reader, author] = [Role::Reader, Role::Author].map(|role| if_(role >= least));
    [Cell::SignIn, Cell::NotFound, reader, author, if_(below), Cell::Yes]
}

#[test]
fn the_routes_ask_what_the_table_says() {
    let table = table();
    let mut served = BTreeMap::new();
    for page in pages() {
        let cells = cells(&page.path, page.access);
        assert!(served.insert((page.method.to_string(), page.path), cells).is_none());
    }
    for (act, cells) in &served {
        assert_eq!(table.get(act), Some(cells), "{act:?} is missing in the table, or differs");
    }
    for act in table.keys() {
        assert!(served.contains_key(act), "{act:?} is in the table, but not served");
    }
}

/// A house with somebody for each column, and something at every kind of address.
struct Walk {
    house: House,
    operator: Author,
    query: Query,
    invitation: String,
}

impl Walk {
    async fn new() -> Self {
        let house = House::new().await;
        let operator = Author { actor: domain::Actor::Operator, address: None, standing: None };
        let (app, now) = (&house.app, house.now());
        let query = Query {
            id: new_id(now, &*app.entropy),
            environment: house.shop.id,
            title: Name::new("Delivery").unwrap(),
            question: domain::QuestionText::new("In time?").unwrap(),
            state: domain::State::Open,
            version: 1,
            created_at: now,
        };
        app.store.create_query(&app.stamp(&operator, now), &query).await.unwrap();
        let token = session::new_token(app);
        let invitation = Invitation {
            token: session::hash(&token),
            email: Email::new("invited@example.com").unwrap(),
            grant: Grant { on: house.shop(), role: Role::Reader },
            expires_at: domain::from_millis(now.as_millisecond() + 86_400_000),
        };
        app.store.create_invitation(&app.stamp(&operator, now), &invitation).await.unwrap();
        Self { house, operator, query, invitation: token }
    }

    async fn grant(&self, user: domain::UserId, on: Owner, role: Role) {
        let (app, now) = (&self.house.app, self.house.now());
        app.store.grant_role(&app.stamp(&self.operator, now), user, Grant { on, role }).await.unwrap();
    }

    /// Each person with the column that says what the person gets at `owner`.
    async fn people(&self, owner: Owner) -> Vec<(usize, Option<String>)> {
        let (house, kind) = (&self.house, owner.kind());
        let (account, shop) = (house.account(), house.shop());
        let elsewhere = Account {
            id: new_id(house.now(), &*house.app.entropy),
            name: Name::new("Elsewhere").unwrap(),
            state: State::Open,
            version: 1,
            created_at: house.now(),
        };
        let stamp = house.app.stamp(&self.operator, house.now());
        house.app.store.create_account(&stamp, &elsewhere).await.unwrap();
        let elsewhere = Owner::Account(elsewhere.id);
        let mut people = vec![(0, None)];
        for (column, name, on, role) in [
            (1, "stranger", elsewhere, Role::Administrator),
            (2, "reader", owner, Role::Reader),
            (2, "inheriting-reader", account, Role::Reader),
            (3, "author", owner, Role::Author),
            (3, "inheriting-author", account, Role::Author),
            (4, "environment-admin", shop, Role::Administrator),
            (5, "account-admin", account, Role::Administrator),
        ] {
            let email = format!("{name}-{kind}@example.com");
            house.person(&email, &[(on, role)]).await;
            people.push((column, Some(email)));
        }
        if owner == shop {
            let next_door = Owner::Environment(house.kiosk.id);
            let email = "next-door@example.com";
            house.person(email, &[(next_door, Role::Administrator)]).await;
            people.push((1, Some(email.to_owned())));
        }
        people
    }

    /// Asks as `person`, in a session of its own: one of the acts ends it.
    async fn ask(&self, method: &Method, path: &str, person: Option<&str>) -> Answer {
        let cookie = match person {
            Some(email) => self.house.session_of(email).await,
            None => String::new(),
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::COOKIE, cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin");
        // No field is one that the acts know, so that those who may act do as little as can be.
        send(&self.house.router, request.body(Body::from(form(&[("nothing", "of use")]))).unwrap()).await
    }
}

/// The page without the name of its request, which differs each time.
fn anonymous(answer: &Answer) -> String {
    let id = answer.headers.get("x-request-id").unwrap().to_str().unwrap();
    answer.body.replace(id, "")
}

#[tokio::test]
async fn the_router_does_what_the_table_says() {
    let walk = Walk::new().await;
    let house = &walk.house;
    let nowhere = anonymous(&house.get("/nowhere", "").await);
    for owner in [house.account(), house.shop()] {
        let people = walk.people(owner).await;
        let member = house.person(&format!("member-{}@example.com", owner.kind()), &[]).await;
        let new = NewKeypair {
            owner,
            comment: Comment::new("").unwrap(),
            scopes: Scopes::from(Scope::ReportRead),
            expires_at: None,
            token_binding: domain::TokenBinding::None,
            allowed_addresses: domain::AllowedAddresses::default(),
        };
        let (keypair, _) = crate::keypairs::create(&house.app, &walk.operator, new, None).await.unwrap();
        let root = format!("/{}s/{{owner}}", owner.kind());
        for ((method, template), cells) in table() {
            let anywhere = !template.contains("{owner}") && owner == house.shop();
            if !(anywhere || template.starts_with(&root)) {
                continue;
            }
            let method: Method = method.parse().unwrap();
            let path = template
                .replace("{owner}", &owner.to_string())
                .replace("{user}", &member.to_string())
                .replace("{key}", &keypair.id.to_string())
                .replace("{query}", &walk.query.id.to_string())
                .replace("{n}", "1")
                .replace("{token}", &walk.invitation)
                .replace("/static/{name}", assets::css());
            assert!(!path.contains('{'), "{path}");
            for (column, person) in &people {
                walk.grant(member, owner, Role::Reader).await;
                let answer = walk.ask(&method, &path, person.as_deref()).await;
                let case = format!("{method} {template} as {}: {}", COLUMNS[*column], answer.status);
                let to_sign_in = answer.status == StatusCode::SEE_OTHER
                    && (answer.location() == "/sign-in" || answer.location().starts_with("/sign-in?next="));
                let not_found = answer.status == StatusCode::NOT_FOUND && anonymous(&answer) == nowhere;
                match cells[*column] {
                    Cell::SignIn => assert!(to_sign_in, "{case}"),
                    Cell::NotFound => assert!(not_found, "{case}"),
                    Cell::Yes | Cell::Open => {
                        assert!(!to_sign_in && !not_found && !answer.status.is_server_error(), "{case}");
                        let led_on = template == "/"
                            || answer.location() == format!("{path}/users")
                            || answer.location() == format!("{path}/access-management/users");
                        if method == Method::GET && cells[*column] == Cell::Yes && !led_on {
                            assert_eq!(answer.status, StatusCode::OK, "{case}");
                        }
                    }
                }
            }
        }
    }
    let query = house.app.store.query(house.shop.id, walk.query.id).await.unwrap();
    assert_ne!(query.state, domain::State::Open, "those who may act did");
}

#[tokio::test]
async fn what_is_at_a_place_is_not_there_by_another_method_either() {
    let house = House::new().await;
    let reader = house.signed_in("reader@example.com", &[(house.shop(), Role::Reader)]).await;
    for page in pages().into_iter().filter(|page| matches!(page.access, Access::At(_))) {
        let request = Request::delete(page.path.replace(['{', '}'], ""))
            .header(header::COOKIE, &reader)
            .header("sec-fetch-site", "same-origin");
        let answer = send(&house.router, request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", page.path);
    }
}
