//! The configuration in force as a file with comments, and the reference of all options.

use super::{File, is_flag, is_option, variable};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use std::fmt::Write as _;

/// Columns of a comment.
const WIDTH: usize = 100;

/// The options of the command called `name` as they are in force: a table of `btcdmon.toml`.
///
/// `command` has its defaults from the environment and from `file`.
pub fn effective(command: &Command, name: &str, file: &File) -> Result<String, clap::Error> {
    // Operands are not asked for here.
    let mut command = command.clone().mut_subcommand(name, |sub| sub.mut_args(|a| a.required(false)));
    let matches = command.try_get_matches_from_mut(["btcdmon", name]).map(|m| m.subcommand_matches(name).cloned());
    let Some((sub, matches)) = command.find_subcommand(name).zip(matches?) else { return Ok(String::new()) };
    let mut out = format!("[{name}]\n");
    for arg in sub.get_arguments().filter(|a| is_option(a)) {
        let long = arg.get_long().unwrap_or_default();
        out.push('\n');
        for line in textwrap(&help(arg)) {
            let _ = writeln!(out, "# {line}");
        }
        let from = match matches.value_source(arg.get_id().as_str()) {
            Some(ValueSource::EnvVariable) => format!("  # from {}", variable(long)),
            _ => file.place(name, long).map(|place| format!("  # from {place}")).unwrap_or_default(),
        };
        let secret = arg.is_hide_env_values_set() && matches.get_raw(arg.get_id().as_str()).is_some();
        match value(arg, &matches) {
            Some(_) if secret => _ = writeln!(out, "# {long} =  # set, and not shown{}", from.replace("  #", ",")),
            Some(value) => _ = writeln!(out, "{long} = {value}{from}"),
            None => _ = writeln!(out, "# {long} ="),
        }
    }
    Ok(out)
}

/// The value in TOML.
fn value(arg: &Arg, matches: &ArgMatches) -> Option<String> {
    let raw = matches.get_raw(arg.get_id().as_str())?;
    let values: Vec<String> = raw.map(|v| v.to_string_lossy().into_owned()).collect();
    if is_flag(arg) {
        return Some(
            values.first().is_some_and(|v| ["true", "1", "yes", "on", "y", "t"].contains(&v.as_str())).to_string(),
        );
    }
    let quoted: Vec<String> = values.iter().map(|v| toml::Value::String(v.clone()).to_string()).collect();
    Some(if matches!(arg.get_action(), clap::ArgAction::Append) {
        format!("[{}]", quoted.join(", "))
    } else {
        quoted.concat()
    })
}

fn help(arg: &Arg) -> String {
    arg.get_long_help().or_else(|| arg.get_help()).map(|h| h.to_string().replace('\n', " ")).unwrap_or_default()
}

fn textwrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(last) = lines.last_mut() else { break };
        if !last.is_empty() && last.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(word.to_owned());
            continue;
        }
        if !last.is_empty() {
            last.push(' ');
        }
        last.push_str(word);
    }
    lines
}

/// Every option of every command, as Markdown.
pub fn markdown(command: &Command) -> String {
    let mut out = String::from(HEAD);
    for sub in command.get_subcommands().filter(|c| c.get_name() != "help") {
        let options: Vec<&Arg> = sub.get_arguments().filter(|a| is_option(a)).collect();
        if options.is_empty() {
            continue;
        }
        let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = write!(
            out,
            "\n## [{}]\n\n{about}\n\n| key | variable | default | meaning |\n|---|---|---|---|\n",
            sub.get_name()
        );
        for arg in options {
            let long = arg.get_long().unwrap_or_default();
            let default: Vec<String> =
                arg.get_default_values().iter().map(|v| format!("`{}`", v.to_string_lossy())).collect();
            let default = if is_flag(arg) { "`false`".to_owned() } else { default.join(", ") };
            let _ =
                writeln!(out, "| `{long}` | `{}` | {default} | {} |", variable(long), help(arg).replace('|', "\\|"));
        }
    }
    out
}

const HEAD: &str = "# Configuration

<!-- Made by `btcdmon config --markdown`; a test compares it. -->

Every option of the command line can also stand in a file or in the environment. The command line wins over the environment,
that over the file, that over the default.

The file is `/etc/btcdmon/btcdmon.toml`, or what `--config` or `BTCDMON_CONFIG` names. Each command has a table, each option a key:

```toml
[live]
interface = [\"eth0\", \"lo\"]
port = [8334]
node = [\"home=192.0.2.7,2001:db8::7\"]
interval = \"10s\"
write = \"/var/lib/btcdmon/node.pcapng\"
rotate = \"1G\"
keep = 10
```

An unknown key or a bad value is an error that names the line. `btcdmon config live` prints the configuration in force, with
comments, and where each value comes from: it can be saved as a file to start from. A sensor that runs reads its file again at
SIGHUP: `filter`, `rotate` and `keep` are taken over at once, for the others it says that they need a new start.
";
