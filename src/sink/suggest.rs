//! Names that the operator may have meant.

use rusqlite::Connection;

/// The most names that a hint gives.
const MOST: usize = 3;

/// Names longer than this are not compared: nobody's typing error, and the effort is quadratic.
const LONGEST: usize = 64;

/// InfluxQL's functions that have another name here.
const INFLUX: [(&str, &str); 5] = [
    ("mean", "avg(x)"),
    ("spread", "max(x) - min(x)"),
    ("distinct", "DISTINCT x"),
    ("elapsed", "time - lag(time) OVER (ORDER BY time)"),
    ("derivative", "x - lag(x) OVER (ORDER BY time)"),
];

/// A hint for SQLite's `message` about `sql`, when it is about a name that does not exist.
pub(super) fn hint(conn: &Connection, sql: &str, message: &str) -> Option<String> {
    if let Some(table) = after(message, "no such table: ") {
        let mut all = tables(conn);
        // Roll-ups are named after their series: they are offered to whom asks for one.
        let rollup = |t: &str| super::rollup::BUCKETS.iter().any(|(b, _)| t.ends_with(&format!("_{b}")));
        if !table.contains("_1") {
            all.retain(|t| !rollup(t));
        }
        return Some(meant(&table, &all).unwrap_or_else(|| format!("the tables are {}", all.join(", "))));
    }
    if let Some(column) = after(message, "no such column: ") {
        let name = column.rsplit('.').next().unwrap_or(&column);
        let all = columns(conn, sql);
        return Some(meant(name, &all).unwrap_or_else(|| format!("the columns are {}", all.join(", "))));
    }
    let function = after(message, "no such function: ")?;
    if let Some((_, instead)) = INFLUX.iter().find(|(name, _)| function.eq_ignore_ascii_case(name)) {
        return Some(format!("write {instead}"));
    }
    meant(&function, &list(conn, "SELECT DISTINCT name FROM pragma_function_list", []))
}

/// "did you mean …?", when a name in `all` is near to `wanted`.
fn meant(wanted: &str, all: &[String]) -> Option<String> {
    let near = nearest(wanted, all);
    (!near.is_empty()).then(|| format!("did you mean {}?", near.join(" or ")))
}

/// The name in `message` that follows `prefix`, without quotes.
fn after(message: &str, prefix: &str) -> Option<String> {
    let rest = &message[message.find(prefix)? + prefix.len()..];
    let name = rest.split(" - ").next().unwrap_or(rest).split(" in ").next().unwrap_or(rest);
    Some(name.trim().trim_matches('"').to_owned())
}

fn list<P: rusqlite::Params>(conn: &Connection, sql: &str, params: P) -> Vec<String> {
    let run = || conn.prepare(sql)?.query_map(params, |r| r.get(0))?.collect::<rusqlite::Result<Vec<String>>>();
    run().unwrap_or_default()
}

fn tables(conn: &Connection) -> Vec<String> {
    list(conn, "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY name", [])
}

/// Columns of the tables that `sql` names, of all tables when it names none.
fn columns(conn: &Connection, sql: &str) -> Vec<String> {
    let words: Vec<&str> = sql.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let all = tables(conn);
    let named: Vec<&String> = all.iter().filter(|t| words.iter().any(|w| w.eq_ignore_ascii_case(t))).collect();
    let mut names: Vec<String> = Vec::new();
    for table in if named.is_empty() { all.iter().collect() } else { named } {
        for column in list(conn, "SELECT name FROM pragma_table_info(?1)", [table]) {
            if !names.contains(&column) {
                names.push(column);
            }
        }
    }
    names
}

/// The names in `all` that `wanted` may be a typing error of, the nearest first.
pub(super) fn nearest(wanted: &str, all: &[String]) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let allowed = (wanted.chars().count() / 3).clamp(1, 3);
    let mut near: Vec<(usize, &String)> = all
        .iter()
        .map(|name| (distance(&wanted, &name.to_lowercase()), name))
        .filter(|&(d, name)| d <= allowed || (wanted.len() > 3 && name.to_lowercase().contains(&wanted)))
        .collect();
    near.sort();
    near.into_iter().take(MOST).map(|(_, name)| name.clone()).collect()
}

/// Levenshtein distance, in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    if b.len() > LONGEST || a.len() > 4 * LONGEST {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("bandwith", "bandwidth"), 1);
    }

    #[test]
    fn only_near_names_are_offered() {
        let all = ["tx", "tx_fees", "tx_inputs", "tx_outputs", "bandwidth"].map(str::to_owned);
        assert_eq!(nearest("tx_output", &all), ["tx_outputs"]);
        assert_eq!(nearest("TX_INPUT", &all), ["tx_inputs"]);
        assert_eq!(nearest("outputs", &all), ["tx_outputs"]);
        assert!(nearest("zzz", &all).is_empty());
    }
}
