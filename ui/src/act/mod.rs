//! What the person wants, one family of actions to a file.

pub mod add;
mod copy;
mod files;
mod leave;
mod limits;
mod log;
mod moving;
mod peers;
mod queue;
mod recheck;
mod relocate;
pub mod remove;
mod torrents;
mod trackers;
pub mod typing;
mod undo;

use std::time::Instant;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tc_core::settings::Priority;

use crate::keymap::{self, Context};
use crate::message::{Action, Answer, Effect};
use crate::state::popup::Popup;
use crate::state::tabs::Tab;
use crate::state::{AppState, Leaving};

/// Does what a key asks for.
pub fn act(state: &mut AppState, action: Action, now: Instant, effects: &mut Vec<Effect>) {
    state.dirty = true;
    if state.leaving == Leaving::Stopping && action != Action::Quit {
        return;
    }
    match action {
        Action::Help => moving::help(state),
        Action::Back => leave::back(state, effects),
        Action::BackLayer => moving::back_layer(state),
        Action::Quit => leave::ctrl_c(state, now, effects),
        Action::QuitNow => leave::stop(state, effects),
        Action::Suspend => leave::ask_to_suspend(state),
        Action::SuspendNow => leave::suspend(state, effects),
        Action::Redraw => effects.push(Effect::Repaint),
        Action::FocusNext => moving::focus(state, 1),
        Action::FocusPrev => moving::focus(state, -1),
        Action::TabNext => moving::open_tab(state, state.detail.tab.beside(1)),
        Action::TabPrev => moving::open_tab(state, state.detail.tab.beside(-1)),
        Action::OpenTab(tab) => moving::open_tab(state, tab),
        Action::LayoutCycle => moving::cycle(state),
        Action::Zoom => moving::zoom(state),
        Action::EventsToggle => moving::toggle_events(state),
        Action::Undo => undo::undo(state, now, effects),
        Action::CopyMenu
            if matches!(state.context(), Context::Files | Context::Peers | Context::Trackers) =>
        {
            copy::row(state, effects);
        }
        Action::CopyMenu => menu(state, Context::Copy),
        Action::Copy(what) => copy::torrents(state, what, effects),
        Action::Move(step) => moving::step(state, step),
        Action::Open | Action::Limits if state.context() == Context::Limits => limits::edit(state, effects),
        Action::Left => moving::sideways(state, false),
        Action::Right => moving::sideways(state, true),
        Action::Rarity => moving::rarity(state),
        Action::Open => moving::open(state),
        Action::Mark | Action::MarkRange | Action::MarkAll if state.table.is_empty() => {
            state.say("there is no torrent to mark");
        }
        Action::Mark => state.table.mark(),
        Action::MarkRange => state.table.mark_range(),
        Action::MarkAll => state.table.mark_all(),
        Action::PauseToggle => torrents::pause_toggle(state, now, effects),
        Action::PauseMenu => menu(state, Context::PauseAll),
        Action::PauseAll => torrents::pause_all(state, now, effects),
        Action::ResumePaused => torrents::resume_paused(state, effects),
        Action::Remove => remove::open(state),
        Action::Add => add::open(state),
        Action::Announce => torrents::announce(state, effects),
        Action::AnnounceTo => trackers::announce(state, effects),
        Action::TrackerAdd => trackers::add(state),
        Action::TrackerEdit => trackers::edit(state),
        Action::TrackerCertificate => trackers::certificate(state, effects),
        Action::TrackerRemove => trackers::remove(state),
        Action::TrackerEarlier => trackers::shift(state, true, effects),
        Action::TrackerLater => trackers::shift(state, false, effects),
        Action::SortMenu => menu(state, Context::Sort),
        Action::Sort(key) => {
            state.popups.pop();
            state.table.sort_by(key);
        }
        Action::QuickMenu => menu(state, Context::Quick),
        Action::Quick(status) => {
            state.popups.pop();
            state.table.set_filter(|filter| {
                filter.status = status;
                filter.tracker = None;
            });
        }
        Action::Filter => typing::open_filter(state),
        Action::LogFilter => typing::open_log_filter(state),
        Action::Follow => log::follow(state),
        Action::LevelDown => log::level(state, true),
        Action::LevelUp => log::level(state, false),
        Action::GoToTorrent => log::go_to_torrent(state),
        Action::Shift(shift) => queue::shift(state, shift, effects),
        Action::QueueMenu => menu(state, Context::Queue),
        Action::Force => queue::force(state, effects),
        Action::MoveData => relocate::open(state),
        Action::Recheck => recheck::open(state, effects),
        Action::Yes if matches!(state.popups.last(), Some(Popup::Recheck(_))) => recheck::yes(state, effects),
        Action::Yes if matches!(state.popups.last(), Some(Popup::Peer(_))) => peers::yes(state, effects),
        Action::Disconnect => peers::ask(state, false),
        Action::Ban => peers::ask(state, true),
        Action::Bans => peers::bans(state),
        Action::LiftBan => peers::lift(state, effects),
        Action::Yes if matches!(state.popups.last(), Some(Popup::TrackerChange(_))) => {
            trackers::yes(state, effects);
        }
        Action::Yes => remove::yes(state, now, effects),
        Action::Press => remove::press(state, now, effects),
        Action::Toggle => moving::toggle(state, now),
        Action::NextField => add::next_field(state, 1),
        Action::PrevField => add::next_field(state, -1),
        Action::Complete => add::complete(state, effects),
        Action::Accept => typing::accept(state, now, effects),
        Action::Cancel => typing::cancel(state),
        Action::WantToggle => files::want_toggle(state, now, effects),
        Action::WantAll => files::want_all(state, now, effects),
        Action::PriorityUp => files::step(state, Priority::raised, now, effects),
        Action::PriorityDown => files::step(state, Priority::lowered, now, effects),
        Action::Rename => files::ask_name(state),
        Action::ShutAll => files::shut_all(state, true),
        Action::OpenAll => files::shut_all(state, false),
        Action::Limits => {
            moving::open_tab(state, Tab::Limits);
            moving::enter_detail(state);
        }
        Action::LimitSwitch => limits::switch(state, effects),
        Action::LimitReset => limits::reset(state, effects),
        Action::Alternative => limits::alternative(state, effects),
        Action::HelpSearch => {
            if let Some(Popup::Help(help)) = state.popups.last_mut() {
                help.searching = true;
            }
        }
    }
}

/// A key without a meaning here says what it would do elsewhere, or where the keys are listed.
pub fn unbound(state: &mut AppState, context: Context, key: KeyEvent) {
    let KeyCode::Char(letter) = key.code else {
        state.dirty |= state.notice.take().is_some();
        return;
    };
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    let key_name = if ctrl { format!("^{}", letter.to_ascii_uppercase()) } else { letter.to_string() };
    match keymap::elsewhere(context, key) {
        Some(binding) => {
            let place = binding.context.title().to_lowercase();
            state.say(format!("{key_name}: {}, in the {place} pane", binding.words));
        }
        None => state.say(format!("{key_name} does nothing here; ? shows the keys")),
    }
}

/// Takes the answer to a request.
pub fn answer(state: &mut AppState, answer: Answer, effects: &mut Vec<Effect>) {
    match answer {
        Answer::Added { info_hash, already_here, more_trackers } => {
            add::added(state, info_hash, already_here);
            trackers::offer(state, info_hash, more_trackers);
        }
        Answer::NotAdded { source, why } => add::not_added(state, &source, why),
        Answer::NotRemoved { torrents, why } => remove::not_removed(state, &torrents, &why),
        Answer::Preview { source, result } => add::preview(state, &source, result),
        Answer::Completions { text, candidates, free } => {
            add::candidates(state, &text, candidates, free, effects)
        }
        Answer::Magnets(links) => copy::send(state, &links, effects),
        Answer::Failed(text) => state.complain(text),
        Answer::Done(text) => state.say(text),
        Answer::Stopped => leave::stopped(effects),
    }
}

fn menu(state: &mut AppState, context: Context) {
    state.popups.push(Popup::Menu(context));
}
