//! UDP trackers: BEP 15, with the URL's path and query for the tracker (BEP 41).
//!
//! [`packet`] knows the bytes, [`client`] decides what is sent when, `task` moves datagrams; here names
//! become addresses.
//!
//! A URL from a torrent file may lead into a private network: all that a host there gets before it has
//! shown itself to be a tracker is the 16 bytes of a connect packet, none of them the author's choice.
//! It never leads to a link-local address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use url::Url;

use self::client::{Answer, Question};
use self::packet::MAX_SCRAPE;
use self::task::Ask;
use super::announce::{AnnounceError, AnnounceEvent, AnnounceParams, AnnounceReply, Urgency};
use super::families::both;
use super::query::check_text;
use super::scrape::ScrapeCounts;
use super::turns::Turns;
use crate::net::reach::{Family, Reach};
use crate::net::resolver::Resolver;
use crate::net::scope::Scope;
use crate::net::udp::{Datagram, UdpSockets};
use crate::types::InfoHash;
use crate::untrusted::Untrusted;

pub mod client;
pub mod packet;
mod task;

#[cfg(test)]
mod tests;

/// Questions on their way over all torrents: each is a few hundred bytes of memory and no descriptor.
const IN_FLIGHT: usize = 200;

/// Questions on their way to one host and port: what fits into the receive buffer of any server.
const IN_FLIGHT_PER_HOST: usize = 20;

/// Questions that wait for the task; each comes from one who holds a turn, at most two families each.
const ASKS: usize = 32;

/// What an embedder or a test may want otherwise.
#[derive(Clone, Copy, Debug)]
pub struct UdpOptions {
    /// For one question with its repeats: after that the next tracker's turn comes. BEP 15's ladder of
    /// repeats goes on for an hour.
    pub deadline: Duration,
    /// The same for `stopped`, which somebody at the exit waits for.
    pub stop_deadline: Duration,
    /// [`Config::allow_inward_peers`](crate::config::Config::allow_inward_peers)
    pub allow_inward_peers: bool,
}

impl Default for UdpOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            stop_deadline: Duration::from_secs(5),
            allow_inward_peers: false,
        }
    }
}

/// Asks UDP trackers. Clones share connections and limits.
#[derive(Clone, Debug)]
pub struct UdpTracker {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: UdpOptions,
    resolver: Resolver,
    sockets: UdpSockets,
    turns: Turns,
    /// To the task, which ends when this is dropped.
    asks: mpsc::Sender<Ask>,
}

/// A tracker's URL, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub struct UdpUrl {
    /// Its name or address.
    pub host: String,
    /// Never 0.
    pub port: u16,
    /// Path and query as they came: BEP 41, and where pass-keys are.
    pub data: Bytes,
}

impl UdpUrl {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// Of another scheme, without a host or port, or a text that two readers could take for different hosts.
    pub fn parse(tracker: &Untrusted) -> Result<Self, AnnounceError> {
        let text = check_text(tracker.raw(), &["udp"])?;
        let url = Url::parse(text).map_err(|_| AnnounceError::Url("not a URL"))?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(AnnounceError::Url("no host"))?;
        // BEP 15 names no port to fall back to.
        let port = url.port().filter(|port| *port != 0).ok_or(AnnounceError::Url("no port"))?;
        let rest = text.split_once("://").map_or("", |(_, rest)| rest);
        let data = rest.find(['/', '?']).map_or("", |start| &rest[start..]);
        Ok(Self { host: host.to_owned(), port, data: Bytes::copy_from_slice(data.as_bytes()) })
    }
}

impl UdpTracker {
    /// Starts the task on `runtime`. It takes `replies` and sends through `sockets`, and ends when the
    /// sockets are closed or the last clone is dropped.
    pub fn start(
        runtime: &Handle,
        resolver: Resolver,
        sockets: UdpSockets,
        replies: mpsc::Receiver<Datagram>,
        options: UdpOptions,
    ) -> Self {
        let (asks, asked) = mpsc::channel(ASKS);
        runtime.spawn(task::run(asked, replies, sockets.clone(), options.allow_inward_peers));
        let turns = Turns::new(IN_FLIGHT, IN_FLIGHT_PER_HOST);
        Self { inner: Arc::new(Inner { options, resolver, sockets, turns, asks }) }
    }

    /// Announces over each address family that the host has and we have a socket of, and merges the
    /// answers; one is enough. Waits for its turn first; the deadline runs from there.
    ///
    /// # Errors
    /// No answer within the deadline, or none that is any use.
    pub async fn announce(
        &self,
        tracker: &Untrusted,
        params: &AnnounceParams,
        urgency: Urgency,
    ) -> Result<AnnounceReply, AnnounceError> {
        let url = UdpUrl::parse(tracker)?;
        let turn = self.inner.turns.take(&url.host, url.port, urgency).await?;
        // In a box: those who wait for their turn, of whom there may be tens of thousands, stay small.
        let result = Box::pin(self.announce_now(&url, params)).await;
        turn.ended(&result);
        result
    }

    async fn announce_now(
        &self,
        url: &UdpUrl,
        params: &AnnounceParams,
    ) -> Result<AnnounceReply, AnnounceError> {
        let patience = match params.event {
            AnnounceEvent::Stopped => self.inner.options.stop_deadline,
            _ => self.inner.options.deadline,
        };
        let deadline = Instant::now() + patience;
        let (v4, v6) = self.inner.addresses(url, patience).await?;
        let question = || Question::Announce(params.clone(), url.data.clone());
        let announce =
            async |addresses: Vec<SocketAddr>| match self.inner.ask(addresses, question(), deadline).await? {
                Answer::Announce(reply) => Ok(reply),
                Answer::Scrape(_) => Err(AnnounceError::Malformed),
            };
        match (v4.is_empty(), v6.is_empty()) {
            (false, false) => both(announce(v4), announce(v6), patience).await,
            (false, true) => announce(v4).await,
            (true, _) => announce(v6).await,
        }
    }

    /// The figures of these torrents, in packets of 74, over one address family: they are the same over
    /// the other.
    ///
    /// # Errors
    /// No answer to one of the packets within the deadline.
    pub async fn scrape(
        &self,
        tracker: &Untrusted,
        torrents: &[InfoHash],
    ) -> Result<Vec<ScrapeCounts>, AnnounceError> {
        let url = UdpUrl::parse(tracker)?;
        let turn = self.inner.turns.take(&url.host, url.port, Urgency::Regular).await?;
        let result = Box::pin(self.scrape_now(&url, torrents)).await;
        turn.ended(&result);
        result
    }

    async fn scrape_now(
        &self,
        url: &UdpUrl,
        torrents: &[InfoHash],
    ) -> Result<Vec<ScrapeCounts>, AnnounceError> {
        let patience = self.inner.options.deadline;
        let (v4, v6) = self.inner.addresses(url, patience).await?;
        let mut counts = Vec::with_capacity(torrents.len());
        for torrents in torrents.chunks(MAX_SCRAPE) {
            let ask = |addresses: &[SocketAddr]| {
                let question = Question::Scrape(torrents.to_vec());
                self.inner.ask(addresses.to_vec(), question, Instant::now() + patience)
            };
            let answer = match (v4.is_empty(), v6.is_empty()) {
                (false, false) => match ask(&v4).await {
                    Err(error) if !matches!(error, AnnounceError::Refused { .. }) => ask(&v6).await,
                    answer => answer,
                },
                (false, true) => ask(&v4).await,
                (true, _) => ask(&v6).await,
            };
            let Answer::Scrape(figures) = answer? else { return Err(AnnounceError::Malformed) };
            counts.extend(torrents.iter().zip(figures).map(|(info_hash, figures)| ScrapeCounts {
                info_hash: *info_hash,
                seeds: Some(figures.seeds),
                leechers: Some(figures.leechers),
                completed: Some(figures.completed),
            }));
        }
        Ok(counts)
    }
}

impl Inner {
    /// Where to ask, by family; not both empty. A public host with a private address beside it is asked
    /// at its public one only.
    async fn addresses(
        &self,
        url: &UdpUrl,
        patience: Duration,
    ) -> Result<(Vec<SocketAddr>, Vec<SocketAddr>), AnnounceError> {
        let found = timeout(patience, self.resolver.resolve(&url.host, url.port)).await;
        let found = found
            .map_err(|_| AnnounceError::Timeout)?
            .map_err(|error| AnnounceError::Resolve(Untrusted::new(error.to_string())))?;
        let within = |reach: Reach| -> Vec<_> {
            let allowed = found.iter().filter(|address| reach.allows(address.ip()));
            // IPv4 in IPv6 notation goes over IPv4.
            allowed.map(|address| SocketAddr::new(address.ip().to_canonical(), address.port())).collect()
        };
        let mut allowed = within(Reach::Outward);
        if allowed.is_empty() {
            allowed = within(Reach::Inward);
        }
        if let (true, Some(first)) = (allowed.is_empty(), found.first()) {
            return Err(AnnounceError::Scope(Scope::of(first.ip()).name()));
        }
        allowed.retain(|address| self.sockets.can_reach(address));
        if allowed.is_empty() {
            return Err(AnnounceError::Network("no UDP socket of its address family".into()));
        }
        Ok(allowed.into_iter().partition(|address| Family::of(address.ip()) == Family::V4))
    }

    async fn ask(
        &self,
        addresses: Vec<SocketAddr>,
        question: Question,
        deadline: Instant,
    ) -> Result<Answer, AnnounceError> {
        let (answer, answered) = oneshot::channel();
        let ended = || AnnounceError::Network("shutting down".into());
        self.asks.send(Ask { addresses, question, deadline, answer }).await.map_err(|_| ended())?;
        answered.await.unwrap_or_else(|_| Err(ended()))
    }
}
