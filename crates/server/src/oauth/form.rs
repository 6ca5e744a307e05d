//! Bodies of type application/x-www-form-urlencoded, read strictly (RFC 6749 Appendix B): what is malformed or stands
//! twice is refused, not guessed at.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use percent_encoding::percent_decode_str;

/// Why a body was refused, in words for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FormError {
    #[error("the content type must be application/x-www-form-urlencoded")]
    ContentType,
    #[error("the body is not valid UTF-8")]
    Utf8,
    #[error("the body is malformed: a percent sign must be followed by two hexadecimal digits")]
    Percent,
    #[error("the parameter `{0}` stands more than once")]
    Twice(String),
}

/// The parameters of a form.
#[derive(Debug)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads a body.
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, FormError> {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let essence = content_type.and_then(|value| value.split(';').next()).map(str::trim);
        if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
            || headers.get_all(header::CONTENT_TYPE).iter().count() > 1
        {
            return Err(FormError::ContentType);
        }
        let text = std::str::from_utf8(body).map_err(|_| FormError::Utf8)?;
        let mut parameters = BTreeMap::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if parameters.contains_key(&name) {
                return Err(FormError::Twice(name));
            }
            parameters.insert(name, value);
        }
        Ok(Self(parameters))
    }

    /// The parameter; one without a value counts as left out (RFC 6749 §3.2).
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Decodes one name or value of a form.
pub(super) fn decode(text: &str) -> Result<String, FormError> {
    let digits = |rest: &str| {
        let mut bytes = rest.bytes();
        bytes.next().is_some_and(|b| b.is_ascii_hexdigit())
            && bytes.next().is_some_and(|b| b.is_ascii_hexdigit())
    };
    if text.split('%').skip(1).any(|rest| !digits(rest)) {
        return Err(FormError::Percent);
    }
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().map(Into::into).map_err(|_| FormError::Utf8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(body: &[u8]) -> Result<Form, FormError> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            "application/x-www-form-urlencoded; charset=UTF-8".parse().unwrap(),
        );
        Form::read(&headers, body)
    }

    #[test]
    fn malformed_and_repeated_parameters_are_refused() {
        assert_eq!(read(b"a=1&a=2").unwrap_err(), FormError::Twice("a".into()));
        assert_eq!(read(b"a=1&%61=2").unwrap_err(), FormError::Twice("a".into()));
        assert_eq!(read(b"a=%f").unwrap_err(), FormError::Percent);
        assert_eq!(read(b"a=%\xc3\xa9").unwrap_err(), FormError::Percent);
        assert_eq!(read(b"a=%ff").unwrap_err(), FormError::Utf8);
        assert_eq!(read(b"a=\xff").unwrap_err(), FormError::Utf8);
        assert_eq!(Form::read(&HeaderMap::new(), b"a=1").unwrap_err(), FormError::ContentType);
    }

    #[test]
    fn values_are_decoded_and_empty_ones_left_out() {
        let form = read(b"scope=a+b%3Ac&empty=&=x&flag").unwrap();
        assert_eq!(form.get("scope"), Some("a b:c"));
        assert_eq!((form.get("empty"), form.get("flag"), form.get("other")), (None, None, None));
    }

    proptest! {
        #[test]
        fn no_body_panics(body in any::<Vec<u8>>()) {
            let _ = read(&body);
        }
    }
}
