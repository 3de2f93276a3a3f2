#![allow(clippy::unwrap_used)]

use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;

fn put(file: &Path, text: &str) -> io::Result<()> {
    write(file, |out| out.write_all(text.as_bytes()))
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap().mode() & 0o777
}

#[test]
fn a_file_is_replaced_as_a_whole_and_keeps_its_permissions() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("streams.snapshot");
    put(&file, "one").unwrap();
    assert_eq!((read(&file), mode(&file)), ("one".to_owned(), 0o600), "it names accounts");
    for given in [0o640, 0o644, 0o600, 0o660] {
        fs::set_permissions(&file, Permissions::from_mode(given)).unwrap();
        let value = write(&file, |out| out.write_all(b"two").map(|()| 7)).unwrap();
        assert_eq!((value, read(&file), mode(&file)), (7, "two".to_owned(), given));
    }
    assert_eq!(names(folder.path()), ["streams.snapshot"]);
}

#[test]
fn what_a_crash_has_left_is_no_obstacle_and_is_never_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let (file, foreign) = (folder.path().join("file"), folder.path().join("foreign"));
    let unfinished = super::unfinished(&file);
    put(&file, "one").unwrap();
    fs::write(&unfinished, "half of a").unwrap();
    assert_eq!(read(&file), "one", "a crash before the rename has changed nothing");
    put(&file, "two").unwrap();
    assert_eq!((read(&file), names(folder.path())), ("two".to_owned(), vec!["file".to_owned()]));
    // A link planted in its place.
    fs::write(&foreign, "foreign").unwrap();
    symlink(&foreign, &unfinished).unwrap();
    put(&file, "three").unwrap();
    assert_eq!((read(&file), read(&foreign)), ("three".to_owned(), "foreign".to_owned()));
    assert!(!unfinished.exists() && !file.is_symlink());
}

#[test]
fn a_link_stays_one_and_what_it_leads_to_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("data"), folder.path().join("link"));
    fs::write(&file, "one").unwrap();
    symlink("data", &link).unwrap();
    put(&link, "two").unwrap();
    assert!(link.is_symlink());
    assert_eq!(read(&file), "two");
}

#[test]
fn a_file_that_cannot_be_filled_is_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    put(&file, "one").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let failed = write(&file, |out| {
        out.write_all(&vec![b'x'; 100_000])?;
        Err::<(), _>(io::Error::from(ErrorKind::StorageFull))
    });
    let error = failed.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    let told = error.to_string();
    let (start, end) = (format!("cannot write {}: ", file.display()), folder.path().display());
    assert!(told.starts_with(&start) && told.ends_with(&format!("; free disk space for {end}")), "{told}");
    assert_eq!((read(&file), mode(&file), names(folder.path())), ("one".to_owned(), 0o640, vec!["file".to_owned()]));
}

#[test]
fn an_error_names_the_file_and_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let occupied = folder.path().join("occupied");
    fs::create_dir(&occupied).unwrap();
    fs::write(folder.path().join("plain"), "").unwrap();
    fs::create_dir(folder.path().join("left.unfinished")).unwrap();
    for (file, remedy) in [
        (folder.path().join("none/file"), "create the folder "),
        (folder.path().join("plain/file"), "create the folder "),
        (occupied.clone(), "this is a folder: remove it, or name another file"),
        (folder.path().join("left"), "this is a folder: remove it, or name another file"),
    ] {
        let told = put(&file, "text").unwrap_err().to_string();
        assert!(told.starts_with(&format!("cannot write {}: ", file.display())), "{told}");
        assert!(told.contains(&format!("; {remedy}")), "{told}");
    }
    assert!(occupied.is_dir());
    let gone = rename(&folder.path().join("a"), &folder.path().join("b")).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert!(gone.to_string().starts_with(&format!("cannot rename {}/a: ", folder.path().display())), "{gone}");
}

/// Root may write everywhere except where the kernel does not allow it.
#[test]
fn a_folder_that_cannot_be_written_to_costs_no_file() {
    for file in ["/proc/streamgate.snapshot", "/sys/streamgate.snapshot"] {
        let told = put(Path::new(file), "text").unwrap_err().to_string();
        assert!(told.starts_with(&format!("cannot write {file}: ")), "{told}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    put(&file, "one").unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o555)).unwrap();
    let written = put(&file, "two");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    match written {
        Ok(()) => assert_eq!(read(&file), "two", "this is root"),
        Err(error) => {
            assert!(error.to_string().contains("; give the gateway's user write access to the folder "), "{error}");
            assert_eq!(read(&file), "one");
        }
    }
    assert_eq!(names(folder.path()), ["file"]);
}

/// A file system of 64 KiB, if the machine permits it: not every container may mount.
#[test]
fn a_full_disk_costs_nothing_but_the_new_content() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(folder.path())
        .output()
        .is_ok_and(|output| output.status.success());
    let file = folder.path().join("file");
    put(&file, "one").unwrap();
    let most = if mounted { 1 << 20 } else { 1 };
    let written = put(&file, &"x".repeat(most));
    let found = (read(&file), names(folder.path()));
    if mounted {
        assert!(Command::new("umount").arg(folder.path()).status().unwrap().success());
        let error = written.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
        assert_eq!(found, ("one".to_owned(), vec!["file".to_owned()]));
    } else {
        assert_eq!(found.0, "x");
    }
}

#[test]
fn writers_of_one_file_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::thread::scope(|scope| {
        for nth in 0..8_u8 {
            let file = &file;
            scope.spawn(move || {
                for _ in 0..20 {
                    write(file, |out| (0..50).try_for_each(|_| out.write_all(&[b'a' + nth; 997]))).unwrap();
                    let bytes = fs::read(file).unwrap();
                    assert!(bytes.len() == 50 * 997 && bytes.iter().all(|byte| *byte == bytes[0]), "a mixture");
                }
            });
        }
    });
    assert_eq!(names(folder.path()), ["file"]);
}
