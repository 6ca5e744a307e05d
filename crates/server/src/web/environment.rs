//! `/environments/{env}`: its figures, or how to send the first response.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use domain::{Period, Series};

use super::door::CanRead;
use super::dress::page;
use super::failure::PageError;
use super::outcome::Outcome;
use super::report::{self, Asked, PeriodView, ReportView};
use super::shell::Shell;
use crate::app::App;

#[derive(Template)]
#[template(path = "environment.html")]
struct OverviewPage {
    shell: Shell,
    base: String,
    name: String,
    admin: bool,
    period: PeriodView,
    report: Option<ReportView>,
    first: First,
}

/// The commands that send the first response.
struct First {
    token: String,
    response: String,
}

/// `GET /environments/{env}`
pub(super) async fn show(
    visit: CanRead,
    State(app): State<Arc<App>>,
    Query(asked): Query<Asked>,
) -> Result<Response, PageError> {
    let id = visit.environment()?.id;
    let (period, mut view) = report::period(&asked, app.clock.now());
    let report = report::load(&app, id, Series::Overview, period).await?;
    if report.is_none() && !view.asked {
        let year = Period::ending(period.to(), 366);
        let ever = app.store.combined_point(id, Series::Overview, year).await?;
        // Once there was a response, what is empty is the period, not the environment.
        view.asked = ever.scores.responses() > 0;
    }
    let issuer = app.config.issuer();
    let first = First {
        token: format!(
            "FEEDBACK_KEY_ID=key_…\nFEEDBACK_KEY_SECRET=fbs_…\n\
             FEEDBACK_TOKEN=$(curl -sS {issuer}/oauth2/token \\\n  \
             -u \"$FEEDBACK_KEY_ID:$FEEDBACK_KEY_SECRET\" -d grant_type=client_credentials |\n  \
             sed -n 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/p')"
        ),
        response: format!(
            "curl -sS {issuer}/v1/environments/{id}/responses \\\n  \
             -H \"Authorization: Bearer $FEEDBACK_TOKEN\" -H 'Content-Type: application/json' \\\n  \
             -d '{{\"responses\": [{{\"score\": 5, \"text\": \"Just what I needed\"}}]}}'"
        ),
    };
    let outcome = if view.error.is_some() { Outcome::Unreadable } else { Outcome::Shown };
    let page_view = OverviewPage {
        shell: visit.shell(&app, "overview").await?,
        base: visit.base(),
        name: visit.name(),
        admin: visit.is_admin(),
        period: view,
        report,
        first,
    };
    page(outcome, &page_view)
}
