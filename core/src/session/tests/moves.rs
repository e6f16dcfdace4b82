//! Torrents whose files go to another folder: whole engines on loopback.

use super::*;
use crate::Error;
use crate::resume::MoveNote;

/// The next event of this kind.
fn event(events: &mut crate::Subscription, wanted: &str) -> String {
    let mut found = None;
    wait(wanted, || {
        if let Some(Delivery::Event(tagged)) = events.try_next()
            && tagged.event.kind().name() == wanted
        {
            found = Some(format!("{:?}", tagged.event));
        }
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn a_seed_goes_on_in_the_new_folder_and_so_does_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let (manager, session, content) = seeding(dir.path(), 41);
    let to = dir.path().join("new/place");
    let mut events = manager.subscribe_all("session.* storage.*").unwrap();
    manager.move_torrent(&session.info_hash(), &to).unwrap();
    let moved = event(&mut events, "session.moved");
    assert!(moved.contains("new/place"), "{moved}");
    let checked = event(&mut events, "session.checked");
    assert!(checked.contains("bytes_hashed: 0"), "{checked}");
    wait_for(&session, SessionState::Seeding);
    assert_eq!(session.save_path(), to);
    assert_eq!(read_back(&to), content);
    assert!(!dir.path().join("both").exists());
    // It serves from there.
    let other = tempfile::tempdir().unwrap();
    let leecher = engine(other.path(), 42);
    let options = AddOptions { peers: vec![address(&manager)], ..AddOptions::default() };
    let fetched = leecher.add_metainfo(torrent(&content, SPLIT), options).unwrap();
    wait_for(&fetched, SessionState::Seeding);
    leecher.shutdown();
    manager.shutdown();
    let kept = record(dir.path());
    assert_eq!((kept.save_path, kept.moving), (to.clone(), None));
    assert_nothing_to_hash(dir.path());
    let again = engine(dir.path(), 41);
    wait_for(&again.all()[0], SessionState::Seeding);
    again.shutdown();
}

#[test]
fn what_rests_is_moved_too_and_rests_again() {
    let dir = tempfile::tempdir().unwrap();
    let (manager, session, content) = seeding(dir.path(), 43);
    session.pause();
    wait_for(&session, SessionState::Paused);
    let to = dir.path().join("new");
    manager.move_torrent(&session.info_hash(), &to).unwrap();
    wait("the new folder", || {
        session.save_path() == to && session.stats().unwrap().state == SessionState::Paused
    });
    assert_eq!(read_back(&to), content);
    manager.shutdown();
    assert_nothing_to_hash(dir.path());
    // And one that was not looked at in this run.
    let again = engine(dir.path(), 43);
    let session = again.all().remove(0);
    let mut events = again.subscribe_all("session.*").unwrap();
    again.move_torrent(&session.info_hash(), dir.path()).unwrap();
    event(&mut events, "session.moved");
    wait_for(&session, SessionState::Paused);
    again.shutdown();
    assert_eq!(read_back(dir.path()), content);
    assert_nothing_to_hash(dir.path());
}

#[test]
fn what_is_in_the_way_is_left_alone_and_the_torrent_goes_on_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (manager, session, content) = seeding(dir.path(), 44);
    let to = dir.path().join("new");
    std::fs::create_dir_all(to.join("both")).unwrap();
    std::fs::write(to.join("both/a"), "precious").unwrap();
    let mut events = manager.subscribe_all("storage.error").unwrap();
    manager.move_torrent(&session.info_hash(), &to).unwrap();
    let error = event(&mut events, "storage.error");
    assert!(error.contains("new/both/a") && error.contains("file-exists"), "{error}");
    wait_for(&session, SessionState::Seeding);
    assert_eq!((session.save_path(), read_back(dir.path())), (dir.path().to_path_buf(), content.clone()));
    assert_eq!(std::fs::read(to.join("both/a")).unwrap(), b"precious");
    // The way being free, it can be tried again.
    std::fs::remove_file(to.join("both/a")).unwrap();
    wait("the first try to be over", || manager.move_torrent(&session.info_hash(), &to).is_ok());
    wait("the new folder", || session.save_path() == to);
    wait_for(&session, SessionState::Seeding);
    assert_eq!(read_back(&to), content);
    manager.shutdown();
}

#[test]
fn files_of_another_torrent_and_the_state_are_not_moved_into() {
    let dir = tempfile::tempdir().unwrap();
    let (manager, session, content) = seeding(dir.path(), 45);
    let to = dir.path().join("new");
    let mut changed = content.clone();
    changed[7] ^= 1;
    let options = AddOptions { download_dir: Some(to.clone()), paused: true, ..AddOptions::default() };
    let other = manager.add_metainfo(torrent(&changed, SPLIT), options).unwrap();
    let refused = |path: &Path| manager.move_torrent(&session.info_hash(), path).unwrap_err();
    assert!(matches!(refused(&to), Error::PathInUse { .. }));
    assert!(matches!(refused(&dir.path().join("state")), Error::PathInUse { .. }));
    // The place that one has left is free, and the one it went to is not.
    manager.move_torrent(&other.info_hash(), &dir.path().join("third")).unwrap();
    wait("the other to have gone", || manager.move_torrent(&session.info_hash(), &to).is_ok());
    wait("the new folder", || session.save_path() == to);
    assert!(matches!(refused(&dir.path().join("third")), Error::PathInUse { .. } | Error::Busy(_)));
    wait_for(&session, SessionState::Seeding);
    assert_eq!(read_back(&to), content);
    manager.shutdown();
}

/// A state as a kill leaves it: the record says this of a move.
fn killed(dir: &Path, change: impl FnOnce(&mut ResumeRecord)) {
    let (store, mut list, _) = StateStore::open(&dir.join("state")).unwrap();
    let saved = list.pop().unwrap();
    let mut record = saved.record.unwrap();
    change(&mut record);
    store.put(saved.info_hash, record);
    store.close();
}

#[test]
fn a_move_that_a_kill_cut_short_is_brought_to_its_end() {
    for (paused, committed) in [(false, false), (false, true), (true, true)] {
        let dir = tempfile::tempdir().unwrap();
        let (manager, session, content) = seeding(dir.path(), 46);
        if paused {
            session.pause();
            wait_for(&session, SessionState::Paused);
        }
        let hash = session.info_hash();
        manager.shutdown();
        let to = dir.path().join("new");
        killed(dir.path(), |record| {
            let other = if committed { dir.path().to_path_buf() } else { to.clone() };
            record.moving = Some(MoveNote { other, committed });
            if committed {
                record.save_path.clone_from(&to);
            }
        });
        std::fs::create_dir_all(to.join("both")).unwrap();
        if committed {
            // One file has come, as a copy that has no name yet; its source is still there.
            std::fs::copy(dir.path().join("both/a"), to.join(format!(".{hash}.parts.move.0"))).unwrap();
            std::fs::remove_file(dir.path().join("both/a")).unwrap();
        } else {
            std::fs::write(to.join(format!(".{hash}.parts.move.0")), "half").unwrap();
        }
        let again = engine(dir.path(), 46);
        let session = again.all().remove(0);
        let end = if paused { SessionState::Paused } else { SessionState::Seeding };
        wait("the new folder", || to.join("both/sub/b").exists());
        wait_for(&session, end);
        assert_eq!((session.save_path(), read_back(&to)), (to.clone(), content));
        again.shutdown();
        assert_eq!(record(dir.path()).moving, None);
        assert_eq!(std::fs::read_dir(&to).unwrap().count(), 1, "nothing hidden is left");
    }
}

#[test]
fn a_removal_in_the_middle_of_a_move_takes_the_files_at_both_places() {
    let dir = tempfile::tempdir().unwrap();
    let (manager, session, _) = seeding(dir.path(), 47);
    let to = dir.path().join("new");
    let mut events = manager.subscribe_all("session.removed").unwrap();
    manager.move_torrent(&session.info_hash(), &to).unwrap();
    manager.remove_torrent(&session.info_hash(), RemoveData::Delete).unwrap();
    event(&mut events, "session.removed");
    assert!(!dir.path().join("both").exists() && !to.join("both").exists());
    manager.shutdown();
}

/// Seeding through links is fine, moving what they lead to is not: nothing changes, and the row says why.
#[test]
fn what_is_seeded_through_a_symbolic_link_is_not_moved() {
    for link in ["both/a", "both/sub"] {
        let dir = tempfile::tempdir().unwrap();
        let content = content(1_000_000);
        lay_out(dir.path(), &content, SPLIT);
        let elsewhere = dir.path().join("elsewhere");
        std::fs::rename(dir.path().join(link), &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, dir.path().join(link)).unwrap();
        let manager = engine(dir.path(), 48);
        let session = manager.add_metainfo(torrent(&content, SPLIT), AddOptions::default()).unwrap();
        wait_for(&session, SessionState::Seeding);
        let to = dir.path().join("new");
        manager.move_torrent(&session.info_hash(), &to).unwrap();
        let notice = || session.stats().unwrap().notice.clone().map(|notice| notice.to_string());
        wait("the notice", || notice().is_some());
        let said = notice().unwrap();
        assert!(said.contains("both/") && said.contains("symbolic link"), "{said}");
        wait_for(&session, SessionState::Seeding);
        assert!(session.save_path() == dir.path() && !to.exists() && read_back(dir.path()) == content);
        // Who asks for something else is not told any more.
        session.pause();
        wait_for(&session, SessionState::Paused);
        session.resume();
        wait("no notice", || notice().is_none());
        manager.shutdown();
    }
}

#[test]
fn a_move_that_goes_on_at_a_restart_claims_both_folders() {
    let dir = tempfile::tempdir().unwrap();
    let (manager, _, content) = seeding(dir.path(), 49);
    manager.shutdown();
    let to = dir.path().join("new");
    killed(dir.path(), |record| {
        record.moving = Some(MoveNote { other: dir.path().to_path_buf(), committed: true });
        record.save_path.clone_from(&to);
    });
    // It cannot come to its end as long as this stands there.
    std::fs::create_dir_all(to.join("both")).unwrap();
    std::fs::write(to.join("both/a"), "precious").unwrap();
    let again = engine(dir.path(), 49);
    let session = again.all().remove(0);
    wait_for(&session, SessionState::Error);
    let mut changed = content.clone();
    changed[7] ^= 1;
    let add = |to: &Path| {
        let options = AddOptions { download_dir: Some(to.into()), paused: true, ..AddOptions::default() };
        again.add_metainfo(torrent(&changed, SPLIT), options)
    };
    for folder in [dir.path(), &to] {
        assert!(matches!(add(folder), Err(Error::PathInUse { .. })), "{folder:?}");
    }
    std::fs::remove_file(to.join("both/a")).unwrap();
    session.resume();
    wait_for(&session, SessionState::Seeding);
    assert_eq!(read_back(&to), content);
    // The place that it has left is free, and the one that it is at is not.
    assert!(matches!(add(&to), Err(Error::PathInUse { .. })));
    wait("the old folder to be free", || add(dir.path()).is_ok());
    again.shutdown();
}
