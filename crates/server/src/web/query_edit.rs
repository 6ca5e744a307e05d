//! `/environments/{env}/queries/{qry}/edit`: another title or question.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::{Name, Query, QuestionText};
use storage::StorageError;

use super::door::Admin;
use super::dress::page;
use super::failure::PageError;
use super::form::{Field, Fields};
use super::outcome::Outcome;
use super::query::{QueryPath, address, load};
use super::shell::Shell;
use crate::app::App;
use crate::queries;

#[derive(Template)]
#[template(path = "query_edit.html")]
struct EditPage {
    shell: Shell,
    base: String,
    query: String,
    version: i64,
    conflict: bool,
    title: Field,
    question: Field,
}

impl EditPage {
    async fn new(app: &App, admin: &Admin, query: &Query) -> Result<Self, PageError> {
        Ok(Self {
            shell: admin.shell(app, "queries").await?,
            base: admin.base(),
            query: address(admin, query),
            version: query.version,
            conflict: false,
            title: Field::of(&query.title),
            question: Field::of(&query.question),
        })
    }
}

/// `GET /environments/{env}/queries/{qry}/edit`
pub(super) async fn show(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<QueryPath>,
) -> Result<Response, PageError> {
    let query = load(&app, &admin, &path).await?;
    page(Outcome::Shown, &EditPage::new(&app, &admin, &query).await?)
}

/// `POST /environments/{env}/queries/{qry}/edit`
pub(super) async fn save(
    admin: Admin,
    State(app): State<Arc<App>>,
    Path(path): Path<QueryPath>,
    fields: Fields,
) -> Result<Response, PageError> {
    let query = load(&app, &admin, &path).await?;
    let version = fields.version()?;
    let mut form = EditPage::new(&app, &admin, &query).await?;
    form.title = Field::of(fields.one("title")?);
    form.question = Field::of(fields.one("question")?);
    let title = form.title.read("The title", Name::new);
    let question = form.question.read("The question", QuestionText::new);
    if title.is_none() || question.is_none() {
        form.version = version;
        return page(Outcome::Invalid, &form);
    }
    let author = admin.author();
    match queries::edit(&app, &author, query.environment, query.id, Some(version), title, question).await {
        Ok(_) => Ok(Redirect::to(&format!("{}?done=query-saved", form.query)).into_response()),
        Err(StorageError::Moved) => {
            form.conflict = true;
            page(Outcome::Conflict, &form)
        }
        Err(error) => Err(error.into()),
    }
}
