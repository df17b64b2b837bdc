//! What a dashboard is, and the JSON that Grafana 12 reads.

use serde_json::{Value, json};

/// Where a dashboard gets its figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// InfluxQL.
    Influx,
    /// PromQL.
    Prometheus,
}

impl Source {
    pub const ALL: [Self; 2] = [Self::Influx, Self::Prometheus];

    pub fn name(self) -> &'static str {
        match self {
            Self::Influx => "influxdb",
            Self::Prometheus => "prometheus",
        }
    }
}

/// A query and what its lines are called.
pub type Target = (&'static str, &'static str);

/// One panel.
pub struct Panel {
    pub title: &'static str,
    /// What it shows, and what limits it.
    pub help: &'static str,
    /// Grafana's name of the unit.
    pub unit: &'static str,
    /// Width: 24 is a whole row.
    pub width: u32,
    /// Bars instead of lines.
    pub bars: bool,
    pub influx: &'static [Target],
    pub prometheus: &'static [Target],
}

/// Panels under a heading.
pub struct Row {
    pub title: &'static str,
    pub panels: &'static [Panel],
}

/// One dashboard.
pub struct Dashboard {
    pub name: &'static str,
    pub title: &'static str,
    pub rows: &'static [Row],
}

impl Panel {
    pub fn targets(&self, source: Source) -> &'static [Target] {
        match source {
            Source::Influx => self.influx,
            Source::Prometheus => self.prometheus,
        }
    }

    fn json(&self, id: u32, source: Source, at: (u32, u32)) -> Value {
        let targets: Vec<Value> = (self.targets(source).iter().zip('A'..))
            .map(|((alias, query), letter)| match source {
                Source::Influx => json!({ "refId": letter.to_string(), "datasource": data_source(source),
                    "query": query, "rawQuery": true, "resultFormat": "time_series", "alias": alias }),
                Source::Prometheus => json!({ "refId": letter.to_string(), "datasource": data_source(source),
                    "expr": query, "legendFormat": alias, "range": true, "editorMode": "code" }),
            })
            .collect();
        json!({
            "id": id, "type": "timeseries", "title": self.title, "description": self.help,
            "datasource": data_source(source),
            "gridPos": { "x": at.0, "y": at.1, "w": self.width, "h": 8 },
            "fieldConfig": { "defaults": { "unit": self.unit, "custom": {
                "drawStyle": if self.bars { "bars" } else { "line" }, "fillOpacity": if self.bars { 60 } else { 8 },
                "lineWidth": 1, "showPoints": "auto", "spanNulls": true } }, "overrides": [] },
            "options": { "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
                "tooltip": { "mode": "multi", "sort": "desc" } },
            "targets": targets,
        })
    }
}

fn data_source(source: Source) -> Value {
    json!({ "type": source.name(), "uid": format!("btcdmon-{}", source.name()) })
}

impl Dashboard {
    pub fn file(&self, source: Source) -> String {
        format!("{}-{}.json", self.name, source.name())
    }

    pub fn panels(&self) -> impl Iterator<Item = &'static Panel> {
        self.rows.iter().flat_map(|r| r.panels)
    }

    /// The file's text.
    pub fn json(&self, source: Source) -> String {
        let mut panels = Vec::new();
        let (mut id, mut y) = (0, 0);
        let mut next = || {
            id += 1;
            id
        };
        for row in self.rows {
            panels.push(json!({ "id": next(), "type": "row", "title": row.title, "collapsed": false, "panels": [],
                "gridPos": { "x": 0, "y": y, "w": 24, "h": 1 } }));
            y += 1;
            let mut x = 0;
            for panel in row.panels {
                if x + panel.width > 24 {
                    x = 0;
                    y += 8;
                }
                panels.push(panel.json(next(), source, (x, y)));
                x += panel.width;
            }
            y += 8;
        }
        let query = match source {
            Source::Influx => "SHOW TAG VALUES FROM \"bandwidth\" WITH KEY = \"node\"",
            Source::Prometheus => "label_values(btcdmon_bandwidth_bytes_recv_total, node)",
        };
        let variable = json!({ "name": "node", "label": "Node", "type": "query", "datasource": data_source(source),
            "query": query, "refresh": 2, "includeAll": true, "multi": true, "allValue": ".*",
            "current": { "text": "All", "value": "$__all" } });
        let dashboard = json!({
            "uid": format!("btcdmon-{}-{}", self.name, source.name()),
            "title": format!("{} ({})", self.title, source.name()),
            "tags": ["btcdmon", "bitcoin"], "schemaVersion": 41, "version": 1, "editable": true,
            "time": { "from": "now-6h", "to": "now" }, "refresh": "30s", "timezone": "browser",
            "graphTooltip": 1, "templating": { "list": [variable] }, "panels": panels,
        });
        format!("{dashboard:#}\n")
    }
}

/// A summary without the value, which is 1 here.
fn plain(summary: &str) -> String {
    let mut out = String::new();
    for (i, part) in summary.split("{{ $value").enumerate() {
        out.push_str(if i == 0 { part } else { part.split_once("}}").map_or("", |p| p.1) });
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The alerts of `deploy/prometheus/alerts.yml` as rules that Grafana evaluates itself (a provisioning file; JSON is YAML).
pub fn grafana_alerts(yaml: &str) -> String {
    let rules: Vec<Value> = yaml
        .split("- alert: ")
        .skip(1)
        .map(|block| {
            let name = block.lines().next().unwrap();
            let after = |key: &str| block.lines().find_map(|l| l.trim().strip_prefix(key)).unwrap_or_default();
            let text = |key: &str| after(key).trim_matches('"');
            let wait = if after("for: ").is_empty() { "0s" } else { after("for: ") };
            let severity = after("labels: { severity: ").trim_end_matches(" }");
            // What fires has a value; whatever it is, the condition sees 1.
            let expr = format!("({}) * 0 + 1", after("expr: "));
            let summary = plain(&text("summary: "));
            json!({
                "uid": name.to_lowercase(), "title": name, "condition": "B", "for": wait,
                "noDataState": "OK", "execErrState": "Error",
                "labels": { "severity": severity },
                "annotations": { "summary": summary, "runbook": text("runbook: ") },
                "data": [
                    { "refId": "A", "datasourceUid": "btcdmon-prometheus", "relativeTimeRange": { "from": 600, "to": 0 },
                      "model": { "refId": "A", "expr": expr, "instant": true } },
                    { "refId": "B", "datasourceUid": "__expr__", "relativeTimeRange": { "from": 0, "to": 0 },
                      "model": { "refId": "B", "type": "threshold", "expression": "A",
                                 "conditions": [{ "evaluator": { "type": "gt", "params": [0] } }] } },
                ],
            })
        })
        .collect();
    let file = json!({ "apiVersion": 1, "groups": [
        { "orgId": 1, "name": "btcdmon", "folder": "btcdmon", "interval": "1m", "rules": rules }] });
    format!("{file:#}\n")
}
