use super::super::table::plain_table;
use super::*;

const HEAD: [&str; 3] = ["complete at", "size", "user agent"];

fn rows() -> Vec<Vec<String>> {
    let row = |a: &str, b: &str, c: &str| vec![a.to_owned(), b.to_owned(), c.to_owned()];
    vec![row("2026-11-22 20:55:27", "17.9 kB", "/btcwire:0.5.0/btcd:0.26.0/"), row("2026-11-22 20:55:44", "187 B", "")]
}

fn table(width: usize) -> String {
    plain_table(&HEAD, &rows(), &[false, true], Some(width))
}

#[test]
fn a_table_that_fits_stays_as_it_is() {
    let whole = plain_table(&HEAD, &rows(), &[false, true], None);
    let widest = whole.lines().map(UnicodeWidthStr::width).max().unwrap();
    assert_eq!(table(widest), whole);
    assert_ne!(table(widest - 1), whole);
}

#[test]
fn cells_are_wrapped_between_words() {
    assert_eq!(
        table(48),
        "\
complete       size  user agent
at
2026-11-22  17.9 kB  /btcwire:0.5.0/btcd:0.26.0/
20:55:27
2026-11-22    187 B
20:55:44
"
    );
}

#[test]
fn where_words_would_break_cells_stand_one_below_the_other() {
    assert_eq!(
        table(38),
        "\
complete at  2026-11-22 20:55:27
size         17.9 kB
user agent   /btcwire:0.5.0/btcd:0.26.
             0/

complete at  2026-11-22 20:55:44
size         187 B
user agent
"
    );
}

#[test]
fn no_line_is_wider_and_no_letter_is_lost() {
    let letters = |text: &str| {
        let mut all: Vec<_> = text.chars().filter(|c| !c.is_whitespace()).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let whole = plain_table(&HEAD, &rows(), &[false, true], None);
    for width in 6..80 {
        let table = table(width);
        assert!(table.lines().all(|l| l.width() <= width), "{width}:\n{table}");
        assert_eq!(letters(&table), letters(&whole));
    }
}
