//! Slows down whoever tries passwords.

use std::net::{IpAddr, Ipv6Addr};

use domain::Timestamp;
use quick_cache::sync::Cache;

use crate::crypto::sha256;

const WINDOW_SECONDS: i64 = 15 * 60;
const FAILURES_PER_PERSON: u32 = 8;
const FAILURES_PER_ADDRESS: u32 = 60;
const REMEMBERED: usize = 20_000;

#[derive(Clone, Copy, Default)]
struct Failures {
    count: u32,
    since: i64,
}

/// Failures per e-mail from one address, and per address; in memory, bounded, on each node of its own.
pub(super) struct Throttle {
    failures: Cache<[u8; 32], Failures>,
}

impl Throttle {
    /// Nobody has failed yet.
    pub(super) fn new() -> Self {
        Self { failures: Cache::new(REMEMBERED) }
    }

    /// How many seconds to wait before another attempt counts, if any.
    pub(super) fn wait(&self, email: &str, address: Option<IpAddr>, now: Timestamp) -> Option<i64> {
        limits(email, address)
            .into_iter()
            .filter_map(|(key, most)| {
                let failures = self.failures.get(&key)?;
                let left = failures.since + WINDOW_SECONDS - now.as_second();
                (failures.count >= most && left > 0).then_some(left)
            })
            .max()
    }

    /// An attempt is under way: it counts as a failure until it has succeeded, so that many at once gain nothing.
    pub(super) fn attempt(&self, email: &str, address: Option<IpAddr>, now: Timestamp) {
        for (key, _) in limits(email, address) {
            let mut failures = self.failures.get(&key).unwrap_or_default();
            if failures.since + WINDOW_SECONDS <= now.as_second() {
                failures = Failures { count: 0, since: now.as_second() };
            }
            failures.count = failures.count.saturating_add(1);
            self.failures.insert(key, failures);
        }
    }

    /// The attempt succeeded.
    pub(super) fn success(&self, email: &str, address: Option<IpAddr>) {
        let [(person, _), (from, _)] = limits(email, address);
        self.failures.remove(&person);
        if let Some(mut failures) = self.failures.get(&from) {
            failures.count = failures.count.saturating_sub(1);
            self.failures.insert(from, failures);
        }
    }
}

fn limits(email: &str, address: Option<IpAddr>) -> [([u8; 32], u32); 2] {
    let address = address.map(|address| network(address).to_string()).unwrap_or_default();
    [
        (key(&[&email.trim().to_lowercase(), &address]), FAILURES_PER_PERSON),
        (key(&[&address]), FAILURES_PER_ADDRESS),
    ]
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

    #[test]
    fn the_ninth_attempt_waits_and_another_address_does_not() {
        let throttle = Throttle::new();
        let here = Some(IpAddr::from([192, 0, 2, 1]));
        let there = Some(IpAddr::from([192, 0, 2, 2]));
        let at = |second| Timestamp::from_second(second).unwrap();
        for _ in 0..FAILURES_PER_PERSON {
            assert_eq!(throttle.wait("a@example.com", here, at(1_000)), None);
            throttle.attempt("a@example.com", here, at(1_000));
        }
        assert_eq!(throttle.wait("A@example.com ", here, at(1_010)), Some(890));
        assert_eq!(throttle.wait("a@example.com", there, at(1_010)), None);
        assert_eq!(throttle.wait("b@example.com", here, at(1_010)), None);
        assert_eq!(throttle.wait("a@example.com", here, at(1_900)), None);
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
        let now = Timestamp::from_second(1_000).unwrap();
        for _ in 0..FAILURES_PER_PERSON {
            throttle.attempt("a@example.com", None, now);
        }
        throttle.success("a@example.com", None);
        assert_eq!(throttle.wait("a@example.com", None, now), None);
    }
}
