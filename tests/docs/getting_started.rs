//! The page for beginners, done as it says: every step in order, in an empty folder.

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::read;

const PAGE: &str = "docs/getting-started.md";
/// The ports of the page, which may be taken on this machine.
const PORTS: [&str; 3] = ["18080", "19090", "18081"];
/// Long enough for a busy machine; nothing waits this long when all is well.
const TIMEOUT: Duration = Duration::from_mins(2);
/// In front of what the steps under a heading print.
const MARK: &str = "### ";

/// Every step of the page as one script that says which heading it is at.
fn script() -> String {
    let page = read(PAGE);
    let (mut script, mut heading) = (String::new(), "");
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            heading = title;
        } else if line == "```sh" {
            script.extend(["echo; echo '", MARK, heading, "'\n"]);
            script.extend(lines.by_ref().take_while(|line| *line != "```").flat_map(|line| [line, "\n"]));
        }
    }
    let mut free = free_ports();
    for port in PORTS {
        assert!(script.contains(port), "{PAGE} no longer uses port {port}");
        script = script.replace(port, &free.next().unwrap().to_string());
    }
    script
}

/// Ports that were free a moment ago, below those that the system gives to clients, which another test would take, and below
/// the page's own, which would be replaced once more.
fn free_ports() -> impl Iterator<Item = u16> {
    let some = || 10_000 + u16::try_from(RandomState::new().hash_one(()) % 8_000).unwrap();
    let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let mut given = Vec::new();
    std::iter::repeat_with(some).filter(is_free).filter(move |port| {
        let is_new = !given.contains(port);
        given.push(*port);
        is_new
    })
}

/// The shell and all that it starts: a process group of its own, which ends with the test.
struct Steps(Child);

impl Steps {
    fn signal(&self, name: &str) -> bool {
        let group = format!("-{}", self.0.id());
        Command::new("kill").args(["-s", name, "--", &group]).stderr(Stdio::null()).status().unwrap().success()
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.signal("KILL");
        let _ = self.0.wait();
    }
}

#[test]
fn every_step_of_the_page_for_beginners_works_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    // Beside the folder of the steps, which is empty.
    let [steps, out, err] = ["steps.sh", "out", "err"].map(|name| folder.path().join(name));
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    fs::write(&steps, script()).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_streamgate")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let create = |path: &Path| fs::File::create(path).unwrap();
    let mut shell = Steps(
        Command::new("bash")
            .args(["-e", "-o", "pipefail"])
            .arg(&steps)
            .current_dir(&empty)
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(create(&out))
            .stderr(create(&err))
            .process_group(0)
            .spawn()
            .unwrap(),
    );
    let deadline = Instant::now() + TIMEOUT;
    let status = loop {
        match shell.0.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if Instant::now() > deadline => break None,
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let [out, err] = [out, err].map(|file| String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned());
    let log = fs::read_to_string(empty.join("streamgate.log")).unwrap_or_default();
    let all = format!("{out}\n{err}\n{log}");
    assert!(status.is_some_and(|status| status.success()), "{status:?}:\n{all}");
    assert!(!shell.signal("0"), "the last step left processes behind:\n{all}");

    let step = |heading: &str| {
        let (_, rest) = out.split_once(&format!("{MARK}{heading}\n")).unwrap_or_else(|| panic!("{heading}:\n{all}"));
        rest.split(MARK).next().unwrap().to_owned()
    };
    assert!(step("Token").contains("\"subject\": \"alice\""), "{all}");
    assert!(step("Manifest").contains("\n/~s/"), "{all}");
    let shadow = step("Shadow mode");
    assert_eq!(shadow.matches("200\n").count(), 3, "{all}");
    let counted = shadow.lines().find(|line| line.starts_with("streamgate_policy_violations_total{effect=\"refuse\""));
    assert!(counted.is_some_and(|line| line.contains("mode=\"shadow\"") && line.ends_with("} 1")), "{all}");
    assert!(shadow.contains("\"would_refuse\""), "{all}");
    let enforced = step("Enforcement");
    let statuses: Vec<&str> = enforced.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)).collect();
    assert_eq!(statuses, ["200", "200", "403"], "{all}");
    assert!(enforced.contains("\"type\":\"urn:streamgate:problem:stream-limit\""), "{all}");
    // What the page shows is what there is to see.
    let page = read(PAGE);
    for shown in [counted.unwrap(), "HTTP/1.1 403 Forbidden", "Content-Type: application/problem+json"] {
        assert!(page.contains(shown), "{shown} is not on the page");
    }
    for line in page.lines().filter_map(|line| line.strip_prefix("    {")?.strip_suffix(" …")) {
        assert!(enforced.contains(line), "{line} is not what is answered:\n{all}");
    }
}
