//! Hints of what was hashed since the last record.

use super::*;

const PIECES: usize = 80;

/// A record of 80 pieces that claims the first and doubts the second.
fn record() -> ResumeRecord {
    let mut record =
        ResumeRecord { have: vec![0; PIECES / 8], maybe: vec![0; PIECES / 8], ..super::record(1) };
    record.have[0] = 0b1000_0000;
    record.maybe[0] = 0b0100_0000;
    record
}

/// A state folder with such a torrent.
fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (store, _, _) = StateStore::open(folder.path()).unwrap();
    store.add(hash(1), torrent(1), record());
    store.close();
    folder
}

/// A run that notes these pieces and is killed: what is posted after is not saved.
fn killed(folder: &Path, pieces: &[u32]) {
    let copy = tempfile::tempdir().unwrap();
    let (store, _, problems) = StateStore::open(folder).unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    let journal = store.journal(hash(1));
    pieces.iter().for_each(|piece| journal.hashed(PieceIndex::new(*piece)));
    fs::copy(folder.join("journal"), copy.path().join("journal")).unwrap();
    store.close();
    fs::copy(copy.path().join("journal"), folder.join("journal")).unwrap();
}

/// `maybe` as the next run finds it.
fn maybe(folder: &Path) -> Vec<u32> {
    let (_store, list, problems) = StateStore::open(folder).unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    let maybe = &list[0].record.as_ref().unwrap().maybe;
    (0..8 * maybe.len() as u32).filter(|at| maybe[*at as usize / 8] & (0x80 >> (at % 8)) != 0).collect()
}

fn journal_length(folder: &Path) -> u64 {
    fs::metadata(folder.join("journal")).unwrap().len()
}

#[test]
fn what_was_hashed_since_the_last_record_is_looked_at() {
    let folder = filled();
    killed(folder.path(), &[9, 79, 0, 1, 80, u32::MAX]);
    assert_eq!(maybe(folder.path()), [1, 9, 79]);
    // The first start after it has saved them.
    assert_eq!(journal_length(folder.path()), 0);
    assert_eq!(maybe(folder.path()), [1, 9, 79]);
}

#[test]
fn two_kills_in_a_row_lose_no_hint() {
    let folder = filled();
    killed(folder.path(), &[9]);
    let first = fs::read(folder.path().join("journal")).unwrap();
    killed(folder.path(), &[10]);
    let second = fs::read(folder.path().join("journal")).unwrap();
    fs::write(folder.path().join("journal"), [first, second].concat()).unwrap();
    assert_eq!(maybe(folder.path()), [1, 9, 10]);
}

#[tokio::test]
async fn a_record_takes_up_the_hints_that_it_holds() {
    let folder = filled();
    let (store, _, _) = StateStore::open(folder.path()).unwrap();
    let journal = store.journal(hash(1));
    [9, 10].into_iter().for_each(|piece| journal.hashed(PieceIndex::new(piece)));
    let two = journal_length(folder.path());
    let mut newer = record();
    newer.have[1] = 0b0100_0000;
    store.put(hash(1), newer.clone());
    store.flush().await.unwrap();
    assert_eq!(journal_length(folder.path()), two, "piece 10 is in no record");
    newer.maybe[1] = 0b0010_0000;
    store.put(hash(1), newer);
    store.flush().await.unwrap();
    assert_eq!(journal_length(folder.path()), 0);
    journal.hashed(PieceIndex::new(11));
    store.remove(hash(1));
    store.flush().await.unwrap();
    assert_eq!(journal_length(folder.path()), 0, "the torrent is gone");
}

#[tokio::test]
async fn a_journal_that_is_mostly_old_is_written_anew() {
    let folder = filled();
    let (store, _, _) = StateStore::open(folder.path()).unwrap();
    let (journal, late) = (store.journal(hash(1)), PieceIndex::new(70));
    for _ in 0..4_000 {
        journal.hashed(PieceIndex::new(9));
    }
    journal.hashed(late);
    let mut newer = record();
    newer.have[1] = 0b0100_0000;
    store.put(hash(1), newer);
    store.flush().await.unwrap();
    assert!(journal_length(folder.path()) < 100);
    journal.hashed(PieceIndex::new(71));
    let bytes = fs::read(folder.path().join("journal")).unwrap();
    store.close();
    fs::write(folder.path().join("journal"), bytes).unwrap();
    assert_eq!(maybe(folder.path()), [1, 70, 71]);
}

#[test]
fn a_journal_that_cannot_be_used_is_done_without() {
    let folder = filled();
    fs::remove_file(folder.path().join("journal")).unwrap();
    fs::create_dir(folder.path().join("journal")).unwrap();
    let (store, list, problems) = StateStore::open(folder.path()).unwrap();
    assert_eq!((list.len(), problems.len()), (1, 1));
    store.journal(hash(1)).hashed(PieceIndex::new(9));
}

proptest! {
    /// After a power cut anything may be in it. A hint that is whole is no harm.
    #[test]
    fn a_damaged_journal_never_costs_a_record(
        noted in proptest::collection::vec(0_u32..80, 0..6),
        damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..20),
        cut in any::<prop::sample::Index>(),
        more: Vec<u8>,
    ) {
        let folder = filled();
        killed(folder.path(), &noted);
        let path = folder.path().join("journal");
        let mut bytes = fs::read(&path).unwrap();
        for (at, byte) in damage {
            let length = bytes.len().max(1);
            if let Some(there) = bytes.get_mut(at % length) {
                *there = byte;
            }
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        bytes.extend(more);
        fs::write(&path, bytes).unwrap();
        let found = maybe(folder.path());
        prop_assert!(found.contains(&1));
        prop_assert!(found.iter().all(|piece| *piece == 1 || noted.contains(piece)), "{:?}", found);
    }
}
