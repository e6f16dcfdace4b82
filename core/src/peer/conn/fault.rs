//! What a peer can do wrong so that its link ends.

use std::time::Duration;

use crate::wire::WireError;

/// A peer broke the protocol; its link ends. Says nothing about the session.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PeerFault {
    /// Bytes that are no message.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A bitfield of another torrent's size, or with spare bits set.
    #[error("bitfield of {got} bytes does not fit {want} pieces")]
    WrongBitfield {
        /// Its bytes.
        got: usize,
        /// Pieces of this torrent.
        want: u32,
    },
    /// A piece number past the end.
    #[error("has piece {got} of {want}")]
    WrongPiece {
        /// The number.
        got: u32,
        /// Pieces of this torrent.
        want: u32,
    },
    /// A message of the fast extension where it was not agreed on (BEP 6: MUST close).
    #[error("message of the fast extension, which was not agreed on")]
    NotFast,
    /// A seed that takes back pieces and has them again, over and over: each turn costs a look at all.
    #[error("takes back what it has, again and again")]
    Fickle,
    /// Blocks that nobody asked for.
    #[error("sends blocks that were not asked for")]
    Unsolicited,
    /// Far more requests than were granted.
    #[error("floods requests")]
    RequestFlood,
    /// Names peers far more often than once a minute (BEP 11).
    #[error("floods lists of peers")]
    PexFlood,
    /// Nothing came for too long.
    #[error("silent for {} s", .0.as_secs())]
    Silent(Duration),
}
