//! Removing: a dialog, a window in which `u` takes it back, and only then the engine.

use std::time::{Duration, Instant};

use tc_core::types::InfoHash;

use crate::message::Effect;
use crate::state::AppState;
use crate::state::popup::{Button, Popup, RemoveDialog};
use crate::state::table::runs;
use crate::state::undo::{Removal, WINDOW};
use crate::view;

/// After the box is ticked on much data, `y` waits so long: `d Space y` typed ahead deletes nothing.
const ARMING: Duration = Duration::from_millis(500);

/// More than this is much data, also of one torrent.
const MUCH: u64 = 10 << 30;

/// Opens the dialog for the selection.
pub fn open(state: &mut AppState) {
    let torrents = state.table.selection();
    if torrents.is_empty() {
        return state.say("d: there is no torrent to remove");
    }
    state.popups.push(Popup::Remove(RemoveDialog {
        torrents,
        delete_data: false,
        armed_from: None,
        button: Button::Cancel,
    }));
}

/// Ticks the box, or takes the tick away.
pub fn toggle_data(state: &mut AppState, now: Instant) {
    let Some(Popup::Remove(dialog)) = state.popups.last() else { return };
    let much = dialog.torrents.len() > 1 || view::dialog::data_size(state, dialog) > MUCH;
    if let Some(Popup::Remove(dialog)) = state.popups.last_mut() {
        dialog.delete_data = !dialog.delete_data;
        dialog.button = Button::Cancel;
        dialog.armed_from = (dialog.delete_data && much).then(|| now + ARMING);
    }
}

/// Enter: the focused button.
pub fn press(state: &mut AppState, now: Instant, effects: &mut Vec<Effect>) {
    let Some(Popup::Remove(dialog)) = state.popups.last() else { return };
    match dialog.button {
        Button::Yes => yes(state, now, effects),
        Button::Cancel => _ = state.popups.pop(),
    }
}

/// `y`: the torrents stop and disappear; the engine hears of it when the window is over.
pub fn yes(state: &mut AppState, now: Instant, effects: &mut Vec<Effect>) {
    let Some(Popup::Remove(dialog)) = state.popups.last() else { return };
    if dialog.armed_from.is_some_and(|from| now < from) {
        return;
    }
    let Some(Popup::Remove(dialog)) = state.popups.pop() else { return };
    let is_running = |hash: &_| state.table.row(hash).is_some_and(|row| runs(row.stats.state));
    let ran: Vec<_> = dialog.torrents.iter().filter(|hash| is_running(hash)).copied().collect();
    if !ran.is_empty() {
        effects.push(Effect::Pause(ran.clone()));
    }
    state.table.hide(&dialog.torrents);
    state.undo.removals.push(Removal {
        torrents: dialog.torrents,
        ran,
        delete_data: dialog.delete_data,
        until: now + WINDOW,
        left: WINDOW.as_secs(),
    });
}

/// `u`: the last removal never was.
pub fn undo(state: &mut AppState, effects: &mut Vec<Effect>) {
    let Some(removal) = state.undo.removals.pop() else { return state.say("u: nothing to undo") };
    state.table.unhide(&removal.torrents);
    if !removal.ran.is_empty() {
        effects.push(Effect::Resume(removal.ran));
    }
    state.say("nothing was removed");
}

/// Time goes on: windows close.
pub fn tick(state: &mut AppState, now: Instant, effects: &mut Vec<Effect>) {
    let (due, changed) = state.undo.tick(now);
    effects.extend(due.into_iter().map(carry_out));
    state.dirty |= changed;
}

/// The engine still has them, so they are shown again.
pub fn not_removed(state: &mut AppState, torrents: &[InfoHash], why: &str) {
    state.table.unhide(torrents);
    state.complain(format!("not removed: {why}"));
}

/// Completes all removals at once: on the way out there is no time to wait.
pub fn finish(state: &mut AppState, effects: &mut Vec<Effect>) {
    effects.extend(state.undo.removals.drain(..).map(carry_out));
}

fn carry_out(removal: Removal) -> Effect {
    Effect::Remove { torrents: removal.torrents, delete_data: removal.delete_data }
}
