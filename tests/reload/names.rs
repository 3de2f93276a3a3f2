//! Names of origins and a name server that does not answer: the real program and the system's resolver, in a network of their own.

use std::net::UdpSocket;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::program::{Origin, until};
use super::support::Config;

/// Set where this test runs inside of the network that it has made.
const INSIDE: &str = "STREAMGATE_TEST_OWN_NETWORK";

/// The names that get no answer, and those that were asked for.
#[derive(Default)]
struct Names {
    silent: Vec<&'static str>,
    asked: Vec<String>,
}

/// A name server that says of every name but the silent ones that it is this machine (RFC 1035 §4.1).
fn name_server() -> Arc<Mutex<Names>> {
    let names = Arc::new(Mutex::new(Names::default()));
    let (socket, of_server) = (UdpSocket::bind("127.0.0.1:53").unwrap(), names.clone());
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut query) {
            let question = &query[12..length];
            let (mut name, mut at) = (String::new(), 0);
            while question[at] != 0 {
                let label = &question[at + 1..=at + usize::from(question[at])];
                name = format!("{name}{}{}", if at == 0 { "" } else { "." }, String::from_utf8_lossy(label));
                at += label.len() + 1;
            }
            let is_a = question[at + 1..at + 3] == [0, 1];
            {
                let mut names = of_server.lock().unwrap();
                names.asked.push(name.clone());
                if names.silent.contains(&name.as_str()) {
                    continue;
                }
            }
            let mut answer = query[..2].to_vec();
            answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
            answer.extend(&question[..at + 5]);
            if is_a {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
            }
            socket.send_to(&answer, peer).unwrap();
        }
    });
    names
}

/// Runs a test of this file again, in a network and with mounts of its own. `false`: this is that run.
fn is_outside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return false;
    }
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--mount", "--net"]);
        unshare
    };
    if !unshare().arg("true").status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: this machine lets nobody make a network of his own (unshare)");
        return true;
    }
    let myself = std::env::current_exe().unwrap();
    let status = unshare().arg(myself).args(["--exact", test, "--nocapture"]).env(INSIDE, "1").status().unwrap();
    assert!(status.success(), "it failed in a network of its own");
    true
}

fn done(command: &str, arguments: &[&str]) {
    assert!(Command::new(command).args(arguments).status().unwrap().success(), "{command} {arguments:?}");
}

#[tokio::test]
async fn a_name_server_that_does_not_answer_delays_no_other_origin_and_no_reload() {
    if is_outside("reload::names::a_name_server_that_does_not_answer_delays_no_other_origin_and_no_reload") {
        return;
    }
    let files = tempfile::tempdir().unwrap();
    for (name, text) in [("resolv.conf", "nameserver 127.0.0.1\n"), ("nsswitch.conf", "hosts: files dns\n")] {
        let file = files.path().join(name);
        std::fs::write(&file, text).unwrap();
        done("mount", &["--bind", file.to_str().unwrap(), &format!("/etc/{name}")]);
    }
    done("ip", &["link", "set", "lo", "up"]);
    let names = name_server();
    names.lock().unwrap().silent = vec!["silent.test"];

    let origin = Origin::usual().await;
    let origin_of = |name: &str| format!("servers: [\"{name}:{}\"], resolve_every: 1s", origin.address.port());
    let config = Config {
        // In the order in which they are looked at.
        origins: vec![("dead", origin_of("silent.test")), ("main", origin_of("good.test"))],
        routes: vec![("/dead", "dead"), ("/", "main")],
        ..Config::before(&origin)
    };
    let began = Instant::now();
    let program = config.start_early();
    let status = async |path: &str| {
        let url = program.url(&format!("{path}?token={}", super::program::token("alice", "tv")));
        program.client.get(url).send().await.map_or(0, |answer| answer.status().as_u16())
    };
    until("the other origin is reached", async || status("/news/master.m3u8").await == 200).await;
    assert!(began.elapsed() < Duration::from_secs(5), "it waited for {:?}", began.elapsed());
    assert_eq!(status("/dead/master.m3u8").await, 503);
    program.says("no answer within 5s").await;

    let began = Instant::now();
    program.reload(&Config { limit: 1, ..config.clone() }, 2).await;
    assert!(began.elapsed() < Duration::from_secs(3), "the reload waited for {:?}", began.elapsed());
    assert_eq!(program.log().matches("name does not resolve").count(), 1, "it is told once");

    // The other name falls silent, and this one is found.
    let before = {
        let mut names = names.lock().unwrap();
        names.silent = vec!["good.test"];
        names.asked.len()
    };
    until("the first name is found", async || status("/dead/master.m3u8").await == 200).await;
    until("the other name is asked for again", async || {
        names.lock().unwrap().asked[before..].iter().any(|name| name == "good.test")
    })
    .await;
    assert_eq!(status("/news/master.m3u8").await, 200, "its addresses stay in use");
}
