//! `streamgate demo`: the gateway in front of a demo origin, with tokens to try it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use streamgate::config::Settings;
use streamgate::identity::KeyPlace;
use streamgate::{config, demo};

use super::system::SystemClock;
use super::{Outcome, mint, print, run};

const CONFIGURATION: &str = include_str!("../../conf/demo/streamgate.yaml");
const APPLICATION: &str = "tv";
const ACCOUNT: &str = "alice";
const DEVICES: [&str; 3] = ["living-room", "kitchen", "phone"];
const LIFETIME: Duration = Duration::from_hours(12);

/// The addresses of [`CONFIGURATION`]: for viewers, for control, and of the origin.
const ADDRESSES: [&str; 3] = ["127.0.0.1:8080", "127.0.0.1:9090", "127.0.0.1:8081"];

/// Runs gateway and origin until a signal stops the process.
pub(crate) fn demo(viewers: SocketAddr, control: SocketAddr) -> Outcome {
    // Any port will do: only the gateway connects to it.
    let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    let origin = listener.local_addr().map_err(|error| error.to_string())?;
    let settings = settings([viewers, control, origin])?;
    std::thread::spawn(move || serve(listener));

    run::serve(settings, None, |settings| {
        let tokens = DEVICES.iter().map(|device| {
            mint(settings, APPLICATION, (ACCOUNT, Some(device)), &[], LIFETIME)
                .map(|token| ((*device).to_owned(), token))
        });
        let listener = settings.listeners.first().map(|listener| listener.address.to_string()).unwrap_or_default();
        let text = tokens.collect::<Result<Vec<_>, _>>().map(|tokens| {
            demo::greeting(&format!("http://{listener}"), &format!("http://{}", settings.control.address), &tokens)
        });
        match text.and_then(|text| print(&text)) {
            Ok(()) => {}
            Err(error) => tracing::error!(error, "cannot create the demo's tokens"),
        }
    })
}

/// The configuration of the demo with these addresses.
fn settings(addresses: [SocketAddr; 3]) -> Result<Settings, String> {
    let replaced = ADDRESSES.iter().zip(addresses);
    let text = replaced.fold(CONFIGURATION.to_owned(), |text, (usual, address)| {
        // In YAML the brackets of an IPv6 address would start a list.
        text.replace(usual, &format!("\"{address}\""))
    });
    // The keys are embedded: the demo runs from any folder, and they protect nothing.
    let folder = tempdir()?;
    let settings = config::parse(&text, &folder).map_err(|report| report.to_string());
    let removed = std::fs::remove_dir_all(&folder);
    let mut settings = settings?;
    removed.map_err(|error| format!("{}: {error}", folder.display()))?;
    // The files are deleted: stop watching them.
    for place in settings.key_sources.iter_mut().flat_map(|source| &mut source.places) {
        if let KeyPlace::File { key, .. } = place {
            *place = KeyPlace::Fixed(key.clone());
        }
    }
    Ok(settings)
}

/// Runs only the origin until the process ends.
pub(crate) fn origin(address: SocketAddr) -> Outcome {
    let listener = listen(address)?;
    print(&format!("http://{}\n", listener.local_addr().map_err(|error| error.to_string())?))?;
    serve(listener)
}

fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    let failed = |error: std::io::Error| format!("the demo origin cannot listen on {address}: {error}");
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
    served.map_err(|error| format!("the demo origin failed: {error}"))
}

/// A folder with the demo's keys, as its configuration expects.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_replaced_and_no_file_is_looked_for_that_is_gone() {
        for usual in ADDRESSES {
            assert_eq!(
                CONFIGURATION
                    .lines()
                    .filter(|line| line.split('#').next().is_some_and(|words| words.contains(usual)))
                    .count(),
                1
            );
        }
        let addresses = ["127.0.0.1:18080", "[::1]:19090", "127.0.0.1:18081"].map(|address| address.parse().unwrap());
        let settings = settings(addresses).unwrap();
        assert_eq!(settings.listeners.iter().map(|listener| listener.address).collect::<Vec<_>>(), addresses[..1]);
        assert_eq!(settings.control.address, addresses[1]);
        let servers: Vec<String> =
            settings.origins.values().flat_map(|origin| &origin.servers).map(ToString::to_string).collect();
        assert_eq!(servers, [addresses[2].to_string()]);
        let places: Vec<_> = settings.key_sources.iter().flat_map(|source| &source.places).collect();
        assert!(!places.is_empty() && places.iter().all(|place| matches!(place, KeyPlace::Fixed(_))), "{places:?}");
        assert!(settings.key_files.is_empty() && settings.blocks.is_none());
    }
}
