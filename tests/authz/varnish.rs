//! Varnish with the configuration that we give operators; only its ports are other ones.

use std::process::{Child, Command, Stdio};

use super::program::{Gateway, Origin, Setup, free_port, project, token, until};

/// A running Varnish.
struct Varnish {
    child: Child,
    folder: tempfile::TempDir,
    url: String,
}

impl Drop for Varnish {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts one that asks `gateway` about requests for `origin`; `None` where there is no Varnish.
async fn varnish(gateway: &Gateway, origin: &Origin) -> Option<Varnish> {
    let program = ["/usr/sbin/varnishd", "/usr/local/sbin/varnishd"];
    let program = program.into_iter().find(|program| std::path::Path::new(program).exists())?;
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(project().join("deploy/authz/streamgate.vcl")).unwrap();
    let ports = [("\"8000\"", origin.address.port()), ("\"9090\"", gateway.control.port())];
    let text = ports.iter().fold(text, |text, (usual, port)| {
        assert!(text.contains(usual), "{usual}");
        text.replace(usual, &format!("\"{port}\""))
    });
    let file = folder.path().join("streamgate.vcl");
    std::fs::write(&file, text).unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let child = Command::new(program)
        .args(["-F", "-j", "none", "-s", "malloc,32m", "-a", &address, "-n"])
        .arg(folder.path().join("work"))
        .arg("-f")
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
        .spawn()
        .unwrap();
    let mut varnish = Varnish { child, folder, url: format!("http://{address}") };
    until("varnish answers", async || {
        if let Some(status) = varnish.child.try_wait().unwrap() {
            panic!("{status}: {}", std::fs::read_to_string(varnish.folder.path().join("log")).unwrap());
        }
        gateway
            .client
            .get(format!("{}/no-such-thing.txt", varnish.url))
            .send()
            .await
            .is_ok_and(|answer| answer.status() == 404)
    })
    .await;
    Some(varnish)
}

#[tokio::test]
async fn no_empty_fields_are_added_to_what_is_asked_and_answered() {
    let origin = Origin::usual().await;
    let gateway = Setup { mode: "annotate", ..Setup::before(&[&origin]) }.start().await;
    let Some(varnish) = varnish(&gateway, &origin).await else {
        eprintln!("SKIPPED: varnishd is not installed");
        return;
    };
    let ask = async |device: &str, asset: &str| {
        // Each another one: Varnish answers what it has.
        let url = format!("{}/{asset}/master.m3u8", varnish.url);
        let request = gateway.client.get(url).header("authorization", format!("Bearer {}", token("alice", device)));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.headers().clone()
    };
    let plain = ask("tv", "news").await;
    for name in ["set-cookie", "cmsd-dynamic", "streamgate-state"] {
        assert!(!plain.contains_key(name), "{name}: {plain:?}");
    }
    let asked = origin.last().headers;
    assert!(asked.values().all(|value| !value.is_empty()), "{asked:?}");

    // What there is to say still arrives.
    ask("phone", "film").await;
    let third = ask("tablet", "sport").await;
    assert!(third.get("cmsd-dynamic").is_some_and(|value| !value.is_empty()), "{third:?}");
    assert_eq!(origin.last().headers.get("streamgate-state").map(String::as_str), Some("over-limit"));
}
