//! Magnets (BEP 9, BEP 53): a torrent that begins as a hash, between two engines and against peers that lie.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use bytes::Bytes;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use tc_core::magnet::Magnet;
use tc_core::settings::Priority;
use tc_core::stats::SessionState;
use tc_core::types::InfoHashV2;
use tc_core::wire::extended::Extension;
use tc_core::wire::message::Message;
use tc_core::wire::ut_metadata::{PIECE_SIZE, UtMetadata};
use tc_core::{AddOptions, Delivery, Event, Metainfo, Session, Subscription, TorrentManager};
use tempfile::TempDir;

use crate::raw::Raw;
use crate::single;
use crate::swarm::config;
use crate::wait::{Deadline, until};

/// So many pieces that the metadata has two of its own.
const PIECE: u32 = 16 * 1024;
const SIZE: usize = 1_000 * PIECE as usize;

fn torrent(seed: u64) -> (Vec<u8>, Metainfo) {
    let content = single::content(seed, SIZE);
    let metainfo = Metainfo::parse(single::single("it", &content, PIECE, None).into()).unwrap();
    assert!(metainfo.info_bytes().len() > PIECE_SIZE as usize);
    (content, metainfo)
}

/// An engine that has the torrent.
struct Seed {
    manager: TorrentManager,
    metainfo: Metainfo,
    content: Vec<u8>,
    _dir: TempDir,
}

impl Seed {
    fn new(host: u8, seed: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (content, metainfo) = torrent(seed);
        std::fs::write(dir.path().join("it"), &content).unwrap();
        let manager = TorrentManager::start(config(dir.path(), [127, 0, 30, host])).unwrap();
        let session = manager.add_metainfo(metainfo.clone(), AddOptions::default()).unwrap();
        reaches(&session, SessionState::Seeding);
        Self { manager, metainfo, content, _dir: dir }
    }

    fn address(&self) -> SocketAddr {
        self.manager.shared().listening().addresses[0]
    }

    fn link(&self) -> Magnet {
        link(&self.metainfo)
    }
}

fn link(metainfo: &Metainfo) -> Magnet {
    Magnet::of_hash(&metainfo.info_hash.to_string()).unwrap()
}

fn engine(dir: &Path, host: u8) -> TorrentManager {
    let mut config = config(dir, [127, 0, 30, host]);
    config.state_dir = Some(dir.join("state"));
    TorrentManager::start(config).unwrap()
}

#[track_caller]
fn reaches(session: &Session, state: SessionState) {
    until(Deadline::seconds(40), &format!("the torrent to be {state:?}"), || {
        session.stats().filter(|stats| stats.state == state)
    });
}

fn heard(events: &mut Subscription) -> Vec<Event> {
    std::iter::from_fn(|| events.try_next())
        .filter_map(|delivery| match delivery {
            Delivery::Event(tagged) => Some((*tagged.event).clone()),
            Delivery::Missed(_) => None,
        })
        .collect()
}

fn peers(addresses: &[SocketAddr]) -> AddOptions {
    AddOptions { peers: addresses.to_vec(), ..AddOptions::default() }
}

#[test]
fn a_magnet_becomes_a_torrent_and_keeps_its_links() {
    let seed = Seed::new(1, 41);
    let dir = tempfile::tempdir().unwrap();
    let manager = engine(dir.path(), 2);
    let mut events = manager.subscribe_all("metadata.* peer.* session.*").unwrap();
    // The address comes with the link.
    let text = format!("{}&dn=called&x.pe={}", seed.link(), seed.address());
    let session = manager.add_magnet(Magnet::parse(&text).unwrap(), AddOptions::default()).unwrap();
    assert_eq!(session.metainfo().name.to_string(), "called");
    reaches(&session, SessionState::Seeding);
    assert!(std::fs::read(dir.path().join("it")).unwrap() == seed.content, "the content is wrong");
    assert_eq!(session.metainfo().info_bytes(), seed.metainfo.info_bytes());
    let stats = session.stats().unwrap();
    assert_eq!((stats.name.to_string(), stats.total_size, stats.metadata), ("it".into(), SIZE as u64, None));
    let events = heard(&mut events);
    let known =
        events.iter().position(|event| matches!(event, Event::MetadataReceived { files: 1, .. })).unwrap();
    let done = events.iter().position(|event| matches!(event, Event::SessionCompleted { .. })).unwrap();
    let links =
        |event: &&Event| matches!(event, Event::PeerConnected { .. } | Event::PeerDisconnected { .. });
    assert_eq!(events[known..done].iter().filter(links).count(), 0, "{events:#?}");
    assert_eq!(events[..known].iter().filter(links).count(), 1, "{events:#?}");
    // The list has the torrent now.
    manager.shutdown();
    let kept = dir.path().join("state/torrents").join(format!("{}.torrent", seed.metainfo.info_hash));
    assert!(kept.exists() && !kept.with_extension("magnet").exists());
    let manager = engine(dir.path(), 2);
    reaches(&manager.get(&seed.metainfo.info_hash).unwrap(), SessionState::Seeding);
    manager.shutdown();
}

#[test]
fn a_magnet_survives_a_restart_before_its_metadata_is_there() {
    let seed = Seed::new(3, 42);
    let dir = tempfile::tempdir().unwrap();
    let text = format!("{}&dn=called&tr=http://127.0.0.1:1/announce&ws=http://w.example/", seed.link());
    let manager = engine(dir.path(), 4);
    let session = manager.add_magnet(Magnet::parse(&text).unwrap(), AddOptions::default()).unwrap();
    reaches(&session, SessionState::Metadata);
    let paused = link(&torrent(43).1);
    manager.add_magnet(paused.clone(), AddOptions { paused: true, ..AddOptions::default() }).unwrap();
    manager.shutdown();
    drop(manager);
    let manager = engine(dir.path(), 4);
    let session = manager.get(&seed.metainfo.info_hash).unwrap();
    assert!(!session.has_metadata());
    assert_eq!(session.metainfo().name.to_string(), "called");
    assert_eq!((session.trackers().len(), session.metainfo().web_seeds.len()), (1, 1));
    reaches(&session, SessionState::Metadata);
    let paused = manager.get(&paused.info_hash).unwrap();
    assert_eq!(paused.stats().unwrap().state, SessionState::Paused);
    session.add_peer(seed.address());
    reaches(&session, SessionState::Seeding);
    manager.remove_torrent(&paused.info_hash(), tc_core::RemoveData::Keep).unwrap();
    manager.shutdown();
    let kept = std::fs::read_dir(dir.path().join("state/torrents")).unwrap();
    let names: Vec<_> = kept.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names, [format!("{}.torrent", seed.metainfo.info_hash)]);
}

/// What a viewer asks of a torrent without files and pieces.
#[test]
fn a_magnet_shows_what_is_known_and_takes_what_people_ask() {
    let seed = Seed::new(12, 48);
    let dir = tempfile::tempdir().unwrap();
    let manager = engine(dir.path(), 13);
    let session = manager.add_magnet(seed.link(), AddOptions::default()).unwrap();
    use tc_core::stats::DetailKind as D;
    let kinds = [D::Files, D::Peers, D::Trackers, D::Overview, D::Limits, D::Pieces];
    let panes: Vec<_> = kinds.iter().map(|kind| session.watch(*kind)).collect();
    for pane in &panes {
        until(Deadline::seconds(20), "the detail", || pane.borrow().is_some().then_some(()));
    }
    session.recheck();
    session.reannounce();
    session.set(&tc_core::Setting::Files { files: vec![0], priority: Priority::Skip });
    session.set(&tc_core::Setting::Sequential(true));
    assert!(session.rename(0, 0, "x").is_err());
    session.pause();
    reaches(&session, SessionState::Paused);
    session.resume();
    reaches(&session, SessionState::Metadata);
    let elsewhere = dir.path().join("elsewhere");
    manager.move_torrent(&session.info_hash(), &elsewhere).unwrap();
    until(Deadline::seconds(20), "the move", || (session.save_path() == elsewhere).then_some(()));
    reaches(&session, SessionState::Metadata);
    session.add_peer(seed.address());
    reaches(&session, SessionState::Seeding);
    assert!(std::fs::read(elsewhere.join("it")).unwrap() == seed.content, "the content is wrong");
    manager.shutdown();
}

#[test]
fn the_same_torrent_twice_is_one_session_whatever_it_was_added_by() {
    let dir = tempfile::tempdir().unwrap();
    let manager = engine(dir.path(), 5);
    let (_, metainfo) = torrent(44);
    let with = |tracker: &str| Magnet::parse(&format!("{}&tr={tracker}", link(&metainfo))).unwrap();
    let first = manager.add_magnet(with("http://127.0.0.1:1/a"), AddOptions::default()).unwrap();
    let second = manager.add_magnet(with("http://127.0.0.1:1/b"), AddOptions::default()).unwrap();
    assert_eq!(manager.all().len(), 1);
    until(Deadline::seconds(20), "the second tracker", || (second.trackers().len() == 2).then_some(()));
    // The torrent file has what the link lacks.
    manager.add_metainfo(metainfo.clone(), AddOptions::default()).unwrap();
    reaches(&first, SessionState::Downloading);
    assert_eq!((manager.all().len(), first.metainfo().files.len()), (1, 1));
    let again = manager.add_magnet(with("http://127.0.0.1:1/c"), AddOptions::default()).unwrap();
    until(Deadline::seconds(20), "the third tracker", || (again.trackers().len() == 3).then_some(()));
    manager.shutdown();
}

/// A torrent of three files.
fn three_files() -> Metainfo {
    let file = |n: u8| format!("d6:lengthi16384e4:pathl1:{}ee", char::from(b'a' + n));
    let files: String = (0..3).map(file).collect();
    let info = format!("d5:filesl{files}e4:name1:n12:piece lengthi16384e6:pieces60:{}e", "h".repeat(60));
    Metainfo::parse(format!("d4:info{info}e").into_bytes().into()).unwrap()
}

#[test]
fn files_are_chosen_before_anything_is_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let manager = engine(dir.path(), 6);
    let metainfo = three_files();
    let options = AddOptions { stop_at_metadata: true, ..AddOptions::default() };
    let selected = Magnet::parse(&format!("{}&so=1", link(&metainfo))).unwrap();
    let session = manager.add_magnet(selected, options).unwrap();
    let (address, peer) = peer(&metainfo, 9, |_, data| data);
    session.add_peer(address);
    reaches(&session, SessionState::Paused);
    assert!(session.has_metadata());
    let chosen = |session: &Session| (0..3).map(|file| session.settings().file(file)).collect::<Vec<_>>();
    assert_eq!(chosen(&session), [Priority::Skip, Priority::Normal, Priority::Skip]);
    assert!(!dir.path().join("n").exists(), "something was fetched");
    // BEP 53: a link to a torrent that is there adds the files that it selects.
    manager
        .add_magnet(Magnet::parse(&format!("{}&so=2", link(&metainfo))).unwrap(), AddOptions::default())
        .unwrap();
    assert_eq!(chosen(&session), [Priority::Skip, Priority::Normal, Priority::Normal]);
    session.resume();
    reaches(&session, SessionState::Downloading);
    manager.shutdown();
    peer.join().unwrap();
    let manager = engine(dir.path(), 6);
    assert_eq!(
        chosen(&manager.get(&metainfo.info_hash).unwrap()),
        [Priority::Skip, Priority::Normal, Priority::Normal]
    );
    manager.shutdown();
}

/// A peer that has only the metadata and serves it, as `answer` makes it, until the engine has closed twice.
fn peer(
    metainfo: &Metainfo,
    id: u8,
    answer: impl Fn(u32, Vec<u8>) -> Vec<u8> + Send + 'static,
) -> (SocketAddr, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (hash, info) = (metainfo.info_hash, metainfo.info_bytes());
    let serve = move || {
        // The engine calls encrypted first.
        for _ in 0..2 {
            let (stream, _) = listener.accept().unwrap();
            if let Ok(raw) = Raw::answer(stream, hash, [id; 20]) {
                return serve(raw, &info, answer);
            }
        }
    };
    (address, std::thread::spawn(serve))
}

fn serve(mut raw: Raw, info: &Bytes, answer: impl Fn(u32, Vec<u8>) -> Vec<u8>) {
    let size = info.len();
    let payload = format!("d1:md11:ut_metadatai1ee13:metadata_sizei{size}ee").into_bytes().into();
    raw.say(&[Message::Extended { id: 0, payload }, Message::HaveNone]);
    while let Some(message) = raw.hear() {
        let Message::Extended { id, payload } = message else { continue };
        if id == 1
            && let Some(UtMetadata::Request { piece }) = UtMetadata::parse(&payload)
        {
            let start = (piece * PIECE_SIZE) as usize;
            let data = answer(piece, info[start..size.min(start + PIECE_SIZE as usize)].to_vec()).into();
            let said = UtMetadata::Data { piece, total_size: Some(size as u32), data };
            raw.say(&[Message::Extended { id: Extension::UtMetadata.our_id(), payload: said.encode() }]);
        }
    }
}

fn wrong(_: u32, mut data: Vec<u8>) -> Vec<u8> {
    data[0] ^= 1;
    data
}

#[test]
fn who_lies_about_metadata_is_banned_and_does_not_stop_the_others() {
    let seed = Seed::new(7, 45);
    let dir = tempfile::tempdir().unwrap();
    let manager = engine(dir.path(), 8);
    let mut events = manager.subscribe_all("peer.banned").unwrap();
    let (liar, first) = peer(&seed.metainfo, 1, wrong);
    // One of them never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let session = manager.add_magnet(seed.link(), peers(&[liar, silent.local_addr().unwrap()])).unwrap();
    let banned = until(Deadline::seconds(40), "the liar to be banned", || {
        heard(&mut events).into_iter().find_map(|event| match event {
            Event::PeerBanned { address, why } => Some((address, why.to_string())),
            _ => None,
        })
    });
    assert_eq!(banned, (liar, "the metadata that came from it was bad".to_owned()));
    first.join().unwrap();
    // Now two fill one copy, and one of them lies in its part of it.
    let (liar, second) =
        peer(&seed.metainfo, 2, |piece, data| if piece == 1 { wrong(piece, data) } else { data });
    session.add_peer(liar);
    session.add_peer(seed.address());
    reaches(&session, SessionState::Seeding);
    assert!(std::fs::read(dir.path().join("it")).unwrap() == seed.content, "the content is wrong");
    manager.shutdown();
    second.join().unwrap();
    assert!(
        heard(&mut events)
            .iter()
            .all(|event| !matches!(event, Event::PeerBanned { address, .. } if *address == seed.address()))
    );
}

#[test]
fn what_cannot_be_transferred_is_said_plainly() {
    let dir = tempfile::tempdir().unwrap();
    let manager = engine(dir.path(), 9);
    let info = "d9:file treed1:ad0:d6:lengthi5e11:pieces root32:rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrreee12:meta versioni2e4:name1:a12:piece lengthi16384ee";
    let metainfo = Metainfo::parse(format!("d4:info{info}e").into_bytes().into()).unwrap();
    let hash = InfoHashV2::new(Sha256::digest(info).into());
    let session =
        manager.add_magnet(Magnet::of_hash(&hash.to_string()).unwrap(), AddOptions::default()).unwrap();
    let (address, peer) = peer(&metainfo, 3, |_, data| data);
    session.add_peer(address);
    reaches(&session, SessionState::Error);
    let stats = session.stats().unwrap();
    assert_eq!(
        stats.message.as_ref().unwrap().to_string(),
        "a v2-only torrent: its transfer is not there yet"
    );
    assert_eq!((stats.name.to_string(), stats.total_size), ("a".into(), 5));
    peer.join().unwrap();
    manager.shutdown();
}

/// A hybrid of one small file, and links to it by each of its parts alone.
fn hybrid(name: &str) -> (Metainfo, [Magnet; 2]) {
    let content = [&Sha256::digest(b"hello")[..], &Sha1::digest(b"hello")];
    let text = |bytes: &[u8]| [format!("{}:", bytes.len()).as_bytes(), bytes].concat();
    let info = [
        format!("d9:file treed{}:{name}d0:d6:lengthi5e11:pieces root", name.len()).as_bytes(),
        &text(content[0]),
        format!("eee6:lengthi5e12:meta versioni2e4:name{}:{name}12:piece lengthi16384e6:pieces", name.len())
            .as_bytes(),
        &text(content[1]),
        b"e",
    ]
    .concat();
    let metainfo = Metainfo::parse([b"d4:info", &info[..], b"e"].concat().into()).unwrap();
    let v1 = Magnet::of_hash(&metainfo.info_hash_v1.unwrap().to_string()).unwrap();
    let v2 = Magnet::of_hash(&metainfo.info_hash_v2.unwrap().to_string()).unwrap();
    (metainfo, [v1, v2])
}

/// It keeps the name that it was added by; the file is another way to name it, in a later run too.
#[test]
fn a_link_to_the_v2_part_of_a_hybrid_is_the_torrent_of_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let manager = engine(dir.path(), 11);
    let (whole, [v1, v2]) = hybrid("it");
    let session = manager.add_magnet(v2.clone(), AddOptions::default()).unwrap();
    let again = manager.add_metainfo(whole.clone(), AddOptions::default()).unwrap();
    assert_eq!((session.info_hash(), again.info_hash()), (v2.info_hash, v2.info_hash));
    reaches(&session, SessionState::Downloading);
    assert_eq!(session.metainfo().info_hash, v2.info_hash);
    assert_eq!(session.metainfo().swarm_hash(), v1.info_hash);
    std::fs::write(dir.path().join("it"), b"hello").unwrap();
    session.recheck();
    reaches(&session, SessionState::Seeding);
    manager.shutdown();
    drop(manager);

    let manager = engine(dir.path(), 11);
    let session = manager.get(&v2.info_hash).unwrap();
    reaches(&session, SessionState::Seeding);
    assert_eq!(session.metainfo().swarm_hash(), v1.info_hash);
    for again in [v1.clone(), v2.clone()] {
        assert_eq!(manager.add_magnet(again, AddOptions::default()).unwrap().info_hash(), v2.info_hash);
    }
    assert_eq!(manager.all().len(), 1);
    manager.remove_torrent(&v1.info_hash, tc_core::RemoveData::Keep).unwrap();
    assert!(manager.get(&v1.info_hash).is_none() && manager.get(&v2.info_hash).is_none());
    manager.shutdown();
}

/// Nobody can know before the metadata is there.
#[test]
fn of_two_links_to_one_hybrid_the_second_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let manager = engine(dir.path(), 12);
    let (whole, [v1, v2]) = hybrid("it");
    let [first, second] = [v1, v2].map(|link| manager.add_magnet(link, AddOptions::default()).unwrap());
    assert_ne!(first.info_hash(), second.info_hash());
    manager.add_metainfo(whole.clone(), AddOptions::default()).unwrap();
    reaches(&first, SessionState::Downloading);
    reaches(&second, SessionState::Error);
    let said = second.stats().unwrap().message.as_ref().unwrap().to_string();
    assert_eq!(said, "it is the same torrent as it, which is on the list already");
    // By hand it is the same again; once the other is gone, the files are free.
    let mut events = manager.subscribe_all("session.error").unwrap();
    second.start();
    let told = |event: Event| matches!(event, Event::SessionError { code, .. } if code.raw() == "duplicate");
    until(Deadline::seconds(40), "the same error", || heard(&mut events).into_iter().any(told).then_some(()));
    manager.remove_torrent(&first.info_hash(), tc_core::RemoveData::Keep).unwrap();
    second.start();
    reaches(&second, SessionState::Downloading);
    assert_eq!(second.metainfo().swarm_hash(), whole.info_hash);
    manager.shutdown();
}

#[test]
fn a_magnet_does_not_write_into_the_files_of_another_torrent() {
    let seed = Seed::new(10, 46);
    let dir = tempfile::tempdir().unwrap();
    let manager = engine(dir.path(), 11);
    // Another torrent has a file of that name there.
    let (_, other) = torrent(47);
    let owner =
        manager.add_metainfo(other.clone(), AddOptions { paused: true, ..AddOptions::default() }).unwrap();
    let session = manager.add_magnet(seed.link(), peers(&[seed.address()])).unwrap();
    reaches(&session, SessionState::Error);
    assert!(
        session
            .stats()
            .unwrap()
            .message
            .clone()
            .unwrap()
            .to_string()
            .contains("already used by the torrent it")
    );
    manager.remove_torrent(&owner.info_hash(), tc_core::RemoveData::Delete).unwrap();
    session.resume();
    reaches(&session, SessionState::Seeding);
    assert!(std::fs::read(dir.path().join("it")).unwrap() == seed.content, "the content is wrong");
    manager.shutdown();
}
