//! People's passwords: what is accepted as one, and Argon2id (RFC 9106) with it.

use std::sync::Arc;

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use domain::{Email, Entropy, PasswordHash};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// The fewest characters of a password (NIST SP 800-63B-4 §3.1.1.2, for one that stands alone).
pub(crate) const LEAST: usize = 15;

const MOST: usize = 256;

/// A password as somebody typed it. Does not print.
#[derive(Clone)]
pub(crate) struct Password(Zeroizing<String>);

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(redacted)")
    }
}

impl<'de> serde::Deserialize<'de> for Password {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::typed)
    }
}

/// Why a password was not accepted as a new one. Reads as the end of "The password …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Weak {
    #[error("must have at least {LEAST} characters; a few words in a row will do")]
    Short,
    #[error("must have at most {MOST} characters")]
    Long,
    #[error("is one of those that are guessed first; choose another")]
    Common,
    #[error("must not be built around the e-mail address")]
    LikeEmail,
}

impl Password {
    /// What was typed into a field.
    pub(crate) fn typed(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Whether it will do as the new password of `email`.
    pub(crate) fn check(&self, email: &Email) -> Result<(), Weak> {
        let characters = self.0.chars().count();
        if characters < LEAST {
            return Err(Weak::Short);
        }
        if characters > MOST {
            return Err(Weak::Long);
        }
        let lower = self.0.to_lowercase();
        if is_guessed_first(&lower) {
            return Err(Weak::Common);
        }
        if lower.contains(email.as_str()) {
            return Err(Weak::LikeEmail);
        }
        Ok(())
    }
}

/// Long passwords that guessers try first are a short word or row over and over, or one of a few rows of keys.
fn is_guessed_first(lower: &str) -> bool {
    let bytes = lower.as_bytes();
    let repeats = (1..=10).any(|n| bytes.iter().zip(bytes.iter().skip(n)).all(|(a, b)| a == b));
    let letters: String = lower.chars().filter(|c| c.is_alphanumeric()).collect();
    repeats || include_str!("common_passwords.txt").lines().any(|common| common == letters)
}

/// Hashes and verifies, a bounded number at a time: each takes 19 MiB and some 20 ms of a core.
#[derive(Debug)]
pub(crate) struct Passwords {
    at_once: Arc<Semaphore>,
    nobody: PasswordHash,
}

impl Passwords {
    /// `at_once` bounds how many are worked on together.
    pub(crate) fn new(at_once: usize, entropy: &dyn Entropy) -> Self {
        Self {
            at_once: Arc::new(Semaphore::new(at_once)),
            nobody: hash(&entropy.bytes::<32>(), entropy.bytes()),
        }
    }

    /// The hash to store.
    pub(crate) async fn hash(&self, password: &Password, entropy: &dyn Entropy) -> PasswordHash {
        let salt = entropy.bytes();
        let password = password.clone();
        self.work(move || hash(password.0.as_bytes(), salt)).await
    }

    /// Whether `password` is the one that was hashed; with no hash, false after the same work.
    pub(crate) async fn verify(&self, password: &Password, stored: Option<&PasswordHash>) -> bool {
        let against = stored.unwrap_or(&self.nobody).clone();
        let password = password.clone();
        let matches = self
            .work(move || {
                argon2::PasswordHash::new(against.as_phc()).is_ok_and(|parsed| {
                    Argon2::default().verify_password(password.0.as_bytes(), &parsed).is_ok()
                })
            })
            .await;
        matches && stored.is_some()
    }

    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let permit = self.at_once.clone().acquire_owned().await;
        // The permit goes along: the work goes on also when nobody waits for it any more.
        let bounded = move || {
            let _permit = permit;
            work()
        };
        match tokio::task::spawn_blocking(bounded).await {
            Ok(done) => done,
            // The work itself does not panic, and the runtime outlives every request.
            Err(stopped) => std::panic::resume_unwind(stopped.into_panic()),
        }
    }
}

#[expect(clippy::expect_used, reason = "the default parameters and a salt of 16 bytes are always accepted")]
fn hash(password: &[u8], salt: [u8; 16]) -> PasswordHash {
    let phc = Argon2::default().hash_password_with_salt(password, &salt).expect("fixed parameters");
    PasswordHash::from_phc(phc.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemEntropy;

    fn check(text: &str) -> Result<(), Weak> {
        Password::typed(text.to_owned()).check(&Email::new("admin@example.com").unwrap())
    }

    #[test]
    fn short_common_and_own_address_are_refused() {
        assert_eq!(check("fourteen chars"), Err(Weak::Short));
        assert_eq!(check("passwordpassword"), Err(Weak::Common));
        assert_eq!(check("1234567890123456"), Err(Weak::Common));
        assert_eq!(check("qwertyuiop asdfghjkl"), Err(Weak::Common));
        assert_eq!(check("aaaaaaaaaaaaaaaaaaaa"), Err(Weak::Common));
        assert_eq!(check("Admin@example.com 1"), Err(Weak::LikeEmail));
        assert_eq!(check(&"long enough ".repeat(40)), Err(Weak::Long));
        assert_eq!(check("quiet harbour lantern"), Ok(()));
    }

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_only() {
        let passwords = Passwords::new(1, &SystemEntropy);
        let right = Password::typed("quiet harbour lantern".to_owned());
        let stored = passwords.hash(&right, &SystemEntropy).await;
        assert!(passwords.verify(&right, Some(&stored)).await);
        assert!(!passwords.verify(&Password::typed("another".to_owned()), Some(&stored)).await);
        assert!(!passwords.verify(&right, None).await);
        assert!(!format!("{right:?} {stored:?}").contains("quiet"));
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_still_counts() {
        let passwords = Passwords::new(1, &SystemEntropy);
        let (begun, wait) = std::sync::mpsc::channel::<()>();
        let abandoned = passwords.work(move || wait.recv());
        assert!(tokio::time::timeout(std::time::Duration::from_millis(10), abandoned).await.is_err());
        assert_eq!(passwords.at_once.available_permits(), 0);
        begun.send(()).unwrap();
        passwords.work(|| ()).await;
        assert_eq!(passwords.at_once.available_permits(), 1);
    }
}
