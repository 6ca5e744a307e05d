//! Which side of the program an address is on.

use crate::oauth;

/// What is served, by whom it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Surface {
    /// The Authorization Server.
    OAuth,
    /// The Feedback API and its documentation.
    Api,
    /// The Web UI.
    Web,
    /// What asks whether the program is well.
    Health,
}

impl Surface {
    /// That of an address.
    pub(crate) fn of(path: &str) -> Self {
        match path {
            "/healthz" | "/readyz" => Self::Health,
            // The one page among the endpoints.
            oauth::AUTHORIZATION_PATH => Self::Web,
            _ if path.starts_with("/oauth2/") || path.starts_with("/.well-known/") => Self::OAuth,
            "/docs" | "/v1" => Self::Api,
            _ if path.starts_with("/v1/") => Self::Api,
            _ => Self::Web,
        }
    }

    /// What it is called where requests are counted.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::OAuth => "oauth",
            Self::Api => "api",
            Self::Web => "web",
            Self::Health => "health",
        }
    }
}
