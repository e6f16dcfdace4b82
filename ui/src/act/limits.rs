//! What is decided in the tab of limits: values are typed, switches are switched.

use tc_core::queue::Shift;
use tc_core::settings::GlobalSetting;

use crate::message::Effect;
use crate::state::AppState;
use crate::state::limits::{Change, Limit};
use crate::state::popup::{LimitEdit, Popup};
use crate::widget::field::Field;

/// The row under the cursor.
fn row(state: &AppState) -> Option<Limit> {
    state.detail.limits.as_ref().and(Limit::ALL.get(state.detail.scroll().cursor).copied())
}

/// Types a value, or switches a switch.
pub fn edit(state: &mut AppState, effects: &mut Vec<Effect>) {
    let (Some(limit), Some(limits), Some(torrent)) = (row(state), &state.detail.limits, state.detail.torrent)
    else {
        return;
    };
    let row = state.table.row(&torrent);
    if let Some(change) = limit.switched(limits, row) {
        return apply(state, change, effects);
    }
    let value = limit.value(limits, row);
    let field = Field::new(if ["none", "never", "as all"].contains(&value.as_str()) { "" } else { &value });
    state.popups.push(Popup::Limit(LimitEdit { limit, torrent, field, error: None }));
}

/// Space: only switches.
pub fn switch(state: &mut AppState, effects: &mut Vec<Effect>) {
    let Some((limit, limits)) = row(state).zip(state.detail.limits.as_ref()) else { return };
    let torrent = state.detail.torrent.and_then(|torrent| state.table.row(&torrent));
    match limit.switched(limits, torrent) {
        Some(change) => apply(state, change, effects),
        None => state.say("Space: there is nothing to switch here; Enter edits"),
    }
}

/// As it is without a choice.
pub fn reset(state: &mut AppState, effects: &mut Vec<Effect>) {
    let Some(limit) = row(state) else { return };
    match limit.reset() {
        Some(change) => apply(state, change, effects),
        None => state.say("Backspace: there is nothing to reset here; Enter edits"),
    }
}

/// Takes what was typed, if it is a value.
pub fn accept(state: &mut AppState, effects: &mut Vec<Effect>) {
    let Some(Popup::Limit(edit)) = state.popups.last_mut() else { return };
    match edit.limit.typed(edit.field.text()) {
        Ok(change) => {
            let torrent = edit.torrent;
            state.popups.pop();
            effects.push(match change {
                Change::Torrent(setting) => Effect::Set(vec![torrent], setting),
                Change::All(setting) => Effect::SetAll(setting),
                Change::Place(place) => Effect::Shift(vec![torrent], Shift::To(place)),
                Change::Force(forced) => Effect::Force(vec![torrent], forced),
            });
        }
        Err(wanted) => edit.error = Some(wanted),
    }
}

/// The other set of limits for all torrents.
pub fn alternative(state: &mut AppState, effects: &mut Vec<Effect>) {
    let on = !state.global.alternative;
    state.say(if on { "the alternative limits hold; T ends that" } else { "the usual limits hold" });
    effects.push(Effect::SetAll(GlobalSetting::UseAlternative(on)));
}

fn apply(state: &AppState, change: Change, effects: &mut Vec<Effect>) {
    let Some(torrent) = state.detail.torrent else { return };
    effects.push(match change {
        Change::Torrent(setting) => Effect::Set(vec![torrent], setting),
        Change::All(setting) => Effect::SetAll(setting),
        Change::Place(place) => Effect::Shift(vec![torrent], Shift::To(place)),
        Change::Force(forced) => Effect::Force(vec![torrent], forced),
    });
}
