//! Adding: the dialog, its completions, and what a paste becomes.

use tc_core::types::InfoHash;

use super::{relocate, typing};
use crate::format::plural;
use crate::message::{Effect, Preview};
use crate::state::AppState;
use crate::state::add::{AddField, AddForm, Offered, is_magnet, is_url, sources};
use crate::state::popup::{Button, Popup};
use crate::update::is_typing;
use crate::widget::field::Field;

/// Opens the empty dialog.
pub fn open(state: &mut AppState) {
    state.popups.push(Popup::Add(Box::new(AddForm::new(Vec::new(), 0))));
}

/// Pasted text: into the line that is typed, else the sources in it into the dialog. Never keys.
pub fn paste(state: &mut AppState, text: &str, effects: &mut Vec<Effect>) {
    if is_typing(state) {
        return typing::paste(state, text, effects);
    }
    let Some((sources, duplicates)) = sources(text) else {
        let bytes = plural(text.len() as u64, "byte");
        let what = "a magnet, hash, URL or .torrent path";
        return state.complain(format!("pasted text is not {what} ({bytes} ignored)"));
    };
    // A dialog that is open is not buried under another.
    if !state.popups.is_empty() {
        return state.complain("close the dialog to add what was pasted");
    }
    effects.push(Effect::Preview(sources[0].clone()));
    state.popups.push(Popup::Add(Box::new(AddForm::new(sources, duplicates))));
    state.dirty = true;
}

/// A field of the dialog has another text.
pub fn changed(state: &mut AppState, effects: &mut Vec<Effect>) {
    let Some(form) = form(state) else { return };
    form.candidates = None;
    form.error = None;
    match form.field {
        AddField::Source => {
            form.preview = None;
            let source = form.source.text().trim().to_owned();
            if source.ends_with(".torrent") || is_magnet(&source) {
                effects.push(Effect::Preview(source));
            }
        }
        AddField::SaveTo => form.free = None,
        AddField::Start | AddField::Files | AddField::Check => {}
    }
}

/// Tab: the next completion; where there is nothing to complete, the next field.
pub fn complete(state: &mut AppState, effects: &mut Vec<Effect>) {
    if let Some(Popup::Move(form)) = state.popups.last_mut() {
        return relocate::complete(form, effects);
    }
    let Some(form) = form(state) else { return };
    if let Some(text) = form.candidates.as_mut().and_then(|candidates| candidates.step(1)) {
        if let Some(field) = form.typed() {
            *field = Field::new(&text);
        }
        return;
    }
    let folders_only = form.field == AddField::SaveTo;
    // Without a source there is nothing to go on to; the usual folder needs no name.
    let wanted = |text: &String| !folders_only || !text.is_empty();
    let text = form.typed().map(|field| field.text().to_owned()).filter(wanted);
    match text {
        Some(text) if folders_only || !is_whole(&text) => {
            effects.push(Effect::Complete { text, folders_only });
        }
        _ => next_field(state, 1),
    }
}

/// Nothing that a path can go on from.
fn is_whole(source: &str) -> bool {
    source.ends_with(".torrent") || is_magnet(source) || is_url(source)
}

/// The field below or above; in the remove dialog, the other button. With an open list of
/// completions: the next one.
pub fn next_field(state: &mut AppState, by: isize) {
    match state.popups.last_mut() {
        Some(Popup::Remove(dialog)) => {
            dialog.button = match dialog.button {
                Button::Cancel => Button::Yes,
                Button::Yes => Button::Cancel,
            };
        }
        Some(Popup::Add(form)) => {
            if let Some(candidates) = &mut form.candidates {
                candidates.step(by);
                return;
            }
            let (field, fields) = (form.field, form.fields());
            let beside = |mut fields: Box<dyn Iterator<Item = AddField>>| {
                fields.find(|other| *other == field);
                fields.next()
            };
            // Round the ends.
            let round = fields.clone().chain(fields);
            let next: Option<_> =
                if by > 0 { beside(Box::new(round)) } else { beside(Box::new(round.rev())) };
            form.field = next.unwrap_or_default();
        }
        Some(Popup::Move(form)) => {
            if let Some(candidates) = &mut form.candidates {
                candidates.step(by);
            }
        }
        _ => {}
    }
}

/// Enter: with an open list only closes it, taking what is chosen; else adds.
pub fn accept(state: &mut AppState, effects: &mut Vec<Effect>) {
    let Some(form) = form(state) else { return };
    if let Some(candidates) = form.candidates.take() {
        if let Some(text) = candidates.taken() {
            if let Some(field) = form.typed() {
                *field = Field::new(&text);
            }
            changed(state, effects);
        }
        return;
    }
    if form.waiting > 0 {
        return;
    }
    let requests = form.requests();
    if requests.is_empty() {
        form.field = AddField::Source;
        form.error = Some(
            "type or paste a magnet link, an info-hash, a URL or the path of a .torrent file".to_owned(),
        );
        return;
    }
    form.error = None;
    form.waiting = requests.len();
    effects.extend(requests.into_iter().map(Effect::Add));
}

/// A source is on the list now.
pub fn added(state: &mut AppState, info_hash: InfoHash, already_here: bool) {
    state.dirty = true;
    let name = state.table.row(&info_hash).map(|row| row.name.clone());
    state.table.go_to_when_there(info_hash);
    match (already_here, name) {
        (true, Some(name)) => state.say(format!("{name} is already here")),
        (true, None) => state.say("it is already here"),
        (false, _) => state.say("added"),
    }
    one_less(state);
}

/// A source could not be added: it stays in the dialog, with the reason.
pub fn not_added(state: &mut AppState, source: &str, why: String) {
    state.dirty = true;
    match form(state) {
        Some(form) => {
            form.failed.push(source.to_owned());
            form.error.get_or_insert(why);
            one_less(state);
        }
        None => state.complain(why),
    }
}

/// When the last answer is in, the dialog closes, unless something is left to be put right.
fn one_less(state: &mut AppState) {
    let Some(form) = form(state) else { return };
    form.waiting = form.waiting.saturating_sub(1);
    if form.waiting > 0 {
        return;
    }
    if !form.failed.is_empty() {
        form.more = std::mem::take(&mut form.failed);
        form.source = Field::new(&form.more.remove(0));
        form.field = AddField::Source;
        form.duplicates = 0;
        form.preview = None;
    } else {
        state.popups.retain(|popup| !matches!(popup, Popup::Add(_)));
    }
}

/// What a source holds.
pub fn preview(state: &mut AppState, source: &str, result: Result<Preview, String>) {
    state.dirty = true;
    if let Some(form) = form(state)
        && form.source.text().trim() == source
    {
        form.preview = Some(result);
    }
}

/// How a path may go on. One way is taken at once.
pub fn candidates(
    state: &mut AppState,
    text: &str,
    texts: Vec<String>,
    free: Option<u64>,
    effects: &mut Vec<Effect>,
) {
    state.dirty = true;
    if let Some(Popup::Move(form)) = state.popups.last_mut() {
        return relocate::offered(form, text, texts, free);
    }
    let Some(form) = form(state) else { return };
    let free = if form.field == AddField::SaveTo { free } else { form.free };
    form.free = free;
    let Some(field) = form.typed().filter(|field| field.text() == text) else { return };
    match Offered::of(text, texts) {
        Offered::Nothing => form.error = Some("nothing here begins so".to_owned()),
        Offered::One(only) => {
            *field = Field::new(&only);
            changed(state, effects);
            if let Some(form) = self::form(state) {
                form.free = free;
            }
        }
        Offered::Many(start, candidates) => {
            *field = Field::new(&start);
            form.candidates = Some(candidates);
        }
    }
}

fn form(state: &mut AppState) -> Option<&mut AddForm> {
    state.popups.iter_mut().find_map(|popup| match popup {
        Popup::Add(form) => Some(&mut **form),
        _ => None,
    })
}
