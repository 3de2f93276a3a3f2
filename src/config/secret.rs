//! Secrets and keys, read from their configured location and never shown.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use crate::net::{SHORTAGE_REMEDY, is_shortage};

use super::raw::Material;

/// Maximum size of a secret or key, in bytes.
const LARGEST: u64 = 64 << 10;

/// Bytes that never appear in logs, errors or dumps of the settings.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Why a secret or a file could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretError {
    #[error("cannot read `{path}` ({why}): {}", remedy(why))]
    Unreadable { path: PathBuf, why: io::Error },
    #[error("`{path}` is longer than {most} bytes: write the path of another file")]
    TooLarge { path: PathBuf, most: u64 },
    #[error("the environment variable `{0}` is not set: set it before the start, or use `file:`")]
    Unset(String),
    #[error("the value is empty: write the secret into the file or variable")]
    Empty,
    #[error("the value has no location: write `file: PATH` or `env: NAME`")]
    Nowhere,
}

impl SecretError {
    /// True if there was no file descriptor to open the file.
    pub(super) fn is_shortage(&self) -> bool {
        matches!(self, Self::Unreadable { why, .. } if is_shortage(why))
    }
}

fn remedy(why: &io::Error) -> &'static str {
    if is_shortage(why) {
        SHORTAGE_REMEDY
    } else {
        "create the file, or write the path of a file that this user can read"
    }
}

/// Looks up an environment variable.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Reads `material`: raw bytes without one trailing line end, which editors add.
pub(super) fn read(material: &Material, base: &Path, environment: Environment<'_>) -> Result<Secret, SecretError> {
    let bytes = match (&material.file, &material.env) {
        (Some(file), _) => read_file(&path(Path::new(file), base, environment), LARGEST)?,
        (None, Some(name)) => environment(name).ok_or_else(|| SecretError::Unset(name.clone()))?.into_encoded_bytes(),
        (None, None) => return Err(SecretError::Nowhere),
    };
    trimmed(bytes).map(Secret)
}

/// Path of a file: the systemd credential of its name (systemd.exec(5), `LoadCredential=` of a folder), or the written
/// path.
pub(super) fn path(written: &Path, base: &Path, environment: Environment<'_>) -> PathBuf {
    let names: Option<Vec<&str>> = written
        .components()
        .filter(|part| !matches!(part, Component::CurDir))
        .map(|part| if let Component::Normal(name) = part { name.to_str() } else { None })
        .collect();
    let credential =
        names.and_then(|names| Some(Path::new(&environment("CREDENTIALS_DIRECTORY")?).join(names.join("_"))));
    credential.filter(|credential| credential.is_file()).unwrap_or_else(|| base.join(written))
}

/// Reloads a secret from a file.
pub(super) fn read_trimmed(path: &Path) -> Result<Vec<u8>, SecretError> {
    trimmed(read_file(path, LARGEST)?)
}

/// The bytes without one trailing line end.
fn trimmed(mut bytes: Vec<u8>) -> Result<Vec<u8>, SecretError> {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    if bytes.is_empty() { Err(SecretError::Empty) } else { Ok(bytes) }
}

/// Reads a file of at most `most` bytes.
pub(super) fn read_file(path: &Path, most: u64) -> Result<Vec<u8>, SecretError> {
    let unreadable = |why| SecretError::Unreadable { path: path.to_owned(), why };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(SecretError::TooLarge { path: path.to_owned(), most });
    }
    Ok(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn file(name: &str) -> Material {
        Material { file: Some(name.to_owned()), env: None }
    }

    fn nothing_set(_: &str) -> Option<OsString> {
        None
    }

    #[test]
    fn one_line_end_is_no_part_of_a_secret_and_all_other_bytes_are() {
        let folder = tempfile::tempdir().unwrap();
        for (written, secret) in [
            (&b"abc"[..], &b"abc"[..]),
            (b"abc\n", b"abc"),
            (b"abc\r\n", b"abc"),
            (b"a\n\n", b"a\n"),
            (b" \xff\n", b" \xff"),
        ] {
            std::fs::write(folder.path().join("key"), written).unwrap();
            assert_eq!(read(&file("key"), folder.path(), &nothing_set).unwrap().expose(), secret);
        }
        std::fs::write(folder.path().join("key"), "\n").unwrap();
        assert!(matches!(read(&file("key"), folder.path(), &nothing_set), Err(SecretError::Empty)));
    }

    #[test]
    fn an_environment_variable_serves_as_well_as_a_file() {
        let material = Material { file: None, env: Some("KEY".to_owned()) };
        let set = |name: &str| (name == "KEY").then(|| OsString::from("hush"));
        assert_eq!(read(&material, Path::new(""), &set).unwrap().expose(), b"hush");
        let error = read(&material, Path::new(""), &nothing_set).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the environment variable `KEY` is not set: set it before the start, or use `file:`"
        );
    }

    #[test]
    fn a_folder_a_missing_file_and_an_endless_one_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(read(&file("none"), folder.path(), &nothing_set), Err(SecretError::Unreadable { .. })));
        assert!(matches!(read(&file("."), folder.path(), &nothing_set), Err(SecretError::Unreadable { .. })));
        if Path::new("/dev/zero").exists() {
            assert!(matches!(read(&file("/dev/zero"), folder.path(), &nothing_set), Err(SecretError::TooLarge { .. })));
        }
    }

    #[test]
    fn a_secret_never_shows_its_bytes() {
        assert_eq!(format!("{:?}", Secret(b"hush".to_vec())), "[redacted]");
    }

    #[test]
    fn a_credential_of_its_name_takes_the_place_of_a_relative_file() {
        let folder = tempfile::tempdir().unwrap();
        let credentials = folder.path().join("credentials");
        std::fs::create_dir(&credentials).unwrap();
        for name in ["keys_session.key", "keys_a_b", "lone"] {
            std::fs::write(credentials.join(name), name).unwrap();
        }
        let environment = |name: &str| (name == "CREDENTIALS_DIRECTORY").then(|| credentials.clone().into_os_string());
        let base = Path::new("/etc/streamgate");
        for (written, expected) in [
            ("keys/session.key", credentials.join("keys_session.key")),
            ("./keys/a/b", credentials.join("keys_a_b")),
            ("lone", credentials.join("lone")),
            ("keys/other.key", base.join("keys/other.key")),
            ("/keys/session.key", "/keys/session.key".into()),
            ("../keys/session.key", base.join("../keys/session.key")),
            (".", base.join(".")),
        ] {
            assert_eq!(path(Path::new(written), base, &environment), expected, "{written}");
            assert_eq!(path(Path::new(written), base, &nothing_set), base.join(written), "{written}");
        }
        assert_eq!(read(&file("keys/session.key"), base, &environment).unwrap().expose(), b"keys_session.key");
    }
}
