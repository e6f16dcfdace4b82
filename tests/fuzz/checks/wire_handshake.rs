//! Handshakes: the start tells early what cannot be one, and what was read is written alike.

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
}
