// The continuous query of this name as a task of InfluxDB 2.x. Made of tests/dashboards/rollups.rs.
import "date"

option task = {name: "blocks_fallback_1h", every: 10m}

points = (column) =>
    from(bucket: "btcdmon")
        |> range(start: date.sub(d: 1h, from: date.truncate(t: now(), unit: 1h)))
        |> filter(fn: (r) => r._measurement == "processed_blocks" and r._field == column and r.transport == "v1" and r._value == "block fallback")
        |> keep(columns: ["_time", "_value", "sensor", "node"])
        |> group(columns: ["sensor", "node"])

store = (field, tables=<-) =>
    tables
        |> set(key: "_measurement", value: "blocks_fallback_1h")
        |> set(key: "_field", value: field)
        |> to(bucket: "btcdmon/rollups")

figure = (field, fn, tables=<-) =>
    tables
        |> aggregateWindow(every: 1h, fn: fn, createEmpty: false, timeSrc: "_start")
        |> store(field: field)

points(column: "via")
    |> figure(field: "blocks", fn: count)
