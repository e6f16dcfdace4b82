//! Messages that carry the info dictionary: `ut_metadata` (BEP 9).
//!
//! A message is a dictionary; behind that of a `data` message stands the piece.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::bencode::{self, Limits};

/// Bytes of each piece but the last (BEP 9).
pub const PIECE_SIZE: u32 = 16 << 10;

/// Bytes of metadata that are taken: a torrent of two million pieces has 42 MB of hashes and is no file for a
/// magnet; libtorrent takes 30 MiB.
pub const MAX_METADATA: u32 = 32 << 20;

/// The dictionary has three numbers.
const LIMITS: Limits = Limits { bytes: 1 << 20, depth: 4, tokens: 100, key: 100 };

/// One message. A number of a piece may point anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UtMetadata {
    /// Asks for a piece.
    Request {
        /// Its number.
        piece: u32,
    },
    /// A piece.
    Data {
        /// Its number.
        piece: u32,
        /// Bytes of all metadata, says the sender; `None`: it does not say.
        total_size: Option<u32>,
        /// At most [`PIECE_SIZE`] bytes.
        data: Bytes,
    },
    /// A piece will not be sent.
    Reject {
        /// Its number.
        piece: u32,
    },
}

const REQUEST: i64 = 0;
const DATA: i64 = 1;
const REJECT: i64 = 2;

impl UtMetadata {
    /// Reads a payload; `None`: a kind that is not known, which BEP 9 wants ignored, or no message.
    pub fn parse(payload: &Bytes) -> Option<Self> {
        let scan = bencode::scan(payload, &LIMITS).ok()?;
        let [kind, piece, total_size] = scan.value.pick(["msg_type", "piece", "total_size"])?;
        let piece = u32::try_from(piece?.int()?).ok()?;
        match kind?.int()? {
            REQUEST => Some(Self::Request { piece }),
            REJECT => Some(Self::Reject { piece }),
            DATA => {
                let data = payload.slice(scan.end..);
                let total_size = total_size.and_then(|size| u32::try_from(size.int()?).ok());
                (data.len() <= PIECE_SIZE as usize).then_some(Self::Data { piece, total_size, data })
            }
            _ => None,
        }
    }

    /// The payload of a message: keys in order.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            Self::Request { piece } => out.put_slice(format!("d8:msg_typei0e5:piecei{piece}ee").as_bytes()),
            Self::Reject { piece } => out.put_slice(format!("d8:msg_typei2e5:piecei{piece}ee").as_bytes()),
            Self::Data { piece, total_size, data } => {
                let size = total_size.map_or_else(String::new, |size| format!("10:total_sizei{size}e"));
                out.reserve(64 + data.len());
                out.put_slice(format!("d8:msg_typei1e5:piecei{piece}e{size}e").as_bytes());
                out.put_slice(data);
            }
        }
        out.freeze()
    }
}

/// Number of pieces of so many bytes.
pub const fn pieces(size: u32) -> u32 {
    size.div_ceil(PIECE_SIZE)
}

/// Bytes of this piece of so many bytes: 0 past the end.
pub const fn piece_size(size: u32, piece: u32) -> u32 {
    let left = size.saturating_sub(piece.saturating_mul(PIECE_SIZE));
    if left < PIECE_SIZE { left } else { PIECE_SIZE }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(payload: &[u8]) -> Option<UtMetadata> {
        UtMetadata::parse(&Bytes::copy_from_slice(payload))
    }

    #[test]
    fn the_examples_of_the_specification() {
        let request = UtMetadata::Request { piece: 0 };
        assert_eq!(read(b"d8:msg_typei0e5:piecei0ee"), Some(request.clone()));
        assert_eq!(request.encode(), "d8:msg_typei0e5:piecei0ee");
        assert_eq!(read(b"d8:msg_typei2e5:piecei7ee"), Some(UtMetadata::Reject { piece: 7 }));
        let data = UtMetadata::Data { piece: 0, total_size: Some(34_256), data: "xxxxxxxx".into() };
        assert_eq!(read(b"d8:msg_typei1e5:piecei0e10:total_sizei34256eexxxxxxxx"), Some(data.clone()));
        assert_eq!(data.encode(), "d8:msg_typei1e5:piecei0e10:total_sizei34256eexxxxxxxx");
        let silent = UtMetadata::Data { piece: 1, total_size: None, data: "d".into() };
        assert_eq!(read(b"d8:msg_typei1e5:piecei1e10:total_sizei-1eed"), Some(silent));
    }

    #[test]
    fn what_is_no_message_is_ignored() {
        let long = [&b"d8:msg_typei1e5:piecei0ee"[..], &[0; PIECE_SIZE as usize + 1]].concat();
        for payload in [
            &b""[..],
            b"d",
            b"de",
            b"i0e",
            b"d8:msg_typei0ee",
            b"d5:piecei0ee",
            b"d8:msg_typei3e5:piecei0ee",
            b"d8:msg_typei0e5:piecei-1ee",
            b"d8:msg_typei0e5:piecei4294967296ee",
            b"d8:msg_type1:05:piecei0ee",
            &long,
        ] {
            assert_eq!(read(payload), None);
        }
    }

    #[test]
    fn the_last_piece_is_shorter() {
        assert_eq!((pieces(16_384), pieces(16_385), pieces(1)), (1, 2, 1));
        assert_eq!((piece_size(16_385, 0), piece_size(16_385, 1), piece_size(16_385, 2)), (16_384, 1, 0));
        assert_eq!(piece_size(16_384, u32::MAX), 0);
    }

    proptest! {
        #[test]
        fn what_is_said_is_understood(
            piece in any::<u32>(),
            total_size in any::<Option<u32>>(),
            data in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            for message in [
                UtMetadata::Request { piece },
                UtMetadata::Reject { piece },
                UtMetadata::Data { piece, total_size, data: data.into() },
            ] {
                prop_assert_eq!(UtMetadata::parse(&message.encode()), Some(message));
            }
        }

        #[test]
        fn no_payload_is_too_odd(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(UtMetadata::Data { data, .. }) = read(&payload) {
                prop_assert!(data.len() <= payload.len());
            }
        }
    }
}
