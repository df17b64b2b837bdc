//! Every point of every series, in InfluxDB and in the store.

use btcdmon::series::{Column, SERIES, Series};
use btcdmon::sink::query::{Limits, query};
use btcdmon::sink::rows::JsonRows;
use btcdmon::time::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Points by time, sensor, node and tags.
type Points = BTreeMap<(i64, Vec<String>), BTreeMap<String, Value>>;

fn columns(series: &Series, tag: bool) -> impl Iterator<Item = &Column> {
    series.columns.iter().filter(move |c| c.tag == tag)
}

fn point(series: &Series, get: impl Fn(&str) -> Value) -> ((i64, Vec<String>), BTreeMap<String, Value>) {
    let tags = ["sensor", "node"].into_iter().chain(columns(series, true).map(|c| c.name));
    let tags = tags.map(|t| get(t).as_str().unwrap_or_default().to_owned()).collect();
    let fields = columns(series, false).map(|c| (c.name.to_owned(), plain(get(c.name)))).filter(|(_, v)| !v.is_null());
    ((get("time").as_i64().unwrap(), tags), fields.collect())
}

/// The store has booleans as numbers, and JSON has one kind of number.
fn plain(v: Value) -> Value {
    match v {
        Value::Bool(b) => Value::from(f64::from(u8::from(b))),
        Value::Number(n) if n.as_i64().is_none_or(|i| i.unsigned_abs() < 1 << 53) => Value::from(n.as_f64().unwrap()),
        v => v,
    }
}

fn in_store(store: &Path, series: &Series) -> Points {
    let mut out = Vec::new();
    let now = Timestamp::from_nanos(0);
    query(store, &format!("SELECT * FROM {}", series.name), now, Limits::default(), &mut JsonRows::new(&mut out))
        .unwrap();
    let rows: Vec<Value> = serde_json::from_slice(&out).unwrap();
    rows.iter().map(|r| point(series, |name| r[name].clone())).collect()
}

fn in_influx(ask: &impl Fn(&str) -> Value, series: &Series) -> Points {
    let answer = ask(&format!("SELECT * FROM \"{}\"", series.name));
    let found = &answer["results"][0]["series"][0];
    let Some(names) = found["columns"].as_array() else { return Points::new() };
    let place: BTreeMap<&str, usize> = names.iter().enumerate().map(|(i, n)| (n.as_str().unwrap(), i)).collect();
    let rows = found["values"].as_array().unwrap();
    rows.iter().map(|r| point(series, |name| place.get(name).map_or(Value::Null, |i| r[*i].clone()))).collect()
}

/// What was compared.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Compared {
    pub points: usize,
    /// Series and column of which there was a value.
    pub columns: BTreeSet<(&'static str, &'static str)>,
}

/// Compares all series.
pub fn compare(ask: impl Fn(&str) -> Value, store: &Path) -> Compared {
    let mut all = Compared::default();
    for series in SERIES {
        let (a, b) = (in_store(store, series), in_influx(&ask, series));
        let first = a.iter().find(|(k, v)| b.get(k) != Some(v));
        assert!(first.is_none(), "{}: in the store {first:?}, in InfluxDB {:?}", series.name, b.get(first.unwrap().0));
        assert_eq!(a.len(), b.len(), "{}: points", series.name);
        all.points += a.len();
        // After the sensor and the node.
        let is_tagged = |i: usize| b.keys().any(|(_, tags)| !tags[i + 2].is_empty());
        let tags = columns(series, true).enumerate().filter(|(i, _)| is_tagged(*i)).map(|(_, c)| c);
        let fields = columns(series, false).filter(|c| b.values().any(|fields| fields.contains_key(c.name)));
        all.columns.extend(tags.chain(fields).map(|c| (series.name, c.name)));
    }
    all
}
