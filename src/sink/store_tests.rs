use super::super::fixture::{LIST, OLDER, output, point, text};
use super::*;
use crate::series::Type;
use std::fs;
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a store.db");
    (dir, path)
}

fn open(path: &Path) -> Store {
    Store::open(path, "s1", LIST).unwrap()
}

/// All tables of the file with their declarations and rows, as text.
fn dump(path: &Path) -> String {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut names = conn.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name").unwrap();
    let tables: Vec<(String, String)> =
        names.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap();
    let mut out = String::new();
    for (name, sql) in tables {
        out += &sql;
        out += &rows(&conn, &format!("SELECT * FROM {}", quote(&name)));
    }
    out
}

fn rows(conn: &Connection, sql: &str) -> String {
    let mut statement = conn.prepare(sql).unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut out = String::new();
    while let Some(row) = rows.next().unwrap() {
        let cells: Vec<String> =
            (0..columns).map(|i| format!("{:?}", row.get::<_, rusqlite::types::Value>(i).unwrap())).collect();
        out += &cells.join("|");
        out.push('\n');
    }
    out
}

fn select(path: &Path, sql: &str) -> String {
    rows(&Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap(), sql)
}

fn count(path: &Path) -> i64 {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    conn.query_row("SELECT count(*) FROM tx_outputs", [], |r| r.get(0)).unwrap()
}

#[test]
fn every_type_comes_back_and_absent_is_not_zero() {
    let (dir, path) = folder();
    let mut store = Store::open(&path, "s\x1b1", LIST).unwrap();
    let full = vec![text("a\x07"), text("é"), Value::Integer(i64::MIN), Value::Float(0.1), Value::Boolean(true)];
    let zero = vec![text("b"), text(""), Value::Integer(0), Value::Float(0.0), Value::Boolean(false)];
    let nan = vec![Value::Absent, Value::Absent, Value::Absent, Value::Float(f64::NAN), Value::Absent];
    let int = vec![text("c"), Value::Absent, Value::Absent, Value::Integer(3), Value::Absent];
    store.write(&[point(0, 1, full), point(0, 2, zero), point(0, 3, nan), point(0, 4, int)]).unwrap();
    store.write(&[point(2, 9, vec![Value::Integer(7)]), point(1, -5, vec![Value::Integer(1), Value::Absent])]).unwrap();
    assert_eq!((store.pending(), store.committed()), (6, 0));
    store.commit().unwrap();
    assert_eq!((store.pending(), store.committed()), (0, 6));
    store.close().unwrap();
    assert_eq!(
        select(&path, "SELECT time, sensor, node, script_type, txid, value, ratio, is_dust FROM tx_outputs"),
        format!(
            "{}\n{}\n{}\n{}\n",
            r#"Integer(1)|Text("s\\x1b1")|Text("n1")|Text("a\\x07")|Text("é")|Integer(-9223372036854775808)|Real(0.1)|Integer(1)"#,
            r#"Integer(2)|Text("s\\x1b1")|Text("n1")|Text("b")|Text("")|Integer(0)|Real(0.0)|Integer(0)"#,
            r#"Integer(3)|Text("s\\x1b1")|Text("n1")|Text("")|Null|Null|Null|Null"#,
            r#"Integer(4)|Text("s\\x1b1")|Text("n1")|Text("c")|Null|Null|Real(3.0)|Null"#,
        )
    );
    assert_eq!(select(&path, "SELECT n FROM tags_only").matches('7').count(), 1);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "only the file itself is left");
}

#[test]
fn points_that_do_not_fit_are_counted_and_the_others_written() {
    let (_dir, path) = folder();
    let mut store = open(&path);
    let short = point(0, 1, vec![text("a")]);
    let wrong = point(1, 1, vec![Value::Float(1.5), Value::Absent]);
    let unknown = point(77, 1, vec![]);
    store.write(&[short, wrong, unknown, output(1, "a", 5)]).unwrap();
    store.commit().unwrap();
    assert_eq!(store.loss().get(Loss::Malformed), 3);
    assert_eq!(store.committed(), 1);
    store.close().unwrap();
    assert_eq!(count(&path), 1);
}

#[test]
fn the_same_points_twice_change_nothing() {
    let (_dir, path) = folder();
    let points: Vec<Point> = (0..500).map(|i| output(i / 2, if i % 2 == 0 { "a" } else { "b" }, i)).collect();
    let again = |path: &Path, points: &[Point]| {
        let mut store = open(path);
        store.write(points).unwrap();
        store.close().unwrap();
        dump(path)
    };
    let once = again(&path, &points);
    assert_eq!(count(&path), 500);
    assert_eq!(again(&path, &points), once);
    let changed =
        again(&path, &[point(0, 0, vec![text("a"), Value::Absent, Value::Integer(9), Value::Absent, Value::Absent])]);
    assert_ne!(changed, once);
    assert_eq!(count(&path), 500);
    assert_eq!(again(&path, &points), once);
}

#[test]
fn an_older_store_gets_the_new_columns_and_tags() {
    let (_dir, path) = folder();
    let mut old = Store::open(&path, "s1", OLDER).unwrap();
    let row = |t, v| point(0, t, vec![text("x"), Value::Integer(v), Value::Absent, Value::Integer(42)]);
    old.write(&[row(1, 10), row(2, 20)]).unwrap();
    old.close().unwrap();

    let mut new = open(&path);
    new.write(&[output(2, "p2tr", 20), output(2, "p2wsh", 30)]).unwrap();
    new.close().unwrap();
    let seen = select(&path, "SELECT time, script_type = '', value, ratio, left_out FROM tx_outputs");
    assert_eq!(
        seen,
        "Integer(1)|Integer(1)|Integer(10)|Null|Integer(42)\n\
         Integer(2)|Integer(1)|Integer(20)|Null|Integer(42)\n\
         Integer(2)|Integer(0)|Integer(20)|Real(5.0)|Null\n\
         Integer(2)|Integer(0)|Integer(30)|Real(7.5)|Null\n"
    );
    let help = select(&path, "SELECT count(*) FROM _schema WHERE series = 'tx_outputs'");
    assert_eq!(help, "Integer(9)\n", "time, sensor, node, five columns, and the one that is no longer written");

    // And the older program goes on with the newer tables.
    let mut old = Store::open(&path, "s1", OLDER).unwrap();
    old.write(&[row(1, 11), row(3, 30)]).unwrap();
    old.close().unwrap();
    assert_eq!(select(&path, "SELECT value FROM tx_outputs WHERE time IN (1, 3)"), "Integer(11)\nInteger(30)\n");
}

#[test]
fn a_column_never_changes_its_type() {
    const OTHER: &[Series] = &[Series {
        columns: &[super::super::fixture::column("txid", Type::Integer, false)],
        ..super::super::fixture::OUTPUTS
    }];
    let (_dir, path) = folder();
    open(&path).close().unwrap();
    let before = dump(&path);
    let error = Store::open(&path, "s1", OTHER).unwrap_err();
    assert!(matches!(&error, StoreError::Conflict { column, .. } if column == "txid"), "{error}");
    assert!(error.to_string().contains("tx_outputs.txid is TEXT in the store and INTEGER"), "{error}");
    assert_eq!(dump(&path), before);
}

#[test]
fn foreign_files_are_refused_and_left_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let other = dir.path().join("other.db");
    let conn = Connection::open(&other).unwrap();
    conn.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)").unwrap();
    drop(conn);
    let named = dir.path().join("named.db");
    Connection::open(&named).unwrap().execute_batch("PRAGMA application_id=7; CREATE TABLE t(x)").unwrap();
    let notes = dir.path().join("notes.txt");
    fs::write(&notes, "not a database, but somebody's notes; ".repeat(50)).unwrap();
    let newer = dir.path().join("newer.db");
    open(&newer).close().unwrap();
    Connection::open(&newer).unwrap().execute_batch("PRAGMA user_version=99").unwrap();

    let files = fs::read_dir(dir.path()).unwrap().count();
    let expect = |path: &Path, part: &str| {
        let before = fs::read(path).unwrap();
        let error = Store::open(path, "s1", LIST).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("\nhint: "), "{error}");
        assert_eq!(fs::read(path).unwrap(), before);
    };
    expect(&other, "another program (application_id 0x00000000)");
    expect(&named, "another program (application_id 0x00000007)");
    expect(&notes, "nor any SQLite database");
    expect(&newer, "layout version 99, this btcdmon knows up to 1");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), files, "nothing was left beside them");

    assert!(matches!(Store::open(dir.path(), "s1", LIST), Err(StoreError::NotAFile(_))));
    let missing = dir.path().join("none").join("x.db");
    assert!(matches!(Store::open(&missing, "s1", LIST), Err(StoreError::NoFolder { .. })));
    assert!(matches!(Store::open(Path::new("/proc/x.db"), "s1", LIST), Err(StoreError::ReadOnly { .. })));
}

#[test]
fn an_empty_file_becomes_a_store() {
    let (_dir, path) = folder();
    fs::write(&path, "").unwrap();
    open(&path).close().unwrap();
    assert_eq!(count(&path), 0);
}

#[test]
fn a_crash_keeps_the_committed_intervals() {
    let (dir, path) = folder();
    let mut store = open(&path);
    store.write(&[output(1, "a", 1), output(2, "a", 2)]).unwrap();
    store.commit().unwrap();
    store.write(&(3..4000).map(|t| output(t, "a", t)).collect::<Vec<_>>()).unwrap();
    // What the disk would hold if the process died now.
    let image = dir.path().join("image.db");
    fs::copy(&path, &image).unwrap();
    fs::copy(dir.path().join("a store.db-wal"), dir.path().join("image.db-wal")).unwrap();
    assert_eq!(count(&image), 2);
    let mut after = open(&image);
    after.write(&[output(3, "a", 3)]).unwrap();
    after.close().unwrap();
    assert_eq!(count(&image), 3);

    drop(store);
    assert_eq!(count(&path), 2);
}

#[test]
fn readers_see_whole_intervals_while_the_sensor_writes() {
    let (_dir, path) = folder();
    let mut store = open(&path);
    store.write(&[output(1, "a", 1)]).unwrap();
    assert_eq!(count(&path), 0);
    store.commit().unwrap();
    store.write(&[output(2, "a", 2)]).unwrap();
    assert_eq!(count(&path), 1);
    store.close().unwrap();
    assert_eq!(count(&path), 2);
}

#[test]
fn a_second_sensor_is_told_who_writes() {
    let (dir, path) = folder();
    let store = open(&path);
    let error = Store::open(&path, "s2", LIST).unwrap_err();
    assert!(error.to_string().contains("another btcdmon is writing"), "{error}");
    store.close().unwrap();
    assert!(!dir.path().join("a store.db-lock").exists());
    open(&path).close().unwrap();
}

#[test]
fn another_program_in_the_way_costs_one_interval() {
    let (_dir, path) = folder();
    let mut store = open(&path);
    store.conn.busy_timeout(Duration::ZERO).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.write(&[output(1, "a", 1), output(2, "a", 2)]).unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert_eq!(store.loss().get(Loss::RolledBack), 2);
    other.execute_batch("ROLLBACK").unwrap();
    store.write(&[output(3, "a", 3)]).unwrap();
    store.commit().unwrap();
    assert_eq!((store.committed(), count(&path)), (1, 1));
}

#[test]
fn a_full_disk_keeps_what_was_committed() {
    let (_dir, path) = folder();
    let mut store = open(&path);
    store.write(&[output(1, "a", 1)]).unwrap();
    store.commit().unwrap();
    let pages: i64 = store.conn.pragma_query_value(None, "page_count", |r| r.get(0)).unwrap();
    let limit = |store: &Store, pages: i64| {
        store.conn.execute_batch(&format!("PRAGMA max_page_count={pages}")).unwrap();
    };
    limit(&store, pages);
    let many: Vec<Point> = (2..5000).map(|t| output(t, "a", t)).collect();
    let bad = point(77, 1, vec![]);
    store.write(&[bad, output(2, "a", 2)]).unwrap();
    let error = store.write(&many).unwrap_err();
    assert!(matches!(error, StoreError::Full(_)), "{error}");
    assert_eq!((store.loss().get(Loss::RolledBack), store.loss().get(Loss::Malformed)), (4999, 1));
    assert_eq!(count(&path), 1);
    limit(&store, 1 << 20);
    store.write(&many).unwrap();
    store.commit().unwrap();
    assert_eq!((store.committed(), count(&path)), (4999, 4999));
    store.close().unwrap();
}

#[test]
fn a_roll_up_that_was_not_committed_is_made_anew() {
    let (_dir, path) = folder();
    let mut store = open(&path);
    let second = |t: i64| output(t * 1_000_000_000, "a", t);
    store.write(&[second(10)]).unwrap();
    store.commit().unwrap();
    // The minutes are made before the hours.
    let fail = "CREATE TEMP TRIGGER fail BEFORE INSERT ON tx_outputs_1h BEGIN SELECT RAISE(FAIL, 'no'); END";
    store.conn.execute_batch(fail).unwrap();
    store.write(&[second(3601)]).unwrap();
    store.commit().unwrap_err();
    store.conn.execute_batch("DROP TRIGGER fail").unwrap();
    store.write(&[second(3700)]).unwrap();
    store.commit().unwrap();
    store.close().unwrap();
    let times = |table: &str| select(&path, &format!("SELECT time / 1000000000, points FROM {table} ORDER BY 1"));
    assert_eq!(times("tx_outputs_1m"), "Integer(0)|Integer(1)\nInteger(3660)|Integer(1)\n");
    assert_eq!(times("tx_outputs_1h"), "Integer(0)|Integer(1)\nInteger(3600)|Integer(1)\n");
}

#[test]
fn old_rows_are_deleted_and_their_pages_given_back() {
    let (_dir, path) = folder();
    let mut store = open(&path);
    store.write(&(0..20_000).map(|t| output(t, "a", t)).collect::<Vec<_>>()).unwrap();
    store.commit().unwrap();
    assert_eq!(store.prune(Timestamp::from_nanos(19_990)).unwrap(), 19_990);
    store.close().unwrap();
    assert_eq!(count(&path), 10);
    assert!(fs::metadata(&path).unwrap().len() < 200_000);
}
