//! Configurations that differ in a part, and a program whose configuration they become.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;

use super::program::{Gateway, Origin, SECRET, SESSION, free_port, until};

/// A configuration, by the parts that tests change. As it is made, each account may have two streams.
#[derive(Clone)]
pub(super) struct Config {
    /// Further lines of the first listener.
    pub(super) listener: &'static str,
    pub(super) more_listeners: String,
    /// By name, what stands in each.
    pub(super) origins: Vec<(&'static str, String)>,
    /// Path and origin.
    pub(super) routes: Vec<(&'static str, &'static str)>,
    pub(super) token: String,
    /// The claim with the subject.
    pub(super) subject: &'static str,
    pub(super) limit: u32,
    /// What else the rule says.
    pub(super) rule: &'static str,
    pub(super) sessions: &'static str,
    pub(super) streams: &'static str,
    pub(super) log: &'static str,
    pub(super) shutdown: &'static str,
    pub(super) extra: String,
}

impl Config {
    /// Everything goes to this origin.
    pub(super) fn before(origin: &Origin) -> Self {
        Self {
            listener: "",
            more_listeners: String::new(),
            origins: vec![("main", servers(origin))],
            routes: vec![("/", "main")],
            token: keys(&["tv.hs256"]),
            subject: "sub",
            limit: 2,
            rule: "when_exceeded: deny_newest",
            sessions: "{ id: 1, secret: { file: session.key } }",
            streams: "{}",
            log: "{}",
            shutdown: "{ grace: 1s }",
            extra: String::new(),
        }
    }

    fn text(&self, address: SocketAddr, control: SocketAddr) -> String {
        let origins = self.origins.iter().map(|(name, origin)| format!("  {name}: {{ {origin} }}\n"));
        let routes = self.routes.iter().map(|(path, origin)| format!("{{ path: {path}, origin: {origin} }}"));
        format!(
            "listeners:\n  - address: {address}\n{}{}control: {{ address: {control} }}\norigins:\n{}\
             applications:\n  tv:\n    routes: [{}]\n    identity:\n      token: {{ in: [\"query:token\"], {} }}\n\
             \x20     idp: acme\n      subject: claim:{}\n      device: claim:device\n    policies: [household]\n\
             policies:\n  household: {{ rules: [{{ name: some, limit: {}, {} }}] }}\n\
             sessions: {{ keys: [{}] }}\nstreams: {}\nlog: {}\nshutdown: {}\n{}",
            self.listener,
            self.more_listeners,
            origins.collect::<String>(),
            routes.collect::<Vec<_>>().join(", "),
            self.token,
            self.subject,
            self.limit,
            self.rule,
            self.sessions,
            self.streams,
            self.log,
            self.shutdown,
            self.extra,
        )
    }

    pub(super) async fn start(&self) -> Program {
        self.start_with(&[]).await
    }

    /// Starts with further files that the configuration names.
    pub(super) async fn start_with(&self, files: &[(&str, &[u8])]) -> Program {
        let program = self.begin(files);
        Program { gateway: Gateway::run(program.0, program.1, program.2, program.3).await }
    }

    /// Starts without waiting.
    pub(super) fn start_early(&self) -> Program {
        let program = self.begin(&[]);
        Program { gateway: Gateway::begin(program.0, program.1, program.2, program.3) }
    }

    fn begin(&self, files: &[(&str, &[u8])]) -> (Arc<tempfile::TempDir>, SocketAddr, SocketAddr, &'static str) {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let [address, control] = [(); 2].map(|()| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())));
        let own: [(&str, &[u8]); 2] = [("tv.hs256", SECRET), ("session.key", SESSION)];
        for (name, bytes) in own.iter().chain(files) {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        std::fs::write(folder.path().join("streamgate.yaml"), self.text(address, control)).unwrap();
        (folder, address, control, if self.listener.contains("tls") { "https" } else { "http" })
    }
}

/// The servers of an origin.
pub(super) fn servers(origin: &Origin) -> String {
    format!("servers: [\"{}\"]", origin.address)
}

/// Tokens that one of these secrets signs.
pub(super) fn keys(files: &[&str]) -> String {
    let keys = files.iter().map(|file| format!("{{ alg: HS256, secret: {{ file: {file} }} }}"));
    format!("jwt: {{ keys: [{}] }}", keys.collect::<Vec<_>>().join(", "))
}

/// Tokens whose keys are at a URL.
pub(super) fn key_set(server: &Origin) -> String {
    format!("jwt: {{ jwks: {{ url: \"http://{}/jwks\" }} }}", server.address)
}

/// A running program and the file of its configuration.
pub(super) struct Program {
    pub(super) gateway: Gateway,
}

impl std::ops::Deref for Program {
    type Target = Gateway;

    fn deref(&self) -> &Gateway {
        &self.gateway
    }
}

impl Program {
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn text(&self, config: &Config) -> String {
        config.text(self.address, self.control)
    }

    /// Writes over the file, as some editors do.
    pub(super) fn overwrite(&self, text: &str) {
        std::fs::write(self.file("streamgate.yaml"), text).unwrap();
    }

    /// Puts another file in its place, as others do.
    pub(super) fn replace(&self, config: &Config) {
        std::fs::write(self.file("new"), self.text(config)).unwrap();
        std::fs::rename(self.file("new"), self.file("streamgate.yaml")).unwrap();
    }

    /// Makes the file a link into a folder that is a link itself, and points that elsewhere, as Kubernetes does.
    pub(super) fn relink(&self, config: &Config, folder: &str) {
        std::fs::create_dir(self.file(folder)).unwrap();
        std::fs::write(self.file(folder).join("streamgate.yaml"), self.text(config)).unwrap();
        let put = |target: &str, name: &str| {
            symlink(target, self.file("link")).unwrap();
            std::fs::rename(self.file("link"), self.file(name)).unwrap();
        };
        put(folder, "..data");
        if !self.file("streamgate.yaml").is_symlink() {
            put("..data/streamgate.yaml", "streamgate.yaml");
        }
    }

    /// Replaces the file, asks for it to be read, and waits until it is in force as that revision.
    pub(super) async fn reload(&self, config: &Config, revision: u64) {
        self.replace(config);
        self.signal("HUP");
        self.applied(revision).await;
    }

    /// Waits until the log says that this revision is in force.
    pub(super) async fn applied(&self, revision: u64) {
        let line = format!("\"revision\":{revision},");
        until(&format!("revision {revision} is in force"), async || {
            assert!(!self.log().contains("configuration refused"), "{}", self.log());
            self.log().contains(&line)
        })
        .await;
        assert_eq!(self.metric("streamgate_config_revision", "").await, i64::try_from(revision).unwrap());
    }

    /// Waits until the log says this.
    pub(super) async fn says(&self, words: &str) {
        until(&format!("the log says {words}"), async || self.log().contains(words)).await;
    }

    /// Waits until so many reloads ended like this.
    pub(super) async fn reloads(&self, result: &str, number: i64) {
        self.counts("streamgate_config_reloads_total", result, number).await;
    }
}
