use domain::{Query, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::account::OpenOrClosed;

/// A question put to people.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Query)]
pub(crate) struct QueryShape {
    /// Its identifier.
    #[schema(example = "qry_01jx1m2q6fe8gtvdb2v3cx2xkq")]
    id: String,
    /// Where it is asked.
    #[schema(example = "env_01jx1m2q6fe8gtvdb2v3cx2xkq")]
    environment_id: String,
    /// What it is called in lists.
    #[schema(example = "Checkout")]
    title: String,
    /// What people are asked.
    #[schema(example = "How easy was it to pay?")]
    question: String,
    /// Whether it takes responses.
    #[schema(value_type = OpenOrClosed)]
    state: &'static str,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was closed; `null` while it is open.
    #[schema(value_type = Option<String>, format = DateTime, required = true, example = json!(null))]
    closed_at: Option<Timestamp>,
}

impl From<&Query> for QueryShape {
    fn from(query: &Query) -> Self {
        Self {
            id: query.id.to_string(),
            environment_id: query.environment.to_string(),
            title: query.title.to_string(),
            question: query.question.to_string(),
            state: query.state.name(),
            created_at: query.created_at,
            closed_at: query.state.closed_at(),
        }
    }
}
