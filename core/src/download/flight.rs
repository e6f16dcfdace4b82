//! Which block is asked of whom: the blocks in the state *assigned*.

use rustc_hash::FxHashMap;

use crate::types::{BlockRef, LinkId};

/// Links that one block may be assigned to at the same time: in the endgame a second and a third
/// chance are worth their waste, a fourth is not.
pub(super) const MAX_TAKERS: usize = 3;

/// The links that a block is assigned to, at least one, no link twice.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Takers {
    links: [Option<LinkId>; MAX_TAKERS],
}

impl Takers {
    /// The links, in the order in which they took the block.
    pub(super) fn iter(&self) -> impl Iterator<Item = LinkId> + '_ {
        self.links.iter().flatten().copied()
    }

    /// Number of links.
    pub(super) fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether this link is one of them.
    pub(super) fn contains(&self, link: LinkId) -> bool {
        self.links.contains(&Some(link))
    }
}

#[derive(Debug)]
struct Flight {
    takers: Takers,
    /// Place in `order`.
    at: u32,
}

/// All assigned blocks. To add, to remove and to look one up takes the same time for any number.
#[derive(Debug, Default)]
pub(super) struct Flights {
    by_block: FxHashMap<BlockRef, Flight>,
    /// In no order; lets the endgame start looking anywhere.
    order: Vec<BlockRef>,
}

impl Flights {
    /// Number of assigned blocks.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// The assigned block at this place, below [`len`](Self::len).
    pub(super) fn at(&self, place: usize) -> BlockRef {
        self.order[place]
    }

    /// Who is to send this block; nobody when it is not assigned.
    pub(super) fn takers(&self, block: BlockRef) -> Takers {
        self.by_block.get(&block).map(|flight| flight.takers).unwrap_or_default()
    }

    /// Assigns the block to one more link. `false`, and nothing happens, when the link has it
    /// already or enough others do.
    pub(super) fn add(&mut self, block: BlockRef, link: LinkId) -> bool {
        let order = &mut self.order;
        let flight = self.by_block.entry(block).or_insert_with(|| {
            order.push(block);
            Flight { takers: Takers::default(), at: order.len() as u32 - 1 }
        });
        if flight.takers.contains(link) {
            return false;
        }
        match flight.takers.links.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(link),
            None => return false,
        }
        true
    }

    /// Takes the block back from one link. Says how many others still have it; `None` when the
    /// link did not have it.
    pub(super) fn remove(&mut self, block: BlockRef, link: LinkId) -> Option<usize> {
        let flight = self.by_block.get_mut(&block)?;
        let place = flight.takers.links.iter_mut().find(|place| **place == Some(link))?;
        *place = None;
        let left = flight.takers.len();
        if left == 0 {
            self.end(block);
        }
        Some(left)
    }

    /// Takes the block back from everybody, and says from whom.
    pub(super) fn end(&mut self, block: BlockRef) -> Takers {
        let Some(flight) = self.by_block.remove(&block) else { return Takers::default() };
        self.order.swap_remove(flight.at as usize);
        if let Some(moved) = self.order.get(flight.at as usize)
            && let Some(moved) = self.by_block.get_mut(moved)
        {
            moved.at = flight.at;
        }
        flight.takers
    }
}
