//! Checking data again: at once where nothing runs, after a question where it stops a transfer.

use tc_core::stats::SessionState;
use tc_core::types::InfoHash;

use crate::format::plural;
use crate::message::Effect;
use crate::state::AppState;
use crate::state::popup::Popup;

/// Checks the selection, or asks first.
pub fn open(state: &mut AppState, effects: &mut Vec<Effect>) {
    let mut torrents = state.table.selection();
    if torrents.is_empty() {
        return state.say("c: there is no torrent to check");
    }
    // Of a magnet whose metadata is not here nobody knows what its data would be.
    torrents.retain(|hash| state.table.row(hash).is_some_and(|row| row.stats.metadata.is_none()));
    if torrents.is_empty() {
        return state.say("c: nothing can be checked before the metadata is here");
    }
    let transfers = |hash: &InfoHash| {
        let row = state.table.row(hash);
        row.is_some_and(|row| matches!(row.stats.state, SessionState::Downloading | SessionState::Seeding))
    };
    if torrents.iter().any(transfers) {
        state.popups.push(Popup::Recheck(torrents));
    } else {
        carry_out(state, torrents, effects);
    }
}

/// `y`.
pub fn yes(state: &mut AppState, effects: &mut Vec<Effect>) {
    if let Some(Popup::Recheck(torrents)) = state.popups.pop() {
        carry_out(state, torrents, effects);
    }
}

fn carry_out(state: &mut AppState, torrents: Vec<InfoHash>, effects: &mut Vec<Effect>) {
    state.say(format!("checking the data of {}", plural(torrents.len() as u64, "torrent")));
    effects.push(Effect::Recheck(torrents));
}
