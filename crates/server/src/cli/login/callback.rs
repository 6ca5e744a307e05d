//! Where the browser brings the answer: a listener on this machine, for as long as it takes (RFC 8252 §7.3).

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::server::LONGEST_REASON;
use crate::cli::failure::{Failure, Result};
use crate::cli::output;

/// How long a person has.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// How long the browser waits to hear what came of its answer.
const SUSPENSE: Duration = Duration::from_secs(60);

/// How long the browser may take to read the last page.
const FAREWELL: Duration = Duration::from_secs(2);

/// The listener.
pub(super) struct Callback {
    listener: TcpListener,
    port: u16,
}

/// The browser that brought the code, and waits to hear what came of it.
pub(super) struct Waiting {
    outcome: oneshot::Sender<bool>,
    done: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Waiting {
    /// Tells the browser whether the person is logged in now.
    pub(super) async fn hears(self, logged_in: bool) {
        // It may have gone away.
        let _ = self.outcome.send(logged_in);
        farewell(self.done, self.serving).await;
    }
}

/// What the browser brings (RFC 6749 §4.1.2, RFC 9207).
#[derive(Clone, Debug, Deserialize)]
struct Answer {
    state: Option<String>,
    iss: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// What the page at the listener knows.
#[derive(Clone)]
struct Expected {
    state: String,
    issuer: String,
    tell: mpsc::Sender<Brought>,
}

/// The code or why there is none, and where to tell what came of the code.
type Brought = (Result<String>, oneshot::Sender<bool>);

impl Callback {
    /// Listens on a port that is free.
    pub(super) async fn listen() -> Result<Self> {
        let failed =
            |error| Failure::new(format!("can't listen on 127.0.0.1 for the browser's answer: {error}"));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        Ok(Self { listener, port })
    }

    /// Where the answer goes.
    pub(super) fn redirect_uri(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// The code that the browser brings in answer to `state`, from `issuer`, and who has to hear what comes of it; or why there is
    /// no code.
    pub(super) async fn code(self, state: &str, issuer: &str) -> Result<(String, Waiting)> {
        let (tell, mut told) = mpsc::channel(1);
        let (done, ends) = oneshot::channel::<()>();
        let expected = Expected { state: state.to_owned(), issuer: issuer.to_owned(), tell };
        let pages = Router::new().route("/", get(receive)).with_state(expected);
        let serving = tokio::spawn(async move {
            let ended = async move { drop(ends.await) };
            axum::serve(self.listener, pages).with_graceful_shutdown(ended).await
        });
        let brought = tokio::time::timeout(PATIENCE, told.recv()).await;
        // Whoever comes second is not heard.
        drop(told);
        let (code, outcome) = match brought {
            Ok(Some((Ok(code), outcome))) => (code, outcome),
            Ok(Some((Err(failure), outcome))) => {
                drop(outcome);
                farewell(done, serving).await;
                return Err(failure);
            }
            Ok(None) | Err(_) => {
                return Err(Failure::new("no answer came from the browser; run `feedback login` again"));
            }
        };
        Ok((code, Waiting { outcome, done, serving }))
    }
}

/// Ends the serving. The browser gets to read what it was told, and no more.
async fn farewell(done: oneshot::Sender<()>, serving: JoinHandle<std::io::Result<()>>) {
    drop(done);
    let _ = tokio::time::timeout(FAREWELL, serving).await;
}

async fn receive(State(expected): State<Expected>, Query(answer): Query<Answer>) -> Response {
    // Not the answer to what was asked: another page's, which must not end the waiting either.
    if answer.state.as_deref() != Some(expected.state.as_str()) {
        return page(StatusCode::BAD_REQUEST, "This is not the answer that feedback login waits for.");
    }
    let (tell, outcome) = oneshot::channel();
    let taken = expected.tell.try_send((judged(&expected, answer), tell)).is_ok();
    // Nobody sends an outcome to an answer that was refused, or not taken.
    let outcome = tokio::time::timeout(SUSPENSE, outcome).await;
    page(
        StatusCode::OK,
        match outcome {
            Ok(Ok(true)) => "You are logged in. Go back to the terminal; this page can be closed.",
            Ok(_) if taken => "You are not logged in. The terminal says why; this page can be closed.",
            _ => "Go back to the terminal, which says what came of it; this page can be closed.",
        },
    )
}

fn judged(expected: &Expected, answer: Answer) -> Result<String> {
    // Mixed up with another server's (RFC 9207 §2.4).
    if answer.iss.as_deref() != Some(expected.issuer.as_str()) {
        return Err(Failure::new("the answer does not say that it is from the server that was asked"));
    }
    match (answer.code, answer.error) {
        (Some(code), None) => Ok(code),
        (_, Some(error)) if error == "access_denied" => Err(Failure::new("it was not allowed")),
        (_, error) => Err(Failure::new(format!(
            "the server refused: {}",
            output::short(&answer.error_description.or(error).unwrap_or_default(), LONGEST_REASON)
        ))),
    }
}

fn page(status: StatusCode, sentence: &str) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Feedback</title><h1>Feedback</h1><p>{sentence}</p></html>"
    );
    (status, headers, Html(html)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: Option<&str>, error: Option<&str>, iss: Option<&str>) -> Result<String> {
        let (tell, _) = mpsc::channel(1);
        let expected =
            Expected { state: "state".to_owned(), issuer: "https://feedback.example".to_owned(), tell };
        let owned = |text: Option<&str>| text.map(str::to_owned);
        judged(
            &expected,
            Answer {
                state: owned(Some("state")),
                iss: owned(iss),
                code: owned(code),
                error: owned(error),
                error_description: None,
            },
        )
    }

    #[test]
    fn only_the_server_that_was_asked_answers() {
        let issuer = Some("https://feedback.example");
        assert_eq!(answer(Some("code"), None, issuer).unwrap(), "code");
        for (code, error, iss) in [
            (Some("code"), None, Some("https://other.example")),
            (Some("code"), None, None),
            (None, Some("access_denied"), issuer),
            (Some("code"), Some("server_error"), issuer),
            (None, None, issuer),
        ] {
            assert!(answer(code, error, iss).is_err(), "{code:?} {error:?} {iss:?}");
        }
    }
}
