//! Access tokens: JWTs (RFC 9068) that say only what they must, and are worth only what their keypair still is.

use std::sync::Arc;

use domain::{Credential, Environment, EnvironmentId, KeyId, Owner, Scopes, Timestamp, TokenClaims, TokenId};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use storage::{KeyUse, StorageError};

use crate::app::App;
use crate::crypto::sha256;
use crate::live::LiveKeypair;
use crate::signing::{KeyHash, Keys, NotSigned};

/// The claims of an access token (RFC 9068 §2.2). Nothing in it grows. Read without escapes: what is signed here has none.
#[derive(Debug, Serialize, Deserialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    client_id: &'a str,
    scope: &'a str,
    iat: i64,
    exp: i64,
    jti: &'a str,
    /// The account or environment that the keypair belongs to.
    owner: &'a str,
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

/// Makes a token of the keypair, obtained by secret `n`, for the whole API or one environment of it.
pub(super) async fn issue(
    app: &App,
    keypair: KeyId,
    credential: &Credential,
    n: u32,
    scopes: Scopes,
    narrowed_to: Option<EnvironmentId>,
    now: Timestamp,
) -> Result<Issued, NotSigned> {
    let iat = now.as_second();
    let lifetime = iat + i64::from(app.config.token_lifetime);
    let exp = credential.ends_at(n).map_or(lifetime, |end| end.as_second().min(lifetime));
    let id = keypair.to_string();
    let claims = Claims {
        iss: app.config.issuer(),
        aud: &resource(app, narrowed_to),
        sub: &id,
        client_id: &id,
        scope: &scopes.to_string(),
        iat,
        exp,
        jti: &TokenId::generate(&*app.entropy).to_string(),
        owner: &credential.owner.to_string(),
        r#gen: credential.generation,
        sec: n,
    };
    Ok(Issued { token: app.signing_keys.sign(&app.live, &claims, now).await?, expires_in: exp - iat })
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
    /// When it was issued, in seconds since the Unix epoch.
    pub(super) issued_at: i64,
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

    /// The audience that it was issued for: a resource identifier (RFC 8707).
    pub(super) fn audience(&self, app: &App) -> String {
        resource(app, self.narrowed_to)
    }

    /// Whether it reaches the account itself: its keypair is the account's, and it was not narrowed.
    pub(crate) fn reaches_account(&self, account: domain::AccountId) -> bool {
        self.claims.owner == Owner::Account(account) && self.narrowed_to.is_none()
    }
}

/// What a token says, once a key of ours was found to have signed it: that stays true, so it is remembered. Whether the key
/// still is ours and what the token is worth is asked anew each time.
#[derive(Clone, Copy, Debug)]
struct Signed {
    /// Remembered only as long as the key is one of ours.
    key: KeyHash,
    claims: TokenClaims,
    narrowed_to: Option<EnvironmentId>,
    /// In seconds since the Unix epoch.
    issued_at: i64,
}

/// What the tokens say that were verified lately, by their SHA-256. To verify a signature costs more than everything else
/// about a request.
pub(crate) struct SeenTokens(Cache<[u8; 32], Signed>);

impl SeenTokens {
    /// Remembers at most `most` tokens, of some 250 bytes each.
    pub(crate) fn new(most: usize) -> Self {
        Self(Cache::new(most))
    }
}

/// Verifies a token: its signature and claims, and then always what its keypair is right now. Counts as its use.
pub(crate) async fn verify(app: &App, token: &str) -> Result<Verified, TokenRefused> {
    let now = app.clock.now();
    let verified = judge(app, signed(app, token).await?, now).await?;
    let claims = &verified.claims;
    let used = KeyUse { keypair: claims.keypair, secret: claims.secret, at: now };
    app.live.note_use(&verified.live, used);
    Ok(verified)
}

/// The token, if it is worth something at `now` and its keypair is one that may be asked about; of others nothing more
/// is looked at, so the time tells nothing of them. Asking is no use of the token.
pub(super) async fn worth_something(
    app: &App,
    token: &str,
    may_ask: impl Fn(KeyId) -> bool,
    now: Timestamp,
) -> Result<Option<Verified>, StorageError> {
    let judged = match signed(app, token).await {
        Ok(signed) if may_ask(signed.claims.keypair) => judge(app, signed, now).await,
        Ok(_) => return Ok(None),
        Err(refused) => Err(refused),
    };
    match judged {
        Ok(verified) => Ok(Some(verified)),
        Err(TokenRefused::Invalid(_)) => Ok(None),
        Err(TokenRefused::Unavailable(error)) => Err(error),
    }
}

/// What a token says, if a key that is ours signed it.
async fn signed(app: &App, token: &str) -> Result<Signed, TokenRefused> {
    let hash = sha256(token.as_bytes());
    let keys = app.signing_keys.current(&app.live).await?;
    if let Some(signed) = app.seen_tokens.0.get(&hash).filter(|signed| keys.has(signed.key)) {
        return Ok(signed);
    }
    let signed = read(app, &keys, token)?;
    app.seen_tokens.0.insert(hash, signed);
    Ok(signed)
}

/// What a token of ours is worth at `now`.
async fn judge(app: &App, signed: Signed, now: Timestamp) -> Result<Verified, TokenRefused> {
    let Signed { claims, narrowed_to, issued_at, .. } = signed;
    let live = app
        .live
        .keypair(claims.keypair)
        .await?
        .ok_or_else(|| TokenRefused::Invalid("its keypair was removed".to_owned()))?;
    let scopes = claims
        .scopes_at(now, &live.credential)
        .map_err(|outlived| TokenRefused::Invalid(outlived.to_string()))?;
    Ok(Verified { claims, narrowed_to, issued_at, live, scopes })
}

/// Reads a token that this server signed.
fn read(app: &App, keys: &Keys, token: &str) -> Result<Signed, TokenRefused> {
    let invalid = |why: &str| TokenRefused::Invalid(why.to_owned());
    let (json, key) = keys
        .verified_claims(token)
        .ok_or_else(|| invalid("not an access token that one of our keys signed"))?;
    let claims: Claims<'_> = serde_json::from_slice(&json).map_err(|_| invalid("a claim is wrong"))?;
    if claims.iss != app.config.issuer() || claims.client_id != claims.sub {
        return Err(invalid("a claim is wrong"));
    }
    let narrowed_to = parse_resource(app, claims.aud).ok_or_else(|| invalid("it is for another audience"))?;
    let issued_at = claims.iat;
    let claims = TokenClaims {
        id: claims.jti.parse().map_err(|_| invalid("a claim is wrong"))?,
        keypair: claims.sub.parse().map_err(|_| invalid("a claim is wrong"))?,
        owner: claims.owner.parse().map_err(|_| invalid("a claim is wrong"))?,
        scopes: claims.scope.parse().map_err(|_| invalid("a claim is wrong"))?,
        generation: claims.r#gen,
        secret: claims.sec,
        expires_at: Timestamp::from_second(claims.exp).map_err(|_| invalid("a claim is wrong"))?,
    };
    Ok(Signed { key, claims, narrowed_to, issued_at })
}
