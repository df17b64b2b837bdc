// The continuous query of this name as a task of InfluxDB 2.x. Made of tests/dashboards/rollups.rs.
import "date"

option task = {name: "peer_heights_10m", every: 10m}

points = (column) =>
    from(bucket: "btcdmon")
        |> range(start: date.sub(d: 10m, from: date.truncate(t: now(), unit: 10m)))
        |> filter(fn: (r) => r._measurement == "peers" and r._field == column)
        |> keep(columns: ["_time", "_value", "sensor", "node"])
        |> group(columns: ["sensor", "node"])

store = (field, tables=<-) =>
    tables
        |> set(key: "_measurement", value: "peer_heights_10m")
        |> set(key: "_field", value: field)
        |> to(bucket: "btcdmon/rollups")

figure = (field, fn, tables=<-) =>
    tables
        |> aggregateWindow(every: 10m, fn: fn, createEmpty: false, timeSrc: "_start")
        |> store(field: field)

points(column: "start_height")
    |> toFloat()
    |> figure(field: "median", fn: median)

points(column: "start_height")
    |> figure(field: "max", fn: max)
