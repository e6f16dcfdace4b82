//! Lines that are typed: the filters, the search of the help, the fields of the add dialog.

use std::time::Instant;

use crossterm::event::{KeyCode, KeyEvent};

use super::{add, relocate, trackers};
use crate::message::Effect;
use crate::state::AppState;
use crate::state::add::AddField;
use crate::state::log::LogFilter;
use crate::state::popup::{Popup, RenameLine, TrackerLine};
use crate::widget::field::Field;

/// Opens the bar of the table's filter.
pub fn open_filter(state: &mut AppState) {
    let field = Field::new(&state.table.filter().text);
    state.popups.push(Popup::Filter(field));
}

/// Opens the bar of the log's filter.
pub fn open_log_filter(state: &mut AppState) {
    let field = Field::new(&state.log.filter.text);
    state.popups.push(Popup::LogFilter { field, error: None });
}

/// A key that is no action: text, where text is typed. Says whether it was one.
pub fn key(state: &mut AppState, key: KeyEvent, effects: &mut Vec<Effect>) -> bool {
    let changed = match state.popups.last_mut() {
        Some(
            Popup::Filter(field)
            | Popup::LogFilter { field, .. }
            | Popup::Tracker(TrackerLine { field, .. })
            | Popup::Rename(RenameLine { field, .. }),
        ) => field.key(key),
        Some(Popup::Limit(edit)) => {
            edit.error = None;
            edit.field.key(key)
        }
        Some(Popup::Help(help)) if help.searching => {
            help.top = 0;
            help.search.key(key)
        }
        Some(Popup::Move(form)) => {
            let changed = form.to.key(key);
            if changed == Some(true) {
                relocate::changed(form);
            }
            changed
        }
        Some(Popup::Add(form)) => {
            let by = match key.code {
                KeyCode::Char(' ') | KeyCode::Right => Some(1),
                KeyCode::Left => Some(-1),
                _ => None,
            };
            match (form.field, by) {
                (AddField::Source | AddField::SaveTo, _) => {}
                (_, None) => return false,
                (AddField::Start, Some(by)) => {
                    form.start = form.start.beside(by);
                    return true;
                }
                (AddField::Files, Some(_)) => {
                    form.choose_files ^= true;
                    return true;
                }
                (AddField::Check, Some(_)) => {
                    form.assume_complete ^= true;
                    return true;
                }
            }
            let changed = form.typed().and_then(|field| field.key(key));
            if changed == Some(true) {
                add::changed(state, effects);
            }
            return changed.is_some();
        }
        _ => return false,
    };
    if changed == Some(true) {
        follow(state);
    }
    changed.is_some()
}

/// Pasted text for a line that is being typed.
pub fn paste(state: &mut AppState, text: &str, effects: &mut Vec<Effect>) {
    match state.popups.last_mut() {
        Some(
            Popup::Filter(field)
            | Popup::LogFilter { field, .. }
            | Popup::Tracker(TrackerLine { field, .. })
            | Popup::Rename(RenameLine { field, .. }),
        ) => field.paste(text),
        Some(Popup::Limit(edit)) => edit.field.paste(text),
        Some(Popup::Help(help)) if help.searching => help.search.paste(text),
        Some(Popup::Move(form)) => {
            form.to.paste(text);
            relocate::changed(form);
        }
        Some(Popup::Add(form)) => {
            if let Some(field) = form.typed() {
                field.paste(text);
            }
            add::changed(state, effects);
        }
        _ => return,
    }
    state.dirty = true;
    follow(state);
}

/// The filters act while they are typed.
fn follow(state: &mut AppState) {
    match state.popups.last_mut() {
        Some(Popup::Filter(field)) => {
            let text = field.text().to_owned();
            state.table.set_filter(|filter| filter.set_text(&text));
        }
        Some(Popup::LogFilter { field, error }) => {
            let text = field.text().to_owned();
            // A pattern half typed is wrong until it is whole: told, and not taken yet.
            *error = state.log.filter.set_text(&text).err();
        }
        // What was wrong is judged anew when it is taken.
        Some(Popup::Tracker(line)) => line.error = None,
        _ => {}
    }
}

/// Enter.
pub fn accept(state: &mut AppState, now: Instant, effects: &mut Vec<Effect>) {
    match state.popups.last_mut() {
        Some(Popup::Filter(_) | Popup::LogFilter { error: None, .. }) => _ = state.popups.pop(),
        Some(Popup::Help(help)) => help.searching = false,
        Some(Popup::Tracker(_)) => trackers::accept(state, effects),
        Some(Popup::Rename(_)) => super::files::rename(state, effects),
        Some(Popup::Add(_)) => add::accept(state, effects),
        Some(Popup::Move(_)) => relocate::accept(state, now, effects),
        Some(Popup::Limit(_)) => super::limits::accept(state, effects),
        _ => {}
    }
}

/// Esc: as if it had never been opened; a filter is cleared.
pub fn cancel(state: &mut AppState) {
    match state.popups.last_mut() {
        Some(Popup::Filter(_)) => state.table.set_filter(|filter| filter.set_text("")),
        Some(Popup::LogFilter { .. }) => {
            let mut cleared = LogFilter::default();
            cleared.level = state.log.filter.level;
            state.log.filter = cleared;
        }
        Some(Popup::Help(help)) if help.searching => {
            help.searching = false;
            help.search = Field::default();
            return;
        }
        Some(Popup::Add(form)) if form.candidates.is_some() => {
            form.candidates = None;
            return;
        }
        Some(Popup::Move(form)) if form.candidates.is_some() => {
            form.candidates = None;
            return;
        }
        _ => {}
    }
    state.popups.pop();
    if matches!(state.leaving, crate::state::Leaving::Asked(_)) {
        state.leaving = crate::state::Leaving::No;
    }
}
