use async_trait::async_trait;
use domain::{Action, Grant, Member, Name, ObjectRef, Owner, Place, Role, Stamp, User, UserId};
use serde_json::Value;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use storage::{NamedPlace, Record, Result, Roles, Slice, StorageError};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored};
use crate::{PostgresStorage, author, environments, invitations, users};

/// A part of the places that a user holds a role on. An account sorts before its environments: it has no identifier of
/// one.
const PLACES: &str = "WITH held (owner_id) AS (SELECT owner_id FROM role WHERE user_id = $1), \
     place (account_id, account_name, environment_id, environment_name) AS (\
     SELECT account.id, account.name, '', NULL FROM held JOIN account ON account.id = owner_id \
     WHERE account.closed_at IS NULL \
     UNION \
     SELECT account.id, account.name, environment.id, environment.name FROM held \
     JOIN account ON account.id = owner_id JOIN environment ON environment.account_id = account.id \
     WHERE account.closed_at IS NULL AND environment.closed_at IS NULL \
     UNION \
     SELECT account.id, account.name, environment.id, environment.name FROM held \
     JOIN environment ON environment.id = owner_id JOIN account ON account.id = environment.account_id \
     WHERE account.closed_at IS NULL AND environment.closed_at IS NULL) \
     SELECT account_id, account_name, environment_id, environment_name FROM place \
     WHERE (account_id, environment_id) > ($2, $3) ORDER BY account_id, environment_id LIMIT $4";

fn named_place(row: &PgRow) -> Result<NamedPlace> {
    let account = row.parsed("account_id")?;
    let environment = row.value::<Option<&str>>("environment_name")?;
    let environment = environment.map(Name::stored);
    let place = match environment {
        Some(_) => Place::Environment(row.parsed("environment_id")?, account),
        None => Place::Account(account),
    };
    let account = Name::stored(row.value("account_name")?);
    Ok(NamedPlace { place, account, environment })
}

/// Stores the role in place of any that the user holds on the same account or environment.
pub(crate) async fn put(tx: &mut PgConnection, user: UserId, grant: Grant) -> Result<()> {
    sqlx::query(
        "INSERT INTO role (user_id, owner_id, role) VALUES ($1, $2, $3) \
         ON CONFLICT (user_id, owner_id) DO UPDATE SET role = excluded.role",
    )
    .bind(user.to_string())
    .bind(grant.on.to_string())
    .bind(grant.role.name())
    .execute(tx)
    .await
    .stored()?;
    Ok(())
}

/// The role that the user holds on exactly this account or environment.
pub(crate) async fn held(tx: &mut PgConnection, user: UserId, on: Owner) -> Result<Option<Role>> {
    sqlx::query("SELECT role FROM role WHERE user_id = $1 AND owner_id = $2")
        .bind(user.to_string())
        .bind(on.to_string())
        .fetch_optional(tx)
        .await
        .stored()?
        .map(|row| row.parsed("role"))
        .transpose()
}

/// Every role that the user holds.
pub(crate) async fn all_of(tx: &mut PgConnection, user: UserId) -> Result<Vec<Grant>> {
    sqlx::query("SELECT owner_id, role FROM role WHERE user_id = $1 ORDER BY owner_id")
        .bind(user.to_string())
        .fetch_all(tx)
        .await
        .stored()?
        .iter()
        .map(|row| Ok(Grant { on: row.parsed("owner_id")?, role: row.parsed("role")? }))
        .collect()
}

/// Refuses if nobody but `user` administers the account.
async fn require_another_administrator(tx: &mut PgConnection, user: UserId, on: Owner) -> Result<()> {
    if let Owner::Environment(_) = on {
        return Ok(());
    }
    let another: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM role WHERE owner_id = $1 AND role = 'administrator' AND user_id <> $2)",
    )
    .bind(on.to_string())
    .bind(user.to_string())
    .fetch_one(tx)
    .await
    .stored()?;
    if another { Ok(()) } else { Err(StorageError::LastAdministrator) }
}

pub(crate) fn change(
    action: Action,
    user: UserId,
    on: Owner,
    before: Option<Role>,
    after: Option<Role>,
) -> Change {
    let record = |role: Option<Role>| role.map_or(Value::Null, |role| Grant { on, role }.record());
    Change {
        action,
        object: ObjectRef::new("user", user),
        owner: Some(on),
        before: record(before),
        after: record(after),
    }
}

/// Ends the invitation that the person has to `on`, which would undo the change of the role; with `demoted`, also those
/// that the person made there or below.
async fn end_invitations(
    tx: &mut PgConnection,
    stamp: &Stamp,
    person: &User,
    on: Owner,
    demoted: bool,
) -> Result<()> {
    let mut ended: Vec<Change> = invitations::revoke_to(tx, on, &person.email).await?.into_iter().collect();
    if demoted {
        ended.extend(invitations::revoke_all_by(tx, person.id, on).await?);
    }
    for (n, change) in (1..).zip(ended) {
        append(tx, &stamp.further(n), change).await?;
    }
    Ok(())
}

#[async_trait]
impl Roles for PostgresStorage {
    async fn grant_role(&self, stamp: &Stamp, user: UserId, grant: Grant) -> Result<()> {
        self.administer(async |tx| {
            author::require(tx, stamp, grant.on, Role::Administrator).await?;
            let person = users::find(tx, user).await?;
            environments::require_open(tx, grant.on).await?;
            let before = held(tx, user, grant.on).await?;
            let demoted = before == Some(Role::Administrator) && grant.role != Role::Administrator;
            if demoted {
                require_another_administrator(tx, user, grant.on).await?;
            }
            put(tx, user, grant).await?;
            let granted = change(Action::RoleGranted, user, grant.on, before, Some(grant.role));
            append(tx, stamp, granted).await?;
            end_invitations(tx, stamp, &person, grant.on, demoted).await
        })
        .await
    }

    async fn revoke_role(&self, stamp: &Stamp, user: UserId, on: Owner) -> Result<()> {
        self.administer(async |tx| {
            author::require(tx, stamp, on, Role::Administrator).await?;
            let before = held(tx, user, on).await?.ok_or(StorageError::NotFound)?;
            if before == Role::Administrator {
                require_another_administrator(tx, user, on).await?;
            }
            sqlx::query("DELETE FROM role WHERE user_id = $1 AND owner_id = $2")
                .bind(user.to_string())
                .bind(on.to_string())
                .execute(&mut *tx)
                .await
                .stored()?;
            append(tx, stamp, change(Action::RoleRevoked, user, on, Some(before), None)).await?;
            let person = users::find(tx, user).await?;
            end_invitations(tx, stamp, &person, on, before == Role::Administrator).await
        })
        .await
    }

    async fn grants_of(&self, user: UserId) -> Result<Vec<Grant>> {
        self.read(async |connection| {
            sqlx::query(
                "SELECT owner_id, role FROM role WHERE user_id = $1 AND (\
                 EXISTS (SELECT 1 FROM account WHERE account.id = owner_id AND closed_at IS NULL) OR \
                 EXISTS (SELECT 1 FROM environment WHERE environment.id = owner_id AND closed_at IS NULL)) \
                 ORDER BY owner_id",
            )
            .bind(user.to_string())
            .fetch_all(connection)
            .await
            .stored()?
            .iter()
            .map(|row| Ok(Grant { on: row.parsed("owner_id")?, role: row.parsed("role")? }))
            .collect()
        })
        .await
    }

    async fn places_of(&self, user: UserId, slice: Slice<Place>) -> Result<Vec<NamedPlace>> {
        let (account, environment) = match slice.after {
            None => (String::new(), String::new()),
            Some(Place::Account(account)) => (account.to_string(), String::new()),
            Some(Place::Environment(environment, account)) => (account.to_string(), environment.to_string()),
        };
        self.read(async |connection| {
            sqlx::query(PLACES)
                .bind(user.to_string())
                .bind(account)
                .bind(environment)
                .bind(i64::from(slice.limit))
                .fetch_all(connection)
                .await
                .stored()?
                .iter()
                .map(named_place)
                .collect()
        })
        .await
    }

    async fn members(&self, place: Place) -> Result<Vec<Member>> {
        self.read(async |connection| {
            sqlx::query(
                "SELECT users.id, users.email, users.created_at, role.owner_id, role.role FROM role \
                 JOIN users ON users.id = role.user_id WHERE role.owner_id IN ($1, $2) \
                 ORDER BY users.email, role.owner_id",
            )
            .bind(place.owner().to_string())
            .bind(place.account().to_string())
            .fetch_all(connection)
            .await
            .stored()?
            .iter()
            .map(|row| {
                let grant = Grant { on: row.parsed("owner_id")?, role: row.parsed("role")? };
                Ok(Member { user: users::user(row)?, grant })
            })
            .collect()
        })
        .await
    }
}
