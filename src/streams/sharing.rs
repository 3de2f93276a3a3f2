//! Whether one stream is used from two places at the same time.
//!
//! A false accusation is the worst outcome, so whoever cannot be told from the owner's own household, device or habits
//! is a guest. What one viewer does with one play session, and what tells it from sharing:
//!
//! - *Several user agents of one network* (helpers of a player, a television that takes over from a telephone): one place.
//!   The owner of a stream is a network, and nobody in it is ever accused.
//! - *One device under several addresses* (dual stack, address pools of carriers, Wi-Fi to mobile): the user agent stays.
//!   A place whose user agent the owner has too, or whose address is of the other IP version, must also ask for the same
//!   media as the owner, again and again: a player under two addresses asks for each segment once. The few that it has to
//!   ask for anew, and those that a viewer who skips back asks for anew, are not enough.
//! - *Hand-over* (casting): one of the two falls silent within [`Settings::sharing_overlap`](super::Settings).
//!
//! Not found are therefore: two screens behind one address; copies of one user agent on two networks that play different
//! parts or different renditions; players of recorded content that fetch in bursts more than [`STEADY`] apart; and a client
//! that changes its network with every request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::Client;
use crate::model::{Millis, StreamId};

/// So many places besides the owner are told apart. When all of them have been found to share, the play session is public
/// and whoever else comes is a stranger at once.
const MAX_OTHERS: usize = 7;
/// The owner's mark in [`Lately`].
const OWNER: u8 = 1;
/// So often must the owner and the other have asked by turns.
const MIN_TURNS: u8 = 8;
/// So many of the same media must both have asked for, where their addresses and user agents alone prove nothing.
const MIN_COMMON: u16 = 8;
/// Counts are halved when one of them reaches this, so that the long past weighs little.
const HALVED_AT: u16 = 64;
/// Who has not asked for media for this long (or for the idle window, if that is shorter) is not playing beside another.
/// Longer than three segments of nearly all content.
pub const STEADY: Duration = Duration::from_secs(30);
/// So many of the latest media of a stream are remembered.
const LATELY: usize = 64;

/// What a client is to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharingVerdict {
    /// It asks from where the stream is played.
    Owner,
    /// It asks from elsewhere, and nothing is wrong with that yet.
    Guest,
    /// It plays beside the owner. This is the name of the stream that it should have for itself.
    Other(StreamId),
}

/// What a stream knows of itself, and the windows that apply.
#[derive(Clone, Copy, Debug)]
pub(super) struct SharingParams {
    /// The stream's name.
    pub(super) stream: StreamId,
    /// When anybody last asked for media of it.
    pub(super) playback: Millis,
    /// The last sign of life of any kind.
    pub(super) seen: Millis,
    /// Silence longer than this is absence.
    pub(super) idle: Duration,
    /// Playing beside the owner for this long is sharing.
    pub(super) overlap: Duration,
    /// For so long it is remembered who shared.
    pub(super) idle_retention: Duration,
}

impl SharingParams {
    fn steady(&self) -> Duration {
        self.idle.min(STEADY)
    }
}

const OWNED: u64 = 1 << 32;
const WATCHED: u64 = 1 << 33;

/// Who uses one stream.
///
/// As long as that is one network, all there is to it is one word. It is written under the lock alone and read without: a
/// request that races with the arrival of a second network is not noted, and nothing else.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// The owner's network, `OWNED` once there is one, `WATCHED` while there are others.
    owner: AtomicU64,
    others: Mutex<Option<Box<Watch>>>,
}

impl Sharing {
    /// Whether the client asks from where the stream is played, and nobody else does. The hot path: one load.
    #[inline]
    pub(super) fn is_alone(&self, client: Client) -> bool {
        self.owner.load(Ordering::Acquire) == OWNED | u64::from(client.network)
    }

    /// What the client is to the stream, for a request that asks for `media` or, if that is `None`, for something else.
    pub(super) fn ask(&self, client: Client, media: Option<u32>, terms: &SharingParams, now: Millis) -> SharingVerdict {
        let mut others = self.others.lock();
        let owner = self.owner.load(Ordering::Acquire);
        let mine = OWNED | u64::from(client.network);
        if owner == mine {
            return SharingVerdict::Owner;
        }
        if owner & WATCHED == 0 {
            // Whoever asks for the manifest may do so for another: a page for its player, a telephone for a television.
            if media.is_none() {
                return if owner == 0 { SharingVerdict::Owner } else { SharingVerdict::Guest };
            }
            if owner == 0 || now.since(terms.seen) > terms.idle {
                self.owner.store(mine, Ordering::Release);
                return SharingVerdict::Owner;
            }
        }
        #[allow(clippy::cast_possible_truncation, reason = "the lower half is the network")]
        let watch = others.get_or_insert_with(|| Box::new(Watch::new(owner as u32, terms)));
        let sharer = watch.ask(client, media, terms, now);
        let mut owner = OWNED | u64::from(watch.owner.network);
        if watch.others.is_empty() {
            *others = None;
        } else {
            owner |= WATCHED;
        }
        self.owner.store(owner, Ordering::Release);
        sharer
    }

    #[cfg(test)]
    fn others(&self) -> usize {
        self.others.lock().as_ref().map_or(0, |watch| watch.others.len())
    }
}

/// The places from which a stream is used, where there are several.
#[derive(Debug)]
struct Watch {
    owner: Place,
    others: Vec<Other>,
    lately: RecentMedia,
}

impl Watch {
    fn new(owner: u32, terms: &SharingParams) -> Self {
        let owner =
            Place { network: owner, bit: OWNER, agents: Agents::default(), asked: terms.playback, seen: terms.seen };
        Self { owner, others: Vec::new(), lately: RecentMedia::default() }
    }

    fn ask(&mut self, client: Client, media: Option<u32>, terms: &SharingParams, now: Millis) -> SharingVerdict {
        self.others.retain(|other| other.is_remembered(terms, now));
        if client.network == self.owner.network {
            if let Some(media) = media {
                self.owner_asked(client.agent, media, terms, now);
            }
            self.owner.seen = self.owner.seen.max(now);
            return SharingVerdict::Owner;
        }
        let known = self.others.iter().position(|other| other.place.network == client.network);
        if let Some(other) = known.and_then(|at| self.others.get_mut(at)) {
            other.place.seen = other.place.seen.max(now);
            if other.shares {
                return SharingVerdict::Other(client.split_from(terms.stream));
            }
        }
        if media.is_some() && now.since(self.owner.seen) > terms.idle {
            self.hand_over(client, now);
            return SharingVerdict::Owner;
        }
        if known.is_none() && self.is_crowd() {
            return SharingVerdict::Other(client.split_from(terms.stream));
        }
        let Some(media) = media else { return SharingVerdict::Guest };
        let Some(at) = known.or_else(|| self.admit(client, now)) else { return SharingVerdict::Guest };
        let Some(other) = self.others.get_mut(at) else { return SharingVerdict::Guest };
        let before = self.lately.note(media, other.place.bit);
        other.step(false, before, self.owner.asked, terms, now);
        other.place.asked(client.agent, now);
        other.judge(&self.owner, terms);
        if other.shares { SharingVerdict::Other(client.split_from(terms.stream)) } else { SharingVerdict::Guest }
    }

    fn owner_asked(&mut self, agent: u32, media: u32, terms: &SharingParams, now: Millis) {
        let before = self.lately.note(media, OWNER);
        let last = self.owner.asked;
        self.owner.asked(agent, now);
        for other in self.others.iter_mut().filter(|other| !other.shares) {
            other.step(true, before, last, terms, now);
            other.judge(&self.owner, terms);
        }
    }

    /// The owner has fallen silent: the stream goes on elsewhere. What was noted of others was noted beside the old owner.
    fn hand_over(&mut self, client: Client, now: Millis) {
        self.owner = Place::new(client, OWNER, now);
        self.others.retain(|other| other.shares);
        self.lately = RecentMedia::default();
    }

    fn is_crowd(&self) -> bool {
        self.others.len() == MAX_OTHERS && self.others.iter().all(|other| other.shares)
    }

    /// A place for a newcomer. Nobody who plays is displaced, or many at once would displace each other for ever and none
    /// be found; except that one who could be the owner under another address gives way to one who could not.
    fn admit(&mut self, client: Client, now: Millis) -> Option<usize> {
        let taken = self.others.iter().fold(OWNER, |taken, other| taken | other.place.bit);
        let mut bit = 1_u8.checked_shl(taken.trailing_ones()).unwrap_or(0);
        if bit == 0 {
            if self.owner.may_be(&Place::new(client, 0, now)) {
                return None;
            }
            let all = self.others.iter().enumerate();
            let doubtful = all.filter(|(_, other)| !other.shares && self.owner.may_be(&other.place));
            let (at, _) = doubtful.min_by_key(|(_, other)| other.place.asked)?;
            bit = self.others.swap_remove(at).place.bit;
        }
        self.lately.forget(bit);
        self.others.push(Other::new(Place::new(client, bit, now), now));
        Some(self.others.len() - 1)
    }
}

/// One network from which a stream is used.
#[derive(Debug)]
struct Place {
    network: u32,
    /// Its mark in [`Lately`].
    bit: u8,
    /// The user agents that asked for media.
    agents: Agents,
    /// When it last asked for media.
    asked: Millis,
    /// When it last asked for anything.
    seen: Millis,
}

impl Place {
    fn new(client: Client, bit: u8, now: Millis) -> Self {
        let mut agents = Agents::default();
        agents.note(client.agent);
        Self { network: client.network, bit, agents, asked: now, seen: now }
    }

    fn asked(&mut self, agent: u32, now: Millis) {
        self.agents.note(agent);
        self.asked = self.asked.max(now);
        self.seen = self.seen.max(now);
    }

    /// Whether both may be one device, or one household, under two addresses.
    fn may_be(&self, other: &Self) -> bool {
        (self.network ^ other.network) & 1 != 0 || self.agents.share_one(&other.agents)
    }
}

/// A place beside the owner's.
#[derive(Debug)]
struct Other {
    place: Place,
    both: OverlapStats,
    /// The verdict.
    shares: bool,
}

impl Other {
    fn new(place: Place, now: Millis) -> Self {
        Self { place, both: OverlapStats::begin(false, now), shares: false }
    }

    fn is_remembered(&self, terms: &SharingParams, now: Millis) -> bool {
        if self.shares {
            now.since(self.place.seen) <= terms.idle_retention
        } else {
            now.since(self.place.asked) <= terms.idle
        }
    }

    /// The owner, or this place, asks for media that those with the marks `before` have asked for. The owner had done so last
    /// at `owner_asked`.
    fn step(&mut self, by_owner: bool, before: u8, owner_asked: Millis, terms: &SharingParams, now: Millis) {
        if now.since(owner_asked.min(self.place.asked)) > terms.steady() {
            self.both = OverlapStats::begin(by_owner, now);
        }
        let (own, theirs) = if by_owner { (OWNER, self.place.bit) } else { (self.place.bit, OWNER) };
        self.both.step(by_owner, before & own != 0, before & theirs != 0);
    }

    fn judge(&mut self, owner: &Place, terms: &SharingParams) {
        let overlap = owner.asked.min(self.place.asked).since(self.both.since);
        self.shares = overlap >= terms.overlap
            && self.both.turns >= MIN_TURNS
            && (!owner.may_be(&self.place) || self.both.is_the_same_twice());
    }
}

/// What the owner and another have done since both have been asking steadily.
#[derive(Debug)]
struct OverlapStats {
    since: Millis,
    owner_was_last: bool,
    turns: u8,
    /// Media asked for by the owner.
    by_owner: u16,
    /// Media asked for by the other.
    by_other: u16,
    /// Media that one asked for when the other had.
    common: u16,
    /// Media that one asked for more than once.
    again: u16,
}

impl OverlapStats {
    fn begin(owner_was_last: bool, since: Millis) -> Self {
        Self { since, owner_was_last, turns: 0, by_owner: 0, by_other: 0, common: 0, again: 0 }
    }

    fn step(&mut self, by_owner: bool, again: bool, common: bool) {
        if self.owner_was_last != by_owner {
            self.owner_was_last = by_owner;
            self.turns = self.turns.saturating_add(1);
        }
        if again {
            self.again += 1;
        } else {
            self.common += u16::from(common);
            *(if by_owner { &mut self.by_owner } else { &mut self.by_other }) += 1;
        }
        if self.by_owner.max(self.by_other).max(self.again) >= HALVED_AT {
            for count in [&mut self.by_owner, &mut self.by_other, &mut self.common, &mut self.again] {
                *count /= 2;
            }
        }
    }

    /// Whether two play the same side by side. A player under two addresses that skips back asks for much again from either,
    /// but then as much again from the same as from the other one.
    fn is_the_same_twice(&self) -> bool {
        self.common >= MIN_COMMON && self.common * 2 >= self.by_owner.max(self.by_other) && self.common > self.again * 2
    }
}

/// A few user agents; zero is none.
#[derive(Debug, Default)]
struct Agents {
    known: [u32; 4],
    /// There were more.
    many: bool,
}

impl Agents {
    fn note(&mut self, agent: u32) {
        if self.known.contains(&agent) {
            return;
        }
        match self.known.iter_mut().find(|known| **known == 0) {
            Some(free) => *free = agent,
            None => self.many = true,
        }
    }

    /// Whether one is, or may be, in both.
    fn share_one(&self, other: &Self) -> bool {
        self.many || other.many || self.known.iter().any(|agent| *agent != 0 && other.known.contains(agent))
    }
}

/// The latest media of a stream, each once, and by whom they were asked for.
#[derive(Debug)]
struct RecentMedia {
    media: [u32; LATELY],
    by: [u8; LATELY],
    next: usize,
}

impl Default for RecentMedia {
    fn default() -> Self {
        Self { media: [0; LATELY], by: [0; LATELY], next: 0 }
    }
}

impl RecentMedia {
    /// Notes that the place with that mark asked for it. Returns the marks of those that had done so before.
    fn note(&mut self, media: u32, bit: u8) -> u8 {
        let at = self.media.iter().position(|known| *known == media).unwrap_or_else(|| {
            self.next = (self.next + 1) % LATELY;
            self.next
        });
        let (Some(known), Some(by)) = (self.media.get_mut(at), self.by.get_mut(at)) else { return 0 };
        let before = if *known == media { *by } else { 0 };
        *known = media;
        *by = before | bit;
        before
    }

    /// Takes a mark from everything, before another place gets it.
    fn forget(&mut self, bit: u8) {
        self.by.iter_mut().for_each(|by| *by &= !bit);
    }
}

#[cfg(test)]
mod tests;
