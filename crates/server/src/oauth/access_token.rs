//! Access tokens: JWTs (RFC 9068) that say only what they must, and are worth only what their keypair still is.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Environment, EnvironmentId, KeyId, Owner, Scopes, Timestamp, TokenClaims};
use jsonwebtoken::{Algorithm, Validation};
use serde::{Deserialize, Serialize};
use storage::{KeyUse, LiveKeypair, StorageError};

use crate::app::App;
use crate::signing::NotSigned;

/// The claims of an access token (RFC 9068 §2.2). Nothing in it grows.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    client_id: String,
    scope: String,
    iat: i64,
    exp: i64,
    jti: String,
    /// The account or environment that the keypair belongs to.
    owner: String,
    /// The keypair's generation: disabling starts a new one.
    r#gen: i64,
    /// The number of the secret that obtained it.
    sec: u32,
}

/// A token as it is handed out.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) token: String,
    /// Seconds.
    pub(super) expires_in: i64,
}

/// Makes a token of `keypair`, obtained by secret `n`, for the whole API or one environment of it.
pub(super) fn issue(
    app: &App,
    live: &LiveKeypair,
    n: u32,
    scopes: Scopes,
    narrowed_to: Option<EnvironmentId>,
    now: Timestamp,
) -> Result<Issued, NotSigned> {
    let keypair = &live.keypair;
    let secret_expires_at =
        keypair.secrets.iter().find(|secret| secret.n == n).and_then(|secret| secret.expires_at);
    let iat = now.as_second();
    let exp = [keypair.expires_at, secret_expires_at]
        .into_iter()
        .flatten()
        .map(Timestamp::as_second)
        .fold(iat + i64::from(app.config.token_lifetime), i64::min);
    let id = keypair.id.to_string();
    let claims = Claims {
        iss: app.config.issuer().to_owned(),
        aud: resource(app, narrowed_to),
        sub: id.clone(),
        client_id: id,
        scope: scopes.to_string(),
        iat,
        exp,
        jti: URL_SAFE_NO_PAD.encode(app.entropy.bytes::<16>()),
        owner: keypair.owner.to_string(),
        r#gen: keypair.generation,
        sec: n,
    };
    Ok(Issued { token: app.signing_keys.sign(&claims)?, expires_in: exp - iat })
}

/// The resource identifier of the API, or of one environment (RFC 8707).
fn resource(app: &App, narrowed_to: Option<EnvironmentId>) -> String {
    let api = app.config.api_resource();
    match narrowed_to {
        Some(environment) => format!("{api}/environments/{environment}"),
        None => api,
    }
}

/// What a resource identifier names: the whole API (`None` inside) or one environment; nothing of ours otherwise.
pub(super) fn parse_resource(app: &App, resource: &str) -> Option<Option<EnvironmentId>> {
    let below = resource.strip_prefix(&app.config.api_resource())?;
    if matches!(below, "" | "/") {
        return Some(None);
    }
    below.strip_prefix("/environments/")?.parse().ok().map(Some)
}

/// A token that is worth something at this moment.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    /// What it says.
    pub(crate) claims: TokenClaims,
    /// The one environment that it was narrowed to, if any (RFC 8707).
    narrowed_to: Option<EnvironmentId>,
    /// Its keypair as it is now.
    pub(crate) live: Arc<LiveKeypair>,
    /// The scopes that it has now: issued with, and still allowed.
    pub(crate) scopes: Scopes,
}

/// Why a token is not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenRefused {
    /// Not one of ours, or outlived; clients hear no more than that.
    #[error("{0}")]
    Invalid(String),
    /// It can't be told right now.
    #[error("the store can't be asked: {0}")]
    Unavailable(#[from] StorageError),
}

impl Verified {
    /// The environment, if the token reaches it and it is open: its keypair's own, or any of its account's.
    pub(crate) async fn environment(
        &self,
        app: &App,
        id: EnvironmentId,
    ) -> Result<Option<Arc<Environment>>, StorageError> {
        if self.narrowed_to.is_some_and(|only| only != id) {
            return Ok(None);
        }
        let environment = app.live.environment(id).await?;
        Ok(environment.filter(|environment| self.claims.owner.reaches(environment)))
    }

    /// The one environment that it can reach at the most, or `None` for all of its account's.
    pub(crate) fn only_environment(&self) -> Option<EnvironmentId> {
        match self.claims.owner {
            Owner::Environment(own) => Some(own),
            Owner::Account(_) => self.narrowed_to,
        }
    }

    /// Whether it reaches the account itself: its keypair is the account's, and it was not narrowed.
    pub(crate) fn reaches_account(&self, account: domain::AccountId) -> bool {
        self.claims.owner == Owner::Account(account) && self.narrowed_to.is_none()
    }
}

/// Verifies a token: its signature and claims, and then always what its keypair is right now.
pub(crate) async fn verify(app: &App, token: &str) -> Result<Verified, TokenRefused> {
    let now = app.clock.now();
    let (claims, narrowed_to) = read(app, token)?;
    let live = app
        .live
        .keypair(claims.keypair)
        .await?
        .ok_or_else(|| TokenRefused::Invalid("its keypair was removed".to_owned()))?;
    let scopes = claims
        .scopes_at(now, &live.keypair)
        .map_err(|outlived| TokenRefused::Invalid(outlived.to_string()))?;
    app.live.note_use(KeyUse { keypair: claims.keypair, secret: claims.secret, at: now });
    Ok(Verified { claims, narrowed_to, live, scopes })
}

/// Reads a token that this server signed.
fn read(app: &App, token: &str) -> Result<(TokenClaims, Option<EnvironmentId>), TokenRefused> {
    let invalid = |why: &str| TokenRefused::Invalid(why.to_owned());
    let header = jsonwebtoken::decode_header(token).map_err(|_| invalid("not a JWT"))?;
    // RFC 9068 §4: nothing else that is signed with the same key may pass for an access token.
    let typ = header.typ.as_deref().unwrap_or_default().to_ascii_lowercase();
    if !matches!(typ.as_str(), "at+jwt" | "application/at+jwt") {
        return Err(invalid("not an access token"));
    }
    // RFC 7515 §4.1.11: what must be understood, and is not, is refused.
    if header.crit.is_some() {
        return Err(invalid("it demands extensions that are not known here"));
    }
    let key = header
        .kid
        .as_deref()
        .and_then(|kid| app.signing_keys.find(kid))
        .ok_or_else(|| invalid("signed with a key that is not ours"))?;
    let mut validation = Validation::new(Algorithm::ES256);
    validation.set_issuer(&[app.config.issuer()]);
    // The audience is compared below, since each environment is one; the expiry against the clock passed in.
    validation.validate_aud = false;
    validation.validate_exp = false;
    validation.set_required_spec_claims(&["iss", "sub"]);
    let claims = jsonwebtoken::decode::<Claims>(token, &key.decoding, &validation)
        .map_err(|_| invalid("the signature or a claim is wrong"))?
        .claims;
    if claims.client_id != claims.sub {
        return Err(invalid("a claim is wrong"));
    }
    let narrowed_to =
        parse_resource(app, &claims.aud).ok_or_else(|| invalid("it is for another audience"))?;
    let keypair: KeyId = claims.sub.parse().map_err(|_| invalid("a claim is wrong"))?;
    let read = TokenClaims {
        keypair,
        owner: claims.owner.parse().map_err(|_| invalid("a claim is wrong"))?,
        scopes: claims.scope.parse().map_err(|_| invalid("a claim is wrong"))?,
        generation: claims.r#gen,
        secret: claims.sec,
        expires_at: Timestamp::from_second(claims.exp).map_err(|_| invalid("a claim is wrong"))?,
    };
    Ok((read, narrowed_to))
}
