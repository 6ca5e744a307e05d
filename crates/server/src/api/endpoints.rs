//! Registers routes. Each comes with what it asks of its callers, taken from its handler's own arguments, so that
//! the document can't say anything else than what is enforced.

use std::sync::Arc;

use axum::handler::Handler;
use domain::Scope;
use utoipa::PartialSchema;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{ArrayBuilder, Schema};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, Required, ResponseBuilder};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};

use super::authorization::{Access, Guard};
use crate::app::App;

/// The name of the security scheme in the document.
pub(super) const SECURITY_SCHEME: &str = "oauth2";

/// The arguments of a handler that takes a [`Guard`] first.
pub(super) trait Guarded {
    /// What the handler asks of its callers.
    const ACCESS: Access;
}

macro_rules! guarded {
    ($(($($rest:ident),*))*) => {$(
        impl<M, G: Guard, $($rest),*> Guarded for (M, G, $($rest,)*) {
            const ACCESS: Access = G::ACCESS;
        }
    )*};
}

guarded! { () (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) }

/// What `handler` asks of its callers. A handler that asks nothing, not even `Public`, does not compile.
pub(super) fn access_of<H, T>(_: H) -> Access
where
    H: Handler<T, Arc<App>>,
    T: Guarded,
{
    T::ACCESS
}

/// A route with what it asks of its callers.
pub(super) struct Endpoint {
    pub(super) routes: UtoipaMethodRouter<Arc<App>>,
    pub(super) access: Access,
}

/// The route of a handler.
macro_rules! endpoint {
    ($handler:path) => {
        $crate::api::endpoints::Endpoint {
            routes: utoipa_axum::routes!($handler),
            access: $crate::api::endpoints::access_of($handler),
        }
    };
}

pub(super) use endpoint;

/// Routes, and the document that describes them.
pub(super) struct Endpoints(OpenApiRouter<Arc<App>>);

impl Endpoints {
    /// None yet.
    pub(super) fn new(openapi: OpenApi) -> Self {
        Self(OpenApiRouter::with_openapi(openapi))
    }

    /// These and one more.
    pub(super) fn and(self, endpoint: Endpoint) -> Self {
        let Endpoint { routes: (schemas, mut paths, methods), access } = endpoint;
        for (path, item) in &mut paths.paths {
            let operations = [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                describe(operation, path, access);
            }
        }
        Self(self.0.routes((schemas, paths, methods)))
    }

    /// The router and the document.
    pub(super) fn split(self) -> (axum::Router<Arc<App>>, OpenApi) {
        let (router, mut document) = self.0.split_for_parts();
        refer_to_items(&mut document);
        (router, document)
    }
}

/// Has the lists refer to the schemas of their items, which would stand in them once more otherwise.
fn refer_to_items(document: &mut OpenApi) {
    for (name, schema) in document.components.iter_mut().flat_map(|components| &mut components.schemas) {
        if let (Some(item), RefOr::T(Schema::Object(list))) = (name.strip_prefix("List_"), schema) {
            let items =
                ArrayBuilder::new().items(Ref::from_schema_name(item)).description(Some("The page's items."));
            list.properties.insert("items".to_owned(), RefOr::T(Schema::Array(items.build())));
        }
    }
}

/// Says of an operation what follows from its address and from what it asks of its callers.
fn describe(operation: &mut Operation, path: &str, access: Access) {
    let in_path: Vec<_> =
        path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
    let parameters = operation.parameters.get_or_insert_default();
    let declared = parameters.split_off(0);
    parameters.extend(in_path.iter().map(|name| RefOr::T(path_parameter(name))));
    let takes_parameters = !declared.is_empty() || operation.request_body.is_some();
    parameters.extend(declared);
    let takes_body = operation.request_body.as_mut().is_some_and(allow_no_null);

    let Access::Token(any_of) = access else {
        operation.security = Some(Vec::new());
        return;
    };
    operation.security = Some(match any_of {
        [] => vec![SecurityRequirement::new(SECURITY_SCHEME, [] as [&str; 0])],
        scopes => {
            scopes.iter().map(|scope| SecurityRequirement::new(SECURITY_SCHEME, [scope.name()])).collect()
        }
    });
    let mut problem = |status: &str, description: String| {
        let content = Content::new(Some(Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new()
            .description(description)
            .content("application/problem+json", content)
            .build();
        operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(response));
    };
    let bad =
        if takes_parameters { "A parameter or field is not as it should be" } else { "An unknown parameter" };
    problem("400", format!("{bad}, or the token is not given as it should be."));
    problem("401", "There is no token, or it is not valid any more.".to_owned());
    if !any_of.is_empty() {
        problem("403", format!("The token lacks the scope: {}.", any_of_sentence(any_of)));
    }
    if takes_body {
        problem("413", "The body is too large.".to_owned());
        problem("415", "The body is not said to be JSON.".to_owned());
    }
    if !in_path.is_empty() {
        problem("404", "There is no such object within the token's reach.".to_owned());
    }
    problem("503", "The service can't answer right now; see `Retry-After`.".to_owned());
}

/// A body that may be missing may still not be `null`.
fn allow_no_null(body: &mut RefOr<RequestBody>) -> bool {
    if let RefOr::T(body) = body {
        for content in body.content.values_mut() {
            if let RefOr::T(content) = content
                && let Some(RefOr::T(Schema::OneOf(either))) = &mut content.schema
            {
                content.schema = either.items.first().cloned();
            }
        }
    }
    true
}

/// The scopes as people read them.
pub(super) fn any_of_sentence(any_of: &[Scope]) -> String {
    let names: Vec<_> = any_of.iter().map(|scope| format!("`{scope}`")).collect();
    names.join(" or ")
}

fn path_parameter(name: &str) -> Parameter {
    let description = match name {
        "acc" => "The account, `acc_…`.",
        "env" => "The environment, `env_…`.",
        "key" => "The Key ID, `key_…`.",
        "app" => "The application, `app_…`.",
        "qry" => "The query, `qry_…`.",
        _ => "The number of the secret or public key.",
    };
    let schema = if name == "n" { u32::schema() } else { String::schema() };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}
