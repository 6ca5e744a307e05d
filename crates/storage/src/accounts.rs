use async_trait::async_trait;
use domain::{Account, AccountId, Name, PasswordHash, Stamp, User};

use crate::{Result, Slice, TokenHash};

/// Accounts.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Stores a new account.
    async fn create_account(&self, stamp: &Stamp, account: &Account) -> Result<()>;

    /// The account, open or closed; `NotFound`.
    async fn account(&self, id: AccountId) -> Result<Account>;

    /// Accounts, the oldest first.
    async fn accounts(&self, slice: Slice<AccountId>) -> Result<Vec<Account>>;

    /// Renames the account. With `expected_version`, `Moved` unless it still has that version. `NotFound`, `Closed`.
    async fn rename_account(
        &self,
        stamp: &Stamp,
        id: AccountId,
        expected_version: Option<i64>,
        name: &Name,
    ) -> Result<Account>;

    /// Closes the account and its environments, and ends every keypair, role and invitation of any of them, in one
    /// transaction. `NotFound`, `Closed`.
    async fn close_account(&self, stamp: &Stamp, id: AccountId) -> Result<Account>;

    /// Remembers `token` as the one set-up link, in place of any before it; does nothing once there is a user.
    /// Answers whether the link is needed.
    async fn put_setup_link(&self, token: &TokenHash) -> Result<bool>;

    /// Whether `token` is the set-up link and still needed.
    async fn setup_link_is_valid(&self, token: &TokenHash) -> Result<bool>;

    /// Uses the set-up link up: stores the account, and the user as its administrator. `NotFound` if the link is
    /// not valid or there is a user already.
    async fn set_up(
        &self,
        stamp: &Stamp,
        token: &TokenHash,
        account: &Account,
        user: &User,
        password: &PasswordHash,
    ) -> Result<()>;
}
