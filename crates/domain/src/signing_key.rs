//! When a signing key signs, and how long it is published. Told from the keys and the time alone, so that nodes agree
//! without a word.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::{SignedDuration, Timestamp};

/// How long a key is published before it signs: longer than whoever fetched the keys may keep them, and than the clocks
/// of two nodes lie apart.
pub const PUBLISHED_FIRST: SignedDuration = SignedDuration::from_mins(10);

/// The longest that a token may live, whatever a node is told: a node that was told less may have told more before.
pub const MAX_TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// Which key signed something: the SHA-256 of its `kid`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningKeyHash([u8; 32]);

impl SigningKeyHash {
    /// That of the key of this `kid`.
    pub fn of(kid: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, kid.as_bytes()).as_ref());
        Self(hash)
    }
}

/// What a key is for at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningKeyState {
    /// Published, and does not sign yet.
    Next,
    /// Signs all new tokens.
    Signing,
    /// Published for the tokens that it signed.
    Retired,
}

impl SigningKeyState {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Signing => "signing",
            Self::Retired => "retired",
        }
    }
}

/// The life of a key, as far as it can be told from the keys that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningKeyLife {
    /// What it is for now.
    pub state: SigningKeyState,
    /// When the key after it signs in its place; none while there is no such key.
    pub retired_at: Option<Timestamp>,
}

impl SigningKeyLife {
    /// When the last token that it may have signed has expired by every node's clock.
    pub fn removed_at(&self) -> Option<Timestamp> {
        let after = |at: Timestamp| at.saturating_add(MAX_TOKEN_LIFETIME + PUBLISHED_FIRST).ok();
        self.retired_at.and_then(after)
    }

    /// Whether no token of it is worth anything any more.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.removed_at().is_some_and(|at| at <= now)
    }
}

/// Which of the keys signs at `now`, given from when on each does, in that order: the last whose time has come. The first
/// needs no time: without it there is none.
pub fn signing_key(signs_from: &[Timestamp], now: Timestamp) -> usize {
    signs_from.iter().rposition(|at| *at <= now).unwrap_or(0)
}

/// The lives of the keys, given from when on each signs, in that order.
pub fn signing_key_lives(signs_from: &[Timestamp], now: Timestamp) -> Vec<SigningKeyLife> {
    let signing = signing_key(signs_from, now);
    let retired_at = signs_from.iter().skip(1).copied().map(Some).chain([None]);
    let state = |n: usize| match n.cmp(&signing) {
        std::cmp::Ordering::Less => SigningKeyState::Retired,
        std::cmp::Ordering::Equal => SigningKeyState::Signing,
        std::cmp::Ordering::Greater => SigningKeyState::Next,
    };
    let keys = (0..signs_from.len()).zip(retired_at);
    keys.map(|(n, retired_at)| SigningKeyLife { state: state(n), retired_at }).collect()
}

/// Whether it is time for a new key, `days` after the newest was made; never for 0.
pub fn signing_key_is_due(newest: Timestamp, days: u32, now: Timestamp) -> bool {
    let age = SignedDuration::from_hours(i64::from(days) * 24);
    days > 0 && now.duration_since(newest) >= age
}

#[cfg(test)]
mod tests {
    use super::SigningKeyState::{Next, Retired, Signing};
    use super::*;
    use crate::from_millis;

    fn at(minutes: i64) -> Timestamp {
        from_millis(1_770_000_000_000 + minutes * 60_000)
    }

    fn states(signs_from: &[Timestamp], minute: i64) -> Vec<SigningKeyState> {
        signing_key_lives(signs_from, at(minute)).iter().map(|life| life.state).collect()
    }

    #[test]
    fn a_key_is_next_then_signs_then_is_retired() {
        let keys = [at(0), at(70), at(130)];
        assert_eq!(states(&keys, 0), [Signing, Next, Next]);
        assert_eq!(states(&keys, 69), [Signing, Next, Next]);
        assert_eq!(states(&keys, 70), [Retired, Signing, Next]);
        assert_eq!(states(&keys, 130), [Retired, Retired, Signing]);
        assert_eq!(
            states(&keys, 99_999),
            [Retired, Retired, Signing],
            "the last signs until there is another"
        );
    }

    #[test]
    fn one_signs_by_whatever_clock_as_long_as_there_is_any() {
        assert_eq!(states(&[at(5), at(15)], -60), [Signing, Next], "a clock that is behind");
        assert_eq!(states(&[at(0), at(0)], 0), [Retired, Signing], "two of one instant");
        assert!(signing_key_lives(&[], at(0)).is_empty());
    }

    #[test]
    fn a_key_is_over_when_the_longest_token_has_expired_by_any_clock() {
        let lives = |now| signing_key_lives(&[at(0), at(70)], at(now));
        assert_eq!((lives(0)[0].retired_at, lives(0)[1].retired_at), (Some(at(70)), None));
        assert_eq!(lives(0)[0].removed_at(), Some(at(70 + 24 * 60 + 10)));
        assert!(!lives(70 + 24 * 60 + 9)[0].is_over(at(70 + 24 * 60 + 9)));
        assert!(lives(70 + 24 * 60 + 10)[0].is_over(at(70 + 24 * 60 + 10)));
        assert!(!lives(999_999)[1].is_over(at(999_999)), "what nothing comes after is never over");
    }

    #[test]
    fn a_new_key_is_due_by_the_day() {
        let (day, made) = (24 * 60, at(0));
        assert!(!signing_key_is_due(made, 90, at(90 * day - 1)));
        assert!(signing_key_is_due(made, 90, at(90 * day)));
        assert!(!signing_key_is_due(made, 0, at(9999 * day)));
        assert!(!signing_key_is_due(made, u32::MAX, at(9999 * day)));
    }
}
