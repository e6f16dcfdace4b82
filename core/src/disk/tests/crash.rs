//! Power cuts: whatever of the unsynced is lost, a record claims only what is there.

use std::io;
use std::path::Path;
use std::sync::{Mutex, mpsc};

use super::power_cut::{Cuttable, Dice};
use super::*;
use crate::resume::{ResumeRecord, trusted};
use crate::storage::{DirSync, OpenFor, Opened};

const ROUNDS: u64 = 150;

/// Pieces whose every byte on the disk is right.
fn valid(torrent: &Torrent) -> Bitfield {
    let geometry = *torrent.storage.geometry();
    let layout = torrent.storage.layout();
    let files: Vec<_> = (0..layout.files().len())
        .map(|at| {
            if layout.files()[at].pad {
                None
            } else {
                Some(fs::read(torrent.path(at)).or_else(|_| fs::read(part(torrent, at))).unwrap_or_default())
            }
        })
        .collect();
    let mut valid = Bitfield::new(geometry.pieces());
    for piece in geometry.all_pieces() {
        let right = layout.piece_spans(piece).all(|span| {
            let Some(data) = &files[span.file] else { return true };
            let (from, to) = (span.offset as usize, (span.offset + span.length) as usize);
            let offset = layout.files()[span.file].offset as usize;
            data.get(from..to) == Some(&torrent.content[offset + from..offset + to])
        });
        if right {
            valid.set(piece);
        }
    }
    valid
}

/// What a file is called that is not complete, if it has another name then.
fn part(torrent: &Torrent, file: usize) -> PathBuf {
    let layout = torrent.storage.layout();
    layout.part_name(file).map_or_else(|| layout.path(file), |part| torrent.root.join(part))
}

/// Downloads in an order of the dice, syncing now and then, until the power goes; then says what the last
/// record claims, and whether all of that is there.
async fn round(dice: &mut Dice, backend: Arc<Cuttable>, part_names: bool) -> (Torrent, ResumeRecord, bool) {
    let lengths: Vec<i64> = (0..1 + dice.below(4))
        .map(|_| match dice.below(6) {
            0 => 0,
            1 => -(dice.below(20_000) as i64) - 1,
            _ => dice.below(150_000) as i64 + 1,
        })
        .chain([40_000])
        .collect();
    let torrent = Torrent::over(backend.clone(), &lengths, 16_384 << dice.below(3), 16);
    if part_names {
        torrent.disk.use_part_names(true);
        torrent.check_all().await;
    }
    let geometry = *torrent.storage.geometry();
    let mut pieces: Vec<_> = geometry.all_pieces().collect();
    dice.shuffle(&mut pieces);
    let mut record = ResumeRecord::default();
    let mut told = |done, on| {
        // What is known before the power goes is saved before it goes, at the worst.
        if let DiskDone::Synced { have, files } = done
            && on
        {
            let maybe = Bitfield::new(have.len()).to_wire();
            record = ResumeRecord { have: have.to_wire(), maybe, files, ..ResumeRecord::default() };
        }
    };
    for some in pieces.chunks(3) {
        let mut blocks: Vec<_> = some.iter().flat_map(|piece| geometry.blocks(*piece)).collect();
        dice.shuffle(&mut blocks);
        for block in blocks {
            torrent.write(block).await;
            if dice.one_in(5) {
                torrent.disk.sync(&torrent.storage);
            }
            if dice.one_in(3) {
                tokio::task::yield_now().await;
            }
            while let Some(done) = torrent.storage.try_done() {
                told(done, backend.is_on());
            }
        }
    }
    torrent.disk.close(&torrent.storage);
    loop {
        match torrent.done().await {
            DiskDone::Closed => break,
            done => told(done, backend.is_on()),
        }
    }
    backend.cut(&torrent.root, dice);
    let valid = valid(&torrent);
    let claimed =
        Bitfield::from_wire(&record.have, valid.len()).unwrap_or_else(|| Bitfield::new(valid.len()));
    let holds = !claimed.has_any_without(&valid);
    (torrent, record, holds)
}

#[tokio::test]
async fn what_is_claimed_outlives_a_power_cut() {
    outlives(false).await;
}

#[tokio::test]
async fn what_is_claimed_outlives_a_power_cut_and_what_has_its_name_is_whole() {
    outlives(true).await;
}

async fn outlives(part_names: bool) {
    let mut claims = 0;
    for seed in 0..ROUNDS {
        let mut dice = Dice(seed);
        let calls = 1 + dice.below(60);
        let (mut torrent, record, holds) = round(&mut dice, Cuttable::new(calls), part_names).await;
        assert!(holds, "round {seed}: claimed and not there");
        let layout = torrent.storage.layout();
        for at in (0..layout.files().len()).filter(|at| part_names && layout.part_name(*at).is_some()) {
            let entry = &layout.files()[at];
            let want = &torrent.content[entry.offset as usize..(entry.offset + entry.length) as usize];
            assert!(fs::read(torrent.path(at)).is_ok_and(|data| data == want) || !torrent.path(at).exists());
        }
        claims += record.have.iter().map(|bits| bits.count_ones()).sum::<u32>();
        // The next run finds no less than was claimed, no more than is there, and goes on to the end.
        let valid = valid(&torrent);
        torrent.disk = Disk::start(2, 1 << 20, 16).unwrap();
        torrent.reopen();
        torrent.disk.check(&torrent.storage, trusted(&record, torrent.storage.layout()));
        let checked = torrent.done().await;
        let DiskDone::Checked { bytes_hashed } = checked else { panic!("round {seed}: {checked:?}") };
        // At most what was claimed, where the cut gave a complete file a new time stamp: no piece of which
        // nothing is known is looked at.
        if let Some(claimed) = Bitfield::from_wire(&record.have, valid.len()) {
            let geometry = torrent.storage.geometry();
            let most: u64 = claimed.iter().map(|piece| u64::from(geometry.piece_size(piece))).sum();
            assert!(bytes_hashed <= most, "round {seed}: {bytes_hashed} bytes hashed, {most} claimed");
        }
        let found = torrent.storage.verified();
        assert!(!found.has_any_without(&valid), "round {seed}: taken for good and not there");
        if let Some(claimed) = Bitfield::from_wire(&record.have, found.len()) {
            assert!(!claimed.has_any_without(&found), "round {seed}: claimed and not found");
        }
        for piece in torrent.storage.geometry().all_pieces().filter(|piece| !found.get(*piece)) {
            torrent.write_piece(piece.get()).await;
            let done = loop {
                match torrent.done().await {
                    DiskDone::Named => {}
                    done => break done,
                }
            };
            assert_eq!(done, DiskDone::Verified { piece }, "round {seed}");
        }
        torrent.disk.name_files(&torrent.storage);
        torrent.disk.close(&torrent.storage);
        while torrent.done().await != DiskDone::Closed {}
        torrent.assert_files();
    }
    // Naming takes some of the calls until the cut.
    let least = if part_names { 200 } else { 500 };
    assert!(claims > least, "records claim something: {claims}");
}

/// The test above can fail.
#[tokio::test]
async fn a_disk_that_does_not_sync_is_found_out() {
    let mut broken = 0;
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let calls = 1 + dice.below(60);
        let (_, _, holds) = round(&mut dice, Cuttable::lying(calls), false).await;
        broken += u32::from(!holds);
    }
    assert!(broken > 5, "only {broken} of 20");
}

/// A worker that makes a file waits at once after it, and what folders are synced is noted.
#[derive(Debug)]
struct Lingering {
    /// One word when the file is there.
    made: mpsc::SyncSender<()>,
    /// Until something comes, or nothing can come any more.
    go_on: Mutex<mpsc::Receiver<()>>,
    synced: Mutex<Vec<DirSync>>,
}

impl Backend for Lingering {
    fn open(&self, root: &Path, path: &Path, how: OpenFor) -> io::Result<Opened> {
        let opened = System.open(root, path, how)?;
        if opened.created {
            self.made.send(()).unwrap();
            let _ = self.go_on.lock().unwrap().recv();
        }
        Ok(opened)
    }

    fn sync_folder(&self, root: &Path, folder: &DirSync) -> io::Result<()> {
        self.synced.lock().unwrap().push(folder.clone());
        System.sync_folder(root, folder)
    }
}

#[tokio::test]
async fn what_is_written_to_a_file_that_another_worker_is_just_making_is_claimed_with_its_name() {
    let ((made, is_made), (go_on, wait)) = (mpsc::sync_channel(1), mpsc::sync_channel(1));
    let backend = Arc::new(Lingering { made, go_on: Mutex::new(wait), synced: Mutex::default() });
    let torrent = Torrent::over(backend.clone(), &[32_768], 16_384, 16);
    // Each piece has a worker of its own. The first makes the file and has not said so yet.
    torrent.write_piece(0).await;
    is_made.recv_timeout(Duration::from_secs(20)).unwrap();
    torrent.write_piece(1).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(1) });
    torrent.disk.sync(&torrent.storage);
    let DiskDone::Synced { have, .. } = torrent.done().await else { panic!("not synced") };
    assert_eq!(have.iter().map(PieceIndex::get).collect::<Vec<_>>(), [1]);
    let synced = std::mem::take(&mut *backend.synced.lock().unwrap());
    drop(go_on);
    let mut name = DirSync::for_created(Path::new("0"));
    assert!(name.all(|folder| synced.contains(&folder)), "{synced:?}: the file's name may be lost");
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(0) });
    torrent.assert_files();
}
