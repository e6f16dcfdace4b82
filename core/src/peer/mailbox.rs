//! What a session tells a link: merged slots, so that posting never waits and nothing piles up.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::conn::Shape;
use crate::storage::Storage;
use crate::types::{BlockRef, PieceIndex};
use crate::wire::ut_pex::UtPex;

/// The slots. A newer choke or interest replaces an older one; a cancel takes a block out of a hand
/// that still lies here, so a block in both lists was dealt again after its cancel. A block is
/// cancelled at most once per deal, a piece announced or lost at most once in turn, and the session
/// deals no more than was asked for: that bounds the lists.
#[derive(Debug, Default)]
pub struct Mail {
    /// Choke (`true`) or unchoke the peer.
    pub choke: Option<bool>,
    /// Tell the peer that we want something, or nothing any more.
    pub interested: Option<bool>,
    /// Blocks to ask for, in this order.
    pub hand: Vec<BlockRef>,
    /// Blocks that are not wanted from this link any more.
    pub cancel: Vec<BlockRef>,
    /// The session has dealt, even if nothing of it is left in `hand`.
    pub dealt: bool,
    /// Pieces we have since.
    pub have: Vec<PieceIndex>,
    /// Pieces that the peer was told we have, and that we have no more. What is in both lists is
    /// there again.
    pub lost: Vec<PieceIndex>,
    /// BEP 21: we download nothing more, or something again.
    pub upload_only: Option<bool>,
    /// Peers that we have met and lost (BEP 11).
    pub pex: Option<UtPex>,
    /// Pieces of the metadata to ask for (BEP 9). The session asks for few at a time.
    pub metadata: Vec<u32>,
    /// The metadata is there: what the torrent is, and its files.
    pub became: Option<(Shape, Arc<Storage>)>,
    /// End the link, and why.
    pub close: Option<&'static str>,
}

impl Mail {
    /// Deals blocks, behind those that lie here.
    pub fn deal(&mut self, blocks: impl IntoIterator<Item = BlockRef>) {
        self.dealt = true;
        self.hand.extend(blocks);
    }

    /// We have this piece no more.
    pub fn lose(&mut self, piece: PieceIndex) {
        match self.have.iter().position(|told| *told == piece) {
            Some(at) => drop(self.have.remove(at)),
            None => self.lost.push(piece),
        }
    }

    /// Takes a block back.
    pub fn cancel(&mut self, block: BlockRef) {
        match self.hand.iter().position(|dealt| *dealt == block) {
            Some(at) => drop(self.hand.remove(at)),
            None => self.cancel.push(block),
        }
    }
}

/// One link's mailbox.
#[derive(Debug, Default)]
pub struct Mailbox {
    /// A leaf lock, held to change a slot or to take them all.
    mail: Mutex<Mail>,
    posted: Notify,
}

impl Mailbox {
    /// Changes the slots and wakes the link.
    pub fn post(&self, change: impl FnOnce(&mut Mail)) {
        change(&mut self.mail.lock().unwrap_or_else(PoisonError::into_inner));
        self.posted.notify_one();
    }

    /// Waits until something was posted, and takes all of it. May be cancelled without loss.
    pub async fn take(&self) -> Mail {
        self.posted.notified().await;
        std::mem::take(&mut *self.mail.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
