//! Two clients that speak uTP and nothing else, in places of their own, and what is between them.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::json;

use crate::clients::make::Make;
use crate::clients::other::{self, Options as Wishes, Other};
use crate::clients::ours::{self, Ours};
use crate::link::{Link, Way};
use crate::net::{Family, Host, Net};
use crate::torrent::Content;
use crate::wait::Deadline;
use crate::work::Work;

/// To start a client and hash what it has.
const READY_SECONDS: u64 = 120;
/// The same fates for everybody.
const SEED: u64 = 29;
/// A usual size for small content.
const PIECE: u32 = 256 << 10;

/// Who sends to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Between {
    /// libtorrent to libtorrent: what the others are measured by.
    Libtorrents,
    /// Ours to libtorrent.
    FromUs,
    /// libtorrent to ours.
    ToUs,
    /// Ours to ours.
    Ours,
}

impl Between {
    /// In the order of the table.
    pub const ALL: [Self; 4] = [Self::Libtorrents, Self::FromUs, Self::ToUs, Self::Ours];

    /// As the table has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Libtorrents => "libtorrent to libtorrent",
            Self::FromUs => "tc-tui to libtorrent",
            Self::ToUs => "libtorrent to tc-tui",
            Self::Ours => "tc-tui to tc-tui",
        }
    }

    const fn we_send(self) -> bool {
        matches!(self, Self::FromUs | Self::Ours)
    }

    const fn we_take(self) -> bool {
        matches!(self, Self::ToUs | Self::Ours)
    }
}

/// A client of either kind.
#[derive(Debug)]
enum Party {
    Ours(Ours),
    Other(Other),
}

/// A transfer that runs. Clients go before the link, and that before the network.
#[derive(Debug)]
pub struct Transfer {
    seed: Party,
    leech: Party,
    /// What is between them; `None`: nothing but the bridge.
    pub link: Option<Link>,
    /// Where the seed is.
    pub near: Host,
    /// Where the leech is.
    pub far: Host,
    _net: Net,
    start: Instant,
    /// Goes last, when nobody writes to it any more.
    _work: Work,
}

impl Transfer {
    /// Starts both, and the transfer of `size` bytes.
    pub fn start(between: Between, size: u64, way: Option<Way>) -> Self {
        let mut net = Net::new().unwrap_or_else(|why| panic!("no network of our own: {why}"));
        let (near, far) = (net.host("seed"), net.host("leech"));
        let link = way.map(|way| Link::alike(&net, &far, SEED, way));
        // A folder for each, as the suite runs them side by side.
        let work = Work::new(&format!("utp {}", between.name()).replace(' ', "_"));
        let content = Content::single(size, PIECE, SEED);
        let torrent = work.join("test.torrent");
        content.torrent(&[], &torrent);
        content.write(&work.join("seed"));
        std::fs::create_dir_all(work.join("leech")).expect("the folder is ours");
        let party = |ours: bool, host: &Host, name: &str, peer: Option<SocketAddr>| {
            if ours {
                let peer = peer.map(|peer| peer.to_string());
                let mut more = vec!["--seed-after", "--no-tcp"];
                more.extend(peer.iter().flat_map(|peer| ["--peer", peer]));
                let dir = work.join(name);
                return Party::Ours(Ours::get(host, Family::V4, &torrent, &dir, name, &work, &more));
            }
            let settings = json!({
                "enable_incoming_utp": true,
                "enable_outgoing_utp": true,
                "enable_incoming_tcp": false,
                "enable_outgoing_tcp": false,
            });
            let wishes = Wishes { settings, ..Wishes::default() };
            Party::Other(Other::start(Make::Libtorrent, host, Family::V4, name, &work, &wishes))
        };
        let ready = Deadline::seconds(READY_SECONDS);
        let mut seed = party(between.we_send(), &near, "seed", None);
        let port = match &mut seed {
            Party::Ours(seed) => {
                seed.event("session.completed", ready);
                ours::PORT
            }
            Party::Other(seed) => {
                seed.add(&torrent, &work.join("seed"));
                seed.wait_seeding(ready);
                other::PORT
            }
        };
        let peer = SocketAddr::new(near.v4.into(), port);
        let mut leech = party(between.we_take(), &far, "leech", Some(peer));
        let start = Instant::now();
        if let Party::Other(leech) = &mut leech {
            leech.add(&torrent, &work.join("leech"));
            leech.connect(peer);
        }
        Self { seed, leech, link, near, far, _net: net, start, _work: work }
    }

    /// Waits until all is there; seconds that it took.
    pub fn seconds(&self, deadline: Deadline) -> f64 {
        match &self.leech {
            Party::Ours(leech) => {
                leech.event("session.completed", deadline);
                let link = leech.event("peer.connected", deadline);
                assert_eq!(link["transport"], "utp", "{link}");
                self.start.elapsed().as_secs_f64()
            }
            Party::Other(leech) => {
                let seconds = leech.wait_alert("torrent_finished", deadline);
                if let Party::Ours(seed) = &self.seed {
                    let link = seed.event("peer.connected", deadline);
                    assert_eq!(link["transport"], "utp", "{link}");
                }
                seconds
            }
        }
    }

    /// Bytes that the link has brought to the leech.
    pub fn arrived(&self) -> u64 {
        self.link.as_ref().map_or(0, |link| link.counts().0.bytes)
    }
}
