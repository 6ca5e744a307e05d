//! One table of statuses, and the same answer wherever a password is tried too often.

use std::fs;
use std::path::Path;

use axum::http::{StatusCode, header};
use domain::Role;

use super::super::door::base;
use super::{House, PASSWORD};

#[test]
fn nothing_but_the_table_names_a_status() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web");
    let mut read = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.extension().is_some_and(|it| it == "rs") && !path.ends_with("outcome.rs") {
            read += 1;
            for word in ["StatusCode", "RETRY_AFTER"] {
                assert!(!fs::read_to_string(&path).unwrap().contains(word), "{} has {word}", path.display());
            }
        }
    }
    assert!(read > 20);
}

#[tokio::test]
async fn too_many_attempts_are_answered_alike_everywhere() {
    let house = House::new().await;
    let admin = house.admin().await;
    let known = house.signed_in("known@example.com", &[(house.shop(), Role::Reader)]).await;
    let users = format!("{}/administration/access-management/users", base(house.account()));
    let made =
        house.send_once(&users, &users, &admin, &[("email", "known@example.com"), ("role", "reader")]).await;
    let link = made.between("<code id=\"invitation-link\">http://127.0.0.1:8080", "<").to_owned();
    let wrong = |name| [("email", "known@example.com"), (name, "wrong"), ("new", "seven quiet herons")];
    let ways = [("/sign-in", "password"), ("/your-account/password", "current"), (link.as_str(), "password")];
    for (path, name) in ways.iter().cycle().take(8) {
        let answer = house.post(path, &known, &wrong(name)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
    }
    for (path, name) in ways {
        let fields = [("email", "known@example.com"), (name, PASSWORD), ("new", "seven quiet herons")];
        let answer = house.post(path, &known, &fields).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
        let seconds: u32 = answer.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert!((1..=900).contains(&seconds), "{path}");
        assert!(answer.body.contains("Too many attempts. Wait 15 minutes, then try again."), "{path}");
    }
}
