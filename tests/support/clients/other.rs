//! A running client of another make with one torrent; a script (`*_driver.py`) passes commands to it.

use std::net::SocketAddr;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::driver::Driver;
use super::make::Make;
use crate::net::{Family, Host};
use crate::wait::{Deadline, until};
use crate::work::Work;

/// Where each of them listens for peers.
pub const PORT: u16 = 7001;
/// To start on a busy machine.
const START_SECONDS: u64 = 60;

/// What a test asks of a client besides the torrent.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes per second, 0 for no limit.
    pub upload_limit: u64,
    /// More settings of the client's own, as its script says.
    pub settings: Value,
}

impl Default for Options {
    fn default() -> Self {
        Self { upload_limit: 0, settings: json!({}) }
    }
}

/// A client.
#[derive(Debug)]
pub struct Other {
    pub make: Make,
    pub host: Host,
    driver: Driver,
}

impl Other {
    /// Starts it and waits until it answers. It listens on the place's address of this family, and keeps what it
    /// keeps in the test's folder under `name`.
    pub fn start(
        make: Make,
        host: &Host,
        family: Family,
        name: &str,
        work: &Work,
        options: &Options,
    ) -> Self {
        let start = json!({
            "program": make.program().expect("looked for when the test began"),
            "folder": work.join(&format!("{name}-{}", make.name())),
            "v4": host.v4,
            "v6": host.v6,
            "family": match family { Family::V4 => "v4", Family::V6 => "v6" },
            "port": PORT,
            "upload_limit": options.upload_limit,
            "settings": options.settings,
        });
        let mut driver = Driver::start(host, make.script(), [start.to_string()], work.log(name));
        until(Deadline::seconds(START_SECONDS), make.name(), || {
            driver.ask("alive", json!({})).as_bool()?.then_some(())
        });
        Self { make, host: host.clone(), driver }
    }

    /// The version that it says it has.
    pub fn version(&mut self) -> String {
        self.driver.ask("version", json!({})).as_str().expect("a text").to_owned()
    }

    /// Adds its torrent. What is in `dir` is checked first.
    pub fn add(&mut self, torrent: &Path, dir: &Path) {
        self.driver.ask("add", json!({"torrent": torrent, "dir": dir}));
    }

    /// Connects to a peer; not for aria2 and transmission, which do not take such an order.
    pub fn connect(&mut self, peer: SocketAddr) {
        self.driver.ask("connect", json!({"ip": peer.ip().to_string(), "port": peer.port()}));
    }

    /// Makes a torrent of `content` that has a v1 and a v2 part (BEP 52), and gives its hashes; libtorrent only.
    pub fn make_hybrid(&mut self, content: &Path, tracker: Option<&str>, to: &Path) -> [String; 2] {
        let hashes = json!({"content": content, "tracker": tracker, "to": to});
        let hashes = self.driver.ask("make_hybrid", hashes);
        ["v1", "v2"].map(|part| hashes[part].as_str().expect("a text").to_owned())
    }

    /// Waits until it knows so many nodes of the DHT; libtorrent only.
    pub fn wait_nodes(&mut self, nodes: u64, deadline: Deadline) {
        until(deadline, "nodes of the DHT", || {
            (self.driver.ask("nodes", json!({})).as_u64()? >= nodes).then_some(())
        });
    }

    /// Has it search the DHT for peers of a torrent that it need not have; libtorrent only.
    pub fn look_up(&mut self, info_hash: &str) {
        self.driver.ask("look_up", json!({"info_hash": info_hash}));
    }

    /// Whether such a search has named this peer; libtorrent only.
    pub fn has_found(&mut self, info_hash: &str, peer: SocketAddr) -> bool {
        let found = self.driver.ask("found_peers", json!({"info_hash": info_hash}));
        found.as_array().expect("a list").iter().any(|found| found.as_str() == Some(&peer.to_string()))
    }

    /// Has it announce one of its torrents to the DHT now; libtorrent only.
    pub fn announce_to_dht(&mut self, info_hash: &str) {
        self.driver.ask("announce_to_dht", json!({"info_hash": info_hash}));
    }

    /// Whether it has all of one of its torrents; transmission only.
    pub fn is_complete(&mut self, info_hash: &str) -> bool {
        self.driver.ask("is_complete", json!({"info_hash": info_hash})).as_bool().expect("yes or no")
    }

    /// Payload sent, bytes.
    pub fn uploaded(&mut self) -> u64 {
        self.status()["uploaded"].as_u64().expect("a number")
    }

    /// What it knows of its torrent, for a failure to show.
    fn status(&mut self) -> Value {
        self.driver.ask("status", json!({}))
    }

    /// Waits until all is there, checked or downloaded, and has been written to its files.
    pub fn wait_seeding(&mut self, deadline: Deadline) {
        let what = format!("{} to have all", self.make.name());
        until(deadline, &what, || {
            let all = self.driver.ask("has_all", json!({})).as_bool()?;
            assert!(all || deadline.left().is_some(), "{what}: {}", self.status());
            all.then_some(())
        });
    }

    /// Waits for an alert of libtorrent about the torrent; seconds since it was added.
    pub fn wait_alert(&self, alert: &str, deadline: Deadline) -> f64 {
        let alert = self.driver.event(deadline, alert, |_| true);
        alert["seconds"].as_f64().expect("the driver adds them")
    }

    /// Chokes everybody from its next round on, or serves them again; libtorrent only.
    pub fn serve(&mut self, serve: bool) {
        self.driver.ask("serve", json!({"serve": serve}));
    }

    /// The process id of the client itself.
    pub fn pid(&mut self) -> u32 {
        self.driver.ask("pid", json!({})).as_u64().and_then(|pid| pid.try_into().ok()).expect("a process id")
    }

    /// Ends it as a crash would.
    pub fn kill(mut self) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, Signal::KILL).expect("it runs");
    }
}
