//! Too many failures of clients. What is limited is what they cost: a secret, code or token of 256 bits can't be found by
//! trying. So the right one opens whatever failed before it, and nobody can lock anybody out.

use std::collections::HashMap;
use std::fmt::Display;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use domain::Timestamp;

use crate::failures::{Failures, Key, key, network};

const WINDOW_SECONDS: i64 = 60;
const FAILURES_PER_CLIENT_AND_ADDRESS: u32 = 30;
const FAILURES_PER_ADDRESS: u32 = 300;

/// How often in a second the store is asked for what clients present that failed too often: those of one address, and all.
const QUESTIONS_PER_ADDRESS: u32 = 100;
const QUESTIONS: u32 = 500;

/// The questions to the store of one second.
#[derive(Default)]
struct Questions {
    /// Since the Unix epoch.
    second: i64,
    all: u32,
    /// No more addresses than questions.
    of_address: HashMap<Key, u32>,
}

/// Failures per client_id from one address, and per address.
pub(crate) struct Throttle {
    failures: Failures,
    /// Nobody is over a limit any more from this second on. Hardly ever anybody is, and then nobody need be looked up.
    nobody_from: AtomicI64,
    questions: Mutex<Questions>,
}

/// Who tries: a client_id, or what can't be one, from an address.
pub(super) struct Attempt {
    both: Key,
    address: Key,
}

impl Attempt {
    pub(super) fn new(client_id: Option<impl Display>, address: Option<IpAddr>) -> Self {
        let id = client_id.map(|id| id.to_string()).unwrap_or_default();
        let address = network(address);
        Self { both: key(&["both", &id, &address]), address: key(&["address", &address]) }
    }
}

impl Throttle {
    /// Nobody has failed yet.
    pub(crate) fn new() -> Self {
        Self {
            failures: Failures::within(WINDOW_SECONDS),
            nobody_from: AtomicI64::new(i64::MIN),
            questions: Mutex::default(),
        }
    }

    /// For how many seconds more the client is to let it be, if it failed too often.
    pub(super) fn left(&self, attempt: impl FnOnce() -> Attempt, now: Timestamp) -> Option<i64> {
        if now.as_second() >= self.nobody_from.load(Ordering::Relaxed) {
            return None;
        }
        let attempt = attempt();
        let failures = self.failures.at(now);
        let both = failures.left(&attempt.both, FAILURES_PER_CLIENT_AND_ADDRESS);
        both.max(failures.left(&attempt.address, FAILURES_PER_ADDRESS))
    }

    /// Whether the store may be asked for what is presented by whoever failed too often; if so, it counts as asked.
    pub(super) fn may_ask_store(&self, attempt: &Attempt, now: Timestamp) -> bool {
        let mut questions = self.questions.lock().unwrap_or_else(PoisonError::into_inner);
        let second = now.as_second();
        if questions.second != second {
            *questions = Questions { second, ..Questions::default() };
        }
        let asked = questions.of_address.get(&attempt.address).copied().unwrap_or_default();
        if questions.all >= QUESTIONS || asked >= QUESTIONS_PER_ADDRESS {
            return false;
        }
        questions.of_address.insert(attempt.address, asked + 1);
        questions.all += 1;
        true
    }

    /// The client failed.
    pub(super) fn failed(&self, attempt: &Attempt, now: Timestamp) {
        let mut failures = self.failures.at(now);
        let of_both = failures.add(attempt.both);
        let of_address = failures.add(attempt.address);
        if of_both >= FAILURES_PER_CLIENT_AND_ADDRESS || of_address >= FAILURES_PER_ADDRESS {
            self.nobody_from.fetch_max(now.as_second() + WINDOW_SECONDS, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn client(id: u32, address: u32) -> Attempt {
        Attempt::new(Some(id), Some(IpAddr::from(address.to_be_bytes())))
    }

    #[test]
    fn a_client_that_fails_too_often_waits_and_others_do_not() {
        let throttle = Throttle::new();
        for second in 0..30 {
            assert_eq!(throttle.left(|| client(0, 1), at(1_000 + second)), None);
            throttle.failed(&client(0, 1), at(1_000 + second));
        }
        assert_eq!(throttle.left(|| client(0, 1), at(1_030)), Some(30));
        assert_eq!(throttle.left(|| client(1, 1), at(1_030)), None);
        assert_eq!(throttle.left(|| client(0, 2), at(1_030)), None);
        assert_eq!(throttle.left(|| client(0, 1), at(1_060)), None);
    }

    #[test]
    fn the_store_is_asked_so_often_a_second_for_an_address_and_for_all() {
        let throttle = Throttle::new();
        let asked = |addresses: std::ops::Range<u32>, second| {
            addresses.filter(|address| throttle.may_ask_store(&client(0, *address), at(second))).count()
        };
        let of_one = |second| (0..999).filter(|n| throttle.may_ask_store(&client(*n, 1), at(second))).count();
        assert_eq!((of_one(1_000), asked(2..999, 1_000)), (100, 400));
        assert_eq!((of_one(1_000), asked(2..999, 1_000)), (0, 0));
        assert_eq!((of_one(1_001), asked(2..3, 1_001)), (100, 1));
    }

    #[test]
    fn whoever_tries_one_key_id_after_another_waits_too() {
        let throttle = Throttle::new();
        for n in 0..300 {
            assert_eq!(throttle.left(|| client(n, 1), at(1_000)), None);
            throttle.failed(&client(n, 1), at(1_000));
        }
        assert_eq!(throttle.left(|| client(1_000, 1), at(1_000)), Some(60));
        assert_eq!(throttle.left(|| client(1_000, 2), at(1_000)), None);
    }
}
