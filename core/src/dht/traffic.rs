//! Questions of ours that are on their way: which answer belongs to which.
//!
//! An answer counts if it bears the random transaction of a question and comes from where that went.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use rustc_hash::FxHashMap;

use super::id::NodeId;

/// How long an answer is waited for.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Names one search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupId(pub u64);

/// What a question is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A search goes on with the answer.
    Lookup(LookupId),
    /// A node is told that we have a torrent.
    Announce,
    /// Is it still there?
    Ping,
}

/// A question on its way.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// Where it went.
    pub to: SocketAddr,
    /// Who should be there, as far as we know.
    pub id: Option<NodeId>,
    /// What for.
    pub purpose: Purpose,
}

/// All of them. Bounded by what is sent within [`PATIENCE`].
#[derive(Debug, Default)]
pub struct Traffic {
    pending: FxHashMap<[u8; 4], Pending>,
    /// By time.
    sent: VecDeque<(Instant, [u8; 4])>,
}

impl Traffic {
    /// A question goes out; the transaction that it bears.
    pub fn asked(&mut self, now: Instant, random: &mut StdRng, pending: Pending) -> [u8; 4] {
        let transaction = loop {
            let transaction = random.random();
            if !self.pending.contains_key(&transaction) {
                break transaction;
            }
        };
        self.pending.insert(transaction, pending);
        self.sent.push_back((now, transaction));
        transaction
    }

    /// What an answer is to, once.
    pub fn answered(&mut self, transaction: &[u8], from: &SocketAddr) -> Option<Pending> {
        let transaction = <[u8; 4]>::try_from(transaction).ok()?;
        self.pending.get(&transaction).filter(|pending| pending.to == *from)?;
        self.pending.remove(&transaction)
    }

    /// One that is not answered any more.
    pub fn late(&mut self, now: Instant) -> Option<Pending> {
        while let Some((at, transaction)) = self.sent.front()
            && now.saturating_duration_since(*at) >= PATIENCE
        {
            let pending = self.pending.remove(transaction);
            self.sent.pop_front();
            if pending.is_some() {
                return pending;
            }
        }
        None
    }

    /// Whether anything is on its way there.
    pub fn is_asked(&self, to: &SocketAddr) -> bool {
        self.pending.values().any(|pending| pending.to == *to)
    }

    /// Whether an answer is waited for.
    pub fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }
}
