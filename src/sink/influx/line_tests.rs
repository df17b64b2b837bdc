use super::*;
use crate::sink::fixture::{LIST, output, point, text as t};
use influxdb_line_protocol::FieldValue as F;
use proptest::prelude::*;

fn line(sensor: &str, p: &Point) -> String {
    let mut out = String::from("before\n");
    let written = Encoder::new(LIST, sensor).encode(&mut out, p);
    let rest = out.strip_prefix("before\n").unwrap().to_owned();
    assert_eq!(written, !rest.is_empty());
    rest
}

#[test]
fn one_line_a_point_with_types() {
    assert_eq!(
        line("s1", &output(7, "witness_v1_taproot", 1200)),
        "tx_outputs,sensor=s1,node=n1,script_type=witness_v1_taproot txid=\"ab\",value=1200i,ratio=300.0,is_dust=false 7\n"
    );
    let p = point(0, -5, vec![t(""), Value::Absent, Value::Absent, Value::Integer(3), Value::Boolean(true)]);
    assert_eq!(line("s1", &p), "tx_outputs,sensor=s1,node=n1 ratio=3.0,is_dust=true -5\n", "a float stays a float");
}

#[test]
fn without_a_field_there_is_no_line() {
    let p = point(0, 1, vec![t("a"), Value::Absent, Value::Absent, Value::Float(f64::NAN), Value::Absent]);
    assert_eq!(line("s1", &p), "");
    assert_eq!(line("s1", &point(2, 1, vec![Value::Integer(7)])), "");
}

#[test]
fn text_cannot_leave_its_place() {
    let p = point(0, 1, vec![t("a b\\,c=d\ne\\"), t("x\" 1\n,y=\\\""), Value::Absent, Value::Absent, Value::Absent]);
    assert_eq!(
        line("my host", &p),
        "tx_outputs,sensor=my\\ host,node=n1,script_type=a\\ b_\\,c\\=d\\x0ae_ txid=\"x\\\" 1\\\\x0a,y=\\\\\\\"\" 1\n"
    );
}

#[test]
fn ends_of_numbers_and_times() {
    let p = |time, n| point(0, time, vec![t("a"), Value::Absent, Value::Integer(n), Value::Float(-0.0), Value::Absent]);
    assert_eq!(
        line("s", &p(i64::MIN, i64::MIN)),
        "tx_outputs,sensor=s,node=n1,script_type=a value=-9223372036854775808i,ratio=-0.0 -9223372036854775806\n"
    );
    assert!(line("s", &p(i64::MAX, i64::MAX)).ends_with("value=9223372036854775807i,ratio=-0.0 9223372036854775806\n"));
    let long = "é".repeat(80_000);
    let p = point(0, 1, vec![t("a"), t(&long), Value::Absent, Value::Absent, Value::Absent]);
    assert!(line("s", &p).len() < 61_000);
}

proptest! {
    /// Another implementation of the protocol reads back what was written.
    #[test]
    fn another_parser_reads_it_back(tag in ".{0,20}", txt in ".{0,40}", n: i64, x: f64, b: bool, time in -1_000_000_i64..i64::MAX - 1) {
        let p = point(0, time, vec![t(&tag), t(&txt), Value::Integer(n), Value::Float(x), Value::Boolean(b)]);
        let line = line("s1", &p);
        let lines: Vec<_> = influxdb_line_protocol::parse_lines(&line).collect();
        prop_assert_eq!(lines.len(), 1);
        let parsed = lines[0].as_ref().map_err(|e| TestCaseError::fail(format!("{e}: {line}")))?;
        prop_assert_eq!(parsed.timestamp, Some(time));
        let field = |name: &str| parsed.field_set.iter().find(|(k, _)| *k == name).map(|(_, v)| v.clone());
        prop_assert!(matches!(field("value"), Some(F::I64(m)) if m == n));
        prop_assert!(matches!(field("is_dust"), Some(F::Boolean(c)) if c == b));
        match field("ratio") {
            Some(F::F64(y)) => prop_assert!(x.is_finite() && y.to_bits() == x.to_bits()),
            None => prop_assert!(!x.is_finite()),
            _ => prop_assert!(false, "type of ratio"),
        }
        prop_assert!(matches!(field("txid"), Some(F::String(s)) if s.as_str() == escape(&txt)), "{}", line);
        prop_assert_eq!(parsed.field_set.len(), 3 + usize::from(x.is_finite()));
        let tags = parsed.series.tag_set.iter().flatten().count();
        prop_assert_eq!(tags, if tag.is_empty() { 2 } else { 3 });
    }
}
