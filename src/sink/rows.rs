//! Rows of a query's answer, and the two formats that stream them: JSON and CSV.

use super::escape::{escape, is_dangerous};
use crate::time::Timestamp;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

/// One value of an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// NULL: not known.
    Null,
    /// Integer.
    Integer(i64),
    /// Float.
    Real(f64),
    /// Text, not yet escaped.
    Text(Cow<'a, str>),
    /// Bytes.
    Blob(&'a [u8]),
}

impl Cell<'_> {
    /// As text for people and CSV: NULL is empty, bytes are `x'00ff'`, dangerous characters are escaped.
    pub fn plain(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Integer(n) => n.to_string(),
            Self::Real(x) => real(*x),
            Self::Text(t) => escape(t).into_owned(),
            Self::Blob(b) => format!("x'{}'", hex(b)),
        }
    }

    /// Whether it is a number (and stands at the right of its column).
    pub fn is_number(&self) -> bool {
        matches!(self, Self::Integer(_) | Self::Real(_))
    }
}

/// Shortest decimal that reads back as the same double; always with a point or an exponent.
/// Infinity is `9.0e+999` as SQLite writes it, which JSON readers take.
fn real(x: f64) -> String {
    match x {
        f64::INFINITY => "9.0e+999".to_owned(),
        f64::NEG_INFINITY => "-9.0e+999".to_owned(),
        x => format!("{x:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

/// Takes the answer of a query row by row.
pub trait RowSink {
    /// The names of the columns, once, before the rows.
    ///
    /// # Errors
    /// Those of the output.
    fn columns(&mut self, names: &[String]) -> io::Result<()>;

    /// One row; `false` when no more are wanted.
    ///
    /// # Errors
    /// Those of the output.
    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<bool>;

    /// The end of the answer.
    ///
    /// # Errors
    /// Those of the output.
    fn finish(&mut self) -> io::Result<()>;
}

/// An array of objects, one a line, as `sqlite3 -json` prints it; `[]` when there are no rows.
#[derive(Debug)]
pub struct JsonRows<W> {
    out: W,
    /// `"name":`, with the comma before it.
    names: Vec<String>,
    any: bool,
    line: String,
}

impl<W: Write> JsonRows<W> {
    /// Writes to `out`, which should be buffered.
    pub fn new(out: W) -> Self {
        Self { out, names: Vec::new(), any: false, line: String::new() }
    }
}

/// A JSON string (RFC 8259 section 7) without any character a terminal would act on.
fn json_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // All of them are in the basic plane, so four digits are enough.
            c if is_dangerous(c) => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

impl<W: Write> RowSink for JsonRows<W> {
    fn columns(&mut self, names: &[String]) -> io::Result<()> {
        self.names = names
            .iter()
            .enumerate()
            .map(|(i, name)| {
                let mut s = String::from(if i == 0 { "" } else { "," });
                json_string(&mut s, name);
                s.push(':');
                s
            })
            .collect();
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<bool> {
        self.line.clear();
        self.line.push_str(if self.any { ",\n{" } else { "[{" });
        self.any = true;
        for (name, cell) in self.names.iter().zip(cells) {
            self.line.push_str(name);
            match cell {
                Cell::Null => self.line.push_str("null"),
                Cell::Text(t) => json_string(&mut self.line, t),
                Cell::Blob(b) => json_string(&mut self.line, &hex(b)),
                number => self.line.push_str(&number.plain()),
            }
        }
        self.line.push('}');
        self.out.write_all(self.line.as_bytes())?;
        Ok(true)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.write_all(if self.any { b"]\n" } else { b"[]\n" })?;
        self.out.flush()
    }
}

/// CSV with a header, lines ended by CR LF (RFC 4180). NULL is nothing, the empty text is `""`.
#[derive(Debug)]
pub struct CsvRows<W> {
    out: W,
    line: String,
}

impl<W: Write> CsvRows<W> {
    /// Writes to `out`, which should be buffered.
    pub fn new(out: W) -> Self {
        Self { out, line: String::new() }
    }

    fn field(&mut self, i: usize, text: &str, quote: bool) {
        if i > 0 {
            self.line.push(',');
        }
        if quote || text.contains(['"', ',']) {
            self.line.push('"');
            self.line.push_str(&text.replace('"', "\"\""));
            self.line.push('"');
        } else {
            self.line.push_str(text);
        }
    }

    fn end(&mut self) -> io::Result<()> {
        self.line.push_str("\r\n");
        let result = self.out.write_all(self.line.as_bytes());
        self.line.clear();
        result
    }
}

impl<W: Write> RowSink for CsvRows<W> {
    fn columns(&mut self, names: &[String]) -> io::Result<()> {
        for (i, name) in names.iter().enumerate() {
            self.field(i, &escape(name), name.is_empty());
        }
        self.end()
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<bool> {
        for (i, cell) in cells.iter().enumerate() {
            let text = cell.plain();
            self.field(i, &text, text.is_empty() && *cell != Cell::Null);
        }
        self.end()?;
        Ok(true)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Shows the column `time` as RFC 3339 in UTC, for people.
#[derive(Debug)]
pub struct ReadableTime<S> {
    inner: S,
    times: Vec<bool>,
}

impl<S: RowSink> ReadableTime<S> {
    /// Hands the rows on to `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner, times: Vec::new() }
    }
}

impl<S: RowSink> RowSink for ReadableTime<S> {
    fn columns(&mut self, names: &[String]) -> io::Result<()> {
        self.times = names.iter().map(|n| n == "time").collect();
        self.inner.columns(names)
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<bool> {
        let mut cells = cells.to_vec();
        for (cell, _) in cells.iter_mut().zip(&self.times).filter(|(_, is_time)| **is_time) {
            if let Cell::Integer(n) = cell {
                *cell = Cell::Text(Timestamp::from_nanos(*n).to_string().into());
            }
        }
        self.inner.row(&cells)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.inner.finish()
    }
}
