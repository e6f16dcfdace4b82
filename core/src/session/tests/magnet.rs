//! A magnet in the hands of its actor: what changes when its metadata is there (BEP 9, BEP 27).

use std::sync::Arc;

use tokio::sync::mpsc;

use super::super::actor::{Input, Phase};
use super::super::control::{Orders, Wish};
use super::super::on_metadata::Admission;
use super::bench::Bench;
use super::*;
use crate::magnet::Magnet;
use crate::peer::Report;
use crate::queue::Turn;
use crate::stats::{PeerSource, SessionState};
use crate::tracker::AnnounceEvent;
use crate::types::{InfoHash, InfoHashV2, LinkId, PeerId};
use crate::wire::handshake::{Handshake, Reserved};
use crate::wire::ut_metadata::PIECE_SIZE;

/// A running magnet, the torrent that it will turn out to be, and who is asked whether its files are free.
fn magnet() -> (Bench, Metainfo, mpsc::Receiver<Arc<Metainfo>>) {
    let (ask, asked) = mpsc::channel(1);
    let mut bench = Bench::magnet(ask);
    bench.wish(Wish::Run);
    let whole = torrent(&bench.content, 100);
    (bench, whole, asked)
}

/// A link that was found so, to a peer that has the metadata.
fn source(bench: &mut Bench, address: &str, source: PeerSource, size: usize) -> LinkId {
    let link = bench.link(address, source == PeerSource::Incoming);
    bench.actor.links.get_mut(&link).unwrap().source = source;
    let introduced = Report::Introduced {
        client: None,
        listen_port: None,
        your_ip: None,
        upload_only: None,
        takes_dont_have: false,
        takes_pex: false,
        metadata_size: Some(size as u32),
    };
    bench.report(link, introduced);
    link
}

/// The peer answers what it is asked for.
fn answer(bench: &mut Bench, link: LinkId, whole: &Metainfo) {
    let info = whole.info_bytes();
    let asked = bench.mail(link).metadata;
    assert_eq!(asked, [0], "it is asked for all of it");
    let said = Report::MetadataPiece { piece: 0, total_size: Some(info.len() as u32), data: info };
    bench.report(link, said);
}

#[test]
fn a_magnet_needs_no_turn_says_that_something_is_left_and_then_stands_in_line() {
    let (mut bench, whole, mut asked) = magnet();
    assert_eq!((&bench.actor.phase, bench.actor.state()), (&Phase::Running, SessionState::Metadata));
    let params = bench.actor.announce_params(AnnounceEvent::Started);
    assert!(params.left > 0, "it would be taken for a seed");
    assert!(!bench.actor.is_finished() && !bench.actor.upload_only);
    // A word of the queue that is meant for downloads.
    bench.turn(Input::Turn);
    assert_eq!(bench.actor.phase, Phase::Running);
    let link = source(&mut bench, "11.0.0.1:1", PeerSource::Tracker, whole.info_bytes().len());
    answer(&mut bench, link, &whole);
    assert_eq!(asked.try_recv().unwrap().info_hash, whole.info_hash);
    assert_eq!(bench.actor.state(), SessionState::Metadata, "its files may be another's");
    let admission = Some(Admission::Granted { own_folder: true });
    bench.turn(Input::Orders(Orders { admission, ..Orders::default() }));
    assert_eq!(bench.actor.phase, Phase::Checking);
    assert!(bench.actor.links.contains_key(&link), "the link is kept while the disk is looked at");
    let became = bench.mail(link).became.expect("the link hears what it is");
    assert_eq!(became.0.geometry, whole.geometry);
    assert_eq!(became.0.metadata, Some(whole.info_bytes()));
    bench.disk_until(|bench| bench.actor.phase != Phase::Checking);
    assert_eq!(bench.actor.phase, Phase::Queued, "now it stands in line");
    assert!(bench.actor.links.contains_key(&link) && bench.actor.in_swarm.is_some());
    assert_eq!(bench.actor.seat.as_ref().unwrap().turn(), Turn::Open);
}

#[test]
fn a_magnet_that_turns_out_private_has_nothing_to_do_with_strangers_any_more() {
    let (mut bench, mut whole, _asked) = magnet();
    let hash = bench.torrent.info_hash();
    assert_eq!(bench.shared.dht().registered(), [(hash, true)]);
    assert!(bench.actor.reserved().dht());
    let found = ["11.0.0.7:1".parse().unwrap()];
    bench.turn(Input::Found(PeerSource::Dht, found.to_vec()));
    whole.private = true;
    let size = whole.info_bytes().len();
    let named: Vec<_> = [PeerSource::Tracker, PeerSource::Incoming, PeerSource::Manual]
        .into_iter()
        .zip(1..)
        .map(|(from, n)| source(&mut bench, &format!("11.0.{n}.1:1"), from, size))
        .collect();
    let stranger = source(&mut bench, "11.0.9.1:1", PeerSource::Dht, size);
    bench.turn(Input::Orders(Orders { metadata: Some(Arc::new(whole)), ..Orders::default() }));
    assert_eq!(bench.shared.dht().registered(), []);
    assert!(!bench.actor.reserved().dht());
    assert!(!bench.actor.links.contains_key(&stranger));
    assert!(named.iter().all(|link| bench.actor.links.contains_key(link)));
    let known = bench.actor.pool.known();
    bench.turn(Input::Found(PeerSource::Dht, vec!["11.0.0.8:1".parse().unwrap()]));
    assert_eq!(bench.actor.pool.known(), known, "nobody new");
    let admission = Some(Admission::Granted { own_folder: true });
    bench.turn(Input::Orders(Orders { admission, ..Orders::default() }));
    let (shape, _) = bench.mail(named[0]).became.unwrap();
    assert_eq!((shape.metadata, shape.sharing), (None, crate::wire::extended::Sharing::NoLonger));
}

#[test]
fn a_magnet_of_the_v2_part_of_a_hybrid_goes_on_in_the_swarm_of_its_v1_part() {
    let (ask, mut asked) = mpsc::channel(1);
    let v2 = InfoHashV2::new([2; 32]);
    let name = InfoHash::new([2; 20]);
    let half = |metainfo: &mut Metainfo| {
        metainfo.trackers = vec![vec!["http://t.example/announce".into()]];
        (metainfo.info_hash, metainfo.info_hash_v1, metainfo.info_hash_v2) = (name, None, Some(v2));
    };
    let mut bench = Bench::magnet_of(half, ask);
    let mut whole = torrent(&bench.content, 100);
    let v1 = whole.info_hash;
    whole.info_hash_v2 = Some(v2);
    bench.wish(Wish::Run);
    assert_eq!(bench.shared.dht().registered(), [(name, true)]);
    assert!(bench.shared.registry().find(&name).is_some());
    assert_eq!(bench.actor.announce_params(AnnounceEvent::Started).info_hash, name);
    let link = source(&mut bench, "11.0.0.1:1", PeerSource::Tracker, 100);
    let known = bench.actor.pool.known();

    let metadata = Some(Arc::new(whole.named(name)));
    bench.turn(Input::Orders(Orders { metadata, ..Orders::default() }));
    assert_eq!(asked.try_recv().unwrap().swarm_hash(), v1);
    assert!(!bench.actor.links.contains_key(&link), "it was greeted by another hash");
    assert_eq!(bench.actor.pool.known(), known, "its peer is called again");
    assert_eq!(bench.shared.dht().registered(), [(v1, true)]);
    assert!(bench.shared.registry().find(&name).is_none() && bench.shared.registry().find(&v1).is_some());
    assert_eq!(bench.actor.announce_params(AnnounceEvent::Started).info_hash, v1);
    let greeted =
        |hash| Handshake { reserved: Reserved::OURS, info_hash: hash, peer_id: PeerId::new([7; 20]) };
    assert!(!bench.actor.greets_us(&greeted(name)) && bench.actor.greets_us(&greeted(v1)));
    assert_eq!((bench.torrent.info_hash(), bench.actor.newest.info_hash), (name, name), "people know it so");
    let admission = Some(Admission::Granted { own_folder: true });
    bench.turn(Input::Orders(Orders { admission, ..Orders::default() }));
    assert!(bench.actor.magnet.is_none() && bench.actor.in_swarm.is_some());
}

#[test]
fn a_torrent_file_that_comes_later_brings_its_trackers() {
    for private in [false, true] {
        let (mut bench, mut whole, _asked) = magnet();
        let trackers = |bench: &Bench| bench.actor.trackers.list().len();
        let before = trackers(&bench);
        whole.private = private;
        whole.trackers = vec![vec!["http://t.example/announce".into()]];
        bench.turn(Input::Orders(Orders { metadata: Some(Arc::new(whole)), ..Orders::default() }));
        assert_eq!(trackers(&bench), if private { 1 } else { before + 1 });
    }
}

#[test]
fn a_link_is_read_again_by_a_restart_with_what_was_decided_since() {
    let (mut bench, whole, _asked) = magnet();
    bench.wish(Wish::Pause);
    let kept = bench.shared.store().unwrap().posted(&whole.info_hash).unwrap();
    assert!(kept.paused);
    assert_eq!(Magnet::of(&whole).info_hash, whole.info_hash);
}

/// A torrent whose info dictionary has half a million hashes: 10 MB.
fn large() -> Metainfo {
    const PIECES: usize = 500_000;
    let mut bytes = format!(
        "d4:infod6:lengthi{}e4:name5:large12:piece lengthi16384e6:pieces{}:",
        PIECES * 16_384,
        PIECES * 20
    )
    .into_bytes();
    bytes.extend(content(PIECES * 20));
    bytes.extend(b"ee");
    Metainfo::parse(bytes.into()).unwrap()
}

/// The peers send all that they are asked for, until nobody is asked any more. One byte in `lie` is wrong.
fn answer_all(bench: &mut Bench, links: &[LinkId], info: &[u8], lie: Option<(LinkId, u32)>) {
    loop {
        let mut asked = Vec::new();
        for link in
            links.iter().filter(|link| bench.actor.links.contains_key(link)).copied().collect::<Vec<_>>()
        {
            asked.extend(bench.mail(link).metadata.into_iter().map(|piece| (link, piece)));
        }
        if asked.is_empty() {
            return;
        }
        for (link, piece) in asked {
            let start = (piece * PIECE_SIZE) as usize;
            let mut data = info[start..(start + PIECE_SIZE as usize).min(info.len())].to_vec();
            data[0] ^= u8::from(lie == Some((link, piece)));
            let total_size = Some(info.len() as u32);
            bench.report(link, Report::MetadataPiece { piece, total_size, data: data.into() });
        }
    }
}

#[test]
fn large_metadata_is_hashed_and_read_by_a_thread_of_its_own() {
    let whole = large();
    let (info, hash) = (whole.info_bytes(), whole.info_hash);
    let (ask, mut asked) = mpsc::channel(1);
    let mut bench = Bench::magnet_of(|metainfo| *metainfo = whole, ask);
    bench.wish(Wish::Run);
    let links: Vec<_> = (1..=2)
        .map(|host| source(&mut bench, &format!("11.0.{host}.1:1"), PeerSource::Tracker, info.len()))
        .collect();
    // One of them lies once, and nobody can say who.
    answer_all(&mut bench, &links, &info, Some((links[0], 0)));
    // The turn that took the last piece has decided nothing.
    assert!(asked.try_recv().is_err() && bench.actor.magnet.as_ref().unwrap().stats().have > 0);
    bench.discover();
    assert!(links.iter().all(|link| bench.actor.links.contains_key(link)));
    // From now on each has a copy of its own.
    answer_all(&mut bench, &links, &info, Some((links[0], 0)));
    while asked.try_recv().map(|metainfo| assert_eq!(metainfo.info_hash, hash)).is_err() {
        bench.discover();
    }
    assert!(!bench.actor.links.contains_key(&links[0]), "the liar is banned");
    assert!(bench.actor.links.contains_key(&links[1]));
}
