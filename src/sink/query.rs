//! Reading a store with SQL, without any way to change it.
//!
//! Four things stand between a statement and the file: it is opened read-only,
//! `query_only` is set, an authorizer lets nothing pass but reading, and the
//! prepared statement must be read-only. See [`super::functions`] for the
//! functions beyond SQLite's own and [`super::rewrite`] for durations.

use super::rewrite::{RewriteError, rewrite};
use super::rows::{Cell, RowSink};
use super::schema::{APPLICATION_ID, LAYOUT_VERSION};
use super::store::{immutable_uri, plain};
use super::{functions, suggest};
use crate::time::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Virtual machine steps between two looks at [`Limits::stop`]: about a tenth of a millisecond.
const STEPS: i32 = 10_000;

/// Longest text or row in a statement of a stranger, bytes: the store has none over some kilobytes.
const LONGEST: i32 = 1 << 20;
/// Longest wait for the writer, which locks readers out only while it opens or closes the file.
const BUSY: Duration = Duration::from_secs(2);

/// PRAGMAs that only tell something; with `true` they take an argument.
const PRAGMAS: [(&str, bool); 19] = [
    ("table_info", true),
    ("table_xinfo", true),
    ("table_list", true),
    ("index_list", true),
    ("index_info", true),
    ("index_xinfo", true),
    ("quick_check", true),
    ("integrity_check", true),
    ("database_list", false),
    ("function_list", false),
    ("pragma_list", false),
    ("compile_options", false),
    ("application_id", false),
    ("user_version", false),
    ("schema_version", false),
    ("page_count", false),
    ("page_size", false),
    ("freelist_count", false),
    ("journal_mode", false),
];

/// Why there is no answer; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// No such file.
    #[error("{}: there is no such store\nhint: `btcdmon replay --store FILE.db` writes one", .0.display())]
    NotFound(PathBuf),
    /// The file is no store.
    #[error("{}: this file is not a btcdmon store\nhint: name the file that was given with --store", .0.display())]
    NotAStore(PathBuf),
    /// The store was written by a newer btcdmon.
    #[error("{}: the store has layout version {found}, this btcdmon knows up to {LAYOUT_VERSION}\nhint: update btcdmon", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: i32,
    },
    /// The file cannot be read.
    #[error("{}: cannot read the store: {why}\nhint: {hint}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Message of the system or of SQLite.
        why: String,
        /// What to do.
        hint: &'static str,
    },
    /// A duration or a time cannot be understood.
    #[error("{0}")]
    Rewrite(#[from] RewriteError),
    /// The statement is more than reading.
    #[error(
        "refused: {0}; a store is only read here\nhint: write a SELECT; to change a store, stop the sensor and use sqlite3"
    )]
    Refused(String),
    /// More than one statement.
    #[error("more than one statement\nhint: one SELECT at a time, without anything after the semicolon")]
    SeveralStatements,
    /// No statement at all.
    #[error("no statement\nhint: write a SELECT, such as SELECT * FROM bandwidth ORDER BY time DESC LIMIT 10")]
    Empty,
    /// SQLite does not understand the statement, or it failed.
    #[error("{message}{}", hint.as_ref().map(|h| format!("\nhint: {h}")).unwrap_or_default())]
    Sql {
        /// SQLite's message.
        message: String,
        /// Names that may have been meant.
        hint: Option<String>,
    },
    /// [`Limits::stop`] said so.
    #[error(
        "stopped after {rows} rows: the time limit is over\nhint: narrow the statement, such as WHERE time > now() - 1h"
    )]
    Stopped {
        /// Rows given out.
        rows: u64,
    },
    /// The output failed (a broken pipe, for one).
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
}

/// How much a statement may cost.
#[derive(Default)]
pub struct Limits {
    /// Rows at most; then the answer ends, and [`Summary::complete`] is false.
    pub rows: Option<u64>,
    /// Asked every few thousand steps; `true` ends the query with [`QueryError::Stopped`]. The clock is the caller's.
    pub stop: Option<Box<dyn FnMut() -> bool + Send>>,
}

/// What was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Rows given out.
    pub rows: u64,
    /// Whether these were all rows.
    pub complete: bool,
}

/// A store, open for reading; the sensor may go on writing.
#[derive(Debug)]
pub struct StoreReader {
    conn: Connection,
    now: Arc<AtomicI64>,
    refused: Arc<Mutex<Option<String>>>,
}

impl StoreReader {
    /// Opens the store at `path`; `now` is what `now()` gives.
    ///
    /// # Errors
    /// The file is missing, is no store, is of a newer version, or cannot be read.
    pub fn open(path: &Path, now: Timestamp) -> Result<Self, QueryError> {
        Self::make(path, now, |_| Ok(()))
    }

    fn make(
        path: &Path,
        now: Timestamp,
        bound: impl FnOnce(&Connection) -> rusqlite::Result<()>,
    ) -> Result<Self, QueryError> {
        let path = plain(path);
        let mut conn = connect(&path)?;
        bound(&conn).map_err(|e| failure(&path, &e))?;
        let now = Arc::new(AtomicI64::new(now.nanos()));
        let refused = Arc::new(Mutex::new(None));
        harden(&mut conn, &now, &refused).map_err(|e| failure(&path, &e))?;
        Ok(Self { conn, now, refused })
    }

    /// The same for statements of strangers: what they sort and join stays in memory, where the caller's
    /// [`Limits::stop`] sees it (a confined process has no folder for temporary files), and no value is large.
    ///
    /// # Errors
    /// As [`StoreReader::open`].
    pub fn open_bounded(path: &Path, now: Timestamp) -> Result<Self, QueryError> {
        let bound = |conn: &Connection| {
            conn.pragma_update(None, "temp_store", "MEMORY")?;
            conn.busy_timeout(BUSY)?;
            conn.set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST).map(|_| ())
        };
        Self::make(path, now, bound)
    }

    /// Sets what `now()` gives, for a reader that stays open.
    pub fn set_now(&self, now: Timestamp) {
        self.now.store(now.nanos(), Ordering::Relaxed);
    }

    /// Runs one statement and hands its rows to `out`.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn run(&mut self, sql: &str, limits: Limits, out: &mut dyn RowSink) -> Result<Summary, QueryError> {
        let sql = rewrite(sql)?;
        let mut rows = 0;
        let prepared = self.conn.progress_handler(STEPS, limits.stop);
        let result =
            prepared.map_err(Failure::Sql).and_then(|()| answer(&self.conn, &sql, limits.rows, out, &mut rows));
        let _ = self.conn.progress_handler(0, None::<fn() -> bool>);
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (result, refused) {
            (Ok(complete), _) => Ok(Summary { rows, complete }),
            (Err(Failure::Query(e)), _) => Err(e),
            (Err(Failure::Sql(_)), Some(what)) => Err(QueryError::Refused(what)),
            (Err(Failure::Sql(e)), None) => Err(self.explain(&sql, rows, &e)),
        }
    }

    fn explain(&self, sql: &str, rows: u64, error: &rusqlite::Error) -> QueryError {
        let message = match error {
            rusqlite::Error::MultipleStatement => return QueryError::SeveralStatements,
            rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
            rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
            e => e.to_string(),
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => QueryError::Stopped { rows },
            Some(ErrorCode::ReadOnly) => QueryError::Refused("the statement writes".to_owned()),
            _ => QueryError::Sql { hint: suggest::hint(&self.conn, sql, &message), message },
        }
    }
}

/// Opens `store`, runs one statement, and hands its rows to `out`: `btcdmon query`.
///
/// # Errors
/// See [`QueryError`].
pub fn query(
    store: &Path,
    sql: &str,
    now: Timestamp,
    limits: Limits,
    out: &mut dyn RowSink,
) -> Result<Summary, QueryError> {
    StoreReader::open(store, now)?.run(sql, limits, out)
}

/// An error before it is explained.
enum Failure {
    Sql(rusqlite::Error),
    Query(QueryError),
}

impl From<rusqlite::Error> for Failure {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sql(e)
    }
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        Self::Query(e.into())
    }
}

/// Whether the answer is complete; `given` counts the rows also when it fails.
fn answer(
    conn: &Connection,
    sql: &str,
    most: Option<u64>,
    out: &mut dyn RowSink,
    given: &mut u64,
) -> Result<bool, Failure> {
    let mut statement = conn.prepare(sql)?;
    let columns = statement.column_count();
    if columns == 0 && statement.readonly() {
        return Err(Failure::Query(QueryError::Empty));
    }
    if !statement.readonly() {
        return Err(Failure::Query(QueryError::Refused("the statement writes".to_owned())));
    }
    let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let mut rows = statement.query([])?;
    // The first row comes before the header, so that a statement that fails at once prints nothing.
    let mut row = rows.next()?;
    out.columns(&names)?;
    let mut complete = true;
    while let Some(r) = row {
        if most.is_some_and(|m| *given >= m) || !out.row(&cells(r, columns)?)? {
            complete = false;
            break;
        }
        *given += 1;
        row = rows.next()?;
    }
    out.finish()?;
    Ok(complete)
}

fn cells<'a>(row: &'a Row<'_>, columns: usize) -> rusqlite::Result<Vec<Cell<'a>>> {
    (0..columns)
        .map(|i| {
            Ok(match row.get_ref(i)? {
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(n) => Cell::Integer(n),
                ValueRef::Real(x) => Cell::Real(x),
                ValueRef::Text(t) => Cell::Text(String::from_utf8_lossy(t)),
                ValueRef::Blob(b) => Cell::Blob(b),
            })
        })
        .collect()
}

/// Opens the file read-only and looks whose it is.
fn connect(path: &Path) -> Result<Connection, QueryError> {
    match std::fs::metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(QueryError::NotFound(path.to_path_buf())),
        Err(e) => {
            let why = e.to_string();
            return Err(QueryError::Unreadable {
                path: path.to_path_buf(),
                why,
                hint: "check the path and its permissions",
            });
        }
        Ok(m) if !m.is_file() => return Err(QueryError::NotAStore(path.to_path_buf())),
        Ok(_) => {}
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let probe = |conn: Connection| {
        let pragma = |name| conn.pragma_query_value(None, name, |r| r.get::<_, i32>(0));
        let found = (pragma("application_id")?, pragma("user_version")?);
        Ok((conn, found))
    };
    let mut opened = Connection::open_with_flags(path, flags).and_then(probe);
    if let Err(e) = &opened {
        let code = e.sqlite_error_code();
        // A log cannot be made on a read-only medium. When there is none, the file alone is the whole store.
        if matches!(code, Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)) && log_is_empty(path) {
            let flags = flags | OpenFlags::SQLITE_OPEN_URI;
            opened = Connection::open_with_flags(immutable_uri(path), flags).and_then(probe);
        }
    }
    let (conn, (application_id, found)) = opened.map_err(|e| failure(path, &e))?;
    if application_id != APPLICATION_ID {
        return Err(QueryError::NotAStore(path.to_path_buf()));
    }
    if found > LAYOUT_VERSION {
        return Err(QueryError::Newer { path: path.to_path_buf(), found });
    }
    Ok(conn)
}

fn log_is_empty(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).map_or(true, |m| m.len() == 0)
}

fn failure(path: &Path, error: &rusqlite::Error) -> QueryError {
    let path = path.to_path_buf();
    let hint = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => return QueryError::NotAStore(path),
        Some(ErrorCode::DatabaseBusy) => "another program holds the store locked; try again",
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) if !log_is_empty(&path) => {
            "the sensor did not close this store; copy the file and its -wal to a folder you can write to, and read them there"
        }
        Some(ErrorCode::DatabaseCorrupt) => "the file is damaged; `sqlite3 FILE .recover` saves what can be read",
        _ => "check the path and its permissions",
    };
    QueryError::Unreadable { path, why: error.to_string(), hint }
}

/// Takes from the connection whatever is not reading.
fn harden(conn: &mut Connection, now: &Arc<AtomicI64>, refused: &Arc<Mutex<Option<String>>>) -> rusqlite::Result<()> {
    conn.pragma_update(None, "query_only", true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // Else an unknown column in double quotes is silently a text.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    functions::register(conn, Arc::clone(now))?;
    let refused = Arc::clone(refused);
    conn.authorizer(Some(move |context: AuthContext<'_>| match denied(&context.action) {
        None => Authorization::Allow,
        Some(what) => {
            *refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
            Authorization::Deny
        }
    }))
}

/// What is wrong with `action`, `None` when it is reading.
fn denied(action: &AuthAction<'_>) -> Option<String> {
    match action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => None,
        AuthAction::Function { function_name } => function_name
            .eq_ignore_ascii_case("load_extension")
            .then(|| "load_extension() loads foreign code".to_owned()),
        AuthAction::Pragma { pragma_name, pragma_value } => {
            let known = PRAGMAS.iter().find(|(name, _)| name.eq_ignore_ascii_case(pragma_name));
            let harmless = known.is_some_and(|&(_, argument)| argument || pragma_value.is_none());
            (!harmless).then(|| format!("PRAGMA {pragma_name}"))
        }
        AuthAction::Attach { .. } => Some("ATTACH or VACUUM opens another file".to_owned()),
        AuthAction::Insert { table_name } => Some(format!("INSERT into {table_name}")),
        AuthAction::Update { table_name, .. } => Some(format!("UPDATE of {table_name}")),
        AuthAction::Delete { table_name } => Some(format!("DELETE from {table_name}")),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => Some("a transaction".to_owned()),
        _ => Some("a statement that changes the database".to_owned()),
    }
}

#[cfg(test)]
#[path = "query_tests.rs"]
mod tests;
