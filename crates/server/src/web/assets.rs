//! The style sheet, the script and the icon, under addresses that change with their content.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use super::access::Public;
use super::failure::PageError;
use super::outcome::Outcome;
use crate::crypto::sha256;

struct Asset {
    path: String,
    etag: String,
    media_type: &'static str,
    content: &'static [u8],
}

impl Asset {
    fn new(name: &str, extension: &str, media_type: &'static str, content: &'static [u8]) -> Self {
        let hash: String = sha256(content).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self {
            path: format!("/static/{name}.{hash}.{extension}"),
            etag: format!("\"{hash}\""),
            media_type,
            content,
        }
    }
}

static CSS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("feedback", "css", "text/css; charset=utf-8", include_bytes!("../../static/feedback.css"))
});
static DOCS_CSS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("docs", "css", "text/css; charset=utf-8", include_bytes!("../../static/docs.css"))
});
static JS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("feedback", "js", "text/javascript; charset=utf-8", include_bytes!("../../static/feedback.js"))
});
static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_bytes!("../../static/icon.svg")));

/// Where the style sheet is.
pub(crate) fn css() -> &'static str {
    &CSS.path
}

/// Where the part of the style sheet is that only the API's documentation needs.
pub(crate) fn docs_css() -> &'static str {
    &DOCS_CSS.path
}

/// Where the script is.
pub(crate) fn js() -> &'static str {
    &JS.path
}

/// Where the icon is.
pub(crate) fn icon() -> &'static str {
    &ICON.path
}

/// `GET /static/{name}`
pub(super) async fn serve(
    _: Public,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    let path = format!("/static/{name}");
    let asset = [&*CSS, &*DOCS_CSS, &*JS, &*ICON]
        .into_iter()
        .find(|asset| asset.path == path)
        .ok_or(PageError::NotFound)?;
    let caching =
        [(header::CACHE_CONTROL, "public, max-age=31536000, immutable"), (header::ETAG, asset.etag.as_str())];
    if headers.get(header::IF_NONE_MATCH).is_some_and(|seen| seen.as_bytes() == asset.etag.as_bytes()) {
        return Ok(Outcome::Unchanged.with(caching));
    }
    Ok((caching, [(header::CONTENT_TYPE, asset.media_type)], asset.content).into_response())
}
