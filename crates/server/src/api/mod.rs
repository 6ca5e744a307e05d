//! The Feedback API: `/v1`, JSON, bearer tokens; and its documentation.
//!
//! One file per endpoint or noun. A route comes with what it asks of its callers ([`authorization`]), every failure is
//! a value of [`error::ApiError`], and what is sent and answered is described once, for the document at
//! `/v1/openapi.json` and the page at `/docs`.

mod access;
mod accounts;
mod applications;
mod audit_events;
pub(crate) mod authorization;
pub(crate) mod body;
mod docs;
mod endpoints;
mod environments;
pub(crate) mod error;
mod keypairs;
mod leaked_secrets;
mod openapi;
pub(crate) mod operations;
mod parameters;
mod queries;
mod reports;
mod responses;
pub(crate) mod shapes;
mod versions;

#[cfg(test)]
mod bad_input_tests;
#[cfg(test)]
mod isolation_tests;
#[cfg(test)]
mod scope_matrix_tests;
#[cfg(test)]
mod stopped_program_tests;
#[cfg(test)]
pub(crate) mod test_harness;

use std::sync::Arc;

use axum::Router;
use axum::routing::any;

use crate::app::App;
use endpoints::{Endpoints, endpoint};
use error::ApiError;

/// The Feedback API and its documentation.
pub(crate) fn routes() -> Router<Arc<App>> {
    let (router, _) = endpoints().split();
    router
        .route("/v1", any(no_such_address))
        .route("/v1/", any(no_such_address))
        .route("/v1/{*rest}", any(no_such_address))
        .method_not_allowed_fallback(async || ApiError::WrongMethod)
}

async fn no_such_address() -> ApiError {
    ApiError::NoSuchAddress
}

/// Every operation, in the order in which the documentation shows them.
fn endpoints() -> Endpoints {
    use applications::{of_account as account_applications, of_environment as environment_applications};
    use keypairs::{of_account, of_environment};

    Endpoints::new(openapi::description())
        .and(endpoint!(access::show))
        .and(endpoint!(accounts::show))
        .and(endpoint!(environments::list))
        .and(endpoint!(environments::create))
        .and(endpoint!(environments::show))
        .and(endpoint!(environments::change))
        .and(endpoint!(environments::close))
        .and(endpoint!(of_environment::list))
        .and(endpoint!(of_environment::create))
        .and(endpoint!(of_environment::show))
        .and(endpoint!(of_environment::usage))
        .and(endpoint!(of_environment::change))
        .and(endpoint!(of_environment::remove))
        .and(endpoint!(of_environment::rotate))
        .and(endpoint!(of_environment::delete_secret))
        .and(endpoint!(of_environment::add_public_key))
        .and(endpoint!(of_environment::delete_public_key))
        .and(endpoint!(of_account::list))
        .and(endpoint!(of_account::create))
        .and(endpoint!(of_account::show))
        .and(endpoint!(of_account::usage))
        .and(endpoint!(of_account::change))
        .and(endpoint!(of_account::remove))
        .and(endpoint!(of_account::rotate))
        .and(endpoint!(of_account::delete_secret))
        .and(endpoint!(of_account::add_public_key))
        .and(endpoint!(of_account::delete_public_key))
        .and(endpoint!(environment_applications::list))
        .and(endpoint!(environment_applications::create))
        .and(endpoint!(environment_applications::show))
        .and(endpoint!(environment_applications::remove))
        .and(endpoint!(account_applications::list))
        .and(endpoint!(account_applications::create))
        .and(endpoint!(account_applications::show))
        .and(endpoint!(account_applications::remove))
        .and(endpoint!(queries::list))
        .and(endpoint!(queries::create))
        .and(endpoint!(queries::show))
        .and(endpoint!(queries::change))
        .and(endpoint!(queries::close))
        .and(endpoint!(queries::statistics))
        .and(endpoint!(responses::submit))
        .and(endpoint!(reports::overview))
        .and(endpoint!(reports::feedback))
        .and(endpoint!(reports::query))
        .and(endpoint!(audit_events::of_environment))
        .and(endpoint!(audit_events::of_account))
        .and(endpoint!(leaked_secrets::report))
        .and(endpoint!(openapi::show))
        .and(endpoint!(docs::show))
}
