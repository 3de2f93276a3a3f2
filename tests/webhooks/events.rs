//! What receivers are told.

use serde_json::json;

use super::program::{Origin, SECRET, SESSION, Setup, answer, token, usual};
use super::receiver::{Receiver, short};

/// For as long as a test lasts, but where streams are to end.
const LONG: &str = "{}";

fn setup(origin: &Origin, receiver: &Receiver, more: &str) -> Setup {
    let extra = format!("webhooks: [{{ url: \"{}\", flush_interval: 50ms{more} }}]\n", receiver.url());
    Setup { extra, streams: LONG, ..Setup::before(&[origin]) }
}

#[tokio::test]
async fn a_start_and_a_refusal_are_told_with_who_and_what_and_why() {
    let (origin, receiver) = (Origin::usual().await, Receiver::new().await);
    let mut setup = setup(&origin, &receiver, "");
    setup.identity.push_str("      attributes: { platform: \"text:television\" }\n");
    let gateway = setup.start().await;
    let prefix = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    gateway.enter("/film/master.m3u8", "phone").await;
    assert_eq!(gateway.get(&format!("{prefix}/news/a.ts")).await.status, 200);
    assert_eq!(gateway.enter("/film/master.m3u8", "tablet").await.status, 403);
    let events = receiver.told(3).await;
    assert_eq!(
        events.iter().map(short).collect::<Vec<_>>(),
        [("started", "tv"), ("started", "phone"), ("refused", "tablet")].map(|(a, b)| (a.to_owned(), b.to_owned()))
    );

    let [first, second, refused] = &events[..] else { panic!() };
    let members: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(members, ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data"]);
    assert_eq!((&first["specversion"], &first["datacontenttype"]), (&json!("1.0"), &json!("application/json")));
    let data = &first["data"];
    assert_eq!(first["subject"], data["stream"]);
    assert_eq!(data["account"], json!({ "idp": "acme", "subject": "alice" }));
    assert_eq!((&data["application"], &data["asset"]), (&json!("tv"), &json!("/news/master.m3u8")));
    assert_eq!((&data["attributes"], &data["resumed"]), (&json!({ "platform": "television" }), &json!(false)));
    for event in &events {
        let time = event["time"].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z') && time.starts_with("20"), "{time}");
        assert!(event["data"]["started"].as_str().unwrap() <= time);
        assert!(event["source"].as_str().unwrap().starts_with("urn:uuid:"));
        assert_eq!(event["source"], first["source"]);
        assert_eq!(event["id"].as_str().unwrap().len(), 32);
    }
    assert!(first["id"] != second["id"] && second["id"] != refused["id"]);

    let (first, second) = (&first["data"]["stream"], &second["data"]["stream"]);
    assert_eq!(
        refused["data"]["rules"],
        json!([{ "policy": "household", "rule": "two-streams", "attribute": "streamId", "limit": 2, "reached": 3,
                 "streams": [first, second] }])
    );
    assert!(refused["data"]["stream"].is_string() && refused["data"]["stream"] != *first);

    // Names of people are in it; what opens doors is not.
    let said: String = receiver.posts().iter().map(|post| String::from_utf8_lossy(&post.body).into_owned()).collect();
    let sealed = prefix.strip_prefix("/~s/").unwrap();
    let token = token("alice", "tv");
    for secret in [sealed, &token, token.rsplit('.').next().unwrap(), "~s"] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
    for secret in [SECRET, SESSION] {
        assert!(!said.contains(std::str::from_utf8(secret).unwrap()));
    }
}

#[tokio::test]
async fn a_termination_is_told_before_the_start_for_which_it_gave_way() {
    let (origin, receiver) = (Origin::usual().await, Receiver::new().await);
    let policy = "{ name: one, limit: 1, when_exceeded: terminate_oldest }";
    let gateway = Setup { policy, streams: "{ min_tenure: 0s }", ..setup(&origin, &receiver, "") }.start().await;
    gateway.enter("/news/master.m3u8", "tv").await;
    gateway.enter("/film/master.m3u8", "phone").await;
    let events = receiver.told(3).await;
    let kinds: Vec<String> = events.iter().map(|event| short(event).0).collect();
    assert_eq!(kinds, ["started", "terminated", "started"]);
    let (ended, by) = (&events[1]["data"], &events[2]["data"]["stream"]);
    assert_eq!(ended["stream"], events[0]["data"]["stream"]);
    assert_eq!(
        (&ended["cause"], &ended["policy"], &ended["rule"], &ended["by"]),
        (&json!("evicted"), &json!("household"), &json!("one"), by)
    );
}

#[tokio::test]
async fn each_start_has_one_end_and_a_return_is_another_start() {
    let (origin, receiver) = (Origin::usual().await, Receiver::new().await);
    let streams = "{ idle: { min: 1s, max: 1s }, reserve: 1s }";
    let gateway = Setup { streams, ..setup(&origin, &receiver, "") }.start().await;
    let prefix = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    let events = receiver.told(2).await;
    assert_eq!(short(&events[1]), ("ended".to_owned(), "tv".to_owned()));
    assert_eq!(events[1]["data"]["cause"], "silent");
    assert_eq!(gateway.get(&format!("{prefix}/news/a.ts")).await.status, 200);
    let events = receiver.told(3).await;
    assert_eq!((&events[2]["data"]["resumed"], &events[2]["subject"]), (&json!(true), &events[0]["subject"]));
    let events = receiver.told(4).await;
    assert_eq!(short(&events[3]).0, "ended");
    assert_eq!(events[3]["subject"], events[0]["subject"]);

    gateway.enter("/film/master.m3u8", "tv").await;
    gateway.enter("/show/master.m3u8", "tv").await;
    let events = receiver.told(7).await;
    let told: Vec<_> = events[4..].iter().map(|event| (short(event).0, event["data"]["cause"].clone())).collect();
    let told: Vec<_> = told.iter().map(|(kind, cause)| (kind.as_str(), cause.as_str())).collect();
    assert_eq!(told, [("started", None), ("ended", Some("superseded")), ("started", None)], "the same device went on");
}

#[tokio::test]
async fn a_start_that_the_origin_answers_with_an_error_ends_at_once() {
    let origin = Origin::new(|request| async move {
        if request.uri().path().starts_with("/none") {
            answer(404, "text/plain", "")
        } else {
            usual(request.uri().path())
        }
    });
    let (origin, receiver) = (origin.await, Receiver::new().await);
    let gateway = setup(&origin, &receiver, "").start().await;
    assert_eq!(gateway.enter("/none/master.m3u8", "tv").await.status, 404);
    let events = receiver.told(2).await;
    assert_eq!((short(&events[0]).0, short(&events[1]).0), ("started".to_owned(), "ended".to_owned()));
    assert_eq!(events[1]["data"]["cause"], "rolled_back");
}

#[tokio::test]
async fn who_would_be_refused_by_a_rule_that_is_not_enforced_is_told_with_its_mode() {
    for mode in ["shadow", "annotate"] {
        let (origin, receiver) = (Origin::usual().await, Receiver::new().await);
        let mut setup = setup(&origin, &receiver, "");
        setup.mode = mode;
        let gateway = setup.start().await;
        for device in ["tv", "phone", "tablet"] {
            assert_eq!(gateway.enter("/news/master.m3u8", device).await.status, 200);
        }
        let events = receiver.told(4).await;
        assert_eq!(
            events.iter().map(short).collect::<Vec<_>>(),
            [("started", "tv"), ("started", "phone"), ("started", "tablet"), ("would_refuse", "tablet")]
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
        let streams = [&events[0]["data"]["stream"], &events[1]["data"]["stream"]];
        assert_eq!(
            events[3]["data"]["rules"],
            json!([{ "policy": "household", "rule": "two-streams", "mode": mode, "attribute": "streamId", "limit": 2,
                     "reached": 3, "streams": streams }])
        );
        assert_eq!(events[3]["subject"], events[2]["subject"]);
    }
}

#[tokio::test]
async fn each_is_told_what_it_wants() {
    let origin = Origin::usual().await;
    let [all, some] = [Receiver::new().await, Receiver::new().await];
    let mut setup = setup(&origin, &all, "");
    setup.extra = format!(
        "webhooks: [{{ url: \"{}\", flush_interval: 0s }}, {{ url: \"{}\", events: [refused], flush_interval: 0s }}]\n",
        all.url(),
        some.url()
    );
    let gateway = setup.start().await;
    for device in ["a", "b", "c"] {
        gateway.enter("/news/master.m3u8", device).await;
    }
    let (all, some) = (all.told(3).await, some.told(1).await);
    assert_eq!(some[0], all[2], "of the same name to both");
}

#[tokio::test]
async fn streams_of_a_snapshot_have_been_told_before() {
    let (origin, receiver) = (Origin::usual().await, Receiver::new().await);
    let setup = || Setup { streams: "{ snapshot: streams.json }", ..setup(&origin, &receiver, "") };
    let gateway = setup().start().await;
    let prefix = gateway.enter("/news/master.m3u8", "tv").await.prefix();
    receiver.told(1).await;
    let folder = gateway.folder.clone();
    assert_eq!(gateway.stop().await, Some(0));
    let gateway = setup().start_in(folder).await;
    assert_eq!(gateway.get(&format!("{prefix}/news/a.ts")).await.status, 200);
    gateway.enter("/film/master.m3u8", "phone").await;
    let events = receiver.told(2).await;
    assert_eq!(short(&events[1]), ("started".to_owned(), "phone".to_owned()));
    assert_ne!(events[0]["source"], events[1]["source"], "another process, another source");
}
