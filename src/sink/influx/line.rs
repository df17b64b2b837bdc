//! Points in InfluxDB's line protocol (v2.7 "Line protocol" reference; read alike by 1.x, 2.x, 3.x).
//!
//! `measurement,tag=value field=1i,other="text" 1700000000000000000`. Peers choose some of the text: nothing
//! that is written here can end a line or begin another field. Types never change: a float column is
//! always written as a float, and what is not finite is absent.

use crate::series::{Column, Point, Series, Type, Value};
use crate::sink::escape::escape;

/// Smallest and largest time that InfluxDB takes, ns.
const TIMES: (i64, i64) = (i64::MIN + 2, i64::MAX - 1);

/// Longest text of one field, bytes: InfluxDB's own limit is 64 KiB.
const LONGEST: usize = 60_000;

/// Writes points as lines.
#[derive(Debug)]
pub struct Encoder {
    series: &'static [Series],
    /// `,sensor=NAME`
    sensor: String,
}

impl Encoder {
    /// An encoder for the points of `sensor`.
    pub fn new(series: &'static [Series], sensor: &str) -> Self {
        let mut text = String::new();
        tag(&mut text, "sensor", sensor);
        Self { series, sensor: text }
    }

    /// Appends the line of `point`, or gives false and leaves `out` as it was: a point without any field.
    ///
    /// The point must fit its series (`fits`).
    pub fn encode(&self, out: &mut String, point: &Point) -> bool {
        let start = out.len();
        let Some(series) = self.series.get(point.series) else { return false };
        // Names of series and columns are identifiers.
        out.push_str(series.name);
        out.push_str(&self.sensor);
        tag(out, "node", &point.node);
        let pairs = || series.columns.iter().zip(&point.values);
        for (column, value) in pairs().filter(|(c, _)| c.tag) {
            match value {
                Value::Absent => {}
                Value::Text(t) => tag(out, column.name, t),
                Value::Integer(n) => tag(out, column.name, itoa::Buffer::new().format(*n)),
                Value::Float(x) => tag(out, column.name, &x.to_string()),
                Value::Boolean(b) => tag(out, column.name, if *b { "true" } else { "false" }),
            }
        }
        let head = out.len();
        for (column, value) in pairs().filter(|(c, _)| !c.tag) {
            let before = out.len();
            out.push(if before == head { ' ' } else { ',' });
            out.push_str(column.name);
            out.push('=');
            if !field(out, column, value) {
                out.truncate(before);
            }
        }
        if out.len() == head {
            out.truncate(start);
            return false;
        }
        out.push(' ');
        out.push_str(itoa::Buffer::new().format(point.time.nanos().clamp(TIMES.0, TIMES.1)));
        out.push('\n');
        true
    }
}

/// Appends `,key=value`; an empty value is no tag.
fn tag(out: &mut String, key: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    out.push(',');
    out.push_str(key);
    out.push('=');
    for c in escape(value).chars() {
        if matches!(c, ',' | '=' | ' ') {
            defuse(out);
            out.push('\\');
        }
        out.push(c);
    }
    defuse(out);
}

/// A backslash at the end of `out` would escape what follows, and has no escape itself.
fn defuse(out: &mut String) {
    if out.ends_with('\\') {
        out.pop();
        out.push('_');
    }
}

/// Appends the value of a field, or gives false when there is none.
fn field(out: &mut String, column: &Column, value: &Value) -> bool {
    match value {
        Value::Integer(n) if column.kind_of_value == Type::Float => float(out, *n as f64),
        Value::Integer(n) => {
            out.push_str(itoa::Buffer::new().format(*n));
            out.push('i');
        }
        Value::Float(x) if x.is_finite() => float(out, *x),
        Value::Absent | Value::Float(_) => return false,
        Value::Boolean(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Text(t) => text(out, t),
    }
    true
}

fn float(out: &mut String, x: f64) {
    out.push_str(zmij::Buffer::new().format_finite(x));
}

fn text(out: &mut String, t: &str) {
    let t = escape(t);
    let mut end = t.len().min(LONGEST);
    while !t.is_char_boundary(end) {
        end -= 1;
    }
    out.push('"');
    for c in t[..end].chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
