//! What the machine has to give a configuration: ports, a folder, file descriptors. Told by `check` and at the start.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::support::{Origin, SECRET, SESSION, Setup, command, run, until};
use super::tls::certificate;

const PROGRAM: &str = env!("CARGO_BIN_EXE_streamgate");
/// A user who may do nothing that others may not: `nobody`.
const USER: u32 = 65534;

/// A folder with a configuration of these listeners, this control port, and further sections.
fn folder(listeners: &str, control: &str, more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
    write("tv.hs256", SECRET);
    write("session.key", SESSION);
    let text = format!(
        "listeners: [{listeners}]\ncontrol: {{ address: {control}, connections: 10 }}\n\
         origins: {{ main: {{ servers: [127.0.0.1:1], max_connections: 30 }} }}\n\
         applications:\n  tv:\n    routes: [{{ path: /, origin: main }}]\n    identity:\n      \
         token: {{ in: [\"query:token\"], jwt: {{ keys: [{{ alg: HS256, secret: {{ file: tv.hs256 }} }}] }} }}\n      \
         idp: acme\n      subject: claim:sub\n\
         sessions: {{ keys: [{{ id: 1, secret: {{ file: session.key }} }}] }}\nlimits: {{ connections: 400 }}\nthreads: 1\n{more}"
    );
    write("c.yaml", text.as_bytes());
    folder
}

const CHECK: [&str; 3] = ["check", "--config", "c.yaml"];
const RUN: [&str; 3] = ["run", "--config", "c.yaml"];

#[test]
fn every_port_that_is_taken_is_told_at_once_with_who_listens_there() {
    let taken: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
    let address = |nth: usize| taken[nth].local_addr().unwrap().to_string();
    let tls = "tls: { certificate: tls.crt, key: tls.key }";
    let listeners = format!(
        "{{ address: \"{}\" }}, {{ address: \"{}\", {tls} }}, {{ address: \"127.0.0.1:0\" }}, {{ address: \"192.0.2.1:4242\" }}",
        address(0),
        address(1)
    );
    let folder = folder(&listeners, &address(2), "");
    let (chain, key) = certificate("tv.example");
    std::fs::write(folder.path().join("tls.crt"), chain).unwrap();
    std::fs::write(folder.path().join("tls.key"), key).unwrap();
    let who = format!("(process {})", std::process::id());
    let places = ["listeners[0].address", "listeners[1].address", "control.address"];

    // What listens there may be about to end: no error of the configuration.
    let (code, out, told) = command(&CHECK, folder.path());
    assert!(code == 0 && out.contains("4 warnings"), "{out}{told}");
    for (nth, place) in places.iter().enumerate() {
        let line = format!("c.yaml: warning: {place}: cannot listen on {}: ", address(nth));
        let line = told.lines().find(|told| told.starts_with(&line)).expect(place);
        assert!(line.contains(&who) && line.contains("configure another one"), "{line}");
    }
    let absent = told.lines().find(|line| line.contains("192.0.2.1:4242")).unwrap();
    assert!(absent.contains("this machine has no such address"), "{absent}");
    let (_, out, _) = command(&["check", "--format", "json", "--config", "c.yaml"], folder.path());
    let report: Value = serde_json::from_str(&out).unwrap();
    let paths: Vec<&str> = report["warnings"].as_array().unwrap().iter().map(|w| w["path"].as_str().unwrap()).collect();
    assert_eq!(
        (report["valid"].as_bool(), paths),
        (Some(true), vec![places[0], places[1], "listeners[3].address", places[2]])
    );

    let (code, _, told) = command(&RUN, folder.path());
    assert_eq!((code, told.lines().count()), (1, 4), "{told}");
    for nth in 0..3 {
        let begins = format!("cannot listen on {}: ", address(nth));
        assert!(told.lines().any(|line| line.starts_with(&begins) && line.contains(&who)), "{begins}\n{told}");
    }
}

#[tokio::test]
async fn check_says_nothing_of_the_ports_of_a_gateway_that_runs_with_the_configuration() {
    let origin = Origin::usual().await;
    let extra = "limits: { connections: 100 }\n".to_owned();
    let gateway = Setup { extra, ..Setup::before(&[&origin]) }.start().await;
    let file = |name: &str| gateway.folder.path().join(name).display().to_string();
    let (code, out, told) = command(&["check", "--config", &file("streamgate.yaml")], Path::new("/"));
    assert_eq!((code, told.as_str()), (0, ""), "{out}");
    // Another configuration would be another gateway, for which there is no room.
    std::fs::copy(file("streamgate.yaml"), file("other.yaml")).unwrap();
    let (code, _, told) = command(&["check", "--config", &file("other.yaml")], Path::new("/"));
    let holder = format!("stop `streamgate` (process {})", gateway.child.id());
    assert_eq!((code, told.matches(&holder).count()), (0, 2), "{told}");
}

/// The words that run the program as a user who may write nowhere, where the test may change its user.
fn as_user(folder: &Path, arguments: &[&str]) -> Vec<String> {
    if !nix::unistd::geteuid().is_root() {
        return [PROGRAM].iter().chain(arguments).map(ToString::to_string).collect();
    }
    // The build's own folder may be closed to that user.
    let program = folder.join("program");
    if !program.exists() {
        std::fs::hard_link(PROGRAM, &program).or_else(|_| std::fs::copy(PROGRAM, &program).map(drop)).unwrap();
    }
    let user = format!("--reuid={USER}");
    let words = ["setpriv", &user, "--regid=65534", "--clear-groups", program.to_str().unwrap()];
    words.iter().chain(arguments).map(ToString::to_string).collect()
}

#[test]
fn a_folder_that_cannot_be_written_is_told_with_the_user_and_the_remedy() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let listener = format!("{{ address: \"{}\" }}", taken.local_addr().unwrap());
    let folder = folder(&listener, "127.0.0.1:0", "streams: { snapshot: state/table.snapshot }\n");
    let ran = |arguments: &[&str]| {
        let words = as_user(folder.path(), arguments);
        run(&words.iter().map(String::as_str).collect::<Vec<_>>(), folder.path())
    };
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    let state: PathBuf = folder.path().join("state");
    let is_root = nix::unistd::geteuid().is_root();
    let user = if is_root { USER } else { nix::unistd::geteuid().as_raw() };
    mode(folder.path(), 0o755);

    // No folder, and something else in its place.
    let (code, _, told) = ran(&CHECK);
    assert!(code == 1 && told.contains("folder `state` does not exist"), "{told}");
    std::fs::write(&state, "").unwrap();
    let (code, _, told) = ran(&CHECK);
    assert!(code == 1 && told.contains("`state` is not a folder"), "{told}");
    std::fs::remove_file(&state).unwrap();

    std::fs::create_dir(&state).unwrap();
    mode(&state, 0o555);
    let expected = format!(
        "streams.snapshot: user {user} may not write to the folder `state` (Permission denied): `chown {user} state`"
    );
    let (code, _, told) = ran(&CHECK);
    assert!(code == 1 && told.starts_with(&format!("c.yaml: {expected}")), "{told}");
    let (code, out, _) = ran(&["check", "--format", "json", "--config", "c.yaml"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &report["problems"][0]["path"]), (1, &"streams.snapshot".into()), "{out}");
    let (code, _, told) = ran(&RUN);
    assert_eq!((code, told.lines().count()), (1, 2), "with the port that is taken: {told}");
    assert!(told.contains(&expected) && told.contains("cannot listen on"), "{told}");
    // Who only asks for a token writes nothing.
    let (code, _, told) = ran(&["token", "--config", "c.yaml", "--application", "tv", "--subject", "alice"]);
    assert_eq!((code, told.as_str()), (0, ""));

    mode(&state, 0o755);
    if is_root {
        chown(&state, Some(USER), Some(USER)).unwrap();
    }
    let (code, _, told) = ran(&CHECK);
    assert!(code == 0 && !told.contains("streams.snapshot"), "{told}");

    // What operators have ordered must not be lifted because it cannot be read.
    let orders = state.join("table.orders.json");
    std::fs::write(&orders, "{}").unwrap();
    mode(&orders, 0o000);
    let expected = format!("user {user} may not read `state/table.orders.json`, which the start needs");
    for arguments in [CHECK, RUN] {
        let (code, _, told) = ran(&arguments);
        assert!(code == 1 && told.contains(&expected), "{told}");
    }
    assert!(orders.exists());
    std::fs::remove_file(&orders).unwrap();
    std::fs::create_dir(&orders).unwrap();
    let (code, _, told) = ran(&CHECK);
    assert!(code == 1 && told.contains("`state/table.orders.json` is a folder"), "{told}");
}

#[test]
fn a_link_to_a_snapshot_is_written_where_it_leads_to() {
    let folder = folder("{ address: \"127.0.0.1:0\" }", "127.0.0.1:0", "streams: { snapshot: table.snapshot }\n");
    let far = folder.path().join("far");
    std::fs::create_dir_all(far.join("table.snapshot.unfinished")).unwrap();
    std::fs::write(far.join("table.snapshot"), "").unwrap();
    std::os::unix::fs::symlink("far/table.snapshot", folder.path().join("table.snapshot")).unwrap();
    let (code, _, told) = command(&CHECK, folder.path());
    assert!(code == 1 && told.contains("far/table.snapshot.unfinished` is a folder"), "{told}");
}

/// The words that run the program with these limits of open files.
fn limited<'a>(limits: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
    [&["prlimit", limits, PROGRAM], arguments].concat()
}

#[tokio::test]
async fn the_limit_of_open_files_is_raised_and_one_that_is_too_low_is_told() {
    let folder = folder("{ address: \"127.0.0.1:0\" }", "127.0.0.1:0", "log: { format: text }\n");
    let need = 400 + 10 + 30 + 64 + 8;
    let enough = format!("--nofile=64:{need}");
    let (code, out, told) = run(&limited(&enough, &CHECK), folder.path());
    assert_eq!((code, told.as_str()), (0, ""), "{out}");
    let low = format!("--nofile=64:{}", need - 1);
    let (code, out, told) = run(&limited(&low, &CHECK), folder.path());
    let warned =
        format!("may open {} files at once (hard limit), and may need {need}: 400 for limits.connections", need - 1);
    assert!(code == 0 && out.contains("1 warning") && told.contains(&warned), "{out}{told}");

    let log = folder.path().join("log");
    let words = limited(&low, &RUN);
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let said = || std::fs::read_to_string(&log).unwrap();
    until("it is up or has ended", async || said().contains("is up") || child.try_wait().unwrap().is_some()).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let open = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let open: Vec<&str> = open.split_whitespace().take(2).collect();
    assert_eq!(open, [(need - 1).to_string(), (need - 1).to_string()], "{}", said());
    assert!(said().contains("limit of open files raised") && said().contains(&warned), "{}", said());
}
