//! `…/administration` and `…/administration/access-management`: the way to their first pages.

use axum::response::{IntoResponse, Redirect, Response};

use super::door::Admin;

/// `GET …/administration` and `GET …/administration/access-management`
pub(super) async fn show(admin: Admin) -> Response {
    Redirect::to(&format!("{}/administration/access-management/users", admin.base())).into_response()
}
