//! Versions of objects: `ETag` in answers, `If-Match` in edits (RFC 9110 §8.8.3, §13.1.1).

use std::sync::Arc;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::HeaderValue;
use axum::http::header::{ETAG, IF_MATCH};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::error::ApiError;
use crate::app::App;

/// The version that the object must still have, by `If-Match`; none if any will do.
pub(crate) struct IfMatch(pub(crate) Option<i64>);

impl FromRequestParts<Arc<App>> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, ApiError> {
        if !parts.headers.contains_key(IF_MATCH) {
            return Ok(Self(None));
        }
        let mut tags = Vec::new();
        for header in parts.headers.get_all(IF_MATCH) {
            let text = header.to_str().map_err(|_| MALFORMED)?;
            tags.extend(listed(text));
        }
        expected(&tags).map(Self)
    }
}

/// The parts of a list; within quotes, a comma is none that parts them.
fn listed(list: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let ends = move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    };
    list.split(ends).map(str::trim).filter(|part| !part.is_empty())
}

const MALFORMED: ApiError =
    ApiError::BadHeader("`If-Match` takes the `ETag` of the object, with its quotes, or `*`.");

/// No object has this version.
const NEVER: i64 = 0;

fn expected(tags: &[&str]) -> Result<Option<i64>, ApiError> {
    if tags == ["*"] {
        return Ok(None);
    }
    // Whoever sends the header without a tag has lost it, and does not want any version to do.
    if tags.is_empty() {
        return Err(MALFORMED);
    }
    let mut highest = NEVER;
    for tag in tags {
        // A weak tag matches nothing here (RFC 9110 §13.1.1), nor does one that we never gave.
        let opaque = tag.strip_prefix("W/").unwrap_or(tag);
        let quoted = opaque.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).ok_or(MALFORMED)?;
        if opaque == *tag {
            // Versions only grow, so of several that a client has seen, the highest alone can still be true.
            let version = quoted.parse().ok().filter(|version: &i64| version.to_string() == quoted);
            highest = highest.max(version.unwrap_or(NEVER));
        }
    }
    Ok(Some(highest))
}

/// What an operation that takes [`IfMatch`] says of it in the document.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header in the OpenAPI document")]
pub(crate) struct IfMatchParameter {
    /// The `ETag` of the object as you read it; if it was changed since, nothing is done and the answer is 412.
    #[param(rename = "If-Match", value_type = String, required = false, pattern = r#"^(\*|(W/)?"[^"]*"(, *(W/)?"[^"]*")*)$"#)]
    if_match: Option<String>,
}

/// An object with its version as the `ETag`.
pub(crate) struct Versioned<T> {
    /// Its version.
    pub(crate) version: i64,
    /// Its shape.
    pub(crate) shape: T,
}

impl<T: Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.shape).into_response();
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", self.version)) {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_names_a_version_or_any() {
        assert_eq!(expected(&["*"]).unwrap(), None);
        assert_eq!(expected(&["\"7\""]).unwrap(), Some(7));
        assert_eq!(expected(&["\"3\"", "\"7\"", "\"5\""]).unwrap(), Some(7));
        assert_eq!(expected(&["W/\"7\""]).unwrap(), Some(NEVER), "weak tags never match");
        for never_given in ["\"of another server\"", "\"07\"", "\"+7\"", "\" 7\""] {
            assert_eq!(expected(&[never_given]).unwrap(), Some(NEVER), "{never_given}");
        }
        for malformed in ["7", "\"7", "*x", "\"7\"x"] {
            assert!(expected(&[malformed]).is_err(), "{malformed}");
        }
        assert!(expected(&["*", "\"7\""]).is_err());
        assert!(expected(&[]).is_err(), "a header without a tag");
    }

    #[test]
    fn a_comma_within_quotes_parts_nothing() {
        let list = r#" "3" ,, W/"a,b","c, d""#;
        assert_eq!(listed(list).collect::<Vec<_>>(), [r#""3""#, r#"W/"a,b""#, r#""c, d""#]);
        assert_eq!(expected(&listed(list).collect::<Vec<_>>()).unwrap(), Some(3));
    }
}
