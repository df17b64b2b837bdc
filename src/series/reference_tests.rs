use super::*;

const fn column(name: &'static str, t: Type, unit: &'static str, tag: bool, help: &'static str) -> Column {
    Column { name, kind_of_value: t, kind: Kind::Inferred, unit, tag, help }
}

const LIST: &[Series] = &[
    Series {
        name: "tx_fees",
        cadence: Cadence::Event,
        help: "Fees, when <all> prevouts are known.",
        columns: &[
            column("transport", Type::Text, "", true, "`v1|v2`, `<x>`."),
            column("tx_fee", Type::Integer, "sat", false, "Fee."),
        ],
    },
    Series { name: "gap", cadence: Cadence::Interval, help: "Nothing.", columns: &[] },
];

#[test]
fn markdown_has_a_heading_and_a_row_per_column() {
    let text = markdown(LIST);
    let at = text.find("## tx_fees").unwrap();
    assert_eq!(
        &text[at..],
        "## tx_fees\n\n\
         Fees, when &lt;all> prevouts are known. One point per event.\n\n\
         | column | type | unit | kind | meaning |\n|---|---|---|---|---|\n\
         | `transport` | text, tag |  | inferred | `v1\\|v2`, `<x>`. |\n\
         | `tx_fee` | integer | sat | inferred | Fee. |\n\n\
         ## gap\n\nNothing. One point per node and interval.\n\nNo columns besides the common ones.\n"
    );
    assert!(text[..at].contains("| `time` | integer | ns since 1970 | exact |"), "{text}");
    assert!(text[..at].contains("- [`tx_fees`](#tx_fees): Fees"), "{text}");
}

#[test]
fn overview_is_aligned_and_wrapped() {
    assert_eq!(overview(LIST, 80), "tx_fees  Fees, when <all> prevouts are known.\ngap      Nothing.\n");
    assert_eq!(overview(LIST, 24), "tx_fees\n    Fees, when <all>\n    prevouts are known.\ngap\n    Nothing.\n");
}

#[test]
fn describes_one_series_with_units_and_tags() {
    let text = describe(find(LIST, "tx_fees").unwrap(), 80);
    assert!(text.starts_with("tx_fees (event)\n  Fees, when"), "{text}");
    assert!(text.contains("\n  transport: text, inferred, tag\n      `v1|v2`, `<x>`.\n"), "{text}");
    assert!(text.ends_with("\n  tx_fee: integer, sat, inferred\n      Fee.\n"), "{text}");
    assert!(find(LIST, "nope").is_none());
}

#[test]
fn json_can_be_read_again() {
    let parsed: Json = serde_json::from_str(&json(LIST)).unwrap();
    assert_eq!(parsed[0]["columns"][4]["unit"], "sat");
    assert_eq!(parsed[0]["columns"][3]["tag"], true);
    assert_eq!(parsed[1]["columns"].as_array().unwrap().len(), 3);
}
