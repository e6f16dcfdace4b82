//! Messages between peers: handshake (BEP 3), messages (BEP 3, BEP 6), extension protocol (BEP 10), metadata (BEP 9),
//! lists of peers (BEP 11).
//!
//! Formats only: what a message means on a link is decided in `peer::conn`. Numbers come out as they
//! stand on the wire; [`Geometry`](crate::geometry::Geometry) turns them into pieces and blocks.

pub mod extended;
pub mod handshake;
pub mod message;
pub mod ut_metadata;
pub mod ut_pex;

/// Bytes that no honest peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The link does not start with the name of the protocol: something else speaks here, or the
    /// link is encrypted.
    #[error("not a BitTorrent handshake")]
    NotBitTorrent,
    /// A length prefix beyond what any message of this torrent needs.
    #[error("message of {length} bytes, at most {max} make sense")]
    TooLong {
        /// The claim.
        length: u32,
        /// The largest that is taken.
        max: usize,
    },
    /// A length that does not fit the kind of message.
    #[error("message {id} with {length} bytes")]
    WrongLength {
        /// Kind of message.
        id: u8,
        /// Its length prefix: the id and what follows.
        length: u32,
    },
    /// A kind of message that no handshake bit of ours allows: libtorrent, transmission and rtorrent
    /// close on one too.
    #[error("message {id} is of no kind that was agreed on")]
    UnknownMessage {
        /// Kind of message.
        id: u8,
    },
    /// The payload of an extension handshake is no dictionary, or one that the guard refuses.
    #[error("unreadable extension handshake")]
    BadExtendedHandshake,
    /// A list of peers that is no dictionary, or one that the guard refuses.
    #[error("unreadable list of peers")]
    BadPex,
}

#[cfg(test)]
mod tests;
