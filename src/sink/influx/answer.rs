//! What a server's answer to a write means for the points.
//!
//! InfluxDB stores what it can of a body and says what it refused: `partial write: … dropped=3` (1.x and 2.x),
//! a list of lines (3.x). Whatever may pass is retried; only what the server refuses for good is lost, and
//! counted.

use crate::sink::escape::escape;

/// What a server says, with whatever status, when its machine fails and not the points: a full disk in the middle of a
/// body is a 400 of InfluxDB 1.x, `partial write: write /…: no space left on device dropped=5000`.
const PASSING: [&str; 6] = [
    "no space left on device",
    "disk quota exceeded",
    "too many open files",
    "input/output error",
    "read-only file system",
    "cannot allocate memory",
];

/// Longest explanation that is shown, characters.
const SHOWN: usize = 240;

/// What to do with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is stored, but for `refused` points; `why` is the server's word.
    Stored {
        /// Points refused for good.
        refused: u64,
        /// The server's explanation.
        why: Option<String>,
    },
    /// It is too large (413): send it in halves.
    TooLarge,
    /// The database is missing (404): make it, and send the body again.
    Missing(String),
    /// User, password or token are refused (401, 403): somebody has to act.
    Denied(String),
    /// InfluxDB 2.x was not told the organisation: somebody has to act.
    NoOrg(String),
    /// The server cannot take it now: send it again, after so many seconds if it says so.
    Later(String, Option<u64>),
}

/// Judges an answer to a body of `points` lines.
pub fn judge(status: u16, retry_after: Option<&str>, body: &str, points: u64) -> Verdict {
    let text = explanation(body);
    let why = || if text.is_empty() { format!("HTTP {status}") } else { format!("{text} (HTTP {status})") };
    // What is quoted is of a line or a tag, and peers choose some of that.
    let own_words = text.split(['"', '\'']).next().unwrap_or_default();
    match status {
        200..=299 => Verdict::Stored { refused: 0, why: None },
        400 if own_words.contains("either orgID or org") => Verdict::NoOrg(why()),
        400 | 422 if PASSING.iter().any(|trouble| own_words.contains(trouble)) => Verdict::Later(why(), None),
        400 | 422 => {
            let refused = refused(body, &text).map_or(points, |n| n.min(points));
            Verdict::Stored { refused, why: Some(why()) }
        }
        401 | 403 => Verdict::Denied(why()),
        404 => Verdict::Missing(why()),
        413 => Verdict::TooLarge,
        _ => Verdict::Later(why(), retry_after.and_then(|s| s.trim().parse().ok())),
    }
}

/// How many points a partial write has left out; nothing when the whole body was refused.
fn refused(body: &str, text: &str) -> Option<u64> {
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    if let Some(lines) = json["data"].as_array().filter(|l| !l.is_empty()) {
        return Some(lines.len() as u64);
    }
    if !text.contains("partial write") {
        return None;
    }
    // Lines that do not parse are told one by one, with `dropped=0` behind them.
    let unparsed = body.matches("unable to parse").count() as u64;
    let dropped = body.rsplit_once("dropped=").map(|(_, n)| {
        let digits: String = n.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    });
    match dropped {
        Some(n) => Some(n + unparsed),
        None if unparsed > 0 => Some(unparsed),
        None => None,
    }
}

/// The server's own words, on one line: of `error` or `message` in JSON, else the beginning of the text.
pub fn explanation(body: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let word = ["error", "message"].iter().find_map(|k| json[k].as_str());
    // A proxy's page of HTML says no more than its status.
    let text = word.unwrap_or(if body.trim_start().starts_with('<') { "" } else { body });
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(SHOWN).collect();
    escape(&cut).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(refused: u64, why: &str) -> Verdict {
        Verdict::Stored { refused, why: Some(why.to_owned()) }
    }

    #[test]
    fn answers_of_influxdb_1() {
        assert_eq!(judge(204, None, "", 9), Verdict::Stored { refused: 0, why: None });
        let body = r#"{"error":"partial write: field type conflict: input field \"v\" on measurement \"m\" is type float, already exists as type integer dropped=2"}"#;
        let why = "partial write: field type conflict: input field \"v\" on measurement \"m\" is type float, already exists as type integer dropped=2 (HTTP 400)";
        assert_eq!(judge(400, None, body, 9), stored(2, why));
        let body = r#"{"error":"partial write: points beyond retention policy dropped=700"}"#;
        assert_eq!(
            judge(400, None, body, 9),
            stored(9, "partial write: points beyond retention policy dropped=700 (HTTP 400)")
        );
        let body = r#"{"error":"partial write: unable to parse 'a': missing fields\nunable to parse 'b': missing fields dropped=0"}"#;
        assert!(matches!(judge(400, None, body, 9), Verdict::Stored { refused: 2, .. }));
        let body = r#"{"error":"unable to parse 'x y z': bad timestamp"}"#;
        assert_eq!(judge(400, None, body, 9), stored(9, "unable to parse 'x y z': bad timestamp (HTTP 400)"));
        // As a full disk makes it say.
        let body =
            r#"{"error":"partial write: write /data/btcdmon/_series/03/0000: no space left on device dropped=9"}"#;
        let why = "partial write: write /data/btcdmon/_series/03/0000: no space left on device dropped=9 (HTTP 400)";
        assert_eq!(judge(400, None, body, 9), Verdict::Later(why.to_owned(), None));
        let body = r#"{"error":"unable to parse 'peers user_agent=no space left on device': invalid"}"#;
        assert!(matches!(judge(400, None, body, 9), Verdict::Stored { refused: 9, .. }));
        let body = r#"{"error":"partial write: max-values-per-tag limit exceeded (9/9): measurement=\"peers\" tag=\"user_agent\" value=\"input/output error\" dropped=1"}"#;
        assert!(matches!(judge(400, None, body, 9), Verdict::Stored { refused: 1, .. }));
        let body = r#"{"error":"unable to parse 'peers user_agent=either orgID or org': invalid"}"#;
        assert!(matches!(judge(400, None, body, 9), Verdict::Stored { refused: 9, .. }));
        let body = r#"{"error":"database not found: \"btcdmon\""}"#;
        assert_eq!(
            judge(404, None, body, 9),
            Verdict::Missing("database not found: \"btcdmon\" (HTTP 404)".to_owned())
        );
        let body = r#"{"error":"authorization failed"}"#;
        assert_eq!(judge(401, None, body, 9), Verdict::Denied("authorization failed (HTTP 401)".to_owned()));
    }

    #[test]
    fn answers_of_later_versions_and_of_proxies() {
        let body = r#"{"code":"unprocessable entity","message":"failure writing points to database: partial write: field type conflict dropped=1"}"#;
        assert!(matches!(judge(422, None, body, 9), Verdict::Stored { refused: 1, .. }));
        let body = r#"{"code":"invalid","message":"Please provide either orgID or org"}"#;
        assert_eq!(
            judge(400, None, body, 9),
            Verdict::NoOrg("Please provide either orgID or org (HTTP 400)".to_owned())
        );
        let body = r#"{"error":"partial write of line protocol occurred","data":[{"line_number":2,"error_message":"x","original_line":"y"},{"line_number":3}]}"#;
        assert_eq!(judge(400, None, body, 9), stored(2, "partial write of line protocol occurred (HTTP 400)"));
        assert_eq!(judge(413, None, "<html>", 9), Verdict::TooLarge);
        assert_eq!(judge(429, Some("7"), "", 9), Verdict::Later("HTTP 429".to_owned(), Some(7)));
        assert_eq!(
            judge(503, Some("Wed, 21 Oct"), "busy\nnow", 9),
            Verdict::Later("busy now (HTTP 503)".to_owned(), None)
        );
        assert_eq!(judge(502, None, "<html>Bad Gateway</html>", 9), Verdict::Later("HTTP 502".to_owned(), None));
        assert_eq!(judge(301, None, "", 9), Verdict::Later("HTTP 301".to_owned(), None));
    }

    #[test]
    fn a_hostile_explanation_is_one_short_line() {
        let text = explanation(&format!("a\x1b[31m\n{}", "x".repeat(10_000)));
        assert!(text.starts_with("a\\x1b[31m x") && text.len() < 300, "{text}");
    }
}
