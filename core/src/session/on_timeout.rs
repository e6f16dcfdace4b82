//! What happens when time has passed: announces, rounds of choking, figures, saves.

use std::time::Instant;

use super::actor::{Actor, Phase, TICK};
use crate::peer::pool::Outcome;
use crate::types::LinkId;
use crate::upload::{Candidate, Change};

/// Ticks without anything for us before a peer is told that we want nothing.
const DULL: u32 = 2;

impl Actor {
    /// When the actor has to look at the latest; `None`: only when something happens.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let retry = match &self.phase {
            Phase::Failed(_, retry) => *retry,
            Phase::Stopping(patience) => Some(*patience),
            _ => None,
        };
        let mut due = [self.tick, self.saving.next_due(), retry].into_iter().flatten().min();
        if self.phase == Phase::Running {
            let now = tokio::time::Instant::now().into_std();
            let dial = self.wants_links().then(|| self.pool.next_due(now)).flatten();
            let round = if self.links.is_empty() { None } else { self.upload.next_round() };
            // A dial that got no ticket is tried again with the next tick, not at once.
            let dial = dial.map(|at| at.max(now + TICK));
            due = [due, self.trackers.next_due(), dial, round].into_iter().flatten().min();
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
        if self.phase == Phase::Running {
            self.trackers.want_peers(now, self.wants_links() && self.pool.next_due(now).is_none());
            self.announce(now);
            self.dial(now);
        }
        if self.saving.next_due().is_some_and(|due| due <= now) {
            self.sync_and_save(now);
        }
        if self.tick.is_some_and(|due| due <= now) {
            self.on_tick(now);
        }
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
        let links: Vec<_> = self.links.keys().copied().collect();
        for link in links {
            self.look_after(now, link);
        }
        if self.phase == Phase::Running {
            self.announce(now);
            self.dial(now);
        }
        self.scrape(now);
        self.pin(now);
        self.show_details(now);
    }

    /// Once a second for each link: interest that is over, and links that are of no use to anybody.
    fn look_after(&mut self, now: Instant, link: LinkId) {
        let complete = self.download.is_complete();
        let seed = self.download.is_seed(link);
        let wanted = self.download.interested_in(link);
        let Some(entry) = self.links.get_mut(&link) else { return };
        if complete && (seed || entry.upload_only) {
            entry.close("both have everything");
            self.let_go(now, link, "both have everything", Outcome::Useless);
            return;
        }
        if wanted {
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
        if self.links.is_empty() || self.upload.next_round().is_some_and(|due| due > now) {
            return;
        }
        let candidates: Vec<Candidate> =
            self.links.iter().map(|(link, entry)| entry.candidate(*link)).collect();
        let changes = self.upload.round(now, self.download.is_complete(), &candidates);
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
