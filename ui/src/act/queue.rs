//! What is done to the order in which torrents have their turn.

use tc_core::queue::Shift;

use crate::format::plural;
use crate::keymap::Context;
use crate::message::Effect;
use crate::state::AppState;
use crate::state::popup::Popup;

/// Moves the selection, which keeps its own order.
pub fn shift(state: &mut AppState, shift: Shift, effects: &mut Vec<Effect>) {
    close_menu(state);
    let selection = state.table.selection();
    if selection.is_empty() {
        return state.say("there is no torrent to move in the queue");
    }
    effects.push(Effect::Shift(selection, shift));
}

/// Lets the selection run whatever stands before it; where all of it does, puts it back among the others.
pub fn force(state: &mut AppState, effects: &mut Vec<Effect>) {
    close_menu(state);
    let selection = state.table.selection();
    let rows: Vec<_> = selection.iter().filter_map(|torrent| state.table.row(torrent)).collect();
    if rows.is_empty() {
        return state.say("there is no torrent to start");
    }
    let forced = !rows.iter().all(|row| row.stats.forced);
    let what = plural(rows.len() as u64, "torrent");
    state.say(if forced {
        format!("starting {what}, whatever stands before in the queue")
    } else {
        format!("{what} back in the queue")
    });
    effects.push(Effect::Force(selection, forced));
}

fn close_menu(state: &mut AppState) {
    if matches!(state.popups.last(), Some(Popup::Menu(Context::Queue))) {
        state.popups.pop();
    }
}
