//! All at once: twenty peers of six makes, over TCP and uTP, IPv4 and IPv6, plain and encrypted, and found by a
//! tracker, the DHT, other peers and on the own network. Each is counted once, and its row tells the truth.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};
use tc_core::settings::GlobalSetting;
use tc_core::stats::{Detail, DetailKind, LinkEncryption, PeerSource, PeerStats, Transport};
use tc_core::{AddOptions, Config, TorrentManager};

use crate::clients::make::Make::{self, Aria2, Libtorrent, Qbittorrent, Rtorrent, Transmission};
use crate::clients::other::{Options, Other, PORT as OTHER_PORT};
use crate::clients::ours::{Ours, PORT};
use crate::crowd::Crowd;
use crate::lab::{self, Lab};
use crate::net::Family;
use crate::torrent::Content;
use crate::wait::{Deadline, until};

/// Until all are there: PEX tells once a minute, and the machine is busy with twenty clients.
const MEET_SECONDS: u64 = 300;
/// What the content may come in with until then, bytes per second.
const SLOW: u64 = 20_000;
/// transmission is not the only one that wants a few nodes before it searches.
const CROWD: usize = 10;

/// How a peer can be found, and by no other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Tracker,
    Dht,
    Lsd,
    Pex,
}

/// What a peer's row must say.
#[derive(Debug)]
struct Truth {
    name: String,
    way: Way,
    transport: Transport,
    /// `None`: either side may choose.
    encryption: Option<LinkEncryption>,
}

/// Peers, which run until the end of the test.
#[derive(Default)]
struct Swarm {
    ours: Vec<Ours>,
    others: Vec<Other>,
    truths: BTreeMap<IpAddr, Truth>,
}

impl Swarm {
    /// One of ours that has all.
    fn ours(&mut self, lab: &mut Lab, way: Way, family: Family, utp: bool, encryption: &str, more: &[&str]) {
        let name = format!("ours{}", self.ours.len());
        lab.family = family;
        let transport = if utp { "--no-tcp" } else { "--no-utp" };
        let mut arguments = vec!["--seed-after", "--no-pex", transport, "--encryption", encryption];
        arguments.extend(more);
        let host = lab.net.host(&name);
        let client = Ours::get(&host, family, &lab.torrent, &lab.dir("seed"), &name, &lab.work, &arguments);
        client.event("session.checked", lab::ready());
        let truth = Truth { name, way, transport: transport_of(utp), encryption: encryption_of(encryption) };
        self.ours.push(client);
        self.truths.insert(host.address(family), truth);
    }

    /// libtorrent that has all.
    fn libtorrent(
        &mut self,
        lab: &mut Lab,
        way: Way,
        family: Family,
        utp: bool,
        encryption: &str,
        more: Value,
    ) {
        // 0 forced, 2 disabled; level 1 plain, 2 RC4.
        let (policy, level) = if encryption == "require" { (0, 2) } else { (2, 1) };
        let mut settings = json!({
            "enable_outgoing_utp": utp, "enable_incoming_utp": utp,
            "enable_outgoing_tcp": !utp, "enable_incoming_tcp": !utp,
            "in_enc_policy": policy, "out_enc_policy": policy, "allowed_enc_level": level,
        });
        settings.as_object_mut().expect("it is one").extend(more.as_object().expect("it is one").clone());
        let truth = (transport_of(utp), encryption_of(encryption));
        self.other(lab, Libtorrent, way, family, settings, truth);
    }

    fn other(
        &mut self,
        lab: &mut Lab,
        make: Make,
        way: Way,
        family: Family,
        settings: Value,
        (transport, encryption): (Transport, Option<LinkEncryption>),
    ) {
        let name = format!("other{}", self.others.len());
        lab.family = family;
        let host = lab.net.host(&name);
        let options = Options { settings, ..Options::default() };
        let mut client = Other::start(make, &host, family, &name, &lab.work, &options);
        // Who checks what is there may write to it: each has a copy.
        let dir = lab.dir(&name);
        lab.write_content(&dir);
        client.add(&lab.torrent, &dir);
        client.wait_seeding(lab::ready());
        let truth = Truth { name: format!("{name}, {}", make.name()), way, transport, encryption };
        self.others.push(client);
        self.truths.insert(host.address(family), truth);
    }
}

const fn transport_of(utp: bool) -> Transport {
    if utp { Transport::Utp } else { Transport::Tcp }
}

fn encryption_of(word: &str) -> Option<LinkEncryption> {
    match word {
        "off" => Some(LinkEncryption::None),
        "require" => Some(LinkEncryption::All),
        _ => None,
    }
}

impl Truth {
    fn check(&self, row: &PeerStats) {
        let allowed = match self.way {
            Way::Tracker => PeerSource::Tracker,
            Way::Dht => PeerSource::Dht,
            Way::Lsd => PeerSource::Lsd,
            Way::Pex => PeerSource::Pex,
        };
        assert!([allowed, PeerSource::Incoming].contains(&row.source), "{self:?}: {row:?}");
        assert!(row.incoming || row.source != PeerSource::Incoming, "{self:?}: {row:?}");
        assert_eq!(row.transport, self.transport, "{self:?}: {row:?}");
        assert!(self.encryption.is_none_or(|wanted| row.encryption == wanted), "{self:?}: {row:?}");
        assert_eq!(row.progress, 1_000, "{self:?}: {row:?}");
    }
}

#[test]
fn twenty_peers_of_all_kinds_found_by_all_ways() {
    use Family::{V4, V6};
    let test = "twenty_peers_of_all_kinds_found_by_all_ways";
    let makes = [Libtorrent, Transmission, Aria2, Rtorrent, Qbittorrent];
    let Some(mut lab) = Lab::new(test, &makes, Content::single(6_000_001, 64 << 10, 61), V4) else { return };
    let crowd = Crowd::start(&mut lab, CROWD, V4);
    crowd.wait_ready();
    let tcp = (Transport::Tcp, None);
    let mut swarm = Swarm::default();

    // Eight that a tracker names.
    for make in [Transmission, Aria2, Rtorrent, Qbittorrent] {
        swarm.other(&mut lab, make, Way::Tracker, V4, json!({}), tcp);
    }
    swarm.libtorrent(&mut lab, Way::Tracker, V4, false, "off", json!({}));
    swarm.libtorrent(&mut lab, Way::Tracker, V4, true, "require", json!({}));
    swarm.ours(&mut lab, Way::Tracker, V4, false, "require", &[]);
    swarm.ours(&mut lab, Way::Tracker, V4, true, "off", &[]);
    let with_tracker = lab.torrent.clone();
    lab.forget_tracker();

    // Three that only peers name, and one of those that the tracker names is connected to them.
    swarm.ours(&mut lab, Way::Pex, V4, false, "off", &[]);
    swarm.ours(&mut lab, Way::Pex, V4, true, "require", &[]);
    swarm.libtorrent(&mut lab, Way::Pex, V4, false, "require", json!({"enable_dht": false}));
    let port = |truth: &Truth| if truth.name.starts_with("ours") { PORT } else { OTHER_PORT };
    let named = swarm.truths.iter().filter(|(_, truth)| truth.way == Way::Pex);
    let named: Vec<_> = named.map(|(ip, truth)| SocketAddr::new(*ip, port(truth))).collect();
    lab.family = V4;
    let host = lab.net.host("between");
    let settings = json!({
        "download_rate_limit": 4_000, "unchoke_slots_limit": 0,
        "enable_outgoing_utp": true, "enable_incoming_utp": true,
    });
    let options = Options { settings, ..Options::default() };
    let mut between = Other::start(Libtorrent, &host, V4, "between", &lab.work, &options);
    between.add(&with_tracker, &lab.dir("between"));
    named.iter().for_each(|peer| between.connect(*peer));
    lab.tracker.wait(&host, lab::ready(), |announce| announce.left > 0);

    // Four in the DHT.
    let dht = json!({
        "enable_dht": true, "dht_bootstrap_nodes": crowd.first(), "dht_ignore_dark_internet": false,
        "dht_upload_rate_limit": 200_000,
    });
    swarm.libtorrent(&mut lab, Way::Dht, V4, false, "require", dht.clone());
    swarm.libtorrent(&mut lab, Way::Dht, V4, true, "off", dht);
    let first = crowd.first();
    for (utp, encryption) in [(false, "off"), (true, "require")] {
        let more = ["--dht-bootstrap", &first, "TC_TUI_NO_DHT=false"];
        swarm.ours(&mut lab, Way::Dht, V4, utp, encryption, &more);
    }
    crowd.wait_announced();

    // Ours, which has none of it, and takes little as yet.
    let place = lab.net.host("us");
    let mut config = Config::new(lab.dir("us"));
    config.listen = [V4, V6].map(|family| SocketAddr::new(place.address(family), PORT)).to_vec();
    config.dht = Some(vec![crowd.first()]);
    config.lsd = true;
    config.download_limit = Some(SLOW);
    let torrent = with_tracker;
    let engine = place.spawn(move || {
        let engine = TorrentManager::start(config).expect("an engine");
        let session = engine.add_torrent(&torrent, AddOptions::default()).expect("it is new");
        (engine, session)
    });
    let (engine, session) = engine.join().expect("it starts");

    // Four on its own network, which say so when they come.
    let lsd = json!({"enable_lsd": true});
    swarm.libtorrent(&mut lab, Way::Lsd, V6, false, "off", lsd.clone());
    swarm.libtorrent(&mut lab, Way::Lsd, V6, true, "require", lsd);
    for (utp, encryption) in [(false, "require"), (true, "off")] {
        swarm.ours(&mut lab, Way::Lsd, V6, utp, encryption, &["TC_TUI_NO_LSD=false"]);
    }
    assert_eq!(swarm.truths.len() + 1, 20, "with the one in between");

    let rows = session.watch(DetailKind::Peers);
    let peers = || match rows.borrow().as_deref() {
        Some(Detail::Peers(peers)) => peers.clone(),
        _ => Vec::new(),
    };
    let deadline = Deadline::seconds(MEET_SECONDS);
    let met = until(deadline, "all peers", || {
        let peers = peers();
        let missing: Vec<_> = swarm
            .truths
            .iter()
            .filter(|(ip, _)| !peers.iter().any(|row| row.address.ip() == **ip))
            .map(|(_, truth)| &truth.name)
            .collect();
        assert!(missing.is_empty() || deadline.left().is_some(), "missing: {missing:?}\n{peers:#?}");
        let there = peers.iter().any(|row| row.address.ip() == IpAddr::from(place_of(&between)));
        (missing.is_empty() && there).then_some(peers)
    });
    assert_eq!(met.len(), 20, "each once: {met:#?}");
    for row in &met {
        if let Some(truth) = swarm.truths.get(&row.address.ip()) {
            truth.check(row);
        }
    }
    for source in [PeerSource::Tracker, PeerSource::Dht, PeerSource::Pex] {
        assert!(met.iter().any(|row| row.source == source), "{source:?} found nobody: {met:#?}");
    }

    engine.shared().set(GlobalSetting::Down(None));
    let complete = || session.stats()?.is_complete().then_some(());
    until(lab::transfer(), "all of the content", complete);
    engine.shutdown();
    lab.assert_same("us");
}

fn place_of(other: &Other) -> std::net::Ipv4Addr {
    other.host.v4
}
