//! Who a client says it is: by its Key Secret in the `Authorization` header with HTTP Basic or in the body (RFC 6749
//! §2.3.1), or by an assertion in the body (RFC 7523 §2.2); never in two ways.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{KeyId, KeySecret};

use super::client_assertion::{ASSERTION_TYPE, ClientAssertion};
use super::error::OAuthError;
use super::form::{self, Form};

/// What a client presents. What can't be a Key ID, a Key Secret or an assertion is `None`: it is refused like a wrong
/// one.
#[derive(Debug)]
pub(super) struct Presented {
    pub(super) key: Option<KeyId>,
    pub(super) secret: Option<KeySecret>,
    pub(super) assertion: Option<ClientAssertion>,
    /// Whether it used the `Authorization` header.
    pub(super) by_header: bool,
}

/// Reads the client's credentials, whichever way they came.
pub(super) fn presented(headers: &HeaderMap, form: &Form) -> Result<Presented, OAuthError> {
    let invalid = |why: &str| OAuthError::InvalidRequest(why.to_owned());
    let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
    let authorization = authorizations.next();
    if authorizations.next().is_some() {
        return Err(invalid("the Authorization header stands more than once"));
    }
    let (id, secret) = (form.get("client_id"), form.get("client_secret"));
    if let Some(assertion) = assertion(form)? {
        if authorization.is_some() || secret.is_some() {
            return Err(invalid(
                "the client authenticates in two ways; use the assertion alone, or the Key ID and the Key Secret",
            ));
        }
        return Ok(Presented::by_assertion(ClientAssertion::read(assertion, id)));
    }
    let Some(authorization) = authorization else {
        return match (id, secret) {
            (Some(id), Some(secret)) => Ok(Presented::new(id, secret, false)),
            _ => Err(OAuthError::NoClient),
        };
    };
    let authorization = authorization.to_str().unwrap_or_default();
    let (scheme, basic) = authorization.split_once(' ').unwrap_or((authorization, ""));
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(OAuthError::OtherScheme);
    }
    let basic = basic.trim();
    if secret.is_some() {
        return Err(invalid(
            "the client authenticates in two ways; use either the Authorization header or the body",
        ));
    }
    let decoded = STANDARD
        .decode(basic)
        .map_err(|_| invalid("the credentials in the Authorization header are not valid Base64"))?;
    let decoded = String::from_utf8(decoded)
        .map_err(|_| invalid("the credentials in the Authorization header are not valid UTF-8"))?;
    if decoded.contains(char::is_control) {
        return Err(invalid("the credentials in the Authorization header contain a control character"));
    }
    let (user, password) = decoded
        .split_once(':')
        .ok_or_else(|| invalid("the credentials in the Authorization header have no colon"))?;
    let decode = |text| {
        form::decode(text)
            .map_err(|_| invalid("the credentials in the Authorization header are not form-encoded"))
    };
    let (user, password) = (decode(user)?, decode(password)?);
    if id.is_some_and(|id| id != user) {
        return Err(invalid("client_id in the body is not the Key ID in the Authorization header"));
    }
    Ok(Presented::new(&user, &password, true))
}

/// The assertion as it came, if the client authenticates by one.
fn assertion(form: &Form) -> Result<Option<&str>, OAuthError> {
    let invalid = |why: String| Err(OAuthError::InvalidRequest(why));
    match (form.get("client_assertion_type"), form.get("client_assertion")) {
        (None, None) => Ok(None),
        (Some(ASSERTION_TYPE), Some(assertion)) => Ok(Some(assertion)),
        (Some(ASSERTION_TYPE), None) => invalid("the parameter `client_assertion` is missing".to_owned()),
        _ => invalid(format!("with client_assertion, client_assertion_type must be {ASSERTION_TYPE}")),
    }
}

impl Presented {
    fn new(id: &str, secret: &str, by_header: bool) -> Self {
        Self { key: id.parse().ok(), secret: secret.parse().ok(), assertion: None, by_header }
    }

    fn by_assertion(assertion: Option<ClientAssertion>) -> Self {
        let key = assertion.as_ref().map(|assertion| assertion.key);
        Self { key, secret: None, assertion, by_header: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    fn with(authorization: &[&str], body: &str) -> Result<Presented, OAuthError> {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        headers.insert(header::CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
        let form = Form::read(&headers, body.as_bytes()).unwrap();
        presented(&headers, &form)
    }

    fn basic(credentials: impl AsRef<[u8]>) -> String {
        format!("Basic {}", STANDARD.encode(credentials))
    }

    const ID: &str = "key_01jdaaaaaaaaaaaaaaaaaaaaaa";

    #[test]
    fn a_percent_encoded_key_id_is_the_same_key_id() {
        let plain = with(&[&basic(format!("{ID}:x"))], "").unwrap();
        let encoded = with(&[&basic(format!("{}:x", ID.replace('_', "%5F")))], "").unwrap();
        assert_eq!(plain.key, Some(ID.parse().unwrap()));
        assert_eq!(plain.key, encoded.key);
        assert!(plain.by_header);
    }

    #[test]
    fn malformed_headers_say_what_to_mend() {
        for (authorization, said) in [
            ("Basic ???".to_owned(), "Base64"),
            ("Basic".to_owned(), "colon"),
            (basic("nocolon"), "colon"),
            (basic([0xff, b':']), "UTF-8"),
            (basic(b"a\0b:c"), "control"),
            (basic("%zz:c"), "form-encoded"),
        ] {
            let error = with(&[&authorization], "").unwrap_err();
            assert!(matches!(&error, OAuthError::InvalidRequest(why) if why.contains(said)), "{error}");
        }
        assert!(matches!(with(&["Basic YTpi", "Basic YTpi"], ""), Err(OAuthError::InvalidRequest(_))));
        for other in ["Bearer abc", "Basic2 x", "Digest x", ""] {
            assert!(matches!(with(&[other], ""), Err(OAuthError::OtherScheme)), "{other}");
        }
    }

    #[test]
    fn two_ways_are_one_too_many_and_none_is_too_few() {
        let two = with(&[&basic(format!("{ID}:x"))], "client_secret=x");
        assert!(matches!(two, Err(OAuthError::InvalidRequest(_))));
        let same = with(&[&basic(format!("{ID}:x"))], &format!("client_id={ID}"));
        assert!(same.is_ok());
        let other = with(&[&basic(format!("{ID}:x"))], "client_id=other");
        assert!(matches!(other, Err(OAuthError::InvalidRequest(_))));
        assert!(matches!(with(&[], "client_id=a"), Err(OAuthError::NoClient)));
    }

    proptest! {
        #[test]
        fn no_header_panics(credentials in any::<Vec<u8>>(), raw in "[ -~]*") {
            let _ = with(&[&basic(&credentials)], "");
            let _ = with(&[raw.as_str()], "");
        }
    }
}
