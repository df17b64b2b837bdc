// The continuous query of this name as a task of InfluxDB 2.x. Made of tests/dashboards/rollups.rs.
import "date"

option task = {name: "crawler_visits_1h", every: 10m}

points = (column) =>
    from(bucket: "btcdmon")
        |> range(start: date.sub(d: 1h, from: date.truncate(t: now(), unit: 1h)))
        |> filter(fn: (r) => r._measurement == "peers" and r._field == column and r.user_agent =~ /(?i)bitnodes|bitcoin-?seeder|dnsseed|seeder|snoopy|crawl|btc-?scan|scanner|monitor|nodemap|explorer|recorder|probe|kastel/)
        |> keep(columns: ["_time", "_value", "sensor", "node", "user_agent"])
        |> group(columns: ["sensor", "node", "user_agent"])

store = (field, tables=<-) =>
    tables
        |> set(key: "_measurement", value: "crawler_visits_1h")
        |> set(key: "_field", value: field)
        |> to(bucket: "btcdmon/rollups")

figure = (field, fn, tables=<-) =>
    tables
        |> aggregateWindow(every: 1h, fn: fn, createEmpty: false, timeSrc: "_start")
        |> store(field: field)

points(column: "version")
    |> figure(field: "visits", fn: count)
