//! The server: requests to it, and what it says.

use super::answer::{Verdict, explanation, judge};
use super::body::Body;
use super::config::{Api, Config};
use super::error::InfluxError;
use influxdb::ReadQuery;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Url, redirect};
use std::time::Duration;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Longest wait for an answer; a server that hangs costs this much once, then it is looked at now and then.
const ANSWER: Duration = Duration::from_secs(10);
/// Longest answer that is read, bytes.
const READ: usize = 64 << 10;

/// A server, ready to be written to.
#[derive(Clone, Debug)]
pub struct Target {
    client: Client,
    url: Url,
    api: Api,
    write: Url,
}

impl Target {
    /// The server of `config`.
    ///
    /// # Errors
    /// When the configuration makes no sense, or there is no TLS.
    pub fn new(config: &Config) -> Result<Self, InfluxError> {
        let url = config.url()?;
        let api = config.api()?;
        let write = write_url(&url, &api, config.retention_policy.as_deref());
        let system = |why: String| InfluxError::System { server: name(&url), doing: "make the HTTP client", why };
        // Some other part of the program may have chosen one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("btcdmon/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers(config).map_err(|e| system(e.to_string()))?)
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            // A body is not repeated elsewhere without the operator's knowledge.
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|e| system(cause(&e)))?;
        Ok(Self { client, url, api, write })
    }

    /// What messages call it: without anything secret.
    pub fn name(&self) -> String {
        name(&self.url)
    }

    /// Makes the database or bucket if it is missing. The name and the rights of the user are checked by it.
    ///
    /// # Errors
    /// [`Verdict::Denied`], [`Verdict::NoOrg`] and [`Verdict::Later`] as of a write.
    pub async fn prepare(&self) -> Result<(), Verdict> {
        match &self.api {
            Api::V1 { database } => self.create_database(database).await,
            Api::V2 { org, bucket } => self.create_bucket(org.as_deref(), bucket).await,
        }
    }

    async fn create_database(&self, database: &str) -> Result<(), Verdict> {
        // Says why nobody answers, which the client below does not.
        let ping = self.client.get(extended(&self.url, "ping")).send().await;
        ping.map_err(|e| Verdict::Later(cause(&e), None))?;
        let client = influxdb::Client::new(self.url.as_str().trim_end_matches('/'), database)
            .with_http_client(self.client.clone());
        let quoted = database.replace('\\', "\\\\").replace('"', "\\\"");
        match client.query(ReadQuery::new(format!("CREATE DATABASE \"{quoted}\""))).await {
            Err(influxdb::Error::ApiError(401)) => Err(Verdict::Denied("authorization failed (HTTP 401)".to_owned())),
            Err(influxdb::Error::ApiError(code @ 500..)) => Err(Verdict::Later(format!("HTTP {code}"), None)),
            Err(influxdb::Error::ConnectionError { error }) => Err(Verdict::Later(error, None)),
            // A user that may only write (403), or a server that knows no such query: the write will tell.
            _ => Ok(()),
        }
    }

    async fn create_bucket(&self, org: Option<&str>, bucket: &str) -> Result<(), Verdict> {
        let mut orgs = extended(&self.url, "api/v2/orgs");
        if let Some(org) = org {
            orgs.query_pairs_mut().append_pair("org", org);
        } else {
            self.needs_no_org().await?;
        }
        let (status, text) = self.ask(self.client.get(orgs)).await?;
        if status == 401 {
            return Err(Verdict::Denied(format!("{} (HTTP 401)", explanation(&text))));
        }
        let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        // InfluxDB 3 has no organisations and makes databases by itself; a token that may only write sees none.
        let Some(id) = json["orgs"][0]["id"].as_str() else { return Ok(()) };
        let wish = serde_json::json!({ "orgID": id, "name": bucket, "retentionRules": [] });
        let request = self.client.post(extended(&self.url, "api/v2/buckets"));
        let request = request.header("Content-Type", "application/json").body(wish.to_string());
        let (status, text) = self.ask(request).await?;
        // 422: it is there already.
        if status >= 500 { Err(judge(status, None, &text, 0)) } else { Ok(()) }
    }

    /// InfluxDB 2.x wants the organisation in each write, 3.x does not: a write of nothing tells.
    async fn needs_no_org(&self) -> Result<(), Verdict> {
        let (status, text) = self.ask(self.client.post(self.write.clone())).await?;
        match judge(status, None, &text, 0) {
            verdict @ Verdict::NoOrg(_) => Err(verdict),
            _ => Ok(()),
        }
    }

    async fn ask(&self, request: reqwest::RequestBuilder) -> Result<(u16, String), Verdict> {
        let later = |e: reqwest::Error| Verdict::Later(cause(&e), None);
        let response = request.send().await.map_err(later)?;
        let status = response.status().as_u16();
        Ok((status, read(response).await.map_err(later)?))
    }

    /// Sends a body.
    pub async fn write(&self, body: &Body) -> Verdict {
        let request = self.client.post(self.write.clone()).header(CONTENT_ENCODING, "gzip").body(body.data.clone());
        let response = match request.send().await {
            Ok(r) => r,
            Err(e) => return Verdict::Later(cause(&e), None),
        };
        let status = response.status().as_u16();
        let after = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()).map(str::to_owned);
        match read(response).await {
            Ok(text) => judge(status, after.as_deref(), &text, body.points),
            // It has taken the points all the same; if not, its status says so.
            Err(e) if status >= 400 => Verdict::Later(cause(&e), None),
            Err(_) => judge(status, None, "", body.points),
        }
    }
}

/// The beginning of an answer.
async fn read(mut response: reqwest::Response) -> Result<String, reqwest::Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        bytes.extend_from_slice(&chunk[..chunk.len().min(READ - bytes.len())]);
        if bytes.len() == READ {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last cause of an error of the network: "Connection refused" and not "error sending request".
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        let what = if error.is_connect() { "no connection" } else { "no answer" };
        let time = if error.is_connect() { CONNECT } else { ANSWER };
        return format!("{what} within {} s", time.as_secs());
    }
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

fn name(url: &Url) -> String {
    format!("InfluxDB at {}", url.as_str().trim_end_matches('/'))
}

/// `url` with further segments of a path.
fn extended(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    let whole = format!("{}/{path}", url.path().trim_end_matches('/'));
    url.set_path(&whole);
    url
}

/// Without `precision`: nanoseconds are what all of them take then, and no two name them alike.
fn write_url(url: &Url, api: &Api, retention_policy: Option<&str>) -> Url {
    match api {
        Api::V1 { database } => {
            let mut url = extended(url, "write");
            url.query_pairs_mut().append_pair("db", database);
            if let Some(rp) = retention_policy {
                url.query_pairs_mut().append_pair("rp", rp);
            }
            url
        }
        Api::V2 { org, bucket } => {
            let mut url = extended(url, "api/v2/write");
            if let Some(org) = org {
                url.query_pairs_mut().append_pair("org", org);
            }
            url.query_pairs_mut().append_pair("bucket", bucket);
            url
        }
    }
}

/// Who we are: never in the URL, which proxies log.
fn headers(config: &Config) -> Result<HeaderMap, reqwest::header::InvalidHeaderValue> {
    let mut headers = HeaderMap::new();
    let mut put = |text: String| {
        let mut value = HeaderValue::from_str(&text)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        Ok(())
    };
    if let Some(token) = &config.token {
        put(format!("Token {}", token.0))?;
    } else if let Some(user) = &config.user {
        let password = config.password.as_ref().map_or("", |p| p.0.as_str());
        put(format!("Basic {}", base64(format!("{user}:{password}").as_bytes())))?;
    }
    Ok(headers)
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = DIGITS[(n >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
