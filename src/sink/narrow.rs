//! Tables on a terminal that is narrower than they are: cells are wrapped between words, and where not even the longest
//! words have room beside each other, the cells of a row stand one below the other.

use crate::wrap::fill;
use comfy_table::{Cell, Column, ColumnConstraint, Row, Table, Width};
use unicode_width::UnicodeWidthStr;

/// The widths of the columns' contents, as [`fit`] made them.
pub fn widths(table: &Table) -> Vec<u16> {
    let fixed = |c: &Column| match c.constraint() {
        Some(ColumnConstraint::Absolute(Width::Fixed(width))) => Some(width.saturating_sub(c.padding_width())),
        _ => None,
    };
    table.column_iter().zip(table.column_max_content_widths()).map(|(c, most)| fixed(c).unwrap_or(most)).collect()
}

/// Makes the columns so narrow that a line of the table has `width` characters at most, `lines` of them between and around
/// the columns. False: then words would have to be broken.
pub fn fit(table: &mut Table, width: usize, lines: usize) -> bool {
    let most = table.column_max_content_widths();
    let padding: usize = table.column_iter().map(|c| usize::from(c.padding_width())).sum();
    let Some(room) = width.checked_sub(lines + padding) else { return false };
    if most.iter().map(|w| usize::from(*w)).sum::<usize>() <= room {
        return true;
    }
    let mut given = longest_words(table, most.len());
    let Some(mut spare) = room.checked_sub(given.iter().map(|w| usize::from(*w)).sum()) else { return false };
    // The columns that lack least first: most of them are then as wide as they would be.
    let lacks = |i: &usize, given: &[u16]| usize::from(most[*i].saturating_sub(given[*i]));
    let mut order: Vec<usize> = (0..most.len()).collect();
    order.sort_by_key(|i| lacks(i, &given));
    for i in order {
        let more = lacks(&i, &given).min(spare);
        given[i] += more as u16;
        spare -= more;
    }
    for (column, width) in table.column_iter_mut().zip(given) {
        let width = width + column.padding_width();
        column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
    }
    true
}

/// The width of the longest word of each column.
fn longest_words(table: &Table, columns: usize) -> Vec<u16> {
    let mut longest = vec![1; columns];
    for row in table.header().into_iter().chain(table.row_iter()) {
        for (most, cell) in longest.iter_mut().zip(row.cell_iter()) {
            let content = cell.content();
            let word = content.split(' ').map(UnicodeWidthStr::width).max().unwrap_or(0);
            *most = (*most).max(u16::try_from(word).unwrap_or(u16::MAX));
        }
    }
    longest
}

/// Each cell on a line of its own behind its column's name, an empty line between two rows.
pub fn one_below_the_other(table: &Table, width: usize) -> String {
    let cells = |row: &Row| row.cell_iter().map(Cell::content).collect::<Vec<_>>();
    let names = table.header().map(cells).unwrap_or_default();
    if table.is_empty() {
        return names.join("\n") + "\n";
    }
    let wide = names.iter().map(|n| n.width()).max().map_or(0, |most| (most + 2).min(width / 2));
    let mut out = String::new();
    for (i, row) in table.row_iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        for (k, cell) in cells(row).into_iter().enumerate() {
            let name = names.get(k).map_or("", String::as_str);
            let beside = name.width() + 2 <= wide && !cell.is_empty();
            if beside {
                out.push_str(name);
            } else {
                fill(&mut out, name, 0, 2, width);
            }
            if !cell.is_empty() {
                let taken = if beside { name.width() } else { 0 };
                out.extend(std::iter::repeat_n(' ', wide - taken));
                fill(&mut out, &cell, wide, wide, width);
            }
        }
    }
    out
}

#[cfg(test)]
#[path = "narrow_tests.rs"]
mod tests;
