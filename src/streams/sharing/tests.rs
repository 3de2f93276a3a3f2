//! Sharing of one stream.

#![allow(clippy::expect_used, clippy::panic, reason = "tests say what failed by panicking")]

use std::collections::HashSet;
use std::sync::atomic::AtomicUsize;

use proptest::prelude::*;

use super::*;
use crate::streams::media_hash;

const STREAM: StreamId = StreamId(*b"one play session");
const FILM: &str = "AppleCoreMedia/1.0.0.21F90 (iPhone; U; CPU OS 17_5 like Mac OS X; en_gb)";
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
const HOME: u128 = 0xcb00_7101;
const OFFICE: u128 = 0xc633_6402;
const MOBILE: u128 = 0xc000_0203;
const HOME_6: u128 = 0x2001_0db8_0001_0002 << 64;

fn client(network: u128, agent: &str) -> Client {
    Client::new(network, agent.as_bytes())
}

fn at(seconds: u64) -> Millis {
    Millis((1_000_000 + seconds) * 1000)
}

/// A stream with segments of 6 s, live unless it is [`Play::recorded`]. Remembers the last verdict, like a stream.
struct Play {
    idle: Duration,
    sharing: Sharing,
    playback: u64,
    seen: u64,
    accused: HashSet<Client>,
}

impl Default for Play {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(28),
            sharing: Sharing::default(),
            playback: 0,
            seen: 0,
            accused: HashSet::new(),
        }
    }
}

impl Play {
    fn recorded() -> Self {
        Self { idle: Duration::from_secs(45), ..Self::default() }
    }

    fn ask(&mut self, client: Client, media: Option<u32>, seconds: u64) -> SharingVerdict {
        let terms = SharingParams {
            stream: STREAM,
            playback: at(self.playback),
            seen: at(self.seen),
            idle: self.idle,
            overlap: Duration::from_mins(1),
            idle_retention: Duration::from_mins(10),
        };
        let sharer = if self.sharing.is_alone(client) {
            SharingVerdict::Owner
        } else {
            self.sharing.ask(client, media, &terms, at(seconds))
        };
        if sharer == SharingVerdict::Other(client.split_from(STREAM)) {
            self.accused.insert(client);
        } else {
            self.seen = seconds;
            self.playback = if media.is_some() { seconds } else { self.playback };
        }
        sharer
    }

    fn media(&mut self, client: Client, media: u64, seconds: u64) -> SharingVerdict {
        self.ask(client, Some(media_hash(&[b"/film/", &media.to_be_bytes()])), seconds)
    }

    fn playlist(&mut self, client: Client, seconds: u64) -> SharingVerdict {
        self.ask(client, None, seconds)
    }

    /// Each client requests its own media every 6 s; the numbers are positions in the film.
    fn side_by_side(&mut self, clients: &[(Client, u64)], from: u64, to: u64) {
        for now in (from..to).step_by(6) {
            for (client, film) in clients {
                self.media(*client, film + now, now);
            }
        }
    }

    fn accuses_nobody(&self) {
        assert_eq!(self.accused, HashSet::new());
    }
}

#[test]
fn two_clients_at_once_on_one_play_session_are_split_after_the_overlap() {
    let (home, office) = (client(HOME, FILM), client(OFFICE, BROWSER));
    let mut play = Play::default();
    play.side_by_side(&[(home, 0), (office, 10_000)], 0, 60);
    play.accuses_nobody();
    play.side_by_side(&[(home, 0), (office, 10_000)], 60, 72);
    assert_eq!(play.accused, HashSet::from([office]));
    assert_eq!(
        play.playlist(office, 73),
        SharingVerdict::Other(office.split_from(STREAM)),
        "with everything it asks for"
    );
    assert_eq!(play.playlist(home, 73), SharingVerdict::Owner);
}

#[test]
fn whoever_asked_for_media_first_stays() {
    for (first, second) in [(HOME, OFFICE), (OFFICE, HOME)] {
        let (first, second) = (client(first, FILM), client(second, BROWSER));
        let mut play = Play::default();
        assert_eq!(play.playlist(second, 0), SharingVerdict::Owner, "a manifest may be fetched for another");
        play.side_by_side(&[(first, 0), (second, 10_000)], 1, 90);
        assert_eq!(play.accused, HashSet::from([second]));
    }
}

#[test]
fn each_split_client_has_a_name_of_its_own_that_does_not_change() {
    let split = |network, agent| client(network, agent).split_from(STREAM);
    assert_eq!(split(OFFICE, FILM), split(OFFICE, FILM));
    assert_eq!(split(OFFICE, FILM), split(OFFICE, BROWSER), "one network is one place");
    assert_ne!(split(OFFICE, FILM), split(MOBILE, FILM));
    assert_ne!(split(OFFICE, FILM), client(OFFICE, FILM).split_from(StreamId([0; 16])));
}

#[test]
fn a_hand_over_does_not_split() {
    let (wifi, mobile) = (client(HOME, FILM), client(MOBILE, FILM));
    let mut play = Play::default();
    play.side_by_side(&[(wifi, 0)], 0, 300);
    play.side_by_side(&[(mobile, 0)], 300, 900);
    play.accuses_nobody();
    assert!(play.sharing.is_alone(mobile), "the stream has moved");
    play.side_by_side(&[(wifi, 0)], 900, 1200);
    play.accuses_nobody();
    assert!(play.sharing.is_alone(wifi), "and back");
}

#[test]
fn casting_with_an_overlap_of_20_s_does_not_split() {
    for (network, agent) in [(HOME, BROWSER), (OFFICE, BROWSER), (HOME_6, BROWSER)] {
        let (phone, television) = (client(HOME, FILM), client(network, agent));
        let mut play = Play::default();
        play.side_by_side(&[(phone, 0)], 0, 300);
        play.side_by_side(&[(phone, 0), (television, 0)], 300, 320);
        play.side_by_side(&[(television, 0)], 320, 1200);
        play.accuses_nobody();
    }
}

#[test]
fn casting_to_and_fro_does_not_split() {
    let (phone, television) = (client(MOBILE, FILM), client(OFFICE, BROWSER));
    let mut play = Play::default();
    for turn in 0..20 {
        let (from, both, alone) = (turn * 120, turn * 120 + 30, turn * 120 + 60);
        play.side_by_side(&[(phone, 0)], from, both);
        play.side_by_side(&[(phone, 0), (television, 0)], both, alone);
        play.side_by_side(&[(television, 0)], alone, from + 110);
    }
    play.accuses_nobody();
}

#[test]
fn taking_turns_does_not_split() {
    let (phone, television) = (client(MOBILE, FILM), client(OFFICE, BROWSER));
    let mut play = Play::recorded();
    for from in (0..2000).step_by(80) {
        for now in from..from + 45 {
            play.media(phone, now, now);
        }
        for now in from + 40..from + 85 {
            play.media(television, now, now);
        }
    }
    play.accuses_nobody();
    let mut play = Play::recorded();
    for from in (0..120).step_by(40) {
        play.side_by_side(&[(phone, 0)], from, from + 20);
        play.side_by_side(&[(television, 0)], from + 20, from + 40);
    }
    play.accuses_nobody();
}

/// A player with several addresses that requests each media once, from the address chosen by `pick`.
fn flapping(addresses: &[Client], pick: impl Fn(u64) -> usize, media: impl Iterator<Item = u64>) -> Play {
    let mut play = Play::default();
    for (asked, media) in media.enumerate() {
        let asked = asked as u64;
        play.media(addresses[pick(asked) % addresses.len()], media, asked * 3);
    }
    play
}

/// Pseudo-random numbers, reproducible.
fn scatter(n: u64) -> usize {
    usize::try_from((n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40).expect("24 bits")
}

#[test]
fn one_device_under_several_addresses_does_not_split() {
    let pool = [HOME, OFFICE, HOME_6, MOBILE].map(|network| client(network, FILM));
    let many: Vec<Client> = (0..40).map(|n| client(0x6440_0000 + n, FILM)).collect();
    for addresses in [&pool[..2], &pool[..], &many[..]] {
        flapping(addresses, |n| usize::try_from(n).expect("small"), 0..2000).accuses_nobody();
        flapping(addresses, scatter, 0..2000).accuses_nobody();
    }
}

#[test]
fn retries_under_the_other_address_do_not_split() {
    let dual_stack = [client(HOME, FILM), client(HOME_6, FILM)];
    // Every third media is requested twice, once from each address.
    let media = (0..1000).flat_map(|n| if n % 3 == 0 { vec![n, n] } else { vec![n] });
    flapping(&dual_stack, |n| usize::try_from(n).expect("small"), media).accuses_nobody();
    // On a bad line nearly all of the few requests from the second address repeat one of the first.
    let mut play = Play::default();
    for n in 0..400 {
        play.media(dual_stack[0], n, n * 3);
        if n % 5 == 0 {
            play.media(dual_stack[1], n, n * 3 + 2);
        }
    }
    play.accuses_nobody();
}

#[test]
fn skipping_back_under_two_addresses_does_not_split() {
    let dual_stack = [client(HOME, FILM), client(HOME_6, FILM)];
    let media = (0..100).flat_map(|round| round * 5..round * 5 + 20);
    flapping(&dual_stack, scatter, media).accuses_nobody();
}

#[test]
fn several_agents_of_one_network_do_not_split() {
    let agents = [FILM, BROWSER, "stagefright/1.2", "CFNetwork/1490", "VLC/3.0.20"];
    let mut play = Play::default();
    for now in 0..1200 {
        let agent = agents[scatter(now) % agents.len()];
        assert_eq!(play.media(client(HOME, agent), now / 3, now), SharingVerdict::Owner);
    }
    play.accuses_nobody();
}

#[test]
fn a_prefetcher_beside_its_player_under_two_versions_of_ip_does_not_split() {
    let (player, helper) = (client(HOME, FILM), client(HOME_6, "CFNetwork/1490"));
    let mut play = Play::default();
    play.side_by_side(&[(player, 0), (helper, 10_000)], 0, 1200);
    play.accuses_nobody();
}

#[test]
fn two_agents_that_both_networks_have_do_not_split() {
    let clients = [(HOME, FILM), (OFFICE, BROWSER), (HOME, BROWSER), (OFFICE, FILM)].map(|(n, a)| client(n, a));
    flapping(&clients, |n| usize::try_from(n).expect("small"), 0..1000).accuses_nobody();
}

#[test]
fn one_agent_on_two_networks_that_watch_live_at_once_is_split_by_what_it_asks_for() {
    let (home, office) = (client(HOME, FILM), client(OFFICE, FILM));
    let mut play = Play::default();
    for now in (0..120).step_by(6) {
        play.media(home, now, now);
        // Two segments further from the live edge.
        play.media(office, now.saturating_sub(12), now + 3);
    }
    assert_eq!(play.accused, HashSet::from([office]));
}

#[test]
fn one_agent_on_two_networks_at_different_places_of_a_film_is_not_found() {
    let mut play = Play::default();
    play.side_by_side(&[(client(HOME, FILM), 0), (client(OFFICE, FILM), 10_000)], 0, 1200);
    play.accuses_nobody();
}

#[test]
fn playlists_and_manifests_are_no_evidence() {
    let (home, office) = (client(HOME, FILM), client(OFFICE, BROWSER));
    let mut play = Play::default();
    for now in (0..600).step_by(3) {
        play.media(home, now, now);
        assert_eq!(play.playlist(office, now), SharingVerdict::Guest);
    }
    assert!(play.sharing.is_alone(home));
}

#[test]
fn a_paused_owner_does_not_lose_the_stream_while_it_polls() {
    let (home, office) = (client(HOME, FILM), client(OFFICE, BROWSER));
    let mut play = Play::default();
    play.side_by_side(&[(home, 0)], 0, 60);
    for now in (60..600).step_by(6) {
        assert_eq!(play.playlist(home, now), SharingVerdict::Owner);
        assert_eq!(play.media(office, now, now), SharingVerdict::Guest, "one of them plays");
    }
}

#[test]
fn a_split_client_stays_split_while_it_is_heard_of_and_for_a_time_after() {
    let (home, office) = (client(HOME, FILM), client(OFFICE, BROWSER));
    let mut play = Play::default();
    play.side_by_side(&[(home, 0), (office, 10_000)], 0, 120);
    let split = SharingVerdict::Other(office.split_from(STREAM));
    // The owner has long been silent: the split client does not become the owner.
    for now in (120..3000).step_by(600) {
        assert_eq!(play.playlist(office, now), split);
    }
    assert_eq!(play.media(home, 9, 2700), SharingVerdict::Owner);
    assert_eq!(play.sharing.others(), 1);
    assert_eq!(play.media(home, 9, 3200), SharingVerdict::Owner);
    assert!(play.sharing.is_alone(home), "forgotten");
    assert_eq!(play.media(office, 9, 3201), SharingVerdict::Guest, "and innocent again");
}

#[test]
fn six_at_once_are_all_found() {
    let clients: Vec<_> =
        (0..6).map(|n| (client(HOME + n, &format!("agent {n}")), u64::try_from(n).expect("small") * 10_000)).collect();
    let mut play = Play::default();
    play.side_by_side(&clients, 0, 120);
    assert_eq!(play.accused, clients[1..].iter().map(|(client, _)| *client).collect());
}

#[test]
fn a_public_play_session_splits_every_stranger_and_keeps_its_owner() {
    let clients: Vec<_> = (0..200)
        .map(|n| (client(HOME + n, &format!("agent {n}")), u64::try_from(n).expect("small") * 10_000))
        .collect();
    let mut play = Play::default();
    play.side_by_side(&clients, 0, 180);
    assert_eq!(play.accused, clients[1..].iter().map(|(client, _)| *client).collect());
    assert_eq!(play.sharing.others(), MAX_OTHERS);
    assert_eq!(play.media(clients[0].0, 1, 181), SharingVerdict::Owner);
}

#[test]
fn rotating_clients_neither_fill_memory_nor_drive_the_owner_out() {
    let home = client(HOME, FILM);
    let mut play = Play::default();
    for n in 0..20_000_u32 {
        let now = u64::from(n / 10);
        assert_eq!(play.media(home, now, now), SharingVerdict::Owner);
        play.media(client(0x0a00_0000 + u128::from(n), &format!("agent {n}")), u64::from(n), now);
        assert!(play.sharing.others() <= MAX_OTHERS);
    }
    for now in 2000..2700 {
        assert_eq!(play.media(home, now, now), SharingVerdict::Owner);
    }
    assert!(play.sharing.is_alone(home), "the others are forgotten");
}

#[test]
fn decoys_that_could_be_the_owner_do_not_hide_one_that_could_not() {
    let home = client(HOME, FILM);
    let mut clients = vec![(home, 0)];
    clients.extend((1..20).map(|n| (client(HOME + n, FILM), u64::try_from(n).expect("small") * 10_000)));
    let hidden = client(OFFICE, BROWSER);
    clients.push((hidden, 900_000));
    let mut play = Play::default();
    play.side_by_side(&clients, 0, 120);
    assert_eq!(play.accused, HashSet::from([hidden]));
}

#[test]
fn changing_the_agent_with_every_request_hides_nothing() {
    let mut play = Play::default();
    for now in (0..120).step_by(6) {
        play.media(client(HOME, FILM), now, now);
        // More agents than are kept: then the common media decide.
        play.media(client(OFFICE, &format!("agent {now}")), now, now + 1);
    }
    let accused: HashSet<StreamId> = play.accused.iter().map(|client| client.split_from(STREAM)).collect();
    assert_eq!(accused, HashSet::from([client(OFFICE, "").split_from(STREAM)]));
}

#[test]
fn more_agents_than_are_kept_could_be_any() {
    let mut play = Play::default();
    for now in (0..300).step_by(6) {
        play.media(client(HOME, FILM), now, now);
        play.media(client(OFFICE, &format!("agent {now}")), 10_000 + now, now + 1);
    }
    play.accuses_nobody();
}

#[test]
fn who_was_split_stays_so_when_the_owner_moves() {
    let (home, office, mobile) = (client(HOME, FILM), client(OFFICE, BROWSER), client(MOBILE, FILM));
    let mut play = Play::default();
    play.side_by_side(&[(home, 0), (office, 10_000)], 0, 90);
    for now in (90..900).step_by(6) {
        play.media(mobile, now, now);
        assert_eq!(play.media(office, 10_000 + now, now), SharingVerdict::Other(office.split_from(STREAM)));
    }
    assert_eq!(play.accused, HashSet::from([office]));
    assert_eq!(play.media(mobile, 0, 900), SharingVerdict::Owner);
}

#[test]
fn a_newcomer_inherits_nothing_from_who_was_there_before() {
    let [home, office, mobile] = [HOME, OFFICE, MOBILE].map(|network| client(network, FILM));
    let mut play = Play::default();
    // A client is always present, so that the data is kept.
    let helper = client(HOME_6, FILM);
    play.side_by_side(&[(home, 0), (helper, 10_000), (office, 0)], 0, 50);
    play.side_by_side(&[(home, 0), (helper, 10_000)], 50, 90);
    play.accuses_nobody();
    for now in (90..162).step_by(6) {
        play.media(home, now, now);
        play.media(helper, 10_000 + now, now);
        // Media that the previous client also requested.
        play.media(mobile, now - 90, now);
    }
    assert_eq!(play.accused, HashSet::from([mobile]));
}

#[test]
fn many_threads_agree_on_who_shares() {
    let sharing = Sharing::default();
    let clock = AtomicUsize::new(0);
    let homes: Vec<Client> = (0..4).map(|n| client(HOME + n, &format!("agent {n}"))).collect();
    let verdicts = parking_lot::Mutex::new(HashSet::new());
    let terms = |now| SharingParams {
        stream: STREAM,
        playback: now,
        seen: now,
        idle: Duration::from_secs(28),
        overlap: Duration::from_mins(1),
        idle_retention: Duration::from_mins(10),
    };
    let ask = |who: usize, n: u64| {
        let now = Millis(1_000_000_000 + clock.fetch_add(1, Ordering::Relaxed) as u64 * 20);
        let who = homes[who];
        let media = Some(media_hash(&[&who.network.to_be_bytes(), &n.to_be_bytes()]));
        if sharing.is_alone(who) { SharingVerdict::Owner } else { sharing.ask(who, media, &terms(now), now) }
    };
    assert_eq!(ask(0, 0), SharingVerdict::Owner);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (ask, verdicts, homes) = (&ask, &verdicts, &homes);
            scope.spawn(move || {
                let mut split = [false; 4];
                for n in 0..4000 {
                    // Every thread acts as every client in turn, so that no client becomes silent with its thread.
                    let who = (thread + usize::try_from(n).expect("small")) % homes.len();
                    match ask(who, n) {
                        SharingVerdict::Owner => assert_eq!(who, 0, "the owner never changes"),
                        SharingVerdict::Guest => assert!(!split[who], "a verdict stands"),
                        SharingVerdict::Other(id) => {
                            assert_eq!(id, homes[who].split_from(STREAM));
                            split[who] = true;
                            verdicts.lock().insert(who);
                        }
                    }
                }
            });
        }
    });
    assert_eq!(verdicts.into_inner(), HashSet::from([1, 2, 3]));
}

/// Successive stays of clients: who, how long, how long the previous one overlaps the next, and the request rhythm.
fn stays() -> impl Strategy<Value = Vec<(usize, u64, u64, u64)>> {
    prop::collection::vec((0_usize..5, 160_u64..600, 0_u64..58, 1_u64..12), 1..30)
}

proptest! {
    /// Successive clients overlap by less than 60 s, and none returns while it might still be playing.
    #[test]
    fn nobody_is_accused_who_never_overlaps_by_the_grace(stays in stays(), same in any::<bool>(), seed in any::<u64>()) {
        let mut requests = Vec::new();
        let (mut from, mut last) = (0, None);
        for (who, lasts, overlap, rhythm) in stays {
            // The same client again would be one stay; a third one starts long after the first has left.
            if last == Some(who) { continue; }
            last = Some(who);
            for now in (from..from + lasts).step_by(usize::try_from(rhythm).expect("small")) {
                requests.push((now, scatter(seed ^ now) % 7, who));
            }
            from += lasts - overlap;
        }
        requests.sort_unstable();
        let mut play = Play::default();
        for (now, salt, who) in requests {
            let agent = format!("agent {who}");
            // Either all play the same, or each something else.
            let media = if same { now } else { now + who as u64 * 100_000 };
            let who = client(HOME + who as u128, &agent);
            if salt == 0 { play.playlist(who, now); } else { play.media(who, media, now); }
            prop_assert!(play.sharing.others() <= MAX_OTHERS);
        }
        play.accuses_nobody();
    }

    /// For any requests, memory is bounded, and the client that just played owns the stream or is distinguishable from
    /// the owner.
    #[test]
    fn any_interleaving_is_answered_and_bounded(
        requests in prop::collection::vec((0_u64..40, 0_u128..20, 0_u8..6, prop::option::of(0_u64..50)), 1..600),
    ) {
        let mut play = Play::default();
        let mut now = 0;
        for (wait, network, agent, media) in requests {
            now += wait / 4;
            let who = client(network, &agent.to_string());
            let sharer = match media {
                Some(media) => play.media(who, media, now),
                None => play.playlist(who, now),
            };
            if let SharingVerdict::Other(id) = sharer {
                prop_assert_eq!(id, who.split_from(STREAM));
            }
            prop_assert!(play.sharing.others() <= MAX_OTHERS);
        }
    }
}
