//! Slows down whoever tries passwords.

use std::net::IpAddr;
use std::time::Duration;

use domain::Timestamp;

use crate::failures::{Failures, Key, key, network};

const WINDOW_SECONDS: i64 = 15 * 60;
const FAILURES_PER_PERSON_AND_ADDRESS: u32 = 8;
const FAILURES_PER_ADDRESS: u32 = 60;
/// From all addresses together. Beyond it attempts are only delayed: if they were refused, anybody could lock anybody out.
const PROMPT_FAILURES_PER_PERSON: u32 = 100;
/// After this many more, each attempt is delayed by a second more.
const FAILURES_PER_SECOND_OF_DELAY: u32 = 20;
const LONGEST_DELAY: u32 = 10;

/// Failures per e-mail from one address, per address and per e-mail.
pub(super) struct Throttle(Failures);

impl Throttle {
    /// Nobody has failed yet.
    pub(super) fn new() -> Self {
        Self(Failures::within(WINDOW_SECONDS))
    }

    /// Lets an attempt begin, after a delay; or says how many seconds to wait before another is let. Once begun, it
    /// counts as a failure until it has succeeded, so that many at once gain nothing.
    pub(super) fn try_attempt(
        &self,
        email: &str,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Duration, i64> {
        let keys = Keys::new(email, address);
        let mut failures = self.0.at(now);
        let left = [(&keys.both, FAILURES_PER_PERSON_AND_ADDRESS), (&keys.address, FAILURES_PER_ADDRESS)]
            .into_iter()
            .filter_map(|(key, most)| failures.left(key, most))
            .max();
        if let Some(seconds) = left {
            return Err(seconds);
        }
        let [_, _, of_person] = [keys.both, keys.address, keys.person].map(|key| failures.add(key));
        Ok(delay(of_person))
    }

    /// The attempt succeeded.
    pub(super) fn success(&self, email: &str, address: Option<IpAddr>, now: Timestamp) {
        let keys = Keys::new(email, address);
        let mut failures = self.0.at(now);
        failures.forget(&keys.both);
        failures.take_back(&keys.address);
        failures.take_back(&keys.person);
    }
}

fn delay(failures: u32) -> Duration {
    let over = failures.saturating_sub(PROMPT_FAILURES_PER_PERSON);
    let seconds = over.div_ceil(FAILURES_PER_SECOND_OF_DELAY).min(LONGEST_DELAY);
    Duration::from_secs(seconds.into())
}

struct Keys {
    both: Key,
    address: Key,
    person: Key,
}

impl Keys {
    fn new(email: &str, address: Option<IpAddr>) -> Self {
        let email = email.trim().to_lowercase();
        let address = network(address);
        Self {
            both: key(&["both", &email, &address]),
            address: key(&["address", &address]),
            person: key(&["person", &email]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMAIL: &str = "a@example.com";

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn from(n: u32) -> Option<IpAddr> {
        Some(IpAddr::from(n.to_be_bytes()))
    }

    #[test]
    fn the_ninth_attempt_waits_and_another_address_does_not() {
        let throttle = Throttle::new();
        for _ in 0..FAILURES_PER_PERSON_AND_ADDRESS {
            assert_eq!(throttle.try_attempt(EMAIL, from(1), at(1_000)), Ok(Duration::ZERO));
        }
        assert_eq!(throttle.try_attempt("A@example.com ", from(1), at(1_010)), Err(890));
        assert_eq!(throttle.try_attempt(EMAIL, from(2), at(1_010)), Ok(Duration::ZERO));
        assert_eq!(throttle.try_attempt("b@example.com", from(1), at(1_010)), Ok(Duration::ZERO));
        assert_eq!(throttle.try_attempt(EMAIL, from(1), at(1_900)), Ok(Duration::ZERO));
    }

    #[test]
    fn attempts_that_run_together_are_all_counted() {
        for _ in 0..20 {
            let throttle = Throttle::new();
            let together = std::sync::Barrier::new(16);
            let attempt = || {
                together.wait();
                (0..8).filter(|_| throttle.try_attempt(EMAIL, from(1), at(1_000)).is_ok()).count()
            };
            let let_through: usize = std::thread::scope(|scope| {
                let running: Vec<_> = (0..16).map(|_| scope.spawn(attempt)).collect();
                running.into_iter().map(|one| one.join().unwrap()).sum()
            });
            assert_eq!(let_through, 8);
        }
    }

    #[test]
    fn attempts_from_everywhere_are_delayed_but_never_refused() {
        let throttle = Throttle::new();
        for n in 1..=100 {
            assert_eq!(throttle.try_attempt(EMAIL, from(n), at(1_000)), Ok(Duration::ZERO), "{n}");
        }
        for (n, seconds) in [(101, 1), (102, 1)] {
            assert_eq!(throttle.try_attempt(EMAIL, from(n), at(1_000)), Ok(Duration::from_secs(seconds)));
        }
        for n in 103..2_000 {
            assert!(throttle.try_attempt(EMAIL, from(n), at(1_000)).is_ok());
        }
        assert_eq!(throttle.try_attempt(EMAIL, from(2_000), at(1_000)), Ok(Duration::from_secs(10)));
        assert_eq!(throttle.try_attempt("b@example.com", from(2_000), at(1_000)), Ok(Duration::ZERO));
        assert_eq!(throttle.try_attempt(EMAIL, from(2_001), at(1_900)), Ok(Duration::ZERO));
    }

    #[test]
    fn success_forgets_a_persons_failures() {
        let throttle = Throttle::new();
        for _ in 0..FAILURES_PER_PERSON_AND_ADDRESS {
            assert!(throttle.try_attempt(EMAIL, None, at(1_000)).is_ok());
        }
        throttle.success(EMAIL, None, at(1_000));
        assert_eq!(throttle.try_attempt(EMAIL, None, at(1_000)), Ok(Duration::ZERO));
    }
}
