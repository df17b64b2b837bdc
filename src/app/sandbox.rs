//! What the process can still do when a peer should ever take it over: read what it needs, write into the folders of
//! its own output, and the few dozen system calls of its work. Landlock and seccomp, where the kernel has them.

use super::seccomp;
use anyhow::{Context as _, Result};
use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetStatus, path_beneath_rules,
};
use std::path::PathBuf;

/// Files and folders that libraries read: names and addresses (`getaddrinfo`), time zones, certificates, counts of
/// interfaces, sockets of this host.
const READ: [&str; 9] =
    ["/etc", "/usr", "/lib", "/lib64", "/run/systemd", "/run/resolvconf", "/sys/class/net", "/sys/devices", "/proc"];

/// Rights the rules are written for; older kernels have fewer and enforce those.
const RIGHTS: ABI = ABI::V5;

/// What else the process needs.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    /// Folders and files to read.
    pub read: Vec<PathBuf>,
    /// Folders to write into.
    pub write: Vec<PathBuf>,
}

/// How much of it the kernel enforces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enforced {
    /// Whether files are confined.
    pub landlock: bool,
    /// Whether system calls are.
    pub seccomp: bool,
}

/// Confines this thread and all that it starts (seccomp: all threads of the process). For good.
pub fn enter(allowed: &Allowed) -> Result<Enforced> {
    let landlock = confine_files(allowed).context("cannot confine the process to its files (Landlock)")?;
    let seccomp = seccomp::confine_calls().context("cannot confine the process to its system calls (seccomp)")?;
    Ok(Enforced { landlock, seccomp })
}

fn confine_files(allowed: &Allowed) -> Result<bool> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = AccessFs::from_all(RIGHTS) & !AccessFs::Execute & !AccessFs::MakeChar & !AccessFs::MakeBlock;
    let readable = READ.iter().map(PathBuf::from).chain(allowed.read.iter().cloned());
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(RIGHTS))?
        .create()?
        .add_rules(path_beneath_rules(readable, read))?
        .add_rules(path_beneath_rules(["/dev/null"], AccessFs::ReadFile | AccessFs::WriteFile))?
        .add_rules(path_beneath_rules(&allowed.write, write))?
        .restrict_self()?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}
