use jiff::Timestamp;

use crate::held::within_held;
use crate::{
    Action, Actor, AllowedAddresses, Comment, Entropy, Held, KeyId, KeySecret, KeypairRefusal, Owner,
    PublicKey, Scopes, Secret, TokenBinding, VerifyingKey, new_id,
};

/// A Key ID with its secrets and public keys: what a program authenticates with. Owned by an account or an environment, not by the
/// person who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keypair {
    /// The Key ID.
    pub id: KeyId,
    /// Whom it belongs to, and dies with.
    pub owner: Owner,
    /// What it is for.
    pub comment: Comment,
    /// What it may request.
    pub scopes: Scopes,
    /// The administrator's switch.
    pub enabled: bool,
    /// Counts how often it was stopped; a token of an earlier generation is worth nothing.
    pub generation: i64,
    /// Counts the edits; the ETag.
    pub version: i64,
    /// When it stops by itself, if ever.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: Actor,
    /// When it last authenticated or used a token; a few seconds late.
    pub last_used_at: Option<Timestamp>,
    /// How many secrets and public keys it was ever given: the number of the last one.
    pub secrets_made: u32,
    /// Whether its secrets open anything; if not, only what its public keys verify does.
    pub accepts_secrets: bool,
    /// What its tokens must be bound to.
    pub token_binding: TokenBinding,
    /// From where it and its tokens may be used.
    pub allowed_addresses: AllowedAddresses,
    /// Its secrets, the oldest first.
    pub secrets: Vec<Secret>,
    /// Its public keys, the oldest first.
    pub public_keys: Vec<PublicKey>,
}

/// What a keypair can be, for the list and for `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeypairStatus {
    /// It works.
    Active,
    /// An administrator switched it off.
    Disabled,
    /// Its time has run out.
    Expired,
}

impl KeypairStatus {
    /// The switch goes before the time.
    pub(crate) fn of(enabled: bool, expired: bool) -> Self {
        match (enabled, expired) {
            (false, _) => Self::Disabled,
            (true, true) => Self::Expired,
            (true, false) => Self::Active,
        }
    }

    /// `active`, `disabled` or `expired`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
        }
    }
}

/// What a new keypair shall be.
#[derive(Clone, Debug)]
pub struct NewKeypair {
    /// Whom it will belong to.
    pub owner: Owner,
    /// What it is for.
    pub comment: Comment,
    /// What it may request.
    pub scopes: Scopes,
    /// When it stops by itself, if ever.
    pub expires_at: Option<Timestamp>,
    /// What its tokens must be bound to.
    pub token_binding: TokenBinding,
    /// From where it and its tokens may be used.
    pub allowed_addresses: AllowedAddresses,
}

/// What an edit changes; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct KeypairEdit {
    /// The switch.
    pub enabled: Option<bool>,
    /// What it is for.
    pub comment: Option<Comment>,
    /// What it may request.
    pub scopes: Option<Scopes>,
    /// When it stops by itself; `Some(None)` for never.
    pub expires_at: Option<Option<Timestamp>>,
    /// Whether its secrets open anything.
    pub accepts_secrets: Option<bool>,
    /// What its tokens must be bound to.
    pub token_binding: Option<TokenBinding>,
    /// From where it and its tokens may be used.
    pub allowed_addresses: Option<AllowedAddresses>,
}

impl KeypairEdit {
    /// Whether it can make a keypair able to request more than it could, by a scope, or by working again, for longer, or
    /// from elsewhere.
    pub fn may_widen(&self) -> bool {
        let Self {
            enabled,
            comment: _,
            scopes,
            expires_at,
            accepts_secrets,
            token_binding: _,
            allowed_addresses,
        } = self;
        *enabled == Some(true)
            || *accepts_secrets == Some(true)
            || scopes.is_some()
            || expires_at.is_some()
            || allowed_addresses.is_some()
    }
}

impl Keypair {
    /// Makes a keypair and its first secret. `held` is what the caller holds itself; `None` for a person or the operator,
    /// who may hand on anything.
    pub fn create(
        new: NewKeypair,
        held: Option<&Held>,
        created_by: Actor,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<(Self, KeySecret), KeypairRefusal> {
        let secret = KeySecret::generate(entropy);
        let mut keypair = Self::that_nothing_opens(new, held, created_by, now, entropy)?;
        keypair.secrets_made = 1;
        keypair.secrets = vec![Secret::new(1, &secret, now)];
        Ok((keypair, secret))
    }

    /// Makes a keypair that accepts no secrets and has none, but this public key, which works until `until` if that is
    /// given. `held` as for [`Keypair::create`].
    pub fn create_for_public_key(
        new: NewKeypair,
        (key, until): (VerifyingKey, Option<Timestamp>),
        held: Option<&Held>,
        created_by: Actor,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeypairRefusal> {
        let nothing = Self::that_nothing_opens(new, held, created_by, now, entropy)?;
        let keypair = nothing.with_public_key(key, until, held, now)?;
        Ok(Self { accepts_secrets: false, version: nothing.version, ..keypair })
    }

    fn that_nothing_opens(
        new: NewKeypair,
        held: Option<&Held>,
        created_by: Actor,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeypairRefusal> {
        let scopes = new.scopes.fit_for(&new.owner)?;
        if new.expires_at.is_some_and(|at| at <= now) {
            return Err(KeypairRefusal::ExpiryInThePast);
        }
        within_held(scopes, &new.allowed_addresses, held)?;
        Ok(Self {
            id: new_id(now, entropy),
            owner: new.owner,
            comment: new.comment,
            scopes,
            enabled: true,
            generation: 1,
            version: 1,
            expires_at: new.expires_at,
            created_at: now,
            created_by,
            last_used_at: None,
            secrets_made: 0,
            accepts_secrets: true,
            token_binding: new.token_binding,
            allowed_addresses: new.allowed_addresses,
            secrets: Vec::new(),
            public_keys: Vec::new(),
        })
    }

    /// What it is at `now`.
    pub fn status(&self, now: Timestamp) -> KeypairStatus {
        KeypairStatus::of(self.enabled, self.expires_at.is_some_and(|at| at <= now))
    }

    /// The keypair after `edit`; the same, version included, if that changes nothing. Stopping it starts a new generation, and so does letting it work again after it
    /// expired, or accept secrets again, or to be no longer bound as before: no token from before comes back to life.
    ///
    /// `held` as for [`Keypair::create`]: a program can't make a keypair able to request what its own token lacks,
    /// or from where its own keypair may not be used: not by adding a scope or network, nor by letting a stopped keypair or
    /// its secrets work again.
    pub fn edited(
        &self,
        edit: &KeypairEdit,
        held: Option<&Held>,
        now: Timestamp,
    ) -> Result<Self, KeypairRefusal> {
        let mut after = self.clone();
        if let Some(enabled) = edit.enabled {
            after.enabled = enabled;
        }
        if let Some(comment) = &edit.comment {
            after.comment = comment.clone();
        }
        if let Some(scopes) = edit.scopes {
            after.scopes = scopes.fit_for(&self.owner)?;
        }
        if let Some(expires_at) = edit.expires_at {
            if expires_at != self.expires_at && expires_at.is_some_and(|at| at <= now) {
                return Err(KeypairRefusal::ExpiryInThePast);
            }
            after.expires_at = expires_at;
        }
        if let Some(accepts_secrets) = edit.accepts_secrets {
            if self.accepts_secrets && !accepts_secrets && !self.has_live_public_key(now) {
                return Err(KeypairRefusal::NeedsPublicKey);
            }
            after.accepts_secrets = accepts_secrets;
        }
        if let Some(token_binding) = edit.token_binding {
            after.token_binding = token_binding;
        }
        if let Some(allowed_addresses) = &edit.allowed_addresses {
            after.allowed_addresses = allowed_addresses.clone();
        }
        if after == *self {
            return Ok(after);
        }
        let worked = self.status(now) == KeypairStatus::Active;
        let works = after.status(now) == KeypairStatus::Active;
        let lives_longer = self.expires_at.is_some()
            && after.expires_at.is_none_or(|at| self.expires_at.is_some_and(|before| at > before));
        let accepts_again = after.accepts_secrets && !self.accepts_secrets;
        if lives_longer || accepts_again || (works && !worked) {
            within_held(after.scopes, &after.allowed_addresses, held)?;
        } else {
            let added = after.scopes.minus(self.scopes);
            if !added.is_empty() {
                within_held(added, &after.allowed_addresses, held)?;
            }
            if let Some(beyond) = after.allowed_addresses.beyond(&self.allowed_addresses) {
                within_held(after.scopes, &beyond, held)?;
            }
        }
        let unbound = self.token_binding != TokenBinding::None && after.token_binding != self.token_binding;
        if worked != works || accepts_again || unbound || (self.enabled && !after.enabled) {
            after.generation += 1;
        }
        after.version += 1;
        Ok(after.counting_idle_anew(self, now))
    }

    /// What the log calls the change from this keypair to `after`: switching it on or off goes before all else.
    pub fn change_to(&self, after: &Self) -> Action {
        match (self.enabled, after.enabled) {
            (true, false) => Action::KeypairDisabled,
            (false, true) => Action::KeypairEnabled,
            _ => Action::KeypairChanged,
        }
    }

    /// Whether anything opens it at `now`, switched on or not.
    pub(crate) fn can_authenticate(&self, now: Timestamp) -> bool {
        let by_secret = self.accepts_secrets && self.secrets.iter().any(|secret| secret.is_live(now));
        by_secret || self.has_live_public_key(now)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{Credential, OldSecrets, Outlived, TokenClaims, TokenId, from_millis};
    use jiff::SignedDuration;
    use std::sync::atomic::{AtomicU8, Ordering};

    pub(crate) struct Counter(AtomicU8);
    impl Entropy for Counter {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0.fetch_add(1, Ordering::Relaxed));
        }
    }

    pub(crate) const ADMIN_AND_REPORTS: &str = "feedback-report:read feedback-admin";

    pub(crate) fn now() -> Timestamp {
        from_millis(1_770_000_000_000)
    }

    pub(crate) fn later(seconds: i64) -> Timestamp {
        now() + SignedDuration::from_secs(seconds)
    }

    pub(crate) fn new_keypair(scopes: &str) -> NewKeypair {
        NewKeypair {
            owner: Owner::Account("acc_00000000000000000000000000".parse().unwrap()),
            comment: Comment::new("").unwrap(),
            scopes: scopes.parse().unwrap(),
            expires_at: None,
            token_binding: TokenBinding::None,
            allowed_addresses: AllowedAddresses::default(),
        }
    }

    pub(crate) fn keypair(scopes: &str) -> (Keypair, KeySecret, Counter) {
        let entropy = Counter(AtomicU8::new(1));
        let (keypair, secret) =
            Keypair::create(new_keypair(scopes), None, Actor::Operator, now(), &entropy).unwrap();
        (keypair, secret, entropy)
    }

    fn token(keypair: &Keypair, secret: u32) -> TokenClaims {
        TokenClaims {
            id: TokenId::from_bytes([1; 16]),
            keypair: keypair.id,
            owner: keypair.owner,
            scopes: keypair.scopes,
            generation: keypair.generation,
            secret,
            expires_at: later(3600),
            confirmation: None,
        }
    }

    fn switched(keypair: &Keypair, enabled: bool) -> Keypair {
        let edit = KeypairEdit { enabled: Some(enabled), ..KeypairEdit::default() };
        keypair.edited(&edit, None, now()).unwrap()
    }

    #[test]
    fn enabling_again_revives_no_token() {
        let (keypair, _, _) = keypair(ADMIN_AND_REPORTS);
        let token = token(&keypair, 1);
        assert_eq!(token.scopes_at(now(), &Credential::of(&keypair)), Ok(keypair.scopes));
        let disabled = switched(&keypair, false);
        assert_eq!(
            token.scopes_at(now(), &Credential::of(&disabled)),
            Err(Outlived::Keypair(KeypairStatus::Disabled))
        );
        let enabled = switched(&disabled, true);
        assert_eq!(token.scopes_at(now(), &Credential::of(&enabled)), Err(Outlived::Generation));
    }

    #[test]
    fn a_revoked_token_takes_no_other_with_it() {
        let (keypair, _, _) = keypair(ADMIN_AND_REPORTS);
        let with_id = |n| TokenClaims { id: TokenId::from_bytes([n; 16]), ..token(&keypair, 1) };
        let revoked = [7, 3, 5].map(|n| TokenId::from_bytes([n; 16]));
        let credential = Credential::of(&keypair).without_tokens(revoked.to_vec());
        for n in 2..9 {
            let expected =
                if revoked.contains(&with_id(n).id) { Err(Outlived::Revoked) } else { Ok(keypair.scopes) };
            assert_eq!(with_id(n).scopes_at(now(), &credential), expected, "{n}");
        }
        assert!(with_id(3).revoked().kept_until > with_id(3).expires_at);
    }

    #[test]
    fn an_edit_that_changes_nothing_is_none() {
        let (keypair, _, _) = keypair(ADMIN_AND_REPORTS);
        assert_eq!(switched(&keypair, true), keypair);
        let disabled = switched(&keypair, false);
        assert_eq!((disabled.version, disabled.generation), (2, 2));
        assert_eq!(switched(&disabled, false), disabled);
        assert_eq!(keypair.change_to(&disabled), Action::KeypairDisabled);
        assert_eq!(disabled.change_to(&keypair), Action::KeypairEnabled);
    }

    #[test]
    fn a_keypair_that_expired_and_is_extended_revives_no_token() {
        let (keypair, _, _) = keypair(ADMIN_AND_REPORTS);
        let token = token(&keypair, 1);
        let expiring = |at| KeypairEdit { expires_at: Some(at), ..KeypairEdit::default() };
        let short = keypair.edited(&expiring(Some(later(60))), None, now()).unwrap();
        assert_eq!(token.scopes_at(later(59), &Credential::of(&short)), Ok(keypair.scopes));
        let extended = short.edited(&expiring(None), None, later(60)).unwrap();
        assert_eq!(token.scopes_at(later(60), &Credential::of(&extended)), Err(Outlived::Generation));
        let in_the_past = keypair.edited(&expiring(Some(now())), None, now());
        assert_eq!(in_the_past, Err(KeypairRefusal::ExpiryInThePast));
    }

    #[test]
    fn a_leaked_secret_stops_the_keypair_and_does_not_come_back_with_it() {
        let (keypair, first, entropy) = keypair(ADMIN_AND_REPORTS);
        let (two, second) = keypair.rotated(OldSecrets::Stay, None, now(), &entropy).unwrap();
        let token = token(&two, 2);
        let leaked = two.leaked(&first.hash(), later(1)).unwrap();
        assert_eq!((leaked.enabled, leaked.generation, leaked.version), (false, 2, 3));
        assert_eq!((leaked.leaked_at(), two.leaked_at()), (Some(later(1)), None));
        for again in [now(), later(1), later(2)] {
            assert_eq!(leaked.leaked(&first.hash(), again), None, "once");
        }
        let enabled = switched(&leaked, true);
        let credential = Credential::of(&enabled);
        assert_eq!(credential.authenticate(&first.hash(), later(1)), None);
        assert_eq!(credential.authenticate(&second.hash(), later(1)), Some(2));
        assert_eq!(token.scopes_at(later(1), &credential), Err(Outlived::Generation));
        assert!(leaked.leaked(&second.hash(), later(2)).is_some(), "a disabled one can leak too");
        let (rotated, _) = leaked.rotated(OldSecrets::Stay, None, later(2), &entropy).unwrap();
        assert_eq!(rotated.leaked_at(), None, "it made room");
        let (short, _) = keypair
            .rotated(OldSecrets::EndAfter(SignedDuration::from_secs(60)), None, now(), &entropy)
            .unwrap();
        assert!(short.leaked(&first.hash(), later(59)).is_some());
        assert_eq!(short.leaked(&first.hash(), later(60)), None, "one that has run out");
        let refusing = Keypair { accepts_secrets: false, ..keypair };
        let leaked = refusing.leaked(&first.hash(), later(1)).unwrap();
        assert_eq!(
            (leaked.enabled, leaked.generation),
            (true, 1),
            "it stops nothing where secrets are refused"
        );
        let accepting = Keypair { accepts_secrets: true, ..leaked };
        assert_eq!(Credential::of(&accepting).authenticate(&first.hash(), later(1)), None);
    }

    #[test]
    fn another_list_of_addresses_is_no_new_generation() {
        let (anywhere, secret, _) = keypair(ADMIN_AND_REPORTS);
        let from = |text: &str| {
            let allowed_addresses = Some(text.parse().unwrap());
            KeypairEdit { allowed_addresses, ..KeypairEdit::default() }
        };
        let token = token(&anywhere, 1);
        let narrowed = anywhere.edited(&from("192.0.2.0/24"), None, now()).unwrap();
        assert_eq!((narrowed.version, narrowed.generation), (2, 1));
        assert_eq!(narrowed.edited(&from("192.0.2.0/24"), None, now()).unwrap(), narrowed);
        let credential = Credential::of(&narrowed);
        assert!(!credential.allowed_addresses.allow(|| Some("192.0.3.1".parse().unwrap())));
        assert_eq!(
            token.scopes_at(now(), &credential),
            Ok(anywhere.scopes),
            "a token says nothing of addresses"
        );
        assert_eq!(credential.authenticate(&secret.hash(), now()), Some(1));
        assert_eq!(narrowed.edited(&from(""), None, now()).unwrap().generation, 1);
    }
}
