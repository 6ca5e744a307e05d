//! From one secret to the next, and how the one before ends.

use jiff::{SignedDuration, Timestamp};

use crate::held::within_held;
use crate::{Entropy, Held, KeySecret, Keypair, KeypairRefusal, KeypairStatus, Secret};

/// The most secrets that one keypair can have at a time.
pub const MAX_SECRETS: usize = 5;

/// The longest that old secrets can live on beside a new one: a week.
pub const MAX_OVERLAP: SignedDuration = SignedDuration::from_hours(7 * 24);

/// For how long an old secret can be asked to be idle before it ends by itself.
pub const MIN_IDLE: SignedDuration = SignedDuration::from_secs(60);
/// The longest of these: thirty days.
pub const MAX_IDLE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long after a use the store knows of it at the latest, unless the node that was used crashed: nodes gather uses for a
/// few seconds, and their clocks lie apart.
pub const USES_KNOWN_WITHIN: SignedDuration = SignedDuration::from_secs(20);

/// How long a node has to have been watching at the most before it believes that nobody came: whoever could not come while
/// nothing was served gets this long to come back.
const WATCHED_AT_MOST: SignedDuration = SignedDuration::from_hours(1);

/// When people are told that an old secret can go, if it was not said when it shall.
const SAFE_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// What becomes of the secrets that there are, when there is one more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OldSecrets {
    /// They work until somebody ends them.
    #[default]
    Stay,
    /// They end after this time, at the latest.
    EndAfter(SignedDuration),
    /// Each ends once a newer one has been used and it has not been for this long.
    EndWhenIdle(SignedDuration),
}

/// That a secret ends by itself once it is not needed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retirement {
    /// For how long it has to be idle; whole seconds.
    pub when_idle: SignedDuration,
    /// From when on that counts: while it could not be used, nobody could be seen to need it.
    pub counted_from: Timestamp,
}

impl Keypair {
    /// The keypair with one more secret. The others live on as `old` says, or as they would without it if they would end
    /// before. Who can rotate can act as the keypair, so `held` must cover all of its scopes
    /// and addresses.
    pub fn rotated(
        &self,
        old: OldSecrets,
        held: Option<&Held>,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<(Self, KeySecret), KeypairRefusal> {
        within_held(self.scopes, &self.allowed_addresses, held)?;
        if !self.accepts_secrets {
            return Err(KeypairRefusal::SecretsNotAccepted);
        }
        let mut after = self.clone();
        match old {
            OldSecrets::Stay => {}
            OldSecrets::EndAfter(overlap) => after.end_secrets_after(overlap, now)?,
            OldSecrets::EndWhenIdle(idle) => after.end_secrets_when_idle(idle, now)?,
        }
        // A secret that has run out is only still listed; it makes room.
        after.secrets.retain(|secret| secret.is_live(now));
        if after.secrets.len() >= MAX_SECRETS {
            return Err(KeypairRefusal::TooManySecrets);
        }
        let secret = KeySecret::generate(entropy);
        after.secrets_made += 1;
        after.secrets.push(Secret::new(after.secrets_made, &secret, now));
        after.version += 1;
        Ok((after, secret))
    }

    fn end_secrets_after(&mut self, overlap: SignedDuration, now: Timestamp) -> Result<(), KeypairRefusal> {
        if overlap.is_negative() || overlap > MAX_OVERLAP {
            return Err(KeypairRefusal::Overlap);
        }
        let at = now.checked_add(overlap).map_err(|_| KeypairRefusal::Overlap)?;
        for secret in &mut self.secrets {
            secret.expires_at = Some(secret.expires_at.map_or(at, |own| own.min(at)));
        }
        Ok(())
    }

    fn end_secrets_when_idle(&mut self, idle: SignedDuration, now: Timestamp) -> Result<(), KeypairRefusal> {
        if !(MIN_IDLE..=MAX_IDLE).contains(&idle) {
            return Err(KeypairRefusal::Idle);
        }
        let when_idle = SignedDuration::from_secs(idle.as_secs());
        for secret in &mut self.secrets {
            let asked = Retirement { when_idle, counted_from: now };
            secret.retirement = Some(match secret.retirement {
                Some(before) if before.when_idle <= when_idle => before,
                _ => asked,
            });
        }
        Ok(())
    }

    /// The keypair without secret `n`, which ends the tokens that it obtained and no others.
    pub fn without_secret(&self, n: u32, now: Timestamp) -> Result<Self, KeypairRefusal> {
        if !self.secrets.iter().any(|secret| secret.n == n) {
            return Err(KeypairRefusal::NoSuchSecret);
        }
        let mut after = self.clone();
        after.secrets.retain(|secret| secret.n != n);
        if !after.can_authenticate(now) {
            return Err(KeypairRefusal::LastSecret);
        }
        after.version += 1;
        Ok(after)
    }

    /// The keypair without the secrets that end by themselves at `now`; the same, version included, if none does. Whoever
    /// asks has heard of all uses since `watched_since`, [`USES_KNOWN_WITHIN`] late.
    ///
    /// A secret that goes leaves a newer one behind, which works and has been used. One that has run out is only still
    /// listed, and stays. While secrets open nothing, none is idle.
    pub fn retired(&self, watched_since: Timestamp, now: Timestamp) -> Self {
        let mut after = self.clone();
        if self.secrets_open(now) {
            after.secrets.retain(|secret| !self.retires(secret, watched_since, now));
        }
        if after != *self {
            after.version += 1;
        }
        after
    }

    fn retires(&self, secret: &Secret, watched_since: Timestamp, now: Timestamp) -> bool {
        secret.retirement.is_some_and(|Retirement { when_idle, counted_from }| {
            let idle =
                now.duration_since(secret.last_used_at.map_or(counted_from, |at| at.max(counted_from)));
            let watched = now.duration_since(watched_since);
            secret.is_live(now)
                && self.is_succeeded(secret, now)
                && idle >= when_idle.saturating_add(USES_KNOWN_WITHIN)
                && watched >= when_idle.min(WATCHED_AT_MOST)
        })
    }

    /// For how long the secret has been idle, if people can end it without anybody noticing by all that is known at `now`: a
    /// newer one is in use, and it is not, for as long as it was to be idle, or a day.
    pub fn idle_and_replaced(&self, secret: &Secret, now: Timestamp) -> Option<SignedDuration> {
        let enough = secret.retirement.map_or(SAFE_AFTER, |retirement| retirement.when_idle);
        let idle = now.duration_since(secret.last_used_at.unwrap_or(secret.created_at));
        (self.secrets_open(now) && self.is_succeeded(secret, now) && idle >= enough).then_some(idle)
    }

    /// Whether a newer secret works and has been used.
    fn is_succeeded(&self, secret: &Secret, now: Timestamp) -> bool {
        let succeeds =
            |newer: &Secret| newer.n > secret.n && newer.is_live(now) && newer.last_used_at.is_some();
        self.secrets.iter().any(succeeds)
    }

    /// Whether its live secrets open anything at `now`.
    fn secrets_open(&self, now: Timestamp) -> bool {
        self.accepts_secrets && self.status(now) == KeypairStatus::Active
    }

    /// Counts idle times from `now` on, if secrets did not open anything before and now do, or from elsewhere or on other
    /// conditions: whoever was kept out before could not use one, and whoever is now has to be let in again first.
    pub(crate) fn counting_idle_anew(mut self, before: &Self, now: Timestamp) -> Self {
        let open_to_others = self.allowed_addresses != before.allowed_addresses
            || self.token_binding != before.token_binding
            || !before.secrets_open(now);
        if self.secrets_open(now) && open_to_others {
            for retirement in self.secrets.iter_mut().filter_map(|secret| secret.retirement.as_mut()) {
                retirement.counted_from = now;
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Actor, AllowedAddresses, Comment, Credential, KeypairEdit, NewKeypair, Outlived, Owner, PublicKey,
        Scope, Thumbprint, TokenBinding, TokenClaims, TokenId, VerifyingKey, from_millis,
    };
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicU8, Ordering};

    struct Counter(AtomicU8);
    impl Entropy for Counter {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0.fetch_add(1, Ordering::Relaxed));
        }
    }

    static ENTROPY: Counter = Counter(AtomicU8::new(1));

    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;

    fn at(seconds: i64) -> Timestamp {
        from_millis(1_770_000_000_000 + seconds * 1000)
    }

    fn seconds(seconds: i64) -> SignedDuration {
        SignedDuration::from_secs(seconds)
    }

    fn keypair() -> (Keypair, KeySecret) {
        let new = NewKeypair {
            owner: Owner::Account("acc_00000000000000000000000000".parse().unwrap()),
            comment: Comment::new("").unwrap(),
            scopes: Scope::ReportRead.into(),
            expires_at: None,
            token_binding: TokenBinding::None,
            allowed_addresses: AllowedAddresses::default(),
        };
        Keypair::create(new, None, Actor::Operator, at(0), &ENTROPY).unwrap()
    }

    fn rotated(keypair: &Keypair, old: OldSecrets, now: Timestamp) -> (Keypair, KeySecret) {
        keypair.rotated(old, None, now, &ENTROPY).unwrap()
    }

    /// One that was rotated at 0, the old secret to end once it was idle for an hour; neither was used.
    fn ending() -> Keypair {
        rotated(&keypair().0, OldSecrets::EndWhenIdle(seconds(HOUR)), at(0)).0
    }

    /// The same with secret `n` last used then.
    fn used(mut keypair: Keypair, n: u32, seconds: i64) -> Keypair {
        let secret = keypair.secrets.iter_mut().find(|secret| secret.n == n).unwrap();
        secret.last_used_at = Some(at(seconds));
        keypair
    }

    fn edited(keypair: &Keypair, edit: KeypairEdit, now: i64) -> Keypair {
        keypair.edited(&edit, None, at(now)).unwrap()
    }

    fn enabled(enabled: bool) -> KeypairEdit {
        KeypairEdit { enabled: Some(enabled), ..KeypairEdit::default() }
    }

    /// The numbers of the secrets that are left at that time, to who has been watching since 0.
    fn left(keypair: &Keypair, now: i64) -> Vec<u32> {
        let after = keypair.retired(at(0), at(now));
        assert_eq!(after.version > keypair.version, after.secrets.len() < keypair.secrets.len());
        numbers(&after)
    }

    fn numbers(keypair: &Keypair) -> Vec<u32> {
        keypair.secrets.iter().map(|secret| secret.n).collect()
    }

    #[test]
    fn a_secret_s_number_is_never_given_twice() {
        let (two, leaked) = rotated(&keypair().0, OldSecrets::Stay, at(0));
        let token = TokenClaims {
            id: TokenId::from_bytes([1; 16]),
            keypair: two.id,
            owner: two.owner,
            scopes: two.scopes,
            generation: two.generation,
            secret: Credential::of(&two).authenticate(&leaked.hash(), at(0)).unwrap(),
            expires_at: at(HOUR),
            confirmation: None,
        };
        let without = two.without_secret(2, at(0)).unwrap();
        assert_eq!(token.scopes_at(at(0), &Credential::of(&without)), Err(Outlived::Secret));
        let (three, _) = rotated(&without, OldSecrets::Stay, at(0));
        assert_eq!(numbers(&three), [1, 3]);
        assert_eq!(token.scopes_at(at(0), &Credential::of(&three)), Err(Outlived::Secret));
    }

    #[test]
    fn secrets_overlap_as_long_as_told_and_are_bounded() {
        let (keypair, first) = keypair();
        let (two, second) = rotated(&keypair, OldSecrets::EndAfter(seconds(60)), at(0));
        assert_eq!(Credential::of(&two).authenticate(&first.hash(), at(59)), Some(1));
        assert_eq!(Credential::of(&two).authenticate(&first.hash(), at(60)), None);
        assert_eq!(Credential::of(&two).authenticate(&second.hash(), at(60)), Some(2));
        let mut many = two;
        for _ in 0..3 {
            many = rotated(&many, OldSecrets::Stay, at(0)).0;
        }
        let full = many.rotated(OldSecrets::Stay, None, at(0), &ENTROPY).map(|_| ());
        assert_eq!(full, Err(KeypairRefusal::TooManySecrets));
        let (swept, _) = rotated(&many, OldSecrets::Stay, at(60));
        assert_eq!(swept.secrets.len(), 5, "the one that ran out made room");
        let refused = |old| keypair.rotated(old, None, at(0), &ENTROPY).map(|_| ());
        for overlap in [seconds(-1), MAX_OVERLAP + seconds(1)] {
            assert_eq!(refused(OldSecrets::EndAfter(overlap)), Err(KeypairRefusal::Overlap));
        }
        for idle in [seconds(-1), seconds(0), seconds(59), MAX_IDLE + seconds(1)] {
            assert_eq!(refused(OldSecrets::EndWhenIdle(idle)), Err(KeypairRefusal::Idle));
        }
        assert_eq!(keypair.without_secret(1, at(0)), Err(KeypairRefusal::LastSecret));
        assert_eq!(keypair.without_secret(9, at(0)), Err(KeypairRefusal::NoSuchSecret));
    }

    #[test]
    fn an_old_secret_ends_once_the_new_one_was_used_and_it_was_idle() {
        let unused = used(ending(), 1, 100);
        assert_eq!(left(&unused, 30 * DAY), [1, 2], "nobody has the new one yet");
        let both = used(unused, 2, 200);
        let due = 100 + HOUR + USES_KNOWN_WITHIN.as_secs();
        assert_eq!(left(&both, due - 1), [1, 2]);
        assert_eq!(left(&both, due), [2]);
        assert_eq!(left(&used(both, 1, 150), due), [1, 2], "a use that became known in time");
        let never = used(ending(), 2, 10);
        assert_eq!(left(&never, HOUR), [1, 2], "counted from the rotation");
        assert_eq!(left(&never, HOUR + 20), [2]);
    }

    #[test]
    fn a_secret_that_nobody_asked_to_end_stays() {
        let (two, _) = rotated(&keypair().0, OldSecrets::Stay, at(0));
        assert_eq!(left(&used(two, 2, 1), 300 * DAY), [1, 2]);
        assert_eq!(left(&keypair().0, 300 * DAY), [1]);
    }

    #[test]
    fn rotating_again_waits_for_the_shorter_time_and_leaves_the_newest_in_use() {
        let (three, _) = rotated(&ending(), OldSecrets::EndWhenIdle(seconds(2 * HOUR)), at(10));
        let when_idle: Vec<_> =
            three.secrets.iter().map(|secret| secret.retirement.map(|one| one.when_idle.as_secs())).collect();
        assert_eq!(when_idle, [Some(HOUR), Some(2 * HOUR), None]);
        let second_in_use = used(three.clone(), 2, 20);
        assert_eq!(left(&second_in_use, DAY), [2, 3], "the second is the newest in use");
        assert_eq!(left(&used(second_in_use, 3, 30), DAY), [3]);
        assert_eq!(left(&used(three, 3, 30), HOUR + 60), [2, 3], "each in its own time");
        let (shorter, _) = rotated(&ending(), OldSecrets::EndWhenIdle(seconds(60)), at(500));
        assert_eq!(left(&used(shorter, 3, 501), 579), [1, 2, 3], "what is asked now counts from now");
        let (plain, _) = rotated(&ending(), OldSecrets::Stay, at(10));
        assert_eq!(left(&used(plain, 3, 20), DAY), [2, 3], "what was asked before stands");
    }

    #[test]
    fn without_a_newer_one_in_use_that_works_an_old_secret_stays() {
        let both = used(ending(), 2, 10);
        let deleted = both.without_secret(2, at(20)).unwrap();
        assert_eq!(left(&deleted, DAY), [1]);
        let (third, _) = rotated(&deleted, OldSecrets::Stay, at(30));
        assert_eq!(left(&third, DAY), [1, 3], "the next one was not used");
        assert_eq!(left(&used(third, 3, 40), DAY), [3]);
        let mut run_out = both.clone();
        run_out.secrets[1].expires_at = Some(at(HOUR));
        assert_eq!(left(&run_out, DAY), [1, 2]);
        let mut leaked = both.leaked(&both.secrets[1].hash, at(20)).unwrap();
        leaked.enabled = true;
        assert_eq!(left(&leaked, DAY), [1, 2]);
        let by_key = ending()
            .with_public_key(
                VerifyingKey::from_parts(
                    crate::AssertionAlgorithm::EdDsa,
                    Thumbprint::from_bytes([1; 32]),
                    Box::default(),
                ),
                None,
                None,
                at(10),
            )
            .unwrap();
        let in_use = |public: PublicKey| PublicKey { last_used_at: Some(at(20)), ..public };
        let public_keys = by_key.public_keys.iter().cloned().map(in_use).collect();
        assert_eq!(left(&Keypair { public_keys, ..by_key }, DAY), [1, 2], "a key is no new secret");
    }

    #[test]
    fn a_secret_that_ran_out_or_leaked_is_not_taken_off_the_list() {
        let both = used(ending(), 2, 10);
        let mut leaked = both.leaked(&both.secrets[0].hash, at(20)).unwrap();
        leaked.enabled = true;
        assert_eq!(left(&leaked, DAY), [1, 2]);
        assert_eq!(leaked.leaked_at(), Some(at(20)));
        let mut expiring = both;
        expiring.secrets[0].expires_at = Some(at(2 * HOUR));
        assert_eq!(left(&expiring, HOUR + 60), [2], "before it runs out");
        assert_eq!(left(&expiring, 2 * HOUR), [1, 2]);
    }

    #[test]
    fn idle_counts_only_while_secrets_open_something() {
        let both = used(used(ending(), 1, 10), 2, 10);
        let disabled = edited(&both, enabled(false), 100);
        assert_eq!(left(&disabled, DAY), [1, 2], "nobody can use it");
        let again = edited(&disabled, enabled(true), DAY);
        assert_eq!(left(&again, DAY + HOUR + 19), [1, 2], "its users have not come back yet");
        assert_eq!(left(&again, DAY + HOUR + 20), [2]);

        let until = |end: Option<Timestamp>| KeypairEdit { expires_at: Some(end), ..KeypairEdit::default() };
        let expiring = edited(&both, until(Some(at(100))), 20);
        assert_eq!(left(&expiring, DAY), [1, 2]);
        assert_eq!(left(&edited(&expiring, until(None), DAY), DAY + HOUR + 19), [1, 2]);

        let refusing = Keypair { accepts_secrets: false, ..both.clone() };
        assert_eq!(left(&refusing, DAY), [1, 2]);
        let accept = KeypairEdit { accepts_secrets: Some(true), ..KeypairEdit::default() };
        assert_eq!(left(&edited(&refusing, accept, DAY), DAY + HOUR + 19), [1, 2]);

        let comment = KeypairEdit { comment: Some(Comment::new("x").unwrap()), ..KeypairEdit::default() };
        assert_eq!(left(&edited(&both, comment, HOUR), HOUR + 30), [2], "another edit changes nothing of it");
    }

    #[test]
    fn idle_counts_anew_once_secrets_open_to_others() {
        let both = used(used(ending(), 1, 10), 2, 10);
        let from = |networks: &[&str]| KeypairEdit {
            allowed_addresses: Some(AllowedAddresses::new(networks.iter().copied()).unwrap()),
            ..KeypairEdit::default()
        };
        let bound = |to: TokenBinding| KeypairEdit { token_binding: Some(to), ..KeypairEdit::default() };
        for (mistaken, mended) in [
            (from(&["192.0.2.0/24"]), from(&[])),
            (bound(TokenBinding::Dpop), bound(TokenBinding::None)),
            (bound(TokenBinding::Dpop), bound(TokenBinding::Mtls)),
        ] {
            let kept_out = edited(&both, mistaken.clone(), HOUR);
            assert_eq!(left(&kept_out, 2 * HOUR + 19), [1, 2], "{mistaken:?}");
            assert_eq!(left(&kept_out, 2 * HOUR + 20), [2]);
            let let_in = edited(&kept_out, mended.clone(), 2 * HOUR);
            assert_eq!(left(&let_in, 3 * HOUR + 19), [1, 2], "{mended:?}");
            assert_eq!(left(&let_in, 3 * HOUR + 20), [2]);
            let same = edited(&let_in, mended, 2 * HOUR + 60);
            assert_eq!(left(&same, 3 * HOUR + 20), [2], "nothing was changed");
        }
    }

    #[test]
    fn who_has_not_been_watching_believes_in_no_idleness() {
        let both = used(ending(), 2, 10);
        let seen = |since: i64, now: i64| numbers(&both.retired(at(since), at(now)));
        assert_eq!(seen(DAY, DAY), [1, 2]);
        assert_eq!(seen(DAY, DAY + HOUR - 1), [1, 2]);
        assert_eq!(seen(DAY, DAY + HOUR), [2]);
        let (long, _) = rotated(&keypair().0, OldSecrets::EndWhenIdle(seconds(30 * DAY)), at(0));
        let long = used(long, 2, 10);
        let began = at(40 * DAY);
        assert_eq!(numbers(&long.retired(began, at(40 * DAY + HOUR - 1))), [1, 2]);
        assert_eq!(numbers(&long.retired(began, at(40 * DAY + HOUR))), [2], "an hour is enough for all");
    }

    #[test]
    fn people_are_told_what_can_go() {
        let safe = |keypair: &Keypair, now: i64| {
            let safe = |secret: &&Secret| keypair.idle_and_replaced(secret, at(now)).is_some();
            keypair.secrets.iter().filter(safe).map(|secret| secret.n).collect::<Vec<_>>()
        };
        let (two, _) = rotated(&keypair().0, OldSecrets::Stay, at(0));
        assert_eq!(safe(&used(two.clone(), 1, 0), 10 * DAY), [0; 0], "the new one is not in use");
        let two = used(used(two, 1, HOUR), 2, HOUR);
        assert_eq!(safe(&two, HOUR + DAY - 1), [0; 0]);
        assert_eq!(safe(&two, HOUR + DAY), [1]);
        assert_eq!(safe(&used(used(ending(), 1, 10), 2, 10), 10 + HOUR), [1], "as long as was asked for");
        assert_eq!(safe(&edited(&two, enabled(false), 2 * HOUR), 2 * DAY), [0; 0]);
    }

    proptest! {
        #[test]
        fn whatever_ends_a_newer_one_in_use_is_left(
            uses in proptest::collection::vec(proptest::option::of(0..DAY), 5),
            idle in proptest::collection::vec(proptest::option::of(60..DAY), 5),
            ends in proptest::collection::vec(proptest::option::of(0..2 * DAY), 5),
            now in 0..2 * DAY,
        ) {
            let mut five = keypair().0;
            for _ in 0..4 {
                five = rotated(&five, OldSecrets::Stay, at(0)).0;
            }
            for (n, secret) in five.secrets.iter_mut().enumerate() {
                secret.last_used_at = uses[n].map(at);
                secret.retirement =
                    idle[n].map(|idle| Retirement { when_idle: seconds(idle), counted_from: at(0) });
                secret.expires_at = ends[n].map(at);
            }
            let after = five.retired(at(0), at(now));
            let kept = numbers(&after);
            for gone in five.secrets.iter().filter(|secret| !kept.contains(&secret.n)) {
                prop_assert!(after.is_succeeded(gone, at(now)));
                prop_assert!(gone.last_used_at.is_none_or(|used| at(now).duration_since(used) >= seconds(80)));
            }
            prop_assert_eq!(after.retired(at(0), at(now)), after.clone(), "once is enough");
        }
    }
}
