use jiff::{SignedDuration, Timestamp};

use crate::{
    AccountId, ClientId, CodeChallenge, Environment, EnvironmentId, GrantId, Outlived, Owner, Role,
    ScopeError, Scopes, SecretHash, TokenId, User, UserId,
};

/// How long a code can be exchanged. It only has to come back from the browser.
const CODE_LASTS: SignedDuration = SignedDuration::from_secs(60);

/// How long a code is remembered, so that one that was exchanged and comes once more is noticed.
const CODE_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// How long a grant lasts that is not used, and any grant at the most.
const IDLE: SignedDuration = SignedDuration::from_hours(30 * 24);
const LONGEST: SignedDuration = SignedDuration::from_hours(90 * 24);

/// What a person let an application do: where, and with which scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationGrant {
    /// `gra_…`
    pub id: GrantId,
    /// Which application.
    pub client: ClientId,
    /// Who let it.
    pub user: UserId,
    /// Where.
    pub owner: Owner,
    /// What; less, where the person may not do all of it any more.
    pub scopes: Scopes,
    /// The one environment of the owner that it is for; all of them without it (RFC 8707).
    pub narrowed_to: Option<EnvironmentId>,
    /// When.
    pub created_at: Timestamp,
    /// When the application last got an access token.
    pub last_used_at: Timestamp,
    /// When it ends by itself, unless it is used before.
    pub expires_at: Timestamp,
    /// The number of the refresh token that works; all before it were used.
    pub refresh_token: u32,
}

/// What a person allowed, on its way to the application: by the browser, which others may look into. So it can be exchanged
/// once, for a minute, by whoever began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationCode {
    /// What is stored in place of the code.
    pub hash: SecretHash,
    /// Which application asked.
    pub client: ClientId,
    /// Where the answer went.
    pub redirect_uri: String,
    /// What only whoever asked can meet.
    pub challenge: CodeChallenge,
    /// Who allowed it.
    pub user: UserId,
    /// Where.
    pub owner: Owner,
    /// What.
    pub scopes: Scopes,
    /// The one environment of the owner that it is for; all of them without it.
    pub narrowed_to: Option<EnvironmentId>,
    /// When.
    pub created_at: Timestamp,
}

/// What comes with a code when it is exchanged (RFC 6749 §4.1.3, RFC 7636 §4.5).
#[derive(Clone, Copy, Debug)]
pub struct CodeExchange<'a> {
    /// Which application says that it is its.
    pub client: ClientId,
    /// Where it says that the answer went.
    pub redirect_uri: &'a str,
    /// What its challenge was made of.
    pub verifier: &'a str,
    /// How much of what was granted the first token is to have.
    pub wanted: Wanted<'a>,
}

/// How much of a grant an application asks for in one token; all of it by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// Only these scopes.
    pub scopes: Option<Scopes>,
    /// Only this environment.
    pub environment: Option<&'a Environment>,
}

/// Why an application gets no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantRefusal {
    /// Not a code or refresh token of this application, or none that is good for anything any more.
    #[error("there is no such code or refresh token, or it has run out")]
    Unknown,
    /// It was used before; so somebody has it who should not, and the grant was ended.
    #[error("it was used before")]
    Reused,
    /// The person may do nothing of it any more.
    #[error("the person may do nothing of what was granted any more")]
    NoRole,
    /// More than was granted.
    #[error(transparent)]
    Scopes(#[from] ScopeError),
    /// An environment that was not granted.
    #[error("the environment is not part of what was granted")]
    Target,
}

impl AuthorizationCode {
    /// When it can't be exchanged any more.
    pub fn expires_at(&self) -> Timestamp {
        after(self.created_at, CODE_LASTS)
    }

    /// Until when it has to be kept.
    pub fn kept_until(&self) -> Timestamp {
        after(self.created_at, CODE_KEPT)
    }

    /// Whether whoever exchanges it is the one who asked for it, in time.
    pub fn is_exchanged_by(&self, exchange: &CodeExchange<'_>, now: Timestamp) -> bool {
        now < self.expires_at()
            && self.client == exchange.client
            && self.redirect_uri == exchange.redirect_uri
            && self.challenge.is_met_by(exchange.verifier)
    }

    /// The grant that it is exchanged for.
    pub fn granted(&self, id: GrantId, now: Timestamp) -> ApplicationGrant {
        ApplicationGrant {
            id,
            client: self.client,
            user: self.user,
            owner: self.owner,
            scopes: self.scopes,
            narrowed_to: self.narrowed_to,
            created_at: now,
            last_used_at: now,
            expires_at: after(now, IDLE),
            refresh_token: 1,
        }
    }
}

impl ApplicationGrant {
    /// The grant after its refresh token was used once more.
    pub fn refreshed(&self, now: Timestamp) -> Self {
        Self {
            last_used_at: now,
            expires_at: after(now, IDLE).min(after(self.created_at, LONGEST)),
            refresh_token: self.refresh_token + 1,
            ..self.clone()
        }
    }

    /// Whether it has not run out.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    fn covers(&self, wanted: &Wanted<'_>) -> Result<(), GrantRefusal> {
        if let Some(scopes) = wanted.scopes
            && !scopes.within(self.scopes)
        {
            return Err(ScopeError::NotGranted(scopes.minus(self.scopes)).into());
        }
        match wanted.environment {
            Some(environment)
                if !self.owner.reaches(environment)
                    || self.narrowed_to.is_some_and(|only| only != environment.id) =>
            {
                Err(GrantRefusal::Target)
            }
            _ => Ok(()),
        }
    }
}

/// A grant with what it takes to judge its tokens, as it is right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveGrant {
    /// The grant.
    pub grant: ApplicationGrant,
    /// Whose it is.
    pub user: User,
    /// The account that is the owner, or that owns the environment that is; both are open.
    pub account: AccountId,
    /// The person's role on the owner, explicit or inherited.
    pub role: Role,
}

impl LiveGrant {
    /// What the application may do of what it was granted: no more than the person.
    pub fn scopes(&self) -> Scopes {
        self.grant.scopes.and(self.role.scopes(&self.grant.owner))
    }

    /// The scopes of a token that has so much of the grant: those of them that the person may still give.
    pub fn gives(&self, wanted: &Wanted<'_>) -> Result<Scopes, GrantRefusal> {
        self.grant.covers(wanted)?;
        let all = self.scopes();
        if all.is_empty() {
            return Err(GrantRefusal::NoRole);
        }
        match wanted.scopes {
            Some(asked) if asked.and(all).is_empty() => Err(ScopeError::NotGranted(asked).into()),
            asked => Ok(asked.map_or(all, |asked| asked.and(all))),
        }
    }
}

/// What a token that a grant gave says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantTokenClaims {
    /// Which token it is.
    pub id: TokenId,
    /// Which grant gave it.
    pub grant: GrantId,
    /// Whose grant that is.
    pub user: UserId,
    /// Which application has it.
    pub client: ClientId,
    /// Where.
    pub owner: Owner,
    /// The scopes that it was issued with.
    pub scopes: Scopes,
    /// When it runs out.
    pub expires_at: Timestamp,
}

impl GrantTokenClaims {
    /// The scopes that the token has at `now`, given its grant as it is at `now`: those that it was issued with, and that
    /// the person's role still allows.
    pub fn scopes_at(&self, now: Timestamp, live: &LiveGrant) -> Result<Scopes, Outlived> {
        let grant = &live.grant;
        if now >= self.expires_at {
            return Err(Outlived::Expired);
        }
        let same = grant.id == self.grant
            && grant.user == self.user
            && grant.client == self.client
            && grant.owner == self.owner;
        if !same || !grant.is_live(now) {
            return Err(Outlived::Grant);
        }
        Ok(self.scopes.and(live.scopes()))
    }
}

fn after(at: Timestamp, time: SignedDuration) -> Timestamp {
    at.checked_add(time).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Email, Name, Scope, State};

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn code() -> AuthorizationCode {
        AuthorizationCode {
            hash: SecretHash::from_bytes([1; 32]),
            client: ClientId::CommandLine,
            redirect_uri: "http://127.0.0.1:5000/".to_owned(),
            challenge: CodeChallenge::of(VERIFIER),
            user: "usr_00000000000000000000000000".parse().unwrap(),
            owner: Owner::Account("acc_00000000000000000000000000".parse().unwrap()),
            scopes: Scopes::from(Scope::ReportRead).with(Scope::Admin),
            narrowed_to: None,
            created_at: at(1_000),
        }
    }

    fn grant() -> ApplicationGrant {
        code().granted("gra_00000000000000000000000000".parse().unwrap(), at(1_010))
    }

    #[test]
    fn a_code_is_exchanged_in_time_by_whoever_asked_for_it() {
        let right = CodeExchange {
            client: ClientId::CommandLine,
            redirect_uri: "http://127.0.0.1:5000/",
            verifier: VERIFIER,
            wanted: Wanted::default(),
        };
        let code = code();
        assert!(code.is_exchanged_by(&right, at(1_059)));
        assert!(!code.is_exchanged_by(&right, at(1_060)));
        let other = ClientId::Application("app_00000000000000000000000000".parse().unwrap());
        for wrong in [
            CodeExchange { client: other, ..right },
            CodeExchange { redirect_uri: "http://127.0.0.1:5001/", ..right },
            CodeExchange { verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK", ..right },
        ] {
            assert!(!code.is_exchanged_by(&wrong, at(1_001)), "{wrong:?}");
        }
    }

    #[test]
    fn a_grant_lasts_while_it_is_used_and_no_longer_than_it_may() {
        let day = 24 * 3600;
        let grant = grant();
        assert!(grant.is_live(at(1_010 + 30 * day - 1)) && !grant.is_live(at(1_010 + 30 * day)));
        let mut used = grant.clone();
        for n in 1..=4 {
            used = used.refreshed(at(1_010 + n * 20 * day));
        }
        assert_eq!((used.refresh_token, used.created_at), (5, grant.created_at));
        assert_eq!(used.expires_at, at(1_010 + 90 * day));
    }

    #[test]
    fn no_more_is_given_than_was_granted() {
        let grant = grant();
        let wanted = |scopes: Scopes| grant.covers(&Wanted { scopes: Some(scopes), environment: None });
        assert_eq!(wanted(grant.scopes), Ok(()));
        let more = Scopes::from(Scope::ResponsesCreate);
        assert_eq!(wanted(more), Err(GrantRefusal::Scopes(ScopeError::NotGranted(more))));
        let environment = Environment {
            id: "env_00000000000000000000000000".parse().unwrap(),
            account: "acc_00000000000000000000000000".parse().unwrap(),
            name: Name::new("Production").unwrap(),
            state: State::Open,
            version: 1,
            created_at: at(0),
        };
        let elsewhere =
            Environment { account: "acc_00000000000000000000000001".parse().unwrap(), ..environment.clone() };
        let one = |grant: &ApplicationGrant, environment| {
            grant.covers(&Wanted { scopes: None, environment: Some(environment) })
        };
        assert_eq!(one(&grant, &environment), Ok(()));
        assert_eq!(one(&grant, &elsewhere), Err(GrantRefusal::Target));
        let next = "env_00000000000000000000000001".parse().ok();
        assert_eq!(
            one(&ApplicationGrant { narrowed_to: next, ..grant }, &environment),
            Err(GrantRefusal::Target)
        );
    }

    #[test]
    fn a_token_has_what_was_asked_for_and_the_person_may_still_give() {
        let grant = grant();
        let user = User { id: grant.user, email: Email::new("a@example.com").unwrap(), created_at: at(0) };
        let Owner::Account(account) = grant.owner else { panic!("an account's") };
        let gives = |role, scopes: Option<Scope>| {
            let live = LiveGrant { grant: grant.clone(), user: user.clone(), account, role };
            live.gives(&Wanted { scopes: scopes.map(Scopes::from), environment: None })
        };
        assert_eq!(gives(Role::Administrator, None), Ok(grant.scopes));
        assert_eq!(gives(Role::Reader, None), Ok(Scope::ReportRead.into()));
        assert_eq!(gives(Role::Administrator, Some(Scope::Admin)), Ok(Scope::Admin.into()));
        let lost = ScopeError::NotGranted(Scope::Admin.into());
        assert_eq!(gives(Role::Reader, Some(Scope::Admin)), Err(GrantRefusal::Scopes(lost)));
        let grant = ApplicationGrant { scopes: Scope::Admin.into(), ..grant.clone() };
        let live = LiveGrant { grant, user: user.clone(), account, role: Role::Author };
        assert_eq!(live.gives(&Wanted::default()), Err(GrantRefusal::NoRole));
    }

    #[test]
    fn a_token_is_worth_what_the_person_may_do_now() {
        let grant = grant();
        let user = User { id: grant.user, email: Email::new("a@example.com").unwrap(), created_at: at(0) };
        let Owner::Account(account) = grant.owner else { panic!("an account's") };
        let live = |role| LiveGrant { grant: grant.clone(), user: user.clone(), account, role };
        let claims = GrantTokenClaims {
            id: TokenId::from_bytes([1; 16]),
            grant: grant.id,
            user: grant.user,
            client: grant.client,
            owner: grant.owner,
            scopes: grant.scopes,
            expires_at: at(2_000),
        };
        let worth = |claims: GrantTokenClaims, role, second| claims.scopes_at(at(second), &live(role));
        assert_eq!(worth(claims, Role::Administrator, 1_999), Ok(grant.scopes));
        assert_eq!(worth(claims, Role::Reader, 1_999), Ok(Scope::ReportRead.into()));
        assert_eq!(worth(claims, Role::Administrator, 2_000), Err(Outlived::Expired));
        let long = GrantTokenClaims { expires_at: Timestamp::MAX, ..claims };
        let end = grant.expires_at.as_second();
        assert_eq!(worth(long, Role::Administrator, end), Err(Outlived::Grant));
        let dashboard = ClientId::Application("app_00000000000000000000000000".parse().unwrap());
        for other in [
            GrantTokenClaims { grant: "gra_00000000000000000000000001".parse().unwrap(), ..claims },
            GrantTokenClaims { user: "usr_00000000000000000000000001".parse().unwrap(), ..claims },
            GrantTokenClaims { client: dashboard, ..claims },
            GrantTokenClaims { owner: "acc_00000000000000000000000001".parse().unwrap(), ..claims },
        ] {
            assert_eq!(worth(other, Role::Administrator, 1_500), Err(Outlived::Grant));
        }
    }
}
