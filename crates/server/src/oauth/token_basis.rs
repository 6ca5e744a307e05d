//! What a token rests on: a keypair, or what a person let an application do. It is worth no more than that is right now.

use std::net::IpAddr;
use std::sync::Arc;

use domain::{
    AccountId, Actor, Confirmation, GrantTokenClaims, KeyId, LiveGrant, Outlived, Owner, Scopes, Timestamp,
    TokenClaims, TokenId,
};

use super::access_token::TokenRefused;
use crate::app::App;
use crate::live::LiveKeypair;

/// What a token says of what it rests on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Says {
    /// A program's, of this keypair.
    Keypair(TokenClaims),
    /// A person's, in an application's hands.
    Grant(GrantTokenClaims),
}

/// What a token rests on, as it is right now.
#[derive(Clone, Debug)]
pub(crate) enum Basis {
    /// A keypair, from what is live.
    Keypair(TokenClaims, Arc<LiveKeypair>),
    /// What a person granted, always from the store: people's own tools are few.
    Grant(GrantTokenClaims, Arc<LiveGrant>),
}

impl Says {
    /// The keypair, of a program's token.
    pub(super) fn keypair(&self) -> Option<KeyId> {
        match self {
            Self::Keypair(claims) => Some(claims.keypair),
            Self::Grant(_) => None,
        }
    }

    /// The account or environment that it is for.
    pub(crate) fn owner(&self) -> Owner {
        match self {
            Self::Keypair(claims) => claims.owner,
            Self::Grant(claims) => claims.owner,
        }
    }

    /// The scopes that it was issued with.
    pub(crate) fn scopes(&self) -> Scopes {
        match self {
            Self::Keypair(claims) => claims.scopes,
            Self::Grant(claims) => claims.scopes,
        }
    }

    /// When it runs out.
    pub(crate) fn expires_at(&self) -> Timestamp {
        match self {
            Self::Keypair(claims) => claims.expires_at,
            Self::Grant(claims) => claims.expires_at,
        }
    }

    /// What it is bound to, if to anything. Applications' tokens never are.
    pub(crate) fn confirmation(&self) -> Option<Confirmation> {
        match self {
            Self::Keypair(claims) => claims.confirmation,
            Self::Grant(_) => None,
        }
    }

    /// What it rests on at `now`, and the scopes that it has then.
    pub(super) async fn judged(self, app: &App, now: Timestamp) -> Result<(Basis, Scopes), TokenRefused> {
        match self {
            Self::Keypair(claims) => {
                let live = app.live.keypair(claims.keypair).await?.ok_or(Outlived::Removed)?;
                let scopes = claims.scopes_at(now, &live.credential)?;
                Ok((Basis::Keypair(claims, live), scopes))
            }
            Self::Grant(claims) => {
                let live = app.store.live_grant(claims.grant, now).await?.ok_or(Outlived::Grant)?;
                let scopes = claims.scopes_at(now, &live)?;
                Ok((Basis::Grant(claims, Arc::new(live)), scopes))
            }
        }
    }
}

impl Basis {
    fn says(&self) -> Says {
        match self {
            Self::Keypair(claims, _) => Says::Keypair(*claims),
            Self::Grant(claims, _) => Says::Grant(*claims),
        }
    }

    /// The account or environment that it reaches.
    pub(super) fn owner(&self) -> Owner {
        self.says().owner()
    }

    /// The account that is the owner, or that owns the environment that is.
    pub(super) fn account(&self) -> AccountId {
        match self {
            Self::Keypair(_, live) => live.account,
            Self::Grant(_, live) => live.account,
        }
    }

    /// Which token it is.
    pub(super) fn token(&self) -> TokenId {
        match self {
            Self::Keypair(claims, _) => claims.id,
            Self::Grant(claims, _) => claims.id,
        }
    }

    /// When the token runs out.
    pub(super) fn expires_at(&self) -> Timestamp {
        self.says().expires_at()
    }

    /// What the token is bound to, if to anything.
    pub(super) fn confirmation(&self) -> Option<Confirmation> {
        self.says().confirmation()
    }

    /// Whether the token may be used from there. People's may be from anywhere.
    pub(super) fn may_be_used_from(&self, address: impl FnOnce() -> Option<IpAddr>) -> bool {
        match self {
            Self::Keypair(_, live) => live.credential.allowed_addresses.allow(address),
            Self::Grant(..) => true,
        }
    }

    /// The `sub` claim: the Key ID, or the person.
    pub(super) fn subject(&self) -> String {
        match self {
            Self::Keypair(claims, _) => claims.keypair.to_string(),
            Self::Grant(claims, _) => claims.user.to_string(),
        }
    }

    /// The `client_id` claim: the Key ID, or the application.
    pub(super) fn client(&self) -> String {
        match self {
            Self::Keypair(claims, _) => claims.keypair.to_string(),
            Self::Grant(claims, _) => claims.client.to_string(),
        }
    }

    /// Whom the log names for what is changed with the token.
    pub(super) fn actor(&self) -> Actor {
        match self {
            Self::Keypair(claims, _) => Actor::Keypair(claims.keypair),
            Self::Grant(_, live) => Actor::User(live.user.id, live.user.email.to_string()),
        }
    }
}
