//! Torrents with a folder of their own until they are complete: whole engines on loopback.

use super::*;
use crate::Error;
use crate::resume::Incomplete;

struct Dirs {
    dir: tempfile::TempDir,
    content: Vec<u8>,
    seeder: TorrentManager,
    _seed: tempfile::TempDir,
}

impl Dirs {
    fn new(host: u8) -> Self {
        let (dir, seed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let content = content(1_000_000);
        lay_out(seed.path(), &content, SPLIT);
        let seeder = engine(seed.path(), host);
        seeder.add_metainfo(torrent(&content, SPLIT), AddOptions::default()).unwrap();
        Self { dir, content, seeder, _seed: seed }
    }

    fn incomplete(&self) -> std::path::PathBuf {
        self.dir.path().join("incomplete")
    }

    fn engine(&self, host: u8) -> TorrentManager {
        engine_with(self.dir.path(), host, |config| config.incomplete_dir = Some(self.incomplete()))
    }

    fn add(&self, manager: &TorrentManager, options: AddOptions) -> Session {
        manager.add_metainfo(torrent(&self.content, SPLIT), options).unwrap()
    }

    /// All is at its place, and nothing is left at the other one.
    fn assert_landed(&self, session: &Session) {
        wait_for(session, SessionState::Seeding);
        assert!(read_back(self.dir.path()) == self.content);
        assert_eq!(
            (session.save_path(), session.stats().unwrap().destination.clone()),
            (self.dir.path().into(), None)
        );
        let left = std::fs::read_dir(self.incomplete()).map_or(0, Iterator::count);
        assert_eq!(left, 0, "nothing is left in the folder for what is incomplete");
    }
}

#[test]
fn files_go_to_their_place_when_all_is_there_and_completion_is_told_then() {
    let dirs = Dirs::new(70);
    let manager = dirs.engine(71);
    let mut events = manager.subscribe_all("session.* file.completed").unwrap();
    let session = dirs.add(&manager, AddOptions::default());
    wait("the other folder", || session.save_path() == dirs.incomplete());
    wait_for(&session, SessionState::Downloading);
    assert_eq!(session.stats().unwrap().destination.as_deref(), Some(dirs.dir.path()));
    session.add_peer(address(&dirs.seeder));
    wait("the end", || dirs.dir.path().join("both/sub/b").exists());
    dirs.assert_landed(&session);
    manager.shutdown();
    let mut kinds = Vec::new();
    while let Some(Delivery::Event(tagged)) = events.try_next() {
        if let Event::SessionCompleted { downloaded, .. } = &*tagged.event {
            assert_eq!(*downloaded, dirs.content.len() as u64);
        }
        kinds.push(tagged.event.kind().name());
    }
    let first = |kind: &str| kinds.iter().position(|other| *other == kind).unwrap();
    assert!(first("session.moved") < first("session.completed"), "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == "session.completed").count(), 1);
    assert_nothing_to_hash(dirs.dir.path());
    dirs.seeder.shutdown();
}

#[test]
fn what_is_added_complete_or_in_part_stays_where_it_is() {
    for cut in [false, true] {
        let dirs = Dirs::new(72);
        lay_out(dirs.dir.path(), &dirs.content, SPLIT);
        if cut {
            std::fs::remove_file(dirs.dir.path().join("both/sub/b")).unwrap();
        }
        let manager = dirs.engine(73);
        let session =
            dirs.add(&manager, AddOptions { peers: vec![address(&dirs.seeder)], ..AddOptions::default() });
        dirs.assert_landed(&session);
        assert!(!dirs.incomplete().exists());
        manager.shutdown();
        assert_eq!(record(dirs.dir.path()).incomplete, Incomplete::No);
        dirs.seeder.shutdown();
    }
}

#[test]
fn what_a_person_says_is_complete_makes_no_detour() {
    let dirs = Dirs::new(74);
    lay_out(dirs.dir.path(), &dirs.content, SPLIT);
    let manager = dirs.engine(75);
    let session = dirs.add(&manager, AddOptions { assume_complete: true, ..AddOptions::default() });
    dirs.assert_landed(&session);
    manager.shutdown();
    dirs.seeder.shutdown();
}

#[test]
fn a_restart_goes_on_in_the_same_folder_and_both_are_taken_until_the_end() {
    let dirs = Dirs::new(76);
    let manager = dirs.engine(77);
    let session = dirs.add(&manager, AddOptions { paused: true, ..AddOptions::default() });
    wait_for(&session, SessionState::Paused);
    session.resume();
    wait_for(&session, SessionState::Downloading);
    manager.shutdown();
    assert_eq!(record(dirs.dir.path()).incomplete, Incomplete::Until(dirs.dir.path().into()));

    // Without the option: what was begun goes on as it was begun.
    let manager = engine(dirs.dir.path(), 77);
    let session = manager.all().remove(0);
    wait_for(&session, SessionState::Downloading);
    assert_eq!(session.save_path(), dirs.incomplete());
    let mut changed = dirs.content.clone();
    changed[7] ^= 1;
    let add = |to: &Path| {
        let options = AddOptions { download_dir: Some(to.into()), paused: true, ..AddOptions::default() };
        manager.add_metainfo(torrent(&changed, SPLIT), options)
    };
    for folder in [dirs.dir.path(), &dirs.incomplete()] {
        assert!(matches!(add(folder), Err(Error::PathInUse { .. })), "{folder:?}");
    }
    session.add_peer(address(&dirs.seeder));
    wait("the end", || dirs.dir.path().join("both/sub/b").exists());
    dirs.assert_landed(&session);
    wait("the folder to be free", || add(&dirs.incomplete()).is_ok());
    manager.shutdown();
    dirs.seeder.shutdown();
}

#[test]
fn what_is_in_the_way_at_the_end_is_left_alone_and_shown_and_tried_again_by_a_resume() {
    let dirs = Dirs::new(78);
    let manager = dirs.engine(79);
    let session = dirs.add(&manager, AddOptions::default());
    wait("the other folder", || session.save_path() == dirs.incomplete());
    lay_out(dirs.dir.path(), b"precious", 4);
    session.add_peer(address(&dirs.seeder));
    wait("the notice", || session.stats().unwrap().notice.is_some());
    wait_for(&session, SessionState::Seeding);
    assert!(read_back(&dirs.incomplete()) == dirs.content);
    assert_eq!(read_back(dirs.dir.path()), b"precious");
    std::fs::remove_dir_all(dirs.dir.path().join("both")).unwrap();
    session.pause();
    wait_for(&session, SessionState::Paused);
    session.resume();
    wait("the end", || dirs.dir.path().join("both/sub/b").exists());
    dirs.assert_landed(&session);
    manager.shutdown();
    dirs.seeder.shutdown();
}

#[test]
fn a_removal_before_the_end_leaves_the_place_of_the_end_alone() {
    let dirs = Dirs::new(80);
    let manager = dirs.engine(81);
    let session = dirs.add(&manager, AddOptions::default());
    wait("the other folder", || session.save_path() == dirs.incomplete());
    lay_out(dirs.dir.path(), b"precious", 4);
    let mut events = manager.subscribe_all("session.removed").unwrap();
    manager.remove_torrent(&session.info_hash(), RemoveData::Delete).unwrap();
    wait("the removal", || events.try_next().is_some());
    assert_eq!(read_back(dirs.dir.path()), b"precious");
    manager.shutdown();
    dirs.seeder.shutdown();
}
