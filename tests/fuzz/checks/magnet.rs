//! Magnet links and bare info-hashes: what is read is within bounds, is read again from what it prints, and
//! prints no character that a terminal obeys.

use tc_core::magnet::Magnet;
use tc_core::untrusted::is_harmful;

pub fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for link in [Magnet::parse(text).ok(), Magnet::of_hash(text)].into_iter().flatten() {
        assert!(link.info_hash_v1.is_some() || link.info_hash_v2.is_some());
        assert!(link.trackers.len() <= 1_000 && link.peers.len() <= 100 && link.named_peers.len() <= 100);
        assert!(!link.shown_name().to_string().chars().any(is_harmful));
        if let Some(select) = &link.select {
            assert!(select.others(100).len() < 100, "all files are unwanted");
        }
        let printed = link.to_string();
        assert!(printed.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(Magnet::parse(&printed).as_ref(), Ok(&link));
        let mut twice = link.clone();
        twice.merge(&link);
        assert_eq!(twice, link);
    }
}
