// The continuous query of this name as a task of InfluxDB 2.x. Made of tests/dashboards/rollups.rs.
import "date"

option task = {name: "tx_fees_1h", every: 10m}

points = (column) =>
    from(bucket: "btcdmon")
        |> range(start: date.sub(d: 1h, from: date.truncate(t: now(), unit: 1h)))
        |> filter(fn: (r) => r._measurement == "tx_fees" and r._field == column)
        |> keep(columns: ["_time", "_value", "sensor", "node"])
        |> group(columns: ["sensor", "node"])

store = (field, tables=<-) =>
    tables
        |> set(key: "_measurement", value: "tx_fees_1h")
        |> set(key: "_field", value: field)
        |> to(bucket: "btcdmon/rollups")

figure = (field, fn, tables=<-) =>
    tables
        |> aggregateWindow(every: 1h, fn: fn, createEmpty: false, timeSrc: "_start")
        |> store(field: field)

points(column: "tx_fee")
    |> window(every: 1h)
    |> group(columns: ["sensor", "node", "_start", "_value"])
    |> duplicate(column: "_value", as: "n")
    |> count(column: "n")
    |> group(columns: ["sensor", "node", "_start"])
    |> sort(columns: ["_value"])
    |> max(column: "n")
    |> keep(columns: ["_start", "_value", "sensor", "node"])
    |> rename(columns: {_start: "_time"})
    |> group(columns: ["sensor", "node"])
    |> store(field: "mode")

points(column: "tx_fee")
    |> figure(field: "mean", fn: mean)

points(column: "tx_fee")
    |> figure(field: "max", fn: max)
