//! What is said on the own network: reading it never panics, and what is read is short and can be written and
//! read again.

use tc_core::lsd::{MAX_MESSAGE, Search};

pub fn check(bytes: &[u8]) {
    let Some(read) = Search::parse(bytes) else { return };
    assert!(bytes.len() <= MAX_MESSAGE && read.port > 0);
    assert!((1..=MAX_MESSAGE / 40).contains(&read.info_hashes.len()));
    // A cookie of somebody else's is any bytes; ours is text.
    let ours = Search { cookie: Some(b"0123abcd".to_vec()), ..read };
    let first = Search { info_hashes: ours.info_hashes[..1].to_vec(), ..ours.clone() };
    for v6 in [false, true] {
        assert_eq!(Search::parse(&first.encode(v6)).as_ref(), Some(&first));
    }
}
