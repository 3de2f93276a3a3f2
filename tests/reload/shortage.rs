//! A reload while the process has no file descriptor left: nothing is wrong with the configuration.

use std::process::Command;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use super::program::{Origin, replace_file, until};
use super::support::{Config, Program};

/// Sets the soft limit of open files of the running program; `None` as high as it may be.
fn limit_files(program: &Program, soft: Option<u64>) {
    let id = program.child.id().to_string();
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let hard = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().nth(1)).unwrap();
    let limit = format!("--nofile={}:{hard}", soft.map_or(hard.to_owned(), |soft| soft.to_string()));
    assert!(Command::new("prlimit").args(["--pid", &id, &limit]).status().unwrap().success());
}

/// Waits until the program has opened and closed what its start needs, and lets it open `more` files.
async fn leave(program: &Program, more: u64) {
    until("no viewer is connected", async || program.metric("streamgate_connections", "").await == 0).await;
    let files = std::fs::read_dir(format!("/proc/{}/fd", program.child.id())).unwrap();
    let open: Vec<u64> = files.map(|file| file.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
    let free = (0..).filter(|number| !open.contains(number));
    let limit = free.take(usize::try_from(more).unwrap() + 1).last().unwrap();
    limit_files(program, Some(limit));
}

async fn results(program: &Program) -> [i64; 3] {
    let mut numbers = [0; 3];
    for (number, result) in numbers.iter_mut().zip(["shortage", "refused", "applied"]) {
        *number = program.metric("streamgate_config_reloads_total", result).await;
    }
    numbers
}

#[tokio::test]
async fn a_reload_that_finds_no_file_descriptor_is_not_refused_and_is_tried_again() {
    let origin = Origin::usual().await;
    let config = Config { limit: 1, ..Config::before(&origin) };
    let program = config.start().await;
    // One connection to the control port stays open: no other is accepted.
    assert_eq!(results(&program).await, [0, 0, 0]);
    program.replace(&Config { limit: 2, ..config });
    leave(&program, 0).await;
    program.signal("HUP");
    program.says("the configuration cannot be read; keeping the previous one").await;
    program.says("raise the limit of open files").await;
    let [shortage, refused, applied] = results(&program).await;
    assert!(shortage >= 1 && (refused, applied) == (0, 0), "{shortage} {refused} {applied}");
    assert_eq!(program.metric("streamgate_config_last_reload_successful", "").await, 1);
    let asked = program.client.post(format!("http://{}/api/reload", program.control)).send().await.unwrap();
    assert_eq!(asked.status(), 503);
    let problem: Value = asked.json().await.unwrap();
    assert!(problem["reasons"][0].as_str().unwrap().contains("Too many open files"), "{problem}");
    assert_eq!(program.metric("streamgate_config_revision", "").await, 1);

    limit_files(&program, None);
    program.applied(2).await;
    assert_eq!(results(&program).await[1..], [0, 1]);
    assert!(!program.log().contains("configuration refused"), "{}", program.log());
}

#[tokio::test]
async fn a_shortage_while_a_configuration_is_made_ready_is_none_of_its_faults() {
    let origin = Origin::usual().await;
    let config = Config { limit: 1, ..Config::before(&origin) };
    let program = config.start().await;
    assert_eq!(results(&program).await, [0, 0, 0]);
    program.replace(&Config { limit: 2, ..config });
    // Enough to read one file after the other. A client that knows no authorities would be the worse for it until the
    // next reload.
    leave(&program, 1).await;
    until("the client is told of", async || {
        program.signal("HUP");
        program.metric("streamgate_config_revision", "").await;
        program.log().contains("the HTTP client cannot be set up (Too many open files")
    })
    .await;
    assert_eq!(results(&program).await[1..], [0, 0]);
    limit_files(&program, None);
    program.applied(2).await;
    assert!(!program.log().contains("no certification authorities are known"), "{}", program.log());
}

#[tokio::test]
async fn a_look_at_an_unchanged_file_that_fails_is_told_once_and_leaves_everything_as_it_was() {
    let origin = Origin::usual().await;
    let program = Config::before(&origin).start().await;
    assert_eq!(results(&program).await, [0, 0, 0]);
    leave(&program, 0).await;
    program.says("the configuration cannot be read; keeping the previous one and retrying").await;
    limit_files(&program, None);
    program.reloads("unchanged", 1).await;
    assert_eq!(results(&program).await, [1, 0, 0]);
    assert_eq!(program.metric("streamgate_config_last_reload_successful", "").await, 1);
}

#[tokio::test]
async fn a_certificate_that_changes_meanwhile_is_served_afterwards() {
    let origin = Origin::usual().await;
    let made = |name: &str| rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let (one, two) = (made("one.example"), made("two.example"));
    let (certificate, key) = (one.cert.pem(), one.signing_key.serialize_pem());
    let listener = "    tls: { certificate: tls.crt, key: tls.key }\n";
    let files = [("tls.crt", certificate.as_bytes()), ("tls.key", key.as_bytes())];
    let program = Config { listener, ..Config::before(&origin) }.start_with(&files).await;
    assert_eq!(results(&program).await, [0, 0, 0]);
    leave(&program, 0).await;
    replace_file(&program.file("tls.key"), two.signing_key.serialize_pem());
    replace_file(&program.file("tls.crt"), two.cert.pem());
    program.says("cannot read the changed certificate").await;
    limit_files(&program, None);
    let served = async || {
        let client = reqwest::Client::builder().tls_info(true).danger_accept_invalid_certs(true).build().unwrap();
        let response = client.get(program.url("/page.html")).send().await.unwrap();
        response.extensions().get::<reqwest::tls::TlsInfo>().unwrap().peer_certificate().unwrap().to_vec()
    };
    let expected = CertificateDer::from_pem_slice(two.cert.pem().as_bytes()).unwrap().to_vec();
    until("the new one is served", async || served().await == expected).await;
}
