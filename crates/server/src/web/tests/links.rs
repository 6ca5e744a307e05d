//! No page leads to nothing.

use std::collections::BTreeSet;

use axum::http::StatusCode;
use domain::{Comment, NewKeypair, Scope, Scopes};

use super::super::door::base;
use super::super::set_up::make_link;
use super::{House, get};
use crate::surroundings::Surrounded;

/// The addresses of our own that a page names: links, what it loads, and forms that only ask.
fn addresses(body: &str) -> BTreeSet<String> {
    let values = |name: &str| {
        let name = format!(" {name}=\"");
        body.split(name.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect::<Vec<_>>()
    };
    let asking = body
        .split("<form ")
        .skip(1)
        .filter_map(|rest| rest.split_once('>'))
        .filter(|(form, _)| form.contains("method=\"get\""))
        .filter_map(|(form, _)| form.split_once("action=\"")?.1.split('"').next());
    values("href")
        .into_iter()
        .chain(values("src"))
        .chain(asking)
        .map(|address| address.split('#').next().unwrap().replace("&#38;", "&"))
        .filter(|address| address.starts_with('/'))
        .collect()
}

/// Follows every address from `starts` on, and says which were found.
async fn walk(router: &Surrounded, cookie: &str, starts: &[String]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut ahead: Vec<(String, String)> = starts.iter().map(|path| (path.clone(), String::new())).collect();
    while let Some((path, on)) = ahead.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let answer = get(router, &path, cookie).await;
        let asset = path.starts_with("/static/");
        let good = if asset { answer.status == StatusCode::OK } else { !answer.status.is_client_error() };
        assert!(good && !answer.status.is_server_error(), "{path} on {on}: {}", answer.status);
        if !asset {
            ahead.extend(addresses(&answer.body).into_iter().map(|next| (next, path.clone())));
            ahead.extend(answer.location().starts_with('/').then(|| (answer.location().to_owned(), path)));
        }
    }
    seen
}

#[tokio::test]
async fn no_page_leads_to_nothing() {
    let house = House::new().await;
    let admin = house.admin().await;
    let operator = crate::app::Author { actor: domain::Actor::Operator, address: None, standing: None };
    let shop = base(house.shop());
    for owner in [house.account(), house.shop()] {
        let new = NewKeypair {
            owner,
            comment: Comment::new("").unwrap(),
            scopes: Scopes::from(Scope::ReportRead),
            expires_at: None,
            token_binding: domain::TokenBinding::None,
            allowed_addresses: domain::AllowedAddresses::default(),
        };
        crate::keypairs::create(&house.app, &operator, new, None).await.unwrap();
    }
    house.post(&format!("{shop}/queries"), &admin, &[("title", "Delivery"), ("question", "In time?")]).await;

    let starts = ["/", &shop, &base(house.account())].map(str::to_owned);
    let seen = walk(&house.router, &admin, &starts).await;
    for part in
        ["/docs", "/your-account", "/edit", "/rotate", "/remove", "/settings", "/audit-log", ".js", ".css"]
    {
        assert!(seen.iter().any(|path| path.ends_with(part)), "{part} is not among {seen:?}");
    }
    walk(&house.router, "", &["/sign-in".to_owned()]).await;
    for asset in addresses(&house.get("/nowhere", &admin).await.body) {
        assert_ne!(house.get(&asset, &admin).await.status, StatusCode::NOT_FOUND, "{asset}");
    }
    let (app, router, _data) = House::empty().await;
    let link = make_link(&app).await.unwrap().unwrap();
    walk(&router, "", &[link.replace("http://127.0.0.1:8080", "")]).await;
}
