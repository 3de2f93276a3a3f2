//! Requests that the document allows, and those that it does not, made up by the hundred.

use std::path::PathBuf;
use std::process::Command;

use super::program::{Answer, project};
use super::support::{Config, OPERATOR, Program, bearer};

/// Requests for each operation, of each kind.
const EXAMPLES: u32 = 10;

/// A program of the installed packages; `None`, said visibly, where they are not installed.
fn installed(name: &str) -> Option<PathBuf> {
    let program = project().join("target/openapi/bin").join(name);
    if !program.exists() {
        println!("SKIPPED: {name} is not there; `scripts/install test` installs it");
        return None;
    }
    Some(program)
}

async fn document(program: &Program) -> String {
    let answer = Answer::of(program.client.get(program.api("/openapi.json")).send().await.unwrap()).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    answer.text().to_owned()
}

/// Waits for a command elsewhere, so that the origin of the test goes on.
async fn run(mut command: Command) -> (bool, String) {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

#[tokio::test]
async fn the_document_is_valid_openapi_3_1_and_names_every_address() {
    let program = Config::default().start().await;
    let text = document(&program).await;
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    for path in ["/healthz", "/readyz", "/metrics", "/api/openapi.json", "/api/status", "/api/streams"] {
        assert!(document["paths"][path]["get"].is_object(), "{path}");
    }
    for scheme in ["bearer", "basic"] {
        assert_eq!(document["components"]["securitySchemes"][scheme]["scheme"], scheme);
    }
    let file = program.folder.path().join("openapi.json");
    std::fs::write(&file, text).unwrap();
    let Some(python) = installed("python") else { return };
    let mut command = Command::new(python);
    command.args(["-m", "openapi_spec_validator", "--schema", "3.1"]).arg(&file);
    let (is_valid, said) = run(command).await;
    assert!(is_valid, "{said}");
}

#[test]
fn every_route_of_the_control_port_comes_with_its_documentation() {
    fn sources(folder: PathBuf) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { sources(path) } else { vec![path] }).collect()
    }
    let sources = sources(project().join("src/control"));
    assert!(sources.len() > 10);
    for source in sources {
        // Every method of one is answered by one handler, and stands in the document by hand; in the other, what answers 404.
        if ["authz.rs", "session/v2.rs"].iter().any(|name| source.ends_with(name)) {
            continue;
        }
        let text = std::fs::read_to_string(&source).unwrap();
        for call in [".route(", ".route_service(", ".nest_service("] {
            assert!(!text.contains(call), "{}: {call} adds a route that the document does not know", source.display());
        }
    }
}

#[tokio::test]
async fn the_program_does_what_the_document_says_whatever_is_asked() {
    let Some(schemathesis) = installed("schemathesis") else { return };
    let program = Config::default().start().await;
    program.watch("alice", "tv-1", "news").await;
    program.play("bob", "tv-1", "news").await;
    let file = program.folder.path().join("openapi.json");
    std::fs::write(&file, document(&program).await).unwrap();
    // Not ready is an answer and no error: among all else the program is told to drain. Names and metadata of the session API are
    // bounded in bytes and hold no control characters, which no schema of theirs can say: 400 is right then. A preflight is
    // answered whatever it is for, and what other proxies ask about may be any method.
    let config = format!(
        "[auth.openapi.bearer]\nbearer = \"{}\"\n[auth.openapi.basic]\nusername = \"tv\"\npassword = \"\"\n\
         [[operations]]\ninclude-path = \"/readyz\"\n[operations.checks.not_a_server_error]\nexpected-statuses = [\"2xx\", \"4xx\", 503]\n\
         [[operations]]\ninclude-path-regex = \"^/v[12]/\"\n[operations.checks.positive_data_acceptance]\nenabled = false\n\
         [[operations]]\ninclude-method = \"OPTIONS\"\n[operations.checks.negative_data_rejection]\nenabled = false\n\
         [[operations]]\ninclude-path = \"/authz\"\n[operations.checks.unsupported_method]\nenabled = false\n",
        bearer(OPERATOR).replace("Bearer ", "")
    );
    let config_file = program.folder.path().join("schemathesis.toml");
    std::fs::write(&config_file, config).unwrap();
    let mut command = Command::new(schemathesis);
    command
        .current_dir(program.folder.path())
        .arg("--config-file")
        .arg(&config_file)
        .arg("run")
        .arg(&file)
        .args(["--url", &format!("http://{}", program.control)])
        .args(["--phases", "examples,coverage,fuzzing"])
        .args(["--max-examples", &EXAMPLES.to_string(), "--generation-deterministic"])
        .args(["--workers", "1", "--suppress-health-check", "all", "--warnings", "off", "--no-color"]);
    let (kept, said) = run(command).await;
    assert!(kept, "{said}");
    assert!(said.contains("generated"), "{said}");
    assert_eq!(program.look("/status").await["revision"], 1);
}
