use jiff::Timestamp;

use crate::held::within_held;
use crate::{Held, Keypair, KeypairRefusal, VerifyingKey};

/// The most public keys that one keypair can have at a time.
pub const MAX_PUBLIC_KEYS: usize = 5;

/// One of a keypair's public keys: verifies what a client signs instead of sending a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Its number within the keypair, from 1, counted together with the secrets; never given twice.
    pub n: u32,
    /// What verifies.
    pub key: VerifyingKey,
    /// When it was registered.
    pub created_at: Timestamp,
    /// When it stops, if ever.
    pub expires_at: Option<Timestamp>,
    /// When it last obtained a token; a few seconds late.
    pub last_used_at: Option<Timestamp>,
}

impl PublicKey {
    /// Whether it still opens anything at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|at| now < at)
    }
}

impl Keypair {
    /// The keypair with one more public key, which works until `expires_at` if that is given. Whoever has its private
    /// half can act as the keypair, so `held` must cover all of its scopes and addresses, as when rotating.
    pub fn with_public_key(
        &self,
        key: VerifyingKey,
        expires_at: Option<Timestamp>,
        held: Option<&Held>,
        now: Timestamp,
    ) -> Result<Self, KeypairRefusal> {
        within_held(self.scopes, &self.allowed_addresses, held)?;
        if expires_at.is_some_and(|at| at <= now) {
            return Err(KeypairRefusal::ExpiryInThePast);
        }
        let mut after = self.clone();
        // One that has run out is only still listed; it makes room.
        after.public_keys.retain(|public| public.is_live(now));
        if after.public_keys.iter().any(|public| public.key.thumbprint() == key.thumbprint()) {
            return Err(KeypairRefusal::SamePublicKey);
        }
        if after.public_keys.len() >= MAX_PUBLIC_KEYS {
            return Err(KeypairRefusal::TooManyPublicKeys);
        }
        after.secrets_made += 1;
        let n = after.secrets_made;
        after.public_keys.push(PublicKey { n, key, created_at: now, expires_at, last_used_at: None });
        after.version += 1;
        Ok(after)
    }

    /// The keypair without public key `n`, which ends the tokens that it obtained and no others.
    pub fn without_public_key(&self, n: u32, now: Timestamp) -> Result<Self, KeypairRefusal> {
        if !self.public_keys.iter().any(|public| public.n == n) {
            return Err(KeypairRefusal::NoSuchPublicKey);
        }
        let mut after = self.clone();
        after.public_keys.retain(|public| public.n != n);
        if !after.can_authenticate(now) {
            return Err(KeypairRefusal::LastPublicKey);
        }
        after.version += 1;
        Ok(after)
    }

    pub(crate) fn has_live_public_key(&self, now: Timestamp) -> bool {
        self.public_keys.iter().any(|public| public.is_live(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Actor, Comment, Credential, Entropy, KeySecret, KeypairEdit, NewKeypair, Outlived, Owner, Scope,
        Scopes, TokenClaims, from_millis,
    };

    struct Sevens;
    impl Entropy for Sevens {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(7);
        }
    }

    fn now() -> Timestamp {
        from_millis(1_770_000_000_000)
    }

    fn later() -> Timestamp {
        from_millis(1_770_000_060_000)
    }

    fn new() -> NewKeypair {
        NewKeypair {
            owner: Owner::Account("acc_00000000000000000000000000".parse().unwrap()),
            comment: Comment::new("").unwrap(),
            scopes: Scope::ReportRead.into(),
            expires_at: None,
            token_binding: crate::TokenBinding::None,
            allowed_addresses: crate::AllowedAddresses::default(),
        }
    }

    fn keypair() -> (Keypair, KeySecret) {
        Keypair::create(new(), None, Actor::Operator, now(), &Sevens).unwrap()
    }

    /// One that no other number gives.
    fn key(number: u8) -> VerifyingKey {
        let thumbprint = crate::Thumbprint::from_bytes([number; 32]);
        VerifyingKey::from_parts(crate::AssertionAlgorithm::EdDsa, thumbprint, Box::default())
    }

    fn with(keypair: &Keypair, number: u8) -> Keypair {
        keypair.with_public_key(key(number), None, None, now()).unwrap()
    }

    fn accepting(keypair: &Keypair, accepts: bool, held: Option<&Held>) -> Result<Keypair, KeypairRefusal> {
        let edit = KeypairEdit { accepts_secrets: Some(accepts), ..KeypairEdit::default() };
        keypair.edited(&edit, held, now())
    }

    fn token(keypair: &Keypair, way: u32) -> TokenClaims {
        TokenClaims {
            keypair: keypair.id,
            owner: keypair.owner,
            scopes: keypair.scopes,
            generation: keypair.generation,
            secret: way,
            id: crate::TokenId::from_bytes([1; 16]),
            expires_at: later(),
            confirmation: None,
        }
    }

    fn worth(token: TokenClaims, keypair: &Keypair) -> Result<Scopes, Outlived> {
        token.scopes_at(now(), &Credential::of(keypair))
    }

    #[test]
    fn public_keys_are_counted_with_the_secrets_and_bounded() {
        let mut many = keypair().0;
        for number in 1..=5 {
            many = with(&many, number);
        }
        assert_eq!(many.public_keys.iter().map(|public| public.n).collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
        let sixth = many.with_public_key(key(6), None, None, now());
        assert_eq!(sixth, Err(KeypairRefusal::TooManyPublicKeys));
        let same = many.with_public_key(key(3), None, None, now());
        assert_eq!(same, Err(KeypairRefusal::SamePublicKey));
        let fewer = many.without_public_key(6, now()).unwrap();
        assert_eq!(with(&fewer, 6).public_keys.last().map(|public| public.n), Some(7));
        assert_eq!(many.without_public_key(1, now()), Err(KeypairRefusal::NoSuchPublicKey));

        let until = keypair().0.with_public_key(key(1), Some(later()), None, now()).unwrap();
        let swept = until.with_public_key(key(1), None, None, later()).unwrap();
        assert_eq!(swept.public_keys.len(), 1, "the one that ran out made room");
        let past = keypair().0.with_public_key(key(1), Some(now()), None, now());
        assert_eq!(past, Err(KeypairRefusal::ExpiryInThePast));
    }

    #[test]
    fn the_last_way_in_stays_whichever_it_is() {
        let (one, _) = keypair();
        let both = with(&one, 1);
        let by_key = both.without_secret(1, now()).unwrap();
        assert_eq!(by_key.without_public_key(2, now()), Err(KeypairRefusal::LastPublicKey));
        let by_secret = both.without_public_key(2, now()).unwrap();
        assert_eq!(by_secret.without_secret(1, now()), Err(KeypairRefusal::LastSecret));
        let only = accepting(&both, false, None).unwrap();
        assert_eq!(only.without_public_key(2, now()), Err(KeypairRefusal::LastPublicKey));
        assert!(only.without_secret(1, now()).is_ok(), "it opens nothing");
        let dying = one.with_public_key(key(1), Some(later()), None, now()).unwrap();
        assert_eq!(dying.without_secret(1, later()), Err(KeypairRefusal::LastSecret));
    }

    #[test]
    fn a_token_ends_with_its_public_key_and_no_other() {
        let two = with(&with(&keypair().0, 1), 2);
        let without = two.without_public_key(2, now()).unwrap();
        assert_eq!(worth(token(&two, 2), &without), Err(Outlived::Secret));
        for way in [1, 3] {
            assert_eq!(worth(token(&two, way), &without), Ok(two.scopes));
        }
        let until = keypair().0.with_public_key(key(1), Some(later()), None, now()).unwrap();
        let credential = Credential::of(&until);
        assert_eq!(credential.ends_at(2), Some(later()));
        assert!(credential.still_opens(2, now()) && !credential.still_opens(2, later()));
    }

    #[test]
    fn refused_secrets_end_their_tokens_and_come_back_without_them() {
        let (one, secret) = keypair();
        assert_eq!(accepting(&one, false, None), Err(KeypairRefusal::NeedsPublicKey));
        let both = with(&one, 1);
        let refusing = accepting(&both, false, None).unwrap();
        assert_eq!(Credential::of(&refusing).authenticate(&secret.hash(), now()), None);
        assert_eq!(worth(token(&both, 1), &refusing), Err(Outlived::Secret));
        assert_eq!(worth(token(&both, 2), &refusing), Ok(both.scopes));
        let rotated = refusing.rotated(crate::OldSecrets::Stay, None, now(), &Sevens).map(|_| ());
        assert_eq!(rotated, Err(KeypairRefusal::SecretsNotAccepted));
        let again = accepting(&refusing, true, None).unwrap();
        assert_eq!(Credential::of(&again).authenticate(&secret.hash(), now()), Some(1));
        assert_eq!(worth(token(&both, 1), &again), Err(Outlived::Generation));
    }

    #[test]
    fn one_that_is_made_for_a_public_key_has_no_secret() {
        let made =
            Keypair::create_for_public_key(new(), (key(1), None), None, Actor::Operator, now(), &Sevens)
                .unwrap();
        assert_eq!((made.secrets.len(), made.accepts_secrets, made.version), (0, false, 1));
        assert_eq!(made.public_keys.iter().map(|public| public.n).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_program_hands_on_no_more_than_it_holds() {
        let own = Held { scopes: Scope::Admin.into(), allowed_addresses: crate::AllowedAddresses::default() };
        let held = Some(&own);
        let lacking = KeypairRefusal::BeyondCaller(Scope::ReportRead.into());
        let (one, _) = keypair();
        assert_eq!(one.with_public_key(key(1), None, held, now()), Err(lacking.clone()));
        let refusing = accepting(&with(&one, 1), false, held).unwrap();
        assert_eq!(accepting(&refusing, true, held), Err(lacking));
    }
}
