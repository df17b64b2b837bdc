//! Tables for people: the box of `sqlite3 -box`, and plain aligned columns.

use super::escape::escape;
use super::narrow::{fit, one_below_the_other, widths};
use super::rows::{Cell, RowSink};
use crate::wrap::fold;
use comfy_table::{Cell as Field, CellAlignment, ContentArrangement, ContentLineStyle, LineStyle, Table, TableStyle};
use std::io::{self, Write};

/// Rows of a box at most: its widths are known only when all rows are, so all of them are in memory.
pub const BOX_ROWS: usize = 10_000;

/// Characters of a cell at most; more ends in `…`. A wider one would fit no screen.
pub const BOX_CELL: usize = 500;

const BOX: TableStyle = TableStyle::new()
    .top_border(LineStyle::new('┌', '─', '┬', '┐'))
    .header_lines(ContentLineStyle::new('│', '│', '│'))
    .header_separator(LineStyle::new('├', '─', '┼', '┤'))
    .content_lines(ContentLineStyle::new('│', '│', '│'))
    .bottom_border(LineStyle::new('└', '─', '┴', '┘'));

/// The answer as a box, printed at the end.
pub struct BoxTable<W> {
    out: W,
    table: Table,
    /// Names of the columns with their widths on the screen.
    names: Vec<(String, u16)>,
    rows: usize,
    cap: usize,
    cut: bool,
    /// Columns of the terminal.
    width: Option<usize>,
}

impl<W: Write> BoxTable<W> {
    /// Writes to `out`; at most [`BOX_ROWS`] rows.
    pub fn new(out: W) -> Self {
        Self::with_cap(out, BOX_ROWS)
    }

    /// Writes to `out`; at most `cap` rows, then a line says so.
    pub fn with_cap(out: W, cap: usize) -> Self {
        let mut table = Table::new();
        table.load_style(BOX).set_content_arrangement(ContentArrangement::Disabled);
        Self { out, table, names: Vec::new(), rows: 0, cap, cut: false, width: None }
    }

    /// No line is to be wider than a terminal.
    #[must_use]
    pub const fn within(mut self, width: Option<usize>) -> Self {
        self.width = width;
        self
    }
}

/// `text` with at most [`BOX_CELL`] characters.
fn cut(text: String) -> String {
    match text.char_indices().nth(BOX_CELL) {
        None => text,
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}

impl<W: Write> RowSink for BoxTable<W> {
    fn columns(&mut self, names: &[String]) -> io::Result<()> {
        let names: Vec<String> = names.iter().map(|n| cut(escape(n).into_owned())).collect();
        self.table.set_header(&names);
        self.names = names.into_iter().zip(self.table.column_max_content_widths()).collect();
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<bool> {
        if self.rows == self.cap {
            self.cut = true;
            return Ok(false);
        }
        self.rows += 1;
        let fields = cells.iter().map(|c| {
            let side = if c.is_number() { CellAlignment::Right } else { CellAlignment::Left };
            Field::new_owned(cut(c.plain())).set_alignment(side)
        });
        self.table.add_row(fields.collect::<Vec<_>>());
        Ok(true)
    }

    fn finish(&mut self) -> io::Result<()> {
        let lines = self.table.column_count() + 1;
        if let Some(width) = self.width
            && !fit(&mut self.table, width, lines)
        {
            write!(self.out, "{}", one_below_the_other(&self.table, width))?;
            return self.end();
        }
        // Centred as sqlite3 does it: an odd space goes to the right.
        let widths = widths(&self.table);
        let header: Vec<String> = (self.names.iter().zip(widths))
            .map(|((name, own), width)| format!("{:1$}{name}", "", usize::from(width.saturating_sub(*own) / 2)))
            .collect();
        self.table.set_header(header);
        for line in self.table.lines() {
            writeln!(self.out, "{line}")?;
        }
        self.end()
    }
}

impl<W: Write> BoxTable<W> {
    fn end(&mut self) -> io::Result<()> {
        if self.cut {
            let note =
                format!("(the first {} rows; use --json or --csv for all of them, or LIMIT and OFFSET)\n", self.cap);
            let note = match self.width {
                Some(width) => fold(&note, width),
                None => note,
            };
            write!(self.out, "{note}")?;
        }
        self.out.flush()
    }
}

/// Aligned columns without lines, two spaces apart; column `i` stands at the right when `right_aligned[i]`.
///
/// Lines end without spaces, the last one with a newline; dangerous characters are escaped.
/// Without headers there is no header line. With a width no line is wider than that.
pub fn plain_table(headers: &[&str], rows: &[Vec<String>], right_aligned: &[bool], width: Option<usize>) -> String {
    let mut table = Table::new();
    table.load_style(TableStyle::new()).set_content_arrangement(ContentArrangement::Disabled);
    let field = |(i, text): (usize, &str)| {
        let right = right_aligned.get(i).copied().unwrap_or(false);
        let side = if right { CellAlignment::Right } else { CellAlignment::Left };
        Field::new_owned(escape(text).into_owned()).set_alignment(side)
    };
    if !headers.is_empty() {
        table.set_header(headers.iter().copied().enumerate().map(field).collect::<Vec<_>>());
    }
    for row in rows {
        table.add_row(row.iter().map(String::as_str).enumerate().map(field).collect::<Vec<_>>());
    }
    let last = table.column_count().saturating_sub(1);
    for (i, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if i == last { 0 } else { 2 }));
    }
    if let Some(width) = width
        && !fit(&mut table, width, 0)
    {
        return one_below_the_other(&table, width);
    }
    let mut out = String::new();
    for line in table.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
