//! How many file descriptors the process may use, and how many a configuration may need.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use streamgate::config::Settings;

use super::Finding;

/// Files that are open without connections, and those being reloaded.
const OWN: u64 = 64;
/// Descriptors of each worker thread's event loop.
const EACH_THREAD: u64 = 8;
/// Maximum requests in flight to one authorization service.
const EACH_CALLBACK: u64 = 1024;

/// Raises the soft limit to the hard one. Returns the old and new value if it changed.
pub(super) fn raise() -> io::Result<Option<(u64, u64)>> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= hard {
        return Ok(None);
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    Ok(Some((soft, hard)))
}

/// Reports if this configuration may need more than the limit.
pub(super) fn shortfall(settings: &Settings) -> Option<Finding> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    shortfall_of(settings, hard)
}

fn shortfall_of(settings: &Settings, hard: u64) -> Option<Finding> {
    let needs = needs(settings);
    let sum = needs.iter().fold(0_u64, |sum, (_, number)| sum.saturating_add(*number));
    if sum <= hard {
        return None;
    }
    let parts: Vec<String> = needs.iter().map(|(what, number)| format!("{number} for {what}")).collect();
    let message = format!(
        "the process may open {hard} files at once (hard limit), and may need {sum}: {}. Above the limit, viewers' \
         connections wait and \
         those to origins fail: raise LimitNOFILE= of the systemd unit (elsewhere `ulimit -Hn`), or lower these",
        parts.join(", ")
    );
    Some(Finding { path: "limits.connections".to_owned(), message })
}

/// How many descriptors each purpose needs.
fn needs(settings: &Settings) -> Vec<(String, u64)> {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let viewers = if settings.listeners.is_empty() { 0 } else { number(settings.limits.connections) };
    let mut needs = vec![
        ("limits.connections".to_owned(), viewers),
        ("control.connections".to_owned(), number(settings.control.connections)),
    ];
    let (unbounded, bounded): (Vec<_>, Vec<_>) =
        settings.origins.iter().partition(|(_, origin)| origin.max_connections == 0);
    for (name, origin) in bounded {
        let each = number(origin.max_connections);
        let what = format!("origins.{name}.max_connections per server");
        needs.push((what, each.saturating_mul(number(origin.servers.len()))));
    }
    if !unbounded.is_empty() {
        // Each viewer's connection uses one server at a time.
        needs.push(("servers without max_connections (limits.connections)".to_owned(), viewers));
    }
    for callback in &settings.callbacks {
        needs.push((format!("the callback of {}", callback.name), EACH_CALLBACK));
    }
    let own = number(settings.threads).saturating_mul(EACH_THREAD).saturating_add(OWN);
    needs.push(("its own files and threads".to_owned(), own));
    needs.retain(|(_, number)| *number > 0);
    needs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_connection_counts_and_what_is_enough_is_no_warning() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("session.key"), "a secret for play sessions, which is long enough").unwrap();
        let text = "listeners: [{ address: 127.0.0.1:0 }]\ncontrol: { address: 127.0.0.1:0, connections: 20 }\n\
                    origins:\n  bounded: { servers: [127.0.0.1:1, 127.0.0.1:2], max_connections: 300 }\n\
                    \x20 unbounded: { servers: [127.0.0.1:3, 127.0.0.1:4], max_connections: 0 }\n\
                    applications:\n  tv:\n    routes: [{ path: /, origin: bounded }, { path: /film, origin: unbounded }]\n\
                    \x20   identity:\n      token: { in: [\"query:t\"], callback: { url: \"http://127.0.0.1/\" } }\n      \
                    idp: a\n      subject: claim:userid\n\
                    sessions: { keys: [{ id: 1, secret: { file: session.key } }] }\nlimits: { connections: 4000 }\nthreads: 2\n";
        let settings = streamgate::config::parse(text, folder.path()).unwrap();
        let sum = 4000 + 20 + 2 * 300 + 4000 + 1024 + 64 + 16;
        assert_eq!(shortfall_of(&settings, sum), None);
        let told = shortfall_of(&settings, sum - 1).unwrap().message;
        for words in [
            &format!("may open {} files at once (hard limit), and may need {sum}: ", sum - 1),
            "4000 for limits.connections, 20 for control.connections, 600 for origins.bounded.max_connections per \
             server",
            "4000 for servers without max_connections (limits.connections), 1024 for the callback of tv",
            "80 for its own files and threads",
            "LimitNOFILE=",
        ] {
            assert!(told.contains(words), "{words}\n{told}");
        }
        let alone = text.replace("listeners: [{ address: 127.0.0.1:0 }]\n", "").replace(", origin: bounded", "");
        let alone = alone.replace(", origin: unbounded", "");
        let settings = streamgate::config::parse(&alone, folder.path()).unwrap();
        let needs = needs(&settings);
        assert!(needs.iter().all(|(what, _)| what != "limits.connections"), "nobody can connect: {needs:?}");
    }
}
