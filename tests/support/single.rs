//! Torrents made on the spot: content from a seed, and the `.torrent` that describes it.

use serde::Serialize;
use serde_bytes::ByteBuf;
use sha1::{Digest as _, Sha1};

/// Bytes that look random and are the same for the same seed.
pub fn content(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

#[derive(Serialize)]
struct Torrent {
    #[serde(skip_serializing_if = "Option::is_none")]
    announce: Option<String>,
    info: Info,
}

#[derive(Serialize)]
struct Info {
    length: u64,
    name: ByteBuf,
    #[serde(rename = "piece length")]
    piece_length: u32,
    pieces: ByteBuf,
}

/// A v1 torrent of one file (BEP 3).
pub fn single(name: &str, content: &[u8], piece_length: u32, announce: Option<&str>) -> Vec<u8> {
    let hashes = content.chunks(piece_length as usize).flat_map(|piece| Sha1::digest(piece).to_vec());
    let info = Info {
        length: content.len() as u64,
        name: ByteBuf::from(name),
        piece_length,
        pieces: ByteBuf::from(hashes.collect::<Vec<_>>()),
    };
    let torrent = Torrent { announce: announce.map(str::to_owned), info };
    serde_bencode::to_bytes(&torrent).expect("a torrent is bencode")
}
