//! The allowed-fast set: pieces that a beginner may fetch while it is choked (BEP 6, "Allowed Fast").
//!
//! The same network gets the same set from every peer, so nobody collects more by calling around.
//! A piece of it is given once, and only to a peer that holds little: it is a start, not a slot.

use std::net::IpAddr;

use sha1::{Digest as _, Sha1};

use crate::geometry::Geometry;
use crate::types::{InfoHash, PieceIndex, PieceRange};

/// Pieces in a set, and pieces that a peer may hold and still be a beginner (BEP 6: 10).
pub const SET: usize = 10;

/// The set for a peer at this address, in the order of BEP 6. At most as many as there are pieces.
///
/// An IPv4 address counts by its /24. BEP 6 knows no IPv6; there the /48 takes that place: the most
/// that one site is given, as a /24 is.
pub fn allowed_set(ip: IpAddr, info_hash: &InfoHash, pieces: u32, set: usize) -> Vec<PieceIndex> {
    let wanted = set.min(pieces as usize);
    let mut hash = Sha1::new();
    match ip.to_canonical() {
        IpAddr::V4(ip) => hash.update((u32::from(ip) & 0xffff_ff00).to_be_bytes()),
        IpAddr::V6(ip) => hash.update((u128::from(ip) & !0 << 80).to_be_bytes()),
    }
    hash.update(info_hash.as_bytes());
    let mut found: Vec<PieceIndex> = Vec::with_capacity(wanted);
    while found.len() < wanted {
        let digest = hash.finalize();
        for number in digest.chunks_exact(4) {
            let number = number.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
            let piece = PieceIndex::new(number % pieces);
            if found.len() < wanted && !found.contains(&piece) {
                found.push(piece);
            }
        }
        hash = Sha1::new_with_prefix(digest);
    }
    found
}

/// What one choked peer may still have of the set that it was offered.
#[derive(Clone, Debug, Default)]
pub struct Allowance {
    /// Each piece, with the bytes that were not asked for as yet.
    left: Vec<(PieceIndex, u32)>,
}

impl Allowance {
    /// Each of these pieces, once.
    pub fn of(geometry: &Geometry, set: &[PieceIndex]) -> Self {
        Self { left: set.iter().map(|piece| (*piece, geometry.piece_size(*piece))).collect() }
    }

    /// Takes a range out of what is left; `false`: the piece was not offered, or was given already.
    pub fn take(&mut self, range: PieceRange) -> bool {
        let found = self.left.iter_mut().find(|(piece, left)| *piece == range.piece && *left >= range.length);
        found.map(|(_, left)| *left -= range.length).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(ip: &str, pieces: u32, set: usize) -> Vec<u32> {
        let ip = ip.parse().unwrap();
        let set = allowed_set(ip, &InfoHash::new([0xaa; 20]), pieces, set);
        set.into_iter().map(PieceIndex::get).collect()
    }

    #[test]
    fn the_set_is_that_of_the_specification() {
        assert_eq!(numbers("80.4.4.200", 1_313, 7), [1_059, 431, 808, 1_217, 287, 376, 1_188]);
        assert_eq!(numbers("80.4.4.200", 1_313, 9), [1_059, 431, 808, 1_217, 287, 376, 1_188, 353, 508]);
    }

    #[test]
    fn one_network_has_one_set() {
        let set = |ip| numbers(ip, 1_313, SET);
        assert_eq!(set("80.4.4.200"), set("80.4.4.1"));
        assert_eq!(set("80.4.4.200"), set("::ffff:80.4.4.7"));
        assert_ne!(set("80.4.4.200"), set("80.4.5.200"));
        assert_eq!(set("2a11:1:2:3::1"), set("2a11:1:2:ffff::2"));
        assert_ne!(set("2a11:1:2:3::1"), set("2a11:1:3:3::1"));
    }

    #[test]
    fn a_small_torrent_has_a_small_set() {
        let mut all = numbers("80.4.4.200", 3, SET);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
        assert_eq!(numbers("80.4.4.200", 0, SET), [0; 0]);
    }

    #[test]
    fn a_piece_is_given_once() {
        let geometry = Geometry::new(100_000, 32_768).unwrap();
        let last = geometry.piece(3).unwrap();
        let mut allowance = Allowance::of(&geometry, &[last]);
        let range = PieceRange { piece: last, begin: 0, length: geometry.piece_size(last) };
        assert!(!allowance.take(PieceRange { piece: geometry.piece(0).unwrap(), ..range }));
        assert!(allowance.take(range));
        assert!(!allowance.take(PieceRange { length: 1, ..range }));
    }
}
