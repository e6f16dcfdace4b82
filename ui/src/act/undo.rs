//! `u`: what was done last never was.

use std::time::Instant;

use tc_core::settings::Setting;

use super::remove;
use crate::format::plural;
use crate::message::Effect;
use crate::state::AppState;
use crate::state::undo::Step;

/// Takes back what was done last, if its time is not over.
pub fn undo(state: &mut AppState, now: Instant, effects: &mut Vec<Effect>) {
    match state.undo.take_last(now) {
        Some(Step::Priorities { torrent, before }) => {
            state.say("files are wanted as before");
            effects.extend(
                before
                    .into_iter()
                    .map(|(priority, files)| Effect::Set(vec![torrent], Setting::Files { files, priority })),
            );
        }
        Some(Step::Paused(torrents)) => {
            state.say(format!("resuming {}", plural(torrents.len() as u64, "torrent")));
            state.undo.paused.retain(|torrent| !torrents.contains(torrent));
            effects.push(Effect::Resume(torrents));
        }
        Some(Step::Moved(back)) => {
            let torrents = back.iter().map(|(_, torrents)| torrents.len()).sum::<usize>();
            state.say(format!("moving {} back", plural(torrents as u64, "torrent")));
            effects.extend(back.into_iter().map(|(to, torrents)| Effect::Move { torrents, to }));
        }
        None => remove::undo(state, effects),
    }
}
