//! Files that nobody wants, and what becomes of their bytes.

use super::*;

/// Files of 20,000, 30,000, 0 and 50,000 bytes in pieces of 16,384: pieces 1 and 3 are shared.
const LENGTHS: [i64; 4] = [20_000, 30_000, 0, 50_000];

fn torrent() -> Torrent {
    Torrent::new(&LENGTHS, 16_384)
}

impl Torrent {
    pub(super) fn unwanted(&self, files: &[usize]) {
        let flags: Vec<_> = (0..self.storage.layout().files().len()).map(|at| files.contains(&at)).collect();
        self.disk.set_unwanted(&self.storage, &flags);
    }

    async fn get(&self, pieces: &[u32]) {
        for piece in pieces {
            self.write_piece(*piece).await;
            assert_eq!(self.done().await, DiskDone::Verified { piece: PieceIndex::new(*piece) });
        }
    }

    /// Names in the save folder, hidden ones too, folders left out.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    names.push(path.strip_prefix(&self.root).unwrap().display().to_string());
                }
            }
        }
        names.sort();
        names
    }

    /// Waits for the keeper to have done what it was asked for.
    pub(super) async fn kept(&self) {
        assert!(self.disk.free_space(self.root.clone()).await.is_some());
    }

    async fn assert_pieces(&self, pieces: &[u32]) {
        assert_eq!(self.have(), pieces);
        for piece in pieces {
            let piece = PieceIndex::new(*piece);
            let length = self.storage.geometry().piece_size(piece);
            let range = PieceRange { piece, begin: 0, length };
            assert_eq!(self.disk.read(&self.storage, range).await.unwrap(), self.range(range));
        }
    }

    async fn sync(&self) {
        self.disk.sync(&self.storage);
        assert!(matches!(self.done().await, DiskDone::Synced { .. }));
    }
}

#[tokio::test]
async fn of_unwanted_files_nothing_appears_and_their_bytes_are_served_all_the_same() {
    let torrent = torrent();
    torrent.unwanted(&[1, 2]);
    torrent.check_all().await;
    torrent.get(&[0, 1, 3, 4, 5, 6]).await;
    assert_eq!(torrent.names(), [".parts", "0", "3"]);
    torrent.assert_pieces(&[0, 1, 3, 4, 5, 6]).await;
    // Two slots: it is no larger than what is shared.
    assert!(fs::metadata(torrent.root.join(".parts")).unwrap().len() <= 2 * 16_384);
    let want = &torrent.content[..20_000];
    assert!(fs::read(torrent.path(0)).unwrap() == want);
}

#[tokio::test]
async fn what_becomes_wanted_moves_to_its_own_file_while_it_is_served() {
    // Pieces 0 and 1 are shared.
    let torrent = Torrent::new(&LENGTHS, 32_768);
    torrent.unwanted(&[1, 2]);
    torrent.check_all().await;
    torrent.get(&[0, 2, 3]).await;
    // The first half of a piece that is being fetched when the choice changes.
    torrent.write(BlockRef { piece: PieceIndex::new(1), block: 0 }).await;
    // All credits are back: it is written.
    drop(torrent.disk.credit(1 << 20).await);
    assert_eq!(torrent.names(), [".parts", "0", "3"]);
    torrent.unwanted(&[]);
    torrent.kept().await;
    torrent.assert_pieces(&[0, 2, 3]).await;
    assert_eq!(torrent.names(), ["0", "3", "d1/1", "d2/2"]);
    torrent.write(BlockRef { piece: PieceIndex::new(1), block: 1 }).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(1) });
    torrent.assert_files();
    torrent.sync().await;
}

#[tokio::test]
async fn a_restart_trusts_the_part_file_and_a_check_reads_it() {
    let mut torrent = torrent();
    torrent.unwanted(&[1]);
    torrent.check_all().await;
    torrent.get(&[0, 1, 3]).await;
    torrent.disk.sync(&torrent.storage);
    let DiskDone::Synced { have, files } = torrent.done().await else { panic!("not synced") };
    torrent.reopen();
    torrent.unwanted(&[1]);
    let none = Bitfield::new(have.len());
    let plan = CheckPlan { stamps: files.clone(), ..CheckPlan::new(have.clone(), none.clone()) };
    assert_eq!(torrent.check(plan.clone()).await, 0);
    torrent.assert_pieces(&[0, 1, 3]).await;
    // All of it is hashed where somebody asks for it.
    assert_eq!(torrent.check_all().await, 3 * 16_384);
    torrent.assert_pieces(&[0, 1, 3]).await;
    // Without its part file the shared pieces are not there; nothing else is lost.
    torrent.disk.close(&torrent.storage);
    fs::remove_file(torrent.root.join(".parts")).unwrap();
    torrent.reopen();
    torrent.unwanted(&[1]);
    torrent.check(plan).await;
    assert_eq!(torrent.have(), [0]);
}

#[tokio::test]
async fn a_file_that_became_wanted_while_nobody_ran_is_put_together_at_the_start() {
    let mut torrent = torrent();
    torrent.unwanted(&[1]);
    torrent.check_all().await;
    torrent.get(&[0, 1, 3]).await;
    torrent.disk.close(&torrent.storage);
    // A move that was cut short leaves a file that counts for nothing.
    fs::write(torrent.root.join(".parts.1"), vec![1; 40_000]).unwrap();
    torrent.reopen();
    torrent.check_all().await;
    torrent.assert_pieces(&[0, 1, 3]).await;
    assert_eq!(torrent.names(), ["0", "3", "d1/1", "d2/2"]);
}

#[tokio::test]
async fn a_file_of_which_there_is_something_stays_as_it_is() {
    let torrent = torrent();
    torrent.get(&[0, 1, 2]).await;
    torrent.unwanted(&[1]);
    torrent.kept().await;
    torrent.get(&[3, 4, 5, 6]).await;
    assert_eq!(torrent.names(), ["0", "3", "d1/1", "d2/2"]);
    torrent.assert_files();
}

#[tokio::test]
async fn a_file_of_somebody_else_is_not_replaced() {
    let torrent = torrent();
    torrent.unwanted(&[1]);
    torrent.check_all().await;
    torrent.get(&[0, 1]).await;
    fs::create_dir_all(torrent.path(1).parent().unwrap()).unwrap();
    fs::write(torrent.path(1), "precious").unwrap();
    torrent.unwanted(&[]);
    let lost = torrent.plan(&[], &[1]).hash;
    assert_eq!(torrent.done().await, DiskDone::Unverified { pieces: lost });
    assert_eq!(error(torrent.done().await), (Op::Write, DiskError::Changed));
    assert_eq!(fs::read(torrent.path(1)).unwrap(), b"precious");
    assert_eq!(torrent.have(), [0]);
}

#[tokio::test]
async fn delete_takes_the_part_file_too() {
    let torrent = torrent();
    torrent.unwanted(&[1, 2]);
    torrent.check_all().await;
    torrent.get(&[0, 1, 3]).await;
    assert_eq!(torrent.disk.delete_files(&torrent.storage).await, Ok(()));
    assert_eq!(fs::read_dir(&torrent.root).unwrap().count(), 0);
}

#[tokio::test]
async fn blocks_and_choices_come_in_any_order() {
    let torrent = torrent();
    torrent.check_all().await;
    for piece in 0..7 {
        torrent.unwanted(if piece % 2 == 0 { &[1, 2] } else { &[] });
        torrent.get(&[piece]).await;
    }
    torrent.unwanted(&[]);
    torrent.kept().await;
    torrent.assert_pieces(&[0, 1, 2, 3, 4, 5, 6]).await;
    torrent.assert_files();
}
