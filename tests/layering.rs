//! The tree keeps to its own rules: imports point left along the way of the data, capture time is the
//! only clock below `app`, files stay small, names of the rules are tested.

#![allow(clippy::unwrap_used)] // a test that cannot read its tree fails

use std::fs;
use std::path::{Path, PathBuf};

/// The way of the data. A folder may import itself and what stands before it.
const CHAIN: [&str; 8] = ["capture", "decode", "flow", "message", "node", "series", "sink", "web"];
/// Serves people, whose patience and requests have a clock of their own; it measures nothing.
const SERVES: &str = "web";
/// Leaves: anyone may import them.
const LEAVES: [&str; 3] = ["time", "health", "wrap"];
/// `series` describes and the node fills in: its descriptions are made from the vocabularies of the stages
/// before it, and the node stage makes points of them.
const ALLOWED: [(&str, &str); 1] = [("node", "series")];
/// Longest file, lines.
const LONGEST: usize = 500;

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

fn all() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in ["src", "tests", "benches"] {
        if root.join(folder).is_dir() {
            sources(&root.join(folder), &mut paths);
        }
    }
    paths.retain(|p| !p.components().any(|c| c.as_os_str() == "target"));
    paths.sort();
    assert!(paths.len() > 50, "the sources were not found");
    paths.into_iter().map(|p| (p.strip_prefix(root).unwrap().to_owned(), fs::read_to_string(&p).unwrap())).collect()
}

/// The folder (or module) of `src` that a file belongs to.
fn stage(path: &Path) -> Option<String> {
    let rest = path.strip_prefix("src").ok()?;
    Some(rest.components().next()?.as_os_str().to_str()?.trim_end_matches(".rs").to_owned())
}

#[test]
fn imports_point_left() {
    let mut wrong = Vec::new();
    for (path, text) in all() {
        let Some(from) = stage(&path) else { continue };
        let Some(place) = CHAIN.iter().position(|s| *s == from) else {
            if LEAVES.contains(&from.as_str()) {
                let outside = CHAIN.iter().chain(&["app", "cli"]).find(|s| text.contains(&format!("crate::{s}")));
                if let Some(to) = outside {
                    wrong.push(format!("{}: the leaf {from} imports {to}", path.display()));
                }
            }
            continue;
        };
        for name in CHAIN.iter().skip(place + 1).copied().chain(["app", "cli"]) {
            if text.contains(&format!("crate::{name}")) && !ALLOWED.contains(&(from.as_str(), name)) {
                wrong.push(format!("{}: {from} imports {name}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nobody_imports_app() {
    let users: Vec<_> = all()
        .into_iter()
        .filter(|(p, t)| t.contains("crate::app") && !matches!(stage(p).as_deref(), Some("app" | "cli")))
        .collect();
    let names: Vec<_> = users.iter().map(|(p, _)| p.display().to_string()).filter(|p| p.starts_with("src")).collect();
    assert!(names.is_empty(), "{names:?}");
}

#[test]
fn no_clock_below_app() {
    for (path, text) in all() {
        let Some(stage) = stage(&path).filter(|s| CHAIN.contains(&s.as_str()) || LEAVES.contains(&s.as_str())) else {
            continue;
        };
        if path.to_string_lossy().contains("test") || stage == SERVES {
            continue;
        }
        for clock in ["Instant", "SystemTime"] {
            assert!(!text.contains(&format!("{clock}::")), "{}: {stage} looks at a clock ({clock})", path.display());
        }
    }
}

#[test]
fn files_stay_small() {
    let long: Vec<_> = all().into_iter().map(|(p, t)| (p, t.lines().count())).filter(|(_, n)| *n > LONGEST).collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn every_column_is_described() {
    for series in btcdmon::series::SERIES {
        assert!(!series.help.is_empty(), "{}", series.name);
        let mut names = std::collections::BTreeSet::new();
        for c in series.columns {
            assert!(
                c.help.len() >= 8 && c.help.ends_with('.') || c.help.ends_with('?'),
                "{}.{}: {:?}",
                series.name,
                c.name,
                c.help
            );
            assert!(names.insert(c.name), "{}.{} stands there twice", series.name, c.name);
            assert!(
                c.tag
                    || !matches!(c.kind_of_value, btcdmon::series::Type::Integer)
                    || !c.unit.is_empty()
                    || ["version", "services", "connection"].contains(&c.name),
                "{}.{} has no unit",
                series.name,
                c.name
            );
        }
    }
}
