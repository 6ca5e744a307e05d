//! What surrounds every request, whatever its address: its name, its measure, its whole body first, a fault that takes
//! no other request along, and nothing untrue remembered after. One layer, around the router as a whole: a layer of the
//! router costs each request as much as finding its way.

use std::any::Any;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use futures_util::FutureExt;
use tower::Service;

use crate::api::error::{ApiError, rendered};
use crate::app::App;
use crate::metrics::Measured;
use crate::oauth::error::OAuthError;
use crate::surface::Surface;
use crate::{oauth, whole_body};

/// Headers that every answer has, unless it has others of that name.
const HEADERS: [(HeaderName, HeaderValue); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// The router with what surrounds it.
#[derive(Clone)]
pub(crate) struct Surrounded {
    app: Arc<App>,
    inside: Router,
}

impl Surrounded {
    /// Surrounds a router.
    pub(crate) fn new(app: Arc<App>, inside: Router) -> Self {
        Self { app, inside }
    }
}

impl<B> Service<axum::http::Request<B>> for Surrounded
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: axum::http::Request<B>) -> Self::Future {
        let Self { app, inside } = self.clone();
        Box::pin(async move { Ok(surround(app, request.map(Body::new), inside).await) })
    }
}

/// Answers a request, by what is inside.
async fn surround(app: Arc<App>, request: Request, inside: Router) -> Response {
    let surface = Surface::of(request.uri().path());
    let measured = Measured::from(surface, &request);
    let id = app.request_ids.next();
    let answered = async {
        let response = answer(&app, surface, request, inside).await;
        if surface == Surface::Api { rendered(response, &app, id.as_str()) } else { response }
    };
    let mut response = id.around(answered).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(value);
    }
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
    measured.answered(response.status());
    response
}

async fn answer(app: &App, surface: Surface, request: Request, mut inside: Router) -> Response {
    let may_change = may_change(&request);
    let request = match whole_body::read_first(app, request).await {
        Ok(request) => request,
        Err(refused) => return refused,
    };
    if app.overload.refuses(surface, request.method(), request.uri().path()) {
        return match surface {
            Surface::OAuth => OAuthError::Overloaded.into_response(),
            _ => ApiError::Overloaded.into_response(),
        };
    }
    let response = match AssertUnwindSafe(inside.call(request)).catch_unwind().await {
        Ok(Ok(response)) => response,
        Err(said) => panicked(surface, &*said),
    };
    // The node that makes a change applies it before it answers: whatever the request may have changed is read back from
    // the change feed while its answer waits. No handler has to remember to.
    if may_change && let Err(error) = app.live.catch_up().await {
        tracing::warn!(%error, "the change feed can't be read; nothing is trusted until it can");
    }
    response
}

/// Whether the request may change what is remembered. Tokens, questions about them and responses leave no line in the log.
fn may_change(request: &Request) -> bool {
    let path = request.uri().path();
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let leaves_no_line = matches!(path, oauth::TOKEN_PATH | oauth::INTROSPECTION_PATH)
        || (path.starts_with("/v1/") && path.ends_with("/responses"));
    !safe && !leaves_no_line
}

/// What a handler with a fault of its own answers: only its own request is lost.
fn panicked(surface: Surface, said: &(dyn Any + Send)) -> Response {
    let said = said
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| said.downcast_ref::<&str>().copied())
        .unwrap_or("something unprintable");
    if surface == Surface::Api {
        return ApiError::Panicked(said.to_owned()).into_response();
    }
    tracing::error!(said, "a handler panicked");
    (StatusCode::INTERNAL_SERVER_ERROR, "something went wrong on our side; it was logged\n").into_response()
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;
    use crate::api::test_harness::TestApp;
    use crate::request_id::RequestId;

    #[tokio::test]
    async fn on_its_way_a_request_bears_the_name_that_its_answer_tells() {
        let name = async || RequestId::current().map_or_else(|| "none".to_owned(), |id| id.to_string());
        let handed_on = async move || tokio::spawn(RequestId::handed_on(name())).await.unwrap();
        let test = TestApp::start().await;
        let router = Router::new().route("/v1/name", get(name)).route("/v1/handed-on", get(handed_on));
        let surrounded = Surrounded::new(test.app.clone(), router);
        for path in ["/v1/name", "/v1/handed-on"] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let response = surrounded.clone().oneshot(request).await.unwrap();
            let told = response.headers()["x-request-id"].to_str().unwrap().to_owned();
            let borne = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
            assert_eq!(borne, told.as_bytes(), "{path}");
        }
        assert_eq!((name().await.as_str(), handed_on().await.as_str()), ("none", "none"));
    }
}
