//! The page as Protocol Buffers: the only format of an exposition that has native histograms.
//!
//! Messages and numbers of fields are those of `metrics.proto` (`prometheus/client_model`), as far as they are used
//! here; each family is preceded by its length.

use super::native::{Native, ZERO};
use prost::Message;

/// Name and value.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct LabelPair {
    /// Name.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// Value.
    #[prost(string, optional, tag = "2")]
    pub value: Option<String>,
}

/// A gauge, or a counter: they look alike.
#[derive(Clone, PartialEq, Message)]
pub struct Number {
    /// Value.
    #[prost(double, optional, tag = "1")]
    pub value: Option<f64>,
}

/// A bucket with a border of its own.
#[derive(Clone, PartialEq, Message)]
pub struct Bucket {
    /// Values up to the border.
    #[prost(uint64, optional, tag = "1")]
    pub cumulative_count: Option<u64>,
    /// The border.
    #[prost(double, optional, tag = "2")]
    pub upper_bound: Option<f64>,
}

/// Native buckets side by side.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct BucketSpan {
    /// Empty buckets since the span before; of the first one the number of its bucket.
    #[prost(sint32, optional, tag = "1")]
    pub offset: Option<i32>,
    /// Buckets.
    #[prost(uint32, optional, tag = "2")]
    pub length: Option<u32>,
}

/// A distribution, both ways.
#[derive(Clone, PartialEq, Message)]
pub struct Histogram {
    /// Values.
    #[prost(uint64, optional, tag = "1")]
    pub sample_count: Option<u64>,
    /// Their sum.
    #[prost(double, optional, tag = "2")]
    pub sample_sum: Option<f64>,
    /// Buckets with borders of their own.
    #[prost(message, repeated, tag = "3")]
    pub bucket: Vec<Bucket>,
    /// How fine the native buckets are.
    #[prost(sint32, optional, tag = "5")]
    pub schema: Option<i32>,
    /// What counts as zero.
    #[prost(double, optional, tag = "6")]
    pub zero_threshold: Option<f64>,
    /// Zeros.
    #[prost(uint64, optional, tag = "7")]
    pub zero_count: Option<u64>,
    /// Where native buckets are.
    #[prost(message, repeated, tag = "12")]
    pub positive_span: Vec<BucketSpan>,
    /// What each holds more than the one before.
    #[prost(sint64, repeated, packed = "false", tag = "13")]
    pub positive_delta: Vec<i64>,
}

/// A sample.
#[derive(Clone, PartialEq, Message)]
pub struct Metric {
    /// Labels.
    #[prost(message, repeated, tag = "1")]
    pub label: Vec<LabelPair>,
    /// Of a gauge.
    #[prost(message, optional, tag = "2")]
    pub gauge: Option<Number>,
    /// Of a counter.
    #[prost(message, optional, tag = "3")]
    pub counter: Option<Number>,
    /// Of a histogram.
    #[prost(message, optional, tag = "7")]
    pub histogram: Option<Histogram>,
}

/// All samples of one name.
#[derive(Clone, PartialEq, Message)]
pub struct MetricFamily {
    /// Name.
    #[prost(string, optional, tag = "1")]
    pub name: Option<String>,
    /// Help.
    #[prost(string, optional, tag = "2")]
    pub help: Option<String>,
    /// 0 counter, 1 gauge, 4 histogram.
    #[prost(int32, optional, tag = "3")]
    pub kind: Option<i32>,
    /// Samples.
    #[prost(message, repeated, tag = "4")]
    pub metric: Vec<Metric>,
}

impl MetricFamily {
    /// Without samples yet; `kind` as in the text format.
    pub fn new(name: &str, kind: &str, help: &str) -> Self {
        let kind = match kind {
            "counter" => 0,
            "histogram" => 4,
            _ => 1,
        };
        Self { name: Some(name.to_owned()), help: Some(help.to_owned()), kind: Some(kind), metric: Vec::new() }
    }

    /// Adds a sample of a counter or a gauge.
    pub fn number(&mut self, label: Vec<LabelPair>, value: f64) {
        let number = Some(Number { value: Some(value) });
        let (counter, gauge) = if self.kind == Some(0) { (number, None) } else { (None, number) };
        self.metric.push(Metric { label, gauge, counter, histogram: None });
    }

    /// Adds a distribution: `counts` of the buckets up to `bounds`, and of the one beyond.
    pub fn histogram(&mut self, label: Vec<LabelPair>, bounds: &[f64], counts: &[u64], sum: f64, native: &Native) {
        let mut total = 0;
        let bucket = |(bound, n): (&f64, &u64)| {
            total += n;
            Bucket { cumulative_count: Some(total), upper_bound: Some(*bound) }
        };
        let bucket = bounds.iter().chain(&[f64::INFINITY]).zip(counts).map(bucket).collect();
        let (positive_span, positive_delta) = spans(native);
        let histogram = Some(Histogram {
            sample_count: Some(counts.iter().sum()),
            sample_sum: Some(sum),
            bucket,
            schema: Some(native.schema),
            zero_threshold: Some(ZERO),
            zero_count: Some(native.zero),
            positive_span,
            positive_delta,
        });
        self.metric.push(Metric { label, gauge: None, counter: None, histogram });
    }
}

/// A label.
pub fn label(name: &str, value: &str) -> LabelPair {
    LabelPair { name: Some(name.to_owned()), value: Some(value.to_owned()) }
}

/// Native buckets as spans of neighbours, and differences from one to the next.
fn spans(native: &Native) -> (Vec<BucketSpan>, Vec<i64>) {
    let (mut spans, mut deltas): (Vec<BucketSpan>, Vec<i64>) = (Vec::new(), Vec::new());
    let (mut next, mut before) = (0, 0);
    for (bucket, n) in &native.buckets {
        match spans.last_mut() {
            Some(span) if *bucket == next => span.length = span.length.map(|l| l + 1),
            _ => spans.push(BucketSpan { offset: Some(bucket - next), length: Some(1) }),
        }
        deltas.push(*n as i64 - before);
        (next, before) = (bucket + 1, *n as i64);
    }
    // Without a bucket and without a zero nothing else says that it is a native histogram.
    if spans.is_empty() && native.zero == 0 {
        spans.push(BucketSpan { offset: Some(0), length: Some(0) });
    }
    (spans, deltas)
}

/// The families, each behind its length.
pub fn encode(families: &[MetricFamily]) -> Vec<u8> {
    families.iter().flat_map(Message::encode_length_delimited_to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_a_span() {
        let mut native = Native::default();
        native.buckets.extend([(-3, 5), (-2, 2), (4, 7), (5, 7)]);
        let span = |offset, length| BucketSpan { offset: Some(offset), length: Some(length) };
        assert_eq!(spans(&native), (vec![span(-3, 2), span(5, 2)], vec![5, -3, 5, 0]));
        assert_eq!(spans(&Native::default()), (vec![span(0, 0)], vec![]));
    }

    #[test]
    fn bytes_as_the_schema_says() {
        let mut family = MetricFamily::new("a_total", "counter", "h");
        family.number(vec![label("k", "v")], 1.0);
        // Length, name, help, kind 0, a metric of a label and a counter.
        let wanted =
            b"\x23\x0a\x07a_total\x12\x01h\x18\x00\x22\x13\x0a\x06\x0a\x01k\x12\x01v\x1a\x09\x09\0\0\0\0\0\0\xf0\x3f";
        assert_eq!(encode(&[family]), wanted);
    }
}
