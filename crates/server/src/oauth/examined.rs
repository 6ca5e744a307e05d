//! A token in the hands of somebody who administers what it is for: what it says, what it is worth, and its end.

use domain::{EnvironmentId, Outlived, Scopes, Timestamp};
use storage::{Revocation, StorageError};

use super::access_token::{Signed, TokenRefused, Verified, accepted, judge, signed};
use super::token_basis::Says;
use crate::app::{App, Author};

/// What a token says and what it is worth. That somebody may see it is for the caller to ask.
#[derive(Clone, Debug)]
pub(crate) struct Examined {
    pub(crate) says: Says,
    /// The one environment that it was narrowed to, if any.
    pub(crate) narrowed_to: Option<EnvironmentId>,
    pub(crate) issued_at: Timestamp,
    /// What a request with it would find.
    pub(crate) worth: Result<Verified, Outlived>,
}

/// Looks at a token; none if it is not one that a key of ours signed. That is no use of it.
pub(crate) async fn examine(
    app: &App,
    token: &str,
    now: Timestamp,
) -> Result<Option<Examined>, StorageError> {
    let Some(signed) = accepted(signed(app, token).await)? else { return Ok(None) };
    let Signed { says, narrowed_to, issued_at, .. } = signed;
    let worth = match judge(app, signed, now).await {
        Ok(verified) => Ok(verified),
        Err(TokenRefused::Outlived(outlived)) => Err(outlived),
        Err(TokenRefused::Unavailable(error)) => return Err(error),
        Err(_) => return Ok(None),
    };
    let issued_at = Timestamp::from_second(issued_at).unwrap_or(now);
    Ok(Some(Examined { says, narrowed_to, issued_at, worth }))
}

impl Examined {
    /// The scopes that it has now.
    pub(crate) fn scopes(&self) -> Scopes {
        self.worth.as_ref().map_or(Scopes::NONE, |verified| verified.scopes)
    }

    /// Those that it was issued with and has no more.
    pub(crate) fn lost(&self) -> Scopes {
        self.says.scopes().minus(self.scopes())
    }

    /// Ends a keypair's token and no other; with a person's, all that was granted with it, as the application's own
    /// revocation does. `NotFound` if there is nothing any more that it could rest on.
    pub(crate) async fn revoke(
        &self,
        app: &App,
        author: &Author,
        now: Timestamp,
    ) -> Result<Revocation, StorageError> {
        let stamp = app.stamp(author, now);
        match self.says {
            Says::Keypair(claims) => app.store.revoke_token(&stamp, claims.keypair, &claims.revoked()).await,
            Says::Grant(claims) => {
                app.store.revoke_grant(&stamp, claims.user, claims.grant).await?;
                Ok(Revocation::Done)
            }
        }
    }
}
