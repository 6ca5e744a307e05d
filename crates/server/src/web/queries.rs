//! `/environments/{env}/queries`: the questions put to people, and putting another.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query as Parameters, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::{Name, Query, QuestionText, Role};
use storage::Slice;

use super::door::{CanAuthor, CanRead};
use super::dress::page;
use super::failure::PageError;
use super::form::{Field, Fields};
use super::outcome::Outcome;
use super::part::{Part, cut};
use super::shell::Shell;
use super::when::When;
use crate::app::App;

const LISTED: u32 = 50;

#[derive(Template)]
#[template(path = "queries.html")]
struct ListPage {
    shell: Shell,
    base: String,
    may_create: bool,
    queries: Vec<Row>,
    next: Option<String>,
}

struct Row {
    href: String,
    title: String,
    question: String,
    open: bool,
    created: When,
}

/// `GET /environments/{env}/queries`
pub(super) async fn list(
    visit: CanRead,
    State(app): State<Arc<App>>,
    Parameters(part): Parameters<Part>,
) -> Result<Response, PageError> {
    let after = part.after()?;
    let (now, base) = (app.clock.now(), visit.base());
    let environment = visit.environment()?.id;
    let mut queries = app.store.queries(environment, Slice { after, limit: LISTED + 1 }).await?;
    let next = cut(&mut queries, LISTED).map(|last| format!("{base}/queries?after={}", last.id));
    let row = |query: &Query| Row {
        href: format!("{base}/queries/{}", query.id),
        title: query.title.to_string(),
        question: query.question.to_string(),
        open: query.state.is_open(),
        created: When::new(query.created_at, now),
    };
    let view = ListPage {
        shell: visit.shell(&app, "queries").await?,
        may_create: visit.role >= Role::Author,
        queries: queries.iter().map(row).collect(),
        next,
        base,
    };
    page(Outcome::Shown, &view)
}

#[derive(Template)]
#[template(path = "query_new.html")]
struct NewPage {
    shell: Shell,
    base: String,
    title: Field,
    question: Field,
}

/// `GET /environments/{env}/queries/new`
pub(super) async fn new(author: CanAuthor, State(app): State<Arc<App>>) -> Result<Response, PageError> {
    let shell = author.shell(&app, "queries").await?;
    let (title, question) = (Field::default(), Field::default());
    page(Outcome::Shown, &NewPage { shell, base: author.base(), title, question })
}

/// `POST /environments/{env}/queries`
pub(super) async fn create(
    author: CanAuthor,
    State(app): State<Arc<App>>,
    fields: Fields,
) -> Result<Response, PageError> {
    let mut title = Field::of(fields.one("title")?);
    let mut question = Field::of(fields.one("question")?);
    let good_title = title.read("The title", Name::new);
    let good_question = question.read("The question", QuestionText::new);
    let (Some(new_title), Some(new_question)) = (good_title, good_question) else {
        let shell = author.shell(&app, "queries").await?;
        let view = NewPage { shell, base: author.base(), title, question };
        return page(Outcome::Invalid, &view);
    };
    let now = app.clock.now();
    let query = Query::new(author.environment()?.id, new_title, new_question, now, &*app.entropy);
    app.store.create_query(&app.stamp(&author.author(), now), &query).await?;
    let to = format!("{}/queries/{}?done=query-created", author.base(), query.id);
    Ok(Redirect::to(&to).into_response())
}
