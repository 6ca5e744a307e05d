use domain::{Environment, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::account::OpenOrClosed;

/// An environment: where feedback is collected.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Environment)]
pub(crate) struct EnvironmentShape {
    /// Its identifier.
    #[schema(example = "env_01jx1m2q6fe8gtvdb2v3cx2xkq")]
    id: String,
    /// The account that owns it.
    #[schema(example = "acc_01jx1m2q6fe8gtvdb2v3cx2xkq")]
    account_id: String,
    /// What its people call it.
    #[schema(example = "Production")]
    name: String,
    /// Whether it is in use.
    #[schema(value_type = OpenOrClosed)]
    state: &'static str,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was closed; `null` while it is open.
    #[schema(value_type = Option<String>, format = DateTime, required = true, example = json!(null))]
    closed_at: Option<Timestamp>,
}

impl From<&Environment> for EnvironmentShape {
    fn from(environment: &Environment) -> Self {
        Self {
            id: environment.id.to_string(),
            account_id: environment.account.to_string(),
            name: environment.name.to_string(),
            state: environment.state.name(),
            created_at: environment.created_at,
            closed_at: environment.state.closed_at(),
        }
    }
}
