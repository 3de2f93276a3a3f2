//! Request ids in logs, refusals and the operator API.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::model::Entropy;

/// Rounds of the cipher.
const ROUNDS: usize = 27;

/// Generates unique request ids that reveal nothing about each other: a viewer who is refused twice does not learn how
/// many requests came between.
///
/// A counter is encrypted with Speck64/128 (Beaulieu et al. 2013) under a key that is drawn at the start. A cipher of
/// 64-bit blocks maps each count to a different id, without a store or a lock.
pub struct RequestIds {
    next: AtomicU64,
    keys: [u32; ROUNDS],
}

impl RequestIds {
    /// Ids under a new random key.
    pub fn new(entropy: &dyn Entropy) -> Self {
        let bytes = entropy.bytes();
        let mut key = [0; 4];
        key.iter_mut().zip(bytes.as_chunks().0).for_each(|(to, from)| *to = u32::from_le_bytes(*from));
        Self { next: AtomicU64::new(0), keys: schedule(key) }
    }

    /// The id of the next request.
    pub(crate) fn next(&self) -> u64 {
        encrypt(self.next.fetch_add(1, Relaxed), &self.keys)
    }
}

impl fmt::Debug for RequestIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestIds")
    }
}

/// The round keys. Takes the words of the key, lowest first.
fn schedule([mut key, a, b, c]: [u32; 4]) -> [u32; ROUNDS] {
    let mut others = [a, b, c];
    let mut nth = 0;
    [(); ROUNDS].map(|()| {
        let [first, second, third] = others;
        let (round, next) = (key, key.wrapping_add(first.rotate_right(8)) ^ nth);
        (key, nth) = (key.rotate_left(3) ^ next, nth + 1);
        others = [second, third, next];
        round
    })
}

fn encrypt(block: u64, keys: &[u32; ROUNDS]) -> u64 {
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or_default();
    let (mut x, mut y) = (half(block >> 32), half(block));
    for key in keys {
        x = x.rotate_right(8).wrapping_add(y) ^ key;
        y = y.rotate_left(3) ^ x;
    }
    u64::from(x) << 32 | u64::from(y)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    struct Bytes([u8; 16]);

    impl Entropy for Bytes {
        fn bytes(&self) -> [u8; 16] {
            self.0
        }
    }

    #[test]
    fn the_cipher_gives_the_vector_that_its_authors_have_published() {
        let keys = schedule([0x0302_0100, 0x0b0a_0908, 0x1312_1110, 0x1b1a_1918]);
        assert_eq!(encrypt(0x3b72_6574_7475_432d, &keys), 0x8c6f_a548_454e_028b);
    }

    #[test]
    fn no_id_comes_twice_whichever_thread_asks() {
        let ids = RequestIds::new(&Bytes(*b"an unguessable k"));
        let mut all = HashSet::new();
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..50_000).map(|_| ids.next()).collect::<Vec<_>>())).collect();
            for thread in threads {
                all.extend(thread.join().unwrap());
            }
        });
        assert_eq!(all.len(), 200_000);
    }

    #[test]
    fn ids_do_not_tell_how_many_requests_lie_between_them() {
        let ids = RequestIds::new(&Bytes(*b"an unguessable k"));
        let ids: Vec<u64> = (0..10_000).map(|_| ids.next()).collect();
        // Each of the 64 bits changes in half of the steps.
        let steps = ids.len() as u64 - 1;
        for bit in 0..64 {
            let changes = ids.windows(2).filter(|two| (two[0] ^ two[1]) >> bit & 1 == 1).count() as u64;
            assert!((changes * 100 / steps).abs_diff(50) <= 3, "bit {bit} changes in {changes} of {steps}");
        }
        let rises = ids.windows(2).filter(|two| two[0] < two[1]).count() as u64;
        assert!((rises * 100 / steps).abs_diff(50) <= 3, "{rises} of {steps} rise");
        let distances: HashSet<u64> = ids.windows(2).map(|two| two[1].wrapping_sub(two[0])).collect();
        assert_eq!(distances.len() as u64, steps, "no two steps are alike");
    }

    #[test]
    fn another_start_gives_other_ids() {
        let of = |key| {
            let ids = RequestIds::new(&Bytes(key));
            (0..1000).map(|_| ids.next()).collect::<HashSet<_>>()
        };
        assert!(of(*b"an unguessable k").is_disjoint(&of(*b"an unguessable l")));
    }
}
