//! Whole engines against each other on loopback, each on an address of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use sha1::{Digest as _, Sha1};

use crate::event::{Delivery, Event};
use crate::manager::{AddOptions, RemoveData, TorrentManager};
use crate::metainfo::Metainfo;
use crate::resume::{ResumeRecord, StateStore};
use crate::stats::{Detail, DetailKind, SessionState};
use crate::{Config, Session};

mod assumed;
mod bench;
mod board;
mod crash;
mod dht;
mod ends;
mod faults;
mod incomplete;
mod lsd;
mod magnet;
mod meetings;
mod moves;
mod part_names;
mod pex;
mod queue;
mod rename;
mod room;
mod settings;
mod trackers;
mod turns;

const PIECE: usize = 64 * 1024;
const PATIENCE: Duration = Duration::from_secs(30);

fn content(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..bytes)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}

/// A torrent of two files over this content.
fn torrent(content: &[u8], split: usize) -> Metainfo {
    let pieces: Vec<u8> = content.chunks(PIECE).flat_map(|piece| Sha1::digest(piece).to_vec()).collect();
    let mut bytes = format!(
        "d4:infod5:filesld6:lengthi{split}e4:pathl1:aeed6:lengthi{}e4:pathl3:sub1:beee4:name4:both12:piece lengthi{PIECE}e6:pieces{}:",
        content.len() - split,
        pieces.len()
    )
    .into_bytes();
    bytes.extend(pieces);
    bytes.extend(b"ee");
    Metainfo::parse(bytes.into()).unwrap()
}

fn lay_out(dir: &Path, content: &[u8], split: usize) {
    std::fs::create_dir_all(dir.join("both/sub")).unwrap();
    std::fs::write(dir.join("both/a"), &content[..split]).unwrap();
    std::fs::write(dir.join("both/sub/b"), &content[split..]).unwrap();
}

fn read_back(dir: &Path) -> Vec<u8> {
    let mut all = std::fs::read(dir.join("both/a")).unwrap();
    all.extend(std::fs::read(dir.join("both/sub/b")).unwrap());
    all
}

fn engine(dir: &Path, host: u8) -> TorrentManager {
    engine_with(dir, host, |_| ())
}

fn engine_with(dir: &Path, host: u8, change: impl FnOnce(&mut Config)) -> TorrentManager {
    let mut config = Config::new(dir);
    config.listen = vec![SocketAddr::from(([127, 0, 9, host], 0))];
    config.state_dir = Some(dir.join("state"));
    change(&mut config);
    TorrentManager::start(config).unwrap()
}

/// The record of the only torrent, as the next run will find it.
fn record(dir: &Path) -> ResumeRecord {
    let (_store, mut list, problems) = StateStore::open(&dir.join("state")).unwrap();
    assert_eq!((list.len(), problems), (1, Vec::new()));
    list.pop().unwrap().record.unwrap()
}

/// All pieces are claimed, of files that look as they did.
fn assert_nothing_to_hash(dir: &Path) {
    let record = record(dir);
    let ones = |bits: &[u8]| bits.iter().map(|byte| byte.count_ones()).sum::<u32>();
    assert!(ones(&record.have) > 0 && ones(&record.maybe) == 0);
    assert!(record.files.iter().all(|stamp| stamp.complete && stamp.mtime_ns > 0), "{:?}", record.files);
}

fn address(manager: &TorrentManager) -> SocketAddr {
    manager.shared().listening().addresses[0]
}

fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// Where the second file of most torrents here begins.
const SPLIT: usize = 300_000;

/// An engine that seeds a torrent of two files from this folder.
fn seeding(dir: &Path, host: u8) -> (TorrentManager, Session, Vec<u8>) {
    let content = content(1_000_000);
    lay_out(dir, &content, SPLIT);
    let manager = engine(dir, host);
    let session = manager.add_metainfo(torrent(&content, SPLIT), AddOptions::default()).unwrap();
    wait_for(&session, SessionState::Seeding);
    (manager, session, content)
}

fn wait_for(session: &Session, state: SessionState) {
    let shown = || session.stats().map(|stats| (stats.state, stats.message.clone()));
    let deadline = Instant::now() + PATIENCE;
    while shown().is_none_or(|(shown, _)| shown != state) {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {state:?}; it is {:?}", shown());
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn a_torrent_goes_from_a_seed_to_a_leecher_and_survives_a_restart() {
    let (seed_dir, leech_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let content = content(3_000_001);
    lay_out(seed_dir.path(), &content, 1_234_567);
    let seeder = engine(seed_dir.path(), 1);
    let seed = seeder.add_metainfo(torrent(&content, 1_234_567), AddOptions::default()).unwrap();
    wait_for(&seed, SessionState::Seeding);

    let leecher = engine(leech_dir.path(), 2);
    let mut events = leecher.subscribe_all("session.* piece.* file.*").unwrap();
    let options = AddOptions { peers: vec![address(&seeder)], ..AddOptions::default() };
    let leech = leecher.add_metainfo(torrent(&content, 1_234_567), options).unwrap();
    wait_for(&leech, SessionState::Seeding);
    assert!(read_back(leech_dir.path()) == content);
    wait("the figures", || seed.stats().unwrap().uploaded == content.len() as u64);
    wait("the figures", || leech.stats().unwrap().downloaded == content.len() as u64);

    let (mut pieces, mut files, mut completed) = (0, 0, 0);
    while let Some(Delivery::Event(tagged)) = events.try_next() {
        match &*tagged.event {
            Event::PieceCompleted { .. } => pieces += 1,
            Event::FileCompleted { .. } => files += 1,
            Event::SessionCompleted { downloaded, .. } => {
                completed += 1;
                assert_eq!(*downloaded, content.len() as u64);
            }
            _ => {}
        }
    }
    assert_eq!((pieces, files, completed), (content.len().div_ceil(PIECE), 2, 1));

    leecher.shutdown();
    assert_eq!(leecher.shared().tasks().alive(), 0);
    assert_nothing_to_hash(leech_dir.path());
    let again = engine(leech_dir.path(), 2);
    let session = again.all().pop().expect("the list is kept");
    wait_for(&session, SessionState::Seeding);
    assert_eq!(session.stats().unwrap().downloaded, content.len() as u64);
    again.shutdown();
    seeder.shutdown();
}

#[test]
fn pause_lets_peers_go_and_resume_goes_on() {
    let (seed_dir, leech_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let content = content(8_000_000);
    lay_out(seed_dir.path(), &content, 5);
    let mut config = Config::new(seed_dir.path());
    config.listen = vec![SocketAddr::from(([127, 0, 9, 3], 0))];
    config.upload_limit = Some(4 << 20);
    let seeder = TorrentManager::start(config).unwrap();
    seeder.add_metainfo(torrent(&content, 5), AddOptions::default()).unwrap();

    let leecher = engine(leech_dir.path(), 4);
    let options = AddOptions { peers: vec![address(&seeder)], ..AddOptions::default() };
    let leech = leecher.add_metainfo(torrent(&content, 5), options).unwrap();
    wait("some pieces", || leech.stats().unwrap().pieces_have > 5);
    leech.pause();
    wait_for(&leech, SessionState::Paused);
    let stats = leech.stats().unwrap();
    assert_eq!(stats.seeds + stats.leechers, 0);
    assert!(!stats.is_complete());
    leech.resume();
    wait_for(&leech, SessionState::Seeding);
    assert!(read_back(leech_dir.path()) == content);

    let hash = leech.info_hash();
    leecher.remove_torrent(&hash, RemoveData::Delete).unwrap();
    wait("its place to go", || leecher.board().get(&hash).is_none());
    wait("its files to go", || !leech_dir.path().join("both").exists());
    leecher.shutdown();
    seeder.shutdown();
}

/// A UDP tracker on loopback that knows two seeds and three leechers of every torrent, for as long as
/// the engine of the test asks.
fn scrape_tracker() -> u16 {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut packet = [0; 2_048];
        while let Ok((_, from)) = socket.recv_from(&mut packet) {
            let (action, transaction) = (&packet[8..12], &packet[12..16]);
            let body: &[u8] = match packet[11] {
                0 => b"12345678",
                2 => b"\0\0\0\x02\0\0\0\x07\0\0\0\x03",
                action => panic!("a torrent that does not run sent action {action}"),
            };
            socket.send_to(&[action, transaction, body].concat(), from).unwrap();
        }
    });
    port
}

#[test]
fn a_torrent_at_rest_shows_what_its_tracker_knows_while_somebody_looks() {
    let dir = tempfile::tempdir().unwrap();
    let manager = engine(dir.path(), 7);
    let mut metainfo = torrent(&content(200_000), 1_000);
    metainfo.trackers = vec![vec![format!("udp://127.0.0.1:{}/announce", scrape_tracker()).into()]];
    let options = AddOptions { paused: true, ..AddOptions::default() };
    let session = manager.add_metainfo(metainfo, options).unwrap();
    let pane = session.watch(DetailKind::Trackers);
    wait("the figures of the tracker", || match pane.borrow().as_deref() {
        Some(Detail::Trackers(trackers, _)) => {
            (trackers[0].seeds, trackers[0].leechers, trackers[0].peers) == (Some(2), Some(3), None)
        }
        _ => false,
    });
    wait("the figures in the table", || session.stats().is_some_and(|stats| stats.swarm == Some((2, 3))));
    manager.shutdown();
    assert_eq!(manager.shared().tasks().alive(), 0);
}
