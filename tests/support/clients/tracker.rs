//! The tests' tracker, over HTTP and UDP, which tells what it is told.

use serde::Deserialize;
use serde_json::json;

use super::driver::Driver;
use crate::net::{Family, Host};
use crate::wait::Deadline;
use crate::work::Work;

/// Seconds between two announces that it asks for.
const INTERVAL: u64 = 60;

/// What stands behind the port in its URL over UDP, as long as pass-keys make it.
pub const UDP_PATH: &str = "/0123456789abcdef0123456789abcdef/announce?more=1";

/// A running tracker.
#[derive(Debug)]
pub struct Tracker {
    driver: Driver,
    host: Host,
}

/// One announce as it came.
#[derive(Clone, Debug, Deserialize)]
pub struct Announce {
    /// Which torrent, in hex.
    pub info_hash: String,
    /// Where from.
    pub ip: std::net::IpAddr,
    /// Bytes that are missing there.
    pub left: u64,
    /// The event, empty for a regular announce.
    pub said: String,
    /// `http` or `udp`.
    pub by: String,
    /// Over UDP, path and query of the URL (BEP 41).
    pub url_data: Option<String>,
}

impl Tracker {
    /// Starts it and waits until it listens.
    pub fn start(host: Host, work: &Work) -> Self {
        let mut driver =
            Driver::start(&host, "tracker_driver.py", [INTERVAL.to_string()], work.log("tracker"));
        driver.ask("alive", json!({}));
        Self { driver, host }
    }

    /// Its announce URL.
    pub fn url(&self, family: Family) -> String {
        match family {
            Family::V4 => format!("http://{}:6969/announce", self.host.v4),
            Family::V6 => format!("http://[{}]:6969/announce", self.host.v6),
        }
    }

    /// Its announce URL over UDP.
    pub fn udp_url(&self, family: Family) -> String {
        match family {
            Family::V4 => format!("udp://{}:6970{UDP_PATH}", self.host.v4),
            Family::V6 => format!("udp://[{}]:6970{UDP_PATH}", self.host.v6),
        }
    }

    /// Where it is.
    pub fn place(&self) -> &Host {
        &self.host
    }

    /// Waits for an announce from `host` that `wanted` accepts.
    pub fn wait(&self, host: &Host, deadline: Deadline, wanted: impl Fn(&Announce) -> bool) -> Announce {
        let mut found = None;
        self.driver.event(deadline, "announce", |line| {
            let announce: Announce = serde_json::from_value(line.clone()).expect("the fields of the driver");
            let from_host = announce.ip == host.v4 || announce.ip == host.v6;
            let good = from_host && wanted(&announce);
            if good {
                found = Some(announce);
            }
            good
        });
        found.expect("the event was found")
    }

    /// Waits until `host` is listed as a seed: who asks from then on hears of it.
    pub fn wait_seed(&self, host: &Host, deadline: Deadline) {
        self.wait(host, deadline, |announce| announce.left == 0 && announce.said != "stopped");
    }
}
