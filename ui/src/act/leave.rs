//! Leaving: the quit dialog, Ctrl-C in its three steps, the way out.

use std::time::Instant;

use super::moving::TWICE;
use crate::message::{Effect, Why};
use crate::state::filter::StatusFilter;
use crate::state::popup::Popup;
use crate::state::{AppState, Leaving};

/// `q`: back where there is a way back; at the list, leave, with a question while something runs.
pub fn back(state: &mut AppState, effects: &mut Vec<Effect>) {
    if state.panes.go_back() {
        return;
    }
    let counts = state.table.counts();
    let active =
        [StatusFilter::Downloading, StatusFilter::Seeding, StatusFilter::Checking, StatusFilter::Queued];
    if active.iter().any(|status| counts.of(*status) > 0) {
        state.popups.push(Popup::Quit);
    } else {
        stop(state, effects);
    }
}

/// Ctrl-C: asks; again within two seconds: stops and quits; once more: leaves at once.
pub fn ctrl_c(state: &mut AppState, now: Instant, effects: &mut Vec<Effect>) {
    match state.leaving {
        Leaving::Stopping => effects.push(Effect::Leave(Why::Impatient)),
        Leaving::Asked(at) if now.saturating_duration_since(at) <= TWICE => stop(state, effects),
        Leaving::No | Leaving::Asked(_) => {
            state.leaving = Leaving::Asked(now);
            if !matches!(state.popups.last(), Some(Popup::Quit)) {
                state.popups.push(Popup::Quit);
            }
        }
    }
}

/// Ctrl-Z: asks, because transfers stop with the program.
pub fn ask_to_suspend(state: &mut AppState) {
    if !state.job_control {
        return state.say("^Z: no shell waits for this program; nothing would bring it back");
    }
    if !matches!(state.popups.last(), Some(Popup::Suspend)) {
        state.popups.push(Popup::Suspend);
    }
}

/// Stops; what follows happens when the program goes on.
pub fn suspend(state: &mut AppState, effects: &mut Vec<Effect>) {
    state.popups.pop();
    effects.push(Effect::Suspend);
}

/// Ends everything in order. What was removed is removed now.
pub fn stop(state: &mut AppState, effects: &mut Vec<Effect>) {
    super::remove::finish(state, effects);
    state.popups.clear();
    state.notice = None;
    state.leaving = Leaving::Stopping;
    effects.push(Effect::Stop);
}

/// The engine has ended.
pub fn stopped(effects: &mut Vec<Effect>) {
    effects.push(Effect::Leave(Why::Asked));
}
