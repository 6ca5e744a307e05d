use async_trait::async_trait;
use domain::{
    AccountId, Action, Actor, ApplicationGrant, AuthorizationCode, ClientId, CodeChallenge, CodeExchange,
    Fallen, GrantId, GrantRefusal, LiveGrant, Name, ObjectRef, Owner, Place, Role, SecretHash, Stamp,
    Timestamp, User, UserId, Wanted,
};
use serde_json::Value;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use storage::{ApplicationGrants, NamedGrant, NamedPlace, Record, Result, StorageError, TokenHash};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored, corrupt};
use crate::{SqliteStorage, applications, author, begin, environments, users};

/// A user's roles on an account or environment that is open, explicit and inherited.
const STANDING: &str = "SELECT user.*, account.id AS account_id, role.role FROM user \
     LEFT JOIN environment ON environment.id = ?2 AND environment.closed_at IS NULL \
     JOIN account ON account.id = COALESCE(environment.account_id, ?2) AND account.closed_at IS NULL \
     JOIN role ON role.user_id = user.id AND role.owner_id IN (?2, account.id) \
     WHERE user.id = ?1";

/// The newest grants of a person, with names.
const BY_USER: &str = "SELECT application_grant.*, application.name AS application_name, \
     environment.name AS environment_name, account.id AS account_id, account.name AS account_name \
     FROM application_grant \
     LEFT JOIN application ON application.id = application_grant.client_id \
     LEFT JOIN environment ON environment.id = application_grant.owner_id \
     JOIN account ON account.id = COALESCE(environment.account_id, application_grant.owner_id) \
     WHERE application_grant.user_id = ? AND application_grant.expires_at > ? \
     ORDER BY application_grant.id DESC LIMIT ?";

fn grant(row: &SqliteRow) -> Result<ApplicationGrant> {
    Ok(ApplicationGrant {
        id: row.parsed("id")?,
        client: row.parsed("client_id")?,
        user: row.parsed("user_id")?,
        owner: row.parsed("owner_id")?,
        scopes: row.parsed("scopes")?,
        narrowed_to: row.parsed_or_null("environment_id")?,
        created_at: row.instant("created_at")?,
        last_used_at: row.instant("last_used_at")?,
        expires_at: row.instant("expires_at")?,
        refresh_token: row.value("refresh_token")?,
    })
}

fn code(row: &SqliteRow) -> Result<AuthorizationCode> {
    Ok(AuthorizationCode {
        hash: SecretHash::from_bytes(row.bytes("hash")?),
        client: row.parsed("client_id")?,
        redirect_uri: row.value("redirect_uri")?,
        challenge: CodeChallenge::from_bytes(row.bytes("challenge")?),
        user: row.parsed("user_id")?,
        owner: row.parsed("owner_id")?,
        scopes: row.parsed("scopes")?,
        narrowed_to: row.parsed_or_null("environment_id")?,
        created_at: row.instant("created_at")?,
    })
}

async fn find(connection: &mut SqliteConnection, id: GrantId) -> Result<Option<ApplicationGrant>> {
    let row = sqlx::query("SELECT * FROM application_grant WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .stored()?;
    row.as_ref().map(grant).transpose()
}

/// What the person is on the account or environment, if that is open and the person has a role there.
async fn standing(
    connection: &mut SqliteConnection,
    user: UserId,
    on: Owner,
) -> Result<Option<(User, AccountId, Role)>> {
    let rows = sqlx::query(STANDING)
        .bind(user.to_string())
        .bind(on.to_string())
        .fetch_all(connection)
        .await
        .stored()?;
    let Some(first) = rows.first() else { return Ok(None) };
    let roles = rows.iter().map(|row| row.parsed("role")).collect::<Result<Vec<Role>>>()?;
    let mightiest = roles.into_iter().max().ok_or_else(|| corrupt("role"))?;
    Ok(Some((users::user(first)?, first.parsed("account_id")?, mightiest)))
}

/// The grant with what its tokens are judged by; none if its person has no role where it is for.
async fn judged(connection: &mut SqliteConnection, grant: ApplicationGrant) -> Result<Option<LiveGrant>> {
    let standing = standing(connection, grant.user, grant.owner).await?;
    Ok(standing.map(|(user, account, role)| LiveGrant { grant, user, account, role }))
}

/// The grant with what its tokens are judged by; none if it has run out at `now`, or its person has no role where it is for.
pub(crate) async fn live(
    connection: &mut SqliteConnection,
    id: GrantId,
    now: Timestamp,
) -> Result<Option<LiveGrant>> {
    match find(connection, id).await?.filter(|grant| grant.is_live(now)) {
        Some(grant) => judged(connection, grant).await,
        None => Ok(None),
    }
}

/// The grant with what its tokens are judged by, if it gives what is wanted.
async fn given(
    tx: &mut SqliteConnection,
    grant: ApplicationGrant,
    wanted: &Wanted<'_>,
) -> Result<Result<LiveGrant, GrantRefusal>> {
    let Some(live) = judged(tx, grant).await? else { return Ok(Err(GrantRefusal::NoRole)) };
    Ok(live.gives(wanted).map(|_| live))
}

async fn put_refresh_token(
    tx: &mut SqliteConnection,
    grant: &ApplicationGrant,
    hash: &SecretHash,
) -> Result<()> {
    sqlx::query("INSERT INTO refresh_token (hash, grant_id, n) VALUES (?, ?, ?)")
        .bind(hash.as_bytes().as_slice())
        .bind(grant.id.to_string())
        .bind(grant.refresh_token)
        .execute(tx)
        .await
        .stored()?;
    Ok(())
}

/// Deletes what the person allowed the client and it has not fetched yet.
const UNFETCHED: &str =
    "DELETE FROM authorization_code WHERE user_id = ? AND client_id = ? AND grant_id IS NULL";

/// Ends the grant, if it is still there, with a line in the log that says why.
async fn end(tx: &mut SqliteConnection, stamp: &Stamp, why: Action, id: GrantId) -> Result<()> {
    let Some(ended) = find(tx, id).await? else { return Ok(()) };
    sqlx::query("DELETE FROM application_grant WHERE id = ?")
        .bind(id.to_string())
        .execute(&mut *tx)
        .await
        .stored()?;
    // Whoever uses a code or token again says nothing of an application, or anything.
    let client = if why == Action::GrantReused { Some(ended.client) } else { stamp.client };
    let stamp = Stamp { client, ..stamp.clone() };
    append(tx, &stamp, change(why, &ended, ended.record(), Value::Null)).await
}

fn change(action: Action, grant: &ApplicationGrant, before: Value, after: Value) -> Change {
    Change { action, object: ObjectRef::new("grant", grant.id), owner: Some(grant.owner), before, after }
}

#[async_trait]
impl ApplicationGrants for SqliteStorage {
    async fn put_code(&self, code: &AuthorizationCode, session: &TokenHash) -> Result<()> {
        let mut writer = self.write().await?;
        let stored = sqlx::query(
            "INSERT INTO authorization_code (hash, client_id, redirect_uri, challenge, user_id, owner_id, \
             scopes, environment_id, created_at, kept_until) SELECT ?1, ?2, ?3, ?4, user_id, ?6, ?7, ?8, ?9, ?10 \
             FROM session WHERE token = ?11 AND user_id = ?5 AND expires_at > ?9",
        )
        .bind(code.hash.as_bytes().as_slice())
        .bind(code.client.to_string())
        .bind(&code.redirect_uri)
        .bind(code.challenge.as_bytes().as_slice())
        .bind(code.user.to_string())
        .bind(code.owner.to_string())
        .bind(code.scopes.to_string())
        .bind(code.narrowed_to.map(|id| id.to_string()))
        .bind(code.created_at.as_millisecond())
        .bind(code.kept_until().as_millisecond())
        .bind(session.as_slice())
        .execute(&mut *writer)
        .await
        .stored()?;
        if stored.rows_affected() == 0 { Err(StorageError::Fallen(Fallen::Session)) } else { Ok(()) }
    }

    async fn exchange_code(
        &self,
        stamp: &Stamp,
        hash: &SecretHash,
        exchange: &CodeExchange<'_>,
        id: GrantId,
        refresh_token: &SecretHash,
    ) -> Result<Result<LiveGrant, GrantRefusal>> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        let row = sqlx::query("SELECT * FROM authorization_code WHERE hash = ?")
            .bind(hash.as_bytes().as_slice())
            .fetch_optional(&mut *tx)
            .await
            .stored()?;
        let Some(row) = row else { return Ok(Err(GrantRefusal::Unknown)) };
        if let Some(given) = row.parsed_or_null::<GrantId>("grant_id")? {
            end(&mut tx, stamp, Action::GrantReused, given).await?;
            tx.commit().await.stored()?;
            return Ok(Err(GrantRefusal::Reused));
        }
        let code = code(&row)?;
        if !code.is_exchanged_by(exchange, stamp.at) || !applications::is_there(&mut tx, code.client).await? {
            return Ok(Err(GrantRefusal::Unknown));
        }
        if let Some(only) = code.narrowed_to
            && !environments::is_open(&mut tx, only).await?
        {
            return Ok(Err(GrantRefusal::Unknown));
        }
        let live = match given(&mut tx, code.granted(id, stamp.at), &exchange.wanted).await? {
            Ok(live) => live,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let granted = &live.grant;
        sqlx::query(
            "INSERT INTO application_grant (id, client_id, user_id, owner_id, scopes, environment_id, created_at, \
             last_used_at, expires_at, refresh_token) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(granted.id.to_string())
        .bind(granted.client.to_string())
        .bind(granted.user.to_string())
        .bind(granted.owner.to_string())
        .bind(granted.scopes.to_string())
        .bind(granted.narrowed_to.map(|id| id.to_string()))
        .bind(granted.created_at.as_millisecond())
        .bind(granted.last_used_at.as_millisecond())
        .bind(granted.expires_at.as_millisecond())
        .bind(granted.refresh_token)
        .execute(&mut *tx)
        .await
        .stored()?;
        put_refresh_token(&mut tx, granted, refresh_token).await?;
        sqlx::query("UPDATE authorization_code SET grant_id = ? WHERE hash = ?")
            .bind(granted.id.to_string())
            .bind(hash.as_bytes().as_slice())
            .execute(&mut *tx)
            .await
            .stored()?;
        let person = Actor::User(live.user.id, live.user.email.to_string());
        let stamp = Stamp { actor: person, client: Some(granted.client), ..stamp.clone() };
        append(&mut tx, &stamp, change(Action::GrantCreated, granted, Value::Null, granted.record())).await?;
        tx.commit().await.stored()?;
        Ok(Ok(live))
    }

    async fn refresh_grant(
        &self,
        stamp: &Stamp,
        client: ClientId,
        refresh_token: &SecretHash,
        wanted: &Wanted<'_>,
        next: &SecretHash,
    ) -> Result<Result<LiveGrant, GrantRefusal>> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        let row = sqlx::query(
            "SELECT application_grant.*, n FROM refresh_token \
             JOIN application_grant ON application_grant.id = grant_id WHERE hash = ?",
        )
        .bind(refresh_token.as_bytes().as_slice())
        .fetch_optional(&mut *tx)
        .await
        .stored()?;
        let Some(row) = row else { return Ok(Err(GrantRefusal::Unknown)) };
        let found = grant(&row)?;
        if found.client != client || !found.is_live(stamp.at) {
            return Ok(Err(GrantRefusal::Unknown));
        }
        if row.value::<u32>("n")? != found.refresh_token {
            end(&mut tx, stamp, Action::GrantReused, found.id).await?;
            tx.commit().await.stored()?;
            return Ok(Err(GrantRefusal::Reused));
        }
        let id = found.id;
        let live = match given(&mut tx, found.refreshed(stamp.at), wanted).await? {
            Ok(live) => live,
            Err(refusal) => {
                if refusal == GrantRefusal::NoRole {
                    end(&mut tx, stamp, Action::GrantRevoked, id).await?;
                    tx.commit().await.stored()?;
                }
                return Ok(Err(refusal));
            }
        };
        sqlx::query(
            "UPDATE application_grant SET last_used_at = ?, expires_at = ?, refresh_token = ? WHERE id = ?",
        )
        .bind(live.grant.last_used_at.as_millisecond())
        .bind(live.grant.expires_at.as_millisecond())
        .bind(live.grant.refresh_token)
        .bind(id.to_string())
        .execute(&mut *tx)
        .await
        .stored()?;
        put_refresh_token(&mut tx, &live.grant, next).await?;
        tx.commit().await.stored()?;
        Ok(Ok(live))
    }

    async fn live_grant(&self, id: GrantId, now: Timestamp) -> Result<Option<LiveGrant>> {
        live(&mut *self.readers.acquire().await.stored()?, id, now).await
    }

    async fn grant_of(&self, refresh_token: &SecretHash) -> Result<Option<ApplicationGrant>> {
        let row = sqlx::query(
            "SELECT application_grant.* FROM refresh_token \
             JOIN application_grant ON application_grant.id = grant_id WHERE hash = ?",
        )
        .bind(refresh_token.as_bytes().as_slice())
        .fetch_optional(&self.readers)
        .await
        .stored()?;
        row.as_ref().map(grant).transpose()
    }

    async fn grants_by(&self, user: UserId, now: Timestamp, limit: u32) -> Result<Vec<NamedGrant>> {
        sqlx::query(BY_USER)
            .bind(user.to_string())
            .bind(now.as_millisecond())
            .bind(limit)
            .fetch_all(&self.readers)
            .await
            .stored()?
            .iter()
            .map(named)
            .collect()
    }

    async fn revoke_grant(&self, stamp: &Stamp, user: UserId, id: GrantId) -> Result<()> {
        let mut writer = self.write().await?;
        let mut tx = begin!(writer);
        if stamp.standing.is_some() {
            author::require_self(&mut tx, stamp, user).await?;
        }
        let found = find(&mut tx, id).await?.filter(|grant| grant.user == user);
        let grant = found.ok_or(StorageError::NotFound)?;
        end(&mut tx, stamp, Action::GrantRevoked, id).await?;
        sqlx::query(UNFETCHED)
            .bind(user.to_string())
            .bind(grant.client.to_string())
            .execute(&mut *tx)
            .await
            .stored()?;
        tx.commit().await.stored()
    }
}

fn named(row: &SqliteRow) -> Result<NamedGrant> {
    let grant = grant(row)?;
    let name = |column: &str| row.value::<Option<&str>>(column).map(|stored| stored.map(Name::stored));
    let account = row.parsed("account_id")?;
    let place = match grant.owner {
        Owner::Account(_) => Place::Account(account),
        Owner::Environment(environment) => Place::Environment(environment, account),
    };
    let account = name("account_name")?.ok_or_else(|| corrupt("account_name"))?;
    let place = NamedPlace { place, account, environment: name("environment_name")? };
    Ok(NamedGrant { grant, application: name("application_name")?, place })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan;

    #[tokio::test]
    async fn a_token_is_judged_without_a_scan() {
        for statement in [STANDING, BY_USER] {
            let steps = plan(statement).await;
            assert!(steps.iter().all(|step| step.starts_with("SEARCH")), "{statement}: {steps:?}");
        }
    }
}
