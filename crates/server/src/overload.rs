//! More requests than can be served: which of them are refused, so that the others don't wait for ever.
//!
//! What waits does so in the queue that the workers of the runtime share: each takes from the sockets all that is there, and
//! has room for a few hundred tasks of its own. How long the queue is, through how many requests begin in a second, is how
//! long they wait (Little's law).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use axum::http::Method;
use tokio::runtime::Handle;

use crate::oauth;
use crate::surface::Surface;

/// How often the wait is measured.
const INTERVAL: Duration = Duration::from_millis(50);

/// The wait from which there are too many requests.
const TOO_LONG: Duration = Duration::from_millis(50);

/// So many measurements in a row must be too long before any request is refused: a moment in which the program stood still
/// is not too many requests.
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
    /// Counts the requests that began; starts again from 0 after the last number.
    begun: AtomicU32,
}

/// Keeps the wait being measured for as long as it lives.
pub(crate) struct Watching(
    #[expect(dead_code, reason = "whoever listens learns that it was dropped")] Sender<()>,
);

impl Overload {
    /// Counts a request, and says whether it is to be refused. Never one by which an administrator stops something, and
    /// none of the Web UI.
    pub(crate) fn refuses(&self, surface: Surface, method: &Method, path: &str) -> bool {
        let turn = self.begun.fetch_add(1, Ordering::Relaxed) % ALL;
        let refused = self.refused.load(Ordering::Relaxed);
        // Spread evenly, by whole steps of `refused / ALL`.
        turn * refused % ALL < refused && may_be_refused(surface, method, path)
    }

    /// Refuses one more of [`ALL`] requests for each wait that is too long once that lasts, and one less for each other.
    fn note(&self, wait: Duration, too_long: &mut u32) {
        *too_long = if wait > TOO_LONG { too_long.saturating_add(1) } else { 0 };
        let before = self.refused.load(Ordering::Relaxed);
        let after = match *too_long {
            0 => before.saturating_sub(1),
            1..IN_A_ROW if before == 0 => 0,
            _ => (before + 1).min(MOST),
        };
        self.refused.store(after, Ordering::Relaxed);
        match (before, after) {
            (0, 1..) => tracing::warn!("more requests come than can be served; some are answered with 503"),
            (1.., 0) => tracing::info!("all requests are served again"),
            _ => {}
        }
    }

    /// Measures how long requests wait on this runtime, by a thread of its own, which waits for nobody.
    pub(crate) fn watch(self: Arc<Self>) -> std::io::Result<Watching> {
        let runtime = Handle::current().metrics();
        let (watching, watched) = channel::<()>();
        std::thread::Builder::new().name("overload".to_owned()).spawn(move || {
            let (mut since, mut begun, mut too_long) =
                (Instant::now(), self.begun.load(Ordering::Relaxed), 0);
            while watched.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let (now, counted) = (Instant::now(), self.begun.load(Ordering::Relaxed));
                let wait = waited(runtime.global_queue_depth(), counted.wrapping_sub(begun), now - since);
                self.note(wait, &mut too_long);
                (since, begun) = (now, counted);
            }
        })?;
        Ok(Watching(watching))
    }
}

/// How long something waits in a queue of this length, from which so much was taken within `elapsed`.
fn waited(queued: usize, taken: u32, elapsed: Duration) -> Duration {
    elapsed.mul_f64(queued as f64 / f64::from(taken.max(1)))
}

fn may_be_refused(surface: Surface, method: &Method, path: &str) -> bool {
    match surface {
        Surface::OAuth => path == oauth::TOKEN_PATH,
        Surface::Api => *method == Method::GET || path.ends_with("/responses"),
        Surface::Web | Surface::Health => false,
    }
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

    #[test]
    fn a_wait_is_the_queue_through_what_is_taken_from_it() {
        let second = Duration::from_secs(1);
        assert_eq!(waited(500, 1_000, second), second / 2);
        assert_eq!(waited(0, 1_000, second), Duration::ZERO);
        assert_eq!(waited(3, 0, second), 3 * second, "nothing was taken");
    }

    #[test]
    fn a_runtime_that_does_not_get_round_is_noticed_until_it_does() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let overload = Arc::new(Overload::default());
        let watching = runtime.block_on(async { overload.clone().watch().unwrap() });
        let waiting = |wanted: fn(usize) -> bool| {
            while !wanted(refused_of_eight(&overload)) {
                std::thread::sleep(INTERVAL);
            }
        };
        let tasks: Vec<_> = (0..4_000)
            .map(|_| {
                runtime.spawn(async {
                    loop {
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        waiting(|refused| refused > 0);
        tasks.iter().for_each(tokio::task::JoinHandle::abort);
        waiting(|refused| refused == 0);
        drop(watching);
    }
}
