//! Authorization services that answer, refuse, dawdle and go away.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use serde_json::{Value as Json, json};
use streamgate::identity::{
    Ask, Away, Callback, CallbackRequest, CallbackSource, Claims, Format, Identity, Mapping, RequestFacts, Settings,
    StreamSource, Token, TokenError, Value,
};
use streamgate::model::{Account, ApplicationId, Clock};

use super::support::{House, Manner, Server, soon};

const SECOND: Duration = Duration::from_secs(1);

pub(super) fn yes(user: &str) -> Manner {
    Manner::Answer(200, vec![("X-UserId", user.to_owned())], String::new())
}

pub(super) fn service(server: &Server) -> CallbackSource {
    // Longer than the default: these machines are busy.
    CallbackSource { deadline: Duration::from_secs(10), ..CallbackSource::new("application tv", &server.url("/auth")) }
}

fn hasty(server: &Server) -> CallbackSource {
    CallbackSource { deadline: Duration::from_millis(50), ..service(server) }
}

/// What a token is worth now, without asking.
fn verify(house: &House, source: &CallbackSource, token: &str) -> Result<Claims, TokenError> {
    let headers = HeaderMap::new();
    let request = RequestFacts::new("/news/index.m3u8", None, &headers);
    Callback::new(source).verify(token.as_bytes(), &request, house.clock.now())
}

fn question(source: &CallbackSource, token: &str) -> CallbackRequest {
    let headers = HeaderMap::new();
    let request = RequestFacts::new("/news/index.m3u8", None, &headers);
    Callback::new(source).question(token.as_bytes(), &request).unwrap()
}

/// The user that the service names for the token.
pub(super) async fn ask(house: &House, source: &CallbackSource, token: &str) -> Result<String, TokenError> {
    soon(house.key_sources.ask(question(source, token))).await;
    verify(house, source, token).map(|claims| claims.text("userid").unwrap_or_default().into_owned())
}

#[tokio::test]
async fn a_viewer_is_who_the_service_says_and_it_is_asked_once() {
    let server = Server::start(yes("alice")).await;
    let source = service(&server);
    let mut house = House::with_callback(&source);
    let claim = |text: &str| Value::from(text.parse::<streamgate::identity::ValueSource>().unwrap());
    let identity = Identity::new(
        ApplicationId("tv".into()),
        Settings {
            tokens: vec![Token {
                sources: vec!["query:token".parse().unwrap()],
                format: Arc::new(Callback::new(&source)),
                forward: false,
                replaced_by: None,
            }],
            mapping: Mapping {
                idp: claim("callback"),
                subject: claim("claim:userid"),
                device: None,
                stream: StreamSource::minted(),
                attributes: Vec::new(),
            },
            declared: None,
        },
    );
    let headers = HeaderMap::new();
    let request = |path| RequestFacts::new(path, Some("a=1&token=opaque&b=2"), &headers);
    let entry = request("/news/index.m3u8");
    let now = house.clock.now();
    assert!(matches!(identity.identify(&entry, now), Some(Err(TokenError::NotCached))));
    let question = identity.question(&entry).unwrap();
    assert_eq!((question.token.as_str(), question.query.as_str()), ("opaque", "a=1&b=2"));
    soon(house.key_sources.ask(question)).await;
    assert_eq!(house.told().await, "allowed");
    for path in ["/news/index.m3u8", "/news/1.ts"] {
        let viewer = identity.identify(&request(path), now).unwrap().unwrap().viewer;
        assert_eq!(viewer.account, Account::new("callback", "alice"));
        assert_eq!(viewer.expires, now + Duration::from_mins(3));
    }
    assert_eq!(server.count(), 1);
    let nothing = RequestFacts::new("/news/index.m3u8", None, &headers);
    assert!(identity.question(&nothing).is_none());
}

#[tokio::test]
async fn the_service_hears_all_that_it_may_want_to_know_by_get_and_by_post() {
    let server = Server::start(yes("alice")).await;
    let headers = HeaderMap::from_iter([
        (http::header::USER_AGENT, HeaderValue::from_static("Player/1.0 (TV)")),
        (http::header::REFERER, HeaderValue::from_static("https://tv.example/?a=b&c=d")),
    ]);
    let request = RequestFacts {
        host: "cdn.example:8443",
        client: Some("2001:db8::7".parse().unwrap()),
        ..RequestFacts::new("/live/my%20news/index.mpd", Some("x=1&y=%26"), &headers)
    };
    let expected = [
        ("name", "live/my news"),
        ("proto", "dash"),
        ("ip", "2001:db8::7"),
        ("token", "a b&c=d+é"),
        ("host", "cdn.example:8443"),
        ("qs", "x=1&y=%26"),
        ("user_agent", "Player/1.0 (TV)"),
        ("referer", "https://tv.example/?a=b&c=d"),
        ("request_type", "new_session"),
        ("request_number", "0"),
    ];
    let with_query = CallbackSource { url: server.url("/auth?key=1").into(), ..service(&server) };
    let house = House::with_callback(&with_query);
    let question = Callback::new(&with_query).question("a%20b%26c=d+é".as_bytes(), &request).unwrap();
    soon(house.key_sources.ask(question.clone())).await;
    let asked = server.last();
    assert_eq!((asked.method.as_str(), asked.parameter("key")), ("GET", Some("1")));
    for (name, value) in expected {
        assert_eq!(asked.parameter(name), Some(value), "{name}");
    }
    let session = asked.parameter("session_id").unwrap().to_owned();
    house.clock.advance(Duration::from_mins(3));
    soon(house.key_sources.ask(question.clone())).await;
    let again = server.last();
    assert_eq!(again.parameter("session_id"), Some(session.as_str()));
    assert_eq!(
        (again.parameter("request_type"), again.parameter("request_number")),
        (Some("update_session"), Some("1"))
    );

    let post = CallbackSource { ask: Ask::Post, ..service(&server) };
    let house = House::with_callback(&post);
    soon(house.key_sources.ask(question)).await;
    let asked = server.last();
    assert_eq!((asked.method.as_str(), asked.query.len()), ("POST", 0));
    for (name, value) in expected {
        assert_eq!(asked.body[name], value, "{name}");
    }
}

#[tokio::test]
async fn headers_and_json_members_become_claims_and_name_the_lifetime() {
    let json = |body: Json| {
        let headers =
            vec![("content-type", "application/json; charset=utf-8".to_owned()), ("X-UserId", "alice".to_owned())];
        Manner::Answer(200, headers, body.to_string())
    };
    let header = |value: &str| {
        let all = [
            ("X-UserId", "alice"),
            ("X-Max-Sessions", "2"),
            ("X-Unique", "true"),
            ("X-AuthDuration", value),
            ("X-Plan", "gold"),
        ];
        Manner::Answer(200, all.map(|(name, value)| (name, value.to_owned())).to_vec(), "<p>ignored</p>".to_owned())
    };
    let body = |lifetime: Json| json!({ "userId": "mallory", "max-sessions": 2, "X-Unique": "true", "plan": "gold", "auth_duration": lifetime, "ext": { "Id": 7 } });
    for (manner, seconds) in [
        (header("60"), 60),
        (header("0"), 1),
        (header("999999"), 86_400),
        (header("soon"), 180),
        (header("-5"), 180),
        (json(body(json!(90))), 90),
        (json(body(json!("90"))), 90),
        (json(body(json!(null))), 180),
    ] {
        let server = Server::start(manner).await;
        let source = service(&server);
        let house = House::with_callback(&source);
        assert_eq!(ask(&house, &source, "t").await.as_deref(), Ok("alice"), "a header goes before a member");
        let claims = verify(&house, &source, "t").unwrap();
        for (name, value) in [("max_sessions", "2"), ("unique", "true"), ("plan", "gold")] {
            assert_eq!(claims.text(name).as_deref(), Some(value), "{name}");
        }
        assert_eq!(claims.expires(), house.clock.now() + Duration::from_secs(seconds));
        house.clock.advance(Duration::from_secs(seconds));
        assert_eq!(verify(&house, &source, "t").unwrap_err(), TokenError::NotCached);
    }
}

#[tokio::test]
async fn a_hundred_who_ask_the_same_at_once_are_one_question() {
    let server = Server::start(Manner::Hang).await;
    let source = service(&server);
    let house = House::with_callback(&source);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (key_sources, question) = (house.key_sources.clone(), question(&source, "t"));
        asking.spawn(async move { key_sources.ask(question).await });
    }
    server.arrived(1).await;
    server.now(yes("alice"));
    soon(asking.join_all()).await;
    assert_eq!(ask(&house, &source, "t").await.as_deref(), Ok("alice"));
    assert_eq!(server.count(), 1);
    assert_eq!(ask(&house, &source, "u").await.as_deref(), Ok("alice"));
    assert_eq!(
        (server.count(), server.connections()),
        (2, 1),
        "another token is another question, on the same connection"
    );
}

#[tokio::test]
async fn a_question_goes_on_when_the_one_who_asked_does_not() {
    let server = Server::start(Manner::Hang).await;
    let source = service(&server);
    let mut house = House::with_callback(&source);
    let (key_sources, asked) = (house.key_sources.clone(), question(&source, "t"));
    let asking = tokio::spawn(async move { key_sources.ask(asked).await });
    server.arrived(1).await;
    asking.abort();
    assert!(soon(asking).await.unwrap_err().is_cancelled());
    server.now(yes("alice"));
    assert_eq!(house.told().await, "allowed");
    assert_eq!(ask(&house, &source, "t").await.as_deref(), Ok("alice"));
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_refusal_is_remembered_for_five_seconds() {
    for status in [400, 401, 403, 404, 410, 451] {
        let server = Server::start(Manner::status(status)).await;
        let source = service(&server);
        let mut house = House::with_callback(&source);
        assert_eq!(ask(&house, &source, "t").await, Err(TokenError::Refused), "{status}");
        assert_eq!(house.told().await, "refused");
        house.clock.advance(Duration::from_millis(4_999));
        assert_eq!(ask(&house, &source, "t").await, Err(TokenError::Refused));
        assert_eq!(server.count(), 1);
        server.now(yes("alice"));
        house.clock.advance(Duration::from_millis(1));
        assert_eq!(ask(&house, &source, "t").await.as_deref(), Ok("alice"));
        assert_eq!(server.count(), 2);
    }
}

/// Everything that is no answer.
fn silences() -> Vec<Manner> {
    let json = |body: &str| Manner::Answer(200, vec![("content-type", "application/json".to_owned())], body.to_owned());
    let location = vec![("location", "http://127.0.0.1:9/".to_owned())];
    vec![
        Manner::status(500),
        Manner::status(503),
        Manner::status(429),
        Manner::status(408),
        Manner::Answer(302, location, String::new()),
        Manner::Hang,
        Manner::Reset,
        json("[1]"),
        json("{"),
        json(&format!(r#"{{"a":"{}"}}"#, "a".repeat(17_000))),
    ]
}

#[tokio::test]
async fn while_the_service_is_away_a_new_token_stays_undecided_and_is_asked_about_once_a_second() {
    for manner in silences() {
        let server = Server::start(manner).await;
        let source = hasty(&server);
        let mut house = House::with_callback(&source);
        assert_eq!(ask(&house, &source, "t").await, Err(TokenError::Unavailable));
        assert_eq!(house.told().await, "away");
        house.clock.advance(Duration::from_millis(999));
        assert_eq!(ask(&house, &source, "t").await, Err(TokenError::Unavailable));
        assert_eq!(server.count(), 1, "it is left alone for a second");
        house.clock.advance(Duration::from_millis(1));
        assert_eq!(ask(&house, &source, "t").await, Err(TokenError::Unavailable));
        assert_eq!(server.count(), 2);
    }
}

#[tokio::test]
async fn while_the_service_is_away_its_word_of_before_goes_on_for_an_hour() {
    for manner in silences() {
        let server = Server::start(yes("alice")).await;
        let source = CallbackSource { deadline: Duration::from_millis(300), ..service(&server) };
        let mut house = House::with_callback(&source);
        assert_eq!(ask(&house, &source, "t").await.as_deref(), Ok("alice"));
        server.now(manner);
        house.clock.advance(Duration::from_mins(3));
        assert_eq!(ask(&house, &source, "t").await.as_deref(), Ok("alice"));
        assert_eq!((house.told().await, house.told().await), ("allowed", "stale"));
        house.clock.advance(Duration::from_mins(59));
        assert_eq!(ask(&house, &source, "t").await.as_deref(), Ok("alice"));
        house.clock.advance(Duration::from_mins(1));
        assert_eq!(ask(&house, &source, "t").await, Err(TokenError::Unavailable));
        server.now(Manner::status(403));
        house.clock.advance(SECOND);
        assert_eq!(ask(&house, &source, "t").await, Err(TokenError::Refused), "it is back");
    }
}

#[tokio::test]
async fn a_service_that_nobody_listens_for_is_away() {
    let vacant = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/auth", vacant.local_addr().unwrap());
    drop(vacant);
    let source = CallbackSource { deadline: Duration::from_secs(10), ..CallbackSource::new("application tv", &url) };
    let house = House::with_callback(&source);
    assert_eq!(ask(&house, &source, "t").await, Err(TokenError::Unavailable));
}

#[tokio::test]
async fn where_the_configuration_admits_each_unjudged_token_is_an_account_of_its_own() {
    let server = Server::start(Manner::status(503)).await;
    let source = CallbackSource { away: Away::Admit, ..service(&server) };
    let house = House::with_callback(&source);
    let (one, other) = (ask(&house, &source, "one").await.unwrap(), ask(&house, &source, "other").await.unwrap());
    assert_eq!(one.len(), 32);
    assert_ne!(one, other);
    assert_eq!(verify(&house, &source, "one").unwrap().members()["away"], true);
    server.now(Manner::status(403));
    house.clock.advance(SECOND);
    assert_eq!(ask(&house, &source, "one").await, Err(TokenError::Refused));
    server.now(Manner::status(503));
    house.clock.advance(SECOND * 5);
    assert_eq!(ask(&house, &source, "one").await, Err(TokenError::Refused), "no is no, also from before");
}

#[tokio::test]
async fn more_questions_than_a_service_can_answer_do_not_pile_up() {
    let server = Server::start(Manner::Hang).await;
    let source = service(&server);
    let mut house = House::with_callback(&source);
    let mut asking = tokio::task::JoinSet::new();
    for n in 0..1024 {
        let (key_sources, question) = (house.key_sources.clone(), question(&source, &format!("t{n}")));
        asking.spawn(async move { key_sources.ask(question).await });
    }
    server.arrived(1024).await;
    assert_eq!(ask(&house, &source, "one more").await, Err(TokenError::Unavailable));
    assert_eq!(house.told().await, "busy");
    server.now(yes("alice"));
    soon(asking.join_all()).await;
    house.clock.advance(SECOND);
    assert_eq!(ask(&house, &source, "one more").await.as_deref(), Ok("alice"));
}
