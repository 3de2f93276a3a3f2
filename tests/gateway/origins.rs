//! Origins that fail, are slow, are several, or speak TLS.

use super::support::{Origin, Setup, answer, free_port, token, until, usual};

#[tokio::test]
async fn a_dead_server_is_passed_over_and_nobody_notices() {
    let origin = Origin::usual().await;
    let dead = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let gateway = Setup { origins: vec![dead, origin.address], ..Setup::default() }.start().await;
    for n in 0..10 {
        assert_eq!(gateway.enter(&format!("/{n}/master.m3u8"), "tv").await.status, 200);
    }
    assert!(gateway.metric("streamgate_origin_failures_total", "connect").await >= 1);
    until("the dead address is out of use", async || gateway.metric("streamgate_origin_servers", "ejected").await == 1)
        .await;
}

#[tokio::test]
async fn several_servers_take_turns() {
    let (one, two) = (Origin::usual().await, Origin::usual().await);
    let gateway = Setup::before(&[&one, &two]).start().await;
    for n in 0..10 {
        gateway.enter(&format!("/{n}/master.m3u8"), "tv").await;
    }
    assert_eq!((one.seen().len(), two.seen().len()), (5, 5));
}

#[tokio::test]
async fn an_origin_that_is_away_is_a_502_that_says_so_and_takes_no_slot() {
    let dead = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()));
    let gateway = Setup { origins: vec![dead], ..Setup::default() }.start().await;
    for device in ["a", "b", "c"] {
        let failed = gateway.enter("/news/master.m3u8", device).await;
        assert_eq!((failed.status, failed.problem_type().as_str()), (502, "origin-unavailable"));
    }
    assert_eq!(gateway.metric("streamgate_streams", "").await, 0);
    gateway.counts("streamgate_requests_total", "origin_failed", 3).await;
}

#[tokio::test]
async fn an_origin_that_does_not_answer_in_time_is_a_504() {
    let origin = Origin::new(|_| std::future::pending::<hyper::Response<super::support::Body>>()).await;
    let gateway = Setup { origin: "    read_timeout: 1s\n".into(), ..Setup::before(&[&origin]) }.start().await;
    let failed = gateway.enter("/news/master.m3u8", "tv").await;
    assert_eq!((failed.status, failed.problem_type().as_str()), (504, "origin-unavailable"));
    assert_eq!(gateway.metric("streamgate_streams", "").await, 0);
}

#[tokio::test]
async fn no_more_connections_than_allowed_reach_a_server() {
    let (send, body) = super::support::piecewise();
    let body = std::sync::Mutex::new(Some(body));
    let origin = Origin::new(move |request| {
        let long = request.uri().path().ends_with("long.ts").then(|| body.lock().unwrap().take().unwrap());
        let usual = usual(request.uri().path());
        async move { long.map_or(usual, hyper::Response::new) }
    })
    .await;
    let gateway = Setup { origin: "    max_connections: 1\n".into(), ..Setup::before(&[&origin]) }.start().await;
    let prefix = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    let long = gateway.client.get(gateway.url(&format!("{prefix}/news/long.ts"))).send().await.unwrap();
    let busy = gateway.get(&format!("{prefix}/news/a.ts")).await;
    assert_eq!((busy.status, busy.problem_type().as_str()), (503, "origin-unavailable"));
    assert_eq!(gateway.metric("streamgate_origin_failures_total", "busy").await, 1);
    drop((send, long));
    until("the server is free", async || gateway.get(&format!("{prefix}/news/a.ts")).await.status == 200).await;
}

#[tokio::test]
async fn errors_of_the_origin_are_the_origins_and_no_sign_of_life() {
    let origin = Origin::new(|request| async move {
        if request.uri().path().ends_with(".ts") {
            answer(410, "text/plain", "gone from the window")
        } else {
            usual(request.uri().path())
        }
    })
    .await;
    let gateway =
        Setup { streams: "{ reserve: 1s, idle: { min: 1s, max: 1s } }", ..Setup::before(&[&origin]) }.start().await;
    let prefix = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    let gone = gateway.get(&format!("{prefix}/news/a.ts")).await;
    assert_eq!((gone.status, gone.text()), (410, "gone from the window"));
}

#[tokio::test]
async fn a_name_is_resolved_in_the_background() {
    let origin = Origin::usual().await;
    // A name needs a resolver; `localhost` has one everywhere.
    let setup = Setup { servers: vec![format!("localhost:{}", origin.address.port())], ..Setup::default() };
    let gateway = setup.start().await;
    assert_eq!(gateway.enter("/news/master.m3u8", "tv").await.status, 200);
}

#[tokio::test]
async fn an_origin_that_speaks_tls_is_reached_with_the_name_it_expects() {
    let (certificate, key) = super::tls::certificate("origin.example");
    let origin = super::tls::origin(&certificate, &key).await;
    let tls = "    tls: true\n    verify_certificate: false\n    host_header: origin.example\n";
    let gateway = Setup { origins: vec![origin.address], origin: tls.into(), ..Setup::default() }.start().await;
    assert_eq!(gateway.enter("/news/master.m3u8", "tv").await.status, 200);
    assert_eq!(origin.last().headers["host"], "origin.example");

    let strict = "    tls: true\n    host_header: origin.example\n";
    let gateway = Setup { origins: vec![origin.address], origin: strict.into(), ..Setup::default() }.start().await;
    let failed = gateway.enter("/news/master.m3u8", "tv").await;
    assert_eq!(failed.status, 502, "a certificate that nobody vouches for is not accepted");
}

#[tokio::test]
async fn ipv6_works_on_both_sides() {
    let Ok(listener) = tokio::net::TcpListener::bind("[::1]:0").await else {
        eprintln!("SKIPPED: this machine has no IPv6");
        return;
    };
    let origin = Origin::on(listener, |request| async move { usual(request.uri().path()) });
    let port = free_port();
    let setup = Setup {
        origins: vec![origin.address],
        more_listeners: format!("  - address: \"[::1]:{port}\"\n"),
        ..Setup::default()
    };
    let gateway = setup.start().await;
    let url = format!("http://[::1]:{port}/news/master.m3u8?token={}", token("alice", "tv"));
    assert_eq!(gateway.client.get(url).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn what_the_origin_calls_by_its_own_name_leads_back_through_the_gateway() {
    let origin = Origin::new(|request| async move {
        match request.uri().path() {
            "/moved/master.m3u8" => {
                let mut response = answer(302, "text/plain", "");
                response.headers_mut().insert("location", "http://origin.example/news/master.m3u8".parse().unwrap());
                response
            }
            "/film/manifest.mpd" => answer(
                200,
                "application/dash+xml",
                "<MPD type=\"static\"><BaseURL>http://origin.example/cdn/</BaseURL><Period/></MPD>",
            ),
            _ => answer(
                200,
                "application/vnd.apple.mpegurl",
                "#EXTM3U\n#EXTINF:2,\nhttp://origin.example/cdn/a.ts\n#EXTINF:2,\nhttps://ads.example/b.ts\n",
            ),
        }
    })
    .await;
    let name = "    host_header: origin.example\n".to_owned();
    let gateway = Setup { origin: name, ..Setup::before(&[&origin]) }.start().await;
    let entry = gateway.enter("/news/channel.m3u8", "tv").await;
    let expected = format!("#EXTM3U\n#EXTINF:2,\n{}/cdn/a.ts\n#EXTINF:2,\nhttps://ads.example/b.ts\n", entry.prefix());
    assert_eq!(entry.text(), expected);
    let moved = gateway.enter("/moved/master.m3u8", "tv").await;
    assert!(moved.header("location").starts_with("/~s/") && moved.header("location").ends_with("/news/master.m3u8"));
    let film = gateway.enter("/film/manifest.mpd", "tv").await;
    let base = format!("<BaseURL>{}</BaseURL>", gateway.url(&format!("{}/cdn/", film.prefix())));
    assert!(film.text().contains(&base), "{}", film.text());
}

#[tokio::test]
async fn answers_are_counted_by_origin_and_class_and_timed_apart_from_the_gateway() {
    let origin = Origin::new(|request| async move {
        match request.uri().path() {
            "/slow" => tokio::time::sleep(std::time::Duration::from_millis(300)).await,
            "/broken" => return answer(503, "text/plain", "later"),
            "/moved" => return answer(302, "text/plain", ""),
            _ => {}
        }
        usual("/a.ts")
    })
    .await;
    let gateway = Setup { anonymous: "pass", ..Setup::before(&[&origin]) }.start().await;
    let count = async |class: &str| {
        let labels = format!("class=\"{class}\",origin=\"main\"");
        gateway.metric("streamgate_origin_responses_total", &labels).await
    };
    assert_eq!((count("2xx").await, count("5xx").await), (0, 0), "they are there from the start");
    for (path, status) in [("/slow", 200), ("/broken", 503), ("/moved", 302), ("/a", 200)] {
        assert_eq!(gateway.get(path).await.status, status, "{path}");
    }
    assert_eq!((count("2xx").await, count("3xx").await, count("4xx").await, count("5xx").await), (2, 1, 0, 1));
    let page = gateway.client.get(format!("http://{}/metrics", gateway.control)).send().await.unwrap();
    let page = page.text().await.unwrap();
    let of = |series: &str| {
        let line = page.lines().find(|line| line.starts_with(series)).unwrap_or_else(|| panic!("no {series}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let origin = of("streamgate_origin_response_seconds_sum{origin=\"main\"}");
    let whole = of("streamgate_time_to_first_byte_seconds_sum{outcome=\"passed\"}");
    assert!(origin >= 0.3 && origin <= whole, "{origin} of {whole}");
    assert_eq!(of("streamgate_origin_response_seconds_count{origin=\"main\"}"), 4.0);
}

#[tokio::test]
async fn runs_of_server_errors_take_a_server_out_of_use_where_that_is_configured() {
    for (configured, expected) in [(None, 0), (Some("    consecutive_5xx: 3\n"), 1)] {
        let good = Origin::usual().await;
        let is_broken = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
        let breaks = is_broken.clone();
        let bad = Origin::new(move |_| {
            let status = if breaks.load(std::sync::atomic::Ordering::SeqCst) { 500 } else { 200 };
            async move { answer(status, "video/mp2t", "x") }
        })
        .await;
        let setup =
            Setup { anonymous: "pass", origin: configured.unwrap_or_default().into(), ..Setup::before(&[&good, &bad]) };
        let gateway = setup.start().await;
        for n in 0..20 {
            gateway.get(&format!("/{n}.ts")).await;
        }
        let asked = bad.seen().len();
        let out = async || gateway.metric("streamgate_origin_servers", "ejected").await;
        if expected == 0 {
            assert_eq!((asked, out().await), (10, 0), "an error of one title is none of the server");
            continue;
        }
        assert_eq!(asked, 3, "after three it is passed over");
        until("it is out of use", async || out().await == expected).await;
        // After its time one request tries it, and one that is good brings it back.
        is_broken.store(false, std::sync::atomic::Ordering::SeqCst);
        until("it is tried again", async || {
            gateway.get("/again.ts").await;
            bad.seen().len() > 3
        })
        .await;
        until("it is back", async || out().await == 0).await;
    }
}
