use super::super::fixture::{LIST, output};
use super::super::rows::CsvRows;
use super::super::store::Store;
use super::*;
use std::fs;

const HOUR: i64 = 3_600_000_000_000;
const NOW: i64 = 1_000 * HOUR;

/// A store with three outputs, two of them in the last hour.
fn store() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a%20 #?.db");
    let mut store = Store::open(&path, "s1", LIST).unwrap();
    let half = NOW - HOUR / 2;
    store
        .write(&[
            output(NOW - 2 * HOUR, "scripthash", 1),
            output(half, "pubkeyhash", 2),
            output(half + 1, "nulldata", 1000),
        ])
        .unwrap();
    store.close().unwrap();
    (dir, path)
}

fn run(path: &Path, sql: &str) -> Result<String, QueryError> {
    let mut out = Vec::new();
    query(path, sql, Timestamp::from_nanos(NOW), Limits::default(), &mut CsvRows::new(&mut out))?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn the_statement_of_the_manual_runs_as_it_stands() {
    let (_dir, path) = store();
    assert_eq!(
        run(&path, "SELECT * FROM tx_outputs WHERE time > now() - 1h and script_type <> 'pubkeyhash'").unwrap(),
        "time,sensor,node,script_type,txid,value,ratio,is_dust\r\n3598200000000001,s1,n1,nulldata,ab,1000,250.0,0\r\n"
    );
}

#[test]
fn functions() {
    let (_dir, path) = store();
    let one = |sql: &str| run(&path, sql).unwrap().lines().nth(1).unwrap().to_owned();
    assert_eq!(one("SELECT now()"), NOW.to_string());
    assert_eq!(
        one("SELECT time_bucket(1m, 61s), time_bucket(1m, -1ns), time_bucket(1m, NULL)"),
        "60000000000,-60000000000,"
    );
    assert_eq!(one("SELECT rfc3339(1231006505s), rfc3339(NULL)"), "2009-01-03T18:15:05.000000000Z,");
    assert_eq!(one("SELECT ns('2009-01-03T18:15:05Z') = 1231006505s, ns(NULL)"), "1,");
    assert_eq!(
        run(&path, "SELECT time_bucket(1h, time) AS t, count(*) AS n FROM tx_outputs GROUP BY t").unwrap(),
        format!("t,n\r\n{},1\r\n{},2\r\n", NOW - 2 * HOUR, NOW - HOUR)
    );
    let error = run(&path, "SELECT time_bucket(0, 5)").unwrap_err().to_string();
    assert!(error.contains("the width must be longer than 0"), "{error}");
    let error = run(&path, "SELECT ns('soon')").unwrap_err().to_string();
    assert!(error.contains("write '2026-11-22T20:00:00Z'"), "{error}");
}

#[test]
fn a_time_as_text_means_a_time() {
    let (_dir, path) = store();
    // 1000 h after the epoch is 1970-02-11T16:00:00Z.
    let sql = "SELECT count(*) FROM tx_outputs WHERE time >= '1970-02-11T15:30:00Z' AND time < '1970-02-12'";
    assert_eq!(run(&path, sql).unwrap(), "count(*)\r\n2\r\n");
}

#[test]
fn whatever_writes_is_refused_and_the_file_stays() {
    let (dir, path) = store();
    let before = fs::read(&path).unwrap();
    let elsewhere = dir.path().join("x.db");
    for sql in [
        "INSERT INTO bandwidth (time, sensor, node) VALUES (1, 'a', 'b')",
        "WITH a AS (SELECT 1) DELETE FROM tx_outputs",
        "UPDATE tx_outputs SET value = 0",
        "DROP TABLE tx_outputs",
        "CREATE TABLE t(x)",
        "CREATE TEMP TABLE t(x)",
        "CREATE TEMP VIEW v AS SELECT 1",
        "ALTER TABLE tx_outputs ADD COLUMN x",
        &format!("ATTACH '{}' AS x", elsewhere.display()),
        &format!("VACUUM INTO '{}'", elsewhere.display()),
        "VACUUM",
        "REINDEX",
        "ANALYZE",
        "BEGIN",
        "SAVEPOINT a",
        "PRAGMA query_only = 0",
        "PRAGMA journal_mode = WAL",
        "PRAGMA user_version = 5",
        "PRAGMA wal_checkpoint",
        "PRAGMA writable_schema = 1",
        "CREATE VIRTUAL TABLE t USING fts5(x)",
        "SELECT load_extension('x')",
    ] {
        match run(&path, sql) {
            Err(QueryError::Refused(_)) => {}
            other => panic!("{sql}: {other:?}"),
        }
    }
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(!elsewhere.exists());
    assert!(run(&path, "PRAGMA table_info(tx_outputs)").unwrap().contains("script_type"));
    assert!(run(&path, "SELECT name FROM pragma_table_info('tx_outputs')").unwrap().contains("script_type"));
    assert!(run(&path, "SELECT help FROM _schema WHERE name = 'value'").unwrap().contains("For the test."));
}

#[test]
fn one_statement() {
    let (_dir, path) = store();
    assert!(matches!(run(&path, "SELECT 1; SELECT 2"), Err(QueryError::SeveralStatements)));
    assert!(matches!(
        run(&path, "SELECT 1; DROP TABLE tx_outputs"),
        Err(QueryError::SeveralStatements | QueryError::Refused(_))
    ));
    assert!(matches!(run(&path, " -- nothing"), Err(QueryError::Empty)));
    assert!(matches!(run(&path, ""), Err(QueryError::Empty)));
    assert_eq!(run(&path, "SELECT 1 AS a; -- end\n").unwrap(), "a\r\n1\r\n");
}

#[test]
fn an_error_names_what_may_have_been_meant() {
    let (_dir, path) = store();
    let error = |sql: &str| run(&path, sql).unwrap_err().to_string();
    assert_eq!(error("SELECT * FROM tx_output"), "no such table: tx_output\nhint: did you mean tx_outputs?");
    assert_eq!(
        error("SELECT 1 FROM zzz"),
        "no such table: zzz\nhint: the tables are _schema, _series, bandwidth, tags_only, tx_outputs"
    );
    assert_eq!(error("SELECT o.valu FROM tx_outputs o"), "no such column: o.valu\nhint: did you mean value?");
    let quoted = error("SELECT 1 FROM bandwidth WHERE \"byte_recv\" > 0");
    assert!(quoted.ends_with("\nhint: did you mean bytes_recv?"), "{quoted}");
    assert_eq!(
        error("SELECT zzzzzz FROM tags_only"),
        "no such column: zzzzzz\nhint: the columns are time, sensor, node, n"
    );
    assert_eq!(error("SELECT mean(value) FROM tx_outputs"), "no such function: mean\nhint: write avg(x)");
    assert!(error("SELEC 1").starts_with("near \"SELEC\": syntax error"), "{}", error("SELEC 1"));
}

#[test]
fn limits() {
    let (_dir, path) = store();
    let mut reader = StoreReader::open(&path, Timestamp::from_nanos(NOW)).unwrap();
    let mut out = Vec::new();
    let limited = |rows| Limits { rows: Some(rows), stop: None };
    let sql = "SELECT value FROM tx_outputs";
    let two = reader.run(sql, limited(2), &mut CsvRows::new(&mut out)).unwrap();
    assert_eq!(two, Summary { rows: 2, complete: false });
    assert_eq!(out, b"value\r\n1\r\n2\r\n");
    let three = reader.run(sql, limited(3), &mut CsvRows::new(io::sink())).unwrap();
    assert_eq!(three, Summary { rows: 3, complete: true });

    let endless = "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a) SELECT count(*) FROM a";
    let mut asked = 0;
    let stop: Box<dyn FnMut() -> bool + Send> = Box::new(move || {
        asked += 1;
        asked > 3
    });
    let limits = Limits { rows: None, stop: Some(stop) };
    let stopped = reader.run(endless, limits, &mut CsvRows::new(io::sink()));
    assert!(matches!(stopped, Err(QueryError::Stopped { rows: 0 })), "{stopped:?}");
    // The next statement is free of the former limit, and of the former `now()`.
    reader.set_now(Timestamp::from_nanos(7));
    let mut out = Vec::new();
    reader.run("SELECT now() AS t", Limits::default(), &mut CsvRows::new(&mut out)).unwrap();
    assert_eq!(out, b"t\r\n7\r\n");
}

#[test]
fn reads_while_a_sensor_writes() {
    let (_dir, path) = store();
    let mut store = Store::open(&path, "s1", LIST).unwrap();
    store.write(&[output(NOW, "a", 4)]).unwrap();
    let count = || run(&path, "SELECT count(*) AS n FROM tx_outputs").unwrap();
    assert_eq!(count(), "n\r\n3\r\n");
    store.commit().unwrap();
    assert_eq!(count(), "n\r\n4\r\n");
    store.close().unwrap();
    assert_eq!(count(), "n\r\n4\r\n");
}

#[test]
fn a_store_without_log_is_read_where_no_log_can_be_made() {
    let (_dir, path) = store();
    // In WAL mode, and the log's index cannot be made, as on a read-only medium.
    let conn = Connection::open(&path).unwrap();
    conn.pragma_update(None, "journal_mode", "WAL").unwrap();
    drop(conn);
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    // SQLite follows no link here.
    std::os::unix::fs::symlink("nowhere", beside("-shm")).unwrap();
    assert_eq!(run(&path, "SELECT count(*) AS n FROM tx_outputs").unwrap(), "n\r\n3\r\n");
    fs::write(beside("-wal"), "committed rows may be in here").unwrap();
    let error = run(&path, "SELECT count(*) FROM tx_outputs").unwrap_err().to_string();
    assert!(error.contains("copy the file and its -wal"), "{error}");
}

#[test]
fn files_that_are_no_store() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.db");
    assert!(matches!(run(&path, "SELECT 1"), Err(QueryError::NotFound(_))));
    assert!(!path.exists());
    assert!(matches!(run(dir.path(), "SELECT 1"), Err(QueryError::NotAStore(_))));
    fs::write(&path, "no database ".repeat(100)).unwrap();
    assert!(matches!(run(&path, "SELECT 1"), Err(QueryError::NotAStore(_))));
    fs::write(&path, "").unwrap();
    assert!(matches!(run(&path, "SELECT 1"), Err(QueryError::NotAStore(_))));
    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE t(x)").unwrap();
    assert!(matches!(run(&path, "SELECT 1"), Err(QueryError::NotAStore(_))));
    let (_dir, path) = store();
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 2").unwrap();
    assert!(matches!(run(&path, "SELECT 1"), Err(QueryError::Newer { found: 2, .. })));
}
