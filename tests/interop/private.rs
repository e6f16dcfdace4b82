//! A private torrent meets none of DHT, PEX and LSD, and its peers hear of none of them (BEP 27): by all packets of
//! a download and of what follows it, while a public torrent of the same engine does all three.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use serde_json::json;
use tc_core::types::PeerId;
use tc_core::wire::extended;
use tc_core::wire::handshake::{self, Handshake, Reserved};
use tc_core::wire::message::{Decoder, Message};
use tc_core::{Config, InfoHash, TorrentManager};

use crate::capture::{Capture, Packet, streams};
use crate::clients::make::Make::{Libtorrent, Rtorrent, Transmission};
use crate::clients::other::{Options, Other};
use crate::clients::ours::PORT;
use crate::lab::{self, Lab};
use crate::net::{Family, Host};
use crate::torrent::Content;
use crate::wait::until;

/// Where LSD speaks.
const LSD: &str = "239.192.152.143:6771";

#[test]
fn a_private_torrent_meets_neither_dht_nor_pex_nor_lsd() {
    let test = "a_private_torrent_meets_neither_dht_nor_pex_nor_lsd";
    let found = which("tcpdump");
    let Some(()) = lab::require(found, test) else { return };
    let content = Content::single(2_000_001, 64 << 10, 51).private();
    let makes = [Libtorrent, Transmission];
    let Some(mut lab) = Lab::new(test, &makes, content, Family::V4) else { return };
    let private: InfoHash = lab.info_hash.parse().expect("it is one");
    let _seed = lab.other_seed(Libtorrent, &Options::default());
    // A node to begin with in the DHT.
    let node = lab.net.host("node");
    let engine = node_at(&node, &lab);
    // Two peers of a public torrent that has no tracker; each tells the network of it.
    let content = Content::single(2_000_003, 64 << 10, 52);
    let torrent = lab.work.join("public.torrent");
    let public: InfoHash = content.torrent(&[], &torrent).parse().expect("it is one");
    let mut others = Vec::new();
    for name in ["one", "two"] {
        content.write(&lab.dir(name));
        let host = lab.net.host(name);
        let settings = json!({"enable_lsd": true});
        let options = Options { settings, ..Options::default() };
        let mut other = Other::start(Libtorrent, &host, Family::V4, name, &lab.work, &options);
        other.add(&torrent, &lab.dir(name));
        other.wait_seeding(lab::ready());
        others.push(other);
    }

    let host = lab.net.host("ours");
    let capture = Capture::start(&host, &lab.work, "ours");
    let torrent = torrent.to_str().expect("we named it").to_owned();
    let node = SocketAddr::new(node.v4.into(), PORT).to_string();
    // Two seeds part, so the public one takes its time.
    let more =
        [&torrent, "TC_TUI_NO_LSD=false", "--dht-bootstrap", &node, "--encryption", "off", "--seed-after"];
    let (slow, rate) = ("--down-limit", "150K");
    let ours = lab.ours_again(&host, "ours", &[&more[..], &[slow, rate]].concat());
    let completes = |event: &serde_json::Value| event["info_hash"] == lab.info_hash.as_str();
    ours.event_that("session.completed", lab::transfer(), completes);
    // And what follows it: somebody downloads it from us.
    let mut leech = lab.other(Transmission, "leech");
    leech.wait_seeding(lab::transfer());

    until(lab::transfer(), "the public torrent to do all three", || {
        let seen = Seen::of(&capture.packets(), &host, &public);
        (seen.dht > 0 && seen.lsd > 0 && seen.lists > 0 && seen.dht_bit && seen.offers > 0).then_some(())
    });
    let packets = capture.packets();
    let seen = Seen::of(&packets, &host, &private);
    assert!(seen.links >= 2, "a link to the seed and one to the leech: {seen:?}");
    assert_eq!(seen, Seen { links: seen.links, introductions: seen.introductions, ..Seen::default() });
    assert!(seen.introductions >= seen.links, "each was introduced to: {seen:?}");
    // Beside streams and the DHT there is nothing that could name it.
    let id = private.as_bytes();
    let named =
        |packet: &&Packet| packet.sequence.is_none() && packet.payload.windows(20).any(|part| part == id);
    assert_eq!(packets.iter().filter(named).count(), 0);
    engine.shutdown();
}

/// What was seen of one torrent, of what our place has sent.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Links of its swarm.
    links: usize,
    /// Extension handshakes there.
    introductions: usize,
    /// ... that offer metadata or lists of peers.
    offers: usize,
    /// A handshake said that there is a node of the DHT.
    dht_bit: bool,
    /// PORT messages.
    ports: usize,
    /// Lists of peers.
    lists: usize,
    /// Messages of the DHT that name it.
    dht: usize,
    /// Messages on the own network that name it.
    lsd: usize,
}

impl Seen {
    fn of(packets: &[Packet], host: &Host, info_hash: &InfoHash) -> Self {
        let mut seen = Self::default();
        let sent: Vec<_> = packets.iter().filter(|packet| packet.from.ip() == host.v4).cloned().collect();
        let (lsd, text) = (LSD.parse::<SocketAddr>().expect("an address"), info_hash.to_string());
        let holds =
            |packet: &Packet, what: &[u8]| packet.payload.windows(what.len()).any(|part| part == what);
        for packet in sent.iter().filter(|packet| packet.sequence.is_none()) {
            if packet.to == lsd {
                seen.lsd += usize::from(holds(packet, text.as_bytes()));
            } else if packet.payload.first() == Some(&b'd') {
                seen.dht += usize::from(holds(packet, info_hash.as_bytes()));
            }
        }
        for (_, _, said) in streams(&sent) {
            let Some(Ok(greeting)) = said.first_chunk::<{ handshake::LEN }>().map(Handshake::decode) else {
                continue;
            };
            if greeting.info_hash == *info_hash {
                seen.link(&greeting, &said[handshake::LEN..]);
            }
        }
        seen
    }

    fn link(&mut self, greeting: &Handshake, said: &[u8]) {
        self.links += 1;
        self.dht_bit |= greeting.reserved.dht();
        let (decoder, mut said) = (Decoder::new(None), BytesMut::from(said));
        while let Ok(Some(message)) = decoder.decode(&mut said) {
            let holds = |payload: &[u8], what: &[u8]| payload.windows(what.len()).any(|part| part == what);
            match message {
                Message::Port(_) => self.ports += 1,
                Message::Extended { id: extended::HANDSHAKE_ID, payload } => {
                    self.introductions += 1;
                    let offers = holds(&payload, b"ut_pex") || holds(&payload, b"ut_metadata");
                    self.offers += usize::from(offers || holds(&payload, b"metadata_size"));
                }
                Message::Extended { payload, .. } => {
                    self.lists += usize::from(holds(&payload, b"5:added"));
                }
                _ => {}
            }
        }
    }
}

#[test]
fn a_magnet_that_turns_out_to_be_private_meets_them_no_more() {
    let test = "a_magnet_that_turns_out_to_be_private_meets_them_no_more";
    let Some(()) = lab::require(which("tcpdump"), test) else { return };
    let content = Content::single(1_500_001, 64 << 10, 53).private();
    let Some(mut lab) = Lab::new(test, &[Rtorrent, Transmission], content, Family::V4) else { return };
    let info_hash: InfoHash = lab.info_hash.parse().expect("it is one");
    let node = lab.net.host("node");
    let engine = node_at(&node, &lab);
    // Somebody who is on the network and whom no tracker names.
    let stranger = Stranger::start(&lab.net.host("stranger"), info_hash);

    let host = lab.net.host("ours");
    let capture = Capture::start(&host, &lab.work, "ours");
    let file = lab.torrent.clone();
    lab.add_by(lab.magnet());
    let node = SocketAddr::new(node.v4.into(), PORT).to_string();
    let more = ["TC_TUI_NO_LSD=false", "--dht-bootstrap", &node, "--encryption", "off", "--seed-after"];
    // So that what it does not do any more has time to happen.
    let ours = lab.ours_again(&host, "ours", &[&more[..], &["--down-limit", "30K"]].concat());
    let is_stranger = |event: &serde_json::Value| event["address"] == stranger.at.to_string();
    ours.event_that("peer.connected", lab::ready(), is_stranger);
    until(lab::ready(), "the magnet to be searched for", || {
        let seen = Seen::of(&capture.packets(), &host, &info_hash);
        (seen.dht > 0 && seen.lsd > 0 && seen.dht_bit && seen.offers > 0).then_some(())
    });
    // rtorrent gives the metadata of private torrents too.
    lab.add_by(file);
    let mut seed = lab.other(Rtorrent, "seed");
    seed.wait_seeding(lab::ready());
    ours.event("metadata.received", lab::transfer());
    let gone = ours.event_that("peer.disconnected", lab::ready(), is_stranger);
    assert!(gone["why"].as_str().is_some_and(|why| why.contains("private")), "{gone}");
    let calls = stranger.calls();
    ours.event("session.completed", lab::transfer());
    let mut leech = lab.other(Transmission, "leech");
    leech.wait_seeding(lab::transfer());

    let packets = capture.packets();
    let known = when_known(&packets, &host);
    // What was on its way is not called back.
    let later: Vec<_> =
        packets.into_iter().filter(|packet| packet.at > known + Duration::from_secs(1)).collect();
    let span = later.last().map_or(Duration::ZERO, |last| last.at - known);
    assert!(span > Duration::from_secs(30), "{span:?} are too few for what must not happen");
    let seen = Seen::of(&later, &host, &info_hash);
    assert!(seen.links > 0, "somebody downloaded it: {seen:?}");
    assert_eq!(seen, Seen { links: seen.links, introductions: seen.introductions, ..Seen::default() });
    assert_eq!(stranger.calls(), calls, "nobody calls the stranger again");
    engine.shutdown();
}

/// When the last of the metadata came to this place.
fn when_known(packets: &[Packet], host: &Host) -> Duration {
    // A data message of `ut_metadata`; the metadata of a small torrent is one piece.
    let is_data = |packet: &&Packet| {
        let holds = |what: &[u8]| packet.payload.windows(what.len()).any(|part| part == what);
        packet.to.ip() == host.v4 && holds(b"8:msg_typei1e")
    };
    packets.iter().filter(is_data).map(|packet| packet.at).max().expect("metadata came")
}

/// Tells the network again and again that it has the torrent, and takes calls for it.
#[derive(Debug)]
struct Stranger {
    at: SocketAddr,
    calls: Arc<AtomicUsize>,
}

impl Stranger {
    fn start(host: &Host, info_hash: InfoHash) -> Self {
        let at = SocketAddr::new(host.v4.into(), 7003);
        let calls = Arc::<AtomicUsize>::default();
        let says = format!(
            "BT-SEARCH * HTTP/1.1\r\nHost: {LSD}\r\nPort: {}\r\nInfohash: {info_hash}\r\n\r\n\r\n",
            at.port()
        );
        host.spawn(move || {
            let socket = UdpSocket::bind((at.ip(), 0)).expect("the place is ours");
            // Until the test's process ends, or the place.
            while socket.send_to(says.as_bytes(), LSD).is_ok() {
                std::thread::park_timeout(Duration::from_secs(1));
            }
        });
        let count = calls.clone();
        host.spawn(move || {
            let listener = TcpListener::bind(at).expect("the place is ours");
            while let Ok((link, _)) = listener.accept() {
                count.fetch_add(1, Ordering::Relaxed);
                // One that ends is no fault of the test.
                std::thread::spawn(move || talk(link, info_hash));
            }
        });
        Self { at, calls }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

/// Greets, and listens until the other side leaves.
fn talk(mut link: TcpStream, info_hash: InfoHash) -> std::io::Result<()> {
    link.read_exact(&mut [0; handshake::LEN])?;
    let reserved = Reserved::new([0, 0, 0, 0, 0, 0x10, 0, 0x01]);
    let greeting = Handshake { reserved, info_hash, peer_id: PeerId::new(*b"-XX0100-abcdefghijkl") };
    link.write_all(&greeting.encode())?;
    let mut chunk = [0; 4_096];
    while link.read(&mut chunk)? > 0 {}
    Ok(())
}

fn node_at(place: &Host, lab: &Lab) -> TorrentManager {
    let mut config = Config::new(lab.dir("node"));
    config.listen = vec![SocketAddr::new(place.v4.into(), PORT)];
    config.dht = Some(Vec::new());
    // Its threads live where the thread does that starts it.
    let engine = place.spawn(move || TorrentManager::start(config).expect("an engine"));
    engine.join().expect("it starts")
}

fn which(program: &str) -> Result<(), String> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).any(|folder| folder.join(program).exists());
    if found { Ok(()) } else { Err(format!("{program} is missing")) }
}
