//! Packets of uTP: reading them never panics, and what is read can be written and read again.

use tc_core::utp::packet::{HEADER, Packet, is_packet};

pub fn check(bytes: &[u8]) {
    let Some(packet) = Packet::decode(bytes) else { return };
    assert!(is_packet(bytes));
    assert!(HEADER + packet.sack.len() + packet.payload.len() <= bytes.len());
    if !packet.sack.len().is_multiple_of(4) || packet.sack.len() > 252 {
        // Others' masks may be of any length; ours are as BEP 29 has them.
        return;
    }
    let mut again = Vec::new();
    if packet.sack.is_empty() {
        packet.header.write(&mut again);
    } else {
        packet.header.write_with_sack(packet.sack, &mut again);
    }
    again.extend_from_slice(packet.payload);
    assert_eq!(Packet::decode(&again), Some(packet));
}
