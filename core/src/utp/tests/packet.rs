//! Packets as bytes.

use proptest::prelude::*;

use crate::utp::packet::{HEADER, Header, Kind, Packet, is_packet};
use crate::utp::seq::{Micros, Seq};

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Data, Kind::Fin, Kind::State, Kind::Reset, Kind::Syn])
}

fn header() -> impl Strategy<Value = Header> {
    (kind(), any::<(u16, u32, u32, u32, u16, u16)>()).prop_map(
        |(kind, (id, timestamp, difference, window, seq, ack))| Header {
            kind,
            id,
            timestamp: Micros(timestamp),
            difference: Micros(difference),
            window,
            seq: Seq(seq),
            ack: Seq(ack),
        },
    )
}

#[test]
fn looks_as_the_specification_says() {
    let header = Header {
        kind: Kind::Syn,
        id: 0x1234,
        timestamp: Micros(0x0102_0304),
        difference: Micros(0x0506_0708),
        window: 0x0010_0000,
        seq: Seq(1),
        ack: Seq(0),
    };
    let mut out = Vec::new();
    header.write(&mut out);
    assert_eq!(out, b"\x41\x00\x12\x34\x01\x02\x03\x04\x05\x06\x07\x08\x00\x10\x00\x00\x00\x01\x00\x00");
    assert!(is_packet(&out) && !is_packet(&out[..HEADER - 1]));
    for other in [&b"d1:ad2:id20:aaaaaaaaaaaaaaaaaaaae"[..], &[0; 20], &[0x51; 20], &[0x42; 20]] {
        assert!(!is_packet(other));
    }
    out.clear();
    Header { kind: Kind::State, ..header }.write_with_sack(&[1, 0, 0, 0x80], &mut out);
    assert_eq!((out[0], &out[1..2], &out[HEADER..]), (0x21, &[1][..], &[0, 4, 1, 0, 0, 0x80][..]));
}

#[test]
fn extensions_that_are_cut_off_or_unknown() {
    let mut packet = b"\x01\x01\x12\x34\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    assert_eq!(Packet::decode(&packet), None, "no extension where one was announced");
    packet.extend_from_slice(&[2, 4, 0xff, 0, 0, 0]);
    assert_eq!(Packet::decode(&packet), None, "and another, which is not there");
    packet.extend_from_slice(&[0, 8, 0, 0, 0, 0, 0, 0, 0, 0, b'x']);
    let decoded = Packet::decode(&packet).unwrap();
    assert_eq!((decoded.sack, decoded.payload), (&[0xff, 0, 0, 0][..], &b"x"[..]));
    // 64 kB of chain is read through once, and says nothing.
    let mut chain = packet[..HEADER].to_vec();
    for _ in 0..30_000 {
        chain.extend_from_slice(&[1, 0]);
    }
    chain.extend_from_slice(&[0, 0]);
    assert_eq!(Packet::decode(&chain).unwrap().payload, b"");
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        header in header(),
        padding in 0..1500_usize,
        mask in prop::collection::vec(any::<[u8; 4]>(), 0..63),
        payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let padding = if padding == 1 { 0 } else { padding };
        let mut out = Vec::new();
        header.write_with_padding(padding, &mut out);
        prop_assert_eq!(out.len(), HEADER + padding);
        out.extend_from_slice(&payload);
        let packet = Packet::decode(&out).unwrap();
        prop_assert_eq!((packet.header, packet.sack, packet.payload), (header, &[][..], &payload[..]));
        let mask = mask.concat();
        out.clear();
        header.write_with_sack(&mask, &mut out);
        prop_assert_eq!(Packet::decode(&out).unwrap().sack, &mask[..]);
    }

    #[test]
    fn anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(packet) = Packet::decode(&bytes) {
            prop_assert!(packet.payload.len() + packet.sack.len() + HEADER <= bytes.len());
            prop_assert!(is_packet(&bytes));
        }
    }
}

#[test]
fn masks_of_any_length_count_as_libtorrent_sends_them() {
    for mask in [&[0x03][..], &[0xff, 0x07], &[0xff, 0xff, 0x03], &[0xff, 0xff, 0xff, 0xff, 0x01], &[]] {
        let mut datagram = vec![0x21, 1];
        datagram.resize(HEADER, 0);
        datagram.extend_from_slice(&[0, mask.len() as u8]);
        datagram.extend_from_slice(mask);
        assert_eq!(Packet::decode(&datagram).unwrap().sack, mask);
    }
}
