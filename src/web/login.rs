//! How a browser shows the token: once, in the address (`/?token=…`) or in the form; a cookie stands for it then.

use super::access::Access;
use super::gate::cookie;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

/// What the form needs of the pages, if there are any; it tells nothing.
pub const PARTS: [&str; 2] = ["/login.css", "/icon.svg"];

/// The form. Its style is a file: the policy forbids any that stands in the page.
const FORM: &str = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
<title>btcdmon</title><link rel=stylesheet href='/login.css'><link rel=icon href='/icon.svg'><h1>btcdmon</h1><form method=get action='/'><p><label for=token>Token of this sensor</label>\
<p><input id=token name=token type=password autocomplete=current-password required autofocus> <button>Open</button></form>";

/// The page with the form.
pub fn page() -> Response {
    (StatusCode::UNAUTHORIZED, [(header::CACHE_CONTROL, "no-store")], Html(FORM)).into_response()
}

fn token(request: &Parts) -> Option<String> {
    if request.method != Method::GET || request.uri.path().starts_with("/api") {
        return None;
    }
    let query = request.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "token").map(|(_, v)| v.into_owned())
}

/// Whether the address of a page shows the token.
pub fn shows_token(access: &Access, request: &Parts) -> bool {
    token(request).is_some_and(|t| access.is_token(&t))
}

/// Where the address shows the token: the cookie, and the same page without it, so that it is in no history.
pub fn answer(access: &Access, request: &Parts) -> Option<Response> {
    if !access.has_token() || !shows_token(access, request) {
        return None;
    }
    let query = request.uri.query().unwrap_or_default();
    let rest: Vec<_> = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "token").collect();
    let mut to = request.uri.path().to_owned();
    // Two slashes at the beginning would name another host.
    while to.starts_with("//") {
        to.remove(0);
    }
    if !rest.is_empty() {
        to += "?";
        to += &form_urlencoded::Serializer::new(String::new()).extend_pairs(rest).finish();
    }
    let headers =
        [(header::LOCATION, to), (header::SET_COOKIE, cookie(access)), (header::CACHE_CONTROL, "no-store".to_owned())];
    Some((StatusCode::SEE_OTHER, headers).into_response())
}
