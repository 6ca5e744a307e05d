use domain::{Account, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

/// An account.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct AccountShape {
    /// Its identifier.
    #[schema(example = "acc_01jx1m2q6fe8gtvdb2v3cx2xkq")]
    id: String,
    /// What its people call it.
    #[schema(example = "Acme")]
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

/// Only for the document: what `state` can be.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "names the values in the OpenAPI document")]
pub(super) enum OpenOrClosed {
    Open,
    Closed,
}

impl From<&Account> for AccountShape {
    fn from(account: &Account) -> Self {
        Self {
            id: account.id.to_string(),
            name: account.name.to_string(),
            state: account.state.name(),
            created_at: account.created_at,
            closed_at: account.state.closed_at(),
        }
    }
}
