//! Messages that carry metadata: what is read is what was said.

use bytes::Bytes;
use tc_core::wire::ut_metadata::{PIECE_SIZE, UtMetadata};

pub fn check(bytes: &[u8]) {
    let payload = Bytes::copy_from_slice(bytes);
    let Some(message) = UtMetadata::parse(&payload) else { return };
    if let UtMetadata::Data { data, .. } = &message {
        assert!(data.len() <= PIECE_SIZE as usize && bytes.ends_with(data));
    }
    assert_eq!(UtMetadata::parse(&message.encode()), Some(message));
}
