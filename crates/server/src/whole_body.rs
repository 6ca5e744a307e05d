//! Bodies come before questions: a request is looked at once all of it is there. Whoever sends the headers, waits, and
//! sends the rest is judged by what is true at the end, not by what was true at the beginning.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;

use crate::api::authorization::presented;
use crate::app::App;
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

/// The request with its body read, before anything inside sees it; or the answer to one that can't be read.
pub(crate) async fn read_first(app: &App, request: Request) -> Result<Request, Response> {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return Ok(Request::from_parts(parts, body));
    }
    let may_be_long = body.size_hint().upper().is_none_or(|length| length > LONGEST_ELSEWHERE as u64)
        && parts.uri.path().ends_with("/responses");
    // Strangers can't have us keep much. Who has a token is asked again once the body is there.
    let most = if may_be_long && has_token(app, &parts).await { LONGEST } else { LONGEST_ELSEWHERE };
    match tokio::time::timeout(ARRIVES_WITHIN, read(body, most)).await {
        Ok(Ok(read)) => Ok(Request::from_parts(parts, Body::from(read))),
        Ok(Err(_)) => Err(refused(StatusCode::BAD_REQUEST, "the body broke off\n")),
        Err(_) => Err(refused(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive\n")),
    }
}

async fn has_token(app: &App, parts: &Parts) -> bool {
    match presented(parts) {
        Ok((_, token)) => access_token::is_one(app, token).await,
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

    #[tokio::test]
    async fn a_body_is_whole_or_seen_to_be_too_long() {
        let lengths = [(0, 0), (9, 9), (10, 10), (11, 11), (12, 11), (LONGEST_REFUSED + 1, 11)];
        for (sent, kept) in lengths {
            let body = Body::from(vec![b'x'; sent]);
            assert_eq!(read(body, 10).await.unwrap().len(), kept, "{sent}");
        }
    }
}
