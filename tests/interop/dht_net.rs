//! A live DHT of three kinds of node: whatever one of them announces, any of them finds (BEP 5, 32).

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tc_core::dht::Wish;
use tc_core::dht::task::DhtRegistration;
use tc_core::stats::PeerSource;
use tc_core::{AddOptions, InfoHash, TorrentManager};
use tokio::sync::mpsc;

use crate::clients::make::Make;
use crate::clients::other::{self, Other};
use crate::clients::ours;
use crate::crowd::Crowd;
use crate::lab::{self, Lab};
use crate::net::Family;
use crate::torrent::Content;
use crate::wait::{Deadline, until};

/// Nodes of each kind.
const OURS: usize = 30;
const LIBTORRENT: usize = 5;
const TRANSMISSION: usize = 4;
/// A libtorrent among all of them.
const WITNESS: usize = OURS;
/// Searches, each for a torrent of its own.
const SEARCHES: usize = 100;
/// Torrents of one node of ours.
const MANY: usize = 200;
/// After which ours are asked to search again: they would by themselves in a quarter of an hour.
const AGAIN: Duration = Duration::from_secs(15);
/// After which they are asked to announce again what nobody has found: they would by themselves in a quarter of an
/// hour, for what was announced to a node that did not stay.
const ANNOUNCED_AGAIN: Duration = Duration::from_secs(60);
/// What is registered anew within less than this keeps its turn.
const FORGOTTEN: Duration = Duration::from_millis(500);
/// A client that was turned away, or that began too early, asks again within the minute.
const SEARCH_SECONDS: u64 = 240;

#[test]
fn whatever_a_node_announces_any_other_finds() {
    live("whatever_a_node_announces_any_other_finds", Family::V4);
}

#[test]
fn whatever_a_node_announces_any_other_finds_over_ipv6() {
    live("whatever_a_node_announces_any_other_finds_over_ipv6", Family::V6);
}

#[test]
fn two_hundred_torrents_of_one_node_are_found() {
    let test = "two_hundred_torrents_of_one_node_are_found";
    let Some((mut lab, crowd)) = lab(test, &[Make::Libtorrent], Family::V4, 12) else { return };
    let mut searchers: Vec<_> =
        (0..4).map(|n| crowd.member(&mut lab, Make::Libtorrent, &format!("searcher{n}"))).collect();
    let hashes: Vec<_> = (0..MANY).map(|n| torrent(&lab, n, "torrents").1).collect();
    let dht = crowd.engines[3].shared().dht();
    let registered: Vec<_> = hashes
        .iter()
        .map(|hash| {
            let (found, _) = mpsc::channel(1);
            dht.register(info_hash(hash), Wish { urgent: false }, found).expect("there is a DHT")
        })
        .collect();
    let announcer = SocketAddr::new(crowd.places[3].address(lab.family), ours::PORT);
    let deadline = Deadline::seconds(SEARCH_SECONDS);
    let mut left: Vec<_> = hashes.chunks(MANY / searchers.len()).map(<[String]>::to_vec).collect();
    until(deadline, "all of them to be found", || {
        for (searcher, left) in searchers.iter_mut().zip(&mut left) {
            // One at a time: of a node that asks too much none takes notice any more.
            let Some(hash) = left.last() else { continue };
            searcher.look_up(hash);
            if searcher.has_found(hash, announcer) {
                left.pop();
            }
        }
        let not_found: Vec<_> = left.iter().map(Vec::len).collect();
        assert!(deadline.left().is_some(), "so many are not found by each: {not_found:?}");
        left.iter().all(Vec::is_empty).then_some(())
    });
    drop(registered);
}

/// Somebody who announces and searches.
enum Member {
    Ours(usize),
    Other(Other),
}

fn live(test: &str, family: Family) {
    let makes = [Make::Libtorrent, Make::Transmission];
    let Some((mut lab, crowd)) = lab(test, &makes, family, OURS) else { return };
    let mut members: Vec<_> = (0..OURS).map(Member::Ours).collect();
    for (make, number) in [(makes[0], LIBTORRENT), (makes[1], TRANSMISSION)] {
        let name = |n| format!("{}{n}", &make.name()[..2]);
        members.extend((0..number).map(|n| Member::Other(crowd.member(&mut lab, make, &name(n)))));
    }
    // Announcers and searchers are dealt so that each kind is sought by each.
    let count = members.len();
    let pairs: Vec<_> = (0..SEARCHES).map(|n| (n % count, (n + 1 + n * 5 % (count - 1)) % count)).collect();
    let torrents: Vec<_> = (0..SEARCHES).map(|n| torrent(&lab, n, "torrents")).collect();
    for (n, &(announcer, _)) in pairs.iter().enumerate() {
        members[announcer].announce(&crowd, &lab, &torrents[n].0, n);
    }
    let mut searches: Vec<_> = Vec::new();
    for (n, &(announcer, searcher)) in pairs.iter().enumerate() {
        assert_ne!(announcer, searcher, "{n}");
        let wanted = members[announcer].address(&crowd, family);
        let hash = torrents[n].1.clone();
        searches.push(Search { n, searcher, wanted, hash, found: None, since: Instant::now() });
    }
    let deadline = Deadline::seconds(SEARCH_SECONDS);
    for search in &mut searches {
        members[search.searcher].search(&crowd, search);
    }
    // transmission searches once: it is given the torrent when somebody else has found its peer.
    let mut waiting = searches.iter().map(|search| search.n).collect::<Vec<_>>();
    waiting.retain(|n| members[pairs[*n].1].is_transmission());
    let mut announced = Instant::now();
    until(deadline, "all of them to be found", || {
        if announced.elapsed() > ANNOUNCED_AGAIN {
            announced = Instant::now();
            let again: Vec<_> = searches.iter().map(|search| (pairs[search.n].0, &search.hash)).collect();
            announce_again(&mut members, &crowd, &again);
        }
        waiting.retain(|&n| {
            let (announcer, searcher) = pairs[n];
            let wanted = members[announcer].address(&crowd, family);
            let is_announced = members[WITNESS].can_find(&torrents[n].1, wanted);
            if is_announced {
                members[searcher].add(&torrents[n].0, &lab.dir(&format!("searches-{n}")));
            }
            !is_announced
        });
        searches.retain_mut(|search| !members[search.searcher].has_found(&crowd, search));
        let left = || searches.iter().map(|search| (pairs[search.n], search.wanted)).collect::<Vec<_>>();
        assert!(deadline.left().is_some(), "not found by (announcer, searcher): {:?}", left());
        searches.is_empty().then_some(())
    });
}

/// Peers, and who named them.
type Named = (PeerSource, Vec<SocketAddr>);

struct Search {
    n: usize,
    searcher: usize,
    wanted: SocketAddr,
    hash: String,
    /// Where ours tell what they find; while it is here, the search goes on.
    found: Option<(mpsc::Receiver<Named>, DhtRegistration)>,
    since: Instant,
}

impl Search {
    /// Begins it with one of ours.
    fn begin(&mut self, crowd: &Crowd, at: usize) {
        let (to, found) = mpsc::channel(64);
        let dht = crowd.engines[at].shared().dht();
        let registration = dht.register(info_hash(&self.hash), Wish { urgent: true }, to);
        self.found = Some((found, registration.expect("there is a DHT")));
        self.since = Instant::now();
    }
}

impl Member {
    fn address(&self, crowd: &Crowd, family: Family) -> SocketAddr {
        match self {
            Self::Ours(n) => SocketAddr::new(crowd.places[*n].address(family), ours::PORT),
            Self::Other(client) => SocketAddr::new(client.host.address(family), other::PORT),
        }
    }

    /// Adds a torrent and its content: that alone makes it announce itself.
    fn announce(&mut self, crowd: &Crowd, lab: &Lab, torrent: &Path, n: usize) {
        let dir = lab.dir(&format!("announces-{n}"));
        content(n).write(&dir);
        match self {
            Self::Ours(at) => {
                let options = AddOptions { download_dir: Some(dir), ..AddOptions::default() };
                crowd.engines[*at].add_torrent(torrent, options).expect("it is a torrent");
            }
            Self::Other(client) => client.add(torrent, &dir),
        }
    }

    fn search(&mut self, crowd: &Crowd, search: &mut Search) {
        match self {
            Self::Ours(at) => search.begin(crowd, *at),
            Self::Other(client) if client.make == Make::Libtorrent => client.look_up(&search.hash),
            // Later.
            Self::Other(_) => {}
        }
    }

    fn is_transmission(&self) -> bool {
        matches!(self, Self::Other(client) if client.make == Make::Transmission)
    }

    fn add(&mut self, torrent: &Path, dir: &Path) {
        let Self::Other(client) = self else { panic!("ours search otherwise") };
        client.add(torrent, dir);
    }

    /// Whether libtorrent has found a peer by now.
    fn can_find(&mut self, hash: &str, peer: SocketAddr) -> bool {
        let Self::Other(client) = self else { panic!("ours search otherwise") };
        client.look_up(hash);
        client.has_found(hash, peer)
    }

    fn has_found(&mut self, crowd: &Crowd, search: &mut Search) -> bool {
        match self {
            Self::Ours(at) => {
                let Some((found, _)) = &mut search.found else {
                    if search.since.elapsed() > FORGOTTEN {
                        search.begin(crowd, *at);
                    }
                    return false;
                };
                let mut lists = std::iter::from_fn(|| found.try_recv().ok());
                let found = lists.any(|(_, peers)| peers.contains(&search.wanted));
                if !found && search.since.elapsed() > AGAIN {
                    // It was not announced yet, perhaps.
                    (search.found, search.since) = (None, Instant::now());
                }
                found
            }
            Self::Other(client) if client.make == Make::Libtorrent => {
                let found = client.has_found(&search.hash, search.wanted);
                if !found {
                    client.look_up(&search.hash);
                }
                found
            }
            Self::Other(client) => client.is_complete(&search.hash),
        }
    }
}

/// Torrents are announced now, not in a quarter of an hour.
fn announce_again(members: &mut [Member], crowd: &Crowd, torrents: &[(usize, &String)]) {
    let mut ours = Vec::new();
    for (announcer, hash) in torrents {
        match &mut members[*announcer] {
            Member::Ours(at) => {
                let engine = &crowd.engines[*at];
                ours.push((engine, engine.get(&info_hash(hash)).expect("it was added")));
            }
            Member::Other(client) if client.make == Make::Libtorrent => client.announce_to_dht(hash),
            // It cannot be asked to.
            Member::Other(_) => {}
        }
    }
    let torrents = |engine: &TorrentManager| engine.shared().dht().stats().torrents;
    let before: Vec<_> = ours.iter().map(|(engine, _)| torrents(engine)).collect();
    ours.iter().for_each(|(_, session)| session.pause());
    // One that came back at once would keep its turn.
    until(lab::ready(), "the DHT to forget them", || {
        ours.iter().zip(&before).all(|((engine, _), before)| torrents(engine) < *before).then_some(())
    });
    ours.iter().for_each(|(_, session)| session.resume());
}

fn lab(test: &str, makes: &[Make], family: Family, nodes: usize) -> Option<(Lab, Crowd)> {
    let mut lab = Lab::new(test, makes, Content::single(1, 16 << 10, 1), family)?;
    let crowd = Crowd::start(&mut lab, nodes, family);
    crowd.wait_ready();
    Some((lab, crowd))
}

/// The `n`th small torrent, and its info-hash.
fn torrent(lab: &Lab, n: usize, dir: &str) -> (PathBuf, String) {
    let path = lab.dir(dir).join(format!("{n}.torrent"));
    let hash = content(n).torrent(&[], &path);
    (path, hash)
}

fn content(n: usize) -> Content {
    Content::single(20_000, 16 << 10, 1_000 + n as u64)
}

fn info_hash(hex: &str) -> InfoHash {
    hex.parse().expect("an info-hash")
}
