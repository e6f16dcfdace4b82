//! libtorrent-rasterbar, through its Python binding.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::driver::Driver;
use crate::net::{Family, Host};
use crate::wait::{Deadline, until};

/// Where it listens for peers.
pub const PORT: u16 = 7001;

/// A libtorrent session.
#[derive(Debug)]
pub struct Libtorrent {
    driver: Driver,
}

/// What it knows of a torrent.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
pub struct Status {
    /// All is there.
    pub seeding: bool,
    /// Payload sent in this run, bytes.
    pub uploaded: u64,
}

impl Libtorrent {
    /// Starts it, listening on the place's address of this family only. `settings` are libtorrent's.
    pub fn start(host: &Host, family: Family, mut settings: Value, log: File) -> Self {
        let at = SocketAddr::new(host.address(family), PORT);
        settings["listen_interfaces"] = at.to_string().into();
        settings["outgoing_interfaces"] = at.ip().to_string().into();
        let arguments = [settings.to_string()];
        Self { driver: Driver::start(host, "libtorrent_driver.py", arguments, log) }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.driver.pid()
    }

    /// Waits until the library is loaded.
    pub fn wait_ready(&mut self) {
        self.driver.ask("ready", json!({}));
    }

    /// Adds a torrent and returns its info-hash. What is in `dir` is checked first.
    pub fn add(&mut self, torrent: &Path, dir: &Path) -> String {
        let info_hash = self.driver.ask("add", json!({"torrent": torrent, "dir": dir}));
        info_hash.as_str().expect("a hash").to_owned()
    }

    /// Connects to a peer.
    pub fn connect(&mut self, info_hash: &str, peer: SocketAddr) {
        let arguments = json!({"info_hash": info_hash, "ip": peer.ip().to_string(), "port": peer.port()});
        self.driver.ask("connect_peer", arguments);
    }

    /// Figures of a torrent.
    pub fn status(&mut self, info_hash: &str) -> Status {
        let status = self.driver.ask("status", json!({"info_hash": info_hash}));
        serde_json::from_value(status).expect("the fields of the driver")
    }

    /// Waits until all is there, checked or downloaded, and has been written to its files.
    pub fn wait_seeding(&mut self, info_hash: &str, deadline: Deadline) {
        until(deadline, "libtorrent to have all", || self.status(info_hash).seeding.then_some(()));
        self.driver.ask("flush", json!({"info_hash": info_hash}));
        self.wait_alert("cache_flushed", info_hash, deadline);
    }

    /// Waits until its log of peers names a message, with the arrow of its direction. Needs the setting
    /// `log_peers`.
    pub fn wait_peer_log(&self, what: &str, deadline: Deadline) {
        let says = |line: &Value| line["message"].as_str().is_some_and(|said| said.contains(what));
        self.driver.event(deadline, "peer_log", says);
    }

    /// Waits for an alert about a torrent; seconds since it was added.
    pub fn wait_alert(&self, alert: &str, info_hash: &str, deadline: Deadline) -> f64 {
        let alert = self.driver.event(deadline, alert, |line| line["info_hash"] == info_hash);
        alert["seconds"].as_f64().expect("the driver adds them")
    }
}
