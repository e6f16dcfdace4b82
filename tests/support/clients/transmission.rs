//! transmission-daemon, through its RPC.

use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::driver::Driver;
use crate::net::Host;
use crate::wait::{Deadline, until};
use crate::work::Work;

/// Where it listens for peers.
const PORT: u16 = 7002;

/// A daemon.
#[derive(Debug)]
pub struct Transmission {
    driver: Driver,
}

/// The installed program, if any.
pub fn program() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join("transmission-daemon"))
        .find(|path| path.exists())
}

impl Transmission {
    /// Starts it and waits until it answers.
    pub fn start(host: &Host, work: &Work) -> Self {
        let settings = json!({
            "bind-address-ipv4": host.v4,
            "bind-address-ipv6": host.v6,
            "peer-port": PORT,
            "rpc-bind-address": "127.0.0.1",
            "rpc-port": 9091,
            "rpc-whitelist-enabled": false,
            "rpc-host-whitelist-enabled": false,
            "dht-enabled": false,
            "pex-enabled": false,
            "lpd-enabled": false,
            "utp-enabled": false,
            "port-forwarding-enabled": false,
            "encryption": 0,
            "download-queue-enabled": false,
            "upload-slots-per-torrent": 64,
            "rename-partial-files": false,
            "preallocation": 0,
        });
        let program = program().expect("looked for when the test began");
        let arguments = [program, work.join("transmission"), settings.to_string().into()];
        let mut driver = Driver::start(host, "transmission_driver.py", arguments, work.log("transmission"));
        until(Deadline::seconds(30), "transmission's RPC", || {
            driver.ask("alive", json!({})).as_bool()?.then_some(())
        });
        Self { driver }
    }

    fn rpc(&mut self, method: &str, arguments: Value) -> Value {
        self.driver.ask("rpc", json!({"method": method, "arguments": arguments}))
    }

    /// Adds a torrent. What is in `dir` is checked first.
    pub fn add(&mut self, torrent: &Path, dir: &Path) {
        let metainfo = BASE64.encode(&std::fs::read(torrent).expect("the test wrote it"));
        self.rpc("torrent-add", json!({"metainfo": metainfo, "download-dir": dir, "paused": false}));
    }

    /// Waits until it has all of its only torrent and is done with checking.
    pub fn wait_seeding(&mut self, deadline: Deadline) {
        let fields = json!({"fields": ["status", "leftUntilDone", "haveValid", "errorString"]});
        until(deadline, "transmission to have all", || {
            let torrents = self.rpc("torrent-get", fields.clone());
            let torrent = &torrents["torrents"][0];
            let error = torrent["errorString"].as_str().unwrap_or_default();
            assert!(!error.contains("No data found"), "transmission: {error}");
            // 5 and 6: waits to seed, seeds.
            let seeds = matches!(torrent["status"].as_u64(), Some(5 | 6));
            (seeds && torrent["leftUntilDone"] == 0).then_some(())
        });
    }
}
