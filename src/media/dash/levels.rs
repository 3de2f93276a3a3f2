//! The hierarchy MPD, Period, `AdaptationSet`, Representation: bases and timescales are inherited downwards.

use std::time::Duration;

use crate::media::reference::{Judge, Place};

/// One element of the hierarchy.
#[derive(Clone, Debug)]
pub(super) struct Level {
    /// Index of the parent; the root is its own.
    parent: usize,
    image: bool,
    /// Ticks per second, if set on this level.
    timescale: Option<u64>,
    /// The longest segment listed on this level, in ticks.
    ticks: u64,
}

impl Level {
    pub(super) fn root() -> Self {
        Self::below(0)
    }

    pub(super) fn below(parent: usize) -> Self {
        Self { parent, image: false, timescale: None, ticks: 0 }
    }
}

/// All levels of a document. Every level comes after its parent.
#[derive(Debug, Default)]
pub(super) struct Levels {
    list: Vec<Level>,
}

impl Levels {
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub(super) fn push(&mut self, level: Level) -> usize {
        self.list.push(level);
        self.list.len() - 1
    }

    /// Records an attribute if it sets segment durations or marks images.
    pub(super) fn attribute(&mut self, level: usize, element: &[u8], name: &[u8], value: &[u8]) {
        if element == b"Representation" && name == b"mimeType" && value.starts_with(b"image/") {
            // All representations of a set have one kind, and the set may have the template.
            let set = self.list.get(level).map(|level| level.parent).filter(|set| *set > 0);
            if let Some(set) = set.and_then(|set| self.list.get_mut(set)) {
                set.image = true;
            }
        }
        let Some(level) = self.list.get_mut(level) else { return };
        // Some packagers write fractions of a tick, which are ignored.
        let whole = |text: &str| text.split('.').next()?.trim().parse::<u64>().ok();
        let number = || std::str::from_utf8(value).ok().and_then(whole);
        match (element, name) {
            (b"S", b"d") | (b"SegmentTemplate" | b"SegmentList", b"duration") => {
                level.ticks = level.ticks.max(number().unwrap_or_default());
            }
            (b"SegmentTemplate" | b"SegmentList" | b"SegmentBase", b"timescale") => level.timescale = number(),
            (b"AdaptationSet" | b"Representation", b"mimeType") => level.image |= value.starts_with(b"image/"),
            (b"AdaptationSet", b"contentType") => level.image |= value == b"image",
            _ => {}
        }
    }

    /// The longest segment of all levels that are not images. `complete`: missing values have their default, unlike in
    /// a patch.
    pub(super) fn longest_segment(&self, complete: bool) -> Option<Duration> {
        let longest = self.list.iter().enumerate().filter_map(|(at, level)| {
            if level.ticks == 0 || self.is_image(at) {
                return None;
            }
            let timescale = self.line(at).find_map(|at| self.list.get(at)?.timescale);
            let timescale = timescale.or(complete.then_some(1)).filter(|timescale| *timescale > 0)?;
            let nanos = u128::from(level.ticks) * 1_000_000_000 / u128::from(timescale);
            Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
        });
        longest.max()
    }

    /// True if a level lists images.
    pub(super) fn is_image(&self, level: usize) -> bool {
        self.line(level).any(|at| self.list.get(at).is_some_and(|level| level.image))
    }

    /// The level and its ancestors, the root last.
    fn line(&self, from: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(from), |at| {
            let parent = self.list.get(*at)?.parent;
            (parent != *at).then_some(parent)
        })
    }

    /// The target of every level's references, from the root's target and every `BaseURL` in document order.
    pub(super) fn places(&self, judge: &Judge, root: &Place, bases: &[(usize, Vec<u8>)]) -> Places {
        let mut own: Vec<Option<Place>> = vec![None; self.list.len()];
        let mut outer: Vec<Place> = Vec::with_capacity(self.list.len());
        let mut by_level: Vec<Vec<&[u8]>> = vec![Vec::new(); self.list.len()];
        for (level, reference) in bases {
            if let Some(list) = by_level.get_mut(*level) {
                list.push(reference);
            }
        }
        for (at, level) in self.list.iter().enumerate() {
            let above = if at == 0 { None } else { own.get(level.parent).cloned().flatten() };
            let above = above.unwrap_or_else(|| root.clone());
            let references = by_level.get(at).map(Vec::as_slice).unwrap_or_default();
            let places = references.iter().map(|reference| judge.follow(reference, &above));
            if let Some(slot) = own.get_mut(at) {
                *slot = places.reduce(|all, place| all.or(&place)).or_else(|| Some(above.clone()));
            }
            outer.push(above);
        }
        let mut inner: Vec<Place> = own.into_iter().map(|place| place.unwrap_or_else(|| root.clone())).collect();
        for (at, level) in self.list.iter().enumerate().skip(1).rev() {
            let below = inner.get(at).cloned();
            if let Some((above, below)) = inner.get_mut(level.parent).zip(below) {
                let place = std::mem::replace(above, Place { foreign: false, path: None });
                *above = place.or(&below);
            }
        }
        Places { outer, inner }
    }
}

/// Targets of references, by level.
#[derive(Debug)]
pub(super) struct Places {
    outer: Vec<Place>,
    inner: Vec<Place>,
}

impl Places {
    /// Base of a `BaseURL` of this level.
    pub(super) fn of_base(&self, level: usize) -> Option<&Place> {
        self.outer.get(level)
    }

    /// Base of all other references of this level, and of the levels that inherit them.
    pub(super) fn of_media(&self, level: usize) -> Option<&Place> {
        self.inner.get(level)
    }
}
