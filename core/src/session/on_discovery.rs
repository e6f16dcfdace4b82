//! What happens when a tracker answers or a dial ends.

use std::net::SocketAddr;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use super::actor::{Actor, Discovery, Phase};
use crate::event::{Event, Kind};
use crate::net::dial::{self, DialError, Greeted};
use crate::peer::pool::Outcome;
use crate::stats::PeerSource;
use crate::tracker::{
    Announce, AnnounceError, AnnounceEvent, AnnounceParams, AnnounceReply, Answered, TrackerId, mask_url,
};
use crate::untrusted::Untrusted;

/// Dials that one session starts in one go; libtorrent opens 30 connections a second over all.
const DIALS: usize = 10;

/// Peers asked of a tracker: enough to fill a torrent's links twice; trackers give 50 to 200.
const NUMWANT: u32 = 200;

impl Actor {
    /// Takes what the outside has found.
    pub(super) fn on_discovery(&mut self, now: Instant, discovery: Discovery) {
        match discovery {
            Discovery::Announced { tracker, event, result } => {
                self.on_announced(now, tracker, event, &result);
            }
            Discovery::Scraped { tracker, result } => self.on_scraped(now, tracker, &result),
            Discovery::Left { tracker, result } => {
                self.trackers.answered(now, tracker, AnnounceEvent::Stopped, &result);
            }
            Discovery::NotDialled { address } => self.pool.put_back(address),
            Discovery::Dialled { address, result, permit } => self.on_dialled(now, address, result, permit),
        }
    }

    /// Sends the announces that are due.
    pub(super) fn announce(&mut self, now: Instant) {
        for announce in self.trackers.due(now) {
            let params = self.announce_params(announce.event);
            let trackers = self.shared.trackers().clone();
            let found = self.to_discoveries.clone();
            let (turn, left) = (self.its_turn(announce.tracker), self.left_swarm());
            let patience = self.shared.config().stop_timeout;
            self.shared.tasks().spawn(async move {
                let said = async {
                    let _turn = turn.await;
                    trackers.announce(&announce.url, &params, announce.tracker_id.as_deref()).await
                };
                let result = tokio::select! {
                    // What it would say concerns nobody any more; `stopped` waits for it, but not long.
                    () = async { left.await; tokio::time::sleep(patience / 2).await } => return,
                    result = said => result,
                };
                let Announce { tracker, event, .. } = announce;
                // A session that has ended does not need to know.
                let _ = found.send(Discovery::Announced { tracker, event, result }).await;
            });
        }
    }

    /// Announces to one tracker go out one after the other: one that overtakes `stopped` would leave a
    /// ghost in the swarm. Resolves when the announce before this one is over; its turn is over when
    /// the result is dropped.
    fn its_turn(&mut self, tracker: TrackerId) -> impl Future<Output = oneshot::Sender<()>> + use<> {
        let (over, next) = oneshot::channel();
        let before = self.turns.insert(tracker, next);
        async move {
            if let Some(before) = before {
                // Nothing is ever sent: the end of the one before is what is waited for.
                let _ = before.await;
            }
            over
        }
    }

    /// Resolves when the torrent rests; at once if it does.
    fn left_swarm(&self) -> impl Future<Output = ()> + Send + use<> {
        let in_swarm = self.in_swarm.as_ref().map(watch::Sender::subscribe);
        async move {
            if let Some(mut in_swarm) = in_swarm {
                while in_swarm.changed().await.is_ok() {}
            }
        }
    }

    /// Tells trackers that we leave. Nobody waits for the answers but a `started` that may follow soon,
    /// and the engine's shutdown.
    pub(super) fn farewell(&mut self, announces: Vec<Announce>) {
        for announce in announces {
            let params = self.announce_params(announce.event);
            let trackers = self.shared.trackers().clone();
            let patience = self.shared.config().stop_timeout;
            let turn = self.its_turn(announce.tracker);
            let found = self.to_discoveries.clone();
            self.shared.tasks().spawn(async move {
                let Announce { tracker, url, tracker_id, event } = announce;
                let said = async {
                    let _turn = turn.await;
                    trackers.announce(&url, &params, tracker_id.as_deref()).await
                };
                let result = tokio::time::timeout(patience, said).await;
                let result = result.unwrap_or(Err(AnnounceError::Timeout));
                if let Err(error) = &result {
                    tracing::debug!(url = %mask_url(&url), %error, "the good-bye was not heard");
                }
                if event == AnnounceEvent::Stopped {
                    // A session that has ended does not need to know.
                    let _ = found.send(Discovery::Left { tracker, result }).await;
                }
            });
        }
    }

    pub(super) fn announce_params(&self, event: AnnounceEvent) -> AnnounceParams {
        // A tracker then does not count us among those who fetch (BEP 21).
        let partial_seed = self.download.is_finished() && !self.download.is_complete();
        let event =
            if event == AnnounceEvent::Regular && partial_seed { AnnounceEvent::Paused } else { event };
        let enough = event == AnnounceEvent::Stopped || self.pool.busy() >= self.max_links();
        AnnounceParams {
            info_hash: self.torrent.info_hash(),
            peer_id: self.torrent.peer_id,
            port: self.shared.port().unwrap_or(0),
            uploaded: self.totals.run_uploaded,
            downloaded: self.totals.run_downloaded,
            left: self.torrent.metainfo.geometry.total() - self.download.have_bytes(),
            key: self.torrent.key,
            numwant: if enough { 0 } else { NUMWANT },
            event,
        }
    }

    fn on_announced(
        &mut self,
        now: Instant,
        tracker: TrackerId,
        event: AnnounceEvent,
        result: &Result<AnnounceReply, AnnounceError>,
    ) {
        if self.phase != Phase::Running {
            // It was on its way when the torrent came to rest, and concerns nobody any more.
            return;
        }
        let Answered { url, next, switched } = self.trackers.answered(now, tracker, event, result);
        if switched {
            self.drop_peers(now, "the private torrent changed its tracker");
        }
        match result {
            Ok(reply) => {
                for address in reply.peers.iter().filter(|address| !self.shared.is_banned(**address)) {
                    self.pool.learn(now, *address, PeerSource::Tracker);
                }
                if let (Some(seeds), Some(leechers)) = (reply.seeds, reply.leechers) {
                    self.swarm = Some((seeds, leechers));
                }
                self.tracker_host = host_of(&url);
                self.torrent.bus.publish(Kind::TrackerSuccess, || Event::TrackerSuccess {
                    url: url.clone(),
                    peers: reply.peers.len() as u32,
                    seeds: reply.seeds,
                    leechers: reply.leechers,
                    interval: next.map_or(0, |next| next.as_secs()),
                });
                if let Some(warning) = &reply.warning {
                    let warning = warning.clone();
                    self.torrent.bus.publish(Kind::TrackerWarning, || Event::TrackerWarning { url, warning });
                }
            }
            Err(error) => self.torrent.bus.publish(Kind::TrackerFailed, || Event::TrackerFailed {
                url,
                error: error.to_string().into(),
                retry_in: next.map(|next| next.as_secs()),
            }),
        }
        self.dial(now);
        self.tick.get_or_insert(now);
    }

    /// Links of this torrent at most.
    pub(super) fn max_links(&self) -> usize {
        self.shared.config().max_connections_per_torrent
    }

    /// Dials as many known peers as there is room for. A seed dials too: leechers behind a NAT get
    /// nothing otherwise.
    pub(super) fn dial(&mut self, now: Instant) {
        let room = self.max_links().saturating_sub(self.pool.busy()).min(DIALS);
        // Tickets first: where there are none, nobody goes through the pool in vain.
        let tickets: Vec<_> = std::iter::from_fn(|| self.shared.dial_ticket()).take(room).collect();
        let addresses = self.pool.dial(now, tickets.len(), |address| self.shared.is_banned(address));
        for (address, (half_open, permit)) in addresses.into_iter().zip(tickets) {
            let source = self.shared.source_for(&address);
            let (info_hash, peer_id) = (self.torrent.info_hash(), self.torrent.peer_id);
            let found = self.to_discoveries.clone();
            let left = self.left_swarm();
            self.shared.tasks().spawn(async move {
                let dialled = tokio::select! {
                    () = left => Discovery::NotDialled { address },
                    result = dial::dial(address, source, info_hash, peer_id) => {
                        Discovery::Dialled { address, result, permit }
                    }
                };
                drop(half_open);
                // A session that has ended does not need to know.
                let _ = found.send(dialled).await;
            });
        }
    }

    fn on_dialled(
        &mut self,
        now: Instant,
        address: SocketAddr,
        result: Result<Greeted, DialError>,
        permit: OwnedSemaphorePermit,
    ) {
        match result {
            Ok(greeted) if self.phase == Phase::Running => self.welcome(now, greeted, permit, false),
            Ok(_) => self.pool.put_back(address),
            Err(error) => {
                tracing::trace!(%address, %error, "no link");
                self.dialled_in_vain(now, address, Outcome::Unreachable);
            }
        }
    }

    /// No link came of a dial. The peer may have called us meanwhile and said that it listens there:
    /// then the pool knows that link by this address.
    pub(super) fn dialled_in_vain(&mut self, now: Instant, address: SocketAddr, outcome: Outcome) {
        if self.pool.link_to(&address).is_none() {
            self.pool.ended(now, address, outcome);
        }
    }
}

/// The host name in a URL, for a column of the table.
pub(super) fn host_of(url: &Untrusted) -> Option<Untrusted> {
    let url = url::Url::parse(url.raw()).ok()?;
    url.host_str().map(Untrusted::from)
}
