//! Crash-safe files: either the old content or all of the new one.
//!
//! All files that the gateway writes use this: stream snapshots and overrides.

use std::fs::{self, File, OpenOptions, Permissions};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::net::{SHORTAGE_REMEDY, is_shortage};

/// Suffix of a file that is being written. One left by a crash is overwritten.
const UNFINISHED: &str = ".unfinished";

/// A new file names accounts, so only its owner may read it. An existing file keeps owner and permissions.
const MODE: u32 = 0o600;

/// Serializes writers of one file. Writers of different files rarely share a lock.
static TURNS: [Mutex<()>; 16] = [const { Mutex::new(()) }; 16];

/// An operation that failed, with a remedy.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {error}; {}", file.display(), remedy(error, file))]
struct Failure {
    what: &'static str,
    file: PathBuf,
    error: io::Error,
}

/// Replaces `file`. `fill` writes to a file beside it, which is synced and then renamed; the rename is synced too. On
/// failure `file` is unchanged.
///
/// A symbolic link is kept; its target is replaced.
///
/// # Errors
/// The file cannot be written. The error names it and the remedy.
#[allow(clippy::similar_names, reason = "a file, and what fills it")]
pub fn write<T>(file: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<T>) -> io::Result<T> {
    let target = target_of(file);
    let nth = BuildHasherDefault::<DefaultHasher>::new().hash_one(&target) % TURNS.len() as u64;
    let _guard = usize::try_from(nth).ok().and_then(|nth| TURNS.get(nth)).map(Mutex::lock);
    let unfinished = unfinished(&target);
    let written = fill_beside(&target, &unfinished, fill).and_then(|value| {
        fs::rename(&unfinished, &target)?;
        sync_folder_of(&target)?;
        Ok(value)
    });
    written.map_err(|error| {
        // The partial file is useless and takes up space.
        let _ = fs::remove_file(&unfinished);
        failure("write", file, error)
    })
}

/// Renames a file within its folder and syncs the rename.
///
/// # Errors
/// The file cannot be renamed. The error names it; [`ErrorKind::NotFound`] if it does not exist.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to).and_then(|()| sync_folder_of(to)).map_err(|error| failure("rename", from, error))
}

fn fill_beside<T>(
    target: &Path,
    unfinished: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<T>,
) -> io::Result<T> {
    // Never writes through an existing file, or through a link.
    if let Err(error) = fs::remove_file(unfinished)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(io::Error::new(error.kind(), format!("{}: {error}", unfinished.display())));
    }
    let out = OpenOptions::new().write(true).create_new(true).mode(MODE).open(unfinished)?;
    if let Ok(known) = fs::metadata(target) {
        // Only root may change the owner. The group is tried alone, so that its members keep read access.
        let _ = fchown(&out, Some(known.uid()), Some(known.gid())).or_else(|_| fchown(&out, None, Some(known.gid())));
        out.set_permissions(Permissions::from_mode(known.mode() & 0o777))?;
    }
    let mut out = BufWriter::new(out);
    let value = fill(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(value)
}

/// The file that is replaced: for a link, its target. A rename would replace the link itself.
pub fn target_of(file: &Path) -> PathBuf {
    if file.is_symlink() { fs::canonicalize(file).unwrap_or_else(|_| file.into()) } else { file.into() }
}

/// `streams.snapshot` is written as `streams.snapshot.unfinished`.
pub fn unfinished(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(UNFINISHED);
    name.into()
}

/// The folder that must be writable.
pub fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A rename changes the folder; a crash may undo it until the folder is synced.
fn sync_folder_of(file: &Path) -> io::Result<()> {
    let folder = match File::open(folder_of(file)) {
        // Writable folders without read permission cannot be opened for a sync.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(()),
        folder => folder?,
    };
    match folder.sync_all() {
        // Some network file systems do not support this for folders.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

fn failure(what: &'static str, file: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), Failure { what, file: file.into(), error })
}

fn remedy(error: &io::Error, file: &Path) -> String {
    let folder = folder_of(file).display();
    match error.kind() {
        _ if is_shortage(error) => SHORTAGE_REMEDY.to_owned(),
        ErrorKind::NotFound | ErrorKind::NotADirectory => format!("create the folder {folder}"),
        ErrorKind::PermissionDenied => format!("give the gateway's user write access to the folder {folder}"),
        ErrorKind::ReadOnlyFilesystem => format!("{folder} is on a read-only file system: name a file elsewhere"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => format!("free disk space for {folder}"),
        ErrorKind::IsADirectory => "this is a folder: remove it, or name another file".to_owned(),
        _ => format!("check the disk of {folder}"),
    }
}

#[cfg(test)]
mod tests;
