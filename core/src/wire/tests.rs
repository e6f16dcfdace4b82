//! Round trips, header errors and hostile handshakes.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;

use super::WireError;
use super::handshake::{self, Handshake, Reserved};
use super::message::{Decoder, Message, encode, piece_header};
use crate::types::{BLOCK_SIZE, InfoHash, PeerId};

/// Pieces of the torrent of these tests: a bitfield of 3 bytes.
const PIECES: u32 = 20;

fn decode_all(bytes: &[u8]) -> Result<Vec<Message>, WireError> {
    let (decoder, mut buf) = (Decoder::new(Some(PIECES)), BytesMut::from(bytes));
    std::iter::from_fn(|| decoder.decode(&mut buf).transpose()).collect()
}

fn check(bytes: &[u8], want: &[Message]) {
    assert_eq!(decode_all(bytes), Ok(want.to_vec()), "{bytes:?}");
}

fn check_error(bytes: &[u8]) {
    let got = decode_all(bytes);
    assert!(got.is_err(), "{bytes:?} -> {got:?}");
}

#[test]
fn messages_stand_as_in_the_specification() {
    check(&[0, 0, 0, 0], &[Message::KeepAlive]);
    check(&[0, 0, 0, 1, 0], &[Message::Choke]);
    check(&[0, 0, 0, 5, 4, 0, 0, 1, 2], &[Message::Have(258)]);
    check(&[0, 0, 0, 3, 9, 0x1a, 0xe1], &[Message::Port(6881)]);
    check(&[0, 0, 0, 1, 14], &[Message::HaveAll]);
    let request = Message::Request { index: 1, begin: 0x4000, length: 0x4000 };
    check(&[0, 0, 0, 13, 6, 0, 0, 0, 1, 0, 0, 0x40, 0, 0, 0, 0x40, 0], &[request]);
    let piece = Message::Piece { index: 2, begin: 0, data: Bytes::from_static(b"ab") };
    check(&[0, 0, 0, 11, 7, 0, 0, 0, 2, 0, 0, 0, 0, b'a', b'b'], &[piece]);
    let extended = Message::Extended { id: 0, payload: Bytes::from_static(b"de") };
    check(&[0, 0, 0, 4, 20, 0, b'd', b'e'], &[extended]);
}

#[test]
fn a_wrong_length_is_an_error_at_the_header() {
    check_error(&[0xff; 4]);
    check_error(&[0, 0x20, 0, 0]); // 2 MiB, before the id is there
    check_error(&[0, 0, 0, 2, 0]); // choke with a payload
    check_error(&[0, 0, 0, 4, 4]); // have of 3 bytes
    check_error(&[0, 0, 0, 6, 4]); // have of 5 bytes
    check_error(&[0, 0, 0, 12, 6]); // request without an end
    check_error(&[0, 0, 0, 5, 9]); // port of 4 bytes
    check_error(&[0, 0, 0, 5, 5]); // bitfield of 4 bytes, the torrent needs 3
    check_error(&[0, 0, 0, 8, 7]); // piece without an offset
    check_error(&[0, 0, 0x40, 10, 7]); // piece of 16 KiB and one byte
    check_error(&[0, 0, 0, 1, 20]); // extended without an id
    check_error(&[0, 0, 0, 2, 14]); // have all with a payload
}

#[test]
fn the_largest_of_each_kind_passes() {
    check(&[0, 0, 0, 4, 5, 1, 2, 3], &[Message::Bitfield(Bytes::from_static(&[1, 2, 3]))]);
    let data = Bytes::from(vec![7; BLOCK_SIZE as usize]);
    let mut bytes = piece_header(1, 2, BLOCK_SIZE).to_vec();
    bytes.extend_from_slice(&data);
    check(&bytes, &[Message::Piece { index: 1, begin: 2, data }]);
}

#[test]
fn a_large_torrent_or_an_unknown_one_has_a_large_bitfield() {
    for pieces in [Some(16_000_000), None] {
        let mut buf = BytesMut::from(&[0, 0x0c, 0, 0, 5][..]);
        assert_eq!(Decoder::new(pieces).decode(&mut buf), Ok(None), "{pieces:?}");
    }
}

#[test]
fn an_unknown_message_is_an_error_at_its_header() {
    let decoder = Decoder::new(Some(PIECES));
    // Hash messages (21 to 23) want the v2 bit, which is not set as yet.
    for id in [10, 12, 18, 21, 23, 99, 255] {
        let mut buf = BytesMut::from(&[0, 0, 0, 100, id][..]);
        assert_eq!(decoder.needed(&buf), 0);
        assert_eq!(decoder.decode(&mut buf), Err(WireError::UnknownMessage { id }));
    }
}

#[test]
fn block_data_is_a_view_into_the_receive_buffer() {
    let mut buf = BytesMut::with_capacity(1024);
    buf.extend_from_slice(&piece_header(0, 0, 64));
    buf.extend_from_slice(&[9; 64]);
    let place = buf[13..].as_ptr();
    let Ok(Some(Message::Piece { data, .. })) = Decoder::new(None).decode(&mut buf) else {
        panic!("a piece was sent");
    };
    assert_eq!(data.as_ptr(), place);
}

#[test]
fn needed_completes_the_message_but_not_a_large_claim() {
    let needed = |bytes: &[u8]| Decoder::new(Some(PIECES)).needed(bytes);
    assert_eq!(needed(&[]), 4);
    assert_eq!(needed(&[0, 0]), 2);
    assert_eq!(needed(&[0, 0, 0, 5]), 1);
    assert_eq!(needed(&[0, 0, 0, 5, 4]), 4);
    assert_eq!(needed(&piece_header(0, 0, BLOCK_SIZE)), BLOCK_SIZE as usize);
    assert_eq!(needed(&[0, 0, 0, 0]), 0);
    assert_eq!(needed(&[0xff; 4]), 0);
    assert!(needed(&[0, 0x0f, 0, 0, 20]) <= 40_000);
}

#[test]
fn a_handshake_is_answered_after_48_bytes() {
    let ours = Handshake {
        reserved: Reserved::OURS,
        info_hash: InfoHash::new([1; 20]),
        peer_id: PeerId::new(*b"-TC0100-abcdefghijkl"),
    };
    let bytes = ours.encode();
    assert_eq!(&bytes[..20], b"\x13BitTorrent protocol");
    let head: [u8; 48] = bytes[..48].try_into().unwrap();
    assert_eq!(handshake::prefix(&head), Ok((Reserved::OURS, InfoHash::new([1; 20]))));
    assert_eq!(Handshake::decode(&bytes), Ok(ours));
}

#[test]
fn another_protocol_is_refused_from_its_first_byte() {
    for start in [&b"GET / HTTP/1.1\r\n"[..], b"\0", b"\x13bitTorrent", b"\x12BitTorrent protoco"] {
        assert!(!handshake::may_be_handshake(start), "{start:?}");
        let mut head = [0; 48];
        head[..start.len()].copy_from_slice(start);
        assert_eq!(handshake::prefix(&head), Err(WireError::NotBitTorrent));
    }
    assert!(handshake::may_be_handshake(b"") && handshake::may_be_handshake(b"\x13BitT"));
}

#[test]
fn reserved_bits_have_their_places() {
    let bits = |byte: usize, bit: u8| {
        let mut bytes = [0; 8];
        bytes[byte] = bit;
        Reserved::new(bytes)
    };
    assert!(bits(5, 0x10).extensions() && bits(7, 0x01).dht() && bits(7, 0x04).fast() && bits(7, 0x10).v2());
    assert!(Reserved::OURS.extensions() && Reserved::OURS.fast() && !Reserved::OURS.dht());
    let theirs = Reserved::new([0xff; 8]);
    assert_eq!(theirs.and(Reserved::OURS), Reserved::OURS);
}

fn any_bytes(max: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..=max).prop_map(Bytes::from)
}

fn any_message() -> impl Strategy<Value = Message> {
    let three = any::<(u32, u32, u32)>();
    prop_oneof![
        Just(Message::KeepAlive),
        Just(Message::Choke),
        Just(Message::Unchoke),
        Just(Message::Interested),
        Just(Message::NotInterested),
        Just(Message::HaveAll),
        Just(Message::HaveNone),
        any::<u32>().prop_map(Message::Have),
        any::<u32>().prop_map(Message::Suggest),
        any::<u32>().prop_map(Message::AllowedFast),
        any::<u16>().prop_map(Message::Port),
        any_bytes(3).prop_map(Message::Bitfield),
        three.prop_map(|(index, begin, length)| Message::Request { index, begin, length }),
        three.prop_map(|(index, begin, length)| Message::Cancel { index, begin, length }),
        three.prop_map(|(index, begin, length)| Message::Reject { index, begin, length }),
        (any::<u8>(), any_bytes(200)).prop_map(|(id, payload)| Message::Extended { id, payload }),
        (any::<(u32, u32)>(), any_bytes(200)).prop_map(|((index, begin), data)| Message::Piece {
            index,
            begin,
            data
        }),
    ]
}

/// Decodes a stream that arrives in parts of these sizes, over and over.
fn decode_in_parts(bytes: &[u8], sizes: &[usize]) -> (Vec<Message>, Option<WireError>) {
    let (decoder, mut buf, mut out) = (Decoder::new(Some(PIECES)), BytesMut::new(), Vec::new());
    let (mut rest, mut sizes) = (bytes, sizes.iter().cycle());
    loop {
        let needed = decoder.needed(&buf);
        match decoder.decode(&mut buf) {
            Ok(Some(message)) => {
                assert_eq!(needed, 0, "a message was there and more was wanted");
                out.push(message);
                continue;
            }
            Ok(None) => assert!(needed > 0, "nothing was there and nothing was wanted"),
            Err(error) => return (out, Some(error)),
        }
        if rest.is_empty() {
            return (out, None);
        }
        let (part, later) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
        buf.extend_from_slice(part);
        rest = later;
    }
}

proptest! {
    #[test]
    fn messages_read_back_however_they_are_cut(
        messages in vec(any_message(), 0..20),
        sizes in vec(1_usize..300, 1..10),
    ) {
        let mut bytes = BytesMut::new();
        messages.iter().for_each(|message| encode(message, &mut bytes));
        prop_assert_eq!(decode_in_parts(&bytes, &sizes), (messages, None));
    }

    #[test]
    fn no_bytes_panic_and_cutting_changes_nothing(
        bytes in vec(prop_oneof![Just(0), 0..24_u8, any::<u8>()], 0..400),
        sizes in vec(1_usize..50, 1..10),
    ) {
        prop_assert_eq!(decode_in_parts(&bytes, &sizes), decode_in_parts(&bytes, &[usize::MAX]));
    }

    #[test]
    fn piece_header_is_the_start_of_the_message(index: u32, begin: u32, data in any_bytes(50)) {
        let mut whole = BytesMut::new();
        encode(&Message::Piece { index, begin, data: data.clone() }, &mut whole);
        prop_assert_eq!(&whole[..13], &piece_header(index, begin, data.len() as u32));
        prop_assert_eq!(&whole[13..], &data);
    }

    #[test]
    fn handshakes_read_back(reserved: [u8; 8], hash: [u8; 20], id: [u8; 20]) {
        let one = Handshake {
            reserved: Reserved::new(reserved),
            info_hash: InfoHash::new(hash),
            peer_id: PeerId::new(id),
        };
        prop_assert_eq!(Handshake::decode(&one.encode()), Ok(one));
    }
}
