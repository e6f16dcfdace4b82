//! Files that are called `NAME.part` until they are complete.

use std::sync::Mutex;

use super::*;
use crate::storage::FileStamp;

/// Pieces 0 and 1 are file 0, piece 2 is shared by 0 and 1, the rest is file 1; file 2 has no bytes.
const LENGTHS: [i64; 3] = [40_000, 50_000, 0];

/// Notes what is done and in which order, and can be made to rename nothing.
#[derive(Debug, Default)]
struct Order {
    done: Mutex<Vec<String>>,
    stuck: AtomicBool,
}

impl Order {
    fn note(&self, what: &str, path: &std::path::Path) {
        let name = path.file_name().unwrap().to_string_lossy();
        self.done.lock().unwrap().push(format!("{what} {name}"));
    }
}

impl Backend for Order {
    fn fdatasync(&self, file: &OpenFile) -> std::io::Result<()> {
        self.note("sync", &file.path);
        System.fdatasync(file)
    }

    fn rename(
        &self,
        from_root: &std::path::Path,
        from: &std::path::Path,
        to_root: &std::path::Path,
        to: &std::path::Path,
    ) -> std::io::Result<()> {
        if self.stuck.load(Ordering::SeqCst) {
            return Err(std::io::Error::from_raw_os_error(5));
        }
        System.rename(from_root, from, to_root, to)?;
        self.note("rename", to);
        Ok(())
    }
}

async fn torrent() -> (Arc<Order>, Torrent) {
    let order = Arc::new(Order::default());
    let torrent = Torrent::over(order.clone(), &LENGTHS, 16_384, 16);
    torrent.disk.use_part_names(true);
    assert_eq!(torrent.check_all().await, 0);
    (order, torrent)
}

impl Torrent {
    async fn get_pieces(&self, pieces: std::ops::Range<u32>) {
        for piece in pieces {
            self.write_piece(piece).await;
            assert_eq!(self.unnamed().await, DiskDone::Verified { piece: PieceIndex::new(piece) });
        }
    }

    /// The next result that is not about names.
    async fn unnamed(&self) -> DiskDone {
        loop {
            match self.done().await {
                DiskDone::Named => {}
                done => return done,
            }
        }
    }

    async fn named(&self) {
        assert_eq!(self.done().await, DiskDone::Named);
        assert!(!self.storage.is_naming());
    }

    fn there(&self) -> Vec<String> {
        let layout = self.storage.layout();
        let names = (0..layout.files().len()).flat_map(|at| [Some(layout.path(at)), self.part(at)]);
        let names = names.flatten().filter(|path| path.exists());
        names.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }

    fn part(&self, file: usize) -> Option<PathBuf> {
        self.storage.layout().part_name(file).map(|part| self.root.join(part))
    }

    async fn synced(&self) -> (Bitfield, Vec<FileStamp>) {
        self.disk.sync(&self.storage);
        match self.unnamed().await {
            DiskDone::Synced { have, files } => (have, files),
            other => panic!("{other:?}"),
        }
    }

    async fn closed(&self) {
        self.disk.close(&self.storage);
        while self.done().await != DiskDone::Closed {}
    }
}

#[tokio::test]
async fn a_file_gets_its_name_when_all_of_it_is_hashed_and_synced() {
    let (order, torrent) = torrent().await;
    torrent.get_pieces(0..2).await;
    assert_eq!(torrent.there(), ["0.part", "2"]);
    torrent.write_piece(2).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(2) });
    torrent.named().await;
    assert_eq!(torrent.there(), ["0", "1.part", "2"]);
    assert_eq!(*order.done.lock().unwrap(), ["sync 0.part", "rename 0"]);
    // Whoever reads or writes finds it under either name.
    torrent.get_pieces(3..6).await;
    torrent.assert_reads().await;
    torrent.synced().await;
    torrent.assert_files();
    assert_eq!(torrent.there(), ["0", "1", "2"]);
    torrent.assert_reads().await;
    // What loses a piece keeps its name, after a look too.
    fs::write(torrent.path(0), [7; 40_000]).unwrap();
    assert!(torrent.read(0, 0, 16_384).await.is_err());
    while torrent.storage.try_done().is_some() {}
    torrent.check_all().await;
    assert_eq!(torrent.there(), ["0", "1", "2"]);
    torrent.closed().await;
}

#[tokio::test]
async fn the_next_run_finds_either_name_whatever_it_wants() {
    for wanted in [true, false] {
        let (_, mut torrent) = torrent().await;
        torrent.get_pieces(0..4).await;
        let (have, stamps) = torrent.synced().await;
        torrent.closed().await;
        assert_eq!(torrent.there(), ["0", "1.part", "2"]);
        torrent.disk.use_part_names(wanted);
        torrent.reopen();
        let none = Bitfield::new(have.len());
        let plan = CheckPlan { stamps, ..CheckPlan::new(have.clone(), none) };
        assert_eq!(torrent.check(plan).await, 0, "nothing is in doubt");
        assert_eq!(torrent.have(), [0, 1, 2, 3]);
        // All of it is hashed where a person asks for it.
        torrent.reopen();
        assert_eq!(torrent.check_all().await, 4 * 16_384);
        torrent.get_pieces(4..6).await;
        torrent.synced().await;
        torrent.assert_files();
        assert_eq!(torrent.there(), ["0", "1", "2"]);
        // A new file is called as this run wants it.
        let fresh = Torrent::new(&LENGTHS, 16_384);
        fresh.disk.use_part_names(wanted);
        fresh.check_all().await;
        fresh.get_pieces(0..1).await;
        assert_eq!(fresh.there(), [if wanted { "0.part" } else { "0" }, "2"]);
    }
}

#[tokio::test]
async fn what_was_complete_before_a_kill_gets_its_name_when_it_is_asked_for() {
    let (order, mut torrent) = torrent().await;
    order.stuck.store(true, Ordering::SeqCst);
    for piece in 0..6 {
        torrent.write_piece(piece).await;
    }
    torrent.closed().await;
    assert_eq!(torrent.there(), ["0.part", "1.part", "2"]);
    order.stuck.store(false, Ordering::SeqCst);
    torrent.disk.use_part_names(false);
    torrent.reopen();
    torrent.check_all().await;
    // A look alone changes nothing.
    assert_eq!(torrent.there(), ["0.part", "1.part", "2"]);
    torrent.disk.name_files(&torrent.storage);
    torrent.named().await;
    torrent.assert_files();
    assert_eq!(torrent.there(), ["0", "1", "2"]);
    torrent.disk.name_files(&torrent.storage);
    torrent.assert_reads().await;
    assert_eq!(torrent.storage.try_done(), None, "there is nothing to name");
}

#[tokio::test]
async fn what_has_the_name_already_is_neither_replaced_nor_taken_for_the_file() {
    let (_, mut torrent) = torrent().await;
    torrent.get_pieces(0..2).await;
    let own = torrent.storage.layout().path(0);
    fs::write(&own, "precious").unwrap();
    torrent.write_piece(2).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(2) });
    assert_eq!(error(torrent.done().await), (Op::Write, DiskError::InTheWay));
    torrent.named().await;
    // A sync tries again, and claims what is there.
    torrent.disk.sync(&torrent.storage);
    assert_eq!(error(torrent.done().await), (Op::Write, DiskError::InTheWay));
    let DiskDone::Synced { have, files: stamps } = torrent.done().await else { panic!("not synced") };
    assert_eq!(have.ones(), 3);
    // The same on demand, and in the next run.
    torrent.check_all().await;
    assert_eq!(torrent.have(), [0, 1, 2]);
    torrent.reopen();
    let none = Bitfield::new(have.len());
    let plan = CheckPlan { stamps, ..CheckPlan::new(have.clone(), none) };
    assert_eq!(torrent.check(plan).await, 0);
    assert_eq!(torrent.have(), [0, 1, 2]);
    assert_eq!(fs::read(&own).unwrap(), b"precious");
    // A removal takes what is the torrent's.
    fs::remove_file(&own).unwrap();
    torrent.disk.name_files(&torrent.storage);
    torrent.named().await;
    torrent.get_pieces(3..6).await;
    torrent.synced().await;
    torrent.assert_files();
}

#[tokio::test]
async fn what_is_called_part_is_never_assumed_to_be_complete() {
    let (_, mut torrent) = torrent().await;
    // The last piece makes it as long as it will be.
    torrent.get_pieces(0..1).await;
    torrent.get_pieces(5..6).await;
    torrent.closed().await;
    assert_eq!(fs::metadata(torrent.part(1).unwrap()).unwrap().len(), 50_000);
    torrent.reopen();
    let pieces = torrent.storage.geometry().pieces();
    let plan = CheckPlan {
        assume: Bitfield::full(pieces),
        ..CheckPlan::new(Bitfield::new(pieces), Bitfield::new(pieces))
    };
    torrent.check(plan).await;
    assert_eq!(torrent.have(), [0, 5]);
    assert_eq!(torrent.storage.assumed_count(), 0);
}

#[tokio::test]
async fn a_removal_takes_the_file_under_the_name_that_it_has() {
    for looked in [true, false] {
        let (_, mut torrent) = torrent().await;
        torrent.get_pieces(0..4).await;
        torrent.synced().await;
        let foreign = torrent.part(0).unwrap();
        fs::write(&foreign, "somebody else's, as the file has its name").unwrap();
        torrent.closed().await;
        torrent.reopen();
        if looked {
            torrent.check_all().await;
        }
        torrent.disk.delete_files(&torrent.storage).await.unwrap();
        assert_eq!(torrent.there(), ["0.part"]);
        assert!(fs::read(foreign).unwrap().starts_with(b"somebody"));
    }
}

#[tokio::test]
async fn a_wanted_file_comes_out_of_the_part_file_under_the_name_that_it_should_have() {
    let (_, torrent) = torrent().await;
    torrent.disk.set_unwanted(&torrent.storage, &[false, true, false]);
    assert!(torrent.disk.free_space(torrent.root.clone()).await.is_some());
    torrent.get_pieces(0..3).await;
    torrent.synced().await;
    assert_eq!(torrent.there(), ["0", "2"]);
    torrent.disk.set_unwanted(&torrent.storage, &[false; 3]);
    assert!(torrent.disk.free_space(torrent.root.clone()).await.is_some());
    assert_eq!(torrent.there(), ["0", "1.part", "2"]);
    torrent.get_pieces(3..6).await;
    torrent.synced().await;
    torrent.assert_files();
    assert_eq!(torrent.there(), ["0", "1", "2"]);
}

#[tokio::test]
async fn a_failed_sync_before_the_name_claims_nothing() {
    #[derive(Debug, Default)]
    struct Broken(AtomicBool);
    impl Backend for Broken {
        fn fdatasync(&self, file: &OpenFile) -> std::io::Result<()> {
            // The kernel tells it once.
            if self.0.swap(false, Ordering::SeqCst) {
                return Err(std::io::Error::from_raw_os_error(5));
            }
            System.fdatasync(file)
        }
    }
    let broken = Arc::new(Broken::default());
    let torrent = Torrent::over(broken.clone(), &LENGTHS, 16_384, 16);
    torrent.disk.use_part_names(true);
    torrent.check_all().await;
    torrent.get_pieces(0..2).await;
    broken.0.store(true, Ordering::SeqCst);
    torrent.write_piece(2).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(2) });
    assert!(matches!(torrent.done().await, DiskDone::Error { op: Op::Sync, .. }));
    assert!(matches!(torrent.done().await, DiskDone::Unverified { pieces } if pieces.ones() == 3));
    torrent.named().await;
    assert_eq!(torrent.there(), ["0.part", "1.part", "2"]);
    assert_eq!(torrent.have(), [0; 0]);
}

#[tokio::test]
async fn a_move_takes_each_file_under_the_name_that_it_has() {
    #[derive(Debug, Default)]
    struct Far;
    impl Backend for Far {
        fn stat(&self, path: &std::path::Path) -> std::io::Result<rustix::fs::Stat> {
            let mut stat = System.stat(path)?;
            stat.st_dev += u64::from(path.components().any(|name| name.as_os_str() == "far"));
            Ok(stat)
        }
    }
    for folder in ["near", "far"] {
        let mut torrent = Torrent::over(Arc::new(Far), &LENGTHS, 16_384, 16);
        torrent.disk.use_part_names(true);
        torrent.check_all().await;
        torrent.get_pieces(0..4).await;
        torrent.synced().await;
        let foreign = torrent.part(0).unwrap();
        fs::write(&foreign, "somebody else's").unwrap();
        torrent.closed().await;
        let (from, to) = (torrent.root.clone(), torrent.root.with_file_name(folder));
        // What has the name at the other place would be taken for the file.
        fs::create_dir_all(to.join("d1")).unwrap();
        fs::write(to.join("d1/1"), "precious").unwrap();
        torrent.disk.copy_files(&torrent.storage, from.clone(), to.clone());
        assert!(matches!(moved(&torrent).await, DiskDone::MoveFailed { error: DiskError::InTheWay, .. }));
        fs::remove_file(to.join("d1/1")).unwrap();
        torrent.disk.copy_files(&torrent.storage, from.clone(), to.clone());
        assert_eq!(moved(&torrent).await, DiskDone::MoveReady);
        // Killed here: the next run knows nothing of what the last look found.
        torrent.reopen();
        for _ in 0..2 {
            torrent.disk.settle_files(&torrent.storage, from.clone(), to.clone());
            assert_eq!(moved(&torrent).await, DiskDone::Moved);
        }
        assert!(to.join("0").exists() && to.join("d1/1.part").exists() && !to.join("0.part").exists());
        assert!(foreign.exists() && !from.join("d1").exists());
    }
}

async fn moved(torrent: &Torrent) -> DiskDone {
    loop {
        match torrent.done().await {
            DiskDone::MoveProgress { .. } => {}
            done => return done,
        }
    }
}

#[tokio::test]
async fn a_rename_keeps_the_suffix_of_what_is_not_complete() {
    for killed in [false, true] {
        let (_, mut torrent) = torrent().await;
        torrent.get_pieces(0..4).await;
        torrent.closed().await;
        if killed {
            torrent.reopen();
        }
        let from: Arc<[FileEntry]> = torrent.storage.layout().files().into();
        let mut to = from.to_vec();
        for file in &mut to {
            file.path = std::path::Path::new("new").join(&file.path);
        }
        let to: Arc<[FileEntry]> = to.into();
        // It would be taken for the file.
        fs::create_dir_all(torrent.root.join("new/d1")).unwrap();
        fs::write(torrent.root.join("new/d1/1"), "precious").unwrap();
        torrent.disk.look_for_rename(&torrent.storage, from.clone(), to.clone());
        assert!(matches!(moved(&torrent).await, DiskDone::MoveFailed { error: DiskError::InTheWay, .. }));
        fs::remove_file(torrent.root.join("new/d1/1")).unwrap();
        torrent.disk.look_for_rename(&torrent.storage, from.clone(), to.clone());
        assert_eq!(moved(&torrent).await, DiskDone::MoveReady);
        for _ in 0..2 {
            torrent.disk.rename_files(&torrent.storage, from.clone(), to.clone());
            assert_eq!(moved(&torrent).await, DiskDone::Moved);
        }
        assert_eq!(torrent.there(), [""; 0]);
        for there in ["new/0", "new/d1/1.part", "new/d2/2"] {
            assert!(torrent.root.join(there).exists(), "{there}");
        }
    }
}
