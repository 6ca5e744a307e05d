//! Environments: list, create, show, rename, close.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use domain::{Environment, EnvironmentId, Name};
use serde::Deserialize;
use utoipa::ToSchema;

use super::authorization::{AccountAdmin, Any, InEnvironment, Token};
use super::body::{Body, FieldErrors, Nothing, OptionalBody, present};
use super::error::ApiError;
use super::parameters::{NoParameters, Page, PageParameters, Parameters, page};
use super::shapes::{EnvironmentShape, ListShape};
use super::versions::{IfMatch, IfMatchParameter, Versioned};
use crate::app::App;

impl From<&Environment> for Versioned<EnvironmentShape> {
    fn from(environment: &Environment) -> Self {
        Self { version: environment.version, shape: environment.into() }
    }
}

/// List environments
///
/// The open environments that the token reaches, the oldest first.
#[utoipa::path(
    get,
    path = "/v1/environments",
    operation_id = "listEnvironments",
    tag = "Environments",
    params(PageParameters),
    responses((status = 200, description = "A page of the environments.", body = ListShape<EnvironmentShape>)),
)]
pub(super) async fn list(
    token: Token<Any>,
    State(app): State<Arc<App>>,
    Parameters(wanted): Parameters<Page<EnvironmentId>>,
) -> Result<Json<ListShape<EnvironmentShape>>, ApiError> {
    let (slice, limit) = wanted.slice();
    let found = token.verified().environments(&app, slice).await?;
    Ok(page(found, limit, |environment| environment.id, |environment| EnvironmentShape::from(environment)))
}

/// A new environment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEnvironment {
    /// What its people will call it: 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100, example = "Production")]
    name: String,
}

/// Create an environment
///
/// It belongs to the account whose keypair obtained the token.
#[utoipa::path(
    post,
    path = "/v1/environments",
    operation_id = "createEnvironment",
    tag = "Environments",
    request_body = NewEnvironment,
    responses((
        status = 201, description = "The environment.", body = EnvironmentShape,
        headers(("ETag" = String, description = "Its version."), ("Location" = String, description = "Its address.")),
    )),
)]
pub(super) async fn create(
    token: Token<AccountAdmin>,
    State(app): State<Arc<App>>,
    _: NoParameters,
    Body(new): Body<NewEnvironment>,
) -> Result<impl IntoResponse, ApiError> {
    let account = token.account()?;
    let now = app.clock.now();
    let environment = Environment::new(account, checked_name(&new.name)?, now, &*app.entropy);
    app.store.create_environment(&app.stamp(&token.author(), now), &environment).await?;
    let location = format!("/v1/environments/{}", environment.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Versioned::from(&environment)))
}

/// Show an environment
#[utoipa::path(
    get,
    path = "/v1/environments/{env}",
    operation_id = "showEnvironment",
    tag = "Environments",
    responses((
        status = 200, description = "The environment.", body = EnvironmentShape,
        headers(("ETag" = String, description = "Its version.")),
    )),
)]
pub(super) async fn show(environment: InEnvironment<Any>, _: NoParameters) -> Versioned<EnvironmentShape> {
    Versioned::from(environment.environment())
}

/// What to change of an environment; what is missing stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EnvironmentChange {
    /// What its people will call it: 1 to 100 characters.
    #[serde(default, deserialize_with = "present")]
    #[schema(min_length = 1, max_length = 100, value_type = String, required = false, example = "Production")]
    name: Option<String>,
}

/// Rename an environment
#[utoipa::path(
    patch,
    path = "/v1/environments/{env}",
    operation_id = "changeEnvironment",
    tag = "Environments",
    params(IfMatchParameter),
    request_body = EnvironmentChange,
    responses(
        (
            status = 200, description = "The environment after the change.", body = EnvironmentShape,
            headers(("ETag" = String, description = "Its version.")),
        ),
        (status = 412, description = "It was changed since.", body = super::shapes::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn change(
    environment: InEnvironment<AccountAdmin>,
    State(app): State<Arc<App>>,
    _: NoParameters,
    IfMatch(expected): IfMatch,
    Body(change): Body<EnvironmentChange>,
) -> Result<Versioned<EnvironmentShape>, ApiError> {
    let Some(name) = change.name.as_deref().map(checked_name).transpose()? else {
        let current = app.store.environment(environment.id()).await?;
        if expected.is_some_and(|expected| expected != current.version) {
            return Err(ApiError::Moved);
        }
        return Ok(Versioned::from(&current));
    };
    let stamp = app.stamp(&environment.author(), app.clock.now());
    let renamed = app.store.rename_environment(&stamp, environment.id(), expected, &name).await?;
    Ok(Versioned::from(&renamed))
}

/// Close an environment
///
/// It stops for good, and its keypairs cease to exist with it: their tokens end at once.
#[utoipa::path(
    post,
    path = "/v1/environments/{env}/close",
    operation_id = "closeEnvironment",
    tag = "Environments",
    params(IfMatchParameter),
    responses(
        (
            status = 200, description = "The environment, closed.", body = EnvironmentShape,
            example = json!({
                "id": "env_01jx1m2q6fe8gtvdb2v3cx2xkq", "account_id": "acc_01jx1m2q6fe8gtvdb2v3cx2xkq",
                "name": "Production", "state": "closed", "created_at": "2026-01-31T12:00:00Z",
                "closed_at": "2026-11-26T09:30:00Z",
            }),
        ),
        (status = 412, description = "It was changed since.", body = super::shapes::Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn close(
    environment: InEnvironment<AccountAdmin>,
    State(app): State<Arc<App>>,
    _: NoParameters,
    IfMatch(expected): IfMatch,
    _: OptionalBody<Nothing>,
) -> Result<Versioned<EnvironmentShape>, ApiError> {
    let stamp = app.stamp(&environment.author(), app.clock.now());
    let closed = app.store.close_environment(&stamp, environment.id(), expected).await?;
    Ok(Versioned::from(&closed))
}

fn checked_name(name: &str) -> Result<Name, ApiError> {
    let mut errors = FieldErrors::default();
    errors.check("name", Name::new(name)).ok_or_else(|| errors.into_error())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::api::test_harness::TestApp;

    #[tokio::test]
    async fn an_environment_is_created_renamed_and_listed() {
        let test = TestApp::start().await;
        let account = test.account("Acme").await;
        let token = test.token(account, "feedback-account-admin").await;
        let created = test.call(&token, "POST", "/v1/environments", json!({"name": " Production "})).await;
        let mut body = created.expect(201);
        let address = format!("/v1/environments/{}", body["id"].as_str().unwrap());
        assert_eq!((created.header("location"), created.header("etag")), (address.as_str(), "\"1\""));
        assert_eq!(
            body,
            json!({
                "id": body["id"], "account_id": account.to_string(), "name": "Production", "state": "open",
                "created_at": test.now(), "closed_at": null,
            })
        );
        let rename = async |name: &str, tag: &str| {
            test.call_with(&token, "PATCH", &address, json!({"name": name}), &[("if-match", tag)]).await
        };
        let renamed = rename("Live", "\"1\"").await;
        body["name"] = json!("Live");
        assert_eq!((renamed.expect(200), renamed.header("etag")), (body.clone(), "\"2\""));
        assert_eq!(rename("Late", "\"1\"").await.problem(412), "precondition_failed");
        let shown = test.get(&token, &address).await;
        assert_eq!(
            (shown.expect(200), shown.header("etag")),
            (body.clone(), "\"2\""),
            "what changed shows at once"
        );
        assert_eq!(
            test.get(&token, "/v1/environments").await.expect(200),
            json!({"items": [body], "next_cursor": null})
        );
        let nothing = test.call(&token, "PATCH", &address, json!({})).await;
        assert_eq!((nothing.expect(200), nothing.header("etag")), (body, "\"2\""));
        let empty = rename(" ", "*").await;
        assert_eq!(empty.errors(), ["name: must not be empty"]);
        let owner = test.call(&token, "PATCH", &address, json!({"account_id": "acc_x"})).await;
        assert_eq!(owner.errors(), ["account_id: unknown field `account_id`, expected `name`"]);
    }

    #[tokio::test]
    async fn a_narrowed_token_does_not_reach_the_account() {
        let test = TestApp::start().await;
        let account = test.account("Acme").await;
        let environment = test.environment(account, "Production").await;
        let key = test.key(account, "feedback-account-admin").await;
        let resource = format!("&resource={}/environments/{environment}", test.app.config.api_resource());
        let token = test.exchange(&key, &resource).await;
        let create = test.call(&token, "POST", "/v1/environments", json!({"name": "More"})).await;
        assert_eq!(create.problem(404), "not_found");
        let listed = test.get(&token, "/v1/environments").await.expect(200);
        assert_eq!(listed["items"].as_array().unwrap().len(), 1);
        let close =
            test.call(&token, "POST", &format!("/v1/environments/{environment}/close"), Value::Null).await;
        assert_eq!(close.expect(200)["state"], "closed");
    }

    #[tokio::test]
    async fn an_account_shows_itself() {
        let test = TestApp::start().await;
        let account = test.account("Acme").await;
        let created_at = test.now();
        let token = test.token(account, "feedback-report:read").await;
        let shown = test.get(&token, &format!("/v1/accounts/{account}")).await;
        assert_eq!(shown.header("etag"), "\"1\"");
        assert_eq!(
            shown.expect(200),
            json!({
                "id": account.to_string(), "name": "Acme", "state": "open", "created_at": created_at, "closed_at": null,
            })
        );
    }
}
