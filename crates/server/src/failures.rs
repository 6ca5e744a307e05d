//! Counts of failures: in memory, bounded, on each node of its own.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::Timestamp;
use quick_cache::unsync::Cache;

use crate::crypto::sha256;

/// Of so many that failed, the latest are remembered.
const REMEMBERED: usize = 20_000;

/// By what failures are counted.
pub(crate) type Key = [u8; 32];

/// The key of such parts.
pub(crate) fn key(parts: &[&str]) -> Key {
    sha256(parts.join("\n").as_bytes())
}

/// The part of a key that an address is. Whoever has one IPv6 address has 2^64 of them.
pub(crate) fn network(address: Option<IpAddr>) -> String {
    match address {
        Some(IpAddr::V6(v6)) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).to_string(),
        Some(v4) => v4.to_string(),
        None => String::new(),
    }
}

#[derive(Clone, Copy, Default)]
struct Count {
    failures: u32,
    since: i64,
}

/// How often each key failed in its window: that begins with a failure, and the first failure after it begins another.
pub(crate) struct Failures {
    // One lock over question and count: attempts that run together are counted one by one.
    counts: Mutex<Cache<Key, Count>>,
    window_seconds: i64,
}

impl Failures {
    /// Nobody has failed yet.
    pub(crate) fn within(window_seconds: i64) -> Self {
        Self { counts: Mutex::new(Cache::new(REMEMBERED)), window_seconds }
    }

    /// The counts at `now`, for one thread at a time.
    pub(crate) fn at(&self, now: Timestamp) -> Counting<'_> {
        // Numbers are whole at any moment.
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        Counting { counts, now: now.as_second(), window_seconds: self.window_seconds }
    }
}

/// The counts, held.
pub(crate) struct Counting<'a> {
    counts: MutexGuard<'a, Cache<Key, Count>>,
    now: i64,
    window_seconds: i64,
}

impl Counting<'_> {
    /// For how many seconds more a key that failed `most` times must wait.
    pub(crate) fn left(&self, key: &Key, most: u32) -> Option<i64> {
        let count = self.counts.get(key)?;
        let left = count.since + self.window_seconds - self.now;
        (count.failures >= most && left > 0).then_some(left)
    }

    /// Counts a failure; how many there are now.
    pub(crate) fn add(&mut self, key: Key) -> u32 {
        let mut count = self.counts.get(&key).copied().unwrap_or_default();
        if count.since + self.window_seconds <= self.now {
            count = Count { failures: 0, since: self.now };
        }
        count.failures = count.failures.saturating_add(1);
        self.counts.insert(key, count);
        count.failures
    }

    /// Takes one failure back.
    pub(crate) fn take_back(&mut self, key: &Key) {
        if let Some(mut count) = self.counts.get_mut(key) {
            count.failures = count.failures.saturating_sub(1);
        }
    }

    /// Forgets a key's failures.
    pub(crate) fn forget(&mut self, key: &Key) {
        self.counts.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_address_of_the_same_network_is_no_other() {
        let at = |text: &str| network(Some(text.parse().unwrap()));
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}
