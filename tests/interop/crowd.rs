//! A DHT of our own nodes: engines in this process, each in a place of its own.

use std::net::SocketAddr;

use serde_json::json;
use tc_core::dht::K;
use tc_core::{Config, TorrentManager};

use crate::clients::make::Make;
use crate::clients::other::{Options, Other};
use crate::clients::ours::PORT;
use crate::lab::{self, Lab};
use crate::net::{Family, Host};
use crate::wait::until;

/// Nodes of ours, each in a place of its own.
pub struct Crowd {
    /// In the order of their places.
    pub engines: Vec<TorrentManager>,
    /// The first is where others begin.
    pub places: Vec<Host>,
    family: Family,
}

impl Crowd {
    /// So many of them, each of which begins at the first.
    pub fn start(lab: &mut Lab, nodes: usize, family: Family) -> Self {
        let places: Vec<_> = (0..nodes).map(|n| lab.net.host(&format!("node{n}"))).collect();
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
    pub fn first(&self) -> String {
        SocketAddr::new(self.places[0].address(self.family), PORT).to_string()
    }

    /// Waits until all can be searched, and know as many others as an announce goes to.
    pub fn wait_ready(&self) {
        let family = usize::from(self.family == Family::V6);
        until(lab::ready(), "the nodes to know each other", || {
            let knows = |engine: &TorrentManager| {
                // Looking has the figures gathered.
                let dht = engine.shared().dht().stats();
                dht.ready[family] && dht.good[family] as usize >= K
            };
            self.engines.iter().all(knows).then_some(())
        });
    }

    /// Waits until several of them know all others and a newcomer.
    pub fn wait_known(&self) {
        let family = usize::from(self.family == Family::V6);
        until(lab::ready(), "the nodes to know the newcomer", || {
            let known = |engine: &&TorrentManager| {
                engine.shared().dht().stats().good[family] as usize >= self.engines.len()
            };
            (self.engines.iter().filter(known).count() >= 3).then_some(())
        });
    }

    /// Waits until an announce is kept by some of them.
    pub fn wait_announced(&self) {
        until(lab::ready(), "an announce", || {
            let kept = self.engines.iter().filter(|engine| engine.shared().dht().stats().stored > 0);
            (kept.count() >= 3).then_some(())
        });
    }
}

impl Crowd {
    /// A client of another make that takes part in the DHT before it has a torrent.
    pub fn member(&self, lab: &mut Lab, make: Make, name: &str) -> Other {
        let host = lab.place_of(make, name);
        let options = self.options(make);
        let mut client = Other::start(make, &host, lab.family, name, &lab.work, &options);
        if make == Make::Libtorrent {
            client.wait_nodes(4, lab::ready());
        }
        client
    }

    /// The same with the torrent of the test.
    pub fn other(&self, lab: &mut Lab, make: Make, name: &str) -> Other {
        let mut client = self.member(lab, make, name);
        client.add(&lab.torrent, &lab.dir(name));
        client
    }

    /// What another client is told, so that it has a DHT and begins at the first of ours.
    fn options(&self, make: Make) -> Options {
        let begin_with = |place: &Host| SocketAddr::new(place.address(self.family), PORT).to_string();
        let begin = |place: &Host| format!("{} {PORT}", place.address(self.family));
        let settings = match make {
            Make::Libtorrent => json!({
                "enable_dht": true,
                // One alone: those that it begins with, it never takes into its table.
                "dht_bootstrap_nodes": begin_with(&self.places[0]),
                // It takes 11/8 for a network from which nobody calls.
                "dht_ignore_dark_internet": false,
                // Many answers at once: its default is 8,000 bytes per second.
                "dht_upload_rate_limit": 200_000,
            }),
            Make::Transmission => json!({
                "dht-enabled": true,
                "dht-bootstrap": self.places.iter().take(8).map(begin).collect::<Vec<_>>(),
            }),
            other => panic!("{other:?} has no part in these tests"),
        };
        Options { settings, ..Options::default() }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.engines.iter().for_each(TorrentManager::shutdown);
    }
}
