//! Packets: the header, its chain of extensions, the payload (BEP 29, "header format").

use super::seq::{Micros, Seq};

/// Bytes of a header without extensions.
pub const HEADER: usize = 20;

/// The version in the low four bits of the first byte.
const VERSION: u8 = 1;

/// The extension with the selective acknowledgements.
const SACK: u8 = 1;

/// An extension that nobody knows, whose content is skipped therefore. It fills probes of the path's MTU.
const PADDING: u8 = 0x50;

/// What kind of packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `ST_DATA`: payload.
    Data,
    /// `ST_FIN`: the last packet; nothing follows its number.
    Fin,
    /// `ST_STATE`: acknowledges, has no number of its own.
    State,
    /// `ST_RESET`: there is no such connection (any more).
    Reset,
    /// `ST_SYN`: the first packet.
    Syn,
}

impl Kind {
    const fn decode(high: u8) -> Option<Self> {
        match high {
            0 => Some(Self::Data),
            1 => Some(Self::Fin),
            2 => Some(Self::State),
            3 => Some(Self::Reset),
            4 => Some(Self::Syn),
            _ => None,
        }
    }

    const fn encode(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::Fin => 1,
            Self::State => 2,
            Self::Reset => 3,
            Self::Syn => 4,
        }
    }
}

/// What each packet begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What kind of packet.
    pub kind: Kind,
    /// The connection, as the receiver names it; in a SYN, as its sender does.
    pub id: u16,
    /// The sender's clock when it left.
    pub timestamp: Micros,
    /// How much later than its timestamp the last packet arrived at the sender, by two clocks; 0: none did.
    pub difference: Micros,
    /// Bytes that the sender has room for.
    pub window: u32,
    /// The packet's number; of one without a number: that of the next which has one.
    pub seq: Seq,
    /// The last packet that arrived in order.
    pub ack: Seq,
}

/// A packet that came in, as a view into its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its header.
    pub header: Header,
    /// The mask of selective acknowledgements; empty: none.
    pub sack: &'a [u8],
    /// What follows the extensions.
    pub payload: &'a [u8],
}

/// Whether a datagram may be a packet, by its length and first byte: nothing else that shares the port
/// looks like one.
pub const fn is_packet(datagram: &[u8]) -> bool {
    datagram.len() >= HEADER && datagram[0] & 0x0f == VERSION && datagram[0] >> 4 <= 4
}

impl<'a> Packet<'a> {
    /// Reads a datagram; `None`: it is none, or cut off within its extensions.
    pub fn decode(datagram: &'a [u8]) -> Option<Self> {
        let (head, mut rest) = datagram.split_first_chunk::<HEADER>()?;
        if head[0] & 0x0f != VERSION {
            return None;
        }
        let short = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        let long = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let header = Header {
            kind: Kind::decode(head[0] >> 4)?,
            id: short(2),
            timestamp: Micros(long(4)),
            difference: Micros(long(8)),
            window: long(12),
            seq: Seq(short(16)),
            ack: Seq(short(18)),
        };
        let mut sack: &[u8] = &[];
        let mut extension = head[1];
        // Each turn takes two bytes at least, so the chain is no longer than the datagram.
        while extension != 0 {
            let (&[next, length], after) = rest.split_first_chunk::<2>()?;
            let (content, after) = after.split_at_checked(usize::from(length))?;
            // BEP 29 wants multiples of four bytes, and libtorrent leaves zeros at the end away.
            if extension == SACK {
                sack = content;
            }
            (extension, rest) = (next, after);
        }
        Some(Self { header, sack, payload: rest })
    }
}

impl Header {
    fn encode(&self, extension: u8, out: &mut Vec<u8>) {
        let mut head = [0; HEADER];
        head[0] = self.kind.encode() << 4 | VERSION;
        head[1] = extension;
        head[2..4].copy_from_slice(&self.id.to_be_bytes());
        head[4..8].copy_from_slice(&self.timestamp.0.to_be_bytes());
        head[8..12].copy_from_slice(&self.difference.0.to_be_bytes());
        head[12..16].copy_from_slice(&self.window.to_be_bytes());
        head[16..18].copy_from_slice(&self.seq.0.to_be_bytes());
        head[18..20].copy_from_slice(&self.ack.0.to_be_bytes());
        out.extend_from_slice(&head);
    }

    /// Appends the header, for a payload to follow.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.encode(0, out);
    }

    /// Appends the header with a mask of selective acknowledgements: a multiple of four bytes, up to 252.
    pub fn write_with_sack(&self, mask: &[u8], out: &mut Vec<u8>) {
        debug_assert!(mask.len().is_multiple_of(4) && mask.len() <= 252);
        self.encode(SACK, out);
        out.extend_from_slice(&[0, mask.len() as u8]);
        out.extend_from_slice(mask);
    }

    /// Appends the header and `padding` bytes of extensions that say nothing; 0, or 2 and more.
    pub fn write_with_padding(&self, padding: usize, out: &mut Vec<u8>) {
        debug_assert_ne!(padding, 1, "an extension has two bytes at least");
        self.encode(if padding >= 2 { PADDING } else { 0 }, out);
        let mut left = padding;
        while left >= 2 {
            // What is left over must be nothing or an extension.
            let this = left.min(257) - usize::from(left == 258);
            left -= this;
            out.extend_from_slice(&[if left >= 2 { PADDING } else { 0 }, (this - 2) as u8]);
            out.resize(out.len() + this - 2, 0);
        }
    }
}
