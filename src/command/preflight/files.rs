//! The files that the gateway writes: the snapshot of streams, and operators' overrides next to it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, eaccess, geteuid};
use streamgate::config::Settings;
use streamgate::overrides::Orders;
use streamgate::streams::durable_file;

use super::Finding;

/// Path to which the snapshot is renamed after the start.
pub(in crate::command) fn put_aside(snapshot: &Path) -> PathBuf {
    snapshot.with_extension("restored")
}

/// Everything that prevents this user from writing the files or reading existing ones.
pub(super) fn unusable(settings: &Settings) -> Vec<Finding> {
    let Some(snapshot) = &settings.snapshot else { return Vec::new() };
    let kept = [snapshot.clone(), Orders::beside(snapshot)];
    let mut problems = Vec::new();
    // A link is kept: its target is written, in the target's folder.
    let folders = kept.iter().flat_map(|file| [file.clone(), durable_file::target_of(file)]);
    let folders: BTreeSet<PathBuf> = folders.map(|file| durable_file::folder_of(&file).to_owned()).collect();
    for folder in &folders {
        // No test file is written, as an interrupted check would leave it behind.
        if let Err(error) = eaccess(folder, AccessFlags::W_OK | AccessFlags::X_OK) {
            problems.push(unwritable(folder, error));
        }
    }
    let written = kept.iter().flat_map(|file| [file.clone(), durable_file::unfinished(&durable_file::target_of(file))]);
    for file in written.chain([put_aside(snapshot), Orders::damaged(snapshot)]) {
        if fs::symlink_metadata(&file).is_ok_and(|data| data.is_dir()) {
            problems.push(format!("`{}` is a folder, but must be a file: remove it", file.display()));
        }
    }
    for file in &kept {
        match eaccess(file, AccessFlags::R_OK) {
            Ok(()) | Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(error) => problems.push(format!(
                "user {user} may not read `{file}`, which the start needs ({}): `chown {user} {file}`, or move it",
                error.desc(),
                user = geteuid(),
                file = file.display()
            )),
        }
    }
    problems.into_iter().map(|message| Finding { path: "streams.snapshot".to_owned(), message }).collect()
}

fn unwritable(folder: &Path, error: Errno) -> String {
    let (user, shown) = (geteuid(), folder.display());
    let elsewhere = "or write the path of a file in a writable folder";
    match error {
        Errno::ENOENT | Errno::ENOTDIR => format!("folder `{shown}` does not exist: create it, {elsewhere}"),
        Errno::EROFS => format!(
            "`{shown}` is on a read-only file system for user {user}: under systemd set StateDirectory= or \
             ReadWritePaths= of the unit, {elsewhere}"
        ),
        error => {
            format!(
                "user {user} may not write to the folder `{shown}` ({}): `chown {user} {shown}`, {elsewhere}",
                error.desc()
            )
        }
    }
}
