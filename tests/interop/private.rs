//! A private torrent meets none of DHT, PEX and LSD, and its peers hear of none of them (BEP 27): by all packets of
//! a download and of what follows it, while a public torrent of the same engine does all three.

use std::net::SocketAddr;

use bytes::BytesMut;
use serde_json::json;
use tc_core::wire::extended;
use tc_core::wire::handshake::{self, Handshake};
use tc_core::wire::message::{Decoder, Message};
use tc_core::{Config, InfoHash, TorrentManager};

use crate::capture::{Capture, Packet, streams};
use crate::clients::make::Make::{Libtorrent, Transmission};
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
