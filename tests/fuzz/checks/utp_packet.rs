//! Packets of uTP: reading them never panics, and what is read can be written and read again.

use tc_core::utp::packet::{HEADER, Packet, is_packet};

pub fn check(bytes: &[u8]) {
    let Some(packet) = Packet::decode(bytes) else { return };
    assert!(is_packet(bytes));
    assert!(HEADER + packet.sack.len() + packet.payload.len() <= bytes.len());
    // Masks of any length are read; ours are whole words.
    let mut mask = packet.sack.to_vec();
    mask.resize(mask.len().next_multiple_of(4), 0);
    mask.truncate(252);
    let mut again = Vec::new();
    if mask.is_empty() {
        packet.header.write(&mut again);
    } else {
        packet.header.write_with_sack(&mask, &mut again);
    }
    again.extend_from_slice(packet.payload);
    assert_eq!(Packet::decode(&again), Some(Packet { sack: &mask, ..packet }));
}
