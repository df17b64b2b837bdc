//! Tables: aligned for the terminal, and valid Markdown.

use super::capture::Capture;
use super::programs::Row;
use std::fmt::Write as _;

const HEAD: [&str; 7] =
    ["program", "CPU, btcdmon = 1", "time, btcdmon = 1", "MB/s", "packets/s", "CPU s/GB", "peak memory, MB"];

/// The results of one capture; the first row is what the others are compared with.
pub fn table(capture: &Capture, rows: &[Row]) -> String {
    let rate = |r: &Row| r.usage.as_ref().ok().map(|u| r.bytes as f64 / u.seconds);
    let cpu = |r: &Row| r.usage.as_ref().ok().map(|u| u.cpu / r.bytes as f64 * 1e9);
    let base = rows.first().and_then(|r| rate(r).zip(cpu(r)));
    let ratio = |n: Option<f64>| n.filter(|n| n.is_finite()).map_or("-".to_owned(), |n| format!("{n:.2}"));
    let mut cells = vec![HEAD.map(str::to_owned).to_vec()];
    let mut notes = String::new();
    for row in rows {
        let (Some(rate), Some(cpu), Ok(u)) = (rate(row), cpu(row), &row.usage) else {
            if let Err(why) = &row.usage {
                let _ = writeln!(notes, "{}: {why}", row.program);
            }
            continue;
        };
        cells.push(vec![
            row.program.clone(),
            ratio(base.map(|b| cpu / b.1)),
            ratio(base.map(|b| b.0 / rate)),
            format!("{:.1}", rate / 1e6),
            thousands((row.packets as f64 / u.seconds) as u64),
            format!("{cpu:.2}"),
            u.memory.map_or("-".to_owned(), |m| format!("{:.0}", m as f64 / 1e6)),
        ]);
    }
    let mb = capture.bytes as f64 / 1e6;
    let head = format!("{}: {mb:.0} MB, {} packets\n\n", capture.name, thousands(capture.packets));
    head + &align(&cells) + if notes.is_empty() { "" } else { "\n" } + &notes
}

/// Rows of cells as a table; the first row is the head, the first column is text.
fn align(cells: &[Vec<String>]) -> String {
    let columns = cells.first().map_or(0, Vec::len);
    let width = |c: usize| cells.iter().filter_map(|r| r.get(c)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for (n, row) in cells.iter().enumerate() {
        for (c, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = if c == 0 { write!(out, "| {cell:<width$} ") } else { write!(out, "| {cell:>width$} ") };
        }
        out.push_str("|\n");
        if n == 0 {
            for (c, width) in widths.iter().enumerate() {
                let dashes = "-".repeat(width + 1);
                let _ = if c == 0 { write!(out, "|{dashes}-") } else { write!(out, "|{dashes}:") };
            }
            out.push_str("|\n");
        }
    }
    out
}

/// 1234567 as 1 234 567.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}
