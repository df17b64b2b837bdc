//! The captures below a folder.

use super::error::{CaptureError, shown};
use super::open::Source;
use std::fs;
use std::path::{Path, PathBuf};

/// Folders within folders that are looked into.
const MAX_DEPTH: usize = 32;

/// Adds the captures below `folder` to `found`, by name, and counts the other files.
///
/// Links to files count as files; links to folders are not followed, so there is no circle.
pub(super) fn captures(folder: &Path, found: &mut Vec<PathBuf>) -> Result<u64, CaptureError> {
    let (before, mut ignored) = (found.len(), 0);
    walk(folder, 0, found, &mut ignored)?;
    if found.len() == before {
        return Err(CaptureError::NoCaptureInside { folder: shown(folder), ignored });
    }
    Ok(ignored)
}

fn walk(folder: &Path, depth: usize, found: &mut Vec<PathBuf>, ignored: &mut u64) -> Result<(), CaptureError> {
    let cannot = |reason| CaptureError::Open { file: shown(folder), reason };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        entries.push((entry.path(), entry.file_type().map_err(cannot)?));
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    for (path, kind) in entries {
        if kind.is_dir() && depth < MAX_DEPTH {
            walk(&path, depth + 1, found, ignored)?;
        } else if fs::metadata(&path).is_ok_and(|about| about.is_file()) {
            // Pipes and devices are not opened: that could block. A file that cannot be read is an
            // error, because it may well be a capture; one that cannot be decompressed is none.
            fs::File::open(&path).map_err(|reason| CaptureError::Open { file: shown(&path), reason })?;
            if Source::open(&path).is_ok() { found.push(path) } else { *ignored += 1 }
        } else {
            *ignored += 1;
        }
    }
    Ok(())
}
