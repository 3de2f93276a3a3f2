//! A system clock that is set while the gateway runs. The program runs with libfaketime where the machine has it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use serde_json::json;

use super::support::{Origin, SECRET, SESSION, free_port, now, sign, until};

const OFFSET: &str = "streamgate_clock_offset_seconds";

/// Where distributions put it.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// A gateway whose system clock the test sets. Each account may have one stream.
struct Program {
    child: Child,
    folder: Arc<tempfile::TempDir>,
    address: SocketAddr,
    control: SocketAddr,
    client: reqwest::Client,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    /// Starts with a clock that is ahead by so many seconds.
    async fn start(library: &str, origin: &Origin, ahead: i64) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let [address, control] = [(); 2].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("tv.hs256", SECRET);
        write("session.key", SESSION);
        let text = format!(
            "listeners: [{{ address: \"{address}\" }}]\ncontrol: {{ address: \"{control}\" }}\n\
             origins: {{ main: {{ servers: [\"{}\"] }} }}\n\
             applications:\n  tv:\n    routes: [{{ path: /, origin: main }}]\n    identity:\n      \
             token: {{ in: [\"query:token\"], jwt: {{ keys: [{{ alg: HS256, secret: {{ file: tv.hs256 }} }}] }} }}\n      \
             idp: acme\n      subject: claim:sub\n      device: claim:device\n    policies: [household]\n\
             policies: {{ household: {{ rules: [{{ name: one, limit: 1 }}] }} }}\n\
             sessions: {{ keys: [{{ id: 1, secret: {{ file: session.key }} }}] }}\nshutdown: {{ grace: 1s }}\n",
            origin.address
        );
        write("streamgate.yaml", text.as_bytes());
        set(folder.path(), ahead);
        let child = Command::new(env!("CARGO_BIN_EXE_streamgate"))
            .args(["run", "--config"])
            .arg(folder.path().join("streamgate.yaml"))
            .env("LD_PRELOAD", library)
            .env("FAKETIME_TIMESTAMP_FILE", folder.path().join("faketime"))
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let program = Self { child, folder, address, control, client };
        until("the gateway is ready", async || {
            let ready = program.client.get(format!("http://{control}/readyz")).send().await;
            ready.is_ok_and(|answer| answer.status() == 200) && tokio::net::TcpStream::connect(address).await.is_ok()
        })
        .await;
        program
    }

    /// The status of an entry manifest on a device, with a token that expires then; and the prefix of its play session.
    async fn enter(&self, subject: &str, device: &str, expires: u64) -> (u16, String) {
        let token = sign("HS256", &json!({ "sub": subject, "device": device, "exp": expires }), SECRET);
        let url = format!("http://{}/{device}/master.m3u8?token={token}", self.address);
        let answer = self.client.get(url).send().await.unwrap();
        let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
        let prefix = text.find("/~s/").map(|at| text[at..].split('/').take(3).collect::<Vec<_>>().join("/"));
        (status, prefix.unwrap_or_default())
    }

    async fn segment(&self, prefix: &str) -> u16 {
        self.client.get(format!("http://{}{prefix}/a.ts", self.address)).send().await.unwrap().status().as_u16()
    }

    /// Zero where there is no such series yet.
    async fn metric(&self, series: &str) -> f64 {
        let text = self.client.get(format!("http://{}/metrics", self.control)).send().await.unwrap();
        let text = text.text().await.unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }
}

/// Sets the program's clock, by a rename: it reads the file at every look at the clock.
fn set(folder: &Path, ahead: i64) {
    std::fs::write(folder.join("next"), format!("{ahead:+}s\n")).unwrap();
    std::fs::rename(folder.join("next"), folder.join("faketime")).unwrap();
}

#[tokio::test]
async fn a_clock_that_is_set_changes_which_tokens_are_good_at_once_and_no_window() {
    const HOUR: i64 = 3600;
    let Some(library) = LIBRARIES.into_iter().find(|library| Path::new(library).exists()) else {
        eprintln!("not tried: this machine has no libfaketime");
        return;
    };
    let _ = rustls::crypto::ring::default_provider().install_default();
    let origin = Origin::usual().await;
    let now = now();
    // (the clock at the start, the clock afterwards), in seconds ahead of the right time.
    for (before, after) in [(HOUR, 0), (-HOUR, 0), (0, HOUR), (0, -HOUR)] {
        let program = Program::start(library, &origin, before).await;
        let by = |ahead: i64, seconds: u64| now.saturating_add_signed(ahead) + seconds;
        let (status, alice) = program.enter("alice", "tv", by(before, 600)).await;
        assert_eq!((status, program.segment(&alice).await), (200, 200), "a token of its time");
        // Good by the time that will be, and either expired or good as well by the time that is.
        let expected = if after < before { 403 } else { 200 };
        assert_eq!(program.enter("bob", "tv", by(after, 600)).await.0, expected, "{before} {after}");
        assert!(program.metric(OFFSET).await.abs() < 1.5);

        set(program.folder.path(), after);
        assert_eq!(program.enter("carol", "tv", by(after, 600)).await.0, 200, "at once, {before} {after}");
        let old = if after > before { 403 } else { 200 };
        assert_eq!(program.enter("dave", "tv", by(before, 600)).await.0, old, "{before} {after}");
        // Whoever played plays on, and nobody has lost a slot.
        assert_eq!(program.segment(&alice).await, 200, "{before} {after}");
        assert_eq!(program.metric("streamgate_stream_events_total{application=\"tv\",event=\"idle\"}").await, 0.0);
        let (status, erin) = program.enter("erin", "tv", by(after, 600)).await;
        assert_eq!((status, program.segment(&erin).await), (200, 200), "play sessions of now are good");
        #[allow(clippy::cast_precision_loss, reason = "two hours at most")]
        let off = program.metric(OFFSET).await - (after - before) as f64;
        assert!(off.abs() < 1.5, "off by {off}, {before} {after}");
        until("it is told", async || {
            let log = std::fs::read_to_string(program.folder.path().join("log")).unwrap_or_default();
            log.contains("the system clock was set while the gateway runs")
        })
        .await;
    }
}
