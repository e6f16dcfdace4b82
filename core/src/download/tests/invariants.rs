//! The invariants of the download, counted afresh.

use super::*;

impl DownloadManager {
    /// Panics unless the invariants of this module hold.
    pub(super) fn check_invariants(&self) {
        self.check_links();
        self.picker.check(|piece| self.availability.outside_seeds(piece));
        self.partials.check(|piece| self.class(piece));
        let mut assigned = 0;
        for piece in self.geometry.all_pieces() {
            let wanted = self.priority(piece).is_wanted();
            let partial = self.partials.get(piece);
            let open = self.picker.class_of(piece);
            assert_eq!(self.lacking.get(piece), wanted && !self.have.get(piece), "{piece:?} lacking");
            let want_open = if partial.is_none() && !self.have.get(piece) { self.class(piece) } else { None };
            assert_eq!(open, want_open, "{piece:?} open");
            assert!(!(partial.is_some() && self.have.get(piece)), "{piece:?} had and partial");
            let Some(partial) = partial else { continue };
            let mut counts: Vec<(LinkId, u32)> = Vec::new();
            for block in partial.assigned() {
                assigned += 1;
                let takers = self.flights.takers(BlockRef { piece, block });
                assert!(takers.len() > 0, "{piece:?}/{block} is in no state");
                for taker in takers.iter() {
                    match counts.iter_mut().find(|(link, _)| *link == taker) {
                        Some((_, count)) => *count += 1,
                        None => counts.push((taker, 1)),
                    }
                }
            }
            let mut takers = self.partials.takers(piece);
            takers.sort_unstable();
            counts.sort_unstable();
            assert_eq!(takers, counts, "takers of {piece:?}");
            let received = partial.senders.iter().flatten().count();
            assert_eq!(received, partial.received as usize);
        }
        assert_eq!(assigned, self.flights.len());
        let bytes = |bits: &Bitfield| {
            bits.iter().map(|piece| u64::from(self.geometry.piece_size(piece))).sum::<u64>()
        };
        assert_eq!(bytes(&self.have), self.have_bytes);
        assert_eq!(bytes(&self.lacking), self.missing_bytes);
    }
    /// Panics unless availability and interest are what counting them afresh gives.
    fn check_links(&self) {
        for piece in self.geometry.all_pieces() {
            let holders = self.links.values().filter(|link| link.pieces.has(piece)).count() as u32;
            let ours = u32::from(self.have.get(piece));
            assert_eq!(self.availability.copies(piece), holders + ours, "copies of {piece:?}");
        }
        for (name, link) in &self.links {
            let interesting = self.lacking.iter().filter(|piece| link.pieces.has(*piece)).count();
            assert_eq!(link.interesting as usize, interesting, "interest in {name:?}");
            for block in &link.assigned {
                assert!(self.flights.takers(*block).contains(*name), "{block:?} of {name:?}");
            }
        }
        let assigned: usize = self.links.values().map(|link| link.assigned.len()).sum();
        let taken: usize =
            (0..self.flights.len()).map(|at| self.flights.takers(self.flights.at(at)).len()).sum();
        assert_eq!(assigned, taken);
    }
}
