//! Cost of one admission decision: by streams of the account, with one rule and with many, and with a full explanation.

#![allow(clippy::expect_used, reason = "a benchmark that cannot measure has nothing else to say")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use streamgate::model::{Account, ApplicationId, Attributes, ClientEvidence, Device, Millis, StreamId};
use streamgate::policy::{
    ApplicationBinding, Content, Count, EvalContext, Expression, Field, Limit, Policy, RequiredLimits, Rule,
    StreamView, Type, WhenExceeded, evaluate, explain,
};
use streamgate::streams::store::InMemoryStore;
use streamgate::streams::{AdmissionRequest, NoopObserver, Settings, StreamTable};

const NOW: Millis = Millis(1_800_000_000_000);
const SCENE: EvalContext<'static> =
    EvalContext { idp: "https://login.example.com/", now: NOW, min_tenure: Duration::from_secs(30) };
const CHANNELS: [&str; 4] = ["arena-1", "news", "kids-2", "films"];

fn condition(source: &str) -> Expression {
    Expression::compile(source, &[Type::Bool]).expect("a condition")
}

fn field(name: &str) -> Field {
    Field::named(name)
}

fn policy(name: &str, carriers: &[&ApplicationId], first_key: u32, rules: Vec<Rule>) -> Arc<Policy> {
    let carrier = ApplicationBinding { tenant: "north-cable".into(), from_manifest: Vec::new() };
    let rules = rules.into_iter().zip(first_key..).map(|(rule, key)| Rule { key, ..rule });
    let carriers = carriers.iter().map(|id| ((*id).clone(), carrier.clone()));
    Arc::new(Policy::from_parts(name.into(), rules.collect(), carriers.collect()))
}

/// One policy, one rule, no target: the common first configuration.
fn common(limit: u32, applications: &[ApplicationId]) -> Vec<Arc<Policy>> {
    let carriers: Vec<_> = applications.iter().collect();
    vec![policy("household", &carriers, 1, vec![Rule::streams("streams", limit, WhenExceeded::DenyNewest)])]
}

/// Three policies of three rules each: by plan, by device, by channel, by place, by the time of day.
fn rich(spare: u32, applications: &[ApplicationId]) -> Vec<Arc<Policy>> {
    let streams = |name: &str, limit| Rule::streams(name, limit, WhenExceeded::TerminateOldest);
    let refuse = |name: &str, limit| Rule::streams(name, limit, WhenExceeded::DenyNewest);
    let by_plan = Limit::ByValue {
        field: field("contractType"),
        values: [("premium", 4 + spare), ("basic", 1)].map(|(plan, limit)| (plan.into(), limit)).into(),
        otherwise: Some(2),
    };
    let all: Vec<_> = applications.iter().collect();
    let some = &all[..2];
    vec![
        policy(
            "household",
            &all,
            1,
            vec![
                Rule { limit: by_plan, ..streams("by plan", 0) },
                Rule { count: Count::Distinct(field("deviceId")), ..streams("devices", 5 + spare) },
                Rule { target: Some(condition("!hba && mobileDevice")), ..refuse("away from home", 3 + spare) },
            ],
        ),
        policy(
            "sports",
            some,
            4,
            vec![
                Rule {
                    target: Some(condition("contentType == 'live' && channel.startsWith('arena')")),
                    ..refuse("live arenas", 3 + spare)
                },
                Rule { per: vec![field("channel")], ..refuse("of one channel", 2 + spare) },
                Rule {
                    count: Count::Distinct(field("deviceId")),
                    per: vec![field("channel")],
                    target: Some(condition("contentType == 'live'")),
                    ..refuse("devices on one channel", 2 + spare)
                },
            ],
        ),
        policy(
            "partners",
            some,
            7,
            vec![
                Rule {
                    target: Some(condition("application in ['tv', 'web'] && idp != 'guest'")),
                    ..streams("of partners", 5 + spare)
                },
                Rule {
                    limit: Limit::Attribute { field: field("maxStreams"), otherwise: Some(6 + spare) },
                    ..refuse("by token", 0)
                },
                Rule {
                    target: Some(condition("now.getHours('Europe/Berlin') >= 18 && contentType == 'live'")),
                    count: Count::Distinct(field("channel")),
                    ..refuse("evening channels", 5 + spare)
                },
            ],
        ),
    ]
}

/// Attributes of stream `n`.
fn known(n: usize) -> Attributes {
    let attributes = [
        ("channel", CHANNELS[n % CHANNELS.len()]),
        ("contractType", "premium"),
        ("hba", if n.is_multiple_of(2) { "true" } else { "false" }),
        ("mobileDevice", if n.is_multiple_of(3) { "true" } else { "false" }),
        ("programmerName", "North"),
    ];
    attributes.map(|(name, value)| (name.into(), value.into())).into_iter().collect()
}

fn standing<'a>(n: usize, applications: &'a [ApplicationId], device: &'a str) -> StreamView<'a> {
    let started = NOW - Duration::from_secs(3600 - 60 * n as u64);
    StreamView {
        stream: StreamId((n as u128).to_be_bytes()),
        application: &applications[n % 2],
        device: Some(device),
        asset: "/live/arena-1/index.m3u8",
        attributes: known(n),
        content: if n.is_multiple_of(4) { Content::Vod } else { Content::Live },
        started,
        tenure: started,
        seen: NOW,
        ranks: RequiredLimits::default(),
    }
}

fn decisions(criterion: &mut Criterion) {
    let applications = ["tv", "web", "phone"].map(|name| ApplicationId(name.into()));
    let devices: Vec<String> = (0..64).map(|n| format!("device-{:02}", n % 6)).collect();
    let account = |streams: usize| -> Vec<StreamView<'_>> {
        (0..streams).map(|n| standing(n, &applications, &devices[n])).collect()
    };
    let candidate = standing(59, &applications, &devices[1]);
    let mut group = criterion.benchmark_group("policy");
    for streams in [1, 2, 5, 10, 20, 50] {
        let running = account(streams);
        let (one, nine) = (common(60, &applications), rich(60, &applications));
        for (name, policies) in [("admit/1 rule", &one), ("admit/3x3 rules", &nine)] {
            let decision = evaluate(policies, &running, &candidate, &SCENE);
            assert!(decision.violations.is_empty() && !decision.deferred, "it is admitted");
            group.bench_function(BenchmarkId::new(name, streams), |bencher| {
                bencher.iter(|| evaluate(black_box(policies), black_box(&running), black_box(&candidate), &SCENE));
            });
        }
    }
    let running = account(5);
    let nine = rich(60, &applications);
    group.bench_function("explain/3x3 rules/5", |bencher| {
        bencher.iter(|| explain(black_box(&nine), black_box(&running), black_box(&candidate), &SCENE));
    });
    let refusing = common(5, &applications);
    assert!(evaluate(&refusing, &running, &candidate, &SCENE).refuses());
    group.bench_function("refuse/1 rule/5", |bencher| {
        bencher.iter(|| evaluate(black_box(&refusing), black_box(&running), black_box(&candidate), &SCENE));
    });
    // Rules that terminate different streams, so that the fewest must be found.
    let streams = |name: &str, limit| Rule::streams(name, limit, WhenExceeded::TerminateOldest);
    for count in [5_u32, 20, 50] {
        let running = account(count as usize);
        let rules = vec![
            streams("all", count),
            Rule { count: Count::Distinct(field("channel")), ..streams("channels", count.min(4) - 1) },
            Rule { per: vec![field("channel")], ..streams("of one channel", (count / 4).max(1)) },
            Rule { target: Some(condition("mobileDevice")), ..streams("mobile", count / 3) },
        ];
        let ending = [policy("contrary", &applications.each_ref(), 1, rules)];
        let candidate = StreamView { device: Some("another"), ..candidate.clone() };
        let decision = evaluate(&ending, &running, &candidate, &SCENE);
        assert!(decision.violations.len() > 1 && !decision.refuses(), "several rules let streams give way");
        group.bench_function(BenchmarkId::new("end the fewest", count), |bencher| {
            bencher.iter(|| evaluate(black_box(&ending), black_box(&running), black_box(&candidate), &SCENE));
        });
    }
    group.finish();
}

/// A simulated start of an account with five streams, through a table with many such accounts.
fn among_others(criterion: &mut Criterion) {
    let application = ApplicationId("tv".into());
    let policies = rich(60, &[application.clone(), ApplicationId("web".into()), ApplicationId("phone".into())]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut group = criterion.benchmark_group("policy");
    for accounts in [1_usize, 10_000, 100_000] {
        let settings = Settings::default();
        let table = StreamTable::new(
            Arc::new(InMemoryStore::new(settings.clone(), Arc::new(NoopObserver))),
            Arc::new(NoopObserver),
        );
        let candidate = |account: usize, n: usize| AdmissionRequest {
            stream: StreamId((((account as u128) << 64) | (n as u128 + 1)).to_be_bytes()),
            account: Account::new("https://login.example.com/", format!("subscriber-{account}")),
            application: application.clone(),
            device: Device::Named(format!("device-{n}").into()),
            asset: "/live/arena-1/index.m3u8".into(),
            started: NOW + Duration::from_secs(n as u64),
            // With a manifest, so that no rule waits for it.
            attributes: known(n)
                .iter()
                .chain([("contentType", "live")])
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            client: ClientEvidence::default(),
        };
        for account in 0..accounts {
            for n in 0..5 {
                let who = candidate(account, n);
                runtime.block_on(table.start(&who, &policies, &settings, NOW)).expect("an embedded table answers");
            }
        }
        // Another account each time, as in production.
        let mut turn = 0;
        group.bench_function(
            BenchmarkId::new("5 streams, 3x3 rules, through the table, accounts", accounts),
            |bencher| {
                bencher.iter_batched(
                    || {
                        turn = (turn + 7919) % accounts;
                        candidate(turn, 9)
                    },
                    |who| {
                        let answer = table.consider(&who, &policies, &settings, NOW);
                        assert!(runtime.block_on(answer).expect("an embedded table answers").is_none());
                    },
                    criterion::BatchSize::SmallInput,
                );
            },
        );
    }
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    decisions(&mut criterion);
    among_others(&mut criterion);
    criterion.final_summary();
}
