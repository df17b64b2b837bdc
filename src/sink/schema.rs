//! The tables of the store, made from the description of the series.
//!
//! One table a series: `time` (ns since 1970), `sensor`, `node`, the tags, the
//! columns; the key is `(time, sensor, node, tags…)`, so that the newest rows
//! lie together and the same point written twice is one row. Tags are text as
//! in InfluxDB, `''` when absent; every other absent value is NULL.
//!
//! `_series` and `_schema` hold the descriptions, so that an operator reads by
//! SQL what a column means. `PRAGMA user_version` counts the layout of the
//! store as a whole; new columns and tags of a series do not change it.

use super::error::StoreError;
use crate::series::reference::{COMMON, cadence_word, kind_word, type_word};
use crate::series::{Column, Series, Type};
use rusqlite::{Connection, params};
use std::path::Path;

/// `PRAGMA application_id` of a store: "btcd" in ASCII.
pub const APPLICATION_ID: i32 = 0x6274_6364;

/// `PRAGMA user_version`: layout of the store.
pub const LAYOUT_VERSION: i32 = 1;

/// What opening and describing may end with, before the path is known.
type Sql<T> = Result<T, rusqlite::Error>;

/// `name` as an SQL identifier.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Declared type of a column in the store; tags are text whatever they hold.
pub fn sql_type(column: &Column) -> &'static str {
    match column.kind_of_value {
        _ if column.tag => "TEXT",
        Type::Integer | Type::Boolean => "INTEGER",
        Type::Float => "REAL",
        Type::Text => "TEXT",
    }
}

fn declaration(column: &Column) -> String {
    let rest = if column.tag { " NOT NULL DEFAULT ''" } else { "" };
    format!("{} {}{rest}", quote(column.name), sql_type(column))
}

/// `CREATE TABLE` of a series under the name `table`, with columns that only an older store knows.
fn create(table: &str, series: &Series, older: &[Stored]) -> String {
    let mut columns =
        vec!["time INTEGER NOT NULL".to_owned(), "sensor TEXT NOT NULL".to_owned(), "node TEXT NOT NULL".to_owned()];
    let mut key = vec!["time".to_owned(), "sensor".to_owned(), "node".to_owned()];
    columns.extend(series.columns.iter().map(declaration));
    key.extend(series.columns.iter().filter(|c| c.tag).map(|c| quote(c.name)));
    for old in older {
        let rest = if old.key { " NOT NULL DEFAULT ''" } else { "" };
        columns.push(format!("{} {}{rest}", quote(&old.name), old.declared));
        if old.key {
            key.push(quote(&old.name));
        }
    }
    format!(
        "CREATE TABLE {} (\n  {},\n  PRIMARY KEY ({})\n) STRICT, WITHOUT ROWID",
        quote(table),
        columns.join(",\n  "),
        key.join(", ")
    )
}

/// The statement that writes one point of `series`: parameters `time`, `sensor`, `node`, columns.
pub fn insert(series: &Series) -> String {
    let names: Vec<String> = series.columns.iter().map(|c| quote(c.name)).collect();
    let set: Vec<String> =
        series.columns.iter().filter(|c| !c.tag).map(|c| quote(c.name)).map(|n| format!("{n}=excluded.{n}")).collect();
    let action = if set.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {}", set.join(", ")) };
    let mut columns = vec!["time", "sensor", "node"];
    columns.extend(names.iter().map(String::as_str));
    let marks = vec!["?"; columns.len()].join(",");
    // No conflict target: a table that an older version made may have a longer key.
    format!("INSERT INTO {} ({}) VALUES ({marks}) ON CONFLICT DO {action}", quote(series.name), columns.join(", "))
}

/// A column as the store has it.
struct Stored {
    name: String,
    declared: String,
    key: bool,
}

fn stored(conn: &Connection, table: &str) -> Sql<Vec<Stored>> {
    let mut statement = conn.prepare("SELECT name, type, pk > 0 FROM pragma_table_info(?1)")?;
    let rows = statement.query_map([table], |r| Ok(Stored { name: r.get(0)?, declared: r.get(1)?, key: r.get(2)? }))?;
    rows.collect()
}

/// Makes or extends the tables of `series` and writes their descriptions; to be called inside a transaction.
pub(super) fn prepare(conn: &Connection, path: &Path, series: &[Series]) -> Result<(), StoreError> {
    let sql = |e| StoreError::from_sqlite(path, "prepare the tables", e);
    for s in series {
        let found = stored(conn, s.name).map_err(sql)?;
        if found.is_empty() {
            conn.execute_batch(&create(s.name, s, &[])).map_err(sql)?;
        } else {
            check_types(path, s, &found)?;
            extend(conn, s, found).map_err(sql)?;
        }
    }
    describe(conn, series).map_err(sql)
}

/// The type of a column never changes, and a tag stays one; a column may become a tag (`rebuild`).
fn check_types(path: &Path, series: &Series, found: &[Stored]) -> Result<(), StoreError> {
    for column in series.columns {
        let wanted = sql_type(column);
        let old = found.iter().find(|f| f.name == column.name && !column.tag);
        if let Some(old) = old.filter(|f| f.key || f.declared != wanted) {
            return Err(StoreError::Conflict {
                path: path.to_path_buf(),
                table: series.name.to_owned(),
                column: column.name.to_owned(),
                found: if old.key { "a tag".to_owned() } else { old.declared.clone() },
                wanted,
            });
        }
    }
    Ok(())
}

fn extend(conn: &Connection, series: &Series, found: Vec<Stored>) -> Sql<()> {
    let known = |name: &str| found.iter().find(|f| f.name == name);
    if series.columns.iter().any(|c| c.tag && !known(c.name).is_some_and(|f| f.key)) {
        return rebuild(conn, series, found);
    }
    for column in series.columns.iter().filter(|c| known(c.name).is_none()) {
        conn.execute_batch(&format!("ALTER TABLE {} ADD COLUMN {}", quote(series.name), declaration(column)))?;
    }
    Ok(())
}

/// A new tag lengthens the key, which SQLite can only do by copying the table.
fn rebuild(conn: &Connection, series: &Series, found: Vec<Stored>) -> Sql<()> {
    let copied: Vec<(String, String)> = found
        .iter()
        .map(|old| {
            let name = quote(&old.name);
            let tag = series.columns.iter().any(|c| c.tag && c.name == old.name);
            let value = if tag { format!("coalesce(CAST({name} AS TEXT), '')") } else { name.clone() };
            (name, value)
        })
        .collect();
    let fixed = |name: &str| matches!(name, "time" | "sensor" | "node");
    let older: Vec<Stored> =
        found.into_iter().filter(|f| !fixed(&f.name) && !series.columns.iter().any(|c| c.name == f.name)).collect();
    let old = format!("_old_{}", series.name);
    let (names, values): (Vec<_>, Vec<_>) = copied.into_iter().unzip();
    conn.execute_batch(&format!(
        "ALTER TABLE {table} RENAME TO {old};\n{create};\nINSERT INTO {table} ({names}) SELECT {values} FROM {old};\nDROP TABLE {old};",
        table = quote(series.name),
        old = quote(&old),
        create = create(series.name, series, &older),
        names = names.join(", "),
        values = values.join(", "),
    ))
}

fn describe(conn: &Connection, series: &[Series]) -> Sql<()> {
    conn.execute_batch(
        "CREATE TABLE IF NOT EXISTS _series (series TEXT NOT NULL PRIMARY KEY, cadence TEXT NOT NULL, help TEXT NOT NULL) STRICT, WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS _schema (series TEXT NOT NULL, position INTEGER NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,
           unit TEXT NOT NULL, kind TEXT NOT NULL, tag INTEGER NOT NULL, help TEXT NOT NULL, PRIMARY KEY (series, name)) STRICT, WITHOUT ROWID;",
    )?;
    let mut about = conn.prepare(
        "INSERT INTO _series VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET cadence=excluded.cadence, help=excluded.help",
    )?;
    let mut column = conn.prepare(
        "INSERT INTO _schema VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE SET position=excluded.position,
         type=excluded.type, unit=excluded.unit, kind=excluded.kind, tag=excluded.tag, help=excluded.help",
    )?;
    for s in series {
        about.execute(params![s.name, cadence_word(s.cadence), s.help])?;
        for (position, c) in COMMON.iter().chain(s.columns).enumerate() {
            let (type_, kind) = (type_word(c.kind_of_value), kind_word(c.kind));
            column.execute(params![s.name, position as i64, c.name, type_, c.unit, kind, c.tag, c.help])?;
        }
    }
    Ok(())
}
