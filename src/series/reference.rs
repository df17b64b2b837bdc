//! The reference of the series, made from their description: `docs/series.md`
//! and what `btcdmon series` prints.

use super::{Cadence, Column, Kind, Series, Type};
use crate::wrap::fill;
use serde_json::{Value as Json, json};
use std::fmt::Write as _;

/// The columns that every table of the store has before the series' own.
pub const COMMON: &[Column] = &[
    Column {
        name: "time",
        kind_of_value: Type::Integer,
        kind: Kind::Exact,
        unit: "ns since 1970",
        tag: false,
        help: "Capture time. Events of one instant are 1 ns apart, in order.",
    },
    Column {
        name: "sensor",
        kind_of_value: Type::Text,
        kind: Kind::Exact,
        unit: "",
        tag: true,
        help: "Name of the sensor, the host name unless it is given.",
    },
    Column {
        name: "node",
        kind_of_value: Type::Text,
        kind: Kind::Exact,
        unit: "",
        tag: true,
        help: "The watched node: its given name, else its first address and port.",
    },
];

/// Width of the lines that `btcdmon series` prints at most, in characters: longer ones are hard to read.
const WIDTH: usize = 96;

/// The word for a type.
pub const fn type_word(t: Type) -> &'static str {
    match t {
        Type::Integer => "integer",
        Type::Float => "float",
        Type::Boolean => "boolean",
        Type::Text => "text",
    }
}

/// The word for how a figure is known.
pub const fn kind_word(k: Kind) -> &'static str {
    match k {
        Kind::Exact => "exact",
        Kind::Inferred => "inferred",
        Kind::Estimated => "estimated",
    }
}

/// The word for when points are written.
pub const fn cadence_word(c: Cadence) -> &'static str {
    match c {
        Cadence::Interval => "interval",
        Cadence::Event => "event",
        Cadence::IntervalAndEvent => "interval and event",
    }
}

const fn cadence_sentence(c: Cadence) -> &'static str {
    match c {
        Cadence::Interval => "One point per node and interval.",
        Cadence::Event => "One point per event.",
        Cadence::IntervalAndEvent => "One point per node and interval, and one per event.",
    }
}

/// The series named `name`.
pub fn find<'a>(series: &'a [Series], name: &str) -> Option<&'a Series> {
    series.iter().find(|s| s.name == name)
}

/// `docs/series.md`.
pub fn markdown(series: &[Series]) -> String {
    let mut out = String::from(
        "# Series\n\n\
         Generated from the descriptions in `src/series`; do not edit.\n\n\
         In the store every series is a table of its name. A value that is not known is absent (NULL), never 0.\n\
         **exact**: read off the wire. **inferred**: from observable behaviour, by the rule given. **estimated**: statistical.\n\
         Tags belong to the key of a point, with `time`, `sensor` and `node`.\n\n\
         Every series has these columns:\n\n",
    );
    table(&mut out, COMMON);
    out.push('\n');
    for s in series {
        let _ = writeln!(out, "- [`{0}`](#{0}): {1}", s.name, cell(s.help));
    }
    for s in series {
        let _ = write!(out, "\n## {}\n\n{} {}\n\n", s.name, cell(s.help), cadence_sentence(s.cadence));
        if s.columns.is_empty() {
            out.push_str("No columns besides the common ones.\n");
        } else {
            table(&mut out, s.columns);
        }
    }
    out
}

fn table(out: &mut String, columns: &[Column]) {
    out.push_str("| column | type | unit | kind | meaning |\n|---|---|---|---|---|\n");
    for c in columns {
        let tag = if c.tag { ", tag" } else { "" };
        let type_ = type_word(c.kind_of_value);
        let _ = writeln!(
            out,
            "| `{}` | {type_}{tag} | {} | {} | {} |",
            c.name,
            cell(c.unit),
            kind_word(c.kind),
            cell(c.help)
        );
    }
}

/// Text for a cell of a Markdown table: one line, no column break, no HTML outside code spans.
fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut code = false;
    for c in text.chars() {
        match c {
            '`' => {
                code = !code;
                out.push(c);
            }
            '|' => out.push_str("\\|"),
            '<' if !code => out.push_str("&lt;"),
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Where the text stands below its name when there is no room beside it.
const BELOW: usize = 4;

/// What `btcdmon series` prints: one line a series; `width` columns are there.
pub fn overview(series: &[Series], width: usize) -> String {
    let width = width.min(WIDTH);
    let names = series.iter().map(|s| s.name.chars().count()).max().unwrap_or(0) + 2;
    let mut out = String::new();
    for s in series {
        if names <= width / 3 {
            let _ = write!(out, "{:<names$}", s.name);
            fill(&mut out, s.help, names, names, width);
        } else {
            let _ = write!(out, "{}\n{:BELOW$}", s.name, "");
            fill(&mut out, s.help, BELOW, BELOW, width);
        }
    }
    out
}

/// What `btcdmon series NAME` prints: the series with all its columns; `width` columns are there.
pub fn describe(series: &Series, width: usize) -> String {
    let width = width.min(WIDTH);
    let mut out = format!("{} ({})\n  ", series.name, cadence_word(series.cadence));
    fill(&mut out, series.help, 2, 2, width);
    for c in COMMON.iter().chain(series.columns) {
        let unit = if c.unit.is_empty() { String::new() } else { format!(", {}", c.unit) };
        let tag = if c.tag { ", tag" } else { "" };
        out.push_str("\n  ");
        let head = format!("{}: {}{unit}, {}{tag}", c.name, type_word(c.kind_of_value), kind_word(c.kind));
        fill(&mut out, &head, 2, 6, width);
        out.push_str("      ");
        fill(&mut out, c.help, 6, 6, width);
    }
    out
}

/// What `btcdmon series --json` prints: an array of the series with their columns, in order.
pub fn json(series: &[Series]) -> String {
    let all: Vec<Json> = series
        .iter()
        .map(|s| {
            let columns: Vec<Json> = COMMON
                .iter()
                .chain(s.columns)
                .map(|c| {
                    json!({ "name": c.name, "type": type_word(c.kind_of_value), "unit": c.unit,
                        "kind": kind_word(c.kind), "tag": c.tag, "help": c.help })
                })
                .collect();
            json!({ "series": s.name, "cadence": cadence_word(s.cadence), "help": s.help, "columns": columns })
        })
        .collect();
    format!("{:#}\n", Json::Array(all))
}

#[cfg(test)]
#[path = "reference_tests.rs"]
mod tests;
