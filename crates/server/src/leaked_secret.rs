//! What becomes of a Key Secret that somebody has found and reports, on the page or over the API. The only change that
//! anybody can make; all that it can do is stop the keypair whose secret was found, if that accepts secrets, or else the secret.

use std::net::IpAddr;
use std::time::Duration;

use domain::{Actor, KeySecret};
use storage::StorageError;
use tokio::time::Instant;

use crate::app::{App, Author};

/// When the answer leaves, counted from the question. Longer than stopping a keypair takes, so that the time tells nothing
/// of whether the secret was one.
const ANSWER_AFTER: Duration = Duration::from_millis(250);

/// Stops the keypair whose secret `found` is, if it is one. Tells nobody whether it was.
pub(crate) async fn report(app: &App, found: &str, address: Option<IpAddr>) -> Result<(), StorageError> {
    let began = Instant::now();
    let stopped = match found.trim().parse::<KeySecret>() {
        Ok(secret) => {
            let author = Author { actor: Actor::Anonymous, address, standing: None };
            app.store.disable_leaked(&app.stamp(&author, app.clock.now()), &secret.hash()).await
        }
        Err(_) => Ok(None),
    };
    if let Ok(Some(keypair)) = stopped {
        tracing::warn!(%keypair, "a Key Secret was reported as leaked: it opens nothing any more, and if its keypair accepts secrets, that is disabled");
    }
    tokio::time::sleep_until(began + ANSWER_AFTER).await;
    stopped.map(drop)
}
