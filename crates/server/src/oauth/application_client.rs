//! Applications where they ask for tokens or give them back: public clients (RFC 6749 §2.1). They say who they are and can't
//! prove it; what they come with does.

use std::net::IpAddr;

use axum::http::header;
use domain::{Client, ClientId, Timestamp};
use storage::StorageError;

use super::client_request::ClientRequest;
use super::error::OAuthError;
use super::throttle::Attempt;
use crate::app::App;

/// What else would say who a client is. An application has none of it.
const CREDENTIALS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// An application that there is, as far as the request says.
pub(super) struct ApplicationClient {
    pub(super) id: ClientId,
    address: Option<IpAddr>,
    /// For how many seconds more it is to let it be, if too many failed before it. What it comes with is looked at still.
    seconds_left: Option<i64>,
}

impl ApplicationClient {
    /// The application that sends the request. All people of an application share its client_id, so where too many failed,
    /// the store is asked still, now and then: a code or token that is good must not pay for those that are not.
    pub(super) async fn of(app: &App, request: &ClientRequest, now: Timestamp) -> Result<Self, OAuthError> {
        let id = request
            .form
            .get("client_id")
            .ok_or_else(|| OAuthError::InvalidRequest("the parameter `client_id` is missing".to_owned()))?;
        let id = id.parse().map_err(|_| OAuthError::UnknownApplication)?;
        let address = request.address(app);
        let seconds_left = app.client_throttle.left(|| Attempt::new(Some(id), address), now);
        let client = Self { id, address, seconds_left };
        if let Some(seconds) = seconds_left
            && !app.client_throttle.may_ask_store(&client.attempt(), now)
        {
            return Err(OAuthError::TooManyFailures { seconds });
        }
        if known(app, id).await?.is_none() {
            return Err(client.refusal(app, now, OAuthError::UnknownApplication));
        }
        Ok(client)
    }

    /// Counts what it came with as a failure.
    pub(super) fn failed(&self, app: &App, now: Timestamp) {
        if self.seconds_left.is_none() {
            app.client_throttle.failed(&self.attempt(), now);
        }
    }

    /// How it is refused that came with what matches nothing, which is a failure: by `error`, unless it is to wait.
    pub(super) fn refusal(&self, app: &App, now: Timestamp, error: OAuthError) -> OAuthError {
        self.failed(app, now);
        self.must_wait().err().unwrap_or(error)
    }

    /// Tells it to wait, if too many failed before it.
    pub(super) fn must_wait(&self) -> Result<(), OAuthError> {
        self.seconds_left.map_or(Ok(()), |seconds| Err(OAuthError::TooManyFailures { seconds }))
    }

    fn attempt(&self) -> Attempt {
        Attempt::new(Some(self.id), self.address)
    }

    /// Whether the request says that it is an application's.
    pub(super) fn sends(request: &ClientRequest) -> bool {
        let is_one = |id: &str| id.parse::<ClientId>().is_ok();
        Self::may_send(request) && request.form.get("client_id").is_some_and(is_one)
    }

    /// Whether the request can be an application's: it comes with nothing that would prove who sends it.
    pub(super) fn may_send(request: &ClientRequest) -> bool {
        !request.parts.headers.contains_key(header::AUTHORIZATION)
            && !CREDENTIALS.iter().any(|name| request.form.get(name).is_some())
    }
}

/// What is known of a client, if it exists.
pub(crate) async fn known(app: &App, id: ClientId) -> Result<Option<Client>, StorageError> {
    match id {
        ClientId::CommandLine => Ok(Some(Client::CommandLine)),
        ClientId::Application(id) => Ok(app.store.live_application(id).await?.map(Client::Application)),
    }
}
