// The continuous query of this name as a task of InfluxDB 2.x. Made of tests/dashboards/rollups.rs.
import "date"

option task = {name: "tx_size_percentiles_1h", every: 10m}

points = (column) =>
    from(bucket: "btcdmon")
        |> range(start: date.sub(d: 1h, from: date.truncate(t: now(), unit: 1h)))
        |> filter(fn: (r) => r._measurement == "tx" and r._field == column and r.transport == "v1")
        |> keep(columns: ["_time", "_value", "sensor", "node"])
        |> group(columns: ["sensor", "node"])

store = (field, tables=<-) =>
    tables
        |> set(key: "_measurement", value: "tx_size_percentiles_1h")
        |> set(key: "_field", value: field)
        |> to(bucket: "btcdmon/rollups")

figure = (field, fn, tables=<-) =>
    tables
        |> aggregateWindow(every: 1h, fn: fn, createEmpty: false, timeSrc: "_start")
        |> store(field: field)

percentile = (q) =>
    (column, tables=<-) =>
        tables
            |> quantile(column: column, q: q, method: "exact_selector")

points(column: "tx_size")
    |> figure(field: "p5", fn: percentile(q: 0.05))

points(column: "tx_size")
    |> figure(field: "p10", fn: percentile(q: 0.1))

points(column: "tx_size")
    |> figure(field: "p20", fn: percentile(q: 0.2))

points(column: "tx_size")
    |> figure(field: "p30", fn: percentile(q: 0.3))

points(column: "tx_size")
    |> figure(field: "p40", fn: percentile(q: 0.4))

points(column: "tx_size")
    |> figure(field: "p50", fn: percentile(q: 0.5))

points(column: "tx_size")
    |> figure(field: "p60", fn: percentile(q: 0.6))

points(column: "tx_size")
    |> figure(field: "p70", fn: percentile(q: 0.7))

points(column: "tx_size")
    |> figure(field: "p80", fn: percentile(q: 0.8))

points(column: "tx_size")
    |> figure(field: "p90", fn: percentile(q: 0.9))

points(column: "tx_size")
    |> figure(field: "p95", fn: percentile(q: 0.95))
