//! The figures that InfluxDB computes ahead, so that the dashboards do not: one list, of which the continuous queries of
//! InfluxDB 1.x and the tasks of 2.x are made. Both write the same measurements of the same fields and tags.

use btcdmon::series::{SERIES, Type};
use std::fmt::Write as _;

/// What is computed of a column.
#[derive(Clone, Copy, Debug)]
pub enum Figure {
    Count,
    Sum,
    Mean,
    Max,
    Median,
    /// The most frequent value; which of several, the databases do not agree on.
    Mode,
    /// Sample standard deviation.
    Deviation,
    /// Percentile by nearest rank.
    Percentile(u8),
}

/// Which points count.
pub enum Only {
    /// A tag or text column is this.
    Is(&'static str, &'static str),
    /// A tag or text column matches this pattern.
    Matches(&'static str, &'static str),
}

/// One measurement of the retention policy (1.x) or bucket (2.x) `rollups`.
pub struct Rollup {
    pub name: &'static str,
    pub series: &'static str,
    /// Interval, as both languages write it.
    pub each: &'static str,
    pub only: &'static [Only],
    /// Tags besides `sensor` and `node`.
    pub tags: &'static [&'static str],
    /// Field, figure, column.
    pub fields: &'static [(&'static str, Figure, &'static str)],
}

use Figure::{Count, Deviation, Max, Mean, Median, Mode, Percentile, Sum};

const READABLE: &[Only] = &[Only::Is("transport", "v1")];

pub const ROLLUPS: &[Rollup] = &[
    Rollup {
        name: "tx_size_percentiles_1h",
        series: "tx",
        each: "1h",
        only: READABLE,
        tags: &[],
        fields: &[
            ("p5", Percentile(5), "tx_size"),
            ("p10", Percentile(10), "tx_size"),
            ("p20", Percentile(20), "tx_size"),
            ("p30", Percentile(30), "tx_size"),
            ("p40", Percentile(40), "tx_size"),
            ("p50", Percentile(50), "tx_size"),
            ("p60", Percentile(60), "tx_size"),
            ("p70", Percentile(70), "tx_size"),
            ("p80", Percentile(80), "tx_size"),
            ("p90", Percentile(90), "tx_size"),
            ("p95", Percentile(95), "tx_size"),
        ],
    },
    Rollup {
        name: "tx_fees_1h",
        series: "tx_fees",
        each: "1h",
        only: &[],
        tags: &[],
        fields: &[("mode", Mode, "tx_fee"), ("mean", Mean, "tx_fee"), ("max", Max, "tx_fee")],
    },
    Rollup {
        name: "tx_fee_rates_10m",
        series: "tx_fees",
        each: "10m",
        only: &[],
        tags: &[],
        fields: &[
            ("p10", Percentile(10), "fee_rate"),
            ("p50", Percentile(50), "fee_rate"),
            ("p90", Percentile(90), "fee_rate"),
        ],
    },
    Rollup {
        name: "block_fees_1h",
        series: "processed_blocks",
        each: "1h",
        only: &[],
        tags: &[],
        fields: &[
            ("fees", Sum, "total_tx_fees"),
            ("deviation", Deviation, "total_tx_fees"),
            ("mean", Mean, "total_tx_fees"),
            ("blocks", Count, "sha"),
        ],
    },
    Rollup {
        name: "block_relay_1h",
        series: "processed_blocks",
        each: "1h",
        only: READABLE,
        tags: &[],
        fields: &[
            ("blocks", Count, "via"),
            ("process_time", Mean, "process_time"),
            ("relay_time", Mean, "relay_time"),
            ("announce_to_data", Mean, "announce_to_data"),
            ("missing_tx", Mean, "missing_tx"),
        ],
    },
    Rollup {
        name: "blocks_compact_1h",
        series: "processed_blocks",
        each: "1h",
        only: &[Only::Is("transport", "v1"), Only::Matches("via", "^cmpct")],
        tags: &[],
        fields: &[("blocks", Count, "via")],
    },
    Rollup {
        name: "blocks_fallback_1h",
        series: "processed_blocks",
        each: "1h",
        only: &[Only::Is("transport", "v1"), Only::Is("via", "block fallback")],
        tags: &[],
        fields: &[("blocks", Count, "via")],
    },
    Rollup {
        name: "tx_outputs_1h",
        series: "tx_outputs",
        each: "1h",
        only: &[],
        tags: &["script_type"],
        fields: &[("outputs", Count, "n")],
    },
    Rollup {
        name: "msg_sent_1h",
        series: "msg_sent",
        each: "1h",
        only: READABLE,
        tags: &[],
        fields: &[("inv", Sum, "inv"), ("inv_known", Sum, "inv_known")],
    },
    Rollup {
        name: "crawler_visits_1h",
        series: "peers",
        each: "1h",
        only: &[Only::Matches("user_agent", concat!("(?i)", crawlers!()))],
        tags: &["user_agent"],
        fields: &[("visits", Count, "version")],
    },
    Rollup {
        name: "peer_heights_10m",
        series: "peers",
        each: "10m",
        only: &[],
        tags: &[],
        fields: &[("median", Median, "start_height"), ("max", Max, "start_height")],
    },
];

/// How often the figures are computed, for the interval that runs and the one before: points that come late count.
const EVERY: &str = "10m";

impl Rollup {
    /// Tags by which the figures are told apart.
    pub fn by(&self) -> impl Iterator<Item = &'static str> {
        ["sensor", "node"].into_iter().chain(self.tags.iter().copied())
    }

    fn twice(&self) -> String {
        let digits = self.each.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        format!("{}{}", digits.parse::<u32>().unwrap() * 2, &self.each[digits.len()..])
    }

    fn is_tag(&self, column: &str) -> bool {
        let series = SERIES.iter().find(|s| s.name == self.series).unwrap();
        series.columns.iter().find(|c| c.name == column).unwrap_or_else(|| panic!("{}: {column}", self.name)).tag
    }

    fn is_integer(&self, column: &str) -> bool {
        let series = SERIES.iter().find(|s| s.name == self.series).unwrap();
        series.columns.iter().any(|c| c.name == column && c.kind_of_value == Type::Integer)
    }

    fn continuous_query(&self) -> String {
        let fields: Vec<String> = (self.fields.iter())
            .map(|(field, figure, column)| match figure {
                Percentile(p) => format!("percentile(\"{column}\", {p}) AS \"{field}\""),
                _ => format!("{}(\"{column}\") AS \"{field}\"", figure.influxql()),
            })
            .collect();
        let only: Vec<String> = (self.only.iter())
            .map(|o| match o {
                Only::Is(column, value) => format!("\"{column}\" = '{value}'"),
                Only::Matches(column, pattern) => format!("\"{column}\" =~ /{pattern}/"),
            })
            .collect();
        let only = if only.is_empty() { String::new() } else { format!(" WHERE {}", only.join(" AND ")) };
        let by: Vec<String> = self.by().map(|t| format!("\"{t}\"")).collect();
        format!(
            "CREATE CONTINUOUS QUERY \"{0}\" ON \"btcdmon\" RESAMPLE EVERY {EVERY} FOR {1} BEGIN SELECT {2} INTO \
             \"rollups\".\"{0}\" FROM \"{3}\"{only} GROUP BY time({4}), {5} END;\n",
            self.name,
            self.twice(),
            fields.join(", "),
            self.series,
            self.each,
            by.join(", ")
        )
    }

    /// The task as InfluxDB 2.x takes it.
    pub fn task(&self) -> String {
        let quoted = |words: &[&str]| words.iter().map(|w| format!("\"{w}\"")).collect::<Vec<_>>().join(", ");
        let by: Vec<&str> = self.by().collect();
        let mut only = String::new();
        for o in self.only {
            // A tag stands in every row, a field is the value of rows of its own.
            let r = |column: &str| {
                let counted = self.fields.iter().all(|(_, _, c)| *c == column);
                assert!(self.is_tag(column) || counted, "{}: {column} is neither a tag nor what is counted", self.name);
                if self.is_tag(column) { format!("r.{column}") } else { "r._value".to_owned() }
            };
            let _ = match o {
                Only::Is(column, value) => write!(only, " and {} == \"{value}\"", r(column)),
                Only::Matches(column, pattern) => write!(only, " and {} =~ /{pattern}/", r(column)),
            };
        }
        let Self { name, series, each, .. } = self;
        let mut text = format!(
            "// The continuous query of this name as a task of InfluxDB 2.x. Made of tests/dashboards/rollups.rs.\n\
             import \"date\"\n\n\
             option task = {{name: \"{name}\", every: {EVERY}}}\n\n\
             points = (column) =>\n    from(bucket: \"btcdmon\")\n        \
             |> range(start: date.sub(d: {each}, from: date.truncate(t: now(), unit: {each})))\n        \
             |> filter(fn: (r) => r._measurement == \"{series}\" and r._field == column{only})\n        \
             |> keep(columns: [\"_time\", \"_value\", {by}])\n        \
             |> group(columns: [{by}])\n\n\
             store = (field, tables=<-) =>\n    tables\n        \
             |> set(key: \"_measurement\", value: \"{name}\")\n        \
             |> set(key: \"_field\", value: field)\n        \
             |> to(bucket: \"btcdmon/rollups\")\n\n\
             figure = (field, fn, tables=<-) =>\n    tables\n        \
             |> aggregateWindow(every: {each}, fn: fn, createEmpty: false, timeSrc: \"_start\")\n        \
             |> store(field: field)\n",
            by = quoted(&by),
        );
        if self.fields.iter().any(|(_, f, _)| matches!(f, Percentile(_))) {
            text += "\npercentile = (q) =>\n    (column, tables=<-) =>\n        tables\n            \
                     |> quantile(column: column, q: q, method: \"exact_selector\")\n";
        }
        for (field, figure, column) in self.fields {
            let steps = figure.flux(field, each, &quoted(&by), self.is_integer(column));
            let _ = write!(text, "\npoints(column: \"{column}\")\n{steps}");
        }
        text
    }
}

impl Figure {
    fn influxql(self) -> &'static str {
        match self {
            Count => "count",
            Sum => "sum",
            Mean => "mean",
            Max => "max",
            Median => "median",
            Mode => "mode",
            Deviation => "stddev",
            Percentile(_) => "percentile",
        }
    }

    /// From points to a figure each interval, stored at its begin.
    fn flux(self, field: &str, each: &str, by: &str, integer: bool) -> String {
        let function = match self {
            Percentile(p) => format!("percentile(q: {})", f64::from(p) / 100.0),
            // mode() has no value where all values are as frequent: here the least of them is.
            Mode => {
                return format!(
                    "    |> window(every: {each})\n    \
                     |> group(columns: [{by}, \"_start\", \"_value\"])\n    \
                     |> duplicate(column: \"_value\", as: \"n\")\n    \
                     |> count(column: \"n\")\n    \
                     |> group(columns: [{by}, \"_start\"])\n    \
                     |> sort(columns: [\"_value\"])\n    \
                     |> max(column: \"n\")\n    \
                     |> keep(columns: [\"_start\", \"_value\", {by}])\n    \
                     |> rename(columns: {{_start: \"_time\"}})\n    \
                     |> group(columns: [{by}])\n    \
                     |> store(field: \"{field}\")\n"
                );
            }
            _ => self.influxql().to_owned(),
        };
        let float = if integer && matches!(self, Median) { "    |> toFloat()\n" } else { "" };
        format!("{float}    |> figure(field: \"{field}\", fn: {function})\n")
    }
}

/// The file for InfluxDB 1.x, a statement a line.
pub fn continuous_queries() -> String {
    let mut text = "-- Figures that the dashboards use, computed ahead, for InfluxDB 1.x: influx < continuous-queries.iql\n\
                    -- Made of tests/dashboards/rollups.rs. The names of the size percentiles follow the original btcdmon.\n\
                    CREATE RETENTION POLICY \"rollups\" ON \"btcdmon\" DURATION INF REPLICATION 1;\n"
        .to_owned();
    text.extend(ROLLUPS.iter().map(Rollup::continuous_query));
    text
}
