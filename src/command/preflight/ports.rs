//! Checks whether the listening addresses are free, and finds the process that uses one.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use streamgate::config::Settings;
use streamgate::net;

use super::Finding;

/// All listening addresses: bound, but not yet listening.
pub(in crate::command) struct Reserved {
    /// Listeners for viewers, in configuration order.
    pub(in crate::command) viewers: Vec<TcpListener>,
    pub(in crate::command) control: TcpListener,
}

impl Reserved {
    /// Binds all of them. The error has one line for each failure.
    pub(in crate::command) fn new(settings: &Settings) -> Result<Self, Vec<String>> {
        let (mut taken, mut problems) = (Vec::new(), Vec::new());
        for (_, address) in addresses(settings) {
            match net::reserve(address) {
                Ok(listener) => taken.push(listener),
                Err(error) => problems.push(problem(address, &error)),
            }
        }
        match taken.pop() {
            // The control port is last.
            Some(control) if problems.is_empty() => Ok(Self { viewers: taken, control }),
            _ => Err(problems),
        }
    }

    /// Starts to listen on all of them.
    pub(in crate::command) fn listen(&self, settings: &Settings) -> Result<(), Vec<String>> {
        let listeners = self.viewers.iter().chain([&self.control]);
        let listening = listeners.zip(addresses(settings)).map(|(listener, (_, address))| {
            // Two processes may have bound one address; the second `listen` fails.
            net::listen(listener).map_err(|error| problem(address, &error))
        });
        let problems: Vec<String> = listening.filter_map(Result::err).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

/// Addresses that cannot be bound now, except those of a running gateway with this configuration.
pub(super) fn taken(settings: &Settings, file: &Path) -> Vec<Finding> {
    let failures = addresses(settings).into_iter().filter_map(|(path, address)| {
        let error = net::reserve(address).err()?;
        let is_ours = error.kind() == ErrorKind::AddrInUse && holder(address).is_some_and(|holder| holder.runs(file));
        (!is_ours).then(|| Finding { path, message: problem(address, &error) })
    });
    failures.collect()
}

/// Configuration path and address of each listener; the control port last.
fn addresses(settings: &Settings) -> Vec<(String, SocketAddr)> {
    let viewers = settings.listeners.iter().enumerate();
    let mut addresses: Vec<_> =
        viewers.map(|(nth, listener)| (format!("listeners[{nth}].address"), listener.address)).collect();
    addresses.push(("control.address".to_owned(), settings.control.address));
    addresses
}

fn problem(address: SocketAddr, error: &io::Error) -> String {
    let mut text = format!("cannot listen on {address}: {error}; ");
    let _ = match error.kind() {
        ErrorKind::AddrInUse => match holder(address) {
            Some(Process { id, name, .. }) => {
                write!(text, "stop `{name}` (process {id}), which uses this address, or configure another one")
            }
            None => write!(
                text,
                "stop the process that uses this address (see `ss -ltnp`, as root), or configure another one"
            ),
        },
        ErrorKind::PermissionDenied => write!(
            text,
            "allow user {} to use ports below 1024 (AmbientCapabilities=CAP_NET_BIND_SERVICE of the systemd unit), or \
             configure a higher port",
            geteuid()
        ),
        ErrorKind::AddrNotAvailable => {
            write!(text, "this machine has no such address: configure one that `ip address` shows, or 0.0.0.0 for all")
        }
        _ if net::is_shortage(error) => write!(text, "{}", net::SHORTAGE_REMEDY),
        _ => write!(text, "configure another address"),
    };
    text
}

/// A process of this machine.
struct Process {
    id: u32,
    name: String,
    folder: PathBuf,
}

impl Process {
    /// True if it is a gateway that was started with this configuration.
    fn runs(&self, file: &Path) -> bool {
        let Ok(words) = fs::read(self.folder.join("cmdline")) else { return false };
        let words: Vec<&[u8]> = words.split(|byte| *byte == 0).collect();
        if !words.contains(&&b"run"[..]) {
            return false;
        }
        let mut named = words.iter().enumerate().filter_map(|(nth, word)| match word.strip_prefix(b"--config") {
            Some([]) => words.get(nth + 1).copied(),
            Some([b'=', path @ ..]) => Some(path),
            _ => None,
        });
        let Some(path) = named.next().and_then(|path| std::str::from_utf8(path).ok()) else { return false };
        // A relative one is sought from where that process is.
        let path = self.folder.join("cwd").join(path);
        let found = |path: &Path| fs::canonicalize(path).ok();
        found(&path).is_some_and(|path| found(file) == Some(path))
    }
}

/// Who listens on an address, as far as this user may see.
fn holder(address: SocketAddr) -> Option<Process> {
    let tables =
        ["/proc/self/net/tcp", "/proc/self/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let sockets: Vec<String> =
        tables.iter().flat_map(|table| table.lines()).filter_map(|line| socket_at(line, address)).collect();
    let processes = fs::read_dir("/proc").ok()?.flatten();
    for folder in processes.map(|entry| entry.path()) {
        let Some(id) = folder.file_name().and_then(|name| name.to_str()?.parse().ok()) else { continue };
        let Ok(files) = fs::read_dir(folder.join("fd")) else { continue };
        let mut links = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
        if links.any(|link| sockets.iter().any(|socket| link.as_os_str() == socket.as_str())) {
            let name = fs::read_to_string(folder.join("comm")).unwrap_or_default().trim().to_owned();
            return Some(Process { id, name, folder });
        }
    }
    None
}

/// The name of the socket in a line of `/proc/self/net/tcp`, where it listens on this address or on all of its family.
fn socket_at(line: &str, address: SocketAddr) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (local, state, inode) = (words.get(1)?, words.get(3)?, words.get(9)?);
    let (ip, port) = local.split_once(':')?;
    let is_listening = *state == "0A";
    if !is_listening || u16::from_str_radix(port, 16).ok()? != address.port() {
        return None;
    }
    // Words of 32 bits, each in the order of the machine.
    let mut bytes = Vec::new();
    for word in ip.as_bytes().chunks(8) {
        let word = u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    let ip = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(bytes) => IpAddr::from(bytes),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    // One that listens on all IPv6 addresses may listen on those of IPv4 as well.
    let clashes = ip.to_canonical() == address.ip() || ip.is_unspecified() || address.ip().is_unspecified();
    clashes.then(|| format!("socket:[{inode}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_systems_table_names_the_socket_that_is_in_the_way() {
        let four = |ip: u32, port: u16, state| {
            format!(
                "   0: {ip:08X}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 77 1 0"
            )
        };
        let loopback = u32::from_ne_bytes([127, 0, 0, 1]);
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let socket = Some("socket:[77]".to_owned());
        assert_eq!(socket_at(&four(loopback, 8080, "0A"), at("127.0.0.1:8080")), socket);
        assert_eq!(socket_at(&four(loopback, 8080, "0A"), at("0.0.0.0:8080")), socket);
        assert_eq!(socket_at(&four(0, 8080, "0A"), at("127.0.0.1:8080")), socket);
        assert_eq!(socket_at(&four(loopback, 8080, "01"), at("127.0.0.1:8080")), None, "it is connected");
        assert_eq!(socket_at(&four(loopback, 8081, "0A"), at("127.0.0.1:8080")), None);
        assert_eq!(socket_at(&four(loopback, 8080, "0A"), at("127.0.0.2:8080")), None);
        let one = u32::from_ne_bytes([0, 0, 0, 1]);
        let six = format!("  1: {:024X}{one:08X}:1F90 {:032X}:0000 0A 0:0 00:0 0 0 0 77 1", 0, 0);
        assert_eq!(socket_at(&six, at("[::1]:8080")), socket);
        assert_eq!(socket_at(&six, at("[::2]:8080")), None);
        assert_eq!(socket_at("  sl  local_address rem_address   st tx_queue", at("[::1]:8080")), None);
    }
}
