//! Slows down whoever tries passwords.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::Timestamp;
use quick_cache::unsync::Cache;

use crate::crypto::sha256;

const WINDOW_SECONDS: i64 = 15 * 60;
const FAILURES_PER_PERSON_AND_ADDRESS: u32 = 8;
const FAILURES_PER_ADDRESS: u32 = 60;
/// From all addresses together. Beyond it attempts are only delayed: if they were refused, anybody could lock anybody out.
const PROMPT_FAILURES_PER_PERSON: u32 = 100;
/// After this many more, each attempt is delayed by a second more.
const FAILURES_PER_SECOND_OF_DELAY: u32 = 20;
const LONGEST_DELAY: u32 = 10;
const REMEMBERED: usize = 20_000;

type Key = [u8; 32];

#[derive(Clone, Copy, Default)]
struct Failures {
    count: u32,
    since: i64,
}

/// Failures per e-mail from one address, per address and per e-mail; in memory, bounded, on each node of its own.
pub(super) struct Throttle {
    // One lock over question and count: attempts that run together are counted one by one.
    failures: Mutex<Cache<Key, Failures>>,
}

impl Throttle {
    /// Nobody has failed yet.
    pub(super) fn new() -> Self {
        Self { failures: Mutex::new(Cache::new(REMEMBERED)) }
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
        let mut failures = self.lock();
        let left = [(keys.both, FAILURES_PER_PERSON_AND_ADDRESS), (keys.address, FAILURES_PER_ADDRESS)]
            .into_iter()
            .filter_map(|(key, most)| {
                let failures = failures.get(&key)?;
                let left = failures.since + WINDOW_SECONDS - now.as_second();
                (failures.count >= most && left > 0).then_some(left)
            })
            .max();
        if let Some(seconds) = left {
            return Err(seconds);
        }
        let [_, _, of_person] = [keys.both, keys.address, keys.person].map(|key| {
            let mut known = failures.get(&key).copied().unwrap_or_default();
            if known.since + WINDOW_SECONDS <= now.as_second() {
                known = Failures { count: 0, since: now.as_second() };
            }
            known.count = known.count.saturating_add(1);
            failures.insert(key, known);
            known.count
        });
        Ok(delay(of_person))
    }

    /// The attempt succeeded.
    pub(super) fn success(&self, email: &str, address: Option<IpAddr>) {
        let keys = Keys::new(email, address);
        let mut failures = self.lock();
        failures.remove(&keys.both);
        for key in [keys.address, keys.person] {
            if let Some(mut known) = failures.get_mut(&key) {
                known.count = known.count.saturating_sub(1);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cache<Key, Failures>> {
        // Numbers are whole at any moment.
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
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
        let address = address.map(|address| network(address).to_string()).unwrap_or_default();
        Self {
            both: key(&["both", &email, &address]),
            address: key(&["address", &address]),
            person: key(&["person", &email]),
        }
    }
}

/// Whoever has one IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
    }
}

fn key(parts: &[&str]) -> [u8; 32] {
    sha256(parts.join("\n").as_bytes())
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
    fn another_address_of_the_same_network_is_no_other() {
        let at = |text: &str| network(text.parse().unwrap());
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }

    #[test]
    fn success_forgets_a_persons_failures() {
        let throttle = Throttle::new();
        for _ in 0..FAILURES_PER_PERSON_AND_ADDRESS {
            assert!(throttle.try_attempt(EMAIL, None, at(1_000)).is_ok());
        }
        throttle.success(EMAIL, None);
        assert_eq!(throttle.try_attempt(EMAIL, None, at(1_000)), Ok(Duration::ZERO));
    }
}
