//! Bodies come before questions: a request is looked at once all of it is there. Whoever sends the headers, waits, and
//! sends the rest is judged by what is true at the end, not by what was true at the beginning.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::EnvironmentId;
use http_body_util::BodyExt;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::api::authorization::presented;
use crate::api::error::ApiError;
use crate::app::App;
use crate::client_address::client_address;
use crate::oauth::access_token;

/// The longest body that any address takes, in bytes: a batch of responses.
pub(crate) const LONGEST: usize = 4 * 1024 * 1024;

/// The longest body elsewhere.
pub(crate) const LONGEST_ELSEWHERE: usize = 64 * 1024;

/// How much of a body that is too long is read and thrown away, so that the client gets to hear why. One that goes on
/// sends into a closed connection.
const LONGEST_REFUSED: usize = 32 * 1024 * 1024;

/// How long a body may take to arrive.
pub(crate) const ARRIVES_WITHIN: Duration = Duration::from_secs(30);

/// How much of long bodies may be arriving at a time, in KiB.
const LONG_AT_ONCE: usize = 128 * 1024;

/// Room for long bodies that are arriving: whoever sends one slowly keeps only so much of it from others.
pub(crate) struct LongBodies(Semaphore);

impl LongBodies {
    /// All of it is free.
    pub(crate) fn new() -> Self {
        Self(Semaphore::new(LONG_AT_ONCE))
    }

    /// Takes room for so many bytes, until it is dropped; none if there is too little.
    fn take(&self, bytes: usize) -> Option<SemaphorePermit<'_>> {
        let kib = u32::try_from(bytes.div_ceil(1024)).ok()?;
        self.0.try_acquire_many(kib).ok()
    }
}

/// The request with its body read, before anything inside sees it; or the answer to one that can't be read.
pub(crate) async fn read_first(app: &App, request: Request) -> Result<Request, Response> {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return Ok(Request::from_parts(parts, body));
    }
    let announced = body.size_hint().upper().and_then(|length| usize::try_from(length).ok());
    let long = announced.unwrap_or(LONGEST).min(LONGEST);
    // Strangers can't have us keep much. Who has a token is asked again once the body is there.
    let takes_long = long > LONGEST_ELSEWHERE && takes_responses(parts.uri.path());
    let (most, _room) = if takes_long && may_submit(app, &parts).await {
        match app.long_bodies.take(long) {
            Some(room) => (LONGEST, Some(room)),
            None => return Err(ApiError::Overloaded.into_response()),
        }
    } else {
        (LONGEST_ELSEWHERE, None)
    };
    match tokio::time::timeout(ARRIVES_WITHIN, read(body, most)).await {
        Ok(Ok(read)) => Ok(Request::from_parts(parts, Body::from(read))),
        Ok(Err(_)) => Err(refused(StatusCode::BAD_REQUEST, "the body broke off\n")),
        Err(_) => Err(refused(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive\n")),
    }
}

/// Whether a batch of responses can be sent to the address.
fn takes_responses(path: &str) -> bool {
    let below = path.strip_prefix("/v1/environments/").and_then(|below| below.strip_suffix("/responses"));
    below.is_some_and(|id| id.parse::<EnvironmentId>().is_ok())
}

async fn may_submit(app: &App, parts: &Parts) -> bool {
    let from = || client_address(&parts.extensions, &parts.headers, &app.config.trusted_proxies);
    match presented(parts) {
        Ok((_, token)) => access_token::may_submit(app, token, from).await,
        Err(_) => false,
    }
}

/// The body; of one that is longer than `most`, one byte more than that, so that whoever takes at most so many
/// refuses it in its own words.
async fn read(mut body: Body, most: usize) -> Result<Bytes, axum::Error> {
    let mut read = Vec::new();
    let mut length = 0usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        length = length.saturating_add(data.len());
        let room = (most + 1).saturating_sub(read.len());
        read.extend_from_slice(data.get(..room).unwrap_or(&data));
        if length > LONGEST_REFUSED {
            break;
        }
    }
    Ok(read.into())
}

fn refused(status: StatusCode, why: &'static str) -> Response {
    let mut response = (status, why).into_response();
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::test_harness::TestApp;

    #[tokio::test]
    async fn a_body_is_whole_or_seen_to_be_too_long() {
        let lengths = [(0, 0), (9, 9), (10, 10), (11, 11), (12, 11), (LONGEST_REFUSED + 1, 11)];
        for (sent, kept) in lengths {
            let body = Body::from(vec![b'x'; sent]);
            assert_eq!(read(body, 10).await.unwrap().len(), kept, "{sent}");
        }
    }

    #[test]
    fn long_bodies_have_so_much_room_together() {
        let bodies = LongBodies::new();
        let arriving: Vec<_> = (0..32).map(|_| bodies.take(LONGEST).unwrap()).collect();
        assert!(bodies.take(1).is_none());
        drop(arriving);
        assert!(bodies.take(LONGEST).is_some());
    }

    #[tokio::test]
    async fn only_who_may_submit_responses_is_given_room_and_only_where_they_go() {
        let server = TestApp::start().await;
        let account = server.account("Acme").await;
        let environment = server.environment(account, "Production").await;
        let submits = server.token(account, "feedback-responses:create").await;
        let reads = server.token(account, "feedback-report:read").await;
        let batches = format!("/v1/environments/{environment}/responses");
        let long = vec![b' '; LONGEST_ELSEWHERE + 2];
        for (token, path, kept) in [
            (&submits, batches.as_str(), long.len()),
            (&reads, batches.as_str(), LONGEST_ELSEWHERE + 1),
            (&submits, "/v1/environments/none/responses", LONGEST_ELSEWHERE + 1),
            (&submits, "/x/responses", LONGEST_ELSEWHERE + 1),
        ] {
            let request = Request::post(path)
                .header(header::AUTHORIZATION, format!("Bearer {token}"))
                .body(Body::from(long.clone()))
                .unwrap();
            let read = read_first(&server.app, request).await.unwrap().into_body();
            assert_eq!(read.collect().await.unwrap().to_bytes().len(), kept, "{path}");
        }
    }
}
