//! Series and points for the tests of this folder.

use crate::series::{Cadence, Column, Kind, Point, Series, Type, Value};
use crate::time::Timestamp;

pub(super) const fn column(name: &'static str, kind_of_value: Type, tag: bool) -> Column {
    Column { name, kind_of_value, kind: Kind::Exact, unit: "", tag, help: "For the test." }
}

const fn series(name: &'static str, columns: &'static [Column]) -> Series {
    Series { name, cadence: Cadence::Event, help: "For the test.", columns }
}

pub(super) const OUTPUTS: Series = series(
    "tx_outputs",
    &[
        column("script_type", Type::Text, true),
        column("txid", Type::Text, false),
        column("value", Type::Integer, false),
        column("ratio", Type::Float, false),
        column("is_dust", Type::Boolean, false),
    ],
);

/// Older version of [`LIST`]: `tx_outputs` without the tag `script_type` and the column `ratio`.
pub(super) const OLDER: &[Series] = &[series(
    "tx_outputs",
    &[
        column("txid", Type::Text, false),
        column("value", Type::Integer, false),
        column("is_dust", Type::Boolean, false),
        column("left_out", Type::Integer, false),
    ],
)];

pub(super) const LIST: &[Series] = &[
    OUTPUTS,
    series("bandwidth", &[column("bytes_recv", Type::Integer, false), column("group", Type::Integer, false)]),
    series("tags_only", &[column("n", Type::Integer, true)]),
];

pub(super) fn point(series: usize, time: i64, values: Vec<Value>) -> Point {
    Point { series, time: Timestamp::from_nanos(time), node: "n1".into(), values }
}

pub(super) fn text(t: &str) -> Value {
    Value::Text(t.into())
}

pub(super) fn output(time: i64, script_type: &str, value: i64) -> Point {
    let ratio = Value::Float(value as f64 / 4.0);
    point(0, time, vec![text(script_type), text("ab"), Value::Integer(value), ratio, Value::Boolean(value < 546)])
}
