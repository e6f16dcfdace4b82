//! What happens when a tracker is to be asked, answers, or is changed by a person.

use std::time::Instant;

use tokio::sync::oneshot;

use super::actor::{Actor, Discovery, Phase};
use crate::event::{Event, Kind};
use crate::metainfo::Metainfo;
use crate::stats::PeerSource;
use crate::tracker::mask::hide_secrets;
use crate::tracker::trust::host_of;
use crate::tracker::{
    Announce, AnnounceError, AnnounceEvent, AnnounceParams, AnnounceReply, Answered, TrackerEdit, TrackerId,
    Urgency, mask_url,
};
use crate::untrusted::Untrusted;

/// Peers asked of a tracker: enough to fill a torrent's links twice; trackers give 50 to 200.
const NUMWANT: u32 = 200;

/// What is left of a torrent of which only the hash is known: as libtorrent says.
const LEFT_UNKNOWN: u64 = 16 << 10;

impl Actor {
    /// Sends the announces that are due.
    pub(super) fn announce(&mut self, now: Instant) {
        for announce in self.trackers.due(now) {
            let params = self.announce_params(announce.event);
            let urgency = match announce.event {
                AnnounceEvent::Completed if self.is_unreported() => Urgency::Unreported,
                AnnounceEvent::Regular | AnnounceEvent::Paused => Urgency::Regular,
                _ => Urgency::Event,
            };
            let moved = self.totals.moved_in_run();
            let trackers = self.shared.trackers().clone();
            let found = self.to_discoveries.clone();
            let (turn, left) = (self.its_turn(announce.tracker), self.left_swarm());
            let patience = self.shared.config().stop_timeout;
            self.shared.tasks().spawn(async move {
                let said = async {
                    let _turn = turn.await;
                    trackers
                        .announce(
                            &announce.url,
                            &params,
                            announce.tracker_id.as_deref(),
                            urgency,
                            announce.trust,
                        )
                        .await
                };
                let result = tokio::select! {
                    // What it would say concerns nobody any more; `stopped` waits for it, but not long.
                    () = async { left.await; tokio::time::sleep(patience / 2).await } => return,
                    result = said => result,
                };
                let Announce { tracker, event, .. } = announce;
                // A session that has ended does not need to know.
                let _ = found.send(Discovery::Announced { tracker, event, moved, result }).await;
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

    /// Tells trackers that we leave. Nobody waits for the answers but a `started` that may follow soon,
    /// and the engine's shutdown.
    pub(super) fn farewell(&mut self, announces: Vec<Announce>) {
        let urgency = if self.is_unreported() { Urgency::Unreported } else { Urgency::Event };
        for announce in announces {
            let goodbye = self.shared.goodbyes().begin();
            let params = self.announce_params(announce.event);
            let trackers = self.shared.trackers().clone();
            let end = self.shared.goodbyes_end();
            let turn = self.its_turn(announce.tracker);
            let found = self.to_discoveries.clone();
            self.shared.tasks().spawn(async move {
                let Announce { tracker, url, tracker_id, event, trust } = announce;
                let said = async {
                    let _turn = turn.await;
                    trackers.announce(&url, &params, tracker_id.as_deref(), urgency, trust).await
                };
                let result = tokio::time::timeout_at(end, said).await;
                drop(goodbye);
                let result = result.unwrap_or(Err(AnnounceError::Timeout));
                if let Err(error) = &result {
                    let error = hide_secrets(&url, &error.to_string());
                    tracing::debug!(url = %mask_url(&url), %error, "the good-bye was not heard");
                }
                if event == AnnounceEvent::Stopped {
                    // A session that has ended does not need to know.
                    let _ = found.send(Discovery::Left { tracker, result }).await;
                }
            });
        }
    }

    pub(super) fn announce_params(&mut self, event: AnnounceEvent) -> AnnounceParams {
        // A tracker then does not count us among those who fetch (BEP 21).
        let partial_seed = self.is_finished() && !self.is_complete();
        let event =
            if event == AnnounceEvent::Regular && partial_seed { AnnounceEvent::Paused } else { event };
        let enough = event == AnnounceEvent::Stopped || self.pool.busy() >= self.max_links();
        AnnounceParams {
            info_hash: self.torrent.swarm_hash(),
            peer_id: self.torrent.peer_id,
            port: self.shared.port().unwrap_or(0),
            uploaded: self.totals.run_uploaded,
            downloaded: self.totals.good_in_run(),
            corrupt: self.totals.run_corrupt,
            // Who says 0 is taken for a seed; how much it is nobody knows.
            left: match &self.magnet {
                Some(_) => LEFT_UNKNOWN,
                None => self.torrent.metainfo().geometry.total() - self.download.have_bytes(),
            },
            key: self.torrent.key,
            numwant: if enough { 0 } else { NUMWANT },
            event,
        }
    }

    /// Whether something was moved of which no tracker has heard.
    fn is_unreported(&self) -> bool {
        self.totals.moved_in_run() > self.reported
    }

    /// A tracker answered, or did not. `moved`: payload bytes that it was told of.
    pub(super) fn on_announced(
        &mut self,
        now: Instant,
        tracker: TrackerId,
        event: AnnounceEvent,
        moved: u64,
        result: &Result<AnnounceReply, AnnounceError>,
    ) {
        if self.in_swarm.is_none() {
            // It was on its way when the torrent came to rest, and concerns nobody any more.
            return;
        }
        let raw = self.trackers.url_of(tracker);
        let Answered { url, next, switched } = self.trackers.answered(now, tracker, event, result);
        let Some(raw) = raw else { return };
        if switched {
            self.drop_peers(now, "the private torrent changed its tracker");
        }
        match result {
            Ok(reply) => {
                self.reported = self.reported.max(moved);
                if let Some(ip) = reply.external_ip {
                    self.shared.seen_as(ip);
                }
                // Trackers name us to ourselves.
                for address in &reply.peers {
                    if !self.shared.is_us(address) && !self.shared.is_banned(*address) {
                        self.learn(now, *address, PeerSource::Tracker);
                    }
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
                error: hide_secrets(&raw, &error.to_string()),
                retry_in: next.map(|next| next.as_secs()),
            }),
        }
        self.dial(now);
        self.tick.get_or_insert(now);
    }

    /// A person changes the trackers. The torrent's own list holds from now on, over restarts too; where
    /// it is private, the peers that the old trackers named are let go (BEP 27).
    pub(super) fn edit_trackers(&mut self, now: Instant, edits: Vec<TrackerEdit>) {
        let (mut changed, mut trusted) = (false, false);
        let private = self.is_private();
        for edit in edits {
            if private && matches!(edit, TrackerEdit::Merge { .. }) {
                continue;
            }
            trusted |= self.trust.edit(&edit, &self.trackers.list());
            let tiers = edit.apply(&self.trackers.list());
            if let Some(stopped) = self.trackers.change(now, &tiers) {
                self.farewell(stopped);
                self.own_trackers = Some(tiers);
                changed = true;
            }
        }
        if changed || trusted {
            self.trackers_changed(now);
        }
        if changed && private {
            self.drop_peers(now, "the private torrent changed its trackers");
            self.pool.forget(PeerSource::Tracker);
        }
    }

    /// The torrent file of a magnet is there: its trackers count too, and alone where it is private (BEP 27).
    pub(super) fn take_trackers_of(&mut self, now: Instant, metainfo: &Metainfo) {
        let known = self.trackers.list();
        if metainfo.trackers.iter().flatten().all(|url| known.iter().any(|known| known.url == *url)) {
            return;
        }
        let tiers = metainfo.trackers.clone();
        let tiers = if metainfo.private { tiers } else { TrackerEdit::Merge { tiers }.apply(&known) };
        if let Some(stopped) = self.trackers.change(now, &tiers) {
            self.farewell(stopped);
            self.own_trackers = Some(tiers);
            self.trackers_changed(now);
        }
    }

    fn trackers_changed(&mut self, now: Instant) {
        self.trust.keep(&self.trackers.list());
        let hosts = &self.shared.config().any_certificate;
        self.trackers.trust(|url| self.trust.of(url, hosts));
        self.to_list.send_replace(self.trackers.list().into());
        self.tracker_host = self.first_host();
        self.save(now);
        self.tick.get_or_insert(now);
    }

    /// Until one has answered, the first tracker stands for all.
    pub(super) fn first_host(&self) -> Option<Untrusted> {
        self.trackers.list().iter().find_map(|known| host_of(&known.url))
    }

    /// Peers can call us at another port; or what all that leaves is bound to is gone or back.
    pub(super) fn on_moved(&mut self, now: Instant) {
        let way = self.shared.binding().way();
        if way.nowhere().is_some() {
            // Links send nothing now. Where their way comes back as it was they go on.
            self.cut_off = true;
            return;
        }
        let before = std::mem::replace(&mut self.way, way);
        if before != way {
            self.drop_peers(now, "nothing leaves by where it did");
        }
        if self.phase != Phase::Running {
            return;
        }
        if std::mem::take(&mut self.cut_off) || before != way {
            // It was not they who were gone.
            self.pool.call_again(now);
            self.trackers.reannounce(now);
            self.seek_peers(now);
        } else {
            self.trackers.moved(now);
            self.announce(now);
        }
    }
}
