//! JSON bodies, read strictly: what is not understood is refused by name, never ignored.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use domain::{Timestamp, truncated_to_millis};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error as _, MapAccess, Visitor};

use super::error::ApiError;
use super::shapes::FieldError;
use crate::app::App;
use crate::whole_body::LONGEST_ELSEWHERE;

/// A JSON body of at most `MOST` bytes.
pub(crate) struct Body<T, const MOST: usize = LONGEST_ELSEWHERE>(pub(crate) T);

impl<T: DeserializeOwned, const MOST: usize> FromRequest<Arc<App>> for Body<T, MOST> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, ApiError> {
        if !says_json(&request) {
            return Err(ApiError::NotJson);
        }
        read(&bytes(request, MOST).await?).map(Self)
    }
}

/// A JSON body that may be missing.
pub(crate) struct OptionalBody<T>(pub(crate) T);

impl<T: DeserializeOwned + Default> FromRequest<Arc<App>> for OptionalBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, ApiError> {
        let json = says_json(&request);
        match bytes(request, LONGEST_ELSEWHERE).await? {
            empty if empty.is_empty() => Ok(Self(T::default())),
            _ if !json => Err(ApiError::NotJson),
            body => read(&body).map(Self),
        }
    }
}

/// No fields at all: the body, if there is one, must be an empty object.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

fn says_json(request: &Request) -> bool {
    let Some(content_type) = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// The body, which has been read already.
async fn bytes(request: Request, most: usize) -> Result<Bytes, ApiError> {
    to_bytes(request.into_body(), most).await.map_err(|_| ApiError::TooLarge)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize::<_, Object<T>>(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let error = error.into_inner();
        if error.is_data() {
            let path = if path == "." { "" } else { &path };
            ApiError::BadFields(vec![fault(path, &error)])
        } else {
            ApiError::MalformedJson(error.to_string())
        }
    });
    let Object(value) = read?;
    json.end().map_err(|error| ApiError::MalformedJson(error.to_string()))?;
    Ok(value)
}

/// What is wrong, and with which field, in words for people who may not know ours.
fn fault(path: &str, error: &serde_json::Error) -> FieldError {
    let text = error.to_string();
    // The field says where; line and column say it again, worse.
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let what = what.replace("expected i64", "expected a whole number");
    // A field that is missing, or there twice, is told of the object that it belongs to.
    let own = ["missing field `", "duplicate field `"].iter().find_map(|start| what.strip_prefix(start));
    let field = match own.and_then(|rest| rest.strip_suffix('`')) {
        Some(name) if path.is_empty() => name.to_owned(),
        Some(name) => format!("{path}.{name}"),
        None => path.to_owned(),
    };
    FieldError::new(field, what)
}

/// A JSON object. Without it, a list of values in the order of the fields would do for a struct.
#[derive(Debug)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }

        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

/// For a field that may be missing but, if `T` can't be `null`, not `null`.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// An instant in a body (RFC 3339), in whole milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Instant(pub(crate) Timestamp);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(|at| Self(truncated_to_millis(at))).map_err(|_| {
            D::Error::custom("expected an instant as in 2026-01-31T12:00:00Z, before 9999-12-30T22:00:00Z")
        })
    }
}

/// Gathers what is wrong with the fields of a body, so that a client hears of all of it at once.
#[derive(Debug, Default)]
pub(crate) struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// The value, or nothing and a note of what is wrong with `field`.
    pub(crate) fn check<T>(&mut self, field: &str, value: Result<T, impl fmt::Display>) -> Option<T> {
        value.map_err(|error| self.0.push(FieldError::new(field, error))).ok()
    }

    /// What was noted, as an error.
    pub(crate) fn into_error(self) -> ApiError {
        ApiError::BadFields(self.0)
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read into")]
    struct Outer {
        name: String,
        #[serde(default)]
        rows: Vec<Object<Row>>,
        #[serde(default, deserialize_with = "present")]
        on: Option<bool>,
        #[serde(default, deserialize_with = "present")]
        at: Option<Option<Instant>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read into")]
    struct Row {
        score: i64,
    }

    fn told(body: &str) -> String {
        match read::<Outer>(body.as_bytes()).unwrap_err() {
            ApiError::BadFields(errors) => {
                errors.iter().map(|error| format!("{}: {}", error.field, error.detail)).collect()
            }
            ApiError::MalformedJson(_) => "malformed".to_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn faults_are_named_by_field() {
        let cases = [
            (r#"{"nam": 1}"#, "nam: unknown field `nam`, expected one of `name`, `rows`, `on`, `at`"),
            (r#"{"name": 1}"#, "name: invalid type: integer `1`, expected a string"),
            (r#"{}"#, "name: missing field `name`"),
            (r#"{"name": "a", "name": "b"}"#, "name: duplicate field `name`"),
            (
                r#"{"name": "a", "rows": [{"score": 1}, {"score": 1.5}]}"#,
                "rows[1].score: invalid type: floating point `1.5`, expected a whole number",
            ),
            (
                r#"{"name": "a", "rows": [{"score": 1, "id": 2}]}"#,
                "rows[0].id: unknown field `id`, expected `score`",
            ),
            (r#"{"name": "a", "rows": [[5]]}"#, "rows[0]: invalid type: sequence, expected an object"),
            (r#"["a"]"#, ": invalid type: sequence, expected an object"),
            (r#"{"name": "a", "on": null}"#, "on: invalid type: null, expected a boolean"),
            (
                r#"{"name": "a", "at": "soon"}"#,
                "at: expected an instant as in 2026-01-31T12:00:00Z, before 9999-12-30T22:00:00Z",
            ),
            (r#"{"name": "a"} {}"#, "malformed"),
            (r#"{"name": "a""#, "malformed"),
            ("", "malformed"),
            ("{\"name\": \"\u{1}\"}", "malformed"),
        ];
        for (body, expected) in cases {
            assert_eq!(told(body), expected, "{body}");
        }
        assert_eq!(told(&"[".repeat(100_000)), ": invalid type: sequence, expected an object");
    }

    #[test]
    fn absent_and_null_differ() {
        let at = |body: &str| read::<Outer>(body.as_bytes()).unwrap().at.map(|at| at.is_some());
        assert_eq!(at(r#"{"name": "a"}"#), None);
        assert_eq!(at(r#"{"name": "a", "at": null}"#), Some(false));
        assert_eq!(at(r#"{"name": "a", "at": "2026-01-31T12:00:00+01:00"}"#), Some(true));
    }
}
