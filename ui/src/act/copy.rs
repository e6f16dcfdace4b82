//! What goes to the clipboard: of the selection by a menu, of a row in a tab at once.

use tc_core::untrusted::clean;

use crate::format::plural;
use crate::message::{CopyWhat, Effect};
use crate::state::AppState;
use crate::state::tabs::Tab;

/// Puts a line for each torrent of the selection on the clipboard.
pub fn torrents(state: &mut AppState, what: CopyWhat, effects: &mut Vec<Effect>) {
    state.popups.pop();
    let selection = state.table.selection();
    if what == CopyWhat::Magnet {
        // The engine knows the trackers.
        return effects.push(Effect::Magnets(selection));
    }
    let rows = selection.iter().filter_map(|info_hash| state.table.row(info_hash));
    let lines: Vec<String> = rows
        .filter_map(|row| match what {
            CopyWhat::Magnet => None,
            CopyWhat::Hash => Some(row.stats.info_hash.to_string()),
            CopyWhat::Name => Some(row.name.to_string()),
            CopyWhat::Path => Some(clean(&row.stats.save_path.to_string_lossy())),
            CopyWhat::Error => row.stats.message.as_ref().map(ToString::to_string),
        })
        .collect();
    send(state, &lines, effects);
}

/// Puts what the cursor of a tab is on onto the clipboard: a file's path, a peer's address, a tracker's URL as
/// it is shown.
pub fn row(state: &mut AppState, effects: &mut Vec<Effect>) {
    let at = state.detail.scroll().cursor;
    let detail = &state.detail;
    let line = match detail.tab {
        Tab::Peers => {
            detail.peers.as_ref().and_then(|peers| peers.get(at)).map(|peer| peer.address.to_string())
        }
        Tab::Trackers => {
            let trackers = detail.trackers.as_ref();
            trackers.and_then(|trackers| trackers.get(at)).map(|tracker| tracker.url.to_string())
        }
        Tab::Files => {
            detail.files.as_ref().and_then(|tree| tree.path(at)).map(|path| match state.table.current() {
                Some(row) => format!("{}/{path}", clean(&row.stats.save_path.to_string_lossy())),
                None => path,
            })
        }
        Tab::Overview | Tab::Pieces | Tab::Log | Tab::Limits => None,
    };
    send(state, line.as_slice(), effects);
}

/// Puts these lines on the clipboard.
pub fn send(state: &mut AppState, lines: &[String], effects: &mut Vec<Effect>) {
    match lines {
        [] => return state.say("y: nothing to copy"),
        [one] => state.say(format!("sent to the clipboard: {one}")),
        many => state.say(format!("{} sent to the clipboard", plural(many.len() as u64, "line"))),
    }
    effects.push(Effect::Copy(lines.join("\n")));
}
