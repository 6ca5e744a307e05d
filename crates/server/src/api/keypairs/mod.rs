//! API keypairs. The acts are the same for an environment's and for an account's own; the addresses are in
//! [`of_environment`] and [`of_account`].

pub(super) mod of_account;
pub(super) mod of_environment;

#[cfg(test)]
mod address_tests;
#[cfg(test)]
mod public_key_tests;
#[cfg(test)]
mod rotation_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod usage_tests;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{IntoResponse, Response};
use domain::{
    AddressesError, AllowedAddresses, Comment, Held, KeyId, KeySecret, Keypair, KeypairEdit, NewKeypair,
    OldSecrets, Owner, ScopeError, Scopes, SignedDuration, Timestamp, TokenBinding, VerifyingKey,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::authorization::{Requirement, Token};
use super::body::{FieldErrors, Instant, present};
use super::error::ApiError;
use super::parameters::{Page, page};
use super::shapes::{
    AssertionAlgorithmName, FieldError, KeypairShape, ListShape, ScopeName, TokenBindingName, UsageShape,
};
use super::versions::Versioned;
use crate::app::App;
use crate::keypairs as acts;

/// A new keypair.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewKeypair)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKeypairBody {
    /// What it is for: up to 500 characters.
    #[serde(default)]
    #[schema(max_length = 500, required = false, example = "Nightly export")]
    comment: String,
    /// What its tokens may be granted: at least one, none that the caller's own token lacks.
    #[schema(value_type = Vec<ScopeName>, min_items = 1, example = json!(["feedback-report:read"]))]
    scopes: Vec<String>,
    /// When it shall stop by itself; never without it.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Instant>,
    /// What its tokens must be bound to; without it, nothing. `mtls` is refused where the server does not see the
    /// certificates of its clients.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = TokenBindingName, required = false)]
    token_binding: Option<String>,
    /// From where it and its tokens may be used: up to 32 networks in CIDR notation, or single addresses; from anywhere
    /// if there is none. A program whose own keypair has such a list can name no address outside of that.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 32)]
    allowed_addresses: Option<Vec<String>>,
    /// With it, the keypair gets no secret and accepts none: only assertions that this key verifies.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = NewPublicKey, required = false)]
    public_key: Option<NewPublicKey>,
}

/// What to change of a keypair; what is missing stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeypairChange {
    /// The switch: `false` ends its tokens at once and for good.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    enabled: Option<bool>,
    /// What it is for: up to 500 characters.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false, max_length = 500, example = "Nightly export")]
    comment: Option<String>,
    /// What its tokens may be granted. Tokens already issued lose what is no longer among them.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Vec<ScopeName>, required = false, min_items = 1)]
    scopes: Option<Vec<String>>,
    /// When it shall stop by itself; `null` for never.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, required = false, format = DateTime)]
    expires_at: Option<Option<Instant>>,
    /// Whether its secrets open anything. `false` takes a public key that works, and ends the tokens that secrets
    /// obtained; `true` brings none of them back, and ends those that public keys obtained too.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = bool, required = false)]
    accepts_secrets: Option<bool>,
    /// What its tokens must be bound to. Tokens already issued end at once if they are not, and all of them if they no
    /// longer have to be as before. `mtls` is refused where the server does not see the certificates of its clients,
    /// unless it holds already.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = TokenBindingName, required = false)]
    token_binding: Option<String>,
    /// From where it and its tokens may be used; `null` or no network for anywhere. It holds for tokens already issued, too.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Vec<String>>, required = false, max_items = 32)]
    allowed_addresses: Option<Option<Vec<String>>>,
}

/// How to rotate: with one of these fields, or none.
#[derive(Default, Deserialize, ToSchema)]
#[schema(example = json!({"overlap_seconds": 3600}))]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    /// After how many seconds the secrets that there are shall stop, 0 for at once; without it, they work until they
    /// are deleted.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = u32, required = false, minimum = 0, maximum = 604_800, example = 3600)]
    overlap_seconds: Option<i64>,
    /// Each of the secrets that there are ends by itself once a newer one has been used, and neither it nor its tokens
    /// have for so many seconds, counted from the rotation at the earliest.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = u32, required = false, minimum = 60, maximum = 2_592_000, example = 86_400)]
    retire_when_idle_seconds: Option<i64>,
}

impl Rotation {
    fn old_secrets(&self) -> Result<OldSecrets, ApiError> {
        match (self.overlap_seconds, self.retire_when_idle_seconds) {
            (None, None) => Ok(OldSecrets::Stay),
            (Some(overlap), None) => Ok(OldSecrets::EndAfter(SignedDuration::from_secs(overlap))),
            (None, Some(idle)) => Ok(OldSecrets::EndWhenIdle(SignedDuration::from_secs(idle))),
            (Some(_), Some(_)) => {
                let detail =
                    "old secrets end after `overlap_seconds` or when idle, not both; send one of the two";
                Err(ApiError::BadFields(vec![FieldError::new("retire_when_idle_seconds", detail)]))
            }
        }
    }
}

/// A public key to register: `jwk` or `pem`, one of them.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "…"}}))]
#[serde(deny_unknown_fields)]
pub(super) struct NewPublicKey {
    /// The public key as a JWK (RFC 7517), without private members. Its `kid`, if it has one, must be its thumbprint
    /// (RFC 7638).
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Object, required = false, example = json!({"kty": "OKP", "crv": "Ed25519", "x": "…"}))]
    jwk: Option<Map<String, Value>>,
    /// The public key as PEM: one block `BEGIN PUBLIC KEY`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = String, required = false)]
    pem: Option<String>,
    /// What its owner signs with. It follows from the key, but for RSA: `RS256` unless this or the JWK's `alg` says
    /// `PS256`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = AssertionAlgorithmName, required = false)]
    algorithm: Option<String>,
    /// When it shall stop by itself; never without it.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Instant>,
}

impl NewPublicKey {
    /// The key, and until when it works. `below` is what stands before the names of the fields.
    fn read(&self, below: &str) -> Result<(VerifyingKey, Option<Timestamp>), ApiError> {
        let mut errors = FieldErrors::default();
        let field = |name: &str| format!("{below}{name}");
        let algorithm = match &self.algorithm {
            Some(name) => errors.check(&field("algorithm"), name.parse().map(Some)),
            None => Some(None),
        };
        let key = match (&self.jwk, &self.pem, algorithm) {
            (_, _, None) => None,
            (Some(jwk), None, Some(by)) => errors.check(&field("jwk"), VerifyingKey::from_jwk(jwk, by)),
            (None, Some(pem), Some(by)) => errors.check(&field("pem"), VerifyingKey::from_pem(pem, by)),
            _ => errors
                .check(below.trim_end_matches('.'), Err("either `jwk` or `pem` is needed, and not both")),
        };
        let until = self.expires_at.map(|Instant(at)| at);
        key.map(|key| (key, until)).ok_or_else(|| errors.into_error())
    }
}

/// Whose keypairs: the address says it, and the caller's token covers it.
struct Keypairs<'a, R> {
    app: &'a App,
    caller: &'a Token<R>,
    owner: Owner,
}

impl<R: Requirement> Keypairs<'_, R> {
    async fn list(&self, wanted: Page<KeyId>) -> Result<Json<ListShape<KeypairShape>>, ApiError> {
        let now = self.app.clock.now();
        let (slice, limit) = wanted.slice();
        let found = self.app.store.keypairs(self.owner, slice).await?;
        Ok(page(found, limit, |keypair| keypair.id, |keypair| KeypairShape::at(now, keypair)))
    }

    async fn create(&self, body: NewKeypairBody) -> Result<Response, ApiError> {
        let mut errors = FieldErrors::default();
        let comment = errors.check("comment", Comment::new(&body.comment));
        let scopes = errors.check("scopes", scopes(&body.scopes));
        let token_binding = match &body.token_binding {
            Some(name) => errors.check("token_binding", name.parse()),
            None => Some(TokenBinding::None),
        };
        let addresses = errors.check("allowed_addresses", addresses(body.allowed_addresses.as_deref()));
        let (Some(comment), Some(scopes), Some(token_binding), Some(allowed_addresses)) =
            (comment, scopes, token_binding, addresses)
        else {
            return Err(errors.into_error());
        };
        let expires_at = body.expires_at.map(|Instant(at)| at);
        let new =
            NewKeypair { owner: self.owner, comment, scopes, expires_at, token_binding, allowed_addresses };
        let (author, held) = (self.caller.author(), self.held());
        let held = Some(&held);
        match body.public_key {
            None => {
                let (keypair, secret) = acts::create(self.app, &author, new, held).await?;
                Ok(self.with_secret(&keypair, &secret))
            }
            Some(public) => {
                let key = public.read("public_key.")?;
                let keypair = acts::create_for_public_key(self.app, &author, new, key, held).await?;
                Ok(self.created(&keypair))
            }
        }
    }

    async fn show(&self, id: KeyId) -> Result<Versioned<KeypairShape>, ApiError> {
        let keypair = self.app.store.keypair(self.owner, id).await?;
        Ok(self.versioned(&keypair))
    }

    async fn usage(&self, id: KeyId) -> Result<Json<UsageShape>, ApiError> {
        let keypair = self.app.store.keypair(self.owner, id).await?;
        let usage = acts::usage(self.app, &keypair).await?;
        Ok(Json(UsageShape::at(self.app.clock.now(), &usage)))
    }

    async fn change(
        &self,
        id: KeyId,
        expected: Option<i64>,
        body: KeypairChange,
    ) -> Result<Versioned<KeypairShape>, ApiError> {
        let mut errors = FieldErrors::default();
        let edit = KeypairEdit {
            enabled: body.enabled,
            comment: body.comment.and_then(|text| errors.check("comment", Comment::new(&text))),
            scopes: body.scopes.and_then(|names| errors.check("scopes", scopes(&names))),
            expires_at: body.expires_at.map(|at| at.map(|Instant(at)| at)),
            accepts_secrets: body.accepts_secrets,
            token_binding: body.token_binding.and_then(|name| errors.check("token_binding", name.parse())),
            allowed_addresses: body
                .allowed_addresses
                .and_then(|list| errors.check("allowed_addresses", addresses(list.as_deref()))),
        };
        if !errors.is_empty() {
            return Err(errors.into_error());
        }
        let (author, held) = (self.caller.author(), self.held());
        let changed = acts::edit(self.app, &author, self.owner, id, &edit, expected, Some(&held)).await?;
        Ok(self.versioned(&changed))
    }

    async fn remove(&self, id: KeyId, expected: Option<i64>) -> Result<StatusCode, ApiError> {
        acts::remove(self.app, &self.caller.author(), self.owner, id, expected).await?;
        Ok(StatusCode::NO_CONTENT)
    }

    async fn rotate(
        &self,
        id: KeyId,
        expected: Option<i64>,
        rotation: Rotation,
    ) -> Result<Response, ApiError> {
        let old = rotation.old_secrets()?;
        let (author, held) = (self.caller.author(), self.held());
        let (keypair, secret) =
            acts::rotate(self.app, &author, self.owner, id, old, expected, Some(&held)).await?;
        Ok(self.with_secret(&keypair, &secret))
    }

    async fn delete_secret(
        &self,
        id: KeyId,
        n: u32,
        expected: Option<i64>,
    ) -> Result<Versioned<KeypairShape>, ApiError> {
        let author = self.caller.author();
        let changed = acts::delete_secret(self.app, &author, self.owner, id, n, expected).await?;
        Ok(self.versioned(&changed))
    }

    async fn add_public_key(
        &self,
        id: KeyId,
        expected: Option<i64>,
        new: NewPublicKey,
    ) -> Result<Response, ApiError> {
        let (author, held) = (self.caller.author(), self.held());
        let key = new.read("")?;
        let changed =
            acts::add_public_key(self.app, &author, self.owner, id, key, expected, Some(&held)).await?;
        Ok(self.created(&changed))
    }

    async fn delete_public_key(
        &self,
        id: KeyId,
        n: u32,
        expected: Option<i64>,
    ) -> Result<Versioned<KeypairShape>, ApiError> {
        let author = self.caller.author();
        let changed = acts::delete_public_key(self.app, &author, self.owner, id, n, expected).await?;
        Ok(self.versioned(&changed))
    }

    /// No program hands on what its own token lacks, to be used from where its own keypair may not.
    fn held(&self) -> Held {
        let allowed_addresses = self.caller.verified().allowed_addresses();
        Held { scopes: self.caller.scopes(), allowed_addresses }
    }

    fn versioned(&self, keypair: &Keypair) -> Versioned<KeypairShape> {
        Versioned { version: keypair.version, shape: KeypairShape::at(self.app.clock.now(), keypair) }
    }

    /// Something of the keypair was made.
    fn created(&self, keypair: &Keypair) -> Response {
        (StatusCode::CREATED, [(LOCATION, self.address(keypair.id))], self.versioned(keypair)).into_response()
    }

    fn with_secret(&self, keypair: &Keypair, secret: &KeySecret) -> Response {
        let shape = KeypairShape::at(self.app.clock.now(), keypair).with_secret(secret);
        let answer = Versioned { version: keypair.version, shape };
        (StatusCode::CREATED, [(LOCATION, self.address(keypair.id))], answer).into_response()
    }

    fn address(&self, id: KeyId) -> String {
        format!("/v1/{}s/{}/api-keys/{id}", self.owner.kind(), self.owner)
    }
}

fn addresses(networks: Option<&[String]>) -> Result<AllowedAddresses, AddressesError> {
    AllowedAddresses::new(networks.unwrap_or_default().iter().map(String::as_str))
}

fn scopes(names: &[String]) -> Result<Scopes, ScopeError> {
    Scopes::from_names(names.iter().map(String::as_str))
}
