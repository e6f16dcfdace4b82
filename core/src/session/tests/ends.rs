//! How sessions end, and come back: whole engines on loopback.

use std::net::TcpListener;
use std::sync::Arc;

use super::*;
use crate::Error;
use crate::event::Subscription;
use crate::settings::MaxActive;
use crate::stats::DetailKind;

fn checked(events: &mut Subscription) -> u64 {
    let mut hashed = None;
    wait("session.checked", || {
        if let Some(Delivery::Event(tagged)) = events.try_next()
            && let Event::SessionChecked { bytes_hashed, .. } = &*tagged.event
        {
            hashed = Some(*bytes_hashed);
        }
        hashed.is_some()
    });
    hashed.unwrap()
}

/// Ten thousand torrents that rest are to have no more than they need: what is moved into a future lies there
/// several times.
#[test]
fn the_task_of_a_session_is_small() {
    let bench = bench::Bench::new(false);
    let (actor, doors) = bench.taken_apart();
    let (control, bytes) = (super::super::control::Control::default(), size_of_val(&*actor));
    let task = size_of_val(&actor.run(&control, doors));
    assert!(bytes < 9 << 10, "{bytes} bytes of an actor");
    assert!(task < 2 << 10, "{task} bytes of its task");
}

#[test]
fn every_clean_restart_hashes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(1_000_000);
    lay_out(dir.path(), &content, 5);
    let first = engine(dir.path(), 11);
    let mut events = first.subscribe_all("session.checked").unwrap();
    let session = first.add_metainfo(torrent(&content, 5), AddOptions::default()).unwrap();
    assert_eq!(checked(&mut events), content.len() as u64);
    wait_for(&session, SessionState::Seeding);
    first.shutdown();
    for _ in 0..3 {
        assert_nothing_to_hash(dir.path());
        let again = engine(dir.path(), 11);
        wait_for(&again.all()[0], SessionState::Seeding);
        again.shutdown();
    }
    // Paused, so that nobody misses how it is checked.
    let again = engine(dir.path(), 11);
    again.pause_all();
    wait_for(&again.all()[0], SessionState::Paused);
    again.shutdown();
    let again = engine(dir.path(), 11);
    let mut events = again.subscribe_all("session.checked").unwrap();
    again.resume_all();
    assert_eq!(checked(&mut events), 0);
    again.shutdown();
}

#[test]
fn a_torrent_that_a_person_paused_rests_after_a_restart_and_shows_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(1_000_000);
    lay_out(dir.path(), &content, 5);
    let first = engine(dir.path(), 12);
    let session = first.add_metainfo(torrent(&content, 5), AddOptions::default()).unwrap();
    wait_for(&session, SessionState::Seeding);
    session.pause();
    wait_for(&session, SessionState::Paused);
    first.shutdown();
    let again = engine(dir.path(), 12);
    let stats = again.all()[0].stats().unwrap();
    assert_eq!((stats.state, stats.have), (SessionState::Paused, content.len() as u64));
    again.all()[0].resume();
    wait_for(&again.all()[0], SessionState::Seeding);
    again.shutdown();
}

#[test]
fn a_torrent_that_is_removed_with_its_data_and_added_at_once_starts_from_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(2_000_000);
    let manager = engine(dir.path(), 13);
    let mut events = manager.subscribe_all("storage.* session.error").unwrap();
    for _ in 0..10 {
        lay_out(dir.path(), &content, 5);
        let session = manager.add_metainfo(torrent(&content, 5), AddOptions::default()).unwrap();
        wait_for(&session, SessionState::Seeding);
        manager.remove_torrent(&session.info_hash(), RemoveData::Delete).unwrap();
        let again = manager.add_metainfo(torrent(&content, 5), AddOptions::default()).unwrap();
        wait_for(&again, SessionState::Downloading);
        assert_eq!(again.stats().unwrap().have, 0);
        assert!(!dir.path().join("both").exists());
        manager.remove_torrent(&again.info_hash(), RemoveData::Keep).unwrap();
        wait("its place to go", || manager.board().get(&again.info_hash()).is_none());
    }
    assert_eq!(events.try_next(), None);
    manager.shutdown();
}

#[test]
fn handles_outlive_the_session_and_the_engine() {
    let dir = tempfile::tempdir().unwrap();
    let content = content(300_000);
    lay_out(dir.path(), &content, 5);
    let manager = engine(dir.path(), 14);
    let session = manager.add_metainfo(torrent(&content, 5), AddOptions::default()).unwrap();
    let before = session.watch(DetailKind::Peers);
    session.stop();
    wait("the pane to close", || before.has_changed().is_err());
    session.start();
    session.add_peer(address(&manager));
    assert!(session.watch(DetailKind::Files).has_changed().is_err());
    manager.remove_torrent(&session.info_hash(), RemoveData::Delete).unwrap();
    assert_eq!(session.stats(), None);
    wait("its files to go", || !dir.path().join("both").exists());

    let second = manager.add_metainfo(torrent(&content, 5), AddOptions::default()).unwrap();
    wait_for(&second, SessionState::Downloading);
    manager.shutdown();
    manager.shutdown();
    second.pause();
    second.reannounce();
    assert!(second.watch(DetailKind::Peers).has_changed().is_err());
    assert!(matches!(
        manager.add_metainfo(torrent(&content, 5), AddOptions::default()),
        Err(Error::Stopping)
    ));
}

#[test]
fn two_torrents_do_not_share_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let manager = engine(dir.path(), 15);
    let (one, two) = (torrent(&content(100_000), 5), torrent(&content(100_001), 6));
    let session = manager.add_metainfo(one, AddOptions::default()).unwrap();
    let refused = manager.add_metainfo(two.clone(), AddOptions::default()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("{} is already used by the torrent both", dir.path().join("both/a").display())
    );
    let inside = AddOptions { download_dir: Some(dir.path().join("state/x")), ..AddOptions::default() };
    assert!(matches!(manager.add_metainfo(two.clone(), inside), Err(Error::PathInUse { .. })));
    let beside = AddOptions { download_dir: Some(dir.path().join("other")), ..AddOptions::default() };
    let other = manager.add_metainfo(two.clone(), beside).unwrap();
    manager.remove_torrent(&other.info_hash(), RemoveData::Keep).unwrap();
    manager.remove_torrent(&session.info_hash(), RemoveData::Keep).unwrap();
    manager.add_metainfo(two, AddOptions::default()).unwrap();
    manager.shutdown();
}

/// Takes announces and never answers.
fn deaf_tracker() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/announce", listener.local_addr().unwrap());
    (listener, url)
}

#[test]
fn a_shutdown_of_many_does_not_wait_for_trackers() {
    let dir = tempfile::tempdir().unwrap();
    let (_deaf, url) = deaf_tracker();
    let mut config = Config::new(dir.path());
    config.listen = vec![SocketAddr::from(([127, 0, 9, 16], 0))];
    config.stop_timeout = Duration::from_secs(1);
    config.max_active_downloads = Some(MaxActive::Unlimited);
    let manager = TorrentManager::start(config).unwrap();
    let mut content = content(100_000);
    for n in 0..100_u8 {
        content[0] = n;
        let mut metainfo = torrent(&content, 5);
        metainfo.trackers = vec![vec![url.as_str().into()]];
        let options =
            AddOptions { download_dir: Some(dir.path().join(n.to_string())), ..AddOptions::default() };
        manager.add_metainfo(metainfo, options).unwrap();
    }
    wait("all to run", || {
        manager
            .all()
            .iter()
            .all(|session| session.stats().is_some_and(|stats| stats.state == SessionState::Downloading))
    });
    let began = Instant::now();
    manager.shutdown();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(1 + 2), "{took:?}");
    assert_eq!(manager.shared().tasks().alive(), 0);
}

#[test]
fn a_pause_ends_what_is_on_its_way_to_a_tracker() {
    let dir = tempfile::tempdir().unwrap();
    let (_deaf, url) = deaf_tracker();
    let mut config = Config::new(dir.path());
    config.listen = Vec::new();
    config.stop_timeout = Duration::from_millis(500);
    let manager = TorrentManager::start(config).unwrap();
    let idle = manager.shared().tasks().alive();
    let mut metainfo = torrent(&content(100_000), 5);
    metainfo.trackers = vec![vec![url.as_str().into()]];
    let session = manager.add_metainfo(metainfo, AddOptions::default()).unwrap();
    wait("the announce", || manager.shared().tasks().alive() == idle + 2);
    session.pause();
    wait("only the session to be left", || manager.shared().tasks().alive() == idle + 1);
    manager.shutdown();
}

#[test]
fn totals_are_kept_while_somebody_looks() {
    let dir = tempfile::tempdir().unwrap();
    let manager = engine(dir.path(), 17);
    assert_eq!(manager.board().global().free_space, None, "nobody has asked");
    wait("the room on the disk", || manager.board().since(0).global.free_space.is_some_and(|free| free > 0));
    assert_eq!(manager.board().global().listening, [address(&manager)]);
    let board = Arc::downgrade(manager.board());
    manager.shutdown();
    drop(manager);
    assert!(board.upgrade().is_none(), "nothing holds on to an engine that has ended");
}
