//! Every kind of tracker behind one door: the URL's scheme says who asks.

use std::net::IpAddr;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::announce::{AnnounceError, AnnounceParams, AnnounceReply, Urgency};
use super::http::{AtUrl, FetchError, HttpOptions, HttpTracker, SetupError};
use super::scheme::Scheme;
use super::scrape::ScrapeCounts;
use super::trust::Trust;
use super::udp::{UdpOptions, UdpTracker};
use crate::net::bind::Binding;
use crate::net::resolver::Resolver;
use crate::net::udp::{Datagram, UdpSockets};
use crate::types::InfoHash;
use crate::untrusted::Untrusted;

/// What an engine decides for all its trackers.
#[derive(Clone, Debug)]
pub struct TrackerOptions {
    /// [`Config::stop_timeout`](crate::config::Config::stop_timeout)
    pub stop_deadline: Duration,
    /// [`Config::allow_inward_peers`](crate::config::Config::allow_inward_peers)
    pub allow_inward_peers: bool,
    /// Where announces over HTTP leave from, for IPv4 and IPv6; `None`: where the system likes.
    pub sources: [Option<IpAddr>; 2],
    /// What they must leave by.
    pub binding: Binding,
}

/// Asks trackers. Clones share connections and limits.
#[derive(Clone, Debug)]
pub struct Trackers {
    http: HttpTracker,
    udp: UdpTracker,
}

impl Trackers {
    /// Sets up HTTP clients, and a task on `runtime` that takes `replies` of UDP trackers.
    ///
    /// # Errors
    /// HTTP cannot be set up.
    pub fn start(
        runtime: &Handle,
        resolver: Resolver,
        sockets: UdpSockets,
        replies: mpsc::Receiver<Datagram>,
        options: TrackerOptions,
    ) -> Result<Self, SetupError> {
        let TrackerOptions { stop_deadline, allow_inward_peers, sources, binding } = options;
        let http =
            HttpOptions { stop_deadline, allow_inward_peers, sources, binding, ..HttpOptions::default() };
        let udp = UdpOptions { stop_deadline, allow_inward_peers, ..UdpOptions::default() };
        Ok(Self {
            http: HttpTracker::new(resolver.clone(), http)?,
            udp: UdpTracker::start(runtime, resolver, sockets, replies, udp),
        })
    }

    /// Announces over each address family that the host has; one answer is enough. Waits for its turn
    /// first, the more urgent before. Dropping the future ends the announce.
    ///
    /// # Errors
    /// What the tracker or the network says, within a minute of its turn; and before its turn, what
    /// others heard of a host that does not answer.
    pub async fn announce(
        &self,
        url: &Untrusted,
        params: &AnnounceParams,
        tracker_id: Option<&[u8]>,
        urgency: Urgency,
        trust: Trust,
    ) -> Result<AnnounceReply, AnnounceError> {
        match Scheme::of(url.raw()) {
            Some(Scheme::Http) => self.http.announce(url, params, tracker_id, urgency, trust).await,
            Some(Scheme::Udp) => self.udp.announce(url, params, urgency).await,
            None => Err(AnnounceError::Url("another scheme")),
        }
    }

    /// What is at a URL that a person named; as [`HttpTracker::fetch`].
    ///
    /// # Errors
    /// As there.
    pub async fn fetch(&self, url: &str) -> Result<AtUrl, FetchError> {
        self.http.fetch(url).await
    }

    /// The figures that a tracker has of these torrents; those it does not know may be left out.
    ///
    /// # Errors
    /// As [`announce`](Self::announce), and where the URL has no scrape (BEP 48).
    pub async fn scrape(
        &self,
        url: &Untrusted,
        torrents: &[InfoHash],
    ) -> Result<Vec<ScrapeCounts>, AnnounceError> {
        match Scheme::of(url.raw()) {
            Some(Scheme::Http) => self.http.scrape(url, torrents).await,
            Some(Scheme::Udp) => self.udp.scrape(url, torrents).await,
            None => Err(AnnounceError::Url("another scheme")),
        }
    }
}
