//! What happens when time has passed: announces, rounds of choking, figures, saves.

use std::time::Instant;

use super::actor::{Actor, Phase, TICK};
use super::links::LinkEntry;
use crate::peer::pool::Outcome;
use crate::types::LinkId;
use crate::upload::{Candidate, Change};

/// Ticks without anything for us before a peer is told that we want nothing.
const DULL: u32 = 2;

impl Actor {
    /// When the actor has to look at the latest; `None`: only when something happens.
    pub(super) fn next_timeout(&self, now: Instant) -> Option<Instant> {
        let retry = match &self.phase {
            // Nothing else is looked at any more, so nothing else may wake it.
            Phase::Stopping(patience) => return Some(*patience),
            Phase::Failed(_, retry) => *retry,
            _ => None,
        };
        let mut due = [self.tick, self.saving.next_due(), retry].into_iter().flatten().min();
        if self.phase == Phase::Running {
            due = [due, self.full.as_ref().map(|(_, retry)| *retry)].into_iter().flatten().min();
            let round = if self.links.is_empty() { None } else { self.upload.next_round() };
            due = [due, self.trackers.next_due(), round, self.seeds_until(now)].into_iter().flatten().min();
            due = [due, self.metadata_due()].into_iter().flatten().min();
            // A tick dials too, and the pool is long.
            if self.tick.is_none() {
                let dial = self.wants_links().then(|| self.pool.next_due()).flatten();
                // A dial that got no ticket is tried again later, not at once.
                let dial = dial.map(|at| at.max(now + TICK));
                due = [due, dial, self.stalls_at()].into_iter().flatten().min();
            }
        }
        due
    }

    /// Looks at everything that may be due.
    pub(super) fn on_timeout(&mut self, now: Instant) {
        if let Phase::Stopping(patience) = self.phase {
            if patience <= now {
                self.end(now);
            }
            return;
        }
        if let Phase::Failed(_, Some(retry)) = &self.phase
            && *retry <= now
        {
            self.start(now);
        }
        if self.full.as_ref().is_some_and(|(_, retry)| *retry <= now) {
            self.fetch_again(now);
        }
        if self.phase == Phase::Running {
            self.seek_peers(now);
        }
        if self.seeds_until(now).is_some_and(|until| until <= now) {
            self.keep_seed_limits(now);
        }
        if self.saving.next_due().is_some_and(|due| due <= now) {
            self.sync_and_save(now);
        }
        if self.tick.is_some_and(|due| due <= now) {
            self.on_tick(now);
        } else if self.stalls_at().is_some_and(|at| at <= now) {
            self.pin(now);
        }
    }

    /// Asks the trackers that are due and dials. A download whose pool is dry is in need of peers; a
    /// seed is not, and keeps to the intervals.
    pub(super) fn seek_peers(&mut self, now: Instant) {
        let dry = || self.wants_links() && self.pool.next_due().is_none();
        let in_need = !self.is_finished() && dry();
        self.trackers.want_peers(now, in_need);
        self.be_found();
        self.announce(now);
        self.dial(now);
    }

    fn wants_links(&self) -> bool {
        self.pool.busy() < self.max_links()
    }

    fn on_tick(&mut self, now: Instant) {
        self.tick = None;
        let mut moved = 0;
        for entry in self.links.values_mut() {
            moved += self.totals.count(entry);
        }
        if moved > 0 {
            self.saving.moved(now);
        }
        self.drop_banned(now);
        if self.is_complete() && self.parting.is_empty() {
            self.gone.clear();
        }
        let links: Vec<_> = self.links.keys().copied().collect();
        for link in links {
            self.look_after(now, link);
        }
        self.tell_peers(now);
        self.keep_within_limits(now);
        self.turn_over(now);
        let slots = (self.shared.slot_changes(), self.settings.upload_slots);
        if std::mem::replace(&mut self.slots_seen, slots) != slots {
            self.upload.hurry(now);
        }
        // What a hungry link may have changes with the hands of the others, in the endgame above all.
        self.feed |= self.links.values().any(|entry| entry.hungry > 0);
        if self.phase == Phase::Running {
            self.seek_peers(now);
        }
        self.scrape(now);
        self.keep_seed_limits(now);
        self.pin(now);
        self.show_details(now);
    }

    /// Lets links go to peers that a person, or another torrent, has banned since the last look.
    fn drop_banned(&mut self, now: Instant) {
        let changes = self.shared.ban_changes();
        if std::mem::replace(&mut self.bans_seen, changes) == changes {
            return;
        }
        let banned =
            |entry: &LinkEntry| self.shared.is_banned(entry.address) || self.shared.is_banned(entry.known_as);
        let links: Vec<_> =
            self.links.iter().filter(|(_, entry)| banned(entry)).map(|(link, _)| *link).collect();
        for link in links {
            if let Some(entry) = self.links.get_mut(&link) {
                entry.close("banned");
            }
            self.let_go(now, link, "banned", Outcome::Fault);
        }
    }

    /// Once a second for each link: interest that is over, and links that are of no use to anybody.
    fn look_after(&mut self, now: Instant, link: LinkId) {
        let finished = self.is_finished();
        let seed = self.download.is_seed(link);
        let wanted = self.full.is_none() && self.download.interested_in(link);
        let Some(entry) = self.links.get_mut(&link) else { return };
        if entry.is_orphaned() {
            self.let_go(now, link, "its task has failed", Outcome::Ended);
            return;
        }
        if finished && (seed || entry.upload_only) {
            entry.close("neither wants anything");
            self.let_go(now, link, "neither wants anything", Outcome::Seeds);
            return;
        }
        if wanted && !entry.distrusted {
            entry.dull_ticks = 0;
            self.show_interest(link);
        } else if entry.am_interested {
            entry.dull_ticks += 1;
            if entry.dull_ticks >= DULL {
                entry.am_interested = false;
                entry.mailbox.post(|mail| mail.interested = Some(false));
            }
        }
    }

    /// Holds a round of choking if one is due.
    pub(super) fn choke(&mut self, now: Instant) {
        if self.links.is_empty() || self.upload.next_round().is_none_or(|due| due > now) {
            return;
        }
        let candidates: Vec<Candidate> =
            self.links.iter().map(|(link, entry)| entry.candidate(*link)).collect();
        let wanted = candidates.iter().filter(|candidate| candidate.wants_a_slot()).count();
        let slots =
            self.shared.upload_slots(now, self.torrent.info_hash(), wanted, self.settings.upload_slots);
        self.upload.set_slots(now, slots);
        let changes = self.upload.round(now, self.is_finished(), &candidates);
        self.apply_chokes(now, changes);
    }

    pub(super) fn apply_chokes(&mut self, now: Instant, changes: impl IntoIterator<Item = Change>) {
        for Change { link, unchoke } in changes {
            let Some(entry) = self.links.get_mut(&link) else { continue };
            entry.am_unchoked = unchoke;
            entry.choke_changed = Some(now);
            entry.uploaded_at_unchoke = crate::peer::LinkGauge::get(&entry.gauge.uploaded);
            entry.mailbox.post(|mail| mail.choke = Some(!unchoke));
        }
    }
}
