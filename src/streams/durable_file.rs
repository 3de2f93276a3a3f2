//! Files that a crash leaves whole: the content of before, or all of the new one.
//!
//! Everything that the gateway writes to disk goes through here: snapshots of streams and what operators have ordered.

use std::fs::{self, File, OpenOptions, Permissions};
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::net::{SHORTAGE_REMEDY, is_shortage};

/// What the name of a file that is still being written ends with. One that a crash has left is overwritten.
const UNFINISHED: &str = ".unfinished";

/// A new file names accounts, so that its owner alone reads it. One that is there keeps its owner and its permissions.
const MODE: u32 = 0o600;

/// Writers of one file take turns. Writers of two files hardly ever wait for each other.
static TURNS: [Mutex<()>; 16] = [const { Mutex::new(()) }; 16];

/// What could not be done with a file, and what helps.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {error}; {}", file.display(), remedy(error, file))]
struct Failure {
    what: &'static str,
    file: PathBuf,
    error: io::Error,
}

/// Writes `file` anew: what `fill` writes goes into a file beside it, which is on the disk before it takes the place of
/// `file`, and the change of place is on the disk when this returns. Where it fails, `file` is as it was.
///
/// A symbolic link stays one; the file that it leads to is written.
///
/// # Errors
/// The file cannot be written. The error names it and says what to do.
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
        // What is left of it would only fill the disk.
        let _ = fs::remove_file(&unfinished);
        failure("write", file, error)
    })
}

/// Renames a file within its folder. The change is on the disk when this returns.
///
/// # Errors
/// The file cannot be renamed. The error names it, and is [`ErrorKind::NotFound`] where it is not there.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to).and_then(|()| sync_folder_of(to)).map_err(|error| failure("rename", from, error))
}

fn fill_beside<T>(
    target: &Path,
    unfinished: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<T>,
) -> io::Result<T> {
    // Whatever lies there, a link included, is not written through.
    if let Err(error) = fs::remove_file(unfinished)
        && error.kind() != ErrorKind::NotFound
    {
        return Err(io::Error::new(error.kind(), format!("{}: {error}", unfinished.display())));
    }
    let out = OpenOptions::new().write(true).create_new(true).mode(MODE).open(unfinished)?;
    if let Ok(known) = fs::metadata(target) {
        // Only root may give a file away. The group is tried alone, so that its members go on reading.
        let _ = fchown(&out, Some(known.uid()), Some(known.gid())).or_else(|_| fchown(&out, None, Some(known.gid())));
        out.set_permissions(Permissions::from_mode(known.mode() & 0o777))?;
    }
    let mut out = BufWriter::new(out);
    let value = fill(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(value)
}

/// The file that takes the place of this one: where it is a link, what that leads to. A rename would replace the link.
pub fn target_of(file: &Path) -> PathBuf {
    if file.is_symlink() { fs::canonicalize(file).unwrap_or_else(|_| file.into()) } else { file.into() }
}

/// `streams.snapshot` is written as `streams.snapshot.unfinished`.
pub fn unfinished(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(UNFINISHED);
    name.into()
}

/// The folder that has to be written to.
pub fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A rename is a change of the folder, which a crash may undo until the folder is on the disk.
fn sync_folder_of(file: &Path) -> io::Result<()> {
    let folder = match File::open(folder_of(file)) {
        // Who may write to a folder and not list it cannot do more.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Ok(()),
        folder => folder?,
    };
    match folder.sync_all() {
        // Some file systems of networks do not know it of folders.
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
        ErrorKind::PermissionDenied => format!("let the gateway's user write to the folder {folder}"),
        ErrorKind::ReadOnlyFilesystem => format!("{folder} is on a read-only file system: name a file elsewhere"),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => format!("make room on the disk of {folder}"),
        ErrorKind::IsADirectory => "this is a folder: remove it, or name another file".to_owned(),
        _ => format!("look at the disk of {folder}"),
    }
}

#[cfg(test)]
mod tests;
