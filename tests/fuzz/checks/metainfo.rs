//! No bytes make the torrent parser panic, and what it accepts is sound.

use std::collections::HashSet;
use std::path::Component;

use bytes::Bytes;
use tc_core::Metainfo;

pub fn check(bytes: &[u8]) {
    let Ok(torrent) = Metainfo::parse(Bytes::copy_from_slice(bytes)) else { return };
    let mut end = 0;
    let mut paths = HashSet::new();
    for file in &torrent.files {
        assert_eq!(file.offset, end);
        end += file.length;
        assert!(file.path.components().all(|part| matches!(part, Component::Normal(_))));
        assert!(file.pad || paths.insert(&file.path));
    }
    assert_eq!(end, torrent.geometry.total());
    assert!(torrent.total_size() > 0);
    // What was read reads again: the kept bytes are the torrent without what followed it.
    let again = Metainfo::parse(torrent.torrent_bytes().clone()).expect("it was a torrent");
    assert_eq!(again.info_hash, torrent.info_hash);
}
