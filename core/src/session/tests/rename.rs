//! Files of torrents that get other names: whole engines on loopback.

use super::*;
use crate::Error;
use crate::metainfo::RenameError;
use crate::resume::MoveNote;

fn read(dir: &Path, names: [&str; 2]) -> Vec<u8> {
    names.iter().flat_map(|name| std::fs::read(dir.join(name)).unwrap()).collect()
}

#[test]
fn files_and_the_folder_of_a_torrent_are_renamed_and_seeded_from_there() {
    let dir = tempfile::tempdir().unwrap();
    let (manager, session, content) = seeding(dir.path(), 90);
    let hash = session.info_hash();
    let mut events = manager.subscribe_all("session.*").unwrap();
    manager.rename(&hash, 1, 2, "b: the second").unwrap();
    wait("the file", || dir.path().join("both/sub/b: the second").exists());
    wait_for(&session, SessionState::Seeding);
    wait("the first to be over", || {
        manager.rename(&hash, 0, 0, "Film/..").is_err_and(|error| matches!(error, Error::Rename(_)))
    });
    manager.rename(&hash, 0, 0, "Film").unwrap();
    wait("the folder", || dir.path().join("Film/sub/b: the second").exists());
    wait("the old folder to go", || !dir.path().join("both").exists());
    wait_for(&session, SessionState::Seeding);
    assert!(read(dir.path(), ["Film/a", "Film/sub/b: the second"]) == content);
    let mut renamed = 0;
    while let Some(Delivery::Event(tagged)) = events.try_next() {
        renamed += u32::from(matches!(&*tagged.event, Event::SessionRenamed { .. }));
    }
    assert_eq!(renamed, 2);
    // The names outlive the run, nothing is hashed again, and peers are served.
    manager.shutdown();
    assert_nothing_to_hash(dir.path());
    let names = vec![(0, "Film/a".to_owned()), (1, "Film/sub/b: the second".to_owned())];
    assert_eq!((record(dir.path()).names, record(dir.path()).other_names), (names, None));
    let manager = engine(dir.path(), 90);
    let session = manager.all().remove(0);
    wait_for(&session, SessionState::Seeding);
    let leech_dir = tempfile::tempdir().unwrap();
    let leecher = engine(leech_dir.path(), 91);
    let options = AddOptions { peers: vec![address(&manager)], ..AddOptions::default() };
    let leech = leecher.add_metainfo(torrent(&content, SPLIT), options).unwrap();
    wait_for(&leech, SessionState::Seeding);
    leecher.shutdown();
    // A removal finds them under their names.
    manager.remove_torrent(&hash, RemoveData::Delete).unwrap();
    wait("the files to go", || !dir.path().join("Film").exists());
    manager.shutdown();
}

#[test]
fn what_is_there_is_never_replaced_whoever_it_belongs_to() {
    let dir = tempfile::tempdir().unwrap();
    let (manager, session, content) = seeding(dir.path(), 92);
    let hash = session.info_hash();
    std::fs::write(dir.path().join("both/c"), "precious").unwrap();
    manager.rename(&hash, 0, 1, "c").unwrap();
    wait("the notice", || session.stats().unwrap().notice.is_some());
    let said = session.stats().unwrap().notice.clone().unwrap().to_string();
    assert!(said.starts_with("cannot rename: ") && said.contains("both/c: something of that name"), "{said}");
    wait_for(&session, SessionState::Seeding);
    assert_eq!(std::fs::read(dir.path().join("both/c")).unwrap(), b"precious");
    assert!(read_back(dir.path()) == content);
    let refused = |file, depth, name| loop {
        match manager.rename(&hash, file, depth, name) {
            // The try before is about to be over.
            Err(Error::Busy(_)) => std::thread::yield_now(),
            other => break other.unwrap_err(),
        }
    };
    assert!(matches!(refused(0, 1, "sub"), Error::Rename(RenameError::Taken)));
    assert!(matches!(refused(0, 1, "a"), Error::Rename(RenameError::Same)));
    // The folder of another torrent, and the state.
    let mut changed = content.clone();
    changed[7] ^= 1;
    manager.rename(&hash, 0, 0, "mine").unwrap();
    wait("the folder", || dir.path().join("mine/sub/b").exists());
    wait_for(&session, SessionState::Seeding);
    let options = AddOptions { paused: true, ..AddOptions::default() };
    wait("the old name to be free", || {
        manager.add_metainfo(torrent(&changed, SPLIT), options.clone()).is_ok()
    });
    assert!(matches!(refused(0, 0, "both"), Error::PathInUse { .. }));
    assert!(matches!(refused(0, 0, "state"), Error::PathInUse { .. }));
    manager.shutdown();
    assert!(read(dir.path(), ["mine/a", "mine/sub/b"]) == content);
}

/// A state as a kill leaves it in the middle of a rename.
#[test]
fn a_rename_that_a_kill_cut_short_is_brought_to_its_end() {
    for (committed, half) in [(false, false), (true, false), (true, true)] {
        let dir = tempfile::tempdir().unwrap();
        let (manager, _, content) = seeding(dir.path(), 93);
        manager.shutdown();
        let names = vec![(0, "new/a".to_owned()), (1, "new/sub/b".to_owned())];
        let (store, mut list, _) = StateStore::open(&dir.path().join("state")).unwrap();
        let saved = list.pop().unwrap();
        let mut record = saved.record.unwrap();
        record.moving = Some(MoveNote { other: dir.path().to_path_buf(), committed });
        (record.names, record.other_names) =
            if committed { (names, Some(Vec::new())) } else { (Vec::new(), Some(names)) };
        store.put(saved.info_hash, record);
        store.close();
        if half {
            std::fs::create_dir(dir.path().join("new")).unwrap();
            std::fs::rename(dir.path().join("both/a"), dir.path().join("new/a")).unwrap();
        }
        let again = engine(dir.path(), 93);
        let session = again.all().remove(0);
        wait("the new name", || dir.path().join("new/sub/b").exists());
        wait_for(&session, SessionState::Seeding);
        assert!(read(dir.path(), ["new/a", "new/sub/b"]) == content && !dir.path().join("both").exists());
        again.shutdown();
        let record = super::record(dir.path());
        assert_eq!((record.moving, record.other_names, record.names.len()), (None, None, 2));
    }
}
