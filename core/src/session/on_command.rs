//! What happens when a person asks for something, and how a session begins, rests and ends.

use std::time::Instant;

use super::actor::{Actor, Phase};
use super::control::{Orders, Wish};
use crate::event::{Event, Kind};
use crate::manager::RemoveData;
use crate::stats::PeerSource;
use crate::upload::UploadManager;

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
            Phase::Checking | Phase::Running | Phase::Stopped => return,
            Phase::Idle | Phase::Paused | Phase::Failed(..) => {}
        }
        self.saving.paused = false;
        if self.checked {
            self.enter_running(now);
        } else {
            self.phase = Phase::Checking;
            self.pieces_checked = 0;
            self.shared.disk().check(&self.storage, self.saving.check_plan(&self.torrent));
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
            Phase::Paused | Phase::Stopped => return,
            Phase::Idle | Phase::Checking | Phase::Running | Phase::Failed(..) => {}
        }
        self.leave_swarm(now, "paused");
        self.phase = Phase::Paused;
        self.saving.paused = true;
        self.publish_state(Kind::SessionPaused, "paused");
        self.sync_and_save(now);
        self.pin(now);
    }

    /// Ends for this run. The last save is posted before the actor ends; the store writes it.
    pub(super) fn stop(&mut self, now: Instant, why: &'static str) {
        if self.phase == Phase::Stopped {
            return;
        }
        self.leave_swarm(now, why);
        self.phase = Phase::Stopped;
        self.publish_state(Kind::SessionStopped, why);
        self.save_at_end(now);
        self.pin(now);
    }

    /// Off the list: the session ends, and so does its place on the board.
    fn remove(&mut self, now: Instant, data: RemoveData) {
        self.removed = true;
        self.stop(now, "removed");
        self.place.leave();
        if data == RemoveData::Delete {
            self.shared.disk().delete_files(&self.storage);
        }
    }

    /// Trouble: like a pause that nobody asked for.
    pub(super) fn fail(&mut self, now: Instant, trouble: super::Trouble, retry: Option<Instant>) {
        if matches!(self.phase, Phase::Stopped | Phase::Failed(..)) {
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

    fn leave_swarm(&mut self, now: Instant, why: &'static str) {
        if self.phase == Phase::Checking {
            self.shared.disk().cancel_check(&self.storage);
        }
        self.door = None;
        self.totals.set_active(now, false);
        let links: Vec<_> = self.links.keys().copied().collect();
        for link in links {
            if let Some(entry) = self.links.get_mut(&link) {
                entry.close(why);
            }
            self.let_go(now, link, why, crate::peer::pool::Outcome::Ended);
        }
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
