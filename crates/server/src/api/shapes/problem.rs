use serde::Serialize;
use utoipa::ToSchema;

/// Why a request was not carried out (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// Where this kind of problem is explained.
    #[serde(rename = "type")]
    #[schema(example = "https://feedback.example.com/docs#problem-insufficient_scope")]
    pub(crate) kind: String,
    /// The kind of problem, for people.
    #[schema(example = "The token lacks a scope")]
    pub(crate) title: &'static str,
    /// The HTTP status.
    #[schema(example = 403)]
    pub(crate) status: u16,
    /// The kind of problem, for programs; it never changes.
    #[schema(example = "insufficient_scope")]
    pub(crate) code: &'static str,
    /// What to mend, for people.
    #[schema(example = "This needs a token with the scope `feedback-report:read`.")]
    pub(crate) detail: String,
    /// The name of the request, as in `x-request-id` and in the server's log.
    #[schema(example = "8f2c6e0b1d9a4735")]
    pub(crate) request_id: String,
    /// What is wrong with which field or parameter.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) errors: Vec<FieldError>,
}

/// One thing wrong with a body or with the parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// Where, as in `responses[3].score`.
    #[schema(example = "responses[3].score")]
    pub(crate) field: String,
    /// What to mend.
    #[schema(example = "expected a whole number from 1 to 5, not 7")]
    pub(crate) detail: String,
}

impl FieldError {
    /// That `field` is not as it should be.
    pub(crate) fn new(field: impl Into<String>, detail: impl std::fmt::Display) -> Self {
        Self { field: shortened(field.into()), detail: shortened(detail.to_string()) }
    }
}

/// What a client sent can be long; the answer need not repeat all of it.
fn shortened(text: String) -> String {
    const MOST: usize = 300;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
