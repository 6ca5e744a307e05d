use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::key_secret::{checked, digest, generated};
use crate::{Entropy, MalformedSecret, SecretHash};

const PREFIX: &str = "fbr_";

/// What an application gets a new access token with: of the form of a Key Secret, but for the prefix. It works once.
///
/// It does not print: `Debug` is redacted and there is no `Display`. [`RefreshToken::reveal`] is for the one answer that
/// shows it.
#[derive(Clone)]
pub struct RefreshToken(Zeroizing<String>);

impl RefreshToken {
    /// A new one of 256 random bits.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        Self(generated(PREFIX, entropy))
    }

    /// The token itself, for the one answer that shows it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is stored in its place.
    pub fn hash(&self) -> SecretHash {
        digest(&self.0)
    }
}

impl FromStr for RefreshToken {
    type Err = MalformedSecret;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        checked(PREFIX, text).map(Self)
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeySecret;

    struct Sevens;
    impl Entropy for Sevens {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(7);
        }
    }

    #[test]
    fn it_is_no_key_secret_and_does_not_print() {
        let token = RefreshToken::generate(&Sevens);
        assert!(token.reveal().starts_with("fbr_") && token.reveal().len() == 53);
        assert_eq!(token.reveal().parse::<RefreshToken>().unwrap().hash(), token.hash());
        assert!(token.reveal().parse::<KeySecret>().is_err());
        assert!(KeySecret::generate(&Sevens).reveal().parse::<RefreshToken>().is_err());
        assert!(!format!("{token:?}").contains(&token.reveal()[4..10]));
    }
}
