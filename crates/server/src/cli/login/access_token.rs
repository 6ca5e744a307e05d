//! The form of an access token, which is known before one is kept, sent or printed.

use serde::{Deserialize, Serialize};

/// What can stand behind `Bearer` (RFC 6750 §2.1): nothing in it means anything to a terminal or a shell. Does not print.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct AccessToken(String);

impl AccessToken {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AccessToken {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let part = text.trim_end_matches('=');
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
        if part.is_empty() || !part.bytes().all(allowed) {
            return Err("the access token does not have the form of one");
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_has_the_form_of_a_token_is_one() {
        for token in ["eyJ0eXAi.e30.a-_", "a~+/b==", "0"] {
            assert!(AccessToken::try_from(token.to_owned()).is_ok(), "{token}");
        }
        for other in ["", "==", "a b", "a=b", "a\u{1b}]0;x\u{7}", "a\nb", "é", "a\"b"] {
            assert!(AccessToken::try_from(other.to_owned()).is_err(), "{other:?}");
        }
    }
}
