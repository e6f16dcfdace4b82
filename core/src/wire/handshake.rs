//! The first 68 bytes of a link (BEP 3), with the reserved bits that extensions claim.

use crate::types::{InfoHash, PeerId};
use crate::wire::WireError;

/// Bytes of a whole handshake.
pub const LEN: usize = 68;

/// Bytes up to and with the info-hash. An incoming link is answered after these: port checkers of
/// trackers wait for the answer and never send a peer id.
pub const PREFIX_LEN: usize = 48;

/// Bytes that say which protocol it is.
pub const PROTOCOL_LEN: usize = 20;

/// The length of the protocol's name and the name.
const PROTOCOL: &[u8; PROTOCOL_LEN] = b"\x13BitTorrent protocol";

/// Who calls, for which torrent, and what it can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// What the sender can do.
    pub reserved: Reserved,
    /// The torrent that the link is for.
    pub info_hash: InfoHash,
    /// The sender's name for itself.
    pub peer_id: PeerId,
}

impl Handshake {
    /// The wire form.
    pub fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..20].copy_from_slice(PROTOCOL);
        bytes[20..28].copy_from_slice(&self.reserved.0);
        bytes[28..48].copy_from_slice(self.info_hash.as_bytes());
        bytes[48..].copy_from_slice(self.peer_id.as_bytes());
        bytes
    }

    /// Reads the wire form.
    ///
    /// # Errors
    /// Another protocol's bytes.
    pub fn decode(bytes: &[u8; LEN]) -> Result<Self, WireError> {
        let mut head = [0; PREFIX_LEN];
        head.copy_from_slice(&bytes[..PREFIX_LEN]);
        let (reserved, info_hash) = prefix(&head)?;
        let mut id = [0; PeerId::LEN];
        id.copy_from_slice(&bytes[PREFIX_LEN..]);
        Ok(Self { reserved, info_hash, peer_id: PeerId::new(id) })
    }
}

/// Reads all but the peer id, which may come later or never.
///
/// # Errors
/// Another protocol's bytes.
pub fn prefix(bytes: &[u8; PREFIX_LEN]) -> Result<(Reserved, InfoHash), WireError> {
    if !may_be_handshake(bytes) {
        return Err(WireError::NotBitTorrent);
    }
    let mut reserved = [0; 8];
    reserved.copy_from_slice(&bytes[20..28]);
    let mut hash = [0; InfoHash::LEN];
    hash.copy_from_slice(&bytes[28..48]);
    Ok((Reserved(reserved), InfoHash::new(hash)))
}

/// Whether a link that started with these bytes, any number of them, can still become a handshake.
/// A link that cannot is closed at once, or is an encrypted one.
pub fn may_be_handshake(start: &[u8]) -> bool {
    start.iter().zip(PROTOCOL).all(|(got, want)| got == want)
}

/// Eight bytes of flags. Bits that nobody here knows are kept and ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved([u8; 8]);

impl Reserved {
    /// What this engine sets: the extension protocol and the fast extension. A bit is added with the
    /// code that speaks it, because a peer uses what it sees.
    pub const OURS: Self = Self([0, 0, 0, 0, 0, Self::EXTENSIONS, 0, Self::FAST]);

    const EXTENSIONS: u8 = 0x10;
    const DHT: u8 = 0x01;
    const FAST: u8 = 0x04;
    const V2: u8 = 0x10;

    /// ... and the DHT, where there is one and the torrent may use it.
    pub const fn with_dht(mut self) -> Self {
        self.0[7] |= Self::DHT;
        self
    }

    /// Wraps the raw bytes.
    pub const fn new(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }

    /// The extension protocol (BEP 10).
    pub const fn extensions(self) -> bool {
        self.0[5] & Self::EXTENSIONS != 0
    }

    /// A DHT node (BEP 5): it takes and sends `port`.
    pub const fn dht(self) -> bool {
        self.0[7] & Self::DHT != 0
    }

    /// The fast extension (BEP 6).
    pub const fn fast(self) -> bool {
        self.0[7] & Self::FAST != 0
    }

    /// Can upgrade to v2 (BEP 52). Means something only on the v1 hash of a hybrid torrent.
    pub const fn v2(self) -> bool {
        self.0[7] & Self::V2 != 0
    }

    /// What both ends can do, which is what a link uses.
    pub const fn and(self, other: Self) -> Self {
        Self((u64::from_be_bytes(self.0) & u64::from_be_bytes(other.0)).to_be_bytes())
    }
}
