//! A file that is reloaded when it changes.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest::{SHA256, digest};

/// A file written this shortly before it was read may be written again with the same timestamp.
const TICK: Duration = Duration::from_secs(2);

/// Result of a check of the file.
#[derive(Debug)]
pub enum Seen {
    /// Unchanged.
    Same,
    /// New content.
    New(Vec<u8>),
    /// The file does not exist. Reported once.
    Gone,
    /// It cannot be read, and why. Reported once per reason.
    Unreadable(String),
}

/// A file and its state at the last check.
#[derive(Debug)]
pub struct WatchedFile {
    path: PathBuf,
    most: usize,
    stamp: Option<(SystemTime, u64)>,
    digest: Option<Vec<u8>>,
    trouble: Option<String>,
}

impl WatchedFile {
    /// A file that has not been checked yet. Files longer than `most` bytes are not read.
    pub fn new(path: PathBuf, most: usize) -> Self {
        Self { path, most, stamp: None, digest: None, trouble: None }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Why it could not be read at the last check.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Reads the file if its time or length has changed.
    pub fn look(&mut self) -> Seen {
        let before = SystemTime::now();
        let stamp = fs::metadata(&self.path).and_then(|data| {
            // Opening a pipe would wait for a writer.
            let plain = data.is_file().then_some(()).ok_or_else(|| io::Error::other("this is not a regular file"));
            plain.and(Ok((data.modified()?, data.len())))
        });
        if self.trouble.is_none() && stamp.as_ref().ok().is_some_and(|stamp| self.stamp == Some(*stamp)) {
            return Seen::Same;
        }
        match stamp.and_then(|stamp| Ok((stamp, self.read()?))) {
            Ok((stamp, bytes)) => {
                let settled = before.duration_since(stamp.0).is_ok_and(|age| age > TICK);
                self.stamp = settled.then_some(stamp);
                self.trouble = None;
                let fresh = Some(digest(&SHA256, &bytes).as_ref().to_vec());
                if self.digest == fresh {
                    return Seen::Same;
                }
                self.digest = fresh;
                Seen::New(bytes)
            }
            Err(error) => {
                self.stamp = None;
                let said = self.trouble.replace(error.to_string());
                if said == self.trouble {
                    Seen::Same
                } else if error.kind() == io::ErrorKind::NotFound {
                    self.digest = None;
                    Seen::Gone
                } else {
                    Seen::Unreadable(error.to_string())
                }
            }
        }
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(&self.path)?.take(self.most as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > self.most {
            return Err(io::Error::other(format!("the file is longer than {} bytes", self.most)));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_when_it_changes_and_its_absence_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut file = WatchedFile::new(path.clone(), 8);
        assert!(matches!(file.look(), Seen::Gone));
        assert!(matches!(file.look(), Seen::Same));
        fs::write(&path, "one").unwrap();
        assert!(matches!(file.look(), Seen::New(bytes) if bytes == b"one"));
        assert!(matches!(file.look(), Seen::Same));
        fs::write(&path, "two").unwrap();
        assert!(matches!(file.look(), Seen::New(bytes) if bytes == b"two"), "same length, perhaps the same time");
        fs::write(&path, "two").unwrap();
        assert!(matches!(file.look(), Seen::Same), "same bytes");
        fs::write(&path, "far too long").unwrap();
        assert!(matches!(file.look(), Seen::Unreadable(why) if why.contains("longer than 8 bytes")));
        assert!(matches!(file.look(), Seen::Same));
        let mut folder_itself = WatchedFile::new(folder.path().to_owned(), 8);
        assert!(matches!(folder_itself.look(), Seen::Unreadable(why) if why == "this is not a regular file"));
        fs::remove_file(&path).unwrap();
        assert!(matches!(file.look(), Seen::Gone));
        fs::write(&path, "two").unwrap();
        assert!(matches!(file.look(), Seen::New(bytes) if bytes == b"two"), "back again");
    }

    #[test]
    fn an_old_file_is_not_read_again_before_its_time_or_length_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let long_ago = SystemTime::now() - Duration::from_mins(1);
        let write = |text: &str| {
            fs::write(&path, text).unwrap();
            File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        };
        let mut file = WatchedFile::new(path.clone(), 8);
        write("one");
        assert!(matches!(file.look(), Seen::New(_)));
        write("two");
        assert!(matches!(file.look(), Seen::Same));
        write("three");
        assert!(matches!(file.look(), Seen::New(_)));
    }
}
