//! What we want and who fetches it (BEP 3, "Piece downloading").
//!
//! Owned by the session actor. Sees links by name, never sockets or bytes; time is an argument.
//!
//! # Invariants
//!
//! - A block is exactly one of: *missing*; *assigned* to one to three links, no link twice;
//!   *received*, with the name of its sender.
//! - A piece is exactly one of: *had* (verified); *open* (wanted, nothing assigned or received);
//!   *skipped* (the same, but not wanted); *partial* (some block assigned or received), which is
//!   *full* when all blocks are received and the hash is awaited.
//! - A partial is *loose* when it is wanted and has missing blocks.
//! - The copies of a piece are the links that have it, and us.
//! - A link's interest is the number of its pieces that we want and lack.
//!
//! | file | idea |
//! |---|---|
//! | `links` | what peers have; interest |
//! | `availability` | copies of each piece |
//! | `priority` | how much a piece is wanted |
//! | `picker` | the open pieces, rarest first |
//! | `partial` | the pieces that have begun |
//! | `flight` | which block is asked of whom |
//! | `deal` | a hand of blocks for a link |
//! | `choose` | which pieces a link begins |
//! | `hints` | pieces that a peer named |
//! | `endgame` | second chances for the last blocks |
//! | `blame` | who may have spoilt a piece, who may retry it |
//! | `smart_ban` | who did spoil it |

mod availability;
mod blame;
mod choose;
mod deal;
mod endgame;
mod flight;
mod hints;
mod links;
mod partial;
mod picker;
mod priority;
mod smart_ban;
#[cfg(test)]
mod tests;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rustc_hash::FxHashMap;

pub use self::blame::Blame;
pub use self::deal::LinkSpeed;
pub use self::links::PeerPieces;
pub use self::priority::of_pieces;
pub use self::smart_ban::{Claim, Print, SmartBan};

use self::availability::Availability;
use self::blame::Retries;
use self::flight::Flights;
use self::links::Link;
use self::partial::Partials;
use self::picker::Picker;
use self::priority::Class;
use crate::bitfield::Bitfield;
use crate::geometry::Geometry;
use crate::settings::Priority;
use crate::types::{BlockRef, LinkId, PieceIndex};

/// What a block was good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrived {
    /// It was missing or assigned.
    Fresh {
        /// The other links it was assigned to, which need not send it any more.
        cancel: Vec<LinkId>,
        /// It was the last one of its piece, which can be verified now.
        piece_full: bool,
    },
    /// We have it already, or its piece: waste.
    Duplicate,
}

/// What a verified piece means for the download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// It was the last one that is wanted.
    pub finished: bool,
}

/// Decides which block is asked of which link, and knows what became of it.
#[derive(Debug)]
pub struct DownloadManager {
    geometry: Geometry,
    have: Bitfield,
    have_bytes: u64,
    priorities: Vec<Priority>,
    wanted_bytes: u64,
    /// Wanted and not had.
    lacking: Bitfield,
    missing_bytes: u64,
    links: FxHashMap<LinkId, Link>,
    availability: Availability,
    picker: Picker,
    partials: Partials,
    flights: Flights,
    retries: Retries,
    /// Pieces whose blocks are to be dropped, until somebody takes the list.
    restarts: Vec<PieceIndex>,
    rng: SmallRng,
    /// Entries looked at while dealing: what the cost of a block is measured by.
    looks: u64,
}

impl DownloadManager {
    /// A download that has these pieces, and wants all others at normal priority. `have` has as
    /// many bits as there are pieces, else it counts as empty. Equal seeds give equal decisions.
    pub fn new(geometry: Geometry, have: Bitfield, seed: u64) -> Self {
        let pieces = geometry.pieces();
        let mut download = Self {
            geometry,
            have: Bitfield::new(pieces),
            have_bytes: 0,
            priorities: vec![Priority::Normal; pieces as usize],
            wanted_bytes: geometry.total(),
            lacking: Bitfield::full(pieces),
            missing_bytes: geometry.total(),
            links: FxHashMap::default(),
            availability: Availability::new(pieces),
            picker: Picker::new(pieces),
            partials: Partials::default(),
            flights: Flights::default(),
            retries: Retries::default(),
            restarts: Vec::new(),
            rng: SmallRng::seed_from_u64(seed),
            looks: 0,
        };
        download.reset_have(have);
        download
    }

    /// We have these pieces and no others, as a check found. All that has begun is forgotten,
    /// assigned blocks too: they count as late when they come.
    pub fn reset_have(&mut self, have: Bitfield) {
        let pieces = self.geometry.pieces();
        let have = if have.len() == pieces { have } else { Bitfield::new(pieces) };
        self.partials = Partials::default();
        self.flights = Flights::default();
        self.retries = Retries::default();
        self.restarts.clear();
        for link in self.links.values_mut() {
            link.assigned.clear();
            link.held.clear();
        }
        let mut order: Vec<PieceIndex> = self.geometry.all_pieces().collect();
        order.shuffle(&mut self.rng);
        for piece in order {
            if have.get(piece) {
                self.gain(piece);
            } else {
                self.lose(piece);
            }
        }
    }

    /// Changes how much pieces are wanted; pieces that are not named stay as they are. Blocks that
    /// are assigned stay assigned. Interest in a link may change.
    pub fn set_priorities(&mut self, priorities: impl IntoIterator<Item = (PieceIndex, Priority)>) {
        for (piece, priority) in priorities {
            let Some(place) = self.priorities.get_mut(piece.as_usize()) else { continue };
            let before = std::mem::replace(place, priority);
            if before == priority {
                continue;
            }
            let size = u64::from(self.geometry.piece_size(piece));
            match (before.is_wanted(), priority.is_wanted()) {
                (true, false) => self.wanted_bytes -= size,
                (false, true) => self.wanted_bytes += size,
                _ => {}
            }
            if !self.have.get(piece) {
                self.set_lacking(piece, priority.is_wanted());
                self.settle(piece);
            }
        }
    }

    /// The link does not send this block: it choked us, rejected it, was too slow, or has not asked
    /// for it in time. Nothing happens when the block is not assigned to it.
    pub fn returned(&mut self, link: LinkId, block: BlockRef) {
        let Some(others) = self.flights.remove(block, link) else { return };
        if let Some(link) = self.links.get_mut(&link) {
            link.assigned.remove(&block);
        }
        if let Some(partial) = self.partials.get_mut(block.piece) {
            if partial.discount(link) {
                partial.abandon(link);
            }
            if others == 0 {
                partial.put_back(block.block);
            }
        }
        self.settle(block.piece);
    }

    /// The link has sent this block. It is taken whether it was assigned to the link, to another or
    /// to nobody: what comes late is as good.
    pub fn arrived(&mut self, link: LinkId, block: BlockRef) -> Arrived {
        let BlockRef { piece, block: number } = block;
        let exists = piece.get() < self.geometry.pieces() && number < self.geometry.blocks_in(piece);
        let received = self.partials.get(piece).is_some_and(|partial| partial.has(number));
        if !exists || received || self.have.get(piece) {
            return Arrived::Duplicate;
        }
        if self.partials.get(piece).is_none() {
            self.picker.remove(piece);
            self.partials.begin(piece, self.geometry.blocks_in(piece));
        }
        let takers = self.flights.end(block);
        let mut piece_full = false;
        if let Some(partial) = self.partials.get_mut(piece) {
            takers.iter().for_each(|taker| {
                partial.discount(taker);
            });
            partial.receive(number, link);
            piece_full = partial.is_full();
        }
        for taker in takers.iter() {
            if let Some(taker) = self.links.get_mut(&taker) {
                taker.assigned.remove(&block);
            }
        }
        self.settle(piece);
        Arrived::Fresh { cancel: takers.iter().filter(|taker| *taker != link).collect(), piece_full }
    }

    /// The piece is on disk and its hash is right. `None` when we had it.
    pub fn verified(&mut self, piece: PieceIndex) -> Option<Verified> {
        if piece.get() >= self.geometry.pieces() || self.have.get(piece) {
            return None;
        }
        let wanted = self.lacking.get(piece);
        self.forget(piece);
        self.retries.verified(piece);
        self.gain(piece);
        Some(Verified { finished: wanted && self.is_finished() })
    }

    /// The piece is full and its hash is wrong: all of it is missing again, and goes to one link at
    /// a time, first to those that had no part in it.
    pub fn failed(&mut self, piece: PieceIndex) -> Blame {
        let Some(partial) = self.partials.get(piece) else { return Blame::default() };
        let blame = Blame::of(partial.senders.iter().flatten().copied());
        self.retries.failed(piece, &blame);
        self.lost(piece);
        blame
    }

    /// The block is missing again: whoever sent it lies. Nothing happens when it was not received.
    pub fn disowned(&mut self, block: BlockRef) {
        if self.partials.get_mut(block.piece).is_some_and(|partial| partial.take_away(block.block)) {
            self.settle(block.piece);
        }
    }

    /// Pieces that are to begin anew, as [`deal`](Self::deal) found: each stays with nobody until it
    /// has [`restarted`](Self::restarted).
    pub fn take_restarts(&mut self) -> Vec<PieceIndex> {
        std::mem::take(&mut self.restarts)
    }

    /// No block of the piece is there any more.
    pub fn restarted(&mut self, piece: PieceIndex) {
        if let Some(retry) = self.retries.get_mut(piece) {
            retry.restarting = false;
        }
        if piece.get() < self.geometry.pieces() && !self.have.get(piece) {
            self.lost(piece);
        }
    }

    /// The piece is missing again, whatever was known of it: its file has vanished, or the disk
    /// failed.
    pub fn lost(&mut self, piece: PieceIndex) {
        if piece.get() < self.geometry.pieces() {
            self.forget(piece);
            self.lose(piece);
        }
    }

    /// The pieces that are verified.
    pub fn have(&self) -> &Bitfield {
        &self.have
    }

    /// Whether we have every piece: we are a seed.
    pub fn is_complete(&self) -> bool {
        self.have.is_full()
    }

    /// Whether we have every piece that is wanted.
    pub fn is_finished(&self) -> bool {
        self.lacking.ones() == 0
    }

    /// How much this piece is wanted.
    pub fn priority(&self, piece: PieceIndex) -> Priority {
        self.priorities.get(piece.as_usize()).copied().unwrap_or(Priority::Skip)
    }

    /// Bytes of the pieces that are wanted and not verified.
    pub fn missing_bytes(&self) -> u64 {
        self.missing_bytes
    }

    /// Bytes of the pieces that are wanted, verified or not.
    pub fn wanted_bytes(&self) -> u64 {
        self.wanted_bytes
    }

    /// Bytes of the verified pieces, wanted or not.
    pub fn have_bytes(&self) -> u64 {
        self.have_bytes
    }

    /// Copies of the content in the swarm around us, us included, in thousandths: the whole ones,
    /// and the part of the pieces that have one more.
    pub fn availability(&self) -> u32 {
        self.availability.thousandths()
    }

    /// The fewest copies that a piece has, us included, and how many pieces have no more. `None`
    /// for a torrent without pieces.
    pub fn rarest(&self) -> Option<(u32, u32)> {
        self.availability.rarest()
    }

    /// Links, us included, that have this piece.
    pub fn copies(&self, piece: PieceIndex) -> u32 {
        self.availability.copies(piece)
    }

    /// Number of pieces that have begun and are not verified.
    pub fn partials(&self) -> usize {
        self.partials.len()
    }

    /// Number of blocks that are assigned.
    pub fn assigned(&self) -> usize {
        self.flights.len()
    }

    /// Number of blocks assigned to this link.
    pub fn assigned_to(&self, link: LinkId) -> usize {
        self.links.get(&link).map_or(0, |link| link.assigned.len())
    }

    fn class(&self, piece: PieceIndex) -> Option<Class> {
        Class::of(self.priority(piece))
    }

    /// Puts the piece where it belongs after a change of its blocks or its priority: a partial on
    /// its bench; one in which nothing is left, or one that had not begun, among the open pieces.
    fn settle(&mut self, piece: PieceIndex) {
        let class = self.class(piece);
        match self.partials.get(piece) {
            Some(partial) if !partial.is_bare() => return self.partials.settle(piece, class),
            Some(_) => drop(self.partials.remove(piece)),
            None => {}
        }
        match class {
            Some(class) if !self.have.get(piece) => {
                let copies = self.availability.outside_seeds(piece);
                self.picker.insert(piece, class, copies, &mut self.rng);
            }
            _ => self.picker.remove(piece),
        }
    }

    /// Nothing of the piece is assigned or received any more.
    fn forget(&mut self, piece: PieceIndex) {
        let Some(partial) = self.partials.remove(piece) else { return };
        for block in partial.assigned() {
            let block = BlockRef { piece, block };
            for taker in self.flights.end(block).iter() {
                if let Some(link) = self.links.get_mut(&taker) {
                    link.assigned.remove(&block);
                }
            }
        }
    }

    fn gain(&mut self, piece: PieceIndex) {
        self.picker.remove(piece);
        if self.have.set(piece) {
            self.have_bytes += u64::from(self.geometry.piece_size(piece));
            self.copy_added(piece);
            self.set_lacking(piece, false);
        }
    }

    fn lose(&mut self, piece: PieceIndex) {
        if self.have.clear(piece) {
            self.have_bytes -= u64::from(self.geometry.piece_size(piece));
            self.copy_removed(piece);
            self.set_lacking(piece, self.priority(piece).is_wanted());
        }
        self.settle(piece);
    }
}
