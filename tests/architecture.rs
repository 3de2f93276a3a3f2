//! The rules of the house, read off the `use` lines: which room may know which, and who may touch the outside world.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Floors from the ground up; rooms on one floor never import each other, unless the floor says otherwise.
const FLOORS: [&[&str]; 9] = [
    &["model", "net"],
    &["media", "identity", "policy"],
    &["streams"],
    &["key_sources", "overrides"],
    &["config"],
    &["telemetry"],
    &["admission"],
    &["gateway", "control", "demo"],
    &["command", "main"],
];

/// Where a crate of the outside world may be named.
const ONLY_IN: [(&str, &[&str]); 4] = [
    ("pingora", &["gateway", "command", "main"]),
    ("axum", &["control"]),
    ("redis", &["streams/store/redis"]),
    ("prometheus", &["telemetry"]),
];

/// Rooms and files that compute and do nothing else.
const PURE: [&str; 6] = ["model", "media", "policy", "identity", "streams/account", "streams/stream.rs"];
const IMPURE: [&str; 7] = ["pingora", "tokio", "axum", "moka", "redis", "prometheus", "tracing"];
/// What was found out about tokens is kept, and is no token format.
const EXCEPT: [&str; 2] = ["identity/cache.rs", "identity/callback_cache.rs"];

struct Source {
    /// Below `src`, with `/`.
    name: String,
    text: String,
}

fn sources() -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    found.sort();
    let sources: Vec<Source> = found
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            Source { name, text: fs::read_to_string(&path).unwrap() }
        })
        .collect();
    assert!(sources.len() > 40, "the sources are not where this test looks: {}", root.display());
    sources
}

impl Source {
    fn is_test(&self) -> bool {
        self.name.ends_with("tests.rs")
    }

    /// The text without tests beside the code, comments and strings' contents do not matter here.
    fn code(&self) -> String {
        let code = self.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    }

    fn room(&self) -> &str {
        self.name.split(['/', '.']).next().unwrap_or_default()
    }

    /// Every path that a `use` line names, braces taken apart.
    fn imports(&self) -> Vec<String> {
        let code = self.code();
        let mut imports = Vec::new();
        for statement in code.split(';') {
            let statement = statement.trim_start();
            let at =
                statement.rfind("\nuse ").map(|at| at + 1).or_else(|| statement.rfind("\npub use ").map(|at| at + 5));
            let Some(path) = at
                .map(|at| &statement[at..])
                .or(Some(statement))
                .and_then(|s| s.trim_start().strip_prefix("pub use ").or_else(|| s.trim_start().strip_prefix("use ")))
            else {
                continue;
            };
            expand("", &path.split_whitespace().collect::<Vec<_>>().join(" "), &mut imports);
        }
        imports
    }
}

/// `a::{b, c::{d, e}}` is `a::b`, `a::c::d`, `a::c::e`.
fn expand(head: &str, tree: &str, into: &mut Vec<String>) {
    let Some(open) = tree.find('{') else {
        let path = tree.split(" as ").next().unwrap_or_default().trim();
        into.push(format!("{head}{path}"));
        return;
    };
    let head = format!("{head}{}", tree[..open].trim());
    let inner = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
    let (mut depth, mut start) = (0, 0);
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b',' if depth == 0 => {
                expand(&head, inner[start..at].trim(), into);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !inner[start..].trim().is_empty() {
        expand(&head, inner[start..].trim(), into);
    }
}

fn floor_of(room: &str) -> Option<usize> {
    FLOORS.iter().position(|rooms| rooms.contains(&room))
}

#[test]
fn no_import_runs_up_a_floor_or_across_it() {
    let mut wrong = Vec::new();
    for source in sources() {
        let room = source.room().to_owned();
        if room == "lib" {
            continue;
        }
        let floor = floor_of(&room)
            .unwrap_or_else(|| panic!("the room `{room}` has no floor; give it one here and in the design"));
        for import in source.imports() {
            let mut path = import.split("::");
            if !matches!(path.next(), Some("crate" | "streamgate")) {
                continue;
            }
            let Some(other) = path.next() else { continue };
            let Some(reached) = floor_of(other) else { continue };
            if reached > floor || (reached == floor && other != room && room != "main") {
                wrong.push(format!("{}: {import}", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that the floors do not allow:\n{}", wrong.join("\n"));
}

#[test]
fn the_outside_world_is_touched_only_where_the_design_says() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test()) {
        for (package, places) in ONLY_IN {
            let allowed = places.iter().any(|place| source.name.starts_with(place));
            if !allowed && source.code().contains(&format!("{package}::")) {
                wrong.push(format!("{} names {package}", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_pure_rooms_compute_and_do_nothing_else() {
    let mut wrong = Vec::new();
    let pure = |source: &Source| PURE.iter().any(|room| source.name.starts_with(room)) && !source.is_test();
    for source in sources().iter().filter(|source| pure(source) && !EXCEPT.contains(&&*source.name)) {
        let code = source.code();
        for package in IMPURE {
            if code.contains(&format!("{package}::")) {
                wrong.push(format!("{} names {package}", source.name));
            }
        }
        for clock in ["SystemTime::now", "Instant::now", ".elapsed()"] {
            if code.contains(clock) {
                wrong.push(format!("{} reads a clock: {clock}", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_written_and_renamed_in_one_place() {
    // The demo lays out keys that are public.
    let allowed = ["streams/durable_file.rs", "command/demo.rs"];
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test() && !allowed.contains(&&*source.name)) {
        let code = source.code();
        // Tests beside the code stand behind it.
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        for way in ["fs::write", "fs::rename", "fs::copy", "File::create", "OpenOptions"] {
            if code.contains(way) {
                wrong.push(format!("{} uses {way} in place of streams::durable_file", source.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What blocks on a disk, on another thread, or for as long as a million accounts take.
const BLOCKING: [&str; 20] = [
    "fs::",
    "File::",
    "OpenOptions",
    "durable_file::",
    "pem_file_iter",
    "from_pem_file",
    "config::read(",
    "config::parse_file(",
    "parts::",
    "Certificate::read(",
    "KeySources::new(",
    "KeySources::following(",
    "NextWebhooks::of(",
    ".reread()",
    ".save(",
    ".save_running(",
    ".restore(",
    "table.tick(",
    "thread::sleep",
    "block_on(",
];

/// A command that ends with its answer has nobody else to keep waiting.
const SERVES_NOBODY: &str = "command/explain";

/// The end of what begins behind an opening brace or parenthesis at the start of `text`.
fn end_of(text: &str, open: char, close: char) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return at;
            }
        }
    }
    text.len()
}

/// What asynchronous functions, blocks and closures do themselves, without what they have done on a thread for blocking work.
fn asynchronous(code: &str) -> Vec<String> {
    let starts = ["async fn ", "async move {", "async {", "async |", "async move |"];
    let mut bodies = Vec::new();
    for (at, _) in starts.iter().flat_map(|start| code.match_indices(start)) {
        let rest = &code[at..];
        let Some(open) = rest.find(['{', ';']).filter(|at| rest[*at..].starts_with('{')) else { continue };
        let body = &rest[open..open + end_of(&rest[open..], '{', '}')];
        let (mut own, mut rest) = (String::new(), body);
        while let Some(at) = rest.find("blocking(") {
            let arguments = at + "blocking".len();
            own.push_str(&rest[..arguments]);
            rest = &rest[arguments + end_of(&rest[arguments..], '(', ')')..];
        }
        own.push_str(rest);
        bodies.push(own);
    }
    bodies
}

#[test]
fn what_blocks_is_done_on_threads_for_blocking_work() {
    let of = |code: &str| asynchronous(code).concat();
    assert!(of("async fn a() { let b = fs::read(c); }").contains("fs::"));
    assert!(of("fn a() { spawn(async move { loop { f(1); fs::read(c); } }) }").contains("fs::"));
    assert!(!of("async fn a() { spawn_blocking(move || { f(1); fs::read(c) }).await }").contains("fs::"));
    assert!(of("async fn a() { spawn_blocking(move || b()).await; fs::read(c) }").contains("fs::"));
    assert!(!of("async fn a(); fn b() { fs::read(c) }").contains("fs::"));
    let (mut wrong, mut read) = (Vec::new(), 0);
    let ours = |source: &&Source| !source.is_test() && !source.name.starts_with(SERVES_NOBODY);
    for source in sources().iter().filter(ours) {
        for body in asynchronous(&source.code()) {
            read += 1;
            for word in BLOCKING.iter().filter(|word| body.contains(**word)) {
                wrong.push(format!("{}: {word} in {:.60}", source.name, body.replace('\n', " ")));
            }
        }
    }
    assert!(read > 200, "only {read} asynchronous bodies were found; the reader is broken");
    assert!(wrong.is_empty(), "use tokio::task::spawn_blocking:\n{}", wrong.join("\n"));
}

/// Names that secrets, and what is made of them, go by where something else claims to know them.
const SECRET_NAMES: [&str; 12] = [
    "bearer",
    "code",
    "credential",
    "credentials",
    "mac",
    "mark",
    "password",
    "proof",
    "secret",
    "signature",
    "tag",
    "token",
];

/// What is compared here with itself: secrets of one configuration when it is read, and a token with its own place in a request.
const NO_SECRETS_OF_OURS: [&str; 2] = ["config/compile/control.rs", "identity/media_cdn.rs"];

/// The operands of `==` and `!=` in a line: the path or call in front, the one behind.
fn compared(line: &str) -> Vec<(&str, &str)> {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '(' | ')' | '&' | '*' | ':');
    let mut found = Vec::new();
    for operator in [" == ", " != "] {
        for (at, _) in line.match_indices(operator) {
            let (before, after) = (&line[..at], &line[at + operator.len()..]);
            let start = before.rfind(|c| !part(c)).map_or(0, |at| at + 1);
            let end = after.find(|c| !part(c)).unwrap_or(after.len());
            found.push((&before[start..], &after[..end]));
        }
    }
    found
}

/// Whether an operand is a secret's own bytes or text, and not its length or something else that it has.
fn is_secret(operand: &str) -> bool {
    let bare = operand.trim_matches(['&', '*', '(', ')']);
    let ways = [".as_ref", ".as_bytes", ".as_str", ".as_slice", ".expose", ".to_string"];
    let bare = ways.iter().fold(bare, |bare, way| bare.strip_suffix(way).unwrap_or(bare));
    let name = bare.rsplit(['.', ':']).next().unwrap_or_default();
    SECRET_NAMES.contains(&name)
}

#[test]
fn what_is_keyed_or_secret_is_compared_in_constant_time() {
    // Exact: the reader finds what it is to find, and nothing else.
    for line in [
        "if mark == given {",
        "self.all().any(|key| key.mark(application, account, &id.0) == mark)",
        "return mac.as_ref() == given;",
        "x != token.secret.expose()",
        "hmac.tag != other.tag.as_ref()",
    ] {
        assert!(compared(line).iter().any(|(a, b)| is_secret(a) || is_secret(b)), "{line}");
    }
    for line in
        ["if mac.len() != algorithm.length() {", "key.id == id", "Some(key.algorithm()) == self.algorithm", "a = b"]
    {
        assert!(!compared(line).iter().any(|(a, b)| is_secret(a) || is_secret(b)), "{line}");
    }
    let mut wrong = Vec::new();
    // Only there is anything keyed: files that make or hold secrets, and those that are shown credentials.
    let keyed = ["hmac", "aead", "constant_time", "AUTHORIZATION", ".expose()", "digest("];
    let sources = sources();
    let mut read = 0;
    for source in sources.iter().filter(|source| !source.is_test() && !NO_SECRETS_OF_OURS.contains(&&*source.name)) {
        let code = source.code();
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        if !keyed.iter().any(|word| code.contains(word)) {
            continue;
        }
        read += 1;
        for line in code.lines() {
            if compared(line).iter().any(|(a, b)| is_secret(a) || is_secret(b)) {
                wrong.push(format!("{}: {}", source.name, line.trim()));
            }
        }
    }
    assert!(read >= 10, "only {read} files hold anything keyed; the reader is broken");
    assert!(wrong.is_empty(), "compare in constant time (aws_lc_rs::constant_time):\n{}", wrong.join("\n"));
}

#[test]
fn no_files_import_each_other_directly_or_through_others() {
    let sources = sources();
    let names: BTreeSet<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    // What a module file passes on from its children: (module file, name) ▸ child file.
    let mut passed_on: BTreeMap<(String, String), String> = BTreeMap::new();
    for source in &sources {
        for import in source.imports() {
            let parts: Vec<&str> = import.split("::").collect();
            if let [child, .., name] = parts.as_slice()
                && let Some(file) = module_file(&names, &folder_of(&source.name), child)
            {
                passed_on.insert((source.name.clone(), (*name).to_owned()), file);
            }
        }
    }
    let mut edges: BTreeSet<(String, String)> = BTreeSet::new();
    for source in sources.iter().filter(|source| !source.is_test()) {
        for import in source.imports() {
            if let Some(target) = resolve(&names, &passed_on, &source.name, &import)
                && target != source.name
            {
                edges.insert((source.name.clone(), target));
            }
        }
    }
    assert!(edges.len() > 60, "only {} edges were found; the reader of `use` lines is broken", edges.len());
    // A module file lists its children, and they build on it; that is no circle.
    edges.retain(|(from, to)| !is_module_of(from, to) && !is_module_of(to, from));
    let circles = circles(&edges);
    assert!(circles.is_empty(), "files that import each other, directly or through others:\n{circles:#?}");
}

#[test]
fn circles_of_any_length_are_found() {
    let edges = |pairs: &[(&str, &str)]| pairs.iter().map(|(from, to)| ((*from).into(), (*to).into())).collect();
    let found = |pairs: &[(&str, &str)]| circles(&edges(pairs));
    assert_eq!(found(&[("a", "b"), ("b", "c"), ("a", "c")]), Vec::<Vec<String>>::new());
    assert_eq!(found(&[("a", "b"), ("b", "a")]), [["a", "b"]]);
    assert_eq!(
        found(&[("a", "b"), ("b", "c"), ("c", "d"), ("d", "b"), ("d", "e"), ("x", "y"), ("y", "x")]),
        [vec!["b", "c", "d"], vec!["x", "y"]]
    );
}

/// The strongly connected components of more than one file: every file of one imports every other, directly or through others.
fn circles(edges: &BTreeSet<(String, String)>) -> Vec<Vec<String>> {
    let mut imports: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in edges {
        imports.entry(from).or_default().push(to);
    }
    let reached = |start: &str| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![start]);
        while let Some(file) = next.pop() {
            for to in imports.get(file).into_iter().flatten() {
                if seen.insert((*to).to_owned()) {
                    next.push(to);
                }
            }
        }
        seen
    };
    let reach: BTreeMap<&str, BTreeSet<String>> = imports.keys().map(|file| (*file, reached(file))).collect();
    let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
    for (file, others) in &reach {
        let circle: Vec<String> = others
            .iter()
            .filter(|other| reach.get(other.as_str()).is_some_and(|back| back.contains(*file)))
            .cloned()
            .collect();
        if !circle.is_empty() {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

/// The folder in which a file's child modules lie.
fn folder_of(file: &str) -> String {
    if file == "main.rs" || file == "lib.rs" {
        return String::new();
    }
    match file.strip_suffix("/mod.rs") {
        Some(folder) => format!("{folder}/"),
        None => format!("{}/", file.trim_end_matches(".rs")),
    }
}

fn is_module_of(parent: &str, child: &str) -> bool {
    child.starts_with(&folder_of(parent))
}

fn module_file(names: &BTreeSet<&str>, folder: &str, module: &str) -> Option<String> {
    [format!("{folder}{module}.rs"), format!("{folder}{module}/mod.rs")]
        .into_iter()
        .find(|name| names.contains(name.as_str()))
}

/// The file that an import leads to, through what module files pass on.
fn resolve(
    names: &BTreeSet<&str>,
    passed_on: &BTreeMap<(String, String), String>,
    from: &str,
    import: &str,
) -> Option<String> {
    let mut parts = import.split("::").peekable();
    let mut at = match *parts.peek()? {
        "crate" | "streamgate" => {
            parts.next();
            "lib.rs".to_owned()
        }
        "super" => from.to_owned(),
        "self" => {
            parts.next();
            from.to_owned()
        }
        first => module_file(names, &folder_of(from), first).map(|_| from.to_owned())?,
    };
    while parts.peek() == Some(&"super") {
        parts.next();
        let folder = folder_of(&at);
        let parent = folder.trim_end_matches('/').rsplit_once('/').map_or("", |(parent, _)| parent);
        at = if parent.is_empty() {
            "lib.rs".to_owned()
        } else {
            let (above, module) = parent.rsplit_once('/').map_or(("", parent), |(above, module)| (above, module));
            let above = if above.is_empty() { String::new() } else { format!("{above}/") };
            module_file(names, &above, module)?
        };
    }
    for part in parts {
        match module_file(names, &folder_of(&at), part) {
            Some(file) => at = file,
            None => {
                return Some(passed_on.get(&(at.clone(), part.to_owned())).cloned().unwrap_or(at));
            }
        }
    }
    Some(at)
}

/// Keys that the log's own format gives each line. A field of the same name would stand beside it, and parsers keep one of them.
const KEYS_OF_EACH_LINE: [&str; 9] =
    ["timestamp", "level", "target", "message", "filename", "line_number", "span", "spans", "threadName"];

#[test]
fn no_log_line_has_a_field_of_the_formats_own_name() {
    let mut lines = 0;
    for source in sources() {
        for level in ["trace", "debug", "info", "warn", "error"] {
            for (at, start) in source.text.match_indices(&format!("tracing::{level}!(")) {
                let call = &source.text[at + start.len()..];
                let call = call.split(");").next().unwrap();
                let fields = call.split([',', '(']).map(|field| field.trim().trim_start_matches(['%', '?']));
                let names = fields.map(|field| field.split(" = ").next().unwrap_or_default());
                let taken: Vec<&str> = names.filter(|name| KEYS_OF_EACH_LINE.contains(name)).collect();
                assert!(taken.is_empty(), "{}: {taken:?} in `{call}`", source.name);
                lines += 1;
            }
        }
    }
    assert!(lines > 50, "only {lines} log lines were looked at");
}
