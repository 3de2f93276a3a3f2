//! `streamgate demo`: the gateway in front of an origin of our own, with tokens to try it.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use streamgate::{config, demo};

use super::edges::SystemClock;
use super::{Outcome, mint, print, run};

const CONFIGURATION: &str = include_str!("../../conf/demo/streamgate.yaml");
const APPLICATION: &str = "tv";
const ACCOUNT: &str = "alice";
const DEVICES: [&str; 3] = ["living-room", "kitchen", "phone"];
const LIFETIME: Duration = Duration::from_hours(12);

/// Runs gateway and origin until the process is told to stop.
pub(crate) fn demo() -> Outcome {
    // The keys are part of the program: the demo runs from anywhere, and they protect nothing.
    let folder = tempdir()?;
    let settings = config::parse(CONFIGURATION, &folder).map_err(|report| report.to_string());
    let removed = std::fs::remove_dir_all(&folder);
    let settings = settings?;
    removed.map_err(|error| format!("{}: {error}", folder.display()))?;

    let origin = settings.origins.values().flat_map(|origin| &origin.servers).next();
    let origin = origin.map(|server| format!("{}:{}", server.host, server.port)).unwrap_or_default();
    let address = origin.parse().map_err(|_| format!("the demo's origin `{origin}` is not an address"))?;
    let listener = listen(address)?;
    std::thread::spawn(move || serve(listener));

    run::serve(settings, None, |settings| {
        let tokens = DEVICES.iter().map(|device| {
            mint(settings, APPLICATION, ACCOUNT, Some(device), LIFETIME).map(|token| ((*device).to_owned(), token))
        });
        let listener = settings.listeners.first().map(|listener| listener.address.to_string()).unwrap_or_default();
        let text = tokens.collect::<Result<Vec<_>, _>>().map(|tokens| {
            demo::greeting(&format!("http://{listener}"), &format!("http://{}", settings.control.address), &tokens)
        });
        match text.and_then(|text| print(&text)) {
            Ok(()) => {}
            Err(error) => tracing::error!(error, "the demo has no tokens to show"),
        }
    })
}

/// Runs the origin alone until the process is ended.
pub(crate) fn origin(address: SocketAddr) -> Outcome {
    let listener = listen(address)?;
    print(&format!("http://{}\n", listener.local_addr().map_err(|error| error.to_string())?))?;
    serve(listener)
}

fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    let failed = |error: std::io::Error| format!("the demo's origin cannot listen on {address}: {error}");
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

fn serve(listener: TcpListener) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    let served = runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        demo::serve(listener, Arc::new(SystemClock::new()), std::future::pending()).await
    });
    served.map_err(|error| format!("the demo's origin: {error}"))
}

/// A folder with the demo's keys where its configuration expects them.
fn tempdir() -> Result<std::path::PathBuf, String> {
    let folder = std::env::temp_dir().join(format!("streamgate-demo-{}", std::process::id()));
    let write = |name: &str, bytes: &[u8]| -> std::io::Result<()> {
        let file = folder.join(Path::new(name));
        if let Some(parent) = file.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(file, bytes)
    };
    write("keys/tv.hs256", include_bytes!("../../conf/demo/keys/tv.hs256"))
        .and_then(|()| write("keys/session.key", include_bytes!("../../conf/demo/keys/session.key")))
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}
