use domain::Owner;
use serde::Serialize;
use utoipa::ToSchema;

/// The account or environment that something belongs to.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Owner, example = json!({"type": "environment", "id": "env_01jx1m2q6fe8gtvdb2v3cx2xkq"}))]
pub(crate) struct OwnerShape {
    /// Which of the two.
    #[serde(rename = "type")]
    #[schema(value_type = OwnerKind)]
    kind: &'static str,
    /// Its identifier.
    #[schema(example = "env_01jx1m2q6fe8gtvdb2v3cx2xkq")]
    id: String,
}

/// Only for the document: what `type` can be.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "names the values in the OpenAPI document")]
enum OwnerKind {
    Account,
    Environment,
}

impl From<&Owner> for OwnerShape {
    fn from(owner: &Owner) -> Self {
        Self { kind: owner.kind(), id: owner.to_string() }
    }
}
