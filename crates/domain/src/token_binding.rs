use std::fmt;
use std::str::FromStr;

use crate::{KeypairRefusal, Thumbprint};

/// What a keypair's tokens must be bound to, so that whoever copies one can't use it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenBinding {
    /// Nothing; the client may bind them by DPoP all the same.
    #[default]
    None,
    /// A key of the client's, which signs a proof for each request (RFC 9449).
    Dpop,
    /// The certificate that the client connects with (RFC 8705 §3).
    Mtls,
}

/// The text names no binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected none, dpop or mtls")]
pub struct UnknownBinding;

impl TokenBinding {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::None, Self::Dpop, Self::Mtls];

    /// `none`, `dpop` or `mtls`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Dpop => "dpop",
            Self::Mtls => "mtls",
        }
    }

    /// Whether a client can have its tokens bound so, by whether the server sees the certificates of its clients.
    pub fn can_be_met(self, sees_certificates: bool) -> bool {
        sees_certificates || self != Self::Mtls
    }

    /// Refuses to be required instead of `before` if no client could meet it: the keypair would obtain nothing. What is
    /// required already may stay.
    pub fn may_follow(self, before: Self, sees_certificates: bool) -> Result<(), KeypairRefusal> {
        if self == before || self.can_be_met(sees_certificates) {
            Ok(())
        } else {
            Err(KeypairRefusal::UnmetBinding(self))
        }
    }

    /// Whether a token that is bound so may be used.
    pub fn is_met_by(self, confirmation: Option<Confirmation>) -> bool {
        match self {
            Self::None => true,
            Self::Dpop => matches!(confirmation, Some(Confirmation::Key(_))),
            Self::Mtls => matches!(confirmation, Some(Confirmation::Certificate(_))),
        }
    }
}

impl fmt::Display for TokenBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for TokenBinding {
    type Err = UnknownBinding;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|binding| binding.name() == name).ok_or(UnknownBinding)
    }
}

/// What a token is bound to: the `cnf` claim (RFC 7800 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// The thumbprint of the key that signs DPoP proofs: `jkt` (RFC 9449 §6.1).
    Key(Thumbprint),
    /// The SHA-256 of the client's certificate in DER: `x5t#S256` (RFC 8705 §3.1).
    Certificate(Thumbprint),
}

impl Confirmation {
    /// The hash that it is.
    pub const fn hash(self) -> Thumbprint {
        let (Self::Key(hash) | Self::Certificate(hash)) = self;
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Actor, AllowedAddresses, Comment, Credential, Entropy, Keypair, KeypairEdit, NewKeypair, Outlived,
        Owner, Scope, TokenClaims, TokenId, from_millis,
    };
    use jiff::Timestamp;

    struct Sevens;
    impl Entropy for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    const KEY: Option<Confirmation> = Some(Confirmation::Key(Thumbprint::from_bytes([1; 32])));
    const CERTIFICATE: Option<Confirmation> =
        Some(Confirmation::Certificate(Thumbprint::from_bytes([1; 32])));

    fn now() -> Timestamp {
        from_millis(1_770_000_000_000)
    }

    fn keypair(token_binding: TokenBinding) -> Keypair {
        let new = NewKeypair {
            owner: Owner::Account("acc_00000000000000000000000000".parse().unwrap()),
            comment: Comment::new("").unwrap(),
            scopes: Scope::ReportRead.into(),
            expires_at: None,
            allowed_addresses: AllowedAddresses::default(),
            token_binding,
        };
        Keypair::create(new, None, Actor::Operator, now(), &Sevens).unwrap().0
    }

    fn bound(keypair: &Keypair, to: TokenBinding) -> Keypair {
        let edit = KeypairEdit { token_binding: Some(to), ..KeypairEdit::default() };
        keypair.edited(&edit, None, now()).unwrap()
    }

    /// Which tokens of `issuing` the keypair `judging` still stands behind: unbound, bound to a key, to a certificate.
    fn worth(issuing: &Keypair, judging: &Keypair) -> [Result<(), Outlived>; 3] {
        [None, KEY, CERTIFICATE].map(|confirmation| {
            let token = TokenClaims {
                id: TokenId::from_bytes([1; 16]),
                keypair: issuing.id,
                owner: issuing.owner,
                scopes: issuing.scopes,
                generation: issuing.generation,
                secret: 1,
                expires_at: from_millis(1_770_003_600_000),
                confirmation,
            };
            token.scopes_at(now(), &Credential::of(judging)).map(|_| ())
        })
    }

    #[test]
    fn a_requirement_ends_the_tokens_that_do_not_meet_it_and_no_others() {
        let before = keypair(TokenBinding::None);
        let refused = Err(Outlived::NotBound);
        assert_eq!(worth(&before, &before), [Ok(()), Ok(()), Ok(())]);
        assert_eq!(worth(&before, &bound(&before, TokenBinding::Dpop)), [refused, Ok(()), refused]);
        assert_eq!(worth(&before, &bound(&before, TokenBinding::Mtls)), [refused, refused, Ok(())]);
        assert_eq!(bound(&before, TokenBinding::None), before);
    }

    #[test]
    fn a_requirement_that_goes_brings_no_token_back() {
        let all = [Err(Outlived::Generation); 3];
        for required in [TokenBinding::Dpop, TokenBinding::Mtls] {
            let before = keypair(TokenBinding::None);
            let after = bound(&bound(&before, required), TokenBinding::None);
            assert_eq!(worth(&before, &after), all);
            assert_eq!(worth(&after, &after), [Ok(()), Ok(()), Ok(())]);
        }
        let before = keypair(TokenBinding::Dpop);
        let to_and_fro = bound(&bound(&before, TokenBinding::Mtls), TokenBinding::Dpop);
        assert_eq!(worth(&before, &to_and_fro), all);
    }

    #[test]
    fn what_no_client_can_meet_may_only_stay() {
        for before in TokenBinding::ALL {
            for after in TokenBinding::ALL {
                assert_eq!(after.may_follow(before, true), Ok(()));
                let unmet = after == TokenBinding::Mtls && before != TokenBinding::Mtls;
                let expected = if unmet { Err(KeypairRefusal::UnmetBinding(after)) } else { Ok(()) };
                assert_eq!(after.may_follow(before, false), expected, "{before} to {after}");
            }
        }
    }

    #[test]
    fn names_read_as_they_are_written() {
        for binding in TokenBinding::ALL {
            assert_eq!(binding.to_string().parse(), Ok(binding));
        }
        for other in ["", "DPoP", "bearer"] {
            assert_eq!(other.parse::<TokenBinding>(), Err(UnknownBinding));
        }
    }
}
