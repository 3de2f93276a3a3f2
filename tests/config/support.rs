//! The promised configuration, the files that it names, and ways to read it.

use streamgate::config::{Application, Report, Settings, parse};
use streamgate::model::{ApplicationId, Millis};
use tempfile::TempDir;

/// As the project promises it, to the letter.
pub(crate) const PROMISED: &str = include_str!("promised.yaml");

pub(crate) const SECRET: &str = "hush-hush-hush-hush-hush-hush-32";
pub(crate) const SEAL: &str = "seal-seal-seal-seal-seal-seal-32";
/// Of RFC 8410 §10.1.
pub(crate) const ED25519_PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
/// Of RFC 8037 appendix A.2.
pub(crate) const ED25519_JWK: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
pub(crate) const NOW: Millis = Millis(1_793_500_000_000);

/// A folder with the files that the configurations here name.
pub(crate) fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let lay = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    lay("keys/tv.hs256", &format!("{SECRET}\n"));
    lay("keys/session.key", SEAL);
    lay("keys/other.key", &SEAL.to_uppercase());
    lay("keys/short.key", "too short");
    lay("keys/empty.key", "\n");
    lay("keys/read.token", "a-token-that-reads\n");
    lay("keys/ops.token", "a-token-that-operates\n");
    lay("keys/spaced.token", "a token of several words");
    lay("keys/lines.token", "a-token-on-two\nlines-of-text\n");
    lay("keys/webhook.secret", &format!("whsec_{}\n", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    lay("keys/webhook.bad", "whsec_no base64 at all");
    lay("keys/ed25519.pem", ED25519_PEM);
    lay("keys/ed25519.jwk", ED25519_JWK);
    lay("tls/cert.pem", "-----BEGIN CERTIFICATE-----\n");
    lay("tls/key.pem", "-----BEGIN PRIVATE KEY-----\n");
    folder
}

pub(crate) fn read(text: &str) -> Result<Settings, Report> {
    parse(text, folder().path())
}

/// What a configuration means, without the folder that it was read from.
pub(crate) fn meaning(text: &str) -> String {
    let folder = folder();
    let settings = parse(text, folder.path()).unwrap_or_else(|report| panic!("{report}"));
    format!("{settings:?}").replace(&folder.path().display().to_string(), "")
}

pub(crate) fn good(text: &str) -> Settings {
    read(text).unwrap_or_else(|report| panic!("{report}"))
}

/// The promised configuration with `from`, which must be there, replaced.
pub(crate) fn with(from: &str, to: &str) -> String {
    assert!(PROMISED.contains(from), "{from}");
    PROMISED.replace(from, to)
}

pub(crate) fn application(settings: &Settings) -> &Application {
    &settings.applications[&ApplicationId("tv".into())]
}

/// The promised configuration with these attributes in place of none, and these rules in place of its own.
pub(crate) fn with_rules(attributes: &str, rules: &str) -> String {
    let device = "device: \"claim:device\"";
    let rule = "      - { name: two-streams, limit: 2, when_exceeded: deny_newest }";
    assert!(PROMISED.contains(rule));
    with(device, &format!("{device}\n      attributes: {attributes}")).replace(rule, rules)
}
