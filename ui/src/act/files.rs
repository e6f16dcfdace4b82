//! What is done to the files of the torrent under the cursor: which are wanted, and which first.

use tc_core::settings::{Priority, Setting};

use crate::message::Effect;
use crate::state::AppState;

/// Skips what is wanted of the file or folder under the cursor; where nothing is, wants all of it.
pub fn want_toggle(state: &mut AppState, effects: &mut Vec<Effect>) {
    let row = state.detail.scroll().cursor;
    let Some(tree) = &state.detail.files else { return };
    let Some((line, node)) = tree.at(row) else { return };
    let files = tree.files_at(line, |_| true);
    set(state, files, toggled(node.priorities.1), effects);
}

/// Wants all files; where all are, skips all.
pub fn want_all(state: &mut AppState, effects: &mut Vec<Effect>) {
    let Some(tree) = &state.detail.files else { return };
    let all = tree.files().all(|node| node.priorities.0.is_wanted());
    let priority = if all { Priority::Skip } else { Priority::Normal };
    set(state, tree.all_files(), priority, effects);
}

/// Raises or lowers each file at and below the cursor by one step. What is skipped stays so, unless all
/// of it is.
pub fn step(state: &mut AppState, by: fn(Priority) -> Priority, effects: &mut Vec<Effect>) {
    let row = state.detail.scroll().cursor;
    let Some(tree) = &state.detail.files else { return };
    let Some((line, node)) = tree.at(row) else { return };
    let (_, most) = node.priorities;
    let all_skipped = !most.is_wanted();
    let mut steps = Vec::new();
    for priority in [Priority::Skip, Priority::Low, Priority::Normal, Priority::High] {
        let files = tree.files_at(line, |file| file.priorities.0 == priority);
        if by(priority) != priority && !files.is_empty() && (priority.is_wanted() || all_skipped) {
            steps.push((files, by(priority)));
        }
    }
    if steps.is_empty() {
        return state.say(format!("it is {} already", word(most)));
    }
    for (files, priority) in steps {
        set(state, files, priority, effects);
    }
}

/// Opens or shuts all folders.
pub fn shut_all(state: &mut AppState, shut: bool) {
    if let Some(tree) = &mut state.detail.files {
        tree.set_all_shut(shut);
    }
}

const fn toggled(most: Priority) -> Priority {
    if most.is_wanted() { Priority::Skip } else { Priority::Normal }
}

fn set(state: &AppState, files: Vec<u32>, priority: Priority, effects: &mut Vec<Effect>) {
    if let Some(torrent) = state.detail.torrent {
        effects.push(Effect::Set(vec![torrent], Setting::Files { files, priority }));
    }
}

const fn word(priority: Priority) -> &'static str {
    match priority {
        Priority::Skip => "skipped",
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::High => "high",
    }
}
