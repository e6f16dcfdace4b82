//! The event log: follow, level, and from an event to its torrent.

use super::moving;
use crate::state::AppState;
use crate::state::log::What;
use crate::state::popup::Popup;

/// Follows, or pauses where it stands.
pub fn follow(state: &mut AppState) {
    let (pin, page) = (state.pin(), moving::page(state));
    state.log.toggle_follow(pin, page);
}

/// Shows less, or more, important events.
pub fn level(state: &mut AppState, down: bool) {
    state.log.filter.set_level(down);
    let word = match state.log.filter.level {
        tc_core::event::Level::Debug => "all events",
        tc_core::event::Level::Info => "events at info and above",
        tc_core::event::Level::Warn => "warnings and errors",
        tc_core::event::Level::Error => "errors only",
    };
    state.say(word);
}

/// Puts the cursor on the torrent of the event, in the table.
pub fn go_to_torrent(state: &mut AppState) {
    let entry = match state.popups.last() {
        Some(Popup::Event { seq, .. }) => state.log.entry(*seq),
        _ => state.log.current(state.pin()),
    };
    let Some(entry) = entry else { return state.say(".: there is no event") };
    let Some((info_hash, name)) = entry.torrent.clone() else {
        let why = match entry.what {
            What::Event(_) => "this event is about no torrent",
            What::Missed(_) => "what was lost can be about any torrent",
        };
        return state.say(format!(".: {why}"));
    };
    if state.table.row(&info_hash).is_none() {
        return state.say(format!(".: {name} is not on the list any more"));
    }
    state.popups.clear();
    state.panes.go_back();
    state.table.go_to(info_hash);
    if state.table.cursor() != Some(info_hash) {
        state.table.set_filter(|filter| *filter = crate::state::filter::Filter::default());
        state.table.go_to(info_hash);
    }
}
