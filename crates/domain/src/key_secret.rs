use std::fmt;
use std::str::FromStr;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Entropy;

const PREFIX: &str = "fbs_";
const RANDOM_DIGITS: usize = 43;
const CHECKSUM_DIGITS: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The secret half of a keypair: `fbs_`, 43 base62 digits of 256 random bits, and 6 base62 digits of the CRC-32 of
/// all that stands before them.
///
/// It does not print: `Debug` is redacted and there is no `Display`. [`KeySecret::reveal`] is for the one answer
/// that shows it.
#[derive(Clone)]
pub struct KeySecret(Zeroizing<String>);

/// The text is not of the form of a secret, or was mistyped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a Key Secret, or mistyped")]
pub struct MalformedSecret;

impl KeySecret {
    /// A new secret of 256 random bits.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(generated(PREFIX, entropy))
    }

    /// The secret itself, for the one answer that shows it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Its last four characters: enough for a person to tell secrets apart.
    pub fn hint(&self) -> String {
        self.0.chars().skip(self.0.len().saturating_sub(4)).collect()
    }

    /// What is stored in its place. 256 random bits need no slow hash.
    pub fn hash(&self) -> SecretHash {
        digest(&self.0)
    }
}

impl FromStr for KeySecret {
    type Err = MalformedSecret;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        checked(PREFIX, text).map(Self)
    }
}

impl fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySecret(redacted)")
    }
}

/// A new secret of 256 random bits that begins with `prefix`.
pub(crate) fn generated(prefix: &str, entropy: &dyn Entropy) -> Zeroizing<String> {
    let mut random = Zeroizing::new([0; 32]);
    entropy.fill(&mut *random);
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + RANDOM_DIGITS + CHECKSUM_DIGITS));
    text.push_str(prefix);
    push_base62(&mut text, &*random, RANDOM_DIGITS);
    let checksum = crc32fast::hash(text.as_bytes());
    push_base62(&mut text, &checksum.to_be_bytes(), CHECKSUM_DIGITS);
    text
}

/// The text, if it is of the form of such a secret and was not mistyped.
pub(crate) fn checked(prefix: &str, text: &str) -> Result<Zeroizing<String>, MalformedSecret> {
    let whole = prefix.len() + RANDOM_DIGITS + CHECKSUM_DIGITS;
    let digits = text.strip_prefix(prefix).ok_or(MalformedSecret)?;
    if text.len() != whole || !digits.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(MalformedSecret);
    }
    let (before, checksum) = text.split_at(whole - CHECKSUM_DIGITS);
    let mut expected = String::with_capacity(CHECKSUM_DIGITS);
    push_base62(&mut expected, &crc32fast::hash(before.as_bytes()).to_be_bytes(), CHECKSUM_DIGITS);
    if expected == checksum { Ok(Zeroizing::new(text.to_owned())) } else { Err(MalformedSecret) }
}

/// What is stored in place of a secret.
pub(crate) fn digest(secret: &str) -> SecretHash {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes());
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    SecretHash(hash)
}

/// The SHA-256 of a secret. Compared in constant time; does not print.
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// From what a store kept.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// For a store to keep.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretHash {}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(redacted)")
    }
}

/// Appends the big-endian number in `bytes` as `digits` base62 digits, with leading zeros.
fn push_base62(text: &mut String, bytes: &[u8], digits: usize) {
    let mut number = Zeroizing::new(bytes.to_vec());
    let mut reversed = Zeroizing::new(Vec::with_capacity(digits));
    for _ in 0..digits {
        let mut remainder = 0u32;
        for byte in number.iter_mut() {
            let dividend = remainder << 8 | u32::from(*byte);
            // Both fit: the remainder is below 62, so the dividend is below 62 × 256.
            *byte = (dividend / 62) as u8;
            remainder = dividend % 62;
        }
        reversed.push(ALPHABET.get(remainder as usize).copied().unwrap_or(b'0'));
    }
    text.extend(reversed.iter().rev().map(|digit| char::from(*digit)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Fixed([u8; 32]);
    impl Entropy for Fixed {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.copy_from_slice(&self.0[..buffer.len()]);
        }
    }

    proptest! {
        #[test]
        fn a_secret_has_the_published_form_and_parses(random in any::<[u8; 32]>()) {
            let secret = KeySecret::generate(&Fixed(random));
            let text = secret.reveal();
            prop_assert_eq!(text.len(), 53);
            prop_assert!(text.starts_with("fbs_"));
            prop_assert!(text[4..].bytes().all(|b| b.is_ascii_alphanumeric()));
            prop_assert_eq!(text.parse::<KeySecret>().unwrap().hash(), secret.hash());
        }

        #[test]
        fn one_wrong_character_is_noticed(random in any::<[u8; 32]>(), at in 4usize..53, to in 0usize..62) {
            let secret = KeySecret::generate(&Fixed(random));
            let mut typed = secret.reveal().as_bytes().to_vec();
            prop_assume!(typed[at] != ALPHABET[to]);
            typed[at] = ALPHABET[to];
            prop_assert!(String::from_utf8(typed).unwrap().parse::<KeySecret>().is_err());
        }

        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<KeySecret>();
        }
    }

    #[test]
    fn the_digits_are_those_of_the_number() {
        let mut text = String::new();
        push_base62(&mut text, &[0, 0, 0, 62], 6);
        assert_eq!(text, "000010");
        let mut text = String::new();
        push_base62(&mut text, &[0xff; 32], 43);
        assert_eq!(text.len(), 43);
        assert_ne!(text.as_bytes()[0], b'0', "256 bits need all 43 digits");
    }

    #[test]
    fn it_does_not_print() {
        let secret = KeySecret::generate(&Fixed([7; 32]));
        assert!(!format!("{secret:?} {:?}", secret.hash()).contains(&secret.reveal()[4..10]));
    }
}
