//! Authorization as values: a handler is called with one that could only exist if the caller may act, or not at all.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Query, RawPathParams};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use domain::{
    AccountId, Activity, ApplicationId, Environment, EnvironmentId, KeyId, OperationId, Owner, QueryId,
    Scope, Scopes, let_in_by,
};

use super::error::ApiError;
use super::operations;
use crate::app::{App, Author};
use crate::client_address::client_address;
use crate::live::Caller;
use crate::oauth::access_token::{self, Scheme, TokenRefused, Verified};
use crate::oauth::dpop::ProofRefused;
use crate::oauth::token_basis::Basis;
use crate::own_attempt::OwnAttempt;

/// Which token a route asks for.
pub(crate) trait Requirement: Send + Sync + 'static {
    /// The scopes, any one of which will do; none for a token with whatever scopes.
    const ANY_OF: &'static [Scope];
}

macro_rules! requirements {
    ($($(#[$doc:meta])* $name:ident = [$($scope:ident),*];)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl Requirement for $name {
            const ANY_OF: &'static [Scope] = &[$(Scope::$scope),*];
        }
    )*};
}

requirements! {
    /// Any token at all.
    Any = [];
    /// May read reports.
    ReportRead = [ReportRead];
    /// May create queries.
    QueriesCreate = [QueriesCreate];
    /// May read queries.
    QueriesRead = [QueriesCreate, ReportRead, Admin];
    /// May submit responses.
    ResponsesCreate = [ResponsesCreate];
    /// May administer environments.
    EnvironmentAdmin = [Admin];
    /// May administer the account.
    AccountAdmin = [AccountAdmin];
}

/// What a route asks of its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing.
    Public,
    /// A token with any one of these scopes; with none named, any token.
    Token(&'static [Scope]),
}

/// A value that lets a handler be called. Every route's handler takes one first.
pub(crate) trait Guard: FromRequestParts<Arc<App>> {
    /// What it asks of the caller.
    const ACCESS: Access;
}

/// Open to everybody.
pub(crate) struct Public {
    address: Option<IpAddr>,
}

impl Public {
    /// From where the request comes, for the log.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.address
    }
}

impl Guard for Public {
    const ACCESS: Access = Access::Public;
}

impl FromRequestParts<Arc<App>> for Public {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let address = client_address(&parts.extensions, &parts.headers, &app.config.trusted_proxies);
        Ok(Self { address })
    }
}

/// The caller has a token that meets `R`.
pub(crate) struct Token<R> {
    verified: Verified,
    address: Option<IpAddr>,
    requirement: PhantomData<R>,
}

impl<R> Token<R> {
    /// What the token rests on, and the scopes that it has at this moment.
    pub(crate) fn verified(&self) -> &Verified {
        &self.verified
    }

    /// The scopes that the token has at this moment.
    pub(crate) fn scopes(&self) -> Scopes {
        self.verified.scopes
    }

    /// The account, if the token reaches the account itself and not merely environments.
    pub(crate) fn account(&self) -> Result<AccountId, ApiError> {
        match self.verified.owner() {
            Owner::Account(account) if self.verified.reaches_account(account) => Ok(account),
            _ => Err(ApiError::NotFound),
        }
    }
}

impl<R: Requirement> Token<R> {
    /// Whom the log names for what the caller changes, with what the store shall judge once more.
    pub(crate) fn author(&self) -> Author {
        let needs = R::ANY_OF.iter().copied().collect::<Scopes>().and(self.verified.scopes);
        Author {
            actor: self.verified.actor(),
            address: self.address,
            standing: Some(self.verified.standing(needs)),
        }
    }
}

impl<R: Requirement> Guard for Token<R> {
    const ACCESS: Access = Access::Token(R::ANY_OF);
}

impl<R: Requirement> FromRequestParts<Arc<App>> for Token<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let (scheme, token) = presented(parts)?;
        let verified = match access_token::verify(app, parts, (scheme, token)).await {
            Ok(verified) => verified,
            Err(refused) => return Err(refusal(scheme, refused)),
        };
        let address = client_address(&parts.extensions, &parts.headers, &app.config.trusted_proxies);
        let by = let_in_by(R::ANY_OF, verified.scopes);
        let lacking = by.is_none() && !R::ANY_OF.is_empty();
        if let Basis::Keypair(claims, live) = &verified.basis
            && !OwnAttempt::is(&parts.extensions)
            && let Some(operation) = operations::of_request(parts)
        {
            let id = OperationId::from(operation.id.as_str());
            let activity = if lacking { Activity::Refused(id) } else { Activity::Request(id, by) };
            let caller = || Caller::new(&parts.headers, address);
            app.live.count_use(claims.keypair, live, activity, verified.judged_at, caller);
        }
        if lacking {
            return Err(ApiError::MissingScope(scheme, R::ANY_OF));
        }
        Ok(Self { verified, address, requirement: PhantomData })
    }
}

fn refusal(scheme: Scheme, refused: TokenRefused) -> ApiError {
    tracing::debug!(why = %refused, "a token was refused");
    match refused {
        TokenRefused::Invalid(_) | TokenRefused::Outlived(_) => ApiError::InvalidToken(scheme),
        TokenRefused::Unproven => ApiError::InvalidToken(Scheme::Dpop),
        TokenRefused::Proof(ProofRefused::Invalid(why)) => ApiError::InvalidProof(why),
        TokenRefused::Proof(ProofRefused::TooMany) => ApiError::Overloaded,
        TokenRefused::Unavailable(error) => ApiError::Unavailable(Box::new(error)),
    }
}

/// The token in the one place where it may stand (RFC 6750 §2.1; RFC 9700 §4.3.2 on why not in the query), and how it is
/// presented.
pub(crate) fn presented(parts: &Parts) -> Result<(Scheme, &str), ApiError> {
    let in_query = parts.uri.query().is_some()
        && Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .is_ok_and(|Query(pairs)| pairs.iter().any(|(name, _)| name == "access_token"));
    if in_query {
        return Err(ApiError::MisplacedToken(
            "A token in the address ends up in logs and histories; send it in the header `Authorization`.",
        ));
    }
    const TWICE: ApiError = ApiError::MisplacedToken("There is more than one token; send one.");
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let header = headers.next().ok_or(ApiError::NoToken)?;
    if headers.next().is_some() {
        return Err(TWICE);
    }
    let header = header.to_str().map_err(|_| ApiError::InvalidToken(Scheme::Bearer))?;
    let (name, token) = header.split_once(' ').unwrap_or((header, ""));
    let named = |scheme: &Scheme| name.eq_ignore_ascii_case(scheme.name());
    let scheme = [Scheme::Bearer, Scheme::Dpop].into_iter().find(named).ok_or(ApiError::NoToken)?;
    // A proxy may have joined two headers.
    if token.contains(',') {
        return Err(TWICE);
    }
    Ok((scheme, token.trim()))
}

/// The caller has a token that meets `R` and reaches the open environment in the address.
pub(crate) struct InEnvironment<R> {
    token: Token<R>,
    environment: Arc<Environment>,
}

impl<R> InEnvironment<R> {
    /// The environment, as it was when the request came.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Its identifier.
    pub(crate) fn id(&self) -> EnvironmentId {
        self.environment.id
    }
}

impl<R> std::ops::Deref for InEnvironment<R> {
    type Target = Token<R>;

    fn deref(&self) -> &Token<R> {
        &self.token
    }
}

impl<R: Requirement> Guard for InEnvironment<R> {
    const ACCESS: Access = Access::Token(R::ANY_OF);
}

impl<R: Requirement> FromRequestParts<Arc<App>> for InEnvironment<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let token = Token::<R>::from_request_parts(parts, app).await?;
        let InPath(id) = InPath::<EnvironmentId>::from_request_parts(parts, app).await?;
        let environment = token.verified.environment(app, id).await?.ok_or(ApiError::NotFound)?;
        Ok(Self { token, environment })
    }
}

/// The caller has a token that meets `R` and reaches the account in the address: it is of the account itself.
pub(crate) struct InAccount<R> {
    token: Token<R>,
    account: AccountId,
}

impl<R> InAccount<R> {
    /// The account.
    pub(crate) fn id(&self) -> AccountId {
        self.account
    }
}

impl<R> std::ops::Deref for InAccount<R> {
    type Target = Token<R>;

    fn deref(&self) -> &Token<R> {
        &self.token
    }
}

impl<R: Requirement> Guard for InAccount<R> {
    const ACCESS: Access = Access::Token(R::ANY_OF);
}

impl<R: Requirement> FromRequestParts<Arc<App>> for InAccount<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let token = Token::<R>::from_request_parts(parts, app).await?;
        let InPath(account) = InPath::<AccountId>::from_request_parts(parts, app).await?;
        if !token.verified.reaches_account(account) {
            return Err(ApiError::NotFound);
        }
        Ok(Self { token, account })
    }
}

/// An identifier in the address. One that can't be any object's is answered like one that is no object's.
pub(crate) struct InPath<T>(pub(crate) T);

/// What can stand in an address.
pub(crate) trait PathPart: std::str::FromStr {
    /// Its name in the route.
    const NAME: &'static str;
}

/// The number of a keypair's secret.
pub(crate) struct SecretNumber(pub(crate) u32);

impl std::str::FromStr for SecretNumber {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl PathPart for AccountId {
    const NAME: &'static str = "acc";
}

impl PathPart for EnvironmentId {
    const NAME: &'static str = "env";
}

impl PathPart for KeyId {
    const NAME: &'static str = "key";
}

impl PathPart for ApplicationId {
    const NAME: &'static str = "app";
}

impl PathPart for QueryId {
    const NAME: &'static str = "qry";
}

impl PathPart for SecretNumber {
    const NAME: &'static str = "n";
}

impl<T: PathPart> FromRequestParts<Arc<App>> for InPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        // A part that is not UTF-8 names nothing either.
        let path = RawPathParams::from_request_parts(parts, app).await.map_err(|_| ApiError::NotFound)?;
        path.iter()
            .find_map(|(name, value)| (name == T::NAME).then(|| value.parse().ok())?)
            .map(Self)
            .ok_or(ApiError::NotFound)
    }
}
