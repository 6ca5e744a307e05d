//! More requests than can be served: which of them are refused, so that the others don't wait for ever.
//!
//! What waits does so in the sockets: the runtime takes from them what it gets done. So the wait is measured there. A
//! thread of its own sends a byte through a socket, to a task that stands in the same queue as every request.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use axum::http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::oauth;
use crate::surface::Surface;

/// How often the wait is measured.
const INTERVAL: Duration = Duration::from_millis(50);

/// The wait from which there are too many requests.
const TOO_LONG: Duration = Duration::from_millis(50);

/// So many measurements in a row must be too long: a moment in which the program stood still is not too many requests.
const IN_A_ROW: u32 = 10;

/// Of so many requests, [`MOST`] are refused at the most: whoever asks again gets through, also while others don't heed
/// `Retry-After`.
const ALL: u32 = 8;
const MOST: u32 = 6;

/// Whether there is too much to do, and how much of it is refused.
#[derive(Debug, Default)]
pub(crate) struct Overload {
    /// So many of [`ALL`] requests.
    refused: AtomicU32,
    /// Counts the requests that may be refused.
    turn: AtomicU32,
}

impl Overload {
    /// Whether this request is to be refused. Never one by which an administrator stops something, and none of the Web UI.
    pub(crate) fn refuses(&self, surface: Surface, method: &Method, path: &str) -> bool {
        let refused = self.refused.load(Ordering::Relaxed);
        if refused == 0 || !may_be_refused(surface, method, path) {
            return false;
        }
        // Spread evenly, by whole steps of `refused / ALL`.
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % ALL;
        turn * refused % ALL < refused
    }

    /// Refuses one more of [`ALL`] requests for each wait that is too long once that lasts, and one less for each other.
    fn note(&self, wait: Duration, too_long: &mut u32) {
        *too_long = if wait > TOO_LONG { too_long.saturating_add(1) } else { 0 };
        let before = self.refused.load(Ordering::Relaxed);
        let after = match *too_long {
            0 => before.saturating_sub(1),
            IN_A_ROW.. => (before + 1).min(MOST),
            _ => before,
        };
        self.refused.store(after, Ordering::Relaxed);
        match (before, after) {
            (0, 1..) => tracing::warn!("more requests come than can be served; some are answered with 503"),
            (1.., 0) => tracing::info!("all requests are served again"),
            _ => {}
        }
    }

    /// Measures how long requests wait, for as long as it is polled.
    pub(crate) async fn watch(&self) -> std::io::Result<()> {
        let (mut thread, task) = UnixStream::pair()?;
        task.set_nonblocking(true)?;
        let mut task = tokio::net::UnixStream::from_std(task)?;
        let epoch = Instant::now();
        // Ends when the task's end of the socket is closed.
        std::thread::Builder::new().name("overload".to_owned()).spawn(move || {
            let mut answer = [0];
            while thread.write_all(&nanos_since(epoch).to_be_bytes()).is_ok()
                && thread.read_exact(&mut answer).is_ok()
            {
                std::thread::sleep(INTERVAL);
            }
        })?;
        let mut too_long = 0;
        loop {
            let sent = Duration::from_nanos(task.read_u64().await?);
            self.note(epoch.elapsed().saturating_sub(sent), &mut too_long);
            task.write_u8(0).await?;
        }
    }
}

fn may_be_refused(surface: Surface, method: &Method, path: &str) -> bool {
    match surface {
        Surface::OAuth => path == oauth::TOKEN_PATH,
        Surface::Api => *method == Method::GET || path.ends_with("/responses"),
        Surface::Web | Surface::Health => false,
    }
}

fn nanos_since(epoch: Instant) -> u64 {
    u64::try_from(epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused_of_eight(overload: &Overload) -> usize {
        let one = || overload.refuses(Surface::OAuth, &Method::POST, oauth::TOKEN_PATH);
        (0..8).filter(|_| one()).count()
    }

    #[test]
    fn what_is_refused_grows_while_waits_are_too_long_and_ends_when_they_are_not() {
        let (overload, mut too_long) = (Overload::default(), 0);
        let mut after = |wait| {
            overload.note(wait, &mut too_long);
            refused_of_eight(&overload)
        };
        let late = TOO_LONG + Duration::from_millis(1);
        assert!((1..IN_A_ROW).all(|_| after(late) == 0), "it may only have stood still");
        assert_eq!([(); 8].map(|()| after(late)), [1, 2, 3, 4, 5, 6, 6, 6]);
        assert_eq!([(); 7].map(|()| after(TOO_LONG)), [5, 4, 3, 2, 1, 0, 0]);
        assert_eq!(after(late), 0);
    }

    #[test]
    fn what_an_administrator_stops_is_stopped_however_much_there_is_to_do() {
        let (overload, mut too_long) = (Overload::default(), 0);
        for _ in 0..100 {
            overload.note(Duration::from_secs(9), &mut too_long);
        }
        let refused = |surface, method, path| (0..8).any(|_| overload.refuses(surface, &method, path));
        assert!(refused(Surface::Api, Method::GET, "/v1/environments/env_/reports/overview"));
        assert!(refused(Surface::Api, Method::POST, "/v1/environments/env_/responses"));
        for path in ["/v1/accounts/acc_/api-keys/key_", "/v1/environments/env_/close"] {
            for method in [Method::PATCH, Method::DELETE, Method::POST] {
                assert!(!refused(Surface::Api, method, path));
            }
        }
        assert!(!refused(Surface::OAuth, Method::POST, "/oauth2/revoke"));
        assert!(!refused(Surface::Web, Method::GET, "/"));
        assert!(!refused(Surface::Health, Method::GET, "/healthz"));
    }

    #[tokio::test]
    async fn a_runtime_that_does_not_get_round_is_noticed() {
        let overload = std::sync::Arc::new(Overload::default());
        let watched = overload.clone();
        let watching = tokio::spawn(async move { watched.watch().await });
        while refused_of_eight(&overload) == 0 {
            assert!(!watching.is_finished());
            std::thread::sleep(TOO_LONG * 2);
            tokio::task::yield_now().await;
        }
        watching.abort();
    }
}
