//! What every request passes: the right host, not too often, from this page, by somebody who may; and what every
//! response has: the headers that keep a page from doing anything else.

use super::access::{Access, COOKIE};
use super::answer::{ApiError, JSON};
use super::login;
use super::server::Client;
use super::shared::Shared;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;

/// Headers of every response. Styles and scripts come from here only, none stands in a page, nothing is sent
/// elsewhere, and no other page may show this one.
const HEADERS: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
];

/// Longest message of an error that comes from below, bytes.
const MESSAGE: usize = 4096;

fn is_api(path: &str) -> bool {
    path == "/api" || path.starts_with("/api/")
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

/// The gate.
pub async fn pass(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(Client(client)): ConnectInfo<Client>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let mut response = match admit(&shared, client, &parts).await {
        Err(refusal) => refusal,
        Ok(()) => match login::answer(&shared.config.access, &parts) {
            Some(response) => response,
            None => next.run(Request::from_parts(parts, body)).await,
        },
    };
    if is_api(&path) && response.status().is_client_error() && text(response.headers(), &header::CONTENT_TYPE) != JSON {
        response = in_words(response).await;
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// An error of the framework in the API's form.
async fn in_words(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let said = axum::body::to_bytes(body, MESSAGE).await.unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let (code, usual) = match parts.status {
        StatusCode::METHOD_NOT_ALLOWED => ("method_not_allowed", "this address does not take that method"),
        StatusCode::PAYLOAD_TOO_LARGE => ("too_large", "the body is too large"),
        StatusCode::NOT_FOUND => ("not_found", "there is nothing here; /api/openapi.json lists what is"),
        _ => ("bad_request", "the request cannot be understood"),
    };
    let message = if said.is_empty() { usual.to_owned() } else { said.into_owned() };
    let mut new = ApiError { status: parts.status, code, message }.into_response();
    if let Some(allow) = parts.headers.get(header::ALLOW) {
        new.headers_mut().insert(header::ALLOW, allow.clone());
    }
    new
}

async fn admit(shared: &Arc<Shared>, client: std::net::SocketAddr, request: &Parts) -> Result<(), Response> {
    let headers = &request.headers;
    let access = &shared.config.access;
    let host = request.uri.authority().map_or_else(|| text(headers, &header::HOST), |a| a.as_str());
    if !access.host_is_ours(host) {
        let message = "this sensor is not known by that name; use its address, or name it with --web-host";
        return Err(
            ApiError { status: StatusCode::FORBIDDEN, code: "wrong_host", message: message.to_owned() }.into_response()
        );
    }
    if !shared.limiter.allows(client.ip()) {
        return Err(too_many());
    }
    let site = headers.get("sec-fetch-site").and_then(|v| v.to_str().ok()).unwrap_or_default();
    if is_api(request.uri.path()) && (site == "cross-site" || site == "same-site") {
        return Err(ApiError::forbidden("pages of other sites may not ask here").into_response());
    }
    let part = login::PARTS.contains(&request.uri.path());
    if access.is_open() || part || is_known(shared, client, request).await? {
        return Ok(());
    }
    Err(refused(access, request))
}

fn too_many() -> Response {
    let message = "too many requests from this address; wait a second".to_owned();
    ApiError { status: StatusCode::TOO_MANY_REQUESTS, code: "too_many_requests", message }.into_response()
}

/// Whether the request shows a token, the cookie for it, or a user's password. A wrong one is dear.
async fn is_known(shared: &Arc<Shared>, client: std::net::SocketAddr, request: &Parts) -> Result<bool, Response> {
    let (access, headers) = (&shared.config.access, &request.headers);
    if access.knows_cookie(text(headers, &header::COOKIE)) || login::shows_token(access, request) {
        return Ok(true);
    }
    let authorization = text(headers, &header::AUTHORIZATION);
    let known = match authorization.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => access.is_token(token.trim()),
        Some((scheme, encoded)) if scheme.eq_ignore_ascii_case("basic") && access.has_users() => {
            let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|b| String::from_utf8(b).ok());
            let Some((name, password)) = decoded.as_deref().and_then(|d| d.split_once(':')) else { return Ok(false) };
            if access.has_passed(name, password) {
                return Ok(true);
            }
            let (shared, name, password) = (Arc::clone(shared), name.to_owned(), password.to_owned());
            let check = tokio::task::spawn_blocking(move || shared.config.access.verify(&name, &password));
            check.await.unwrap_or(false)
        }
        _ => return Ok(false),
    };
    if !known {
        shared.limiter.punish(client.ip());
    }
    Ok(known)
}

fn refused(access: &Access, request: &Parts) -> Response {
    let page = !is_api(request.uri.path()) && request.method == Method::GET;
    let mut response = if page && access.has_token() && !access.has_users() {
        login::page()
    } else {
        let message = if access.has_users() {
            "name and password of a user are needed"
        } else {
            "the token is needed: Authorization: Bearer TOKEN, or open the page and give it there"
        };
        ApiError { status: StatusCode::UNAUTHORIZED, code: "unauthorized", message: message.to_owned() }.into_response()
    };
    let scheme =
        if access.has_users() { "Basic realm=\"btcdmon\", charset=\"UTF-8\"" } else { "Bearer realm=\"btcdmon\"" };
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    response
}

/// The cookie for the token: of this server's pages only, hidden from scripts.
pub fn cookie(access: &Access) -> String {
    format!("{COOKIE}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age=2592000", access.session())
}
