// The continuous query of this name as a task of InfluxDB 2.x. Made of tests/dashboards/rollups.rs.
import "date"

option task = {name: "tx_outputs_1h", every: 10m}

points = (column) =>
    from(bucket: "btcdmon")
        |> range(start: date.sub(d: 1h, from: date.truncate(t: now(), unit: 1h)))
        |> filter(fn: (r) => r._measurement == "tx_outputs" and r._field == column)
        |> keep(columns: ["_time", "_value", "sensor", "node", "script_type"])
        |> group(columns: ["sensor", "node", "script_type"])

store = (field, tables=<-) =>
    tables
        |> set(key: "_measurement", value: "tx_outputs_1h")
        |> set(key: "_field", value: field)
        |> to(bucket: "btcdmon/rollups")

figure = (field, fn, tables=<-) =>
    tables
        |> aggregateWindow(every: 1h, fn: fn, createEmpty: false, timeSrc: "_start")
        |> store(field: field)

points(column: "n")
    |> figure(field: "outputs", fn: count)
