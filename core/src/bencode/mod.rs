//! Bencoding (BEP 3): a guard, a reader over guarded bytes, and serde for small messages.
//!
//! Every byte from outside passes [`scan`] first, which walks it once without recursion and without
//! allocating what is only claimed. What it lets through is a [`Value`]: a slice that is known to be
//! well-formed, read in place. Torrents are read that way, since their hashes are taken over raw bytes
//! and their info dictionaries are too large and too odd for a typed parse.
//!
//! Small messages (tracker replies, extension handshakes) go through [`decode`]: the guard, then
//! `serde_bencode`. That crate recurses, so it sees nothing the guard has not measured, and this
//! module is its only caller.
//!
//! # What is lenient
//!
//! Torrents in the wild are not canonical, and BEP 52 lets a reader either refuse such bytes or hash
//! them as they stand. Hashes here are always taken over the raw bytes, so these are accepted and
//! reported by [`Scan::canonical`]: leading zeros (`i03e`, `03:abc`), `i-0e`, and unsorted keys.
//! Refused: equal keys in one dictionary (two readers would disagree), keys that are no strings, a key
//! without a value, `+`, empty numbers, and everything cut short.

mod scan;
mod value;

#[cfg(test)]
mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::scan::{Scan, scan};
pub use self::value::{Dict, List, Token, Tokens, Value};
use crate::untrusted::clean;

/// What the guard lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole input.
    pub bytes: u32,
    /// Lists and dictionaries inside each other.
    pub depth: usize,
    /// Strings (keys too), integers, lists and dictionaries.
    pub tokens: usize,
    /// Bytes of one key.
    pub key: usize,
}

impl Limits {
    /// A `.torrent` file. 64 MiB is some 3 million pieces, more than is accepted of any torrent; three
    /// million tokens are 500,000 files; keys can be path elements (BEP 52).
    pub const TORRENT: Self = Self { bytes: 64 << 20, depth: 64, tokens: 3_000_000, key: 64 << 10 };
    /// What a tracker or a peer says in one message. The largest honest ones, scrapes and metadata
    /// pieces, stay far below.
    pub const MESSAGE: Self = Self { bytes: 1 << 20, depth: 16, tokens: 100_000, key: 1 << 10 };
}

/// Digits of one integer: as many as a 64-bit number has.
const INT_DIGITS: usize = 20;

/// Digits of one string's length: as many as a 32-bit number has.
const LENGTH_DIGITS: usize = 10;

/// Why bytes are not bencode that we read. Offsets are in bytes from the start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BencodeError {
    /// The input is larger than such an input may be.
    #[error("{len} bytes, more than the {max} allowed")]
    TooLong {
        /// Bytes of the input.
        len: usize,
        /// The limit.
        max: u32,
    },
    /// The input ends inside a value.
    #[error("the data ends too early, after {at} bytes")]
    Truncated {
        /// Bytes of the input.
        at: usize,
    },
    /// A byte that cannot stand here.
    #[error("unexpected byte {byte:#04x} at offset {at}")]
    Unexpected {
        /// The byte.
        byte: u8,
        /// Where it stands.
        at: usize,
    },
    /// An integer with no digits, with too many, or with something else in it.
    #[error("malformed integer at offset {at}")]
    Integer {
        /// Where it starts.
        at: usize,
    },
    /// A string length with too many digits or something else in it.
    #[error("malformed string length at offset {at}")]
    Length {
        /// Where it starts.
        at: usize,
    },
    /// A string that claims more than there is.
    #[error("a string of {len} bytes at offset {at}, but only {left} bytes are left")]
    StringTooLong {
        /// Where it starts.
        at: usize,
        /// Bytes claimed.
        len: u64,
        /// Bytes there are.
        left: usize,
    },
    /// A dictionary key that is no string.
    #[error("a dictionary key that is not a string at offset {at}")]
    KeyNotString {
        /// Where it starts.
        at: usize,
    },
    /// A dictionary ends after a key.
    #[error("a dictionary key without a value before offset {at}")]
    KeyWithoutValue {
        /// Where the dictionary ends.
        at: usize,
    },
    /// A key that is longer than any we know.
    #[error("a dictionary key of {len} bytes at offset {at}, more than the {max} allowed")]
    KeyTooLong {
        /// Where it starts.
        at: usize,
        /// Its length.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The same key twice in one dictionary.
    #[error("the same dictionary key twice, the second time at offset {at}")]
    DuplicateKey {
        /// Where the second one's text starts.
        at: usize,
    },
    /// Lists and dictionaries inside each other without end.
    #[error("nested deeper than {max} levels at offset {at}")]
    TooDeep {
        /// The limit.
        max: usize,
        /// Where the limit is passed.
        at: usize,
    },
    /// More values than such an input may have.
    #[error("more than {max} values")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// Well-formed, but not what was asked for: what serde says, made harmless and cut.
    #[error("{0}")]
    Type(String),
}

/// Reads one small message, and says where it ends: what follows is the caller's (BEP 9 puts a
/// piece of metadata there).
///
/// For messages only: a struct fails as a whole on a key that is not UTF-8, and a string is copied
/// three times on its way. A large or hostile dictionary is read through [`scan`] and [`Value`].
pub fn decode<T: DeserializeOwned>(bytes: &[u8], limits: &Limits) -> Result<(T, usize), BencodeError> {
    let scan = scan(bytes, limits)?;
    #[allow(clippy::disallowed_methods, reason = "the guard above has measured these bytes")]
    let value = serde_bencode::from_bytes(scan.value.raw());
    match value {
        Ok(value) => Ok((value, scan.end)),
        Err(error) => Err(BencodeError::Type(clean(&error.to_string()))),
    }
}

/// Writes a value of ours. Map keys come out sorted.
///
/// # Panics
///
/// When `value` holds what bencode cannot say: floats, and maps whose keys are not strings.
pub fn encode(value: &impl Serialize) -> Vec<u8> {
    serde_bencode::to_bytes(value).expect("messages of ours hold integers, strings, lists and maps")
}
