//! Giving up rights: after the capture is open the process needs none.
//!
//! Started as root it becomes an unprivileged user; in any case it drops every capability and can never get one
//! again. User and capabilities belong to threads: this comes before the first one is started.

use anyhow::{Context as _, Result, bail};
use caps::CapSet;
use nix::unistd::{Gid, Uid, User, geteuid, setgroups, setresgid, setresuid};
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

/// Users to become when none is named, the first that exists.
const USERS: [&str; 2] = ["btcdmon", "nobody"];

/// Whether the process runs as root, and so has to become another user.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// The user to become: the one named (`name` or number), else the owner of the store's folder when that is not root,
/// else `btcdmon` or `nobody`.
pub fn target(named: Option<&str>, folder: Option<&Path>) -> Result<User> {
    if let Some(name) = named {
        let by_number = || name.parse().ok().and_then(|n| User::from_uid(Uid::from_raw(n)).ok().flatten());
        let user = User::from_name(name).ok().flatten().or_else(by_number);
        return user.with_context(|| format!("--user: there is no user `{}`", name.escape_default()));
    }
    let owner = folder.and_then(|f| fs::metadata(f).ok()).map(|m| m.uid()).filter(|uid| *uid != 0);
    if let Some(user) = owner.and_then(|uid| User::from_uid(Uid::from_raw(uid)).ok().flatten()) {
        return Ok(user);
    }
    let known = USERS.iter().find_map(|name| User::from_name(name).ok().flatten());
    known.context("there is neither a user `btcdmon` nor `nobody` to run as; name one with --user")
}

/// Makes `folder` for `user`, and gives it the files of the store `store` in it that root left there.
pub fn prepare_folder(folder: &Path, user: Option<&User>) -> Result<()> {
    if !folder.is_dir() {
        let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(folder);
        made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let Some(user) = user else { return Ok(()) };
    give(folder, user)?;
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        // Only plain files, and none that has another name elsewhere.
        let at = fs::symlink_metadata(&path)?;
        if at.is_file() && at.nlink() == 1 && at.uid() == 0 {
            give(&path, user)?;
        }
    }
    Ok(())
}

fn give(path: &Path, user: &User) -> Result<()> {
    chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
        .with_context(|| format!("cannot give {} to the user {}", path.display(), user.name))
}

/// Becomes `user` (when given), without any capability, for good.
pub fn give_up(user: Option<&User>) -> Result<()> {
    if is_root() {
        // Needs a capability itself, which only root is sure to have.
        caps::clear(None, CapSet::Bounding).context("cannot give up the capabilities of programs to come")?;
    }
    if let Some(user) = user {
        let become_it = || {
            setgroups(&[user.gid])?;
            setresgid(user.gid, user.gid, user.gid)?;
            setresuid(user.uid, user.uid, user.uid)
        };
        become_it().with_context(|| format!("cannot become the user {}", user.name))?;
        if !user.uid.is_root()
            && (setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).is_ok()
                || Gid::effective().as_raw() != user.gid.as_raw())
        {
            bail!("the user {} could become root again", user.name);
        }
    }
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        caps::clear(None, set).context("cannot give up the capabilities")?;
    }
    nix::sys::prctl::set_no_new_privs().context("cannot forswear new rights")?;
    Ok(())
}

/// The user that this process runs as.
pub fn name() -> String {
    User::from_uid(geteuid()).ok().flatten().map_or_else(|| geteuid().to_string(), |u| u.name)
}

/// Whether this process may write into `folder`; what to do if not.
pub fn check_folder(folder: &Path) -> Result<()> {
    use nix::unistd::{AccessFlags, access};
    if access(folder, AccessFlags::W_OK | AccessFlags::X_OK).is_ok() {
        return Ok(());
    }
    let user = name();
    let mode =
        fs::metadata(folder).map(|m| format!(" (mode {:o})", m.permissions().mode() & 0o7777)).unwrap_or_default();
    bail!(
        "the user {user} may not write into {}{mode}; give it the folder (chown {user} {0}), or name another user with --user or another folder",
        folder.display()
    )
}
