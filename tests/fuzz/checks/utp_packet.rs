//! Packets of uTP: reading them never panics, and what is read can be written and read again.

use tc_core::utp::packet::{HEADER, Packet, is_packet};

pub fn check(bytes: &[u8]) {
    let Some(packet) = Packet::decode(bytes) else { return };
    assert!(is_packet(bytes));
    assert!(HEADER + packet.sack.len() + packet.payload.len() <= bytes.len());
    let mut again = Vec::new();
    match packet.sack.len() {
        1..=252 => packet.header.write_with_sack(packet.sack, &mut again),
        _ => packet.header.write(&mut again),
    }
    again.extend_from_slice(packet.payload);
    assert_eq!(Packet::decode(&again), Some(packet));
}
