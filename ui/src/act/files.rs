//! What is done to the files of the torrent under the cursor: which are wanted, and which first.

use std::time::Instant;

use tc_core::settings::{Priority, Setting};

use crate::format::plural;
use crate::message::Effect;
use crate::state::AppState;
use crate::state::popup::{Popup, RenameLine};
use crate::state::undo;
use crate::widget::field::Field;

/// Skips what is wanted of the file or folder under the cursor; where nothing is, wants all of it.
pub fn want_toggle(state: &mut AppState, now: Instant, effects: &mut Vec<Effect>) {
    let row = state.detail.scroll().cursor;
    let Some(tree) = &state.detail.files else { return };
    let Some((line, node)) = tree.at(row) else { return };
    let files = tree.files_at(line, |_| true);
    let priority = toggled(node.priorities.1);
    set(state, vec![(files, priority)], now, effects);
}

/// Wants all files; where all are, skips all.
pub fn want_all(state: &mut AppState, now: Instant, effects: &mut Vec<Effect>) {
    let Some(tree) = &state.detail.files else { return };
    let all = tree.files().all(|node| node.priorities.0.is_wanted());
    let priority = if all { Priority::Skip } else { Priority::Normal };
    set(state, vec![(tree.all_files(), priority)], now, effects);
}

/// Raises or lowers each file at and below the cursor by one step. What is skipped stays so, unless all
/// of it is.
pub fn step(state: &mut AppState, by: fn(Priority) -> Priority, now: Instant, effects: &mut Vec<Effect>) {
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
    set(state, steps, now, effects);
}

/// Opens the line for another name of what is under the cursor.
pub fn ask_name(state: &mut AppState) {
    let row = state.detail.scroll().cursor;
    let (Some(torrent), Some(tree)) = (state.detail.torrent, &state.detail.files) else { return };
    let Some((line, node)) = tree.at(row) else { return };
    let Some(file) = tree.files_at(line, |_| true).first().copied() else { return };
    let line = RenameLine { torrent, file, depth: node.depth, field: Field::new(&node.name) };
    state.popups.push(Popup::Rename(line));
}

/// Takes the name that was typed. What stands against it the engine knows.
pub fn rename(state: &mut AppState, effects: &mut Vec<Effect>) {
    if let Some(Popup::Rename(RenameLine { torrent, file, depth, field })) = state.popups.pop() {
        effects.push(Effect::Rename { torrent, file, depth, name: field.text().to_owned() });
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

/// Wants these files so much, says so, and remembers how it was.
fn set(state: &mut AppState, steps: Vec<(Vec<u32>, Priority)>, now: Instant, effects: &mut Vec<Effect>) {
    let (Some(torrent), Some(tree)) = (state.detail.torrent, &state.detail.files) else { return };
    let files: Vec<u32> = steps.iter().flat_map(|(files, _)| files).copied().collect();
    let before = tree.priorities_of(&files);
    let how = match steps.as_slice() {
        [(_, priority)] => word(*priority),
        _ => "another priority",
    };
    state.say(format!("{}: {how}; u takes it back", plural(files.len() as u64, "file")));
    state.undo.did(undo::Step::Priorities { torrent, before }, now);
    let set = |(files, priority)| Effect::Set(vec![torrent], Setting::Files { files, priority });
    effects.extend(steps.into_iter().map(set));
}

const fn word(priority: Priority) -> &'static str {
    match priority {
        Priority::Skip => "skipped",
        Priority::Low => "low",
        Priority::Normal => "normal",
        Priority::High => "high",
    }
}
