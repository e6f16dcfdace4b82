//! Turns: so many torrents download at once, all come to their end, and those that nobody has are in
//! nobody's way.

use std::net::SocketAddr;
use std::time::Duration;

use tc_core::event::{Delivery, Event};
use tc_core::queue::Shift;
use tc_core::settings::{MaxActive, Setting};
use tc_core::stats::SessionState;
use tc_core::{AddOptions, InfoHash, Metainfo, TorrentManager};
use tempfile::TempDir;

use crate::single;
use crate::swarm::config;
use crate::wait::{Deadline, until};

const PIECE: u32 = 64 * 1024;
const SIZE: usize = 1 << 20;

/// Torrents with their content.
fn torrents(from: u64, count: u64) -> Vec<(String, Vec<u8>, Metainfo)> {
    let one = |at: u64| {
        let (name, content) = (format!("it-{at}"), single::content(at + 500, SIZE));
        let bytes = single::single(&name, &content, PIECE, None);
        (name, content, Metainfo::parse(bytes.into()).unwrap())
    };
    (from..from + count).map(one).collect()
}

fn engine(host: u8, change: impl FnOnce(&mut tc_core::Config)) -> (TorrentManager, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), [127, 0, 32, host]);
    change(&mut config);
    (TorrentManager::start(config).unwrap(), folder)
}

/// Has all of them and serves them.
fn seeder(host: u8, torrents: &[(String, Vec<u8>, Metainfo)]) -> (TorrentManager, TempDir, SocketAddr) {
    let (seeder, folder) = engine(host, |_| ());
    for (name, content, metainfo) in torrents {
        std::fs::write(folder.path().join(name), content).unwrap();
        seeder.add_metainfo(metainfo.clone(), AddOptions::default()).unwrap();
    }
    until(Deadline::seconds(60), "all to seed", || {
        let seeds = |hash: &InfoHash| state(&seeder, hash) == Some(SessionState::Seeding);
        torrents.iter().all(|(_, _, metainfo)| seeds(&metainfo.info_hash)).then_some(())
    });
    let address = seeder.shared().listening().addresses[0];
    (seeder, folder, address)
}

fn state(manager: &TorrentManager, torrent: &InfoHash) -> Option<SessionState> {
    manager.board().get(torrent).map(|stats| stats.state)
}

fn add(manager: &TorrentManager, metainfo: &Metainfo, peers: Vec<SocketAddr>, paused: bool) -> InfoHash {
    let options = AddOptions { peers, paused, ..AddOptions::default() };
    manager.add_metainfo(metainfo.clone(), options).unwrap().info_hash()
}

#[test]
fn no_more_than_two_of_eight_download_at_once_and_all_complete_in_their_order() {
    let torrents = torrents(0, 8);
    let (seeder, _seeds, address) = seeder(1, &torrents);
    let (leecher, folder) = engine(2, |config| config.max_active_downloads = Some(MaxActive::At(2)));
    let mut events = leecher.subscribe_all("session.started session.completed").unwrap();
    let hashes: Vec<_> =
        torrents.iter().map(|(_, _, metainfo)| add(&leecher, metainfo, vec![address], true)).collect();
    // Slow enough that they meet.
    for hash in &hashes {
        leecher.get(hash).unwrap().set(&Setting::Down(Some(SIZE as u64)));
    }
    assert!(leecher.shift(&hashes[6..7], Shift::Top));
    leecher.resume_all();
    let (mut most, mut started, mut completed) = (0, Vec::new(), 0);
    until(Deadline::seconds(120), "all to complete", || {
        let all = leecher.board().since(0).changed;
        let downloading = all.iter().filter(|stats| stats.state == SessionState::Downloading).count();
        most = most.max(downloading);
        assert!(downloading <= 2, "{downloading} at once");
        while let Some(Delivery::Event(tagged)) = events.try_next() {
            match *tagged.event {
                Event::SessionCompleted { .. } => completed += 1,
                _ => started.extend(tagged.info_hash),
            }
        }
        (completed == 8).then_some(())
    });
    assert_eq!(most, 2, "both turns were used");
    // 6 and 0 need not wait. Two whose turn comes together may say so in either order.
    for (at, expected) in [1, 2, 3, 4, 5, 7].into_iter().enumerate() {
        let got = started.iter().position(|hash| *hash == hashes[expected]).unwrap();
        assert!(got.abs_diff(at) <= 1, "{expected} was number {got}, not {at}");
    }
    for (name, content, _) in &torrents {
        assert!(std::fs::read(folder.path().join(name)).unwrap() == *content, "{name}");
    }
    leecher.shutdown();
    seeder.shutdown();
}

#[test]
fn torrents_that_nobody_has_are_in_nobodys_way() {
    let (dead, alive) = (torrents(20, 3), torrents(30, 3));
    let (seeder, _seeds, address) = seeder(3, &alive);
    let (leecher, _folder) = engine(4, |config| {
        config.max_active_downloads = Some(MaxActive::At(2));
        config.slow_after = Duration::from_secs(2);
    });
    let dead: Vec<_> =
        dead.iter().map(|(_, _, metainfo)| add(&leecher, metainfo, Vec::new(), false)).collect();
    let alive: Vec<_> =
        alive.iter().map(|(_, _, metainfo)| add(&leecher, metainfo, vec![address], false)).collect();
    until(Deadline::seconds(120), "those that are there to complete", || {
        alive.iter().all(|hash| state(&leecher, hash) == Some(SessionState::Seeding)).then_some(())
    });
    until(Deadline::seconds(60), "the others to be on the look-out", || {
        dead.iter().all(|hash| state(&leecher, hash) == Some(SessionState::Downloading)).then_some(())
    });
    leecher.shutdown();
    seeder.shutdown();
}
