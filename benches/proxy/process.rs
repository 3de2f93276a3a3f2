//! The processes that are compared.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::free_address;

/// A running server.
pub(crate) struct Proxy {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    child: Child,
    /// Prefix of every path: a play session, if there is one.
    prefix: String,
}

impl Proxy {
    pub(crate) fn start(name: &'static str, address: SocketAddr, command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut proxy = Self { name, address, child, prefix: String::new() };
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(address).is_err() {
            let ended = proxy.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "{name} does not listen ({ended:?})");
            std::thread::sleep(Duration::from_millis(20));
        }
        proxy
    }

    pub(crate) fn origin() -> Self {
        let address = free_address();
        let this = std::env::current_exe().unwrap();
        Self::start("origin", address, Command::new(this).args(["--origin", &address.to_string()]))
    }

    pub(crate) fn passthrough(origin: SocketAddr) -> Self {
        let address = free_address();
        let this = std::env::current_exe().unwrap();
        let arguments = ["--passthrough", &address.to_string(), &origin.to_string()];
        Self::start("pass-through, same framework", address, Command::new(this).args(arguments))
    }

    /// Streamgate with an admitted play session.
    pub(crate) fn streamgate(folder: &Path, origin: SocketAddr, access: bool) -> Self {
        let (mut proxy, _, token) = Self::begin(folder, origin, access);
        let entry = entry(proxy.address, &format!("/film/index.m3u8?token={token}"));
        let start = entry.find("/~s/").unwrap_or_else(|| panic!("no play session: {entry}"));
        let length = entry[start + 4..].find('/').unwrap();
        entry[start..start + 4 + length].clone_into(&mut proxy.prefix);
        proxy
    }

    /// Streamgate's control port, and a token of a viewer.
    pub(crate) fn control(name: &'static str, folder: &Path, access: bool) -> (Self, String) {
        let (mut proxy, address, token) = Self::begin(folder, free_address(), access);
        (proxy.name, proxy.address) = (name, address);
        (proxy, token)
    }

    /// Streamgate, the address of its control port, and a token of a viewer.
    fn begin(folder: &Path, origin: SocketAddr, access: bool) -> (Self, SocketAddr, String) {
        let (address, control) = (free_address(), free_address());
        let file = folder.join(format!("streamgate-{access}.yaml"));
        fs::write(folder.join("secret"), "a secret of the benchmark, long enough for all").unwrap();
        let text = format!(
            "listeners: [{{ address: \"{address}\" }}]\ncontrol: {{ address: \"{control}\" }}\n\
             origins: {{ main: {{ servers: [\"{origin}\"] }} }}\n\
             applications:\n  tv:\n    name: TV\n    routes: [{{ path: /, origin: main }}]\n    identity:\n      token:\n        \
             in: [\"query:token\", \"header:authorization\"]\n        jwt: {{ keys: [{{ alg: HS256, secret: {{ file: secret }} }}] }}\n      idp: acme\n      \
             subject: claim:sub\n      device: claim:device\n    policies: [household]\n\
             policies: {{ household: {{ mode: enforce, rules: [{{ name: two, limit: 2, when_exceeded: deny_newest }}] }} }}\n\
             sessions: {{ keys: [{{ id: 1, secret: {{ file: secret }} }}] }}\nthreads: 1\nlog: {{ access: {access} }}\n"
        );
        fs::write(&file, text).unwrap();
        let program = env!("CARGO_BIN_EXE_streamgate");
        let name = if access { "streamgate, access log" } else { "streamgate" };
        let proxy = Self::start(name, address, Command::new(program).arg("run").arg("--config").arg(&file));
        let minted = Command::new(program)
            .arg("token")
            .arg("--config")
            .arg(&file)
            .args(["--application", "tv", "--subject", "alice", "--device", "tv-1"])
            .output()
            .unwrap();
        let token = String::from_utf8(minted.stdout).unwrap();
        (proxy, control, token.trim().to_owned())
    }

    pub(crate) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// CPU time of the process and its children since their start, in nanoseconds.
    pub(crate) fn cpu_nanos(&self) -> u64 {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.child.id())).unwrap_or_default();
        let family = children.split_whitespace().map(str::to_owned).chain([self.child.id().to_string()]);
        family
            .flat_map(|pid| fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten())
            .map(|task| {
                // The first field of schedstat: time on a processor, in nanoseconds.
                let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
                text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
            })
            .sum()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let deadline = Instant::now() + Duration::from_secs(8);
        while self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            if Instant::now() > deadline {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The body of an entry manifest.
fn entry(address: SocketAddr, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: bench.example\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}
