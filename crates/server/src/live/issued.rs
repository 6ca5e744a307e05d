//! How many tokens a keypair obtained in this minute: in memory, on each node of its own.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::Timestamp;

/// The minute and how many tokens were issued in it.
#[derive(Debug, Default)]
pub(super) struct Issued(AtomicU64);

impl Issued {
    /// Counts one token more; or says how many seconds to wait, if there are as many as may be in a minute.
    pub(super) fn count(&self, most: u32, now: Timestamp) -> Result<(), i64> {
        let (minute, second) = (now.as_second().div_euclid(60), now.as_second().rem_euclid(60));
        // As many bits as fit beside the count; minutes are only compared.
        let minute = (minute as u64) << 32;
        let counted = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |known| {
            let count = if known & !0xffff_ffff == minute { known & 0xffff_ffff } else { 0 };
            (count < u64::from(most)).then_some(minute | (count + 1))
        });
        counted.map(drop).map_err(|_| 60 - second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_minute_begins_anew() {
        let issued = Issued::default();
        let at = |second| issued.count(2, Timestamp::from_second(second).unwrap());
        assert_eq!([at(6_000), at(6_010), at(6_020)], [Ok(()), Ok(()), Err(40)]);
        assert_eq!([at(6_059), at(6_060), at(6_060)], [Err(1), Ok(()), Ok(())]);
        assert_eq!(at(6_060), Err(60));
    }
}
