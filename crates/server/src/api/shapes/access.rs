use domain::{Environment, Scopes, Timestamp, TokenClaims};
use serde::Serialize;
use utoipa::ToSchema;

use super::{OwnerShape, ScopeName};

/// What a token is, and what it reaches.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Access)]
pub(crate) struct AccessShape {
    /// The Key ID of the keypair that obtained the token.
    #[schema(example = "key_01jx1m2q6fe8gtvdb2v3cx2xkq")]
    key_id: String,
    /// Whom the keypair belongs to.
    owner: OwnerShape,
    /// The scopes that the token has at this moment.
    #[schema(value_type = Vec<ScopeName>, example = json!(["feedback-report:read"]))]
    scopes: Scopes,
    /// The open environments that it reaches at this moment, the oldest first.
    environments: Vec<ReachedEnvironment>,
    /// When the token runs out.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// An environment that a token reaches.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct ReachedEnvironment {
    /// Its identifier.
    #[schema(example = "env_01jx1m2q6fe8gtvdb2v3cx2xkq")]
    id: String,
    /// Its name.
    #[schema(example = "Production")]
    name: String,
    /// The account that owns it.
    #[schema(example = "acc_01jx1m2q6fe8gtvdb2v3cx2xkq")]
    account_id: String,
}

impl AccessShape {
    /// The shape of a token that has `scopes` and reaches `environments` at this moment.
    pub(crate) fn new(claims: &TokenClaims, scopes: Scopes, environments: Vec<ReachedEnvironment>) -> Self {
        Self {
            key_id: claims.keypair.to_string(),
            owner: OwnerShape::from(&claims.owner),
            scopes,
            environments,
            expires_at: claims.expires_at,
        }
    }
}

impl From<&Environment> for ReachedEnvironment {
    fn from(environment: &Environment) -> Self {
        Self {
            id: environment.id.to_string(),
            name: environment.name.to_string(),
            account_id: environment.account.to_string(),
        }
    }
}
