//! The trackers of a torrent: asked again, added, edited, removed, moved between tiers.
//!
//! What cannot be taken back asks first: a removal always, and of a private torrent every change,
//! because its peers are let go.

use tc_core::stats::{TrackerState, TrackerStats};
use tc_core::tracker::TrackerEdit;
use tc_core::tracker::edit::check_masked;
use tc_core::types::InfoHash;
use tc_core::untrusted::Untrusted;

use crate::format;
use crate::message::Effect;
use crate::state::AppState;
use crate::state::popup::{Popup, TrackerChange, TrackerLine};
use crate::state::table::runs;
use crate::widget::field::Field;

/// What a change does to a private torrent.
const PRIVATE: &str = "It is private: its peers are let go.";

/// The torrent, and its tracker under the cursor.
fn chosen(state: &AppState) -> Option<(InfoHash, &TrackerStats)> {
    let trackers = state.detail.trackers.as_ref()?;
    Some((state.detail.torrent?, trackers.get(state.detail.scroll().cursor)?))
}

fn is_private(state: &AppState, torrent: &InfoHash) -> bool {
    state.table.row(torrent).is_some_and(|row| row.stats.private)
}

/// Asks the tracker under the cursor, and says when it may be asked.
pub fn announce(state: &mut AppState, effects: &mut Vec<Effect>) {
    let Some((torrent, tracker)) = chosen(state) else { return state.say("R: there is no tracker to ask") };
    let (id, next, asked) = (tracker.id, tracker.next_announce, tracker.state);
    if !state.table.row(&torrent).is_some_and(|row| runs(row.stats.state)) {
        return state.say("R: a torrent that rests announces nothing");
    }
    state.say(match (asked, next) {
        (TrackerState::Unsupported, _) => return state.say("R: trackers of this kind are not asked"),
        (TrackerState::Announcing, _) => return state.say("R: it is being asked"),
        (_, Some(next)) => {
            format!("asked as soon as its shortest interval allows, within {}", format::duration(next))
        }
        (_, None) => "asked as soon as its shortest interval allows".to_owned(),
    });
    effects.push(Effect::AnnounceTo(torrent, id));
}

/// Opens the line for another tracker.
pub fn add(state: &mut AppState) {
    let Some(torrent) = state.detail.torrent else { return state.say("a: there is no torrent") };
    let line = TrackerLine { torrent, tracker: None, field: Field::default(), error: None };
    state.popups.push(Popup::Tracker(line));
}

/// Opens the line with the URL of the tracker under the cursor, its secrets masked.
pub fn edit(state: &mut AppState) {
    let Some((torrent, tracker)) = chosen(state) else { return state.say("e: there is no tracker to edit") };
    let field = Field::new(&tracker.url.to_string());
    let line = TrackerLine { torrent, tracker: Some(tracker.id), field, error: None };
    state.popups.push(Popup::Tracker(line));
}

/// Takes what was typed, if it is a URL.
pub fn accept(state: &mut AppState, effects: &mut Vec<Effect>) {
    let Some(Popup::Tracker(line)) = state.popups.last_mut() else { return };
    let url = Untrusted::new(line.field.text().trim());
    if let Err(why) = check_masked(&url) {
        line.error = Some(why.to_owned());
        return;
    }
    let (torrent, title, edit) = match line.tracker {
        None => (line.torrent, "Add a tracker?", TrackerEdit::Add { tier: None, url }),
        Some(tracker) => (line.torrent, "Change its tracker?", TrackerEdit::Replace { tracker, url }),
    };
    state.popups.pop();
    change(state, torrent, title, edit, effects);
}

/// Asks whether the tracker under the cursor goes.
pub fn remove(state: &mut AppState) {
    let Some((torrent, tracker)) = chosen(state) else {
        return state.say("d: there is no tracker to remove");
    };
    let (edit, title) = (TrackerEdit::Remove { tracker: tracker.id }, format!("Remove {}?", tracker.url));
    let words =
        if is_private(state, &torrent) { PRIVATE } else { "It hears that we leave, and is not asked again." };
    state.popups.push(Popup::TrackerChange(TrackerChange { torrent, edit, title, words }));
}

/// Lets the tracker under the cursor have any certificate, after a question, or takes that back.
pub fn certificate(state: &mut AppState, effects: &mut Vec<Effect>) {
    let Some((torrent, known)) = chosen(state) else { return state.say("C: there is no tracker") };
    if !known.url.to_string().starts_with("https://") {
        return state.say("C: only https:// trackers have a certificate");
    }
    let edit = TrackerEdit::AnyCertificate { tracker: known.id, any: !known.any_certificate };
    if known.any_certificate {
        effects.push(Effect::EditTrackers(torrent, edit));
        return;
    }
    let title = format!("Take any certificate of {}?", known.url);
    let words = "Whoever sits on the way can then read what it is told, and answer in its place.";
    state.popups.push(Popup::TrackerChange(TrackerChange { torrent, edit, title, words }));
}

/// Moves the tracker under the cursor into the tier beside.
pub fn shift(state: &mut AppState, earlier: bool, effects: &mut Vec<Effect>) {
    let Some((torrent, known)) = chosen(state) else { return state.say("there is no tracker to move") };
    let tracker = known.id;
    let edit = if earlier { TrackerEdit::Earlier { tracker } } else { TrackerEdit::Later { tracker } };
    change(state, torrent, "Move it to another tier?", edit, effects);
}

/// A torrent was added that is here already, from a file that names more trackers.
pub fn offer(state: &mut AppState, torrent: InfoHash, tiers: Vec<Vec<Untrusted>>) {
    let more = tiers.iter().map(Vec::len).sum::<usize>() as u64;
    if more > 0 {
        let title = format!("Already here: add {}?", format::plural(more, "tracker"));
        let (edit, words) = (TrackerEdit::Merge { tiers }, "The file names trackers that the torrent lacks.");
        state.popups.push(Popup::TrackerChange(TrackerChange { torrent, edit, title, words }));
    }
}

/// Changes, or of a private torrent asks first.
fn change(
    state: &mut AppState,
    torrent: InfoHash,
    title: &str,
    edit: TrackerEdit,
    effects: &mut Vec<Effect>,
) {
    if is_private(state, &torrent) {
        let change = TrackerChange { torrent, edit, title: title.to_owned(), words: PRIVATE };
        state.popups.push(Popup::TrackerChange(change));
    } else {
        effects.push(Effect::EditTrackers(torrent, edit));
    }
}

/// `y`.
pub fn yes(state: &mut AppState, effects: &mut Vec<Effect>) {
    if let Some(Popup::TrackerChange(change)) = state.popups.pop() {
        effects.push(Effect::EditTrackers(change.torrent, change.edit));
    }
}
