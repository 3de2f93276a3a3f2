//! The command line, as its user meets it.

use super::support::{Setup, command, project};

fn folder_with(configuration: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("c.yaml"), configuration).unwrap();
    folder
}

#[test]
fn a_wrong_word_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&[][..], &["fly"], &["run"], &["token", "--config", "x"]] {
        let (code, _, error) = command(arguments, folder.path());
        assert_eq!(code, 2, "{arguments:?}: {error}");
        assert!(error.contains("Usage"), "{error}");
    }
    let (code, version, _) = command(&["--version"], folder.path());
    assert_eq!((code, version.trim()), (0, concat!("streamgate ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn check_reports_every_problem_with_its_place() {
    let folder = folder_with("listeners:\n  - adress: 127.0.0.1:8080\norigins: 5\n");
    let (code, _, error) = command(&["check", "--config", "c.yaml"], folder.path());
    assert_eq!(code, 1);
    assert!(error.contains("c.yaml:2:5"), "{error}");
    assert!(error.contains("adress") && error.contains("address"), "{error}");
    assert!(error.contains("c.yaml:3:"), "{error}");
    let (code, _, error) = command(&["run", "--config", "nowhere.yaml"], folder.path());
    assert_eq!(code, 1);
    assert!(error.contains("nowhere.yaml"), "{error}");
}

#[test]
fn the_demos_configuration_is_good_and_mints_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = project().join("conf/demo/streamgate.yaml");
    let file = file.to_str().unwrap();
    let (code, out, error) = command(&["check", "--config", file], folder.path());
    assert_eq!((code, out.contains("good")), (0, true), "{out}{error}");
    let mint = ["token", "--config", file, "--application", "tv", "--subject", "alice", "--device", "tv-1"];
    let (code, token, error) = command(&mint, folder.path());
    assert_eq!((code, token.trim().split('.').count()), (0, 3), "{token}{error}");
    let (code, _, error) =
        command(&["token", "--config", file, "--application", "radio", "--subject", "a"], folder.path());
    assert_eq!(code, 1);
    assert!(error.contains("`radio`") && error.contains("tv"), "{error}");
}

#[test]
fn the_schema_is_json_schema() {
    let folder = tempfile::tempdir().unwrap();
    let (code, schema, _) = command(&["schema"], folder.path());
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert_eq!(code, 0);
    assert!(schema["$schema"].as_str().unwrap().contains("json-schema.org"));
    assert!(schema["properties"]["applications"].is_object());
}

#[tokio::test]
async fn an_address_in_use_is_said_and_not_a_panic() {
    let origin = super::support::Origin::usual().await;
    let gateway = Setup::before(&[&origin]).start().await;
    let folder = gateway.folder.path().to_owned();
    let ran =
        tokio::task::spawn_blocking(move || command(&["run", "--config", "streamgate.yaml"], &folder)).await.unwrap();
    assert_eq!(ran.0, 1);
    let expected = format!("cannot listen on {}", gateway.address);
    assert!(ran.2.contains(&expected), "{}", ran.2);
    assert!(!ran.2.contains("panicked"), "{}", ran.2);
}

#[test]
fn a_token_carries_the_claims_that_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let file = project().join("conf/demo/streamgate.yaml");
    let file = file.to_str().unwrap();
    let with = |claims: &[&str]| {
        let mint = ["token", "--config", file, "--application", "tv", "--subject", "alice"];
        let claims = claims.iter().flat_map(|claim| ["--claim", claim]);
        command(&mint.into_iter().chain(claims).collect::<Vec<_>>(), folder.path())
    };
    let (code, token, error) = with(&["plan=premium", "max=3", "text=\"3\"", "ext={\"a\":[1]}", "empty="]);
    assert_eq!(code, 0, "{error}");
    use base64::Engine as _;
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["sub"], "alice");
    for (name, value) in [
        ("plan", serde_json::json!("premium")),
        ("max", serde_json::json!(3)),
        ("text", serde_json::json!("3")),
        ("ext", serde_json::json!({ "a": [1] })),
        ("empty", serde_json::json!("")),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    for (wrong, code) in [("plan", 2), ("=x", 2), ("sub=bob", 1)] {
        let (ended, _, error) = with(&[wrong]);
        assert_eq!(ended, code, "{wrong}: {error}");
    }
}

#[test]
fn check_reports_to_machines_in_one_object() {
    let folder = folder_with("listeners:\n  - adress: 127.0.0.1:8080\norigins: 5\n");
    let (code, out, error) = command(&["check", "--format", "json", "--config", "c.yaml"], folder.path());
    assert_eq!((code, error.as_str()), (1, ""));
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["file"], &report["valid"]), (&"c.yaml".into(), &false.into()));
    let problems = report["problems"].as_array().unwrap();
    assert!(problems.iter().any(|problem| problem["line"] == 2 && problem["column"] == 5), "{out}");
    assert!(problems.iter().any(|problem| problem["line"] == 3 && problem["path"] == "origins"), "{out}");
    assert!(problems.iter().all(|problem| !problem["message"].as_str().unwrap().is_empty()));
    let (code, out, _) = command(&["check", "--format", "json", "--config", "nowhere.yaml"], folder.path());
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, report["problems"].as_array().unwrap().len()), (1, 1));
    let file = project().join("conf/demo/streamgate.yaml");
    let (code, out, error) = command(&["check", "--format", "json", "--config", file.to_str().unwrap()], folder.path());
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, error.as_str(), &report["valid"], &report["applications"]), (0, "", &true.into(), &1.into()));
    assert!(report["problems"].as_array().unwrap().is_empty() && report["warnings"].is_array());
}
