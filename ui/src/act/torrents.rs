//! What is done to torrents: pause, resume, announce.

use std::time::Instant;

use tc_core::stats::SessionState;
use tc_core::types::InfoHash;

use crate::format::plural;
use crate::message::Effect;
use crate::state::AppState;
use crate::state::table::runs;
use crate::state::undo::Step;

/// Pauses what runs of the selection; where nothing runs, resumes all of it.
pub fn pause_toggle(state: &mut AppState, now: Instant, effects: &mut Vec<Effect>) {
    let selection = state.table.selection();
    if selection.is_empty() {
        return state.say("p: there is no torrent to pause");
    }
    let running = those(state, &selection, runs);
    if running.is_empty() {
        state.say(format!("resuming {}", plural(selection.len() as u64, "torrent")));
        effects.push(Effect::Resume(selection));
    } else {
        state.say(format!("pausing {}", plural(running.len() as u64, "torrent")));
        state.undo.did(Step::Paused(running.clone()), now);
        effects.push(Effect::Pause(running));
    }
}

/// Pauses all that run, and remembers which.
pub fn pause_all(state: &mut AppState, now: Instant, effects: &mut Vec<Effect>) {
    state.popups.pop();
    let mut all: Vec<_> = state.table.all().map(|row| row.stats.info_hash).collect();
    all.sort_unstable();
    let running = those(state, &all, runs);
    if running.is_empty() {
        return state.say("P: nothing runs");
    }
    state.say(format!("pausing {}; P r resumes them", plural(running.len() as u64, "torrent")));
    state.undo.paused.extend(&running);
    state.undo.did(Step::Paused(running.clone()), now);
    effects.push(Effect::Pause(running));
}

/// Resumes those that [`pause_all`] paused and that are still paused.
pub fn resume_paused(state: &mut AppState, effects: &mut Vec<Effect>) {
    state.popups.pop();
    let paused = std::mem::take(&mut state.undo.paused);
    let paused = those(state, &paused, |torrent| torrent == SessionState::Paused);
    if paused.is_empty() {
        return state.say("P r: nothing was paused by P p");
    }
    state.say(format!("resuming {}", plural(paused.len() as u64, "torrent")));
    effects.push(Effect::Resume(paused));
}

/// Asks the trackers of the selection.
pub fn announce(state: &mut AppState, effects: &mut Vec<Effect>) {
    let selection = state.table.selection();
    // One that waits for its turn is as silent as a paused one.
    let running = those(state, &selection, |torrent| runs(torrent) && torrent != SessionState::Queued);
    if running.is_empty() {
        return state.say(format!("R: nothing to announce (0 of {} run)", selection.len()));
    }
    let what = plural(running.len() as u64, "torrent");
    state.say(format!("asking the trackers of {what}, not before their shortest interval"));
    effects.push(Effect::Announce(running));
}

fn those(state: &AppState, torrents: &[InfoHash], wanted: impl Fn(SessionState) -> bool) -> Vec<InfoHash> {
    let is = |hash: &&InfoHash| state.table.row(hash).is_some_and(|row| wanted(row.stats.state));
    torrents.iter().filter(is).copied().collect()
}
