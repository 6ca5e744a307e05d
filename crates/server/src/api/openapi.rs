//! `GET /v1/openapi.json`: the description of the API (OpenAPI 3.1), made from the code that serves it.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use domain::Scope;
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{AuthorizationCode, ClientCredentials, Flow, OAuth2, Scopes, SecurityScheme};

use super::authorization::Public;
use super::endpoints::SECURITY_SCHEME;
use super::error::ApiError;
use super::parameters::NoParameters;
use super::shapes::Problem;
use crate::oauth::{AUTHORIZATION_PATH, TOKEN_PATH};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Feedback API",
        version = "1",
        description = "Read and administer one customer's feedback with an API keypair. Obtain an access token for the \
            keypair at the token endpoint (client credentials grant), and send it in the header `Authorization`. An \
            application that acts in a person's name obtains one by the authorization code grant with PKCE.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT"),
    ),
    servers((url = "/")),
    components(schemas(Problem)),
    tags(
        (name = "Access", description = "What a token is, and what it reaches."),
        (name = "Accounts", description = "The customer, which owns the environments."),
        (name = "Environments", description = "Where feedback is collected."),
        (name = "Keypairs of an environment", description = "What programs obtain tokens with that reach one environment. They end with it."),
        (name = "Keypairs of the account", description = "What programs obtain tokens with that reach every environment of the account. They end with it."),
        (name = "Applications of an environment", description = "Programs that people can let act in their names in one environment. They end with it."),
        (name = "Applications of the account", description = "Programs that people can let act in their names in the account and its environments. They end with it."),
        (name = "Queries", description = "Questions put to people."),
        (name = "Responses", description = "What people answer, to a query or spontaneously."),
        (name = "Reports", description = "Totals, score distributions, averages and counts of unique respondents and machines. No individual appears in them."),
        (name = "Audit log", description = "Who changed what, and when. Each line carries the hash of the line before it."),
        (name = "Leaked secrets", description = "For whoever has found a Key Secret where it should not be."),
        (name = "Documentation", description = "This description, for programs and for people."),
    ),
)]
struct Description;

/// The document without its operations.
pub(super) fn description() -> OpenApi {
    let mut document = Description::openapi();
    let scopes = || Scopes::from_iter(Scope::ALL.map(|scope| (scope.name(), scope.allows())));
    let by_keypair = Flow::ClientCredentials(ClientCredentials::new(TOKEN_PATH, scopes()));
    let by_person = Flow::AuthorizationCode(AuthorizationCode::with_refresh_url(
        AUTHORIZATION_PATH,
        TOKEN_PATH,
        scopes(),
        TOKEN_PATH,
    ));
    let scheme = SecurityScheme::OAuth2(OAuth2::with_description(
        [by_keypair, by_person],
        "An access token of an API keypair: the Key ID is the `client_id`, the Key Secret the `client_secret`. Sent as \
         `Authorization: Bearer …`. A token whose `token_type` is `DPoP` is bound to a key of the client's and sent as \
         `Authorization: DPoP …`, with a proof in the header `DPoP` (RFC 9449); one that is bound to the client's \
         certificate is sent as a Bearer token over a connection with that (RFC 8705 §3).",
    ));
    document.components.get_or_insert_default().add_security_scheme(SECURITY_SCHEME, scheme);
    document
}

static DOCUMENT: LazyLock<Result<String, String>> = LazyLock::new(|| {
    let (_, document) = super::endpoints().split();
    let json = document.to_pretty_json().map_err(|error| error.to_string())?;
    // Lines of the code's comments are no lines of the descriptions.
    Ok(json.replace("\\n", " ") + "\n")
});

/// The document as JSON.
pub(super) fn document() -> Result<&'static str, ApiError> {
    DOCUMENT.as_deref().map_err(|error| ApiError::Internal(error.as_str().into()))
}

/// Show this description for programs
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    operation_id = "showOpenApi",
    tag = "Documentation",
    responses((status = 200, description = "An OpenAPI 3.1 document.", body = Object)),
)]
pub(super) async fn show(_: Public, _: NoParameters) -> Result<impl IntoResponse, ApiError> {
    let headers = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=300")];
    Ok((headers, document()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document is committed, so that a change to the API shows in review. `UPDATE_OPENAPI=1` writes it anew.
    #[test]
    fn the_committed_document_is_the_one_that_is_served() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi.json");
        let document = document().unwrap();
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(path, document).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == document,
            "openapi.json differs from the code; run `UPDATE_OPENAPI=1 cargo test -p feedback openapi` and commit it"
        );
    }

    #[test]
    fn the_document_is_of_version_3_1_and_every_reference_leads_somewhere() {
        let document: serde_json::Value = serde_json::from_str(document().unwrap()).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        let mut open = vec![&document];
        while let Some(value) = open.pop() {
            match value {
                serde_json::Value::Object(fields) => {
                    if let Some(reference) = fields.get("$ref") {
                        let pointer = reference.as_str().unwrap().trim_start_matches('#');
                        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
                    }
                    open.extend(fields.values());
                }
                serde_json::Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
    }

    #[test]
    fn operation_ids_are_unique_and_everything_is_explained() {
        let document: serde_json::Value = serde_json::from_str(document().unwrap()).unwrap();
        let mut seen = std::collections::HashSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(seen.insert(id.to_owned()), "{id} twice");
                assert!(operation["summary"].is_string(), "{method} {path} has no summary");
                assert!(operation["security"].is_array(), "{method} {path} says nothing of tokens");
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    assert!(parameter["description"].is_string(), "{method} {path}: {}", parameter["name"]);
                }
            }
        }
    }
}
