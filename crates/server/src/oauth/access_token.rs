//! Access tokens: JWTs (RFC 9068) that say only what they must, and are worth only what they rest on still is.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::request::Parts;
use domain::{
    AccountId, Actor, AllowedAddresses, ClientId, Confirmation, Credential, Environment, EnvironmentId,
    GrantTokenClaims, KeyId, LiveGrant, Outlived, Owner, Scope, Scopes, SigningKeyHash, Standing, Thumbprint,
    Timestamp, TokenClaims, TokenId, UserId,
};
use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use storage::{KeyUse, Slice, StorageError};

use super::dpop::{ProofRefused, Proven, proof};
use super::token_basis::{Basis, Says};
use crate::app::App;
use crate::client_address::client_address;
use crate::client_certificate::client_certificate;
use crate::crypto::sha256;
use crate::own_attempt::OwnAttempt;
use crate::signing::{Keys, NotSigned};

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
    /// The account or environment that the keypair belongs to, or that a person let an application act on.
    owner: &'a str,
    /// The keypair's generation: disabling starts a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    r#gen: Option<i64>,
    /// The number of the secret or public key that obtained it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sec: Option<u32>,
    /// What a person granted, in place of both.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    grant: Option<&'a str>,
    /// What it is bound to.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    cnf: Option<Cnf<'a>>,
}

/// The claim `cnf`: one of these (RFC 7800 §3.1).
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) enum Cnf<'a> {
    #[serde(rename = "jkt")]
    Key(&'a str),
    #[serde(rename = "x5t#S256")]
    Certificate(&'a str),
}

impl<'a> Cnf<'a> {
    /// That of a confirmation, whose text is its hash.
    pub(super) fn of(confirmation: Confirmation, hash: &'a str) -> Self {
        match confirmation {
            Confirmation::Key(_) => Self::Key(hash),
            Confirmation::Certificate(_) => Self::Certificate(hash),
        }
    }
}

/// How a token is presented, in the `Authorization` header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// RFC 6750 §2.1.
    Bearer,
    /// With a proof (RFC 9449 §7.1).
    Dpop,
}

impl Scheme {
    /// That of a token that is bound so.
    pub(crate) fn of(confirmation: Option<Confirmation>) -> Self {
        match confirmation {
            Some(Confirmation::Key(_)) => Self::Dpop,
            Some(Confirmation::Certificate(_)) | None => Self::Bearer,
        }
    }

    /// Its name, and the `token_type`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// What a token is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grant {
    pub(super) scopes: Scopes,
    /// The one environment that it is for; all that the keypair reaches without it.
    pub(super) narrowed_to: Option<EnvironmentId>,
    pub(super) confirmation: Option<Confirmation>,
}

/// A token as it is handed out.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) token: String,
    /// Seconds.
    pub(super) expires_in: i64,
}

/// Makes a token of the keypair, obtained by secret or public key `n`.
pub(super) async fn issue(
    app: &App,
    keypair: KeyId,
    credential: &Credential,
    n: u32,
    grant: Grant,
    now: Timestamp,
) -> Result<Issued, NotSigned> {
    let Grant { scopes, narrowed_to, confirmation } = grant;
    let iat = now.as_second();
    let lifetime = iat + i64::from(app.config.token_lifetime);
    let exp = credential.ends_at(n).map_or(lifetime, |end| end.as_second().min(lifetime));
    let id = keypair.to_string();
    let hash = confirmation.map(|bound| bound.hash().to_string());
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
        r#gen: Some(credential.generation),
        sec: Some(n),
        grant: None,
        cnf: confirmation.zip(hash.as_deref()).map(|(bound, hash)| Cnf::of(bound, hash)),
    };
    Ok(Issued { token: app.signing_keys.sign(&app.live, &claims, now).await?, expires_in: exp - iat })
}

/// How long a token lives that an application has, in seconds. Short: it gets the next by a refresh token, and what a person
/// may do is asked then.
const APPLICATION_TOKEN_LIFETIME: u32 = 15 * 60;

/// Makes a token that acts in a person's name, by what the person granted.
pub(super) async fn issue_by_grant(
    app: &App,
    live: &LiveGrant,
    scopes: Scopes,
    narrowed_to: Option<EnvironmentId>,
    now: Timestamp,
) -> Result<Issued, NotSigned> {
    let granted = &live.grant;
    let iat = now.as_second();
    let lifetime = i64::from(APPLICATION_TOKEN_LIFETIME.min(app.config.token_lifetime));
    let exp = (iat + lifetime).min(granted.expires_at.as_second());
    let claims = Claims {
        iss: app.config.issuer(),
        aud: &resource(app, narrowed_to),
        sub: &granted.user.to_string(),
        client_id: &granted.client.to_string(),
        scope: &scopes.to_string(),
        iat,
        exp,
        jti: &TokenId::generate(&*app.entropy).to_string(),
        owner: &granted.owner.to_string(),
        r#gen: None,
        sec: None,
        grant: Some(&granted.id.to_string()),
        cnf: None,
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
    /// What it rests on.
    pub(crate) basis: Basis,
    /// Which key signed it.
    signed_by: SigningKeyHash,
    /// The one environment that it was narrowed to, if any (RFC 8707).
    narrowed_to: Option<EnvironmentId>,
    /// When it was issued, in seconds since the Unix epoch.
    pub(super) issued_at: i64,
    /// The scopes that it has now: issued with, and still allowed.
    pub(crate) scopes: Scopes,
    /// When that was found.
    pub(crate) judged_at: Timestamp,
}

/// Why a token is not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenRefused {
    /// Not one of ours; clients hear no more than that.
    #[error("{0}")]
    Invalid(String),
    /// Worth nothing any more; clients hear the same.
    #[error(transparent)]
    Outlived(#[from] Outlived),
    /// It is bound to a key, and whoever sends it does not prove to have that.
    #[error("it is bound to a key, and the request is not proven with that")]
    Unproven,
    /// The proof that comes with it does not hold.
    #[error(transparent)]
    Proof(#[from] ProofRefused),
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
        if self.only_environment().is_some_and(|only| only != id) {
            return Ok(None);
        }
        app.live.environment_of(self.owner(), id).await
    }

    /// A part of the open environments that it reaches, the oldest first.
    pub(crate) async fn environments(
        &self,
        app: &App,
        slice: Slice<EnvironmentId>,
    ) -> Result<Vec<Environment>, StorageError> {
        match self.only_environment() {
            None => app.store.open_environments(self.account(), slice).await,
            Some(only) if slice.after.is_some_and(|after| after >= only) => Ok(Vec::new()),
            Some(only) => {
                Ok(self.environment(app, only).await?.into_iter().map(Arc::unwrap_or_clone).collect())
            }
        }
    }

    /// The one environment that it can reach at the most, or `None` for all of its account's.
    pub(crate) fn only_environment(&self) -> Option<EnvironmentId> {
        match self.owner() {
            Owner::Environment(own) => Some(own),
            Owner::Account(_) => self.narrowed_to,
        }
    }

    /// The account or environment that it is of.
    pub(crate) fn owner(&self) -> Owner {
        self.basis.owner()
    }

    /// The account that is the owner, or that owns the environment that is.
    pub(crate) fn account(&self) -> AccountId {
        self.basis.account()
    }

    /// When it runs out.
    pub(crate) fn expires_at(&self) -> Timestamp {
        self.basis.expires_at()
    }

    /// Whom the log names for what is changed with it.
    pub(crate) fn actor(&self) -> Actor {
        self.basis.actor()
    }

    /// What the right to a change stands on that needs these scopes.
    pub(crate) fn standing(&self, needs: Scopes) -> Standing {
        let signed_by = self.signed_by;
        match self.basis {
            Basis::Keypair(claims, _) => Standing::Token { claims, signed_by, needs, networks: None },
            Basis::Grant(claims, _) => Standing::Grant { claims, signed_by, needs },
        }
    }

    /// From where it may be used.
    pub(crate) fn allowed_addresses(&self) -> AllowedAddresses {
        match &self.basis {
            Basis::Keypair(_, live) => live.credential.allowed_addresses.clone(),
            Basis::Grant(..) => AllowedAddresses::default(),
        }
    }

    /// The audience that it was issued for: a resource identifier (RFC 8707).
    pub(super) fn audience(&self, app: &App) -> String {
        resource(app, self.narrowed_to)
    }

    /// Whether it reaches the account itself: it is of the account, and was not narrowed.
    pub(crate) fn reaches_account(&self, account: AccountId) -> bool {
        self.owner() == Owner::Account(account) && self.narrowed_to.is_none()
    }
}

/// What a token says, once a key of ours was found to have signed it: that stays true, so it is remembered. Whether the key
/// still is ours and what the token is worth is asked anew each time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed {
    /// Remembered only as long as the key is one of ours.
    key: SigningKeyHash,
    pub(super) says: Says,
    pub(super) narrowed_to: Option<EnvironmentId>,
    /// In seconds since the Unix epoch.
    pub(super) issued_at: i64,
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

/// Verifies the token that a request comes with: its signature and claims, then always what it rests on right now, that it
/// comes from where that may be used, and that it is in the hands that it is bound to. Counts as its use, unless the server
/// itself tries it.
pub(crate) async fn verify(
    app: &App,
    request: &Parts,
    (scheme, token): (Scheme, &str),
) -> Result<Verified, TokenRefused> {
    let now = app.clock.now();
    let verified = judge(app, signed(app, token).await?, now).await?;
    let from = || client_address(&request.extensions, &request.headers, &app.config.trusted_proxies);
    if !verified.basis.may_be_used_from(from) {
        return Err(Outlived::Elsewhere.into());
    }
    match (verified.basis.confirmation(), scheme) {
        (None, Scheme::Bearer) => {}
        (Some(Confirmation::Key(key)), Scheme::Dpop) => {
            let proven = Proven { method: &request.method, path: request.uri.path(), token: Some(token) };
            let proof = proof(app, &request.headers, proven, now)?
                .ok_or(ProofRefused::Invalid("the header DPoP is missing"))?;
            // What another key signed is not remembered: it takes no room from those who have the right one.
            if proof.key != key {
                return Err(TokenRefused::Unproven);
            }
            proof.take(app, verified.account(), now)?;
        }
        (Some(Confirmation::Certificate(hash)), Scheme::Bearer) => {
            if client_certificate(request, &app.config) != Some(hash) {
                return Err(TokenRefused::Invalid("it is bound to another certificate".to_owned()));
            }
        }
        (Some(Confirmation::Key(_)), Scheme::Bearer) => return Err(TokenRefused::Unproven),
        (_, Scheme::Dpop) => return Err(TokenRefused::Invalid("it is bound to no key".to_owned())),
    }
    if let Basis::Keypair(claims, live) = &verified.basis
        && !OwnAttempt::is(&request.extensions)
    {
        app.live.note_use(live, KeyUse { keypair: claims.keypair, secret: claims.secret, at: now });
    }
    Ok(verified)
}

/// Whether it is a token that may submit responses from there, in the right hands.
pub(crate) async fn may_submit(app: &App, token: &str, from: impl FnOnce() -> Option<IpAddr>) -> bool {
    let Ok(signed) = signed(app, token).await else { return false };
    judge(app, signed, app.clock.now()).await.is_ok_and(|verified| {
        verified.scopes.contains(Scope::ResponsesCreate) && verified.basis.may_be_used_from(from)
    })
}

/// The token, if it is worth something at `now` and is one that may be asked about; of others nothing more is looked at, so
/// the time tells nothing of them. Asking is no use of the token.
pub(super) async fn worth_something(
    app: &App,
    token: &str,
    may_ask: impl Fn(&Says) -> bool,
    now: Timestamp,
) -> Result<Option<Verified>, StorageError> {
    let judged = match signed(app, token).await {
        Ok(signed) if may_ask(&signed.says) => judge(app, signed, now).await,
        Ok(_) => return Ok(None),
        Err(refused) => Err(refused),
    };
    accepted(judged)
}

/// What was found of a token; nothing of one that is refused.
pub(super) fn accepted<T>(found: Result<T, TokenRefused>) -> Result<Option<T>, StorageError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(TokenRefused::Unavailable(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

/// What a token says, if a key that is ours signed it.
pub(super) async fn signed(app: &App, token: &str) -> Result<Signed, TokenRefused> {
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
pub(super) async fn judge(app: &App, signed: Signed, now: Timestamp) -> Result<Verified, TokenRefused> {
    let Signed { key, says, narrowed_to, issued_at } = signed;
    let (basis, scopes) = says.judged(app, now).await?;
    if let Some(only) = narrowed_to
        && app.live.environment_of(basis.owner(), only).await?.is_none()
    {
        return Err(Outlived::Closed.into());
    }
    Ok(Verified { basis, signed_by: key, narrowed_to, issued_at, scopes, judged_at: now })
}

/// Reads a token that this server signed.
fn read(app: &App, keys: &Keys, token: &str) -> Result<Signed, TokenRefused> {
    let invalid = |why: &str| TokenRefused::Invalid(why.to_owned());
    let (json, key) = keys
        .verified_claims(token)
        .ok_or_else(|| invalid("not an access token that one of our keys signed"))?;
    let claims: Claims<'_> = serde_json::from_slice(&json).map_err(|_| invalid("a claim is wrong"))?;
    if claims.iss != app.config.issuer() {
        return Err(invalid("a claim is wrong"));
    }
    let narrowed_to = parse_resource(app, claims.aud).ok_or_else(|| invalid("it is for another audience"))?;
    let issued_at = claims.iat;
    let says = says(&claims)?.ok_or_else(|| invalid("a claim is wrong"))?;
    Ok(Signed { key, says, narrowed_to, issued_at })
}

/// What the claims say of what the token rests on; none if they don't fit together.
fn says(claims: &Claims<'_>) -> Result<Option<Says>, TokenRefused> {
    fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, TokenRefused> {
        text.parse().map_err(|_| TokenRefused::Invalid("a claim is wrong".to_owned()))
    }
    let id = parsed(claims.jti)?;
    let (owner, scopes) = (parsed(claims.owner)?, parsed(claims.scope)?);
    let expires_at = Timestamp::from_second(claims.exp)
        .map_err(|_| TokenRefused::Invalid("a claim is wrong".to_owned()))?;
    Ok(match (claims.r#gen, claims.sec, claims.grant) {
        (Some(generation), Some(secret), None) if claims.client_id == claims.sub => {
            let keypair: KeyId = parsed(claims.sub)?;
            let confirmation = claims.cnf.as_ref().map(confirmation).transpose()?;
            Some(Says::Keypair(TokenClaims {
                id,
                keypair,
                owner,
                scopes,
                generation,
                secret,
                expires_at,
                confirmation,
            }))
        }
        (None, None, Some(grant)) if claims.cnf.is_none() => {
            let (user, client): (UserId, ClientId) = (parsed(claims.sub)?, parsed(claims.client_id)?);
            let grant = parsed(grant)?;
            Some(Says::Grant(GrantTokenClaims { id, grant, user, client, owner, scopes, expires_at }))
        }
        _ => None,
    })
}

fn confirmation(cnf: &Cnf<'_>) -> Result<Confirmation, TokenRefused> {
    let (Cnf::Key(text) | Cnf::Certificate(text)) = *cnf;
    let hash: Thumbprint = text.parse().map_err(|_| TokenRefused::Invalid("a claim is wrong".to_owned()))?;
    Ok(match cnf {
        Cnf::Key(_) => Confirmation::Key(hash),
        Cnf::Certificate(_) => Confirmation::Certificate(hash),
    })
}
