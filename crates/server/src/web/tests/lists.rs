//! Lists that are longer than a page.

use axum::http::StatusCode;
use domain::{Actor, Environment, Name, Owner, Role, State, new_id};

use super::super::door::base;
use super::House;
use crate::app::Author;

/// So many environments more, in the order in which they are listed.
async fn environments(house: &House, how_many: usize) -> Vec<String> {
    let operator = Author { actor: Actor::Operator, address: None, standing: None };
    let (app, now) = (&house.app, house.now());
    let mut bases = vec![base(house.shop()), base(Owner::Environment(house.kiosk.id))];
    for n in 0..how_many {
        let environment = Environment {
            id: new_id(now, &*app.entropy),
            account: house.account.id,
            name: Name::new(&format!("Shop {n}")).unwrap(),
            state: State::Open,
            version: 1,
            created_at: now,
        };
        app.store.create_environment(&app.stamp(&operator, now), &environment).await.unwrap();
        bases.push(base(Owner::Environment(environment.id)));
    }
    bases
}

#[tokio::test]
async fn what_does_not_fit_on_a_page_is_on_the_next() {
    let house = House::new().await;
    let reader = house.signed_in("reader@example.com", &[(house.account(), Role::Reader)]).await;
    let all = environments(&house, 210).await;
    for (start, pages) in [(base(house.account()), 5), ("/environments".to_owned(), 3)] {
        let (mut found, mut seen, mut next) = (Vec::new(), 0, Some(start.clone()));
        while let Some(path) = next.take() {
            seen += 1;
            let page = house.get(&path, &reader).await;
            assert_eq!(page.status, StatusCode::OK, "{path}");
            let main = page.body.split_once("<main").unwrap().1;
            found.extend(all.iter().filter(|base| main.contains(&format!("href=\"{base}\""))).cloned());
            let pager = main.split_once("class=\"pager\"").map(|(_, rest)| rest);
            next = pager.and_then(|rest| {
                rest.split_once("href=\"")?.1.split('"').next().map(|it| it.replace("&#38;", "&"))
            });
        }
        found.sort();
        let mut expected = all.clone();
        expected.sort();
        assert_eq!((found == expected, seen), (true, pages), "{start}");
    }
    let switcher =
        |body: &str| body.split_once("aria-label=\"Accounts and environments\"").unwrap().1.to_owned();
    let page = house.get("/your-account", &reader).await;
    assert!(switcher(&page.body).contains("href=\"/environments\""), "the switcher leads to the rest");
    for nonsense in ["?account=x", "?environment=x"] {
        assert_eq!(
            house.get(&format!("/environments{nonsense}"), &reader).await.status,
            StatusCode::NOT_FOUND
        );
    }
    let few = house.signed_in("few@example.com", &[(house.shop(), Role::Reader)]).await;
    let page = house.get("/your-account", &few).await;
    assert!(!page.body.contains("href=\"/environments\"") && page.body.contains("Northwind Stores"));
    assert!(!house.get("/environments", &few).await.body.contains("Kiosk"));
}
