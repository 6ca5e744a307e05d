use std::fmt;

use serde::{Serialize, Serializer};
use url::Url;

/// The most characters of a redirect URI.
const LONGEST: usize = 2000;

/// The most redirect URIs of an application.
const MOST: usize = 10;

/// Where the answer to an application goes: an address of its own on the web, one on the person's machine (RFC 8252 §7.3),
/// or one of a scheme that only it answers to (RFC 8252 §7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUri(String);

/// Why redirect URIs were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectUriError {
    /// Neither of the three kinds.
    #[error(
        "`{0}` can't be a redirect URI: expected https://…, http://127.0.0.1/… or http://[::1]/… for a program on \
         the person's own machine, or a scheme of the application's own with a dot in it, as in com.example.app:/…; \
         without a user, and without a fragment"
    )]
    Malformed(String),
    /// It is named more than once.
    #[error("`{0}` is named twice")]
    Twice(String),
    /// None, or too many.
    #[error("an application has 1 to {MOST} redirect URIs")]
    Number,
}

impl RedirectUri {
    /// Checks that answers can safely go to `text`.
    pub fn new(text: &str) -> Result<Self, RedirectUriError> {
        let malformed = || RedirectUriError::Malformed(text.chars().take(100).collect());
        // What a browser would read in another way than it looks is refused by its looks.
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && !br#""<>\^`{|}#"#.contains(&byte));
        if !plain || text.len() > LONGEST {
            return Err(malformed());
        }
        let fits = Self::loopback(text).is_some() || is_web(text) || has_own_scheme(text);
        if fits { Ok(Self(text.to_owned())) } else { Err(malformed()) }
    }

    /// The URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `asked` is this one: character by character (RFC 9700 §4.1.3), but for the port on the person's own machine,
    /// where the system gives out whichever is free (RFC 8252 §7.3).
    pub fn permits(&self, asked: &str) -> bool {
        asked == self.0 || Self::loopback(&self.0).is_some_and(|own| Self::loopback(asked) == Some(own))
    }

    /// Whether `text` is an address on the person's own machine.
    pub fn is_loopback(text: &str) -> bool {
        Self::new(text).is_ok() && Self::loopback(text).is_some()
    }

    /// An address on the person's own machine without its port: what stands before that, and what after.
    fn loopback(text: &str) -> Option<(&str, &str)> {
        let (host, rest) = ["http://127.0.0.1", "http://[::1]"]
            .into_iter()
            .find_map(|host| text.strip_prefix(host).map(|rest| (host, rest)))?;
        let rest = match rest.strip_prefix(':') {
            Some(after) => {
                let digits = after.bytes().take_while(u8::is_ascii_digit).count();
                let (port, rest) = after.split_at(digits);
                port.parse::<u16>().ok()?;
                rest
            }
            None => rest,
        };
        (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest))
    }
}

/// An address of the web, where the certificate says whose it is.
fn is_web(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let Some(rest) = text.strip_prefix("https://") else { return false };
    let host = rest.split(['/', '?']).next().unwrap_or_default();
    // Nothing that is more than a host and a port, and nothing that would be more in a Content-Security-Policy.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']');
    url.host().is_some() && !host.is_empty() && host.bytes().all(plain)
}

/// A scheme that is the reverse of a domain name of the application's makers (RFC 8252 §7.1).
fn has_own_scheme(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let known =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+');
    scheme.bytes().all(known)
        && scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.split('.').count() > 1
        && scheme.split('.').all(|label| !label.is_empty())
        && rest.starts_with('/')
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An application's redirect URIs: 1 to 10, each once. As text, with a space between; as JSON, a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedirectUris(Vec<RedirectUri>);

impl RedirectUris {
    /// Reads each.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, RedirectUriError> {
        let mut uris: Vec<RedirectUri> = Vec::new();
        for text in texts {
            let uri = RedirectUri::new(text)?;
            if uris.contains(&uri) {
                return Err(RedirectUriError::Twice(text.to_owned()));
            }
            uris.push(uri);
            if uris.len() > MOST {
                return Err(RedirectUriError::Number);
            }
        }
        if uris.is_empty() { Err(RedirectUriError::Number) } else { Ok(Self(uris)) }
    }

    /// Whether `asked` is one of them.
    pub fn permit(&self, asked: &str) -> bool {
        self.0.iter().any(|uri| uri.permits(asked))
    }

    /// Each, in the order in which they were given.
    pub fn iter(&self) -> impl Iterator<Item = &RedirectUri> {
        self.0.iter()
    }
}

impl fmt::Display for RedirectUris {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, uri) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            uri.fmt(f)?;
        }
        Ok(())
    }
}

impl std::str::FromStr for RedirectUris {
    type Err = RedirectUriError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text.split(' ').filter(|uri| !uri.is_empty()))
    }
}

impl Serialize for RedirectUris {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(RedirectUri::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answers_go_to_the_web_to_the_machine_itself_or_to_a_scheme_of_its_own() {
        for good in [
            "https://example.com",
            "https://example.com/callback?tenant=1",
            "https://192.0.2.7:8443/",
            "http://127.0.0.1/callback",
            "http://127.0.0.1:8080/callback",
            "http://127.0.0.1",
            "http://[::1]/callback",
            "http://[::1]:1/",
            "com.example.app:/callback",
        ] {
            assert_eq!(RedirectUri::new(good).unwrap().as_str(), good);
        }
        let long = format!("https://example.com/{}", "x".repeat(LONGEST));
        for bad in [
            "",
            "example.com",
            "http://example.com/",
            "http://localhost/",
            "http://127.0.0.2/",
            "http://127.1/",
            "http://127.0.0.1.example.com/",
            "http://127.0.0.1@example.com/",
            "http://127.0.0.1:80@example.com/",
            "http://127.0.0.1:99999/",
            "http://127.0.0.1:/",
            "http://[::1]x/",
            "https:example.com",
            "https://",
            "https:///path",
            "HTTPS://example.com/",
            "https://user@example.com/",
            "https://:password@example.com/",
            "https://example.com/#fragment",
            "https://example.com/a b",
            "https://example.com/\n",
            "https://example.com\\@evil.example/",
            "https://example.com;b/",
            "https://example.com,b/",
            "https://*.example.com/",
            "https://example.com/é",
            "javascript:alert(1)",
            "data:text/html,x",
            "app:/callback",
            ".example:/callback",
            "com..example:/callback",
            "com.example.app:callback",
            "com.example.app",
            &long,
        ] {
            assert!(RedirectUri::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_answer_goes_nowhere_else() {
        let permits = |own: &str, asked: &str| RedirectUri::new(own).unwrap().permits(asked);
        assert!(permits("https://example.com/cb", "https://example.com/cb"));
        for asked in [
            "https://example.com/cb/",
            "https://example.com/cb?x=1",
            "https://example.com/CB",
            "https://example.com:443/cb",
            "https://example.com/a/../cb",
            "http://example.com/cb",
            "https://example.com/cb#",
            "",
        ] {
            assert!(!permits("https://example.com/cb", asked), "{asked}");
        }
        for asked in ["http://127.0.0.1/cb", "http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb"] {
            assert!(permits("http://127.0.0.1/cb", asked), "{asked}");
            assert!(permits("http://127.0.0.1:8080/cb", asked), "{asked}");
        }
        for asked in [
            "http://[::1]:1/cb",
            "http://localhost:1/cb",
            "http://127.0.0.1:1/cb2",
            "http://127.0.0.1:1/",
            "http://127.0.0.1:1:2/cb",
            "http://127.0.0.1:1@example.com/cb",
            "http://127.0.0.1:1/cb#x",
            "https://127.0.0.1:1/cb",
        ] {
            assert!(!permits("http://127.0.0.1/cb", asked), "{asked}");
        }
    }

    #[test]
    fn there_are_some_and_not_too_many_and_each_stands_once() {
        let many: Vec<_> = (0..11).map(|n| format!("https://example.com/{n}")).collect();
        let new = |uris: &[String]| RedirectUris::new(uris.iter().map(String::as_str));
        assert_eq!(new(&[]), Err(RedirectUriError::Number));
        assert_eq!(new(&many), Err(RedirectUriError::Number));
        let ten = new(&many[..10]).unwrap();
        assert_eq!(ten.to_string().parse(), Ok(ten));
        let twice = [many[0].clone(), many[0].clone()];
        assert_eq!(new(&twice), Err(RedirectUriError::Twice(many[0].clone())));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_taken_is_permitted(own in ".*", asked in "(http://127.0.0.1)?.*") {
            if let Ok(uri) = RedirectUri::new(&own) {
                prop_assert!(uri.permits(&own));
                prop_assert!(!uri.permits(&asked) || asked == own || RedirectUri::is_loopback(&asked));
            }
        }
    }
}
