//! What happens when a person asks for something, and how a session begins, rests and ends.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::actor::{Actor, Phase};
use super::control::{Orders, Wish};
use super::on_move::Moving;
use crate::bitfield::Bitfield;
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
            self.learn(now, address, PeerSource::Manual);
        }
        let away: Vec<_> =
            self.links.iter().filter(|(_, entry)| orders.disconnect.contains(&entry.address)).collect();
        for link in away.into_iter().map(|(link, _)| *link).collect::<Vec<_>>() {
            if let Some(entry) = self.links.get_mut(&link) {
                entry.close("disconnected by hand");
            }
            self.let_go(now, link, "disconnected by hand", Outcome::Useless);
        }
        self.watches.extend(orders.watches);
        if !self.watches.is_empty() {
            self.show_details(now);
        }
        self.edit_trackers(now, orders.trackers);
        for tracker in orders.reannounce_to {
            self.trackers.reannounce_to(now, tracker);
        }
        if let Some(settings) = orders.settings {
            self.on_settings(now, settings);
        }
        if orders.reannounce && self.phase == Phase::Running {
            self.trackers.reannounce(now);
        }
        if let Some(forced) = orders.force {
            self.force(now, forced);
        }
        match orders.wish {
            Wish::None => {}
            Wish::Run => self.start(now),
            Wish::Pause => self.pause(now),
            Wish::Stop => self.stop(now, "stopped"),
        }
        if let Some(metainfo) = orders.metadata {
            self.on_metadata_given(now, metainfo);
        }
        if let Some(admission) = orders.admission {
            self.on_admission(now, admission);
        }
        if orders.recheck {
            self.recheck(now);
        }
        if let Some((folder, tell)) = orders.relocate {
            self.relocate(now, folder, tell);
        }
        if let Some((files, tell)) = orders.rename {
            self.rename(now, files, tell);
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
        self.choice_is_made();
        let (kind, words) = match self.phase {
            Phase::Running if self.full.is_some() => return self.fetch_again(now),
            Phase::Checking if self.rest_after_check.take() == Some(Phase::Paused) => {
                self.saving.paused = false;
                self.save(now);
                return self.publish_state(Kind::SessionResumed, "resumed");
            }
            Phase::Moving => {
                self.saving.paused = false;
                if let Some(moving) = &mut self.moving {
                    moving.set_rest(None);
                }
                return self.save(now);
            }
            Phase::Failed(..) if self.moving.is_some() => {
                self.saving.paused = false;
                if let Some(moving) = &mut self.moving {
                    moving.set_rest(None);
                }
                self.save(now);
                return self.resume_move(now);
            }
            Phase::Checking | Phase::Queued | Phase::Running | Phase::Stopping(_) | Phase::Stopped => return,
            Phase::Paused => (Kind::SessionResumed, "resumed"),
            Phase::Idle | Phase::Failed(..) => (Kind::SessionStarted, "started"),
        };
        // Who lets it go on after a limit stopped it wants it to give more.
        self.beyond |= self.phase == Phase::Paused && std::mem::take(&mut self.limited);
        if std::mem::take(&mut self.saving.paused) {
            self.save(now);
        }
        self.notice = None;
        self.awaits_choice = false;
        // It was we who left the peers; who resumes does not wait for them.
        self.pool.call_again(now);
        if self.magnet.is_some() {
            self.enter_running(now);
            self.publish_state(kind, words);
            self.ask_to_be_admitted();
        // A check that was cancelled and has not ended goes on with what it leaves, once it says so.
        } else if self.check_posted || self.post_check() {
            self.phase = Phase::Checking;
            self.publish_state(kind, words);
        } else {
            let runs = self.line_up(now);
            if runs {
                self.phase = Phase::Running;
            }
            self.publish_state(kind, words);
            self.go_on(now, runs);
        }
        self.pin(now);
    }

    /// Hashes all that is on disk again, out of the swarm, and then goes on with what it did. Until
    /// that has come to its end nothing counts as there: a run that is cut short leaves a record by
    /// which the next one hashes the rest.
    fn recheck(&mut self, now: Instant) {
        if self.magnet.is_some() {
            return;
        }
        let rest = match &self.phase {
            // Where the files are is not certain, or about to change.
            Phase::Moving | Phase::Stopping(_) | Phase::Stopped => return,
            Phase::Failed(..) if self.moving.is_some() => return,
            phase @ (Phase::Idle | Phase::Paused) => Some(phase.clone()),
            Phase::Checking => self.rest_after_check.take(),
            Phase::Queued | Phase::Running | Phase::Failed(..) => None,
        };
        self.leave_swarm(now, "checking what is on disk");
        self.rest_after_check = rest;
        self.phase = Phase::Checking;
        self.checked = true;
        self.saving.adopt();
        self.saving.doubt_all_but(&Bitfield::new(self.torrent.metainfo().geometry.pieces()));
        // What links still hand over must not be written over what is hashed.
        self.shared.disk().freeze(&self.storage);
        // One that is under way was cancelled, and goes on as this one once it says so.
        if !self.check_posted {
            self.post_check();
        }
        self.save(now);
        self.pin(now);
    }

    /// What is on disk is known: on to the peers, or back to rest.
    pub(super) fn leave_checking(&mut self, now: Instant) {
        match self.rest_after_check.take() {
            Some(rest) => {
                self.phase = rest;
                self.tick = None;
            }
            None => {
                let runs = self.line_up(now);
                self.go_on(now, runs);
            }
        }
    }

    /// Has the disk look at what it must look at; `false`: at nothing.
    pub(super) fn post_check(&mut self) -> bool {
        let Some(plan) = self.saving.check_plan(&self.torrent, self.checked) else { return false };
        let known = plan.trust.without(&plan.hash).chain(plan.assume.without(&plan.hash)).count();
        let looks = plan.hash.ones() + known as u32;
        self.pieces_known = self.torrent.metainfo().geometry.pieces() - looks;
        self.pieces_checked = self.pieces_known;
        self.check_posted = true;
        self.shared.disk().check(&self.storage, plan);
        true
    }

    /// Goes to the peers. What is on disk is known, and it is the torrent's turn.
    pub(super) fn enter_running(&mut self, now: Instant) {
        self.phase = Phase::Running;
        self.shared.disk().thaw(&self.storage);
        // What had not got its name before may get it now.
        self.shared.disk().name_files(&self.storage);
        // A magnet that has got its metadata is there already.
        if self.in_swarm.is_none() {
            self.in_swarm = Some(watch::Sender::new(()));
            self.totals.set_active(now, true);
            self.open_door();
            self.totals.begin_run();
            self.reported = 0;
            self.trackers.start(now);
        }
        self.be_found();
        self.tick = Some(now);
        self.complete_if_all_there(now);
        self.keep_seed_limits(now);
    }

    /// Lets all peers go, tells the trackers, and stays so.
    pub(super) fn pause(&mut self, now: Instant) {
        match self.phase {
            Phase::Paused | Phase::Stopping(_) | Phase::Stopped => return,
            Phase::Moving => {
                (self.saving.paused, self.saving.forced) = (true, false);
                if let Some(moving) = &mut self.moving {
                    moving.set_rest(Some(Phase::Paused));
                }
                return self.save(now);
            }
            Phase::Idle | Phase::Checking | Phase::Queued | Phase::Running | Phase::Failed(..) => {}
        }
        self.leave_swarm(now, "paused");
        self.phase = Phase::Paused;
        (self.saving.paused, self.saving.forced) = (true, false);
        self.publish_state(Kind::SessionPaused, "paused");
        // What a person wants does not wait for the disk.
        self.save(now);
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
        if self.is_unsynced() && self.shared.store().is_some() && self.removed.is_none() {
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
        self.removed = Some(data);
        self.stop(now, "removed");
        if matches!(self.phase, Phase::Stopping(_)) {
            // It was stopping in good order; nobody needs that any more.
            self.end(now);
        }
        self.place.leave();
    }

    /// The last thing: the files are closed, or go.
    pub(super) async fn finish(&mut self) {
        self.end_move().await;
        let (torrent, shared, storage) = (&self.torrent, &self.shared, &self.storage);
        match self.removed {
            Some(data) => {
                // Before it is noted that the new place counts, what has its names there is not ours.
                let committed = self.moving.as_ref().filter(|moving| moving.note().committed);
                let other = committed.map(Moving::other);
                super::over::take_away(torrent, shared, storage, other, data).await;
            }
            None => super::over::close(shared, storage).await,
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

    pub(super) fn leave_swarm(&mut self, now: Instant, why: &'static str) {
        if self.phase == Phase::Checking {
            self.shared.disk().cancel_check(&self.storage);
        }
        self.door = None;
        (self.dht, self.lsd) = (None, None);
        let was_there = self.in_swarm.take().is_some();
        self.full = None;
        self.totals.set_active(now, false);
        self.totals.set_seeding(now, false);
        self.drop_peers(now, why);
        self.shared.leave_slots(&self.torrent.info_hash());
        self.upload =
            UploadManager::new(self.shared.first_slots(self.settings.upload_slots), super::actor::seed());
        self.tick = None;
        if was_there {
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
