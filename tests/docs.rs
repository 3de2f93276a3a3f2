//! The documentation, held against the program: what it says to copy works, and what it points at is there.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what failed by panicking")]

mod getting_started;

use std::fs;
use std::path::{Path, PathBuf};

use streamgate::config::parse;
use streamgate::identity::{TokenError, parse_blocks};
use streamgate::telemetry::Metrics;

const IDENTITY: &str = "docs/identity.md";

/// The words of the configuration for the formats of tokens. Each has to be shown.
const FORMATS: [&str; 7] = ["jwt", "cat", "edge_auth", "media_cdn", "uri_signing", "cloud_front", "callback"];

/// What a key file holds, by the ending of its name.
const FILES: [(&str, &str); 7] = [
    ("secret", "a secret of the tests, thirty-two bytes and more"),
    ("key", "another secret, for play sessions, long enough too"),
    ("hex", "0f1e2d3c4b5a69788796a5b4c3d2e1f0\n"),
    ("base64url", "AAECAwQFBgcICQoLDA0ODw\n"),
    ("aes", "sixteen bytes---"),
    // Of RFC 8037 appendix A.2.
    ("ed25519", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\n"),
    // A point of P-256 whose private half nobody has.
    (
        "pem",
        "-----BEGIN PUBLIC KEY-----\n\
         MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAExqPd3MvEJt4EU0wxIddChngM8u1M\n\
         KNt6J3DyNcspWXrg6UDRvm/l0PJ90RlDLKWvySGCMCxDKpIM9pkdRHeVuQ==\n\
         -----END PUBLIC KEY-----\n",
    ),
];

/// Who supplies all that the policies ask for that are shown.
const SUPPLIES: &str = r#"    identity:
      token: { in: ["query:token"], jwt: { keys: [{ alg: HS256, secret: { file: tv.secret } }] } }
      idp: acme
      subject: "claim:sub"
      device: "claim:device"
      attributes: { channel: "claim:channel", contractType: "claim:plan", deviceType: "claim:type", maxStreams: "claim:max" }
"#;

const LISTENERS: &str = "listeners: [{ address: 127.0.0.1:8080 }]\n";
const NOBODY: &str = "    anonymous: pass\n";

/// A fenced block and the line that it begins at.
struct Block {
    file: String,
    line: usize,
    text: String,
}

impl Block {
    /// The first key, or `-` where it is a list.
    fn kind(&self) -> &str {
        let end = self.text.find([':', ' ']).unwrap_or(self.text.len());
        &self.text[..end]
    }

    /// Whether the key stands somewhere in it.
    fn has_key(&self, key: &str) -> bool {
        let is_key = |(at, _)| self.text[..at].ends_with([' ', '{', '\n']);
        self.text.match_indices(&format!("{key}:")).any(is_key)
    }

    /// The whole configuration that the block is a part of.
    fn configuration(&self) -> String {
        let (mut whole, mut application) = (String::new(), NOBODY.to_owned());
        match self.kind() {
            "identity" => application = indented(&self.text),
            "sharing" | "download_rate" => application += &indented(&self.text),
            "policies" => {
                let policies = self.text.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
                let policies: Vec<&str> = policies.filter(|name| !name.starts_with(' ')).collect();
                application = format!("{SUPPLIES}    policies: [{}]\n", policies.join(", "));
                whole += &self.text;
            }
            // One that stands for itself.
            "applications" => return self.text.clone(),
            "trusted_proxies" | "blocks" | "session_api" | "webhooks" => whole += &self.text,
            other => panic!("{self}: nothing is known of blocks that begin with `{other}`"),
        }
        if !self.has_key("listeners") {
            whole += LISTENERS;
        }
        format!(
            "{whole}origins: {{ main: {{ servers: [127.0.0.1:8081] }} }}\n\
             sessions: {{ keys: [{{ id: 1, secret: {{ file: session.key }} }}] }}\n\
             applications:\n  tv:\n    routes: [{{ path: /, origin: main }}]\n{application}"
        )
    }
}

impl std::fmt::Display for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

fn indented(text: &str) -> String {
    text.lines().flat_map(|line| ["    ", line, "\n"]).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

/// The README and every page of `docs`.
fn pages() -> Vec<String> {
    let mut pages: Vec<String> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "md"))
        .map(|name| format!("docs/{name}"))
        .collect();
    pages.sort();
    pages.insert(0, "README.md".to_owned());
    assert!(pages.iter().any(|page| page == IDENTITY), "{pages:?}");
    pages
}

/// Every fenced block of YAML.
fn blocks() -> Vec<Block> {
    let mut found = Vec::new();
    for file in pages() {
        let text = read(&file);
        let mut lines = text.lines().enumerate();
        while let Some((nth, line)) = lines.next() {
            if line == "```yaml" {
                let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
                let text = inside.flat_map(|line| [line, "\n"]).collect();
                found.push(Block { file: file.clone(), line: nth + 2, text });
            }
        }
    }
    found
}

/// Lays the key files that a configuration names.
fn lay_files(configuration: &str, folder: &Path) {
    for named in configuration.split("file: ").skip(1) {
        let name = named.split([' ', '}', ',', '\n']).next().unwrap();
        let ending = Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        // A file of blocks need not be there.
        let Some((_, text)) = FILES.iter().find(|(known, _)| *known == ending) else {
            assert_eq!(ending, "yaml", "nothing is known of key files such as `{name}`");
            continue;
        };
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

#[test]
fn every_configuration_that_is_shown_loads() {
    let mut shown = 0;
    // Lists are blocks of viewers; what has a title is a scenario, which `tests/policies.rs` plays.
    for block in blocks().iter().filter(|block| !["-", "title"].contains(&block.kind())) {
        let folder = tempfile::tempdir().unwrap();
        let configuration = block.configuration();
        lay_files(&configuration, folder.path());
        match parse(&configuration, folder.path()) {
            Ok(settings) if block.kind() == "policies" => assert_eq!(settings.warnings, [], "{block}"),
            Ok(_) => {}
            Err(report) => panic!("{block}:\n{report}\n{configuration}"),
        }
        shown += 1;
    }
    assert!(shown >= 18, "only {shown} configurations are shown");
}

#[test]
fn every_format_has_a_configuration_to_copy() {
    let blocks: Vec<Block> = blocks().into_iter().filter(|block| block.kind() == "identity").collect();
    let shown: Vec<&str> =
        FORMATS.into_iter().filter(|format| blocks.iter().any(|block| block.has_key(format))).collect();
    assert_eq!(shown, FORMATS);
    // The seven, the JWT in the path, several formats together, values, and streams without minting.
    assert!(blocks.len() >= 11, "only {} ways to identify viewers are shown", blocks.len());
}

#[test]
fn every_file_of_blocks_that_is_shown_is_one() {
    let shown: Vec<Block> = blocks().into_iter().filter(|block| block.kind() == "-").collect();
    assert!(!shown.is_empty());
    for block in &shown {
        let read = parse_blocks(block.text.as_bytes()).unwrap_or_else(|error| panic!("{block}: {error}"));
        assert_eq!(read.len(), block.text.matches("reason:").count(), "{block}");
    }
    for kind in ["- account:", "- device:", "- token:", "- session:"] {
        assert!(shown.iter().any(|block| block.text.contains(kind)), "{kind}");
    }
}

#[test]
fn every_reason_for_refusing_a_token_is_explained() {
    let page = read(IDENTITY);
    let (_, table) = page.split_once("## Token errors").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let explained = |label: &&str| {
        let rows = table.lines().filter(|line| line.starts_with('|'));
        rows.filter_map(|row| row.split('|').nth(1)).any(|cell| cell.contains(&format!("`{label}`")))
    };
    let missing: Vec<&str> = TokenError::LABELS.into_iter().filter(|label| !explained(label)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Labels whose values stand in the configuration, or in the session API's documentation.
const CONFIGURED: [&str; 9] =
    ["application", "origin", "policy", "rule", "mode", "hook", "source", "service", "attribute"];

#[test]
fn every_metric_is_documented_with_every_word_of_its_labels() {
    let page = read("docs/operations.md");
    let (_, page) = page.split_once("\n## Metrics\n").unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with('|')).collect();
    let row = |metric: &str| rows.iter().find(|row| row.split('|').nth(1).is_some_and(|cell| cell.contains(metric)));
    let text = "listeners: [{ address: 127.0.0.1:8080 }]\norigins: { main: { servers: [127.0.0.1:8081] } }\n\
                sessions: { keys: [{ id: 1, secret: { file: session.key } }] }\n\
                applications:\n  tv:\n    routes: [{ path: /, origin: main }]\n    policies: [some]\n    identity:\n      \
                token: { in: [\"query:token\"], jwt: { keys: [{ alg: HS256, secret: { file: tv.secret } }] } }\n      \
                idp: acme\n      subject: claim:sub\n\
                policies:\n  some:\n    rules:\n      - { name: a, limit: 1, when_exceeded: deny_newest }\n      \
                - { name: b, limit: 1, when_exceeded: terminate_oldest, per: [channel], missing: refuse }\n";
    let folder = tempfile::tempdir().unwrap();
    lay_files(text, folder.path());
    let metrics = Metrics::new().unwrap();
    metrics.create_series(&parse(text, folder.path()).unwrap_or_else(|report| panic!("{report}")));
    let shown = metrics.render();
    for name in shown.lines().filter_map(|line| line.strip_prefix("# HELP streamgate_")?.split(' ').next()) {
        assert!(row(&format!("`{name}`")).is_some(), "`{name}` is not in the table");
    }
    let mut words = 0;
    for (name, labels) in shown.lines().filter_map(|line| line.strip_prefix("streamgate_")?.split_once('{')) {
        let name = ["_bucket", "_sum", "_count"].iter().fold(name, |name, end| name.trim_end_matches(end));
        for (label, rest) in labels.split(',').filter_map(|label| label.split_once("=\"")) {
            let word = rest.split('"').next().unwrap();
            if CONFIGURED.contains(&label) || ["le", "version"].contains(&label) || word.is_empty() {
                continue;
            }
            let said = format!("`{word}`");
            // How requests end is told once.
            let row = if label == "outcome" && name != "session_api_calls_total" { "requests_total" } else { name };
            let row = rows.iter().find(|line| line.contains(&format!("`{row}`"))).unwrap();
            assert!(row.contains(&said), "{said} is not in the row of `{name}`");
            words += 1;
        }
    }
    assert!(words > 100, "{words}");
}

#[test]
fn every_link_between_pages_leads_to_a_file_and_a_heading_that_are_there() {
    let mut links = 0;
    for page in pages() {
        let text = read(&page);
        let folder = root().join(&page).parent().map(PathBuf::from).unwrap();
        for (_, rest) in text.match_indices("](").map(|(at, _)| text.split_at(at + 2)) {
            let target = rest.split(')').next().unwrap();
            if target.contains("://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { root().join(&page) } else { folder.join(file) };
            assert!(path.exists(), "{page}: there is no {target}");
            if !heading.is_empty() {
                let there = fs::read_to_string(&path).unwrap();
                assert!(there.lines().any(|line| anchor(line).as_deref() == Some(heading)), "{page}: no {target}");
            }
            links += 1;
        }
    }
    assert!(links >= 10, "only {links} links were looked at");
}

#[test]
fn every_page_is_in_the_index() {
    let index = read("docs/index.md");
    let pages = pages();
    let links = pages.iter().filter_map(|page| page.strip_prefix("docs/")).filter(|page| *page != "index.md");
    let missing: Vec<&str> = links.filter(|page| !index.contains(&format!("]({page})"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// What a heading is called in links: small letters, words joined by `-`, no other marks.
fn anchor(line: &str) -> Option<String> {
    let heading = line.trim_start_matches('#');
    let is_heading = heading.len() < line.len() && heading.starts_with(' ');
    let plain = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    is_heading.then(|| heading.trim().to_lowercase().chars().filter(plain).collect::<String>().replace(' ', "-"))
}
