//! Parameters of requests, checked against what their endpoint takes.

use super::answer::ApiError;
use super::endpoints::Endpoint;

/// What a parameter holds.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// Any text.
    Text,
    /// Text that fits this pattern (ECMA 262), told by the handler.
    Pattern(&'static str),
    /// A whole number in this range.
    Number(i64, i64),
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Words(&'static [&'static str]),
    /// Several items with commas between them, each fitting this pattern.
    List(&'static str),
}

/// A parameter of the query string.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub takes: Takes,
    /// What it means.
    pub help: &'static str,
    /// An example that answers.
    pub example: Option<&'static str>,
    /// Whether there must be one.
    pub required: bool,
}

/// An optional parameter.
pub const fn param(name: &'static str, takes: Takes, help: &'static str) -> Param {
    Param { name, takes, help, example: None, required: false }
}

/// Those of a request.
#[derive(Clone, Debug, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads a query string for `endpoint`.
    ///
    /// # Errors
    /// A parameter that it does not take, one that stands there twice, a value that does not fit.
    pub fn read(endpoint: &Endpoint, query: Option<&str>) -> Result<Self, ApiError> {
        let all: Vec<(String, String)> =
            form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
        for (i, (name, value)) in all.iter().enumerate() {
            let Some(p) = endpoint.params.iter().find(|p| p.name == name) else {
                let names: Vec<&str> = endpoint.params.iter().map(|p| p.name).collect();
                let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                return Err(ApiError::bad(format!("unknown parameter `{name}`; it takes {known}")));
            };
            if all[..i].iter().any(|(earlier, _)| earlier == name) {
                return Err(ApiError::bad(format!("the parameter `{name}` stands there twice")));
            }
            check(p, value)?;
        }
        if let Some(p) = endpoint.params.iter().find(|p| p.required && !all.iter().any(|(name, _)| name == p.name)) {
            return Err(ApiError::bad(format!("the parameter `{}` is missing: {}", p.name, p.help)));
        }
        Ok(Self(all))
    }

    /// A value.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A number, checked before.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name).and_then(|v| v.parse().ok())
    }

    /// Whether a flag is set.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// The items of a list.
    pub fn list(&self, name: &str) -> Vec<&str> {
        self.text(name).into_iter().flat_map(|v| v.split(',')).filter(|v| !v.is_empty()).collect()
    }

    /// Whether CSV is wanted.
    pub fn csv(&self) -> bool {
        self.text("format") == Some("csv")
    }
}

fn check(p: &Param, value: &str) -> Result<(), ApiError> {
    let name = p.name;
    match p.takes {
        Takes::Number(least, most) => match value.parse::<i64>() {
            Ok(n) if (least..=most).contains(&n) => Ok(()),
            _ => Err(ApiError::bad(format!("{name}={value}: expected a whole number from {least} to {most}"))),
        },
        Takes::Flag if !["true", "false"].contains(&value) => {
            Err(ApiError::bad(format!("{name}={value}: expected true or false")))
        }
        Takes::Words(words) if !words.contains(&value) => {
            Err(ApiError::bad(format!("{name}={value}: expected one of {}", words.join(", "))))
        }
        _ => Ok(()),
    }
}
