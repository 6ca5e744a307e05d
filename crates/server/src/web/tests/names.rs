//! What people who hear a page, or command it by voice, know its buttons by.

use domain::Role;

use super::super::door::base;
use super::{Answer, House};

/// The accessible names of the buttons in the rows of a page's tables, hidden text included.
fn buttons_in_rows(page: &Answer) -> Vec<String> {
    let rows = page.body.split("<tr>").skip(1).filter_map(|row| row.split("</tr>").next());
    let opened = rows.flat_map(|row| {
        ["button", "summary"].into_iter().flat_map(move |tag| {
            let parts = row.split(&format!("<{tag} ")).skip(1).map(str::to_owned).collect::<Vec<_>>();
            parts.into_iter().map(move |part| part.split(&format!("</{tag}>")).next().unwrap().to_owned())
        })
    });
    // The text outside of tags, once the rest of the opening one is gone.
    let text = |html: String| html.split('<').filter_map(|part| part.split('>').nth(1)).collect::<String>();
    opened
        .map(|html| html.split_once('>').map_or(String::new(), |(_, inner)| text(format!("<>{inner}"))))
        .filter(|name| !name.is_empty())
        .collect()
}

#[tokio::test]
async fn a_button_in_a_row_is_named_after_what_it_is_for() {
    let house = House::new().await;
    let admin = house.admin().await;
    let page = |name: &str| format!("{}/administration/access-management/{name}", base(house.shop()));
    let (users, applications) = (page("users"), page("applications"));
    for email in ["ann@example.com", "bob@example.com"] {
        house.person(email, &[(house.shop(), Role::Reader)]).await;
        let fields = [("email", &*format!("new-{email}")), ("role", "reader")];
        house.send_once(&users, &users, &admin, &fields).await;
    }
    for name in ["Dashboard", "Export"] {
        let fields = [("name", name), ("redirect_uris", "https://example.com/callback")];
        house.post(&applications, &admin, &fields).await;
    }
    let mut named = buttons_in_rows(&house.get(&users, &admin).await);
    named.sort();
    assert_eq!(
        named,
        [
            "Remove ann@example.com",
            "Remove bob@example.com",
            "Remove… ann@example.com",
            "Remove… bob@example.com",
            "Revoke the invitation of new-ann@example.com",
            "Revoke the invitation of new-bob@example.com",
            "Save the role of ann@example.com",
            "Save the role of bob@example.com",
        ]
    );
    let mut named = buttons_in_rows(&house.get(&applications, &admin).await);
    named.retain(|name| name.starts_with("Remove"));
    named.sort();
    assert_eq!(named, ["Remove Dashboard", "Remove Export", "Remove… Dashboard", "Remove… Export"]);
}
