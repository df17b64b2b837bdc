// The continuous query of this name as a task of InfluxDB 2.x. Made of tests/dashboards/rollups.rs.
import "date"

option task = {name: "tx_fee_rates_10m", every: 10m}

points = (column) =>
    from(bucket: "btcdmon")
        |> range(start: date.sub(d: 10m, from: date.truncate(t: now(), unit: 10m)))
        |> filter(fn: (r) => r._measurement == "tx_fees" and r._field == column)
        |> keep(columns: ["_time", "_value", "sensor", "node"])
        |> group(columns: ["sensor", "node"])

store = (field, tables=<-) =>
    tables
        |> set(key: "_measurement", value: "tx_fee_rates_10m")
        |> set(key: "_field", value: field)
        |> to(bucket: "btcdmon/rollups")

figure = (field, fn, tables=<-) =>
    tables
        |> aggregateWindow(every: 10m, fn: fn, createEmpty: false, timeSrc: "_start")
        |> store(field: field)

percentile = (q) =>
    (column, tables=<-) =>
        tables
            |> quantile(column: column, q: q, method: "exact_selector")

points(column: "fee_rate")
    |> figure(field: "p10", fn: percentile(q: 0.1))

points(column: "fee_rate")
    |> figure(field: "p50", fn: percentile(q: 0.5))

points(column: "fee_rate")
    |> figure(field: "p90", fn: percentile(q: 0.9))
