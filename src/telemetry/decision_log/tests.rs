use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::*;

#[derive(Default)]
struct Hands(AtomicU64);

impl Clock for Hands {
    fn now(&self) -> Millis {
        Millis(self.0.load(Relaxed))
    }
}

/// A counter instead of random bytes.
#[derive(Default)]
struct Counter(AtomicU64);

impl Entropy for Counter {
    fn bytes(&self) -> [u8; 16] {
        (u128::from(self.0.fetch_add(1, Relaxed) + 1) << 64).to_be_bytes()
    }
}

fn remembering(clock: Arc<Hands>) -> Decisions {
    Decisions::new(clock, Arc::new(Counter::default()))
}

fn refused(id: u64, at: u64, reason: &'static str, device: &str) -> Refused {
    Refused {
        verdict: Verdict::Refused,
        id,
        at: Millis(at),
        reason,
        application: Some(ApplicationId("tv".into())),
        account: Some(Account::new("acme", "alice")),
        stream: Some(StreamId([u8::try_from(id % 256).unwrap_or_default(); 16])),
        device: Some(Device::Named(device.into())),
        asset: Some("/live/news".into()),
        problem: Bytes::from_static(b"{}"),
    }
}

fn times(happened: &AuditEntry) -> (u64, u32) {
    match happened.what {
        AuditKind::Refused { refusal, times, .. } => (refusal, times),
        _ => (0, 0),
    }
}

#[test]
fn a_player_that_asks_again_and_again_leaves_room_for_the_rest_of_the_history() {
    let decisions = remembering(Arc::new(Hands::default()));
    let alice = Account::new("acme", "alice");
    decisions.ordered(&alice, None, "exempt", &"ops".into(), &"a party".into());
    for id in 1..=1000 {
        decisions.refused(refused(id, id, "limit", if id % 2 == 0 { "tv-1" } else { "tv-2" }));
    }
    let history = decisions.history(&alice.key());
    assert_eq!(history.len(), 3);
    assert!(matches!(history[0].what, AuditKind::Ordered { what: "exempt", .. }));
    assert_eq!(times(&history[1]), (999, 500));
    assert_eq!(times(&history[2]), (1000, 500));
    assert_eq!(decisions.refusal(500).map(|refused| refused.at), Some(Millis(500)), "each can still be asked about");
}

#[test]
fn a_history_is_bounded_and_forgets_what_is_too_old() {
    let clock = Arc::new(Hands::default());
    let decisions = remembering(clock.clone());
    for id in 1..=100 {
        decisions.refused(refused(id, id, "limit", &format!("tv-{id}")));
    }
    let key = Account::new("acme", "alice").key();
    let history = decisions.history(&key);
    assert_eq!((history.len(), times(&history[0])), (OF_ACCOUNT, (69, 1)));
    clock.0.store(u64::try_from(KEPT.as_millis()).unwrap_or_default() + 90, Relaxed);
    assert_eq!(times(&decisions.history(&key)[0]), (90, 1));
}

#[test]
fn what_did_not_happen_pushes_out_nothing_that_did() {
    let decisions = remembering(Arc::new(Hands::default()));
    decisions.refused(refused(1, 1, "limit", "tv-1"));
    for id in 2..50_000 {
        let device = format!("tv-{id}");
        decisions.refused(Refused { verdict: Verdict::WouldRefuse, ..refused(id, id, "limit", &device) });
    }
    decisions.unenforced.run_pending_tasks();
    assert!(decisions.unenforced.weighted_size() <= UNENFORCED);
    assert!(decisions.refusal(1).is_some() && decisions.refusal(49_999).is_some() && decisions.refusal(2).is_none());
    let history = decisions.history(&Account::new("acme", "alice").key());
    assert_eq!((history.len(), times(&history[0]), times(&history[OF_ACCOUNT - 1])), (OF_ACCOUNT, (1, 1), (49_999, 1)));
}

#[test]
fn those_whom_nobody_knows_push_nobody_else_out() {
    let decisions = remembering(Arc::new(Hands::default()));
    decisions.refused(refused(1, 1, "limit", "tv-1"));
    for id in 2..50_000 {
        let problem = Bytes::from(vec![b' '; 500]);
        decisions.refused(Refused { account: None, problem, ..refused(id, id, "no_token", "tv-1") });
    }
    decisions.strangers.run_pending_tasks();
    decisions.refusals.run_pending_tasks();
    assert!(decisions.strangers.weighted_size() <= ANONYMOUS_REFUSALS);
    assert!(decisions.refusal(1).is_some());
    assert!(decisions.refusal(49_999).is_some(), "what comes last is remembered");
    assert!(decisions.refusal(2).is_none());
}
