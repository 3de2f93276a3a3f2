//! The systemd unit: sound by systemd's own tools, and together with the shipped configuration a gateway that starts.
//!
//! There is no running systemd here. What it gives a service (a user, credentials, a state folder) is laid out as its
//! manual says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what failed by panicking")]

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_streamgate");
/// The program in the unit.
const INSTALLED: &str = "/usr/local/bin/streamgate";
/// The highest exposure that is accepted, times ten. What is left is mostly that the gateway speaks with the network.
const EXPOSURE: &str = "--threshold=20";
/// Any user but root: `nobody`.
const USER: u32 = 65534;

fn read(file: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}

/// The values of a setting of the unit, in their order.
fn values<'a>(unit: &'a str, setting: &str) -> Vec<&'a str> {
    unit.lines().filter_map(|line| line.strip_prefix(setting)?.strip_prefix('=')).collect()
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit_and_little_that_it_exposes() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no systemd-analyze; scripts/install test installs it");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("streamgate.service");
    fs::write(&unit, read("deploy/streamgate.service").replace(INSTALLED, PROGRAM)).unwrap();
    let analyze = |arguments: &[&str]| {
        let Output { status, stdout, stderr } =
            Command::new("systemd-analyze").args(arguments).arg(&unit).output().unwrap();
        (status.success(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
    };
    let (sound, _, told) = analyze(&["verify", "--man=no"]);
    assert!(sound && told.is_empty(), "{told}");
    let (sound, shown, told) = analyze(&["security", "--offline=true", "--no-pager", EXPOSURE]);
    assert!(sound, "{shown}{told}");
}

/// What systemd lays out for the service, below a folder of the test.
struct Service {
    folder: tempfile::TempDir,
    unit: String,
}

impl Service {
    /// The unit and the configuration are copied, keys are made as the README says; `change` is the operator's hand.
    fn new(change: impl Fn(String) -> String) -> Self {
        let (folder, unit) = (tempfile::tempdir().unwrap(), read("deploy/streamgate.service"));
        let service = Self { folder, unit };
        let [etc, keys] = ["etc/streamgate", "etc/streamgate/keys"].map(|name| service.folder.path().join(name));
        fs::create_dir_all(&keys).unwrap();
        fs::write(etc.join("streamgate.yaml"), change(read("conf/streamgate.yaml"))).unwrap();
        for (name, secret) in [
            ("session.key", "a secret for play sessions, long enough"),
            ("tv.hs256", "a secret for tokens, long enough too"),
        ] {
            fs::write(keys.join(name), format!("{secret}\n")).unwrap();
        }
        // Each file of a folder is a credential of its own: `ID_NAME`.
        let credentials = service.folder.path().join("credentials");
        fs::create_dir(&credentials).unwrap();
        for loaded in values(&service.unit, "LoadCredential") {
            let (id, path) = loaded.split_once(':').unwrap();
            for file in fs::read_dir(service.folder.path().join(path.trim_start_matches('/'))).unwrap() {
                let file = file.unwrap();
                let name = format!("{id}_{}", file.file_name().into_string().unwrap());
                fs::copy(file.path(), credentials.join(&name)).unwrap();
                service.give(&credentials.join(name), 0o400);
            }
        }
        let state = service.state();
        fs::create_dir_all(&state).unwrap();
        service.give(&state, 0o700);
        fs::set_permissions(service.folder.path(), Permissions::from_mode(0o755)).unwrap();
        // Nobody but root, where the test has two users.
        fs::set_permissions(&keys, Permissions::from_mode(if is_root() { 0o700 } else { 0o000 })).unwrap();
        service
    }

    fn give(&self, path: &Path, mode: u32) {
        assert!(path.starts_with(self.folder.path()));
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        if is_root() {
            chown(path, Some(USER), Some(USER)).unwrap();
        }
    }

    fn state(&self) -> std::path::PathBuf {
        self.folder.path().join("var/lib").join(values(&self.unit, "StateDirectory")[0])
    }

    /// A command line of the unit, as its user, with what systemd tells it.
    fn command(&self, setting: &str) -> Command {
        let line = values(&self.unit, setting)[0].replace("/etc/", &format!("{}/etc/", self.folder.path().display()));
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[0], INSTALLED);
        let mut command = if is_root() {
            let program = self.folder.path().join("streamgate");
            if !program.exists() {
                fs::hard_link(PROGRAM, &program).or_else(|_| fs::copy(PROGRAM, &program).map(drop)).unwrap();
            }
            let mut command = Command::new("setpriv");
            command
                .args([&format!("--reuid={USER}"), "--regid=65534", "--clear-groups", "--no-new-privs"])
                .arg(program);
            command
        } else {
            Command::new(PROGRAM)
        };
        command.args(&words[1..]).current_dir("/").stdin(Stdio::null());
        command.env("CREDENTIALS_DIRECTORY", self.folder.path().join("credentials"));
        command.env("STATE_DIRECTORY", self.state());
        command
    }
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Waits for something that is looked at again and again.
fn until(what: &str, mut look: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !look() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Ends with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_unit_and_the_shipped_configuration_are_a_gateway_that_starts_and_keeps_its_streams() {
    let free = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().to_string();
    let (address, control) = (free(), free());
    let service = Service::new(|text| {
        let mut text = text.replace("address: 127.0.0.1:8080", &format!("address: {address}"));
        text = text.replace("address: 127.0.0.1:9090", &format!("address: {control}"));
        for (off, on) in [("  #snapshot: ", "  snapshot: "), ("  connections: 20000", "  connections: 100")] {
            assert!(text.contains(off), "{off}");
            text = text.replace(off, on);
        }
        text
    });
    // Run by hand, the keys are root's.
    let mut by_hand = service.command("ExecStartPre");
    let by_hand = by_hand.env_remove("CREDENTIALS_DIRECTORY").output().unwrap();
    assert!(!by_hand.status.success() && String::from_utf8_lossy(&by_hand.stderr).contains("keys/session.key"));

    let checked = service.command("ExecStartPre").output().unwrap();
    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
    let log = service.folder.path().join("log");
    let mut command = service.command("ExecStart");
    let mut running = Running(command.stderr(fs::File::create(&log).unwrap()).spawn().unwrap());
    let said = || fs::read_to_string(&log).unwrap();
    until("it is up", || {
        assert!(running.0.try_wait().unwrap().is_none(), "{}", said());
        said().contains("streamgate is up")
    });
    // The ports that the gateway holds itself are no warning.
    let checked = service.command("ExecStartPre").output().unwrap();
    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
    // A reload reads what the running process may read; the commands of a reload get no credentials.
    assert_eq!(values(&service.unit, "ExecReload"), ["/bin/kill -HUP $MAINPID"]);
    let asked = Command::new("kill").args(["-HUP", &running.0.id().to_string()]).status().unwrap();
    assert!(asked.success());
    until("it has looked at the configuration again", || said().contains("the configuration is unchanged"));
    let ended = Command::new("kill").args(["-TERM", &running.0.id().to_string()]).status().unwrap();
    assert!(ended.success());
    until("it has stopped", || running.0.try_wait().unwrap().is_some());
    assert!(running.0.wait().unwrap().success(), "{}", said());
    assert!(!said().contains("\"ERROR\"") && !said().contains("\"WARN\""), "{}", said());
    assert!(service.state().join("streams.snapshot").is_file(), "{}", said());
}
