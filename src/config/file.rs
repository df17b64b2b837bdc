//! `btcdmon.toml`: tables named as the commands, keys named as their options.

use super::{is_flag, is_option};
use clap::{Arg, Command};
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Names further away than this are no suggestion.
const SIMILAR: f64 = 0.7;

/// What is wrong with the configuration, and where.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{path}: cannot read the configuration: {source}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{path}:{line}: {what}")]
    Wrong {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what would be right.
        what: String,
    },
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    command: String,
    option: String,
    values: Vec<String>,
    line: usize,
}

/// A configuration whose keys and values were checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct File {
    path: PathBuf,
    entries: Vec<Entry>,
}

impl File {
    /// Reads the file at `path` for the options of `command`.
    pub fn read(path: &Path, command: &Command) -> Result<Self, ConfigError> {
        let shown = || path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: shown(), source })?;
        let entries = parse(&text, command).map_err(|(at, what)| ConfigError::Wrong {
            path: shown(),
            line: line(&text, at.start),
            what,
        })?;
        Ok(Self { path: path.to_path_buf(), entries })
    }

    /// Command, option and values of each key.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &str, &[String])> {
        self.entries.iter().map(|e| (e.command.as_str(), e.option.as_str(), e.values.as_slice()))
    }

    /// Where an option is set.
    pub fn place(&self, command: &str, option: &str) -> Option<String> {
        let entry = self.entries.iter().find(|e| e.command == command && e.option == option)?;
        Some(format!("{}:{}", self.path.display(), entry.line))
    }
}

/// Something wrong, at these bytes.
type Wrong = (Range<usize>, String);

fn line(text: &str, at: usize) -> usize {
    1 + text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count()
}

fn parse(text: &str, command: &Command) -> Result<Vec<Entry>, Wrong> {
    let table = DeTable::parse(text).map_err(|e| (e.span().unwrap_or_default(), e.message().replace('\n', ", ")))?;
    let mut entries = Vec::new();
    for (name, value) in table.get_ref() {
        let Some(sub) = command.get_subcommands().find(|c| c.get_name() == name.get_ref().as_ref()) else {
            return Err((name.span(), unknown_table(name.get_ref(), value.get_ref(), command)));
        };
        let DeValue::Table(options) = value.get_ref() else {
            return Err((name.span(), format!("`{0}` is a table: write [{0}] on a line of its own", name.get_ref())));
        };
        for (key, value) in options {
            let option = key.get_ref().as_ref();
            let Some(arg) = sub.get_arguments().filter(|a| is_option(a)).find(|a| a.get_long() == Some(option)) else {
                return Err((key.span(), unknown_key(option, sub)));
            };
            let values = values(value, arg)?;
            check(sub, arg, &values).map_err(|what| (value.span(), what))?;
            let line = line(text, key.span().start);
            entries.push(Entry { command: sub.get_name().to_owned(), option: option.to_owned(), values, line });
        }
    }
    Ok(entries)
}

fn unknown_table(name: &str, value: &DeValue<'_>, command: &Command) -> String {
    let commands: Vec<&str> = command.get_subcommands().map(Command::get_name).filter(|n| *n != "help").collect();
    if !matches!(value, DeValue::Table(_)) {
        return format!(
            "the key `{name}` stands in no table; write it below the command it is for, for example [live]"
        );
    }
    let mut text = format!("there is no command `{name}`");
    match nearest(name, commands.iter().copied()) {
        Some(near) => _ = write!(text, "; did you mean [{near}]?"),
        None => _ = write!(text, "; tables are {}", commands.join(", ")),
    }
    text
}

fn unknown_key(key: &str, sub: &Command) -> String {
    let options = sub.get_arguments().filter(|a| is_option(a)).filter_map(Arg::get_long);
    let mut text = format!("unknown key `{key}` in [{}]", sub.get_name());
    match nearest(key, options) {
        Some(near) => _ = write!(text, "; did you mean `{near}`?"),
        None => _ = write!(text, "; `btcdmon config {}` shows all of them", sub.get_name()),
    }
    text
}

fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.replace('_', "-").to_lowercase();
    let scored = names.map(|n| (strsim::jaro_winkler(&name, n), n)).filter(|(score, _)| *score >= SIMILAR);
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, n)| n)
}

/// The value as the command line would have it.
fn values(value: &Spanned<DeValue<'_>>, arg: &Arg) -> Result<Vec<String>, Wrong> {
    let scalar = |v: &Spanned<DeValue<'_>>| match v.get_ref() {
        DeValue::String(s) => Ok(s.clone().into_owned()),
        DeValue::Integer(n) => Ok(n.as_str().to_owned()),
        DeValue::Float(n) => Ok(n.as_str().to_owned()),
        DeValue::Boolean(b) => Ok(b.to_string()),
        DeValue::Datetime(d) => Ok(d.to_string()),
        DeValue::Array(_) | DeValue::Table(_) => Err((v.span(), "expected a single value here".to_owned())),
    };
    let several = matches!(arg.get_action(), clap::ArgAction::Append);
    match value.get_ref() {
        DeValue::Array(list) if several => list.iter().map(scalar).collect(),
        DeValue::Boolean(_) if is_flag(arg) => Ok(vec![scalar(value)?]),
        _ if is_flag(arg) => Err((value.span(), "expected true or false".to_owned())),
        DeValue::Boolean(_) => Err((value.span(), "expected a value, not true or false".to_owned())),
        _ => Ok(vec![scalar(value)?]),
    }
}

/// Lets the option's own parser look at the values.
fn check(sub: &Command, arg: &Arg, values: &[String]) -> Result<(), String> {
    if is_flag(arg) {
        return Ok(());
    }
    let long = arg.get_long().unwrap_or_default();
    let alone = Command::new("check").no_binary_name(true).arg(arg.clone().required(false));
    // The rules between options are for the command line as a whole.
    let line = values.iter().map(|v| format!("--{long}={v}"));
    let Err(e) = alone.try_get_matches_from(line) else { return Ok(()) };
    let said = e.to_string();
    let why = std::error::Error::source(&e).map(ToString::to_string).or_else(|| {
        let possible = said.lines().map(str::trim).find(|l| l.starts_with("[possible values"));
        possible.map(|l| l.trim_matches(['[', ']']).to_owned())
    });
    let why = why.unwrap_or_else(|| said.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned());
    Err(format!("bad value {} for `{long}` in [{}]: {why}", values.join(", ").escape_debug(), sub.get_name()))
}
