//! A copy of the metadata that is whole: is it what the hash says, and who lied? To hash 32 MiB takes longer than
//! other torrents should wait, so it can be asked elsewhere than where the copy was put together.

use bytes::{Bytes, BytesMut};
use rustc_hash::FxHashSet;
use sha1::{Digest as _, Sha1};
use sha2::Sha256;

use super::{CopyId, Sent};
use crate::types::{InfoHash, InfoHashV2, LinkId};

/// Every piece of a copy, and what it is to be compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    pub(super) id: CopyId,
    pub(super) pieces: Vec<(LinkId, Bytes)>,
    pub(super) v1: Option<InfoHash>,
    pub(super) v2: Option<InfoHashV2>,
    /// The pieces of a copy of this size that was wrong.
    pub(super) doubted: Vec<Sent>,
}

/// What a copy is.
#[derive(Debug)]
pub struct Verdict {
    pub(super) id: CopyId,
    pub(super) is: Is,
}

#[derive(Debug)]
pub(super) enum Is {
    /// Right. Those sent, for one that was wrong, what this one does not have.
    Good(Bytes, FxHashSet<LinkId>),
    /// Right by one hash of the link, and wrong by the other.
    OfTwoTorrents,
    /// Wrong, and all of it is of this link.
    Lie(LinkId),
    /// Wrong, and nobody knows by whom.
    Doubtful(Vec<Sent>),
}

impl Verdict {
    /// The metadata, if it is right.
    pub const fn metadata(&self) -> Option<&Bytes> {
        match &self.is {
            Is::Good(metadata, _) => Some(metadata),
            _ => None,
        }
    }
}

impl Whole {
    /// Bytes of the metadata.
    pub const fn size(&self) -> usize {
        self.id.size as usize
    }

    /// Hashes it: some ten milliseconds for 10 MB.
    pub fn judge(self) -> Verdict {
        let mut whole = BytesMut::with_capacity(self.size());
        self.pieces.iter().for_each(|(_, data)| whole.extend_from_slice(data));
        let v2_hash = || InfoHashV2::new(Sha256::digest(&whole).into());
        let v2 = self.v2.map(|hash| hash == v2_hash());
        let v1 = self.v1.map(|hash| {
            hash == InfoHash::new(Sha1::digest(&whole).into())
                // What stands for a v2 torrent in a handshake (BEP 52) is shown by clients as its id.
                || self.v2.is_none() && hash == v2_hash().truncated()
        });
        let is = match (v1.unwrap_or(true), v2.unwrap_or(true)) {
            (true, true) => Is::Good(whole.freeze(), self.liars()),
            (true, false) if v1.is_some() => Is::OfTwoTorrents,
            (false, true) if v2.is_some() => Is::OfTwoTorrents,
            _ => self.wrong(),
        };
        Verdict { id: self.id, is }
    }

    fn wrong(&self) -> Is {
        let mut senders: Vec<_> = self.pieces.iter().map(|(link, _)| *link).collect();
        senders.sort_unstable();
        senders.dedup();
        match senders[..] {
            [sender] => Is::Lie(sender),
            _ => Is::Doubtful(
                self.pieces.iter().map(|(link, data)| (*link, Sha1::digest(data).into())).collect(),
            ),
        }
    }

    /// Those who sent, for a copy that was wrong, what this one does not have.
    fn liars(&self) -> FxHashSet<LinkId> {
        let pairs = self.doubted.iter().zip(&self.pieces);
        let wrong = pairs.filter(|((_, hash), (_, data))| Sha1::digest(data)[..] != hash[..]);
        wrong.map(|((link, _), _)| *link).collect()
    }
}
