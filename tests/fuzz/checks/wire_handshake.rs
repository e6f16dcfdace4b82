//! Handshakes: the start tells early what cannot be one, what was read is written alike, and the name
//! that a peer's id makes is harmless.

use tc_core::peer::client;
use tc_core::wire::handshake::{Handshake, LEN, PREFIX_LEN, may_be_handshake, prefix};

pub fn check(bytes: &[u8]) {
    let promising = may_be_handshake(bytes);
    assert!((0..bytes.len()).all(|end| !promising || may_be_handshake(&bytes[..end])));
    if let Some(head) = bytes.first_chunk::<PREFIX_LEN>() {
        assert_eq!(prefix(head).is_ok(), promising);
    }
    let Some(whole) = bytes.first_chunk::<LEN>() else { return };
    let Ok(handshake) = Handshake::decode(whole) else {
        assert!(!promising);
        return;
    };
    assert_eq!(handshake.encode(), *whole);
    let name = client::name(&handshake.peer_id, None);
    assert!(!name.is_empty());
    assert_eq!(name.to_string(), name.raw());
}
