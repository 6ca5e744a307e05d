//! Parameters in the query, read strictly: each once, none that is not known.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use storage::Slice;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::{IntoParams, openapi::KnownFormat, openapi::SchemaFormat};

use super::error::ApiError;
use super::shapes::{FieldError, ListShape};
use crate::app::App;

/// The parameters of a request.
pub(crate) struct Parameters<T>(pub(crate) T);

/// Parameters that can be read from a request's query.
pub(crate) trait FromParameters: Sized {
    /// Takes what it knows; the rest is refused. Faults are noted in `given`, whose request is refused then.
    fn take(given: &mut Given) -> Self;
}

impl<T: FromParameters> FromRequestParts<Arc<App>> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        read(parts, T::take).map(Self)
    }
}

fn read<T>(parts: &Parts, take: impl FnOnce(&mut Given) -> T) -> Result<T, ApiError> {
    let Ok(Query(pairs)) = Query::try_from_uri(&parts.uri) else {
        return Err(ApiError::BadParameters(vec![FieldError::new("", "the query can't be read")]));
    };
    let mut given = Given { pairs, errors: Vec::new() };
    let taken = take(&mut given);
    for (name, _) in std::mem::take(&mut given.pairs) {
        given.refuse(&name, "there is no such parameter here");
    }
    if given.errors.is_empty() { Ok(taken) } else { Err(ApiError::BadParameters(given.errors)) }
}

/// The parameters that a request gives and nobody took yet.
pub(crate) struct Given {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl Given {
    /// The one value of `name`, read by `read`; none if it is not given or not as it should be.
    pub(crate) fn take<T, E: Display>(
        &mut self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let mut values = self.pairs.extract_if(.., |(given, _)| given == name).map(|(_, value)| value);
        let value = values.next()?;
        if values.count() > 0 {
            self.refuse(name, "is given more than once");
            return None;
        }
        read(&value).map_err(|error| self.refuse(name, error)).ok()
    }

    /// Notes that `name` is not as it should be.
    pub(crate) fn refuse(&mut self, name: &str, detail: impl Display) {
        self.errors.push(FieldError::new(name, detail));
    }
}

/// For addresses that take no parameters.
pub(crate) struct NoParameters;

impl FromRequestParts<Arc<App>> for NoParameters {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        read(parts, |_| Self)
    }
}

/// The most items of a page.
const MOST: u32 = 100;

/// The items of a page, unless the client says otherwise.
const USUAL: u32 = 50;

/// Which part of a list a request asks for; its items are in the order of `Id`.
pub(crate) struct Page<Id> {
    /// The most items.
    pub(crate) limit: u32,
    /// The last item of the page before.
    pub(crate) after: Option<Id>,
}

impl<Id: FromStr> FromParameters for Page<Id> {
    fn take(given: &mut Given) -> Self {
        let limit = given.take("limit", |text| {
            let limit = text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
            limit.ok_or_else(|| format!("expected a whole number from 1 to {MOST}"))
        });
        let after = given.take("cursor", |text| {
            let decoded =
                BASE64_URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            decoded
                .and_then(|id| id.parse().ok())
                .ok_or("not a `next_cursor` of this list; start again without it")
        });
        Self { limit: limit.unwrap_or(USUAL), after }
    }
}

impl<Id> Page<Id> {
    /// What to ask the store for: one more than the page holds, to see whether there is another.
    pub(crate) fn slice(self) -> (Slice<Id>, usize) {
        (Slice { after: self.after, limit: self.limit + 1 }, self.limit as usize)
    }
}

/// The page of at most `limit` of `found`, which holds one more if there is another page.
pub(crate) fn page<T, Shape, Id: Display>(
    mut found: Vec<T>,
    limit: usize,
    id: impl Fn(&T) -> Id,
    shape: impl Fn(&T) -> Shape,
) -> axum::Json<ListShape<Shape>> {
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    let next_cursor = last.map(|last| BASE64_URL_SAFE_NO_PAD.encode(id(last).to_string()));
    axum::Json(ListShape { items: found.iter().map(shape).collect(), next_cursor })
}

/// What the document says of `limit` and `cursor`.
pub(crate) struct PageParameters;

impl IntoParams for PageParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let limit = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .minimum(Some(1))
            .maximum(Some(MOST))
            .default(Some(USUAL.into()));
        let cursor = ObjectBuilder::new().schema_type(Type::String);
        let parameter = |name: &str, description: &str| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Query)
                .required(utoipa::openapi::Required::False)
                .description(Some(description))
        };
        vec![
            parameter("limit", "The most items of the page.").schema(Some(limit)).build(),
            parameter("cursor", "The `next_cursor` of the page before.").schema(Some(cursor)).build(),
        ]
    }
}
