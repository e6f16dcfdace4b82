//! Files that are called `NAME.part` until they are complete: whole engines on loopback.

use super::*;

struct Pair {
    dir: tempfile::TempDir,
    content: Vec<u8>,
    seeder: TorrentManager,
    _seed: tempfile::TempDir,
}

impl Pair {
    fn new(host: u8) -> Self {
        let (dir, seed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let content = content(1_000_000);
        lay_out(seed.path(), &content, SPLIT);
        let seeder = engine(seed.path(), host);
        seeder.add_metainfo(torrent(&content, SPLIT), AddOptions::default()).unwrap();
        Self { dir, content, seeder, _seed: seed }
    }

    /// All but the last bytes are there, as a run that was cut short left them.
    fn lay_out_parts(&self) {
        lay_out(self.dir.path(), &self.content, SPLIT);
        for name in ["a", "sub/b"] {
            std::fs::rename(self.path(name), self.path(&format!("{name}.part"))).unwrap();
        }
        let part = std::fs::OpenOptions::new().write(true).open(self.path("sub/b.part")).unwrap();
        part.set_len(500_000).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join("both").join(name)
    }

    fn engine(&self, host: u8, part_names: bool) -> TorrentManager {
        engine_with(self.dir.path(), host, |config| config.part_names = part_names)
    }

    fn add(&self, manager: &TorrentManager) -> Session {
        manager.add_metainfo(torrent(&self.content, SPLIT), AddOptions::default()).unwrap()
    }

    fn has_parts(&self) -> bool {
        self.path("a.part").exists() || self.path("sub/b.part").exists()
    }
}

#[test]
fn who_hears_that_it_is_complete_finds_the_names() {
    let pair = Pair::new(110);
    let manager = pair.engine(111, true);
    let session = pair.add(&manager);
    wait_for(&session, SessionState::Downloading);
    let mut events = manager.subscribe_all("session.completed").unwrap();
    session.add_peer(address(&pair.seeder));
    wait("the end", || events.try_next().is_some());
    assert!(!pair.has_parts());
    assert!(read_back(pair.dir.path()) == pair.content);
    manager.shutdown();
    assert_nothing_to_hash(pair.dir.path());
    pair.seeder.shutdown();
}

#[test]
fn what_an_earlier_run_left_is_used_and_named_by_one_that_wants_no_such_names() {
    let pair = Pair::new(112);
    pair.lay_out_parts();
    let manager = pair.engine(113, false);
    let session = pair.add(&manager);
    // What is complete at the first look gets its name then.
    wait("the first name", || pair.path("a").exists());
    wait_for(&session, SessionState::Downloading);
    assert!(pair.path("sub/b.part").exists() && !pair.path("sub/b").exists());
    let had = session.stats().unwrap().have;
    assert!(had > 700_000, "{had}");
    session.add_peer(address(&pair.seeder));
    wait_for(&session, SessionState::Seeding);
    wait("the second name", || pair.path("sub/b").exists());
    assert!(!pair.has_parts() && read_back(pair.dir.path()) == pair.content);
    manager.shutdown();
    pair.seeder.shutdown();
}

#[test]
fn what_is_in_the_way_is_the_torrents_error_and_a_resume_tries_again() {
    let pair = Pair::new(114);
    pair.lay_out_parts();
    let manager = pair.engine(115, true);
    let session = pair.add(&manager);
    wait_for(&session, SessionState::Downloading);
    std::fs::write(pair.path("sub/b"), "precious").unwrap();
    session.add_peer(address(&pair.seeder));
    wait_for(&session, SessionState::Error);
    let said = session.stats().unwrap().message.clone().unwrap().to_string();
    assert!(said.contains("sub/b: something of that name"), "{said}");
    // A restart takes neither for the other.
    manager.shutdown();
    let manager = pair.engine(115, true);
    let session = manager.all().remove(0);
    wait_for(&session, SessionState::Error);
    assert_eq!(std::fs::read(pair.path("sub/b")).unwrap(), b"precious");
    std::fs::remove_file(pair.path("sub/b")).unwrap();
    session.resume();
    wait("the name", || pair.path("sub/b").exists());
    wait_for(&session, SessionState::Seeding);
    assert!(!pair.has_parts() && read_back(pair.dir.path()) == pair.content);
    manager.shutdown();
    pair.seeder.shutdown();
}

#[test]
fn files_land_under_their_names_and_a_removal_takes_what_has_none_yet() {
    let pair = Pair::new(116);
    let incomplete = pair.dir.path().join("incomplete");
    let manager = engine_with(pair.dir.path(), 117, |config| {
        (config.part_names, config.incomplete_dir) = (true, Some(incomplete.clone()));
    });
    let session = pair.add(&manager);
    wait("the other folder", || session.save_path() == incomplete);
    session.add_peer(address(&pair.seeder));
    wait("the end", || pair.path("sub/b").exists());
    wait_for(&session, SessionState::Seeding);
    assert!(!pair.has_parts() && !incomplete.join("both").exists());
    assert!(read_back(pair.dir.path()) == pair.content);
    manager.remove_torrent(&session.info_hash(), RemoveData::Delete).unwrap();
    wait("the files to go", || !pair.path("").exists());

    pair.lay_out_parts();
    let session = pair.add(&manager);
    wait("the first name", || pair.path("a").exists());
    wait_for(&session, SessionState::Downloading);
    manager.remove_torrent(&session.info_hash(), RemoveData::Delete).unwrap();
    wait("the files to go", || !pair.path("").exists());
    manager.shutdown();
    pair.seeder.shutdown();
}
