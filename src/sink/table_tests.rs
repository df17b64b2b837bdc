use super::super::rows::{CsvRows, JsonRows, ReadableTime};
use super::*;

/// What `sink` prints of two rows with every kind of value.
fn print(sink: &mut dyn RowSink) {
    let names = ["a", "long_name", "n", "r"].map(str::to_owned);
    sink.columns(&names).unwrap();
    let first = [Cell::Integer(1), Cell::Text("hello, \"you\"".into()), Cell::Null, Cell::Real(1.5)];
    let second = [Cell::Integer(100), Cell::Text("é\x1b[2J".into()), Cell::Integer(0), Cell::Real(2.0)];
    assert!(sink.row(&first).unwrap());
    assert!(sink.row(&second).unwrap());
    sink.finish().unwrap();
}

fn text(out: Vec<u8>) -> String {
    String::from_utf8(out).unwrap()
}

#[test]
fn box_as_sqlite3_draws_it() {
    let mut out = Vec::new();
    print(&mut BoxTable::new(&mut out));
    assert_eq!(
        text(out),
        "\
┌─────┬──────────────┬───┬─────┐
│  a  │  long_name   │ n │  r  │
├─────┼──────────────┼───┼─────┤
│   1 │ hello, \"you\" │   │ 1.5 │
│ 100 │ é\\x1b[2J     │ 0 │ 2.0 │
└─────┴──────────────┴───┴─────┘
"
    );
}

#[test]
fn box_without_rows_has_a_header_and_a_long_one_says_so() {
    let mut out = Vec::new();
    let mut table = BoxTable::new(&mut out);
    table.columns(&["time".to_owned()]).unwrap();
    table.finish().unwrap();
    let empty = text(out);
    assert!(empty.starts_with("┌──────┐\n│ time │\n"), "{empty}");
    assert!(empty.ends_with("└──────┘\n"), "{empty}");

    let mut out = Vec::new();
    let mut table = BoxTable::with_cap(&mut out, 1);
    table.columns(&["x".to_owned()]).unwrap();
    assert!(table.row(&[Cell::Text("y".repeat(600).into())]).unwrap());
    assert!(!table.row(&[Cell::Null]).unwrap());
    table.finish().unwrap();
    let out = text(out);
    assert!(out.contains(&format!("│ {}… │", "y".repeat(500))), "{out}");
    assert!(out.ends_with("(the first 1 rows; use --json or --csv for all of them, or LIMIT and OFFSET)\n"), "{out}");
}

#[test]
fn json_as_sqlite3_prints_it() {
    let mut out = Vec::new();
    print(&mut JsonRows::new(&mut out));
    assert_eq!(
        text(out),
        "[{\"a\":1,\"long_name\":\"hello, \\\"you\\\"\",\"n\":null,\"r\":1.5},\n\
         {\"a\":100,\"long_name\":\"é\\u001b[2J\",\"n\":0,\"r\":2.0}]\n"
    );
    let mut out = Vec::new();
    let mut empty = JsonRows::new(&mut out);
    empty.columns(&["a".to_owned()]).unwrap();
    empty.finish().unwrap();
    assert_eq!(text(out), "[]\n");
}

#[test]
fn json_can_be_read_by_another_reader() {
    let nasty = "\u{9b}\u{202e}\\\"\n\r\t\0\u{7f}😀";
    let mut out = Vec::new();
    let mut rows = JsonRows::new(&mut out);
    rows.columns(&["k\"".to_owned(), "x".to_owned()]).unwrap();
    rows.row(&[Cell::Text(nasty.into()), Cell::Real(1e300)]).unwrap();
    rows.finish().unwrap();
    let out = text(out);
    assert!(!out.trim_end().chars().any(crate::sink::escape::is_dangerous), "{out}");
    let parsed: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(parsed[0]["k\""], nasty);
    assert_eq!(parsed[0]["x"], 1e300);
}

#[test]
fn csv_of_rfc_4180() {
    let mut out = Vec::new();
    print(&mut CsvRows::new(&mut out));
    assert_eq!(text(out), "a,long_name,n,r\r\n1,\"hello, \"\"you\"\"\",,1.5\r\n100,é\\x1b[2J,0,2.0\r\n");
    let mut out = Vec::new();
    let mut rows = CsvRows::new(&mut out);
    rows.columns(&["a".to_owned(), "b".to_owned(), "c".to_owned()]).unwrap();
    rows.row(&[Cell::Null, Cell::Text("".into()), Cell::Blob(&[0, 255])]).unwrap();
    assert_eq!(text(out), "a,b,c\r\n,\"\",x'00ff'\r\n");
}

#[test]
fn time_for_people() {
    let mut out = Vec::new();
    let mut rows = ReadableTime::new(CsvRows::new(&mut out));
    rows.columns(&["time".to_owned(), "t".to_owned()]).unwrap();
    rows.row(&[Cell::Integer(1_231_006_505_000_000_007), Cell::Integer(5)]).unwrap();
    rows.row(&[Cell::Null, Cell::Null]).unwrap();
    rows.finish().unwrap();
    assert_eq!(text(out), "time,t\r\n2009-01-03T18:15:05.000000007Z,5\r\n,\r\n");
}

#[test]
fn plain_columns() {
    let rows = [
        vec!["tx".to_owned(), "12".to_owned(), "x".to_owned()],
        vec!["version".to_owned(), "3".to_owned(), "\x07".to_owned()],
    ];
    assert_eq!(
        plain_table(&["command", "n", "note"], &rows, &[false, true], None),
        "command   n  note\ntx       12  x\nversion   3  \\x07\n"
    );
    assert_eq!(plain_table(&[], &rows, &[], None), "tx       12  x\nversion  3   \\x07\n");
    assert_eq!(plain_table(&[], &[], &[], None), "");
}
