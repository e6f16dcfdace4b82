//! Pieces that count as there because a person said so.

use super::*;

/// Everything is there and nobody looks.
fn plan(torrent: &Torrent) -> CheckPlan {
    let geometry = torrent.storage.geometry();
    let none = Bitfield::new(geometry.pieces());
    CheckPlan { assume: Bitfield::full(geometry.pieces()), ..CheckPlan::new(none.clone(), none) }
}

/// A torrent of four pieces in two files, laid out by somebody else.
async fn laid_out() -> Torrent {
    let mut torrent = Torrent::new(&[40_000, -1_000, 24_000], 16_384);
    torrent.fill().await;
    torrent.disk.close(&torrent.storage);
    torrent.reopen();
    torrent
}

fn spoil(torrent: &Torrent, file: usize, at: usize) {
    let mut bytes = fs::read(torrent.path(file)).unwrap();
    bytes[at] ^= 1;
    fs::write(torrent.path(file), bytes).unwrap();
}

async fn synced(torrent: &Torrent) -> Vec<u32> {
    torrent.disk.sync(&torrent.storage);
    let DiskDone::Synced { have, .. } = torrent.done().await else { panic!("not synced") };
    have.iter().map(PieceIndex::get).collect()
}

#[tokio::test]
async fn a_piece_is_hashed_when_it_is_first_read_and_only_then_claimed() {
    let torrent = laid_out().await;
    assert_eq!(torrent.check(plan(&torrent)).await, 0, "nothing is hashed");
    assert_eq!((torrent.have(), torrent.storage.assumed_count()), (vec![0, 1, 2, 3], 4));
    assert_eq!(synced(&torrent).await, [0; 0]);
    torrent.read(2, 100, 50).await.unwrap();
    torrent.read(2, 0, 50).await.unwrap();
    assert!(torrent.storage.assumed().iter().map(PieceIndex::get).eq([0, 1, 3]));
    assert_eq!(synced(&torrent).await, [2]);
    torrent.assert_reads().await;
    assert_eq!(torrent.storage.assumed_count(), 0);
    assert_eq!(synced(&torrent).await, [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_wrong_piece_is_given_to_nobody_and_is_missing_from_then_on() {
    let torrent = laid_out().await;
    spoil(&torrent, 0, 20_000);
    torrent.check(plan(&torrent)).await;
    // Not from the part that is wrong.
    assert_eq!(torrent.read(1, 10_000, 100).await, Err(DiskError::Unverified));
    assert_eq!(torrent.done().await, DiskDone::Refuted { piece: PieceIndex::new(1) });
    assert_eq!(torrent.read(1, 10_000, 100).await, Err(DiskError::Unverified));
    assert_eq!((torrent.have(), torrent.storage.assumed_count()), (vec![0, 2, 3], 3));
    torrent.write_piece(1).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(1) });
    assert_eq!(synced(&torrent).await, [1]);
    torrent.assert_reads().await;
    torrent.assert_files();
}

#[tokio::test]
async fn a_file_of_another_size_is_hashed_and_one_that_is_not_there_is_missing() {
    let torrent = laid_out().await;
    fs::OpenOptions::new().write(true).open(torrent.path(0)).unwrap().set_len(39_000).unwrap();
    // Pieces 0 to 2 have bytes of the short file, 2 and 3 of the other one.
    assert_eq!(torrent.check(plan(&torrent)).await, 2 * 16_384);
    assert_eq!((torrent.have(), torrent.storage.assumed_count()), (vec![0, 1, 3], 1));
    let mut torrent = torrent;
    fs::remove_file(torrent.path(2)).unwrap();
    torrent.reopen();
    torrent.check(plan(&torrent)).await;
    assert_eq!((torrent.have(), torrent.storage.assumed_count()), (vec![0, 1], 0));
}

#[tokio::test]
async fn a_restart_still_assumes_where_files_look_as_they_did() {
    let mut torrent = laid_out().await;
    torrent.check(plan(&torrent)).await;
    torrent.read(0, 0, 10).await.unwrap();
    torrent.disk.sync(&torrent.storage);
    let DiskDone::Synced { have, files } = torrent.done().await else { panic!("not synced") };
    let assume = torrent.storage.assumed();
    let none = Bitfield::new(4);
    let later = CheckPlan { assume, stamps: files, ..CheckPlan::new(have, none) };
    torrent.reopen();
    assert_eq!(torrent.check(later.clone()).await, 0);
    assert_eq!((torrent.have(), torrent.storage.assumed_count()), (vec![0, 1, 2, 3], 3));
    // The other file has another time now.
    spoil(&torrent, 2, 0);
    torrent.reopen();
    assert_eq!(torrent.check(later).await, 16_384 + 65_000 - 3 * 16_384);
    assert_eq!((torrent.have(), torrent.storage.assumed_count()), (vec![0, 1, 3], 1));
}

#[tokio::test]
async fn a_full_check_hashes_what_was_assumed() {
    let torrent = laid_out().await;
    torrent.check(plan(&torrent)).await;
    assert_eq!(torrent.check_all().await, 65_000);
    assert_eq!((torrent.have(), torrent.storage.assumed_count()), (vec![0, 1, 2, 3], 0));
}
