//! Moving data to another folder: the dialog, and what is asked of the engine.

use std::time::Instant;

use crate::format::plural;
use crate::message::Effect;
use crate::state::AppState;
use crate::state::add::Offered;
use crate::state::popup::Popup;
use crate::state::relocate::MoveForm;
use crate::state::undo::Step;
use crate::widget::field::Field;

/// Opens the dialog for the selection, with the folder that the first of it is in.
pub fn open(state: &mut AppState) {
    let torrents = state.table.selection();
    let Some(row) = torrents.first().and_then(|first| state.table.row(first)) else {
        return state.say("m: there is no torrent to move");
    };
    let to = Field::new(&row.stats.save_path.to_string_lossy());
    state.popups.push(Popup::Move(Box::new(MoveForm { torrents, to, ..MoveForm::default() })));
}

/// Another text stands in the field.
pub fn changed(form: &mut MoveForm) {
    form.candidates = None;
    form.free = None;
    form.error = None;
}

/// Tab: the next completion, or how the path may go on.
pub fn complete(form: &mut MoveForm, effects: &mut Vec<Effect>) {
    match form.candidates.as_mut().and_then(|candidates| candidates.step(1)) {
        Some(text) => form.to = Field::new(&text),
        None => {
            let text = form.to.text().to_owned();
            effects.push(Effect::Complete { text, folders_only: true });
        }
    }
}

/// How the path may go on.
pub fn offered(form: &mut MoveForm, text: &str, texts: Vec<String>, free: Option<u64>) {
    if form.to.text() != text {
        return;
    }
    match Offered::of(text, texts) {
        Offered::Nothing => form.error = Some("no folder here begins so; it will be made".to_owned()),
        Offered::One(only) => form.to = Field::new(&only),
        Offered::Many(start, candidates) => {
            form.to = Field::new(&start);
            form.candidates = Some(candidates);
        }
    }
    form.free = free;
}

/// Enter: with an open list only closes it, taking what is chosen; else moves.
pub fn accept(state: &mut AppState, now: Instant, effects: &mut Vec<Effect>) {
    let Some(Popup::Move(form)) = state.popups.last_mut() else { return };
    if let Some(candidates) = form.candidates.take() {
        if let Some(text) = candidates.taken() {
            form.to = Field::new(&text);
        }
        return;
    }
    let to = form.to.text().trim().to_owned();
    if to.is_empty() {
        form.error = Some("type the folder that the data is to go to".to_owned());
        return;
    }
    let torrents = std::mem::take(&mut form.torrents);
    state.popups.pop();
    let mut back: Vec<(String, Vec<_>)> = Vec::new();
    for row in torrents.iter().filter_map(|torrent| state.table.row(torrent)) {
        // What is typed is text; a folder whose name is none cannot be named so.
        let Some(from) = row.stats.save_path.to_str() else { continue };
        match back.iter_mut().find(|(folder, _)| folder == from) {
            Some((_, torrents)) => torrents.push(row.stats.info_hash),
            None => back.push((from.to_owned(), vec![row.stats.info_hash])),
        }
    }
    state.undo.did(Step::Moved(back), now);
    state.say(format!("moving {}; u moves back", plural(torrents.len() as u64, "torrent")));
    effects.push(Effect::Move { torrents, to });
}
