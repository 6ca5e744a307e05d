//! `GET /docs`: the description of the API for people, made from the same document as `/v1/openapi.json`.

mod example;
mod reference;
#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_FRAME_OPTIONS};
use axum::response::{Html, IntoResponse};
use domain::{Owner, Scope, Scopes};

use super::authorization::Public;
use super::error::{ApiError, PROBLEM_KINDS, ProblemKind};
use super::openapi;
use super::parameters::NoParameters;
use crate::app::App;
use reference::Section;

/// Nothing but what is served from here; the script only copies.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (REFERRER_POLICY, "no-referrer"),
    (X_FRAME_OPTIONS, "DENY"),
    (CACHE_CONTROL, "no-cache"),
];

#[derive(Template)]
#[template(path = "docs.html")]
struct DocsPage<'a> {
    issuer: &'a str,
    api: String,
    scopes: Vec<ScopeRow>,
    sections: &'a [Section],
    problems: &'a [ProblemKind],
}

struct ScopeRow {
    name: &'static str,
    allows: &'static str,
    of_environments: bool,
}

static SECTIONS: LazyLock<Result<Vec<Section>, String>> = LazyLock::new(|| {
    let document = openapi::document().map_err(|error| format!("{error:?}"))?;
    let document = serde_json::from_str(document).map_err(|error| error.to_string())?;
    Ok(reference::sections(&document))
});

/// Show this description for people
#[utoipa::path(
    get,
    path = "/docs",
    operation_id = "showDocs",
    tag = "Documentation",
    responses((status = 200, description = "A page.", body = String, content_type = "text/html")),
)]
pub(super) async fn show(
    _: Public,
    State(app): State<Arc<App>>,
    _: NoParameters,
) -> Result<impl IntoResponse, ApiError> {
    let sections = SECTIONS.as_deref().map_err(|error| ApiError::Internal(error.as_str().into()))?;
    // Which of an environment's makes no difference to what its keypairs can be given.
    let available = "env_00000000000000000000000000"
        .parse()
        .map_or(Scopes::NONE, |id| Scopes::available_to(&Owner::Environment(id)));
    let page = DocsPage {
        issuer: app.config.issuer(),
        api: app.config.api_resource(),
        scopes: Scope::ALL
            .map(|scope| ScopeRow {
                name: scope.name(),
                allows: scope.allows(),
                of_environments: available.contains(scope),
            })
            .into(),
        sections,
        problems: PROBLEM_KINDS,
    };
    let page = page.render().map_err(|error| ApiError::Internal(error.into()))?;
    Ok((HEADERS, Html(page)))
}
