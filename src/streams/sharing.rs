//! Detects one stream used from two places at the same time.
//!
//! A false positive is the worst outcome: a client that cannot be distinguished from the owner's household, device or
//! habits is a guest. What one viewer does with one play session, and how it differs from sharing:
//!
//! - *Several user agents of one network* (helpers of a player, a television that takes over from a phone): one place.
//!   The owner of a stream is a network, and nobody in it is ever suspected.
//! - *One device with several addresses* (dual stack, carrier address pools, Wi-Fi to mobile): the user agent stays the
//!   same. A place with the owner's user agent, or with an address of the other IP version, must also repeatedly
//!   request the same media as the owner: a player with two addresses requests each segment once. The few repeats
//!   after errors or seeking back are not enough.
//! - *Hand-over* (casting): one of the two becomes silent within [`Settings::sharing_overlap`](super::Settings).
//!
//! Not detected: two screens behind one address; copies of one user agent on two networks that play different parts or
//! renditions; VOD players that fetch in bursts more than [`STEADY`] apart; and a client that changes its network with
//! every request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::Client;
use crate::model::{Millis, StreamId};

/// Maximum places besides the owner. If all of them share, the play session is public and any further client is a
/// stranger at once.
const MAX_OTHERS: usize = 7;
/// The owner's mark in [`RecentMedia`].
const OWNER: u8 = 1;
/// Minimum alternations between the owner and the other.
const MIN_TURNS: u8 = 8;
/// Minimum media requested by both, if addresses and user agents alone are no proof.
const MIN_COMMON: u16 = 8;
/// Counts are halved when one reaches this, so that the past loses weight.
const HALVED_AT: u16 = 64;
/// A client without media requests for this long (or for the idle timeout, if shorter) does not play beside another.
/// Longer than three segments of nearly all content.
pub const STEADY: Duration = Duration::from_secs(30);
/// Number of recent media that are kept.
const LATELY: usize = 64;

/// The role of a client for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharingVerdict {
    /// Uses the stream from the owner's network.
    Owner,
    /// Uses the stream from elsewhere, so far without a conflict.
    Guest,
    /// Plays beside the owner. Contains the id of the stream to split off for it.
    Other(StreamId),
}

/// Data of the stream, and the timeouts that apply.
#[derive(Clone, Copy, Debug)]
pub(super) struct SharingParams {
    /// The stream's id.
    pub(super) stream: StreamId,
    /// Last media request by any client.
    pub(super) playback: Millis,
    /// Last heartbeat of any kind.
    pub(super) seen: Millis,
    /// A silence longer than this is absence.
    pub(super) idle: Duration,
    /// Playing beside the owner for this long is sharing.
    pub(super) overlap: Duration,
    /// How long sharers are remembered.
    pub(super) idle_retention: Duration,
}

impl SharingParams {
    fn steady(&self) -> Duration {
        self.idle.min(STEADY)
    }
}

const OWNED: u64 = 1 << 32;
const WATCHED: u64 = 1 << 33;

/// The users of one stream.
///
/// With a single network this is one word. It is written only under the lock and read without: a request that races
/// with the arrival of a second network is not recorded, with no other effect.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    /// The owner's network; `OWNED` once there is one, `WATCHED` while there are others.
    owner: AtomicU64,
    others: Mutex<Option<Box<Watch>>>,
}

impl Sharing {
    /// True if the client is on the owner's network and nobody else uses the stream. Hot path: one load.
    #[inline]
    pub(super) fn is_alone(&self, client: Client) -> bool {
        self.owner.load(Ordering::Acquire) == OWNED | u64::from(client.network)
    }

    /// Classifies the client for a request for `media`, or `None` for other requests.
    pub(super) fn ask(&self, client: Client, media: Option<u32>, terms: &SharingParams, now: Millis) -> SharingVerdict {
        let mut others = self.others.lock();
        let owner = self.owner.load(Ordering::Acquire);
        let mine = OWNED | u64::from(client.network);
        if owner == mine {
            return SharingVerdict::Owner;
        }
        if owner & WATCHED == 0 {
            // A manifest may be fetched for another client: by a page for its player, by a phone for a television.
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

/// The places that use a stream, if there are several.
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

    /// The owner is silent: the stream continues elsewhere. Data about the others relative to the old owner is dropped.
    fn hand_over(&mut self, client: Client, now: Millis) {
        self.owner = Place::new(client, OWNER, now);
        self.others.retain(|other| other.shares);
        self.lately = RecentMedia::default();
    }

    fn is_crowd(&self) -> bool {
        self.others.len() == MAX_OTHERS && self.others.iter().all(|other| other.shares)
    }

    /// Allocates a place for a newcomer. A playing client is not displaced, or many at once would displace each other
    /// forever without detection. Exception: a place that could be the owner with another address is displaced by one
    /// that could not.
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

/// A network from which a stream is used.
#[derive(Debug)]
struct Place {
    network: u32,
    /// Its mark in [`RecentMedia`].
    bit: u8,
    /// The user agents that requested media.
    agents: Agents,
    /// Last media request.
    asked: Millis,
    /// Last request of any kind.
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

    /// True if both may be one device or household with two addresses.
    fn may_be(&self, other: &Self) -> bool {
        (self.network ^ other.network) & 1 != 0 || self.agents.share_one(&other.agents)
    }
}

/// A place besides the owner's.
#[derive(Debug)]
struct Other {
    place: Place,
    both: OverlapStats,
    /// True if it was found to share.
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

    /// Records a media request by the owner or this place. `before` has the marks of earlier requesters; the owner's
    /// last media request was at `owner_asked`.
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

/// Activity of the owner and another place since both request steadily.
#[derive(Debug)]
struct OverlapStats {
    since: Millis,
    owner_was_last: bool,
    turns: u8,
    /// Media requested by the owner.
    by_owner: u16,
    /// Media requested by the other.
    by_other: u16,
    /// Media requested by both.
    common: u16,
    /// Media requested more than once by the same place.
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

    /// True if two clients play the same content side by side. A player with two addresses that seeks back repeats
    /// requests too, but as often for its own as for the other's.
    fn is_the_same_twice(&self) -> bool {
        self.common >= MIN_COMMON && self.common * 2 >= self.by_owner.max(self.by_other) && self.common > self.again * 2
    }
}

/// A few user agents; zero is unused.
#[derive(Debug, Default)]
struct Agents {
    known: [u32; 4],
    /// True if there were more.
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

    /// True if both have, or may have, one in common.
    fn share_one(&self, other: &Self) -> bool {
        self.many || other.many || self.known.iter().any(|agent| *agent != 0 && other.known.contains(agent))
    }
}

/// The recent media of a stream, and which places requested them.
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
    /// Records a request by the place with that mark. Returns the marks of earlier requesters.
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

    /// Removes a mark before it is reused.
    fn forget(&mut self, bit: u8) {
        self.by.iter_mut().for_each(|by| *by &= !bit);
    }
}

#[cfg(test)]
mod tests;
