//! What the API answers: JSON, CSV, or what is wrong and what to do about it.

use crate::sink::QueryError;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// Media type of JSON.
pub const JSON: &str = "application/json";
/// Media type of CSV (RFC 4180).
pub const CSV: &str = "text/csv; charset=utf-8";

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// For programs.
    pub code: &'static str,
    /// For people, with what to do.
    pub message: String,
}

impl ApiError {
    /// The request is wrong.
    pub fn bad(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: "bad_request", message: message.into() }
    }

    /// What was asked for is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, code: "not_found", message: message.into() }
    }

    /// Not now.
    pub fn busy(message: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, code: "busy", message: message.into() }
    }

    /// There is no store.
    pub fn no_store() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "no_store",
            message: "the sensor keeps no store; start it without --no-store for history and queries".to_owned(),
        }
    }

    /// Whoever asks may not.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, code: "forbidden", message: message.into() }
    }
}

impl From<QueryError> for ApiError {
    fn from(e: QueryError) -> Self {
        let message = e.to_string();
        let (status, code) = match e {
            QueryError::Refused(_) => (StatusCode::FORBIDDEN, "refused"),
            QueryError::Stopped { .. } => (StatusCode::BAD_REQUEST, "time_limit"),
            QueryError::NotFound(_) | QueryError::NotAStore(_) | QueryError::Newer { .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, "no_store")
            }
            QueryError::Unreadable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            _ => (StatusCode::BAD_REQUEST, "bad_query"),
        };
        Self { status, code, message }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({"error": {"code": self.code, "message": self.message}});
        let mut response = Reply::json(&body);
        *response.status_mut() = self.status;
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// Makes responses.
pub struct Reply;

impl Reply {
    /// JSON.
    pub fn json(value: &Value) -> Response {
        Self::text_of_json(value.to_string())
    }

    /// JSON that is text already.
    pub fn text_of_json(text: String) -> Response {
        ([(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, "no-store")], text).into_response()
    }

    /// CSV with a header.
    pub fn csv(columns: &[String], rows: &[Vec<Value>]) -> Response {
        let mut text = line(columns.iter().map(|c| c.clone().into()));
        for row in rows {
            text.push_str(&line(row.iter().cloned()));
        }
        ([(header::CONTENT_TYPE, CSV), (header::CACHE_CONTROL, "no-store")], text).into_response()
    }

    /// Objects as a table: one row each, the columns of the first.
    pub fn csv_of_objects(objects: &[Value], columns: &[&str]) -> Response {
        let cell = |o: &Value, c: &&str| match o.get(*c) {
            None | Some(Value::Null) => Value::Null,
            Some(Value::Array(items)) => {
                items.iter().map(|i| i.as_str().unwrap_or_default()).collect::<Vec<_>>().join("|").into()
            }
            Some(v) => v.clone(),
        };
        let rows: Vec<Vec<Value>> = objects.iter().map(|o| columns.iter().map(|c| cell(o, c)).collect()).collect();
        Self::csv(&columns.iter().map(ToString::to_string).collect::<Vec<_>>(), &rows)
    }
}

/// One line of CSV. A spreadsheet takes a text that begins so for a formula, and peers choose some of the texts.
const FORMULA: [char; 4] = ['=', '+', '-', '@'];

fn line(cells: impl Iterator<Item = Value>) -> String {
    let cells: Vec<String> = cells
        .map(|v| match v {
            Value::Null => String::new(),
            Value::String(s) => {
                let guarded = if s.starts_with(FORMULA) { format!("'{s}") } else { s };
                if guarded.contains([',', '"', '\n', '\r']) {
                    format!("\"{}\"", guarded.replace('"', "\"\""))
                } else {
                    guarded
                }
            }
            other => other.to_string(),
        })
        .collect();
    cells.join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_quotes_and_disarms() {
        let cells = [Value::Null, 5.into(), "a\"b,".into(), "=1+1".into(), (-3).into()];
        assert_eq!(line(cells.into_iter()), ",5,\"a\"\"b,\",'=1+1,-3\r\n");
    }
}
