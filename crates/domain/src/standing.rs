use std::net::IpAddr;

use jiff::Timestamp;

use crate::{
    AllowedAddresses, Confirmation, Credential, KeyId, KeypairStatus, Outlived, Scopes, SigningKeyHash,
    TokenClaims,
};

/// What a program shows for itself when it makes a change. It is judged at the door, by what is known there, and once more
/// in the transaction that makes the change, by what is true then: a node that has not yet heard that the program was
/// stopped changes nothing for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// An access token.
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
}

/// Why a program may not make a change that was allowed at the door.
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
        }
    }

    /// The same, handing on these scopes, and from where the keypair may be used.
    pub fn handing_on(self, scopes: Scopes, from: &AllowedAddresses) -> Self {
        match self {
            Self::Token { claims, signed_by, needs, networks: _ } => {
                let needs = needs.iter().chain(scopes.iter()).collect();
                Self::Token { claims, signed_by, needs, networks: Some(from.clone()) }
            }
            Self::Client(n) => Self::Client(n),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Actor, Comment, Entropy, Keypair, KeypairEdit, NewKeypair, OldSecrets, Owner, Scope, Thumbprint,
        TokenBinding, TokenId, VerifyingKey, from_millis,
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

    fn key() -> VerifyingKey {
        let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        VerifyingKey::from_text(jwk, None).unwrap()
    }
}
