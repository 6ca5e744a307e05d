use domain::{KeySecret, Keypair, PublicKey, Scopes, Secret, Timestamp};
use serde::Serialize;
use utoipa::ToSchema;

use super::{OwnerShape, ScopeName};
use crate::keypairs::maker;

/// An API keypair, without its secrets.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Keypair)]
pub(crate) struct KeypairShape {
    /// The Key ID: the `client_id` at the token endpoint.
    #[schema(example = "key_01jx1m2q6fe8gtvdb2v3cx2xkq")]
    id: String,
    /// Whom it belongs to, and dies with.
    owner: OwnerShape,
    /// What it is for.
    #[schema(example = "Nightly export")]
    comment: String,
    /// What its tokens may be granted.
    #[schema(value_type = Vec<ScopeName>, example = json!(["feedback-report:read"]))]
    scopes: Scopes,
    /// The administrator's switch.
    enabled: bool,
    /// Whether it works: `disabled` by an administrator, `expired` by itself.
    #[schema(value_type = KeypairStatusName)]
    status: &'static str,
    /// When it stops by itself; `null` for never.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    expires_at: Option<Timestamp>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Who made it: a user, a keypair, or `operator`.
    #[schema(example = "usr_01jx1m2q6fe8gtvdb2v3cx2xkq")]
    created_by: String,
    /// When it last authenticated or used a token, a few seconds late; `null` for never.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    last_used_at: Option<Timestamp>,
    /// What is known of its secrets, the oldest first.
    secrets: Vec<SecretShape>,
    /// Whether its secrets open anything; if not, only assertions that its public keys verify do.
    accepts_secrets: bool,
    /// What its tokens must be bound to: by `dpop` to a key of the client's (RFC 9449), by `mtls` to its certificate
    /// (RFC 8705 §3). With `none`, a client may bind them by DPoP all the same.
    #[schema(value_type = TokenBindingName)]
    token_binding: &'static str,
    /// From where it and its tokens may be used: networks in CIDR notation; from anywhere if there is none.
    #[schema(example = json!([]))]
    allowed_addresses: Vec<String>,
    /// Its public keys, the oldest first.
    public_keys: Vec<PublicKeyShape>,
}

/// What tokens can have to be bound to.
#[derive(ToSchema)]
#[schema(as = TokenBinding, rename_all = "lowercase")]
#[expect(dead_code, reason = "names the values in the OpenAPI document")]
pub(crate) enum TokenBindingName {
    None,
    Dpop,
    Mtls,
}

/// One of a keypair's public keys.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = PublicKey)]
struct PublicKeyShape {
    /// Its number within the keypair, counted together with the secrets; never given twice.
    #[schema(example = 2)]
    n: u32,
    /// Its thumbprint (RFC 7638): what an assertion may name it by.
    #[schema(example = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")]
    kid: String,
    /// What its assertions are signed with.
    #[schema(value_type = AssertionAlgorithmName)]
    algorithm: &'static str,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it stops; `null` for never.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    expires_at: Option<Timestamp>,
    /// When it last obtained a token, a few seconds late; `null` for never.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    last_used_at: Option<Timestamp>,
}

/// Only for the document: what assertions can be signed with.
#[derive(ToSchema)]
#[schema(as = AssertionAlgorithm)]
#[expect(dead_code, reason = "names the values in the OpenAPI document")]
pub(crate) enum AssertionAlgorithmName {
    #[schema(rename = "ES256")]
    Es256,
    #[schema(rename = "EdDSA")]
    EdDsa,
    #[schema(rename = "RS256")]
    Rs256,
    #[schema(rename = "PS256")]
    Ps256,
}

/// One of a keypair's secrets: all but the secret itself.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Secret)]
struct SecretShape {
    /// Its number within the keypair; never given twice.
    #[schema(example = 1)]
    n: u32,
    /// Its last characters, for telling secrets apart.
    #[schema(example = "x7Qa")]
    hint: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it stops; `null` for never.
    #[schema(value_type = Option<String>, format = DateTime, required = true, example = json!(null))]
    expires_at: Option<Timestamp>,
    /// For how many seconds it has to be idle, beside a newer secret in use, to end by itself; `null` if it does not.
    #[schema(value_type = Option<u32>, required = true, example = json!(null))]
    retire_when_idle_seconds: Option<i64>,
    /// When it was last authenticated with, a few seconds late; `null` for never.
    #[schema(value_type = Option<String>, format = DateTime, required = true)]
    last_used_at: Option<Timestamp>,
    /// When somebody who had found it reported it, which ended it and disabled the keypair; `null` if nobody did.
    #[schema(value_type = Option<String>, format = DateTime, required = true, example = json!(null))]
    leaked_at: Option<Timestamp>,
}

/// Only for the document: what `status` can be.
#[derive(ToSchema)]
#[schema(as = KeypairStatus, rename_all = "lowercase")]
#[expect(dead_code, reason = "names the values in the OpenAPI document")]
enum KeypairStatusName {
    Active,
    Disabled,
    Expired,
}

/// A keypair with a new Key Secret: the only answer that ever shows it.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeypairWithSecret {
    #[serde(flatten)]
    keypair: KeypairShape,
    /// The Key Secret, unless the keypair was made for a public key. It is shown this once; only its hash is kept.
    #[schema(required = false, example = "fbs_0aB1cD2eF3gH4iJ5kL6mN7oP8qR9sT0uV1wX2yZ3aB4cD5eF6g")]
    secret: String,
}

impl KeypairShape {
    /// The keypair as it is at `now`.
    pub(crate) fn at(now: Timestamp, keypair: &Keypair) -> Self {
        Self {
            id: keypair.id.to_string(),
            owner: OwnerShape::from(&keypair.owner),
            comment: keypair.comment.to_string(),
            scopes: keypair.scopes,
            enabled: keypair.enabled,
            status: keypair.status(now).name(),
            expires_at: keypair.expires_at,
            created_at: keypair.created_at,
            created_by: maker(&keypair.created_by),
            last_used_at: keypair.last_used_at,
            secrets: keypair.secrets.iter().map(SecretShape::from).collect(),
            accepts_secrets: keypair.accepts_secrets,
            token_binding: keypair.token_binding.name(),
            allowed_addresses: keypair.allowed_addresses.names(),
            public_keys: keypair.public_keys.iter().map(PublicKeyShape::from).collect(),
        }
    }

    /// The same with the secret that was just made.
    pub(crate) fn with_secret(self, secret: &KeySecret) -> KeypairWithSecret {
        KeypairWithSecret { keypair: self, secret: secret.reveal().to_owned() }
    }
}

impl From<&Secret> for SecretShape {
    fn from(secret: &Secret) -> Self {
        Self {
            n: secret.n,
            hint: secret.hint.clone(),
            created_at: secret.created_at,
            expires_at: secret.expires_at,
            retire_when_idle_seconds: secret.retirement.map(|retirement| retirement.when_idle.as_secs()),
            last_used_at: secret.last_used_at,
            leaked_at: secret.leaked_at,
        }
    }
}

impl From<&PublicKey> for PublicKeyShape {
    fn from(public: &PublicKey) -> Self {
        Self {
            n: public.n,
            kid: public.key.thumbprint().to_string(),
            algorithm: public.key.algorithm().name(),
            created_at: public.created_at,
            expires_at: public.expires_at,
            last_used_at: public.last_used_at,
        }
    }
}
