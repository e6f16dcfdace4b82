//! What happens when a person asks for something, and how a session begins, rests and ends.

use std::time::{Duration, Instant};

use super::actor::{Actor, Phase};
use super::control::{Orders, Wish};
use crate::event::{Event, Kind};
use crate::manager::RemoveData;
use crate::peer::pool::Outcome;
use crate::stats::PeerSource;
use crate::upload::UploadManager;

/// What a disk may take to sync at the end; then the record says `maybe` of what is not.
const SYNC_PATIENCE: Duration = Duration::from_secs(2);

impl Actor {
    /// Carries out what has been asked for since the last look.
    pub(super) fn on_orders(&mut self, now: Instant, orders: Orders) {
        for address in orders.peers {
            self.pool.learn(now, address, PeerSource::Manual);
        }
        self.watches.extend(orders.watches);
        if !self.watches.is_empty() {
            self.show_details(now);
        }
        if orders.reannounce && self.phase == Phase::Running {
            self.trackers.reannounce(now);
        }
        match orders.wish {
            Wish::None => {}
            Wish::Run => self.start(now),
            Wish::Pause => self.pause(now),
            Wish::Stop => self.stop(now, "stopped"),
        }
        if let Some(data) = orders.remove {
            self.remove(now, data);
        }
        if self.phase == Phase::Running {
            self.dial(now);
        }
    }

    /// Begins to run, if it does not: looks at what is on disk first, once per run.
    pub(super) fn start(&mut self, now: Instant) {
        match self.phase {
            Phase::Checking | Phase::Running | Phase::Stopping(_) | Phase::Stopped => return,
            Phase::Idle | Phase::Paused | Phase::Failed(..) => {}
        }
        self.saving.paused = false;
        match self.saving.check_plan(&self.torrent, self.checked) {
            Some(plan) => {
                self.phase = Phase::Checking;
                self.pieces_checked = 0;
                self.shared.disk().check(&self.storage, plan);
            }
            None => self.enter_running(now),
        }
        self.publish_state(Kind::SessionStarted, "started");
        self.pin(now);
    }

    /// Goes to the peers. What is on disk is known.
    pub(super) fn enter_running(&mut self, now: Instant) {
        self.phase = Phase::Running;
        self.totals.set_active(now, true);
        self.open_door();
        self.trackers.start(now);
        self.tick = Some(now);
        self.complete_if_all_there(now);
    }

    /// Lets all peers go, tells the trackers, and stays so.
    pub(super) fn pause(&mut self, now: Instant) {
        match self.phase {
            Phase::Paused | Phase::Stopping(_) | Phase::Stopped => return,
            Phase::Idle | Phase::Checking | Phase::Running | Phase::Failed(..) => {}
        }
        self.leave_swarm(now, "paused");
        self.phase = Phase::Paused;
        self.saving.paused = true;
        self.publish_state(Kind::SessionPaused, "paused");
        self.sync_and_save(now);
        self.pin(now);
    }

    /// Ends for this run: leaves the swarm, syncs what was written, and saves a record that claims it,
    /// so that the next run has nothing to hash.
    pub(super) fn stop(&mut self, now: Instant, why: &'static str) {
        if matches!(self.phase, Phase::Stopping(_) | Phase::Stopped) {
            return;
        }
        self.leave_swarm(now, why);
        self.publish_state(Kind::SessionStopped, why);
        if self.saving.is_dirty() && self.shared.store().is_some() && !self.removed {
            self.phase = Phase::Stopping(now + SYNC_PATIENCE);
            self.shared.disk().sync(&self.storage);
        } else {
            self.end(now);
        }
    }

    /// The last save is posted before the actor ends; the store writes it.
    pub(super) fn end(&mut self, now: Instant) {
        self.phase = Phase::Stopped;
        self.save(now);
        self.pin(now);
    }

    /// Off the list: the session ends, and so does its place on the board.
    fn remove(&mut self, now: Instant, data: RemoveData) {
        self.removed = true;
        self.stop(now, "removed");
        self.place.leave();
        if data == RemoveData::Delete {
            let (disk, storage, bus) =
                (self.shared.disk().clone(), self.storage.clone(), self.torrent.bus.clone());
            self.shared.tasks().spawn(async move {
                if let Err(error) = disk.delete_files(&storage).await {
                    bus.publish(Kind::StorageError, || Event::StorageError {
                        message: error.to_string().into(),
                        code: error.code().into(),
                    });
                }
            });
        }
    }

    /// Trouble: like a pause that nobody asked for.
    pub(super) fn fail(&mut self, now: Instant, trouble: super::Trouble, retry: Option<Instant>) {
        if matches!(self.phase, Phase::Stopping(_) | Phase::Stopped | Phase::Failed(..)) {
            return;
        }
        self.leave_swarm(now, "stopped by an error");
        self.torrent.bus.publish(Kind::SessionError, || Event::SessionError {
            message: trouble.to_string().into(),
            code: trouble.code().into(),
        });
        self.phase = Phase::Failed(trouble, retry);
        self.pin(now);
    }

    /// Lets all peers go.
    pub(super) fn drop_peers(&mut self, now: Instant, why: &'static str) {
        let links: Vec<_> = self.links.keys().copied().collect();
        for link in links {
            if let Some(entry) = self.links.get_mut(&link) {
                entry.close(why);
            }
            self.let_go(now, link, why, Outcome::Ended);
        }
    }

    fn leave_swarm(&mut self, now: Instant, why: &'static str) {
        if self.phase == Phase::Checking {
            self.shared.disk().cancel_check(&self.storage);
        }
        self.door = None;
        self.totals.set_active(now, false);
        self.drop_peers(now, why);
        self.upload = UploadManager::new(self.shared.config().upload_slots, super::actor::seed());
        self.tick = None;
        if self.phase == Phase::Running {
            let announces = self.trackers.pause(now);
            self.farewell(announces);
        }
    }

    pub(super) fn publish_state(&self, kind: Kind, words: &'static str) {
        let state = self.state();
        self.torrent.bus.publish(kind, || {
            let message = words.into();
            match kind {
                Kind::SessionStarted => Event::SessionStarted { state, message },
                Kind::SessionPaused => Event::SessionPaused { state, message },
                Kind::SessionResumed => Event::SessionResumed { state, message },
                _ => Event::SessionStopped { state, message },
            }
        });
    }
}
