//! Ours and other clients find each other through the DHT and nothing else (BEP 5, 32, 42).
//!
//! Each node has a /24 and a /64 of its own, and addresses that look public. A crowd of nodes of ours, engines
//! in this process, makes the DHT; nobody has a tracker.

use std::net::SocketAddr;

use serde_json::json;
use tc_core::{Config, TorrentManager};

use crate::clients::make::Make::{self, Libtorrent, Transmission};
use crate::clients::other::{Options, Other};
use crate::clients::ours::{Ours, PORT};
use crate::lab::{self, Lab};
use crate::net::{Family, Host};
use crate::torrent::Content;
use crate::wait::until;

/// transmission searches only where it knows more than eight nodes, four of them good.
const CROWD: usize = 12;

#[test]
fn the_dht_brings_us_to_libtorrent() {
    we_download("the_dht_brings_us_to_libtorrent", Libtorrent, Family::V4);
}

#[test]
fn the_dht_brings_us_to_libtorrent_over_ipv6() {
    we_download("the_dht_brings_us_to_libtorrent_over_ipv6", Libtorrent, Family::V6);
}

#[test]
fn the_dht_brings_us_to_transmission() {
    we_download("the_dht_brings_us_to_transmission", Transmission, Family::V4);
}

#[test]
fn the_dht_brings_libtorrent_to_us() {
    we_seed("the_dht_brings_libtorrent_to_us", Libtorrent, Family::V4);
}

#[test]
fn the_dht_brings_libtorrent_to_us_over_ipv6() {
    we_seed("the_dht_brings_libtorrent_to_us_over_ipv6", Libtorrent, Family::V6);
}

#[test]
fn the_dht_brings_transmission_to_us() {
    we_seed("the_dht_brings_transmission_to_us", Transmission, Family::V4);
}

#[test]
fn nodes_of_the_last_run_are_there_after_a_restart() {
    let test = "nodes_of_the_last_run_are_there_after_a_restart";
    let Some((mut lab, crowd)) = lab(test, &[], Family::V4) else { return };
    let first = crowd.first();
    let (host, mut ours) = lab.ours("leech", &["--dht-bootstrap", &first]);
    let enough = |event: &serde_json::Value| event["nodes"].as_u64() >= Some(1);
    ours.event_that("dht.ready", lab::ready(), enough);
    crowd.wait_known();
    let (status, _) = ours.interrupt();
    assert_eq!(status.code(), Some(143), "{status}");
    // Nobody is there to begin with: it goes on with those that it knew.
    let again = lab.ours_again(&host, "leech", &["--dht-bootstrap", "11.99.0.1:9"]);
    again.event_that("dht.ready", lab::ready(), |event| event["nodes"].as_u64() >= Some(3));
}

/// Nodes of ours, each in a place of its own.
struct Crowd {
    engines: Vec<TorrentManager>,
    places: Vec<Host>,
    family: Family,
}

impl Crowd {
    fn start(lab: &mut Lab, family: Family) -> Self {
        let places: Vec<_> = (0..CROWD).map(|n| lab.net.host(&format!("node{n}"))).collect();
        let first = SocketAddr::new(places[0].address(family), PORT).to_string();
        let start = |place: &Host| {
            let dir = lab.dir("nodes");
            let mut config = Config::new(&dir);
            config.listen = vec![SocketAddr::new(place.address(family), PORT)];
            config.dht = Some(vec![first.clone()]);
            // Its threads live where the thread does that starts it.
            let engine = place.spawn(move || TorrentManager::start(config).expect("an engine"));
            engine.join().expect("it starts")
        };
        let engines = places.iter().map(start).collect();
        Self { engines, places, family }
    }

    /// Where the first one is.
    fn first(&self) -> String {
        SocketAddr::new(self.places[0].address(self.family), PORT).to_string()
    }

    /// Waits until all can be searched and know most of each other.
    fn wait_ready(&self) {
        let family = usize::from(self.family == Family::V6);
        until(lab::ready(), "the nodes to know each other", || {
            let knows = |engine: &TorrentManager| {
                // Looking has the figures gathered.
                let dht = engine.shared().dht().stats();
                dht.ready[family] && dht.good[family] as usize >= CROWD * 2 / 3
            };
            self.engines.iter().all(knows).then_some(())
        });
    }

    /// Waits until several of them know all others and a newcomer.
    fn wait_known(&self) {
        let family = usize::from(self.family == Family::V6);
        until(lab::ready(), "the nodes to know the newcomer", || {
            let known =
                |engine: &&TorrentManager| engine.shared().dht().stats().good[family] as usize >= CROWD;
            (self.engines.iter().filter(known).count() >= 3).then_some(())
        });
    }

    /// Waits until an announce is kept by some of them.
    fn wait_announced(&self) {
        until(lab::ready(), "an announce", || {
            let kept = self.engines.iter().filter(|engine| engine.shared().dht().stats().stored > 0);
            (kept.count() >= 3).then_some(())
        });
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.engines.iter().for_each(TorrentManager::shutdown);
    }
}

fn lab(test: &str, makes: &[Make], family: Family) -> Option<(Lab, Crowd)> {
    let mut lab = Lab::new(test, makes, Content::single(3_000_001, 64 << 10, 31), family)?;
    lab.forget_tracker();
    let crowd = Crowd::start(&mut lab, family);
    crowd.wait_ready();
    Some((lab, crowd))
}

/// What another client is told, so that it has a DHT and begins at the first of ours.
fn options(make: Make, crowd: &Crowd) -> Options {
    let place = &crowd.places[0];
    let settings = match make {
        Libtorrent => json!({
            "enable_dht": true,
            "dht_bootstrap_nodes": crowd.first(),
            // It takes 11/8 for a network from which nobody calls.
            "dht_ignore_dark_internet": false,
        }),
        Transmission => json!({
            "dht-enabled": true,
            "dht-bootstrap": crowd.places.iter().take(8).map(|place| format!("{} {PORT}", place.v4))
                .collect::<Vec<_>>(),
        }),
        other => panic!("{other:?} at {place:?}"),
    };
    Options { settings, ..Options::default() }
}

/// One that takes part in the DHT before it has a torrent.
fn other(lab: &mut Lab, crowd: &Crowd, make: Make, name: &str) -> Other {
    let host = lab.net.host(name);
    let mut client = Other::start(make, &host, lab.family, name, &lab.work, &options(make, crowd));
    if make == Libtorrent {
        client.wait_nodes(4, lab::ready());
    }
    client.add(&lab.torrent, &lab.dir(name));
    client
}

fn ours(lab: &mut Lab, crowd: &Crowd, name: &str, more: &[&str]) -> (Host, Ours) {
    lab.ours(name, &[&["--dht-bootstrap", &crowd.first()], more].concat())
}

fn we_download(test: &str, make: Make, family: Family) {
    let Some((mut lab, crowd)) = lab(test, &[make], family) else { return };
    let mut seed = other(&mut lab, &crowd, make, "seed");
    seed.wait_seeding(lab::ready());
    crowd.wait_announced();
    let (_, mut leech) = ours(&mut lab, &crowd, "leech", &[]);
    leech.event("dht.ready", lab::ready());
    let (status, lines) = leech.wait_exit(lab::transfer());
    assert!(status.success(), "{status}: {:?}", lines.last());
    lab.assert_same("leech");
}

fn we_seed(test: &str, make: Make, family: Family) {
    let Some((mut lab, crowd)) = lab(test, &[make], family) else { return };
    let (_, mut seed) = ours(&mut lab, &crowd, "seed", &["--seed-after"]);
    seed.event("dht.ready", lab::ready());
    crowd.wait_announced();
    let mut leech = other(&mut lab, &crowd, make, "leech");
    leech.wait_seeding(lab::transfer());
    lab.assert_same_at(make, "leech");
    let (status, _) = seed.interrupt();
    assert!(status.success(), "{status}");
}
