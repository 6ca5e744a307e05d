use domain::{Environment, Scopes, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{OwnerShape, ScopeName};
use crate::oauth::access_token::Verified;
use crate::oauth::token_basis::Basis;

/// What a token is, and what it reaches.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Access)]
pub(crate) struct AccessShape {
    /// The Key ID of the keypair that obtained the token; `null` for one that an application has in a person's name.
    #[schema(example = "key_01jx1m2q6fe8gtvdb2v3cx2xkq", required = true)]
    key_id: Option<String>,
    /// The person in whose name an application has the token; only of such a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    user_id: Option<String>,
    /// The application's client_id; only of such a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    client_id: Option<String>,
    /// Whom the keypair belongs to, or where the application may act.
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
    /// The shape of a token that reaches `environments` at this moment.
    pub(crate) fn new(token: &Verified, environments: Vec<ReachedEnvironment>) -> Self {
        let (key_id, user_id, client_id) = match &token.basis {
            Basis::Keypair(claims, _) => (Some(claims.keypair.to_string()), None, None),
            Basis::Grant(claims, _) => (None, Some(claims.user.to_string()), Some(claims.client.to_string())),
        };
        Self {
            key_id,
            user_id,
            client_id,
            owner: OwnerShape::from(&token.owner()),
            scopes: token.scopes,
            environments,
            expires_at: token.expires_at(),
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
