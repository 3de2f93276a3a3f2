#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::io;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::sleep;

use super::*;

/// Long enough for a busy machine; a passing test never waits this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers as the test sets; a name gets no answer until it is set.
struct Scripted {
    answers: watch::Sender<HashMap<&'static str, Result<&'static str, &'static str>>>,
    asked: Mutex<Vec<String>>,
}

impl Scripted {
    fn new(answers: &[(&'static str, Result<&'static str, &'static str>)]) -> Arc<Self> {
        let answers = watch::Sender::new(answers.iter().copied().collect());
        Arc::new(Self { answers, asked: Mutex::default() })
    }

    fn say(&self, host: &'static str, answer: Option<Result<&'static str, &'static str>>) {
        self.answers.send_modify(|answers| match answer {
            Some(answer) => drop(answers.insert(host, answer)),
            None => drop(answers.remove(host)),
        });
    }

    fn times_asked(&self, host: &str) -> usize {
        self.asked.lock().iter().filter(|asked| *asked == host).count()
    }
}

#[async_trait]
impl Resolver for Scripted {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        self.asked.lock().push(host.to_owned());
        let mut answers = self.answers.subscribe();
        let answers = answers.wait_for(|answers| answers.contains_key(host)).await.unwrap();
        let found = answers[host].map_err(io::Error::other)?;
        Ok(found.split_whitespace().map(|address| SocketAddr::new(address.parse().unwrap(), port)).collect())
    }
}

fn origin(name: &str, servers: &[&str]) -> Arc<Origin> {
    Arc::new(Origin {
        name: name.into(),
        servers: servers.iter().map(|server| server.parse().unwrap()).collect(),
        tls: false,
        host_header: None,
        verify_certificate: true,
        connect_timeout: Duration::from_secs(1),
        read_timeout: Duration::from_secs(1),
        write_timeout: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(1),
        max_connections: 0,
        consecutive_5xx: 0,
        resolve_every: Duration::from_secs(1),
    })
}

/// The origins that replace those of `before`.
fn upstreams(resolver: &Arc<Scripted>, before: Option<&Upstreams>, origins: &[(&str, &[&str])]) -> Upstreams {
    let metrics = Metrics::new().unwrap();
    let resolver: Arc<dyn Resolver> = resolver.clone();
    let pool = |(name, servers): &(&str, &[&str])| {
        let origin = origin(name, servers);
        let old = before.and_then(|before| before.pools.get(*name));
        let pool = match old.filter(|old| old.origin == origin) {
            Some(same) => same.clone(),
            None => Arc::new(Pool::new(&origin, old.map(|old| &**old), metrics.origin(name), &resolver)),
        };
        (Arc::from(*name), pool)
    };
    Upstreams { pools: origins.iter().map(pool).collect(), resolver: resolver.clone() }
}

fn addresses(upstreams: &Upstreams, origin: &str) -> Vec<String> {
    upstreams.pools[origin].servers.load().iter().map(|server| server.address.to_string()).collect()
}

async fn until(what: &str, mut look: impl FnMut() -> bool) {
    let waited = timeout(PATIENCE, async {
        while !look() {
            sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain until {what}");
}

#[tokio::test]
async fn a_name_without_an_answer_delays_no_other_name() {
    let resolver = Scripted::new(&[("good", Ok("192.0.2.1"))]);
    let origins: [(&str, &[&str]); 2] = [("first", &["silent:80", "good:81"]), ("second", &["good:82"])];
    let upstreams = upstreams(&resolver, None, &origins);
    upstreams.refresh(0);
    until("the other names are resolved", || {
        addresses(&upstreams, "first") == ["192.0.2.1:81"] && addresses(&upstreams, "second") == ["192.0.2.1:82"]
    })
    .await;
    assert!(upstreams.resolved());
}

#[tokio::test]
async fn a_name_without_an_answer_keeps_its_addresses_and_takes_a_late_answer() {
    let resolver = Scripted::new(&[("good", Ok("192.0.2.1"))]);
    let upstreams = upstreams(&resolver, None, &[("one", &["good:80"])]);
    upstreams.resolve_new(PATIENCE).await;
    resolver.say("good", None);
    for second in 1..10 {
        upstreams.refresh(second);
        tokio::task::yield_now().await;
    }
    assert_eq!(addresses(&upstreams, "one"), ["192.0.2.1:80"]);
    assert_eq!(resolver.times_asked("good"), 2, "a lookup that cannot be cancelled is the only one");
    resolver.say("good", Some(Ok("192.0.2.2 192.0.2.3")));
    until("the late answer counts", || addresses(&upstreams, "one") == ["192.0.2.2:80", "192.0.2.3:80"]).await;
    resolver.say("good", Some(Err("no such host")));
    until("it has failed", || {
        upstreams.refresh(10);
        upstreams.pools["one"].names.lock()[0].is_failing
    })
    .await;
    assert_eq!(addresses(&upstreams, "one"), ["192.0.2.2:80", "192.0.2.3:80"]);
}

#[tokio::test]
async fn a_name_without_an_address_is_tried_again_each_second() {
    let resolver = Scripted::new(&[("late", Err("no such host")), ("good", Ok("192.0.2.1"))]);
    let mut slow = (*origin("one", &["late:80", "good:80"])).clone();
    slow.resolve_every = Duration::from_hours(1);
    let metrics = Metrics::new().unwrap();
    let scripted: Arc<dyn Resolver> = resolver.clone();
    let pool = Arc::new(Pool::new(&Arc::new(slow), None, metrics.origin("one"), &scripted));
    let upstreams = Upstreams { pools: [("one".into(), pool)].into(), resolver: scripted };
    upstreams.resolve_new(PATIENCE).await;
    assert_eq!((resolver.times_asked("late"), resolver.times_asked("good")), (1, 1));
    upstreams.refresh(1);
    until("it is tried again", || resolver.times_asked("late") == 2).await;
    resolver.say("late", Some(Ok("192.0.2.9")));
    until("it is found", || {
        upstreams.refresh(2);
        addresses(&upstreams, "one") == ["192.0.2.9:80", "192.0.2.1:80"]
    })
    .await;
    assert_eq!(resolver.times_asked("good"), 1, "this one has an address and its time has not come");
}

#[tokio::test]
async fn a_reload_waits_for_new_names_alone_and_for_none_longer_than_its_patience() {
    let resolver = Scripted::new(&[("good", Ok("192.0.2.1"))]);
    let first = upstreams(&resolver, None, &[("one", &["silent:80"]), ("other", &["silent:80"])]);
    first.refresh(0);
    // A changed origin does not make its names new.
    let origins: [(&str, &[&str]); 3] =
        [("one", &["silent:80"]), ("other", &["silent:80", "good:80"]), ("two", &["good:80"])];
    let second = upstreams(&resolver, Some(&first), &origins);
    let waited = timeout(PATIENCE, second.resolve_new(Duration::MAX)).await;
    assert!(waited.is_ok(), "it waits for a name that it has waited for before");
    assert_eq!(addresses(&second, "two"), ["192.0.2.1:80"]);
    assert_eq!(addresses(&second, "other"), ["192.0.2.1:80"]);

    let third = upstreams(&resolver, Some(&second), &[("three", &["silent:80"]), ("two", &["good:80"])]);
    let waited = timeout(PATIENCE, third.resolve_new(Duration::from_millis(20))).await;
    assert!(waited.is_ok(), "it waits longer than its patience");
    resolver.say("silent", Some(Ok("192.0.2.3")));
    until("the late answer counts", || addresses(&third, "three") == ["192.0.2.3:80"]).await;
}

#[tokio::test]
async fn a_host_with_several_ports_has_each_once_also_when_it_no_longer_resolves() {
    let resolver = Scripted::new(&[("good", Ok("192.0.2.1 192.0.2.1")), ("alias", Ok("192.0.2.1"))]);
    let origins: [(&str, &[&str]); 1] = [("one", &["good:80", "good:81", "alias:80", "192.0.2.7:82"])];
    let upstreams = upstreams(&resolver, None, &origins);
    assert_eq!(addresses(&upstreams, "one"), ["192.0.2.7:82"], "it needs no resolver");
    upstreams.resolve_new(PATIENCE).await;
    let all = ["192.0.2.1:80", "192.0.2.1:81", "192.0.2.7:82"];
    assert_eq!(addresses(&upstreams, "one"), all);
    resolver.say("good", Some(Err("no such host")));
    until("it has failed", || {
        upstreams.refresh(1);
        upstreams.pools["one"].names.lock()[..2].iter().all(|name| name.is_failing)
    })
    .await;
    assert_eq!(addresses(&upstreams, "one"), all);
    assert_eq!(resolver.times_asked("192.0.2.7"), 0);
}
