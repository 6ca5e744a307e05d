use std::net::IpAddr;

use jiff::Timestamp;

use crate::{
    AllowedAddresses, ClientId, Confirmation, Credential, GrantTokenClaims, KeyId, KeypairStatus, LiveGrant,
    Outlived, Scopes, SecretHash, SigningKeyHash, TokenClaims, UserId,
};

/// What a program or person shows when it makes a change. It is judged at the door, by what is known there, and once more
/// in the transaction that makes the change, by what is true then: nothing is changed for whoever was stopped between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A keypair's access token.
    Token {
        /// What it says.
        claims: TokenClaims,
        /// Which key signed it.
        signed_by: SigningKeyHash,
        /// The scopes that the change rests on; it must have each of them.
        needs: Scopes,
        /// From where its keypair may be used, if the change hands that on: the very same.
        networks: Option<AllowedAddresses>,
    },
    /// The secret or public key of that number, by which the client authenticated itself.
    Client(u32),
    /// An access token that acts in a person's name.
    Grant {
        /// What it says.
        claims: GrantTokenClaims,
        /// Which key signed it.
        signed_by: SigningKeyHash,
        /// The scopes that the change rests on; it must have each of them.
        needs: Scopes,
    },
    /// The session of that token's hash, in which a person is signed in to the Web UI.
    Session(SecretHash),
}

/// Why a change is not made that was allowed at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fallen {
    /// Its token, bound to that if to anything, is worth nothing.
    #[error("{0}")]
    Outlived(Outlived, Option<Confirmation>),
    /// Its token, bound to that if to anything, has lost these scopes.
    #[error("the token has lost `{0}`")]
    Lacks(Scopes, Option<Confirmation>),
    /// From where its keypair may be used was changed since the change was decided by that.
    #[error("the keypair's networks were changed meanwhile")]
    Networks,
    /// The secret or public key that it authenticated by opens nothing any more.
    #[error("what the client authenticated by opens nothing any more")]
    Client,
    /// The session that the person was signed in by was ended or has run out.
    #[error("the session was ended or has run out")]
    Session,
}

impl Standing {
    /// Whether the program of keypair `id` may make its change at `now` from that address, given the keypair as it is then, if
    /// it exists, and the `kid` of each signing key that there is.
    pub fn judge(
        &self,
        id: KeyId,
        keypair: Option<&Credential>,
        signing_keys: &[String],
        from: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(), Fallen> {
        match self {
            Self::Token { claims, signed_by, needs, networks } => {
                let outlived = |why| Fallen::Outlived(why, claims.confirmation);
                let keypair =
                    keypair.filter(|_| claims.keypair == id).ok_or_else(|| outlived(Outlived::Removed))?;
                if !signing_keys.iter().any(|kid| SigningKeyHash::of(kid) == *signed_by) {
                    return Err(outlived(Outlived::SigningKey));
                }
                if !keypair.allowed_addresses.allow(|| from) {
                    return Err(outlived(Outlived::Elsewhere));
                }
                let scopes = claims.scopes_at(now, keypair).map_err(outlived)?;
                if !needs.within(scopes) {
                    return Err(Fallen::Lacks(needs.minus(scopes), claims.confirmation));
                }
                if networks.as_ref().is_some_and(|networks| *networks != keypair.allowed_addresses) {
                    return Err(Fallen::Networks);
                }
                Ok(())
            }
            Self::Client(n) => {
                let opens = |keypair: &Credential| {
                    keypair.status(now) == KeypairStatus::Active
                        && keypair.still_opens(*n, now)
                        && keypair.allowed_addresses.allow(|| from)
                };
                if keypair.is_some_and(opens) { Ok(()) } else { Err(Fallen::Client) }
            }
            // A person's makes no program able to do anything.
            Self::Grant { .. } => Err(Fallen::Outlived(Outlived::Removed, None)),
            Self::Session(_) => Err(Fallen::Session),
        }
    }

    /// Whether `user` may make the change at `now`, given the grant that a token is of as it is then, if it is live; whose
    /// the session is, if it is there and has not run out; and the `kid` of each signing key that there is.
    pub fn judge_person(
        &self,
        user: UserId,
        grant: Option<&LiveGrant>,
        session: Option<UserId>,
        signing_keys: &[String],
        now: Timestamp,
    ) -> Result<(), Fallen> {
        match self {
            Self::Grant { claims, signed_by, needs } => {
                let outlived = |why| Fallen::Outlived(why, None);
                let grant = grant.filter(|_| claims.user == user).ok_or_else(|| outlived(Outlived::Grant))?;
                if !signing_keys.iter().any(|kid| SigningKeyHash::of(kid) == *signed_by) {
                    return Err(outlived(Outlived::SigningKey));
                }
                let scopes = claims.scopes_at(now, grant).map_err(outlived)?;
                if !needs.within(scopes) {
                    return Err(Fallen::Lacks(needs.minus(scopes), None));
                }
                Ok(())
            }
            Self::Session(_) if session == Some(user) => Ok(()),
            Self::Session(_) => Err(Fallen::Session),
            // A program's makes no person able to do anything.
            Self::Token { claims, .. } => Err(Fallen::Outlived(Outlived::Grant, claims.confirmation)),
            Self::Client(_) => Err(Fallen::Client),
        }
    }

    /// The application that has the token, if that acts in a person's name.
    pub fn client(&self) -> Option<ClientId> {
        match self {
            Self::Grant { claims, .. } => Some(claims.client),
            Self::Token { .. } | Self::Client(_) | Self::Session(_) => None,
        }
    }

    /// The same, handing on these scopes, and from where the keypair may be used.
    pub fn handing_on(self, scopes: Scopes, from: &AllowedAddresses) -> Self {
        match self {
            Self::Token { claims, signed_by, needs, networks: _ } => {
                let needs = needs.iter().chain(scopes.iter()).collect();
                Self::Token { claims, signed_by, needs, networks: Some(from.clone()) }
            }
            Self::Grant { claims, signed_by, needs } => {
                let needs = needs.iter().chain(scopes.iter()).collect();
                Self::Grant { claims, signed_by, needs }
            }
            Self::Client(_) | Self::Session(_) => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Actor, ApplicationGrant, Comment, Email, Entropy, Keypair, KeypairEdit, NewKeypair, OldSecrets,
        Owner, Role, Scope, Thumbprint, TokenBinding, TokenId, User, VerifyingKey, from_millis,
    };
    use jiff::SignedDuration;

    struct Sevens;
    impl Entropy for Sevens {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(7);
        }
    }

    fn now() -> Timestamp {
        from_millis(1_770_000_000_000)
    }

    fn keypair() -> Keypair {
        let new = NewKeypair {
            owner: Owner::Account("acc_00000000000000000000000000".parse().unwrap()),
            comment: Comment::new("").unwrap(),
            scopes: "feedback-report:read feedback-admin".parse().unwrap(),
            expires_at: None,
            token_binding: TokenBinding::None,
            allowed_addresses: AllowedAddresses::default(),
        };
        Keypair::create(new, None, Actor::Operator, now(), &Sevens).unwrap().0
    }

    fn standing(keypair: &Keypair, confirmation: Option<Confirmation>) -> Standing {
        let claims = TokenClaims {
            id: TokenId::from_bytes([1; 16]),
            keypair: keypair.id,
            owner: keypair.owner,
            scopes: keypair.scopes,
            generation: keypair.generation,
            secret: 1,
            expires_at: now() + SignedDuration::from_hours(1),
            confirmation,
        };
        Standing::Token {
            claims,
            signed_by: SigningKeyHash::of("kid"),
            needs: Scope::Admin.into(),
            networks: None,
        }
    }

    fn judge(standing: &Standing, keypair: &Keypair) -> Result<(), Fallen> {
        standing.judge(keypair.id, Some(&Credential::of(keypair)), &["kid".to_owned()], None, now())
    }

    #[test]
    fn a_token_falls_with_whatever_it_stands_on() {
        let keypair = keypair();
        let token = standing(&keypair, None);
        assert_eq!(judge(&token, &keypair), Ok(()));
        let outlived = |why| Err(Fallen::Outlived(why, None));
        let edited = |edit: KeypairEdit| keypair.edited(&edit, None, now()).unwrap();
        let switched = |keypair: &Keypair, enabled| {
            let edit = KeypairEdit { enabled: Some(enabled), ..KeypairEdit::default() };
            keypair.edited(&edit, None, now()).unwrap()
        };
        let disabled = switched(&keypair, false);
        assert_eq!(judge(&token, &disabled), outlived(Outlived::Keypair(KeypairStatus::Disabled)));
        assert_eq!(judge(&token, &switched(&disabled, true)), outlived(Outlived::Generation));
        let rotated = keypair.rotated(OldSecrets::Stay, None, now(), &Sevens).unwrap().0;
        assert_eq!(judge(&token, &rotated.without_secret(1, now()).unwrap()), outlived(Outlived::Secret));
        let with_key = keypair.with_public_key(key(), None, None, now()).unwrap();
        let edit = KeypairEdit { accepts_secrets: Some(false), ..KeypairEdit::default() };
        assert_eq!(judge(&token, &with_key.edited(&edit, None, now()).unwrap()), outlived(Outlived::Secret));
        let bound = KeypairEdit { token_binding: Some(TokenBinding::Dpop), ..KeypairEdit::default() };
        assert_eq!(judge(&token, &edited(bound)), outlived(Outlived::NotBound));
        let gave_up = Credential::of(&keypair).without_tokens(vec![TokenId::from_bytes([1; 16])]);
        let kids = ["kid".to_owned()];
        assert_eq!(token.judge(keypair.id, Some(&gave_up), &kids, None, now()), outlived(Outlived::Revoked));
        assert_eq!(token.judge(keypair.id, None, &kids, None, now()), outlived(Outlived::Removed));
        let live = Credential::of(&keypair);
        let other = "key_00000000000000000000000000".parse().unwrap();
        assert_eq!(
            token.judge(other, Some(&live), &kids, None, now()),
            outlived(Outlived::Removed),
            "another's"
        );
        assert_eq!(
            token.judge(keypair.id, Some(&live), &["new".to_owned()], None, now()),
            outlived(Outlived::SigningKey)
        );
        let late = now() + SignedDuration::from_hours(1);
        assert_eq!(token.judge(keypair.id, Some(&live), &kids, None, late), outlived(Outlived::Expired));
    }

    #[test]
    fn a_change_falls_where_the_keypair_may_not_be_used_from_any_more() {
        let keypair = keypair();
        let networks = AllowedAddresses::new(["192.0.2.0/24"]).unwrap();
        let edit = KeypairEdit { allowed_addresses: Some(networks), ..KeypairEdit::default() };
        let limited = Credential::of(&keypair.edited(&edit, None, now()).unwrap());
        let judge = |standing: &Standing, from: Option<&str>| {
            let from = from.map(|address| address.parse().unwrap());
            standing.judge(keypair.id, Some(&limited), &["kid".to_owned()], from, now())
        };
        for (standing, fallen) in [
            (standing(&keypair, None), Fallen::Outlived(Outlived::Elsewhere, None)),
            (Standing::Client(1), Fallen::Client),
        ] {
            assert_eq!(judge(&standing, Some("192.0.2.7")), Ok(()));
            assert_eq!(judge(&standing, Some("198.51.100.7")), Err(fallen));
            assert_eq!(judge(&standing, None), Err(fallen));
        }
        let within = limited.allowed_addresses.clone();
        for (networks, judged) in
            [(within, Ok(())), (keypair.allowed_addresses.clone(), Err(Fallen::Networks))]
        {
            let handing_on = standing(&keypair, None).handing_on(Scope::Admin.into(), &networks);
            assert_eq!(judge(&handing_on, Some("192.0.2.7")), judged);
        }
    }

    #[test]
    fn a_change_falls_with_a_scope_that_it_rests_on_and_with_no_other() {
        let keypair = keypair();
        let narrowed = |scopes: &str| {
            let edit = KeypairEdit { scopes: Some(scopes.parse().unwrap()), ..KeypairEdit::default() };
            keypair.edited(&edit, None, now()).unwrap()
        };
        let bound_to = Some(Confirmation::Key(Thumbprint::from_bytes([9; 32])));
        let token = standing(&keypair, bound_to);
        assert_eq!(judge(&token, &narrowed("feedback-admin")), Ok(()));
        let lacks = |scope: Scope| Err(Fallen::Lacks(scope.into(), bound_to));
        assert_eq!(judge(&token, &narrowed("feedback-report:read")), lacks(Scope::Admin));
        let handing_on = token.handing_on(Scope::ReportRead.into(), &AllowedAddresses::default());
        assert_eq!(judge(&handing_on, &keypair), Ok(()));
        assert_eq!(judge(&handing_on, &narrowed("feedback-admin")), lacks(Scope::ReportRead));
    }

    #[test]
    fn a_client_falls_with_what_it_authenticated_by() {
        let one = keypair();
        let two = one.rotated(OldSecrets::Stay, None, now(), &Sevens).unwrap().0;
        let by_first = Standing::Client(1);
        assert_eq!(judge(&by_first, &two), Ok(()));
        assert_eq!(judge(&by_first, &two.without_secret(1, now()).unwrap()), Err(Fallen::Client));
        assert_eq!(judge(&Standing::Client(2), &two.without_secret(1, now()).unwrap()), Ok(()));
        let edit = KeypairEdit { enabled: Some(false), ..KeypairEdit::default() };
        assert_eq!(judge(&by_first, &two.edited(&edit, None, now()).unwrap()), Err(Fallen::Client));
        assert_eq!(by_first.judge(one.id, None, &[], None, now()), Err(Fallen::Client));
    }

    fn live(role: Role) -> LiveGrant {
        let account = "acc_00000000000000000000000000".parse().unwrap();
        let user = User {
            id: "usr_00000000000000000000000000".parse().unwrap(),
            email: Email::new("a@example.com").unwrap(),
            created_at: now(),
        };
        let grant = ApplicationGrant {
            id: "gra_00000000000000000000000000".parse().unwrap(),
            client: ClientId::CommandLine,
            user: user.id,
            owner: Owner::Account(account),
            scopes: "feedback-report:read feedback-admin".parse().unwrap(),
            narrowed_to: None,
            created_at: now(),
            last_used_at: now(),
            expires_at: now() + SignedDuration::from_hours(1),
            refresh_token: 1,
        };
        LiveGrant { grant, user, account, role }
    }

    #[test]
    fn a_person_s_token_falls_with_its_grant_and_what_the_person_may_do() {
        let of = live(Role::Administrator);
        let claims = GrantTokenClaims {
            id: TokenId::from_bytes([1; 16]),
            grant: of.grant.id,
            user: of.user.id,
            client: of.grant.client,
            owner: of.grant.owner,
            scopes: Scope::Admin.into(),
            expires_at: now() + SignedDuration::from_mins(15),
        };
        let signed_by = SigningKeyHash::of("kid");
        let token = Standing::Grant { claims, signed_by, needs: Scope::Admin.into() };
        let kids = ["kid".to_owned()];
        let with =
            |live: Option<LiveGrant>| token.judge_person(of.user.id, live.as_ref(), None, &kids, now());
        let outlived = |why| Err(Fallen::Outlived(why, None));
        assert_eq!(with(Some(of.clone())), Ok(()));
        assert_eq!(with(None), outlived(Outlived::Grant));
        assert_eq!(with(Some(live(Role::Reader))), Err(Fallen::Lacks(Scope::Admin.into(), None)));
        let more = token.clone().handing_on(Scope::ReportRead.into(), &AllowedAddresses::default());
        let lacks = Err(Fallen::Lacks(Scope::ReportRead.into(), None));
        assert_eq!(more.judge_person(of.user.id, Some(&of), None, &kids, now()), lacks);
        let other = "usr_00000000000000000000000001".parse().unwrap();
        assert_eq!(token.judge_person(other, Some(&of), None, &kids, now()), outlived(Outlived::Grant));
        let none = token.judge_person(of.user.id, Some(&of), None, &[], now());
        assert_eq!(none, outlived(Outlived::SigningKey));
        let late = token.judge_person(of.user.id, Some(&of), None, &kids, claims.expires_at);
        assert_eq!(late, outlived(Outlived::Expired));
        assert_eq!(judge(&token, &keypair()), outlived(Outlived::Removed));
    }

    #[test]
    fn a_session_is_its_person_s_alone_and_no_program_s() {
        let [user, other] = ["usr_00000000000000000000000000", "usr_00000000000000000000000001"];
        let (user, other): (UserId, UserId) = (user.parse().unwrap(), other.parse().unwrap());
        let hash = SecretHash::from_bytes([0xab; 32]);
        let session = Standing::Session(hash);
        let of = |of| session.judge_person(user, None, of, &[], now());
        assert_eq!(of(Some(user)), Ok(()));
        assert_eq!(of(Some(other)), Err(Fallen::Session));
        assert_eq!(of(None), Err(Fallen::Session));
        let keypair = keypair();
        assert_eq!(judge(&session, &keypair), Err(Fallen::Session));
        let program = Standing::Client(1).judge_person(user, None, Some(user), &[], now());
        assert_eq!(program, Err(Fallen::Client));
        let token = standing(&keypair, None).judge_person(user, None, Some(user), &[], now());
        assert_eq!(token, Err(Fallen::Outlived(Outlived::Grant, None)));
        let printed = format!("{session:?}").to_lowercase();
        assert!(printed.contains("redacted") && !printed.contains("abab"), "{printed}");
    }

    fn key() -> VerifyingKey {
        let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        VerifyingKey::from_text(jwk, None).unwrap()
    }
}
