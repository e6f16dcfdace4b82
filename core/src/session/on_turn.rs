//! What happens when the torrent's turn comes or is over: a torrent that is queued is as quiet as a paused
//! one, but goes on by itself.

use std::time::Instant;

use super::actor::{Actor, Phase};
use crate::event::{Event, Kind};
use crate::queue::{Report, Stage, Turn};

impl Actor {
    /// What is on disk is known, and the torrent is to run: whether it may at once. It is queued until then.
    pub(super) fn line_up(&mut self, now: Instant) -> bool {
        self.phase = Phase::Queued;
        self.waits = false;
        self.saving.adopt();
        self.tell_queue(now, true) == Turn::Runs
    }

    /// Runs, or waits; as [`line_up`](Self::line_up) said.
    pub(super) fn go_on(&mut self, now: Instant, runs: bool) {
        if runs {
            return self.enter_running(now);
        }
        self.tick = None;
        self.complete_if_all_there(now);
        // The word may have come already.
        self.on_turn(now);
    }

    /// The queue has said something.
    pub(super) fn on_turn(&mut self, now: Instant) {
        if self.magnet.is_some() {
            return;
        }
        match (self.queue_turn(), &self.phase) {
            (Turn::Runs, Phase::Queued) => {
                self.enter_running(now);
                if std::mem::take(&mut self.waits) {
                    self.publish_state(Kind::SessionStarted, "its turn has come");
                }
                self.pin(now);
            }
            (Turn::Waits, Phase::Queued) if !self.waits => {
                if self.in_swarm.is_some() {
                    self.leave_swarm(now, "queued");
                }
                self.waits = true;
                self.publish_queued();
            }
            (Turn::Waits, Phase::Running) => {
                self.leave_swarm(now, "queued");
                self.phase = Phase::Queued;
                self.waits = true;
                self.publish_queued();
                self.sync_and_save(now);
                self.pin(now);
            }
            _ => {}
        }
    }

    fn publish_queued(&self) {
        let (state, position) = (self.state(), self.seat.as_ref().map_or(0, |seat| seat.place()));
        self.torrent.bus.publish(Kind::SessionQueued, || Event::SessionQueued {
            state,
            message: format!("position {position}").into(),
            position,
        });
    }

    /// Whether a person lets it run whatever stands before it.
    pub(super) fn force(&mut self, now: Instant, forced: bool) {
        if std::mem::replace(&mut self.saving.forced, forced) != forced {
            // What a person wants does not wait for the disk.
            self.save(now);
            self.tell_queue(now, false);
            self.pin(now);
        }
        if forced {
            self.start(now);
        }
    }

    /// Tells the queue what the torrent is at, if that has changed, or `anew`.
    pub(super) fn tell_queue(&mut self, now: Instant, anew: bool) -> Turn {
        let Some(seat) = &self.seat else { return Turn::Runs };
        let complete = self.is_finished();
        let speed = self.settings.speed;
        let (rate, limit) =
            if complete { (self.newest.rate_up, speed.up) } else { (self.newest.rate_down, speed.down) };
        let report = Report { stage: self.stage(), complete, forced: self.saving.forced, rate, limit };
        if report == self.reported_stage && !anew {
            return seat.turn();
        }
        self.reported_stage = report;
        seat.report(now, report)
    }

    fn queue_turn(&self) -> Turn {
        self.seat.as_ref().map_or(Turn::Runs, |seat| seat.turn())
    }

    fn stage(&self) -> Stage {
        let will_run = match &self.phase {
            // To have a torrent's metadata is no download: what waits for it is not held up by others, and holds
            // nobody up.
            _ if self.magnet.is_some() => false,
            // One that waits for room on the disk serves what it has; and if the next one began in its place,
            // that would fill the disk as well.
            Phase::Queued | Phase::Running => return Stage::Ready,
            Phase::Checking => self.rest_after_check.is_none(),
            Phase::Moving => self.moving.as_ref().is_some_and(|moving| moving.will_run()),
            Phase::Idle | Phase::Paused | Phase::Failed(..) | Phase::Stopping(_) | Phase::Stopped => false,
        };
        if will_run { Stage::Busy } else { Stage::Rest }
    }
}
