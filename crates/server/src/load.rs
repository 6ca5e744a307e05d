//! More than can be served: some of it is refused at once, so that the rest is served in time.
//!
//! What waits for its turn on the runtime's threads is the queue. While one stands, requests of programs that do not
//! administer anything are refused in a growing share, with 503 and Retry-After; once it is gone, the share shrinks again. As in CoDel (RFC 8289), the least
//! wait within a while tells a standing queue from a burst.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// A queue stands while nothing gets its turn sooner than this.
const STANDING: Duration = Duration::from_millis(20);

/// How often the wait is measured, and how many times before the share changes.
const PROBE_INTERVAL: Duration = Duration::from_millis(10);
const PROBES: u32 = 5;

const WHOLE: u32 = 1024;
const LEAST: u32 = WHOLE / 32;
const STEP_BACK: u32 = WHOLE / 32;

/// How much is let in.
pub(crate) struct Load {
    /// Of so many requests of [`WHOLE`].
    admitted: AtomicU32,
    arrived: AtomicU32,
}

impl Default for Load {
    fn default() -> Self {
        Self { admitted: AtomicU32::new(WHOLE), arrived: AtomicU32::new(0) }
    }
}

impl Load {
    /// Whether the next request is served.
    pub(crate) fn admits(&self) -> bool {
        let admitted = self.admitted.load(Ordering::Relaxed);
        if admitted >= WHOLE {
            return true;
        }
        // A multiple of the golden ratio's fraction: whatever the share, the refused are spread evenly.
        let arrived = self.arrived.fetch_add(1, Ordering::Relaxed);
        arrived.wrapping_mul(0x9e37_79b1) / (u32::MAX / WHOLE + 1) < admitted
    }

    /// Measures for as long as it is polled.
    pub(crate) async fn follow(&self) {
        loop {
            let mut least = Duration::MAX;
            for _ in 0..PROBES {
                tokio::time::sleep(PROBE_INTERVAL).await;
                let asked = Instant::now();
                tokio::task::yield_now().await;
                least = least.min(asked.elapsed());
            }
            self.adjust(least);
        }
    }

    fn adjust(&self, least_wait: Duration) {
        let before = self.admitted.load(Ordering::Relaxed);
        let after =
            if least_wait > STANDING { (before / 4 * 3).max(LEAST) } else { (before + STEP_BACK).min(WHOLE) };
        self.admitted.store(after, Ordering::Relaxed);
        match (before, after) {
            (WHOLE, less) if less < WHOLE => {
                tracing::warn!("more requests than can be served; refusing some");
            }
            (less, WHOLE) if less < WHOLE => tracing::info!("all requests are served again"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted_of(load: &Load, requests: u32) -> usize {
        (0..requests).filter(|_| load.admits()).count()
    }

    #[test]
    fn a_standing_queue_lets_fewer_in_and_its_end_all() {
        let load = Load::default();
        assert_eq!(admitted_of(&load, 1000), 1000);
        load.adjust(STANDING * 2);
        let some = admitted_of(&load, 1000);
        assert!((740..=760).contains(&some), "{some}");
        (0..100).for_each(|_| load.adjust(STANDING * 2));
        let few = admitted_of(&load, 1000);
        assert!((25..=40).contains(&few), "never nobody: {few}");
        (0..40).for_each(|_| load.adjust(STANDING));
        assert_eq!(admitted_of(&load, 1000), 1000);
    }

    #[test]
    fn the_refused_are_spread_evenly() {
        let load = Load::default();
        (0..3).for_each(|_| load.adjust(STANDING * 2));
        for _ in 0..20 {
            let some = admitted_of(&load, 100);
            assert!((37..=47).contains(&some), "{some}");
        }
    }
}
