//! Length-prefixed messages of a link: BEP 3, with `port` of BEP 5, the fast messages of BEP 6 and
//! the envelope of BEP 10.
//!
//! A message is judged by its first five bytes: a length that cannot be right is an error before
//! anything is kept for it. Block data is not copied: it is cut out of the receive buffer.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::types::BLOCK_SIZE;
use crate::wire::WireError;

/// Bytes of a piece message before its data: the length prefix, the id, the index, the offset.
pub const PIECE_HEADER: usize = 13;

/// What one peer says to another. Numbers stand as they came and may point anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Nothing, so that the link is not taken for dead.
    KeepAlive,
    /// Requests will not be served.
    Choke,
    /// Requests will be served.
    Unchoke,
    /// The sender wants something that the receiver has.
    Interested,
    /// The sender wants nothing.
    NotInterested,
    /// The sender has this piece now.
    Have(u32),
    /// What the sender has, one bit per piece.
    Bitfield(Bytes),
    /// Asks for a part of a piece.
    Request {
        /// Number of the piece.
        index: u32,
        /// Offset within the piece.
        begin: u32,
        /// Number of bytes.
        length: u32,
    },
    /// A part of a piece.
    Piece {
        /// Number of the piece.
        index: u32,
        /// Offset within the piece.
        begin: u32,
        /// The bytes; a view into the receive buffer, which lives as long as this does.
        data: Bytes,
    },
    /// Takes a request back.
    Cancel {
        /// Number of the piece.
        index: u32,
        /// Offset within the piece.
        begin: u32,
        /// Number of bytes.
        length: u32,
    },
    /// UDP port of the sender's DHT node (BEP 5).
    Port(u16),
    /// The sender would like to send this piece (BEP 6).
    Suggest(u32),
    /// The sender has all pieces (BEP 6).
    HaveAll,
    /// The sender has no piece (BEP 6).
    HaveNone,
    /// A request will not be served (BEP 6).
    Reject {
        /// Number of the piece.
        index: u32,
        /// Offset within the piece.
        begin: u32,
        /// Number of bytes.
        length: u32,
    },
    /// This piece is served even while choked (BEP 6).
    AllowedFast(u32),
    /// An extension's message (BEP 10); id 0 is the extension handshake.
    Extended {
        /// As the receiver's handshake numbered its extensions.
        id: u8,
        /// What the extension makes of it.
        payload: Bytes,
    },
}

const CHOKE: u8 = 0;
const UNCHOKE: u8 = 1;
const INTERESTED: u8 = 2;
const NOT_INTERESTED: u8 = 3;
const HAVE: u8 = 4;
const BITFIELD: u8 = 5;
const REQUEST: u8 = 6;
const PIECE: u8 = 7;
const CANCEL: u8 = 8;
const PORT: u8 = 9;
const SUGGEST: u8 = 13;
const HAVE_ALL: u8 = 14;
const HAVE_NONE: u8 = 15;
const REJECT: u8 = 16;
const ALLOWED_FAST: u8 = 17;
const EXTENDED: u8 = 20;

/// Longest message beside a bitfield, as in libtorrent. The largest in use are `ut_metadata` and
/// hash messages of some 16 KiB and `ut_pex` of a few.
const MAX_MESSAGE: usize = 1 << 20;

/// What a reader is told to make room for at once: one block with its header twice over. A claimed
/// MiB costs memory only as it arrives.
const MAX_NEEDED: usize = 2 * (BLOCK_SIZE as usize + PIECE_HEADER);

/// Cuts a stream of bytes into messages. Fill a [`BytesMut`], then call [`decode`](Self::decode)
/// until it has no more.
///
/// Data of a piece message shares the buffer's memory: the buffer should hold a few blocks, not many,
/// because it is freed when the last of them is on disk.
#[derive(Clone, Debug)]
pub struct Decoder {
    max_message: usize,
    max_bitfield: usize,
}

/// What the first bytes of a message say.
enum Header {
    /// This many more bytes are wanted before anything can be said.
    Partial(usize),
    KeepAlive,
    /// Length prefix (the id and what follows) and id, checked against each other.
    Sane(usize, u8),
}

impl Decoder {
    /// For a torrent of this many pieces; `None` until the metadata is there (BEP 9).
    pub fn new(pieces: Option<u32>) -> Self {
        let max_bitfield = pieces.map_or(MAX_MESSAGE, |pieces| pieces.div_ceil(8) as usize);
        Self { max_message: MAX_MESSAGE + max_bitfield, max_bitfield }
    }

    /// The next message, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// A length that cannot be right, or a kind that none of our handshake bits allows. The link is
    /// lost.
    pub fn decode(&self, buf: &mut BytesMut) -> Result<Option<Message>, WireError> {
        let (length, id) = match self.header(buf)? {
            Header::Partial(_) => return Ok(None),
            Header::KeepAlive => {
                buf.advance(4);
                return Ok(Some(Message::KeepAlive));
            }
            Header::Sane(length, id) => (length, id),
        };
        if buf.len() < 4 + length {
            return Ok(None);
        }
        buf.advance(5);
        body(id, buf.split_to(length - 1)).map(Some)
    }

    /// How many more bytes complete the message at the front, for a reader that makes room before it
    /// reads; at most some 32 KiB, however long the message claims to be. 0: `decode` has something
    /// to say, a message or an error.
    pub fn needed(&self, buf: &[u8]) -> usize {
        match self.header(buf) {
            Ok(Header::Partial(more)) => more,
            Ok(Header::Sane(length, _)) => (4 + length).saturating_sub(buf.len()).min(MAX_NEEDED),
            Ok(Header::KeepAlive) | Err(_) => 0,
        }
    }

    fn header(&self, buf: &[u8]) -> Result<Header, WireError> {
        let Some((prefix, rest)) = buf.split_first_chunk::<4>() else {
            return Ok(Header::Partial(4 - buf.len()));
        };
        let length = u32::from_be_bytes(*prefix);
        if length == 0 {
            return Ok(Header::KeepAlive);
        }
        if length as usize > self.max_message {
            return Err(WireError::TooLong { length, max: self.max_message });
        }
        let Some(&id) = rest.first() else {
            return Ok(Header::Partial(1));
        };
        let fits = match id {
            CHOKE | UNCHOKE | INTERESTED | NOT_INTERESTED | HAVE_ALL | HAVE_NONE => length == 1,
            HAVE | SUGGEST | ALLOWED_FAST => length == 5,
            REQUEST | CANCEL | REJECT => length == 13,
            PORT => length == 3,
            BITFIELD => length as usize <= 1 + self.max_bitfield,
            PIECE => (9..=9 + BLOCK_SIZE).contains(&length),
            EXTENDED => length >= 2,
            _ => return Err(WireError::UnknownMessage { id }),
        };
        if fits { Ok(Header::Sane(length as usize, id)) } else { Err(WireError::WrongLength { id, length }) }
    }
}

/// Reads what follows the id; `header` has checked that the length fits.
fn body(id: u8, mut body: BytesMut) -> Result<Message, WireError> {
    Ok(match id {
        CHOKE => Message::Choke,
        UNCHOKE => Message::Unchoke,
        INTERESTED => Message::Interested,
        NOT_INTERESTED => Message::NotInterested,
        HAVE => Message::Have(body.get_u32()),
        BITFIELD => Message::Bitfield(body.freeze()),
        REQUEST => Message::Request { index: body.get_u32(), begin: body.get_u32(), length: body.get_u32() },
        PIECE => Message::Piece { index: body.get_u32(), begin: body.get_u32(), data: body.freeze() },
        CANCEL => Message::Cancel { index: body.get_u32(), begin: body.get_u32(), length: body.get_u32() },
        PORT => Message::Port(body.get_u16()),
        SUGGEST => Message::Suggest(body.get_u32()),
        HAVE_ALL => Message::HaveAll,
        HAVE_NONE => Message::HaveNone,
        REJECT => Message::Reject { index: body.get_u32(), begin: body.get_u32(), length: body.get_u32() },
        ALLOWED_FAST => Message::AllowedFast(body.get_u32()),
        EXTENDED => Message::Extended { id: body.get_u8(), payload: body.freeze() },
        _ => return Err(WireError::UnknownMessage { id }),
    })
}

/// Appends the wire form. The data of a piece is copied; a link that sends blocks writes
/// [`piece_header`] and then the data itself.
pub fn encode(message: &Message, out: &mut BytesMut) {
    match message {
        Message::KeepAlive => out.put_u32(0),
        Message::Choke => start(out, CHOKE, 0),
        Message::Unchoke => start(out, UNCHOKE, 0),
        Message::Interested => start(out, INTERESTED, 0),
        Message::NotInterested => start(out, NOT_INTERESTED, 0),
        Message::Have(index) => numbers(out, HAVE, &[*index]),
        Message::Bitfield(bits) => {
            start(out, BITFIELD, bits.len());
            out.put_slice(bits);
        }
        Message::Request { index, begin, length } => numbers(out, REQUEST, &[*index, *begin, *length]),
        Message::Piece { index, begin, data } => {
            start(out, PIECE, 8 + data.len());
            out.put_u32(*index);
            out.put_u32(*begin);
            out.put_slice(data);
        }
        Message::Cancel { index, begin, length } => numbers(out, CANCEL, &[*index, *begin, *length]),
        Message::Port(port) => {
            start(out, PORT, 2);
            out.put_u16(*port);
        }
        Message::Suggest(index) => numbers(out, SUGGEST, &[*index]),
        Message::HaveAll => start(out, HAVE_ALL, 0),
        Message::HaveNone => start(out, HAVE_NONE, 0),
        Message::Reject { index, begin, length } => numbers(out, REJECT, &[*index, *begin, *length]),
        Message::AllowedFast(index) => numbers(out, ALLOWED_FAST, &[*index]),
        Message::Extended { id, payload } => {
            start(out, EXTENDED, 1 + payload.len());
            out.put_u8(*id);
            out.put_slice(payload);
        }
    }
}

/// What precedes the data of a piece message, so that the data can be written from where it lies.
/// `length` is the number of bytes of data, at most a request's worth.
pub fn piece_header(index: u32, begin: u32, length: u32) -> [u8; PIECE_HEADER] {
    let mut header = [0; PIECE_HEADER];
    header[..4].copy_from_slice(&(9 + length).to_be_bytes());
    header[4] = PIECE;
    header[5..9].copy_from_slice(&index.to_be_bytes());
    header[9..].copy_from_slice(&begin.to_be_bytes());
    header
}

fn start(out: &mut BytesMut, id: u8, payload: usize) {
    let length = u32::try_from(1 + payload).expect("messages are made here and are short");
    out.reserve(4 + 1 + payload);
    out.put_u32(length);
    out.put_u8(id);
}

fn numbers(out: &mut BytesMut, id: u8, numbers: &[u32]) {
    start(out, id, 4 * numbers.len());
    numbers.iter().for_each(|number| out.put_u32(*number));
}
