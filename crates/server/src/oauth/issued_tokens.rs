//! How many tokens each keypair obtained in this minute: in memory, on each node of its own. Apart from what is remembered of
//! the keypair, which is forgotten with every edit.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::{KeyId, Timestamp};

/// The most keypairs that are counted in a minute. Beyond them others obtain tokens without being counted, rather than
/// that any of these is counted anew.
const MOST: usize = 100_000;

/// The counts of a minute.
#[derive(Default)]
pub(crate) struct IssuedTokens(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    /// Minutes since the Unix epoch.
    minute: i64,
    of: HashMap<KeyId, u32>,
}

impl IssuedTokens {
    /// Counts one token more of the keypair; or says how many seconds to wait, if it has as many as it may in a minute.
    pub(super) fn count(&self, keypair: KeyId, most: u32, now: Timestamp) -> Result<(), i64> {
        let (minute, second) = (now.as_second().div_euclid(60), now.as_second().rem_euclid(60));
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.minute != minute {
            counts.minute = minute;
            counts.of.clear();
        }
        let room = counts.of.len() < MOST;
        match counts.of.get_mut(&keypair) {
            Some(count) if *count >= most => return Err(60 - second),
            Some(count) => *count += 1,
            None if room => drop(counts.of.insert(keypair, 1)),
            None => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keypair(n: u32) -> KeyId {
        format!("key_01jdaaaaaaaaaaaaaaaaa{n:05}").parse().unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn each_minute_begins_anew_and_each_keypair_has_its_own_count() {
        let issued = IssuedTokens::default();
        let count = |second| issued.count(keypair(1), 2, at(second));
        assert_eq!([count(6_000), count(6_010), count(6_020)], [Ok(()), Ok(()), Err(40)]);
        assert_eq!(issued.count(keypair(2), 2, at(6_020)), Ok(()));
        assert_eq!([count(6_059), count(6_060), count(6_060)], [Err(1), Ok(()), Ok(())]);
        assert_eq!(count(6_060), Err(60));
    }

    #[test]
    fn many_others_take_nobodys_count_away() {
        let issued = IssuedTokens::default();
        assert_eq!(issued.count(keypair(99_999), 1, at(6_000)), Ok(()));
        for n in 0..99_999 {
            assert_eq!(issued.count(keypair(n), 1, at(6_000)), Ok(()));
        }
        let beyond = "key_01jdbbbbbbbbbbbbbbbbbbbbbb".parse().unwrap();
        assert_eq!([issued.count(beyond, 1, at(6_000)), issued.count(beyond, 1, at(6_000))], [Ok(()); 2]);
        assert_eq!(issued.count(keypair(99_999), 1, at(6_000)), Err(60));
        assert_eq!(issued.0.lock().unwrap().of.len(), MOST);
    }
}
