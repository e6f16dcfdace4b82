//! What a run finds of the last one on disk: whatever became of it, reading it never panics, and what is
//! read is written and read again alike. The first byte says which form it is and whether it gets the
//! checksum that it should have.

use std::sync::Arc;

use bytes::Bytes;
use sha1::{Digest, Sha1};
use tc_core::resume::{
    ResumeRecord, decode_bans, decode_journal, decode_settings, encode_bans, encode_settings, trusted,
};
use tc_core::storage::Layout;
use tc_core::{InfoHash, Metainfo};

const OF: InfoHash = InfoHash::new([7; 20]);

/// Bytes of a journal's entry before its checksum: info-hash and piece.
const NOTED: usize = 24;

pub fn check(bytes: &[u8]) {
    let Some((&form, body)) = bytes.split_first() else { return };
    let genuine = form & 0x80 != 0;
    match form % 4 {
        0 => record(&sealed(genuine, OF.as_bytes(), body)),
        1 => {
            if let Ok(settings) = decode_settings(&sealed(genuine, &[0; 20], body)) {
                assert_eq!(decode_settings(&encode_settings(&settings)), Ok(settings));
            }
        }
        2 => {
            if let Some(bans) = decode_bans(&sealed(genuine, &[], body)) {
                assert_eq!(decode_bans(&encode_bans(&bans)), Some(bans));
            }
        }
        _ => journal(genuine, body),
    }
}

fn record(bytes: &[u8]) {
    let Ok(record) = ResumeRecord::decode(&OF, bytes) else { return };
    assert_eq!(ResumeRecord::decode(&OF, &record.encode(&OF)).as_ref(), Ok(&record));
    assert!(ResumeRecord::decode(&InfoHash::new([8; 20]), bytes).is_err(), "it passes for another torrent's");
    let torrent =
        [&b"d4:infod6:lengthi163840e4:name1:a12:piece lengthi16384e6:pieces200:"[..], &[9; 200], b"ee"];
    let torrent = Metainfo::parse(Bytes::from(torrent.concat())).expect("a torrent");
    let layout = Layout::new(&Arc::new(torrent), "/nowhere");
    let plan = trusted(&record, &layout);
    assert_eq!((plan.trust.len(), plan.hash.len()), (10, 10));
}

fn journal(genuine: bool, body: &[u8]) {
    let entries: Vec<u8> = match genuine {
        true => body.chunks(NOTED).flat_map(|noted| [noted, &Sha1::digest(noted)[..4]].concat()).collect(),
        false => body.to_vec(),
    };
    let noted = decode_journal(&entries);
    let pieces: usize = noted.values().map(Vec::len).sum();
    assert!(pieces <= entries.len() / (NOTED + 4));
    assert!(!genuine || pieces == body.len() / NOTED);
}

/// A value of the store: version, four bytes of checksum, fields. `None` of them where it is not genuine.
fn sealed(genuine: bool, of: &[u8], body: &[u8]) -> Vec<u8> {
    let Some((version, fields)) = body.split_first().filter(|_| genuine) else { return body.to_vec() };
    let sum = Sha1::new().chain_update(of).chain_update([*version]).chain_update(fields).finalize();
    [&[*version], &sum[..4], fields].concat()
}
