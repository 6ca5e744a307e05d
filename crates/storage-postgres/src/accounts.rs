use async_trait::async_trait;
use domain::{
    Account, AccountId, Action, Grant, Name, ObjectRef, Owner, PasswordHash, Role, Stamp, State, User,
};
use serde_json::{Value, json};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use storage::{Accounts, Record, Result, Slice, StorageError, TokenHash};

use crate::audit::{Change, append};
use crate::row::{Columns, Stored};
use crate::{PostgresStorage, author, roles, users};

/// What belongs to the account or to an environment of it.
macro_rules! of_account {
    () => {
        "owner_id IN (SELECT $1 UNION ALL SELECT id FROM environment WHERE account_id = $1)"
    };
}

fn account(row: &PgRow) -> Result<Account> {
    Ok(Account {
        id: row.parsed("id")?,
        name: Name::stored(row.value("name")?),
        state: row.instant_or_null("closed_at")?.map_or(State::Open, State::Closed),
        version: row.value("version")?,
        created_at: row.instant("created_at")?,
    })
}

/// The account, open or closed; `NotFound`.
pub(crate) async fn find(connection: &mut PgConnection, id: AccountId) -> Result<Account> {
    let row = sqlx::query("SELECT id, name, version, created_at, closed_at FROM account WHERE id = $1")
        .bind(id.to_string())
        .fetch_one(connection)
        .await
        .stored()?;
    account(&row)
}

async fn insert(tx: &mut PgConnection, account: &Account) -> Result<()> {
    sqlx::query("INSERT INTO account (id, name, version, created_at, closed_at) VALUES ($1, $2, $3, $4, $5)")
        .bind(account.id.to_string())
        .bind(account.name.as_str())
        .bind(account.version)
        .bind(account.created_at.as_millisecond())
        .bind(account.state.closed_at().map(|at| at.as_millisecond()))
        .execute(tx)
        .await
        .stored()?;
    Ok(())
}

/// The identifiers that a statement about `owner` finds.
pub(crate) async fn ids(tx: &mut PgConnection, sql: &'static str, owner: Owner) -> Result<Vec<String>> {
    sqlx::query_scalar(sql).bind(owner.to_string()).fetch_all(tx).await.stored()
}

fn change(action: Action, account: &Account, before: Value, after: Value) -> Change {
    Change {
        action,
        object: ObjectRef::new("account", account.id),
        owner: Some(account.id.into()),
        before,
        after,
    }
}

#[async_trait]
impl Accounts for PostgresStorage {
    async fn create_account(&self, stamp: &Stamp, account: &Account) -> Result<()> {
        self.administer(async |tx| {
            insert(tx, account).await?;
            let created = change(Action::AccountCreated, account, Value::Null, account.record());
            append(tx, stamp, created).await
        })
        .await
    }

    async fn account(&self, id: AccountId) -> Result<Account> {
        self.read(async |connection| find(connection, id).await).await
    }

    async fn accounts(&self, slice: Slice<AccountId>) -> Result<Vec<Account>> {
        self.read(async |connection| {
            sqlx::query(
                "SELECT id, name, version, created_at, closed_at FROM account WHERE id > $1 \
                 ORDER BY id LIMIT $2",
            )
            .bind(slice.after.map(|id| id.to_string()).unwrap_or_default())
            .bind(i64::from(slice.limit))
            .fetch_all(connection)
            .await
            .stored()?
            .iter()
            .map(account)
            .collect()
        })
        .await
    }

    async fn rename_account(
        &self,
        stamp: &Stamp,
        id: AccountId,
        expected_version: Option<i64>,
        name: &Name,
    ) -> Result<Account> {
        self.administer(async |tx| {
            author::require(tx, stamp, id.into(), Role::Administrator).await?;
            let current = find(tx, id).await?;
            if !current.state.is_open() {
                return Err(StorageError::Closed);
            }
            if expected_version.is_some_and(|expected| expected != current.version) {
                return Err(StorageError::Moved);
            }
            if current.name == *name {
                return Ok(current);
            }
            let after = Account { name: name.clone(), version: current.version + 1, ..current.clone() };
            sqlx::query("UPDATE account SET name = $1, version = $2 WHERE id = $3")
                .bind(name.as_str())
                .bind(after.version)
                .bind(after.id.to_string())
                .execute(&mut *tx)
                .await
                .stored()?;
            let renamed = change(Action::AccountRenamed, &after, current.record(), after.record());
            append(tx, stamp, renamed).await?;
            Ok(after)
        })
        .await
    }

    async fn close_account(&self, stamp: &Stamp, id: AccountId) -> Result<Account> {
        self.administer(async |tx| {
            author::require(tx, stamp, id.into(), Role::Administrator).await?;
            let before = find(tx, id).await?;
            if !before.state.is_open() {
                return Err(StorageError::Closed);
            }
            let after =
                Account { state: State::Closed(stamp.at), version: before.version + 1, ..before.clone() };
            // Waits for the batches of responses on their way, and stops later ones.
            let environments = ids(
                tx,
                "SELECT id FROM environment WHERE account_id = $1 AND closed_at IS NULL ORDER BY id \
                 FOR NO KEY UPDATE",
                id.into(),
            )
            .await?;
            let keypairs = ids(
                tx,
                concat!("SELECT id FROM keypair WHERE ", of_account!(), " ORDER BY id FOR UPDATE"),
                id.into(),
            )
            .await?;
            for statement in [
                "UPDATE account SET closed_at = $2, version = version + 1 WHERE id = $1",
                "UPDATE environment SET closed_at = $2, version = version + 1 \
                 WHERE account_id = $1 AND closed_at IS NULL",
            ] {
                let at = stamp.at.as_millisecond();
                sqlx::query(statement).bind(id.to_string()).bind(at).execute(&mut *tx).await.stored()?;
            }
            for statement in [
                concat!("DELETE FROM keypair WHERE ", of_account!()),
                concat!("DELETE FROM role WHERE ", of_account!()),
                concat!("DELETE FROM invitation WHERE ", of_account!()),
                concat!("DELETE FROM application WHERE ", of_account!()),
                concat!("DELETE FROM application_grant WHERE ", of_account!()),
                concat!("DELETE FROM authorization_code WHERE ", of_account!()),
            ] {
                sqlx::query(statement).bind(id.to_string()).execute(&mut *tx).await.stored()?;
            }
            let mut record = after.record();
            if let Some(record) = record.as_object_mut() {
                let ended = json!({"environments": environments, "keypairs": keypairs});
                record.insert("ended".to_owned(), ended);
            }
            append(tx, stamp, change(Action::AccountClosed, &after, before.record(), record)).await?;
            Ok(after)
        })
        .await
    }

    async fn put_setup_link(&self, token: &TokenHash) -> Result<bool> {
        self.write(async |tx| {
            let put = sqlx::query(
                "INSERT INTO setup_link (one, token) SELECT 1, $1 WHERE NOT EXISTS (SELECT 1 FROM users) \
                 ON CONFLICT (one) DO UPDATE SET token = excluded.token",
            )
            .bind(token.as_slice())
            .execute(tx)
            .await
            .stored()?;
            Ok(put.rows_affected() == 1)
        })
        .await
    }

    async fn setup_link_is_valid(&self, token: &TokenHash) -> Result<bool> {
        self.read(async |connection| {
            sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM setup_link WHERE token = $1) \
                 AND NOT EXISTS (SELECT 1 FROM users)",
            )
            .bind(token.as_slice())
            .fetch_one(connection)
            .await
            .stored()
        })
        .await
    }

    async fn set_up(
        &self,
        stamp: &Stamp,
        token: &TokenHash,
        account: &Account,
        user: &User,
        password: &PasswordHash,
    ) -> Result<()> {
        self.administer(async |tx| {
            if users::any(tx).await? {
                return Err(StorageError::NotFound);
            }
            let used = sqlx::query("DELETE FROM setup_link WHERE token = $1")
                .bind(token.as_slice())
                .execute(&mut *tx)
                .await
                .stored()?;
            if used.rows_affected() == 0 {
                return Err(StorageError::NotFound);
            }
            insert(tx, account).await?;
            users::insert(tx, user, password).await?;
            let grant = Grant { on: account.id.into(), role: Role::Administrator };
            roles::put(tx, user.id, grant).await?;
            let after = json!({"account": account.record(), "administrator": user.record()});
            append(tx, stamp, change(Action::AccountCreated, account, Value::Null, after)).await
        })
        .await
    }
}
