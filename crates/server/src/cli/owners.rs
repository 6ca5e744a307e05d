//! The owners whose keypairs or applications a list shows.

use domain::Owner;

use super::failure::Result;
use super::store::place;
use super::{account, arguments, environment};
use crate::app::App;

/// The one that is named; without a name the accounts, then the environments, also closed ones.
pub(super) async fn owners(app: &App, named: Option<&str>) -> Result<Vec<Owner>> {
    if let Some(named) = named {
        return Ok(vec![place(app, arguments::owner(named)?).await?.owner()]);
    }
    let accounts = account::all(app).await?;
    let environments = environment::every(app).await?;
    let accounts = accounts.iter().map(|account| Owner::from(account.id));
    Ok(accounts.chain(environments.iter().map(|environment| environment.id.into())).collect())
}
