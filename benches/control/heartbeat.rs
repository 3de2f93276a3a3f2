//! A session with heartbeats through version 2 of the session API.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use crate::free_address;
use crate::process::Proxy;

/// `Basic` credentials of the application `tv`.
const CREDENTIALS: &str = "dHY6";

/// Streamgate's control port, and the heartbeat of an admitted session. The response is 202 without a body.
pub(crate) fn control(folder: &Path) -> (Proxy, String) {
    let address = free_address();
    let file = folder.join("heartbeat.yaml");
    fs::write(folder.join("secret"), "a secret of the benchmark, long enough for all").unwrap();
    let text = format!(
        "control: {{ address: \"{address}\" }}\n\
         applications: {{ tv: {{ stream_source: api, policies: [household] }} }}\n\
         policies: {{ household: {{ rules: [{{ name: two, limit: 2 }}] }} }}\n\
         session_api: {{ throttle: {{ calls: 1000000, window: 10s }} }}\n\
         sessions: {{ keys: [{{ id: 1, secret: {{ file: secret }} }}] }}\nthreads: 1\n"
    );
    fs::write(&file, text).unwrap();
    let program = env!("CARGO_BIN_EXE_streamgate");
    let server = Proxy::start("v2 heartbeat", address, Command::new(program).arg("run").arg("--config").arg(&file));
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request("acme/alice", "Connection: close\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let session = answer.lines().find_map(|line| line.strip_prefix("location: "));
    let session = session.unwrap_or_else(|| panic!("no session: {answer}"));
    (server, request(&format!("acme/alice/{session}"), ""))
}

fn request(path: &str, more: &str) -> String {
    format!(
        "POST /v2/sessions/{path} HTTP/1.1\r\nHost: streamgate\r\nAuthorization: Basic {CREDENTIALS}\r\n\
         User-Agent: bench\r\nContent-Length: 0\r\n{more}\r\n"
    )
}
