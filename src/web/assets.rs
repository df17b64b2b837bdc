//! The pages: files that Node.js made of `ui/` and that lie compressed in the program, if they were there when it was
//! built (`build.rs`).

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;
use std::io::Read as _;

/// A file.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Path below `/`.
    pub path: &'static str,
    /// Its bytes, compressed by gzip.
    pub gzip: &'static [u8],
    /// Of its contents.
    pub etag: &'static str,
    /// Its name changes with its contents: browsers need not ask again.
    pub immutable: bool,
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// What stands for the pages when there are none.
const NO_PAGE: &str = "This btcdmon was built without its pages: Node.js was missing. Install it \
(Debian: `apt-get install nodejs npm`), then build again with `make build`.\nThe HTTP API is here: /api/openapi.json describes it, /api/v1/status is a beginning.\n";

/// Whether there are pages.
pub fn has_page() -> bool {
    ASSETS.iter().any(|a| a.path == "index.html")
}

/// Type by the name's end.
fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Any path that is not of the API.
pub async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = uri.path().trim_start_matches('/');
    let find = |path: &str| ASSETS.iter().find(|a| a.path == path);
    // A page within the pages: the script there knows which.
    let page = !path.rsplit('/').next().unwrap_or_default().contains('.') && !path.starts_with("assets/");
    match find(path).or_else(|| find("index.html").filter(|_| page)) {
        Some(asset) => send(asset, &headers),
        None if page && !has_page() => (StatusCode::NOT_FOUND, NO_PAGE).into_response(),
        None => (StatusCode::NOT_FOUND, "there is no such page\n").into_response(),
    }
}

fn send(asset: &Asset, headers: &HeaderMap) -> Response {
    let says = |name: header::HeaderName| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let cache = if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = if says(header::IF_NONE_MATCH).contains(asset.etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if says(header::ACCEPT_ENCODING).contains("gzip") {
        ([(header::CONTENT_ENCODING, "gzip")], asset.gzip).into_response()
    } else {
        let mut bytes = Vec::new();
        // It was compressed when the program was built.
        let _ = GzDecoder::new(asset.gzip).read_to_end(&mut bytes);
        bytes.into_response()
    };
    let h = response.headers_mut();
    h.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(asset.path)));
    h.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    h.insert(header::ETAG, HeaderValue::from_static(asset.etag));
    h.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    response
}
