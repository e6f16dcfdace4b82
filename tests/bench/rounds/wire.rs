//! As much of BEP 3 and 10 as the two peers speak.

use std::io::{self, Read, Write};

/// Bytes of a block.
pub const BLOCK: u32 = 16 << 10;
/// Requests that the seeder lets queue up, and says so: libtorrent's own figure.
pub const REQUEST_QUEUE: u32 = 2_000;

/// Ids of messages.
pub const CHOKE: u8 = 0;
pub const UNCHOKE: u8 = 1;
pub const INTERESTED: u8 = 2;
pub const BITFIELD: u8 = 5;
pub const REQUEST: u8 = 6;
pub const PIECE: u8 = 7;
pub const EXTENDED: u8 = 20;

/// Length, id, index and begin before a block's bytes.
pub const PIECE_HEADER: usize = 13;

const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";
/// Byte 5, bit 0x10: the extension protocol, which carries `reqq`.
const RESERVED: [u8; 8] = [0, 0, 0, 0, 0, 0x10, 0, 0];

/// Says hello, hears hello, and checks that it is about the same torrent.
pub fn handshake(mut link: impl Read + Write, info_hash: &[u8; 20], peer_id: &[u8; 20]) -> io::Result<()> {
    let hello = [PROTOCOL.as_slice(), &RESERVED, info_hash, peer_id].concat();
    link.write_all(&hello)?;
    let mut theirs = [0; 68];
    link.read_exact(&mut theirs)?;
    if theirs[..20] != *PROTOCOL || theirs[28..48] != *info_hash {
        return Err(io::Error::other("another protocol or torrent"));
    }
    let extensions = format!("\0d1:mde4:reqqi{REQUEST_QUEUE}ee");
    link.write_all(&message(EXTENDED, extensions.as_bytes()))
}

/// A message with its length.
pub fn message(id: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32 + 1;
    [length.to_be_bytes().as_slice(), &[id], payload].concat()
}

/// An info-hash from hex.
pub fn hash(hex: &str) -> [u8; 20] {
    let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hex");
    bytes.try_into().expect("20 bytes")
}

/// The big-endian number at `at`.
pub fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

/// Splits a stream into messages.
pub struct Messages {
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

impl Messages {
    /// With a buffer of so many bytes, of which no message has more.
    pub fn new(capacity: usize) -> Self {
        Self { buffer: vec![0; capacity], from: 0, to: 0 }
    }

    /// Reads once. False at the end of the stream.
    pub fn read(&mut self, mut link: impl Read) -> io::Result<bool> {
        self.buffer.copy_within(self.from..self.to, 0);
        (self.from, self.to) = (0, self.to - self.from);
        let length = link.read(&mut self.buffer[self.to..])?;
        self.to += length;
        Ok(length > 0)
    }

    /// The next whole message, from its id on; keep-alives are empty.
    pub fn next(&mut self) -> Option<&[u8]> {
        let bytes = &self.buffer[self.from..self.to];
        let length = 4 + number(bytes.get(..4)?, 0) as usize;
        assert!(length <= self.buffer.len(), "a message of {length} bytes");
        let message = bytes.get(4..length)?;
        self.from += length;
        Some(message)
    }
}
