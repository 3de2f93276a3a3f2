#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::application::{Anonymous, DownloadRate, Sharing, StreamSource};
use crate::config::mint::MintError;
use crate::model::ApplicationId;

/// A route whose application tells what it was made for.
fn route(name: &str) -> Route {
    let application = Application {
        id: ApplicationId(name.into()),
        name: name.into(),
        tenant: "default".into(),
        stream_source: StreamSource::Traffic,
        idps: None,
        identity: None,
        anonymous: Anonymous::Pass,
        sharing: Sharing::Split,
        download_rate: DownloadRate::Count,
        max_download_rate: 4,
        of_manifest: Vec::new(),
        policies: Vec::new(),
        signing: Err(MintError::NoIdentity),
    };
    let origin = Origin {
        name: name.into(),
        servers: Vec::new(),
        tls: false,
        host_header: None,
        verify_certificate: true,
        connect_timeout: Duration::ZERO,
        read_timeout: Duration::ZERO,
        write_timeout: Duration::ZERO,
        idle_timeout: Duration::ZERO,
        max_connections: 0,
        consecutive_5xx: 0,
        resolve_every: Duration::ZERO,
    };
    Route {
        application: Arc::new(application),
        origin: Some(Arc::new(origin)),
        ambiguous_paths: Ambiguities::default(),
    }
}

/// Written as `HOST/PATH` or `/PATH`.
fn routes(all: &[&str]) -> Routes {
    let mut routes = Routes::default();
    for written in all {
        let (host, path) = written.split_at(written.find('/').unwrap());
        routes.add(key((!host.is_empty()).then_some(host), path), route(written));
    }
    routes
}

fn found<'a>(routes: &'a Routes, host: Option<&str>, path: &str) -> Option<&'a str> {
    routes.find(host, path).map(|route| route.application.id.as_str())
}

#[test]
fn the_longest_path_wins_at_segment_borders() {
    let routes = routes(&["/", "/live", "/live/sport/", "/vod/films"]);
    for (path, expected) in [
        ("/", "/"),
        ("/index.html", "/"),
        ("/live", "/live"),
        ("/live/", "/live"),
        ("/live/news/a.m3u8", "/live"),
        ("/liver", "/"),
        ("/live/sport", "/live/sport/"),
        ("/live/sport/1/2/3", "/live/sport/"),
        ("/live/sports", "/live"),
        ("/vod", "/"),
        ("/vod/films/a", "/vod/films"),
        ("/LIVE/a", "/"),
    ] {
        assert_eq!(found(&routes, None, path), Some(expected), "{path}");
    }
}

#[test]
fn a_route_with_the_host_comes_before_a_longer_one_without() {
    let routes = routes(&["/live", "tv.example.com/", "[2001:db8::7]/live"]);
    for (host, expected) in [
        (None, "/live"),
        (Some("other.example.com"), "/live"),
        (Some("tv.example.com"), "tv.example.com/"),
        (Some("TV.Example.COM:8080"), "tv.example.com/"),
        (Some("tv.example.com."), "tv.example.com/"),
        (Some("[2001:DB8::7]:443"), "[2001:db8::7]/live"),
        (Some("[2001:db8::7]"), "[2001:db8::7]/live"),
    ] {
        assert_eq!(found(&routes, host, "/live/a"), Some(expected), "{host:?}");
    }
    assert_eq!(found(&routes, Some("other.example.com"), "/vod"), None);
}

#[test]
fn a_host_whose_routes_do_not_fit_leaves_the_request_to_the_others() {
    let routes = routes(&["tv.example.com/live", "/vod"]);
    assert_eq!(found(&routes, Some("tv.example.com"), "/vod/a"), Some("/vod"));
    assert_eq!(found(&routes, Some("tv.example.com"), "/x"), None);
}

#[test]
fn another_spelling_of_a_path_does_not_lead_around_its_route() {
    let routes = routes(&["/", "/paid/films"]);
    for path in [
        "/%70aid/films/a",
        "//paid/films/a",
        "/paid//films/a",
        "/x/../paid/films/a",
        "/paid/./films/a",
        "/x/%2e%2E/paid/films/a",
        "/paid%2Ffilms/a",
    ] {
        assert_eq!(found(&routes, None, path), Some("/paid/films"), "{path}");
    }
    for path in ["/paid/films/../a", "/paid/films%", "/../paid", "/paid/.films/a", ""] {
        assert_eq!(found(&routes, None, path), Some("/"), "{path}");
    }
}

#[test]
fn a_path_that_origins_read_in_different_ways_has_one_route_or_none() {
    let routes = routes(&["/", "/paid", "/free"]);
    for (path, is_one) in [
        ("/free/a", true),
        ("//free//a", true),
        ("/free/a%2Fb", true),
        ("/free/a\\b", true),
        ("/free/a/../b", true),
        ("/free/../paid/a", false),
        ("/free%2Fa", false),
        ("/free%2F..%2Fpaid/a", false),
        ("/free\\a", false),
        ("/free/..%2Ffree/a", true),
    ] {
        let route = routes.find(None, path).unwrap();
        assert_eq!(routes.lead_to(route, None, &RequestPath::new(path)), is_one, "{path}");
    }
}

#[test]
fn hosts_and_paths_that_mean_the_same_have_the_same_key() {
    assert_eq!(key(Some("TV.example.com."), "/live/"), key(Some("tv.example.com"), "/live"));
    assert_ne!(key(None, "/live"), key(Some("tv.example.com"), "/live"));
}

proptest! {
    #[test]
    fn find_agrees_with_a_search_through_all_routes(
        prefixes in proptest::collection::vec("(/[ab]{1,2}){0,3}", 1..6),
        path in "(/[ab]{1,2}){0,5}",
    ) {
        let written: Vec<String> = prefixes.iter().map(|prefix| format!("{prefix}/")).collect();
        let routes = routes(&written.iter().map(String::as_str).collect::<Vec<_>>());
        let holds = |prefix: &&String| path == **prefix || path.starts_with(&format!("{prefix}/"));
        let expected = prefixes.iter().filter(holds).max_by_key(|prefix| prefix.len()).map(|prefix| format!("{prefix}/"));
        prop_assert_eq!(found(&routes, None, &path).map(ToOwned::to_owned), expected);
    }

    #[test]
    fn no_host_and_no_path_is_too_odd(host in proptest::option::of(".{0,12}"), path in "/[/.%a-f0-9é]{0,16}") {
        let routes = routes(&["/", "a/"]);
        prop_assert!(routes.find(host.as_deref(), &path).is_some());
    }
}
