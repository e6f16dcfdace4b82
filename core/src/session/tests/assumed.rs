//! Torrents whose data a person says is there: whole engines on loopback.

use super::*;
use crate::bitfield::Bitfield;
use crate::types::PieceIndex;

fn pieces(wire: &[u8], of: u32) -> Vec<u32> {
    let bits = Bitfield::from_wire(wire, of).unwrap_or_else(|| Bitfield::new(of));
    bits.iter().map(PieceIndex::get).collect()
}

#[test]
fn what_is_assumed_is_hashed_before_it_is_given_and_is_never_saved_as_hashed() {
    let content = content(1_000_000);
    let all = content.len().div_ceil(PIECE) as u32;
    let (honest, assuming, leeching) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    lay_out(honest.path(), &content, SPLIT);
    let mut wrong = content.clone();
    wrong[5 * PIECE + 7] ^= 1;
    lay_out(assuming.path(), &wrong, SPLIT);
    let seeder = engine(honest.path(), 60);
    seeder.add_metainfo(torrent(&content, SPLIT), AddOptions::default()).unwrap();

    let manager = engine(assuming.path(), 61);
    let mut events = manager.subscribe_all("session.* piece.*").unwrap();
    let options = AddOptions { assume_complete: true, ..AddOptions::default() };
    let session = manager.add_metainfo(torrent(&content, SPLIT), options).unwrap();
    wait_for(&session, SessionState::Seeding);
    assert_eq!(session.stats().unwrap().pieces_assumed, all);
    manager.shutdown();
    let kept = record(assuming.path());
    assert_eq!((pieces(&kept.have, all).len(), pieces(&kept.maybe, all).len()), (0, 0));
    assert_eq!(pieces(&kept.assumed, all).len() as u32, all);
    while let Some(Delivery::Event(tagged)) = events.try_next() {
        if let Event::SessionChecked { bytes_hashed, .. } = &*tagged.event {
            assert_eq!(*bytes_hashed, 0);
        }
    }

    // The next run knows that it was only said, and a peer never sees the wrong piece.
    let manager = engine(assuming.path(), 61);
    let session = manager.all().remove(0);
    wait_for(&session, SessionState::Seeding);
    session.add_peer(address(&seeder));
    let leecher = engine(leeching.path(), 62);
    let mut events = leecher.subscribe_all("piece.hash_failed").unwrap();
    let options = AddOptions { peers: vec![address(&manager)], ..AddOptions::default() };
    let leech = leecher.add_metainfo(torrent(&content, SPLIT), options).unwrap();
    wait_for(&leech, SessionState::Seeding);
    assert!(read_back(leeching.path()) == content);
    assert!(events.try_next().is_none(), "nothing wrong was given");
    wait("the piece that was wrong", || session.stats().unwrap().pieces_have == all);
    leecher.shutdown();
    manager.shutdown();
    seeder.shutdown();
    assert!(read_back(assuming.path()) == content);
    let kept = record(assuming.path());
    assert_eq!(pieces(&kept.have, all).len() as u32, all, "all was read, so all was hashed");
    assert_eq!(kept.assumed, [0; 0]);
}
