//! What the commands print on a terminal: no line is wider than it, nothing of what a pipe gets is missing, and colours
//! are left out when somebody wants none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "support/terminal.rs"]
mod terminal;

use assert_cmd::Command;
use std::collections::BTreeSet;
use std::path::Path;
use terminal::Terminal;
use unicode_width::UnicodeWidthStr as _;

const BTCDMON: &str = env!("CARGO_BIN_EXE_btcdmon");
const CAPTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/btcd-v1/capture.pcap.zst");
/// Every line of the output, and those that were broken by the terminal as the one that they are.
const UNBROKEN: [&str; 3] = ["-J", "-S", "-"];
const END: &str = "-- that was all --";

fn store() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let args = ["replay", "--quiet", "--store", "x.db", CAPTURE];
    assert!(Command::new(BTCDMON).current_dir(folder.path()).args(args).output().unwrap().status.success());
    folder
}

/// What `args`, as a shell takes them, print on a terminal.
fn on_terminal(folder: &Path, columns: u16, args: &str, options: &[&str]) -> Option<String> {
    let command = format!("{BTCDMON} {args} 2>&1; printf '\\n%s\\n' '{END}'; exec sleep 600");
    let name = format!("{columns}-{}", args.split_whitespace().next().unwrap());
    let screen = Terminal::start(folder, (columns, 50), &name, &command)?.shows_with(options, END);
    Some(screen.split(END).next().unwrap().trim_end().to_owned())
}

fn letters(text: &str) -> BTreeSet<char> {
    text.chars().filter(|c| c.is_ascii() && !c.is_whitespace()).collect()
}

/// Words of a text, at most so long that no width breaks them.
fn words(text: &str) -> BTreeSet<&str> {
    text.split_whitespace().filter(|w| w.len() < 15 && w.chars().all(|c| c.is_ascii_alphanumeric())).collect()
}

#[test]
fn no_line_is_broken() {
    let folder = store();
    let peers = "query --store x.db \"SELECT rfc3339(time) AS time, user_agent, version, services, start_height FROM peers \
                 WHERE user_agent <> '' LIMIT 3\"";
    let few = "query --store x.db \"SELECT max(best_height) AS height FROM blocks\"";
    let replay = format!("replay --quiet {CAPTURE}");
    for args in [replay.as_str(), peers, few, "series", "series processed_blocks", "doctor --wait 1s --store x.db"] {
        let piped = Command::new("sh")
            .current_dir(folder.path())
            .args(["-c", &format!("{BTCDMON} {args} 2>&1")])
            .output()
            .unwrap();
        let piped = String::from_utf8(piped.stdout).unwrap();
        for columns in [80, 40] {
            let Some(text) = on_terminal(folder.path(), columns, args, &UNBROKEN) else { return };
            let widest = text.lines().map(|l| l.trim_end().width()).max().unwrap_or(0);
            assert!(widest <= usize::from(columns), "{args}: {widest} of {columns} columns:\n{text}");
            assert!(text.lines().count() >= 3, "{args} prints nothing:\n{text}");
            // A doctor finds another number of packets each time.
            if !args.starts_with("doctor") {
                let lost: Vec<_> = words(&piped).difference(&words(&text)).copied().collect();
                assert!(lost.is_empty(), "{args} at {columns} columns loses {lost:?}:\n{text}");
                assert!(letters(&piped).is_subset(&letters(&text)), "{args} at {columns} columns:\n{text}");
            }
        }
    }
}

#[test]
fn a_table_that_fits_is_the_one_that_a_pipe_gets() {
    let folder = store();
    let args = ["replay", "--quiet", CAPTURE];
    let piped = Command::new(BTCDMON).args(args).output().unwrap().stdout;
    let Some(text) = on_terminal(folder.path(), 200, &args.join(" "), &UNBROKEN) else { return };
    let text: Vec<_> = text.lines().map(str::trim_end).collect();
    assert_eq!(text, String::from_utf8(piped).unwrap().lines().collect::<Vec<_>>());
}

#[test]
fn colours_are_left_out_when_no_color_is_there_and_not_empty() {
    let folder = store();
    let top = "top --store x.db";
    for (args, needle) in [(format!("replay --quiet {CAPTURE}"), "Capture"), (top.to_owned(), "FIRST ANNOUNCER")] {
        for (value, coloured) in [("NO_COLOR=1", false), ("NO_COLOR=", true)] {
            let command = format!("{value} {BTCDMON} {args}; exec sleep 600");
            let name = format!("{}-{coloured}", args.split_whitespace().next().unwrap());
            let Some(terminal) = Terminal::start(folder.path(), (150, 120), &name, &command) else { return };
            // With what the terminal was told of letters and colours. Bold is no colour, but a summary has nothing else.
            let screen = terminal.shows_with(&["-e"], needle);
            let colour = |n: &str| n.starts_with("38;") || n.parse().is_ok_and(|n: u8| matches!(n, 30..=37 | 90..=97));
            let told = screen.split("\x1b[").skip(1).filter_map(|s| s.split_once('m')).map(|(code, _)| code);
            let shown = if args.starts_with("top") { told.clone().any(colour) } else { told.clone().any(|c| c == "1") };
            assert_eq!(shown, coloured, "{value} {args}: {:?}", told.collect::<Vec<_>>());
        }
    }
}

#[test]
fn headings_that_fit_stay_whole_and_what_is_to_be_copied_too() {
    let folder = tempfile::tempdir().unwrap();
    let args = format!("replay --quiet --store y.db {CAPTURE}");
    let Some(text) = on_terminal(folder.path(), 31, &args, &UNBROKEN) else { return };
    assert!(text.lines().any(|l| l.trim() == "Connections with most bytes"), "{text}");
    assert!(
        text.ends_with("\nStored in y.db. Next:\nbtcdmon query --store y.db \"SELECT * FROM bandwidth\""),
        "{text}"
    );
}
