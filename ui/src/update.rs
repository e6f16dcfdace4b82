//! News into state: who has to know. Pure: no clock, no engine; what is wanted of them is returned.

use std::time::{Duration, Instant};

use crossterm::event::KeyEvent;
use tc_core::stats::{Changes, DetailKind, SessionState, SessionStats};

use crate::act;
use crate::keymap::{self, Found};
use crate::message::{Effect, Message, Why};
use crate::state::history::Samples;
use crate::state::look::header_looks_same;
use crate::state::panes::{Focus, Mode};
use crate::state::popup::Popup;
use crate::state::tabs::Tab;
use crate::state::{AppState, Leaving};
use crate::view;

/// Long enough to read a line twice.
const NOTICE: Duration = Duration::from_secs(6);

/// Torrents that end one soon after the other ring once.
const BELLS_APART: Duration = Duration::from_secs(2);

/// Takes one piece of news in. `now` is when it came.
pub fn update(state: &mut AppState, message: Message, now: Instant) -> Vec<Effect> {
    let mut effects = Vec::new();
    match message {
        Message::Key(key) => press(state, key, now, &mut effects),
        Message::Paste(text) => act::add::paste(state, &text, &mut effects),
        Message::Resize(columns, rows) => {
            state.panes.size = (columns, rows);
            state.dirty = true;
        }
        Message::Resized => state.dirty = true,
        Message::Woken => {
            state.dirty = true;
            effects.push(Effect::Repaint);
        }
        Message::Hangup => {
            act::remove::finish(state, &mut effects);
            effects.push(Effect::Leave(Why::Hangup));
        }
        Message::Quit(signal) => {
            act::remove::finish(state, &mut effects);
            effects.push(Effect::Leave(Why::Signal(signal)));
        }
        Message::Tick(now) => {
            act::remove::tick(state, now, &mut effects);
            fade(state, now);
            sample(state, now);
            state.dirty |= state.table.rearrange_when_still(now);
        }
        Message::Stats(changes) => {
            if let Some(bell) = rings(state, &changes, now) {
                effects.push(bell);
            }
            stats(state, &changes, now);
        }
        Message::Deliveries(deliveries) => {
            let table = &state.table;
            let name = |hash: &_| table.row(hash).map(|row| row.name.clone());
            if state.log.take(deliveries, name) {
                state.dirty |= shows_events(state);
            }
        }
        Message::Detail(torrent, detail) => {
            let changed = state.detail.take(torrent, &detail);
            state.dirty |= changed && state.panes.areas().detail.is_some();
        }
        Message::Answer(answer) => act::answer(state, answer, &mut effects),
    }
    settle(state, &mut effects);
    effects
}

fn press(state: &mut AppState, key: KeyEvent, now: Instant, effects: &mut Vec<Effect>) {
    state.table.touch(now);
    let before = state.before.take();
    let context = state.context();
    let found = match keymap::find(context, key, before) {
        // A sequence that leads nowhere does not swallow the key that ended it.
        Found::Nothing => keymap::find(context, key, None),
        found => found,
    };
    match found {
        Found::Action(action) => {
            state.dirty |= state.notice.take().is_some();
            act::act(state, action, now, effects);
        }
        Found::Prefix(first) => state.before = Some(first),
        Found::Nothing => {
            if act::typing::key(state, key, effects) {
                state.dirty = true;
            } else if state.popups.is_empty() && state.leaving == Leaving::No {
                act::unbound(state, context, key);
            }
        }
    }
}

/// A bell where a torrent came to its end, good or bad, before the person's eyes: not for what was
/// there from the start or was only checked, and once for several together.
fn rings(state: &mut AppState, changes: &Changes, now: Instant) -> Option<Effect> {
    let ended = |old: &SessionStats, new: &SessionStats| {
        let completed = old.state == SessionState::Downloading && !old.is_complete() && new.is_complete();
        completed || (old.state != SessionState::Error && new.state == SessionState::Error)
    };
    let rings = changes.changed.iter().any(|new| {
        state.table.row(&new.info_hash).is_some_and(|row| ended(&row.stats, new))
            && !state.table.is_hidden(&new.info_hash)
    });
    if !rings || state.rang.is_some_and(|at| now.saturating_duration_since(at) < BELLS_APART) {
        return None;
    }
    state.rang = Some(now);
    state.dirty = true;
    Some(Effect::Bell)
}

fn stats(state: &mut AppState, changes: &Changes, now: Instant) {
    let same = header_looks_same(&state.global, &changes.global)
        && (state.detail.tab != Tab::Peers || state.global.banned == changes.global.banned);
    state.global = changes.global.clone();
    let changed = state.table.take(changes, now);
    state.dirty |= changed || !same;
    if !changes.removed.is_empty() {
        state.undo.paused.retain(|hash| !changes.removed.contains(hash));
        for removal in &mut state.undo.removals {
            removal.torrents.retain(|hash| !changes.removed.contains(hash));
        }
        state.undo.removals.retain(|removal| !removal.torrents.is_empty());
    }
}

/// Lets the graphs go on; those that are seen and look the same ask for no frame.
fn sample(state: &mut AppState, now: Instant) {
    let areas = state.panes.areas();
    let in_header = areas.table.is_some() && state.panes.size.0 >= view::header::GRAPH_FROM;
    let in_detail = areas.detail.is_some_and(|area| view::detail::has_graph(state, area));
    let seen = |state: &AppState| {
        let current = state.table.cursor().filter(|_| in_detail);
        let graph = |samples: &Samples| view::header::graph(samples);
        let header = in_header.then(|| graph(state.history.all()));
        (header, current.and_then(|hash| state.history.of(&hash)).cloned())
    };
    let before = seen(state);
    if state.history.tick(now, state.global.rate_down, state.table.all()) {
        state.dirty |= seen(state) != before;
    }
}

/// A line in the footer gives way to the hints after a while.
fn fade(state: &mut AppState, now: Instant) {
    let Some(notice) = &mut state.notice else { return };
    let since = *notice.since.get_or_insert(now);
    if now.saturating_duration_since(since) >= NOTICE {
        state.notice = None;
        state.dirty = true;
    }
}

fn shows_events(state: &AppState) -> bool {
    let areas = state.panes.areas();
    areas.events.is_some() || (areas.detail.is_some() && state.detail.tab == Tab::Log)
}

/// Makes everything that follows from the state follow: scroll positions, what the engine gathers
/// and tells.
fn settle(state: &mut AppState, effects: &mut Vec<Effect>) {
    let panes = state.panes.focusable();
    if !panes.contains(&state.panes.focus) {
        state.panes.focus = panes.first().copied().unwrap_or(Focus::List);
    }
    if state.table.total() == 0 && state.panes.mode == Mode::Full {
        state.panes.go_back();
    }
    let areas = state.panes.areas();
    state.table.settle(areas.table_rows());
    if state.detail.turn_to(state.table.cursor()) {
        state.log.one.follow();
    }
    let rows = areas.detail.map_or(0, |area| view::detail::list_rows(state.detail.tab, area));
    let len = state.detail.len();
    state.detail.scroll_mut().settle(len, rows.into());
    if state.leaving == Leaving::Stopping {
        return;
    }
    if let Some(Popup::Bans(scroll)) = state.popups.last_mut() {
        let len = state.detail.bans.as_ref().map_or(0, Vec::len);
        scroll.settle(len, view::bans::rows(state.panes.size, len));
    }
    let wanted = match state.popups.last() {
        Some(Popup::Bans(_)) => state.table.cursor().zip(Some(DetailKind::Bans)),
        _ => areas.detail.and(state.table.cursor()).zip(state.detail.tab.needs()),
    };
    if wanted != state.detail.watched {
        state.detail.watched = wanted;
        effects.push(Effect::Watch(wanted));
    }
    let patterns = state.log.filter.subscription();
    if patterns != state.log.subscribed {
        state.log.subscribed.clone_from(&patterns);
        effects.push(Effect::Subscribe(patterns));
    }
}

/// Whether a text is being typed, so that a paste goes there.
pub fn is_typing(state: &AppState) -> bool {
    matches!(
        state.popups.last(),
        Some(Popup::Add(_) | Popup::Move(_) | Popup::Filter(_) | Popup::LogFilter { .. } | Popup::Limit(_))
    ) || matches!(state.popups.last(), Some(Popup::Help(help)) if help.searching)
}
