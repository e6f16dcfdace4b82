//! The field's words as types: hashes, ids, pieces and blocks (BEP 3, BEP 52).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A block: the unit of a request, 16 KiB. BEP 3 leaves the size open; every client of today closes
/// or rejects longer requests.
pub const BLOCK_SIZE: u32 = 16 * 1024;

/// A text that is not a hash in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a hash: 40 (v1) or 64 (v2) hexadecimal digits are wanted")]
pub struct ParseHashError;

macro_rules! bytes_type {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// Number of bytes.
            pub const LEN: usize = $len;

            /// Wraps the raw bytes.
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The raw bytes, as they stand on the wire.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = std::array::TryFromSliceError;

            fn try_from(bytes: &[u8]) -> Result<Self, Self::Error> {
                bytes.try_into().map(Self)
            }
        }
    };
}

macro_rules! hex_text {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = ParseHashError;

            fn from_str(text: &str) -> Result<Self, ParseHashError> {
                let bytes =
                    data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map_err(|_| ParseHashError)?;
                Self::try_from(bytes.as_slice()).map_err(|_| ParseHashError)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    };
}

bytes_type! {
    /// SHA-1 of the raw bytes of a v1 info dictionary (BEP 3), or the truncated v2 hash where a
    /// protocol has room for 20 bytes only (BEP 52). The name of a torrent everywhere in the engine.
    InfoHash, 20
}
bytes_type! {
    /// SHA-256 of the raw bytes of a v2 info dictionary (BEP 52).
    InfoHashV2, 32
}
bytes_type! {
    /// A peer's name for itself in one run (BEP 3, BEP 20).
    PeerId, 20
}
hex_text!(InfoHash);
hex_text!(InfoHashV2);
hex_text!(PeerId);

impl InfoHashV2 {
    /// What stands for it where a protocol has room for 20 bytes only (BEP 52).
    pub const fn truncated(self) -> InfoHash {
        let (first, _) = self.0.split_first_chunk().expect("32 bytes have 20");
        InfoHash::new(*first)
    }
}

/// Number of a piece. [`Geometry`](crate::geometry::Geometry) makes those that come from outside,
/// so that one in hand lies inside its torrent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PieceIndex(u32);

impl PieceIndex {
    /// For numbers that are known to be inside the torrent.
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The number, to index a slice that has one entry per piece.
    pub const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for PieceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for PieceIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One block of one piece. [`Geometry`](crate::geometry::Geometry) knows its length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockRef {
    /// The piece it lies in.
    pub piece: PieceIndex,
    /// Number of the block within the piece, counted in [`BLOCK_SIZE`] from 0.
    pub block: u32,
}

impl BlockRef {
    /// Offset of the first byte within the piece.
    pub const fn begin(self) -> u32 {
        self.block * BLOCK_SIZE
    }
}

impl fmt::Debug for BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{}", self.piece, self.block)
    }
}

impl fmt::Display for BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.piece, self.block)
    }
}

/// A range of bytes within one piece, as a peer asks for it: any offset and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PieceRange {
    /// The piece it lies in.
    pub piece: PieceIndex,
    /// Offset of the first byte within the piece.
    pub begin: u32,
    /// Number of bytes.
    pub length: u32,
}

/// Name of one connection, unique in one run of the engine and never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkId(pub u64);

/// Names one tracker of one torrent for as long as its session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TrackerId(pub u32);

impl fmt::Debug for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {}", self.0)
    }
}

/// Whom a ban hits: an address, and on loopback and private ranges, where many peers share one, only
/// one port of it, or those who call from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BanTarget {
    ip: IpAddr,
    port: Option<u16>,
}

impl BanTarget {
    /// What a ban of the peer at this address hits.
    pub const fn of(address: SocketAddr) -> Self {
        let ip = address.ip().to_canonical();
        let shared = match ip {
            IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        };
        Self { ip, port: if shared { Some(address.port()) } else { None } }
    }

    /// Whoever calls us from this address on a loopback or private range, whatever its port; `None`
    /// elsewhere, where [`of`](Self::of) hits the whole address. They are let in and served, but nothing
    /// is fetched from them.
    pub const fn callers(address: SocketAddr) -> Option<Self> {
        match Self::of(address) {
            // No peer has port 0.
            Self { ip, port: Some(_) } => Some(Self { ip, port: Some(0) }),
            Self { port: None, .. } => None,
        }
    }
}

impl BanTarget {
    /// Whether both are at one address.
    pub fn shares_address(&self, other: &Self) -> bool {
        self.ip == other.ip
    }
}

impl fmt::Display for BanTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(0) => write!(f, "callers from {}", self.ip),
            Some(port) => SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

/// Why a peer is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BanReason {
    /// Every block of a piece that failed its hash came from it.
    BadPiece(PieceIndex),
    /// It sent this block otherwise than the good piece has it.
    BadBlock {
        /// The piece.
        piece: PieceIndex,
        /// Number of the block within it.
        block: u32,
    },
    /// A person did not want it.
    ByHand,
    /// It sent metadata that is not what its hash says (BEP 9).
    BadMetadata,
}

impl fmt::Display for BanReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadPiece(piece) => write!(f, "every block of bad piece {piece} came from it"),
            Self::BadBlock { piece, block } => write!(f, "its block {block} of piece {piece} was bad"),
            Self::ByHand => f.write_str("banned by hand"),
            Self::BadMetadata => f.write_str("the metadata that came from it was bad"),
        }
    }
}

/// Seconds since 1970-01-01 UTC: for what a person is shown and what is kept over restarts. Never
/// used to decide when something is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// Reads the wall clock; a clock before 1970 reads as 0.
    pub fn now() -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self(since.map_or(0, |elapsed| elapsed.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_read_back_what_they_print() {
        let hash = InfoHash::new(std::array::from_fn(|i| i as u8 * 13));
        assert_eq!(hash.to_string().parse::<InfoHash>().unwrap(), hash);
        assert_eq!(hash.to_string().to_uppercase().parse::<InfoHash>().unwrap(), hash);
        assert!("zz".parse::<InfoHash>().is_err());
        assert!(hash.to_string()[1..].parse::<InfoHash>().is_err());
    }
}
