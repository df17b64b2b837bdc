//! Layers, errors with their lines, and what is shown.

use super::*;
use crate::cli::Cli;
use clap::CommandFactory as _;
use std::path::Path;

fn read(text: &str) -> Result<File, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("btcdmon.toml");
    std::fs::write(&path, text).unwrap();
    File::read(&path, &Cli::command()).map_err(|e| e.to_string().replace(folder.path().to_str().unwrap(), ""))
}

fn error(text: &str) -> String {
    read(text).unwrap_err()
}

#[test]
fn the_command_line_wins_over_the_file_and_that_over_the_default() {
    let file = read("[live]\ninterval = \"1m\"\nport = [18444, \"8334\"]\nquiet = true\nkeep = 3\n").unwrap();
    let command = with_file(Cli::command(), &file);
    command.clone().debug_assert();
    let get = |line: &[&str]| {
        let m = command.clone().try_get_matches_from(line).unwrap();
        let m = m.subcommand_matches("live").unwrap().clone();
        let ports: Vec<u16> = m.get_many("port").unwrap().copied().collect();
        (
            *m.get_one::<i64>("interval").unwrap() / 1_000_000_000,
            ports,
            m.get_flag("quiet"),
            *m.get_one::<u32>("keep").unwrap(),
        )
    };
    assert_eq!(get(&["btcdmon", "live"]), (60, vec![18444, 8334], true, 3));
    assert_eq!(get(&["btcdmon", "live", "--interval", "1s", "--port", "1"]), (1, vec![1], true, 3));
}

#[test]
fn wrong_keys_and_values_are_named_with_their_line() {
    assert_eq!(
        error("# comment\n[live]\n\nintervall = \"1s\"\n"),
        "/btcdmon.toml:4: unknown key `intervall` in [live]; did you mean `interval`?"
    );
    assert_eq!(
        error("[live]\nlog_interval = \"1s\"\n"),
        "/btcdmon.toml:2: unknown key `log_interval` in [live]; did you mean `log-interval`?"
    );
    assert_eq!(error("\n[life]\n"), "/btcdmon.toml:2: there is no command `life`; did you mean [live]?");
    assert!(error("quiet = true").contains(":1: the key `quiet` stands in no table"));
    assert!(error("live = 3").contains(":1: `live` is a table") || error("live = 3").contains("stands in no table"));
    assert_eq!(
        error("[live]\nquiet = true\ninterval = \"1 fortnight\"\n"),
        "/btcdmon.toml:3: bad value 1 fortnight for `interval` in [live]: expected a number and a unit, for example 10s, 1m or 1h"
    );
    let e = error("[replay]\nchecksums = \"perhaps\"\n");
    assert_eq!(e, "/btcdmon.toml:2: bad value perhaps for `checksums` in [replay]: possible values: auto, on, off");
    assert!(error("[live]\nport = [8333,\n 99999]\n").starts_with("/btcdmon.toml:2: bad value 8333, 99999 for `port`"));
    assert!(error("[live]\nquiet = 1\n").ends_with(":2: expected true or false"));
    assert!(error("[live]\nstore = [1, 2]\n").ends_with(":2: expected a single value here"));
    assert!(error("[live]\nnode = { a = 1 }\n").ends_with("expected a single value here"));
    assert!(error("[live\n").starts_with("/btcdmon.toml:1: "));
    assert!(error("[live]\nconfig = \"x\"\n").contains("unknown key `config`"));
    let missing = File::read(Path::new("/nonexistent/x.toml"), &Cli::command()).unwrap_err().to_string();
    assert!(missing.starts_with("/nonexistent/x.toml: cannot read the configuration: "));
}

#[test]
fn what_is_shown_can_be_read_again() {
    let file = read("[live]\nnode = [\"home=192.0.2.7\"]\nrotate = \"2G\"\n").unwrap();
    let shown = effective(&with_file(Cli::command(), &file), "live", &file).unwrap();
    assert!(shown.contains("\nrotate = \"2G\"  # from ") && shown.contains("btcdmon.toml:3"), "{shown}");
    assert!(
        shown.contains("\n# keep =")
            && shown.contains("\nquiet = false")
            && shown.contains("\nnode = [\"home=192.0.2.7\"]")
    );
    let again = read(&shown).unwrap();
    let values = |f: &File, key: &str| f.entries().find(|e| e.1 == key).map(|e| e.2.to_vec());
    for key in ["node", "rotate", "interval", "buffer", "checksums", "max-connections"] {
        assert!(values(&again, key).is_some(), "{key}");
    }
    assert_eq!(values(&again, "rotate"), values(&file, "rotate"));
}

#[test]
fn every_option_has_a_variable_of_its_own() {
    let command = with_environment(Cli::command());
    command.clone().debug_assert();
    for sub in command.get_subcommands() {
        for arg in sub.get_arguments().filter(|a| is_option(a)) {
            let name = arg.get_env().unwrap_or_else(|| panic!("{}", arg.get_id())).to_str().unwrap().to_owned();
            assert_eq!(name, variable(arg.get_long().unwrap()));
        }
    }
}

#[test]
fn finds_the_path() {
    let line = |words: &[&str]| path(&words.iter().map(OsString::from).collect::<Vec<_>>());
    assert_eq!(line(&["btcdmon", "live", "--config", "a.toml"]), Some(("a.toml".into(), true)));
    assert_eq!(line(&["btcdmon", "--config=b.toml", "live"]), Some(("b.toml".into(), true)));
    assert_ne!(line(&["btcdmon", "replay", "--", "--config=c.toml"]), Some(("c.toml".into(), true)));
}

#[test]
fn the_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/config.md");
    let wanted = markdown(&Cli::command());
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap_or_default() == wanted,
        "docs/config.md is not what `btcdmon config --markdown` prints; BLESS=1 writes it"
    );
}
