//! Tab 4: the trackers by tier, the other ways to peers, and what the tracker under the cursor said last.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tc_core::stats::{TrackerState, TrackerStats, Way, WayState, WayStats};

use super::{cursor_sign, mark_cursor, nothing};
use crate::format;
use crate::state::AppState;
use crate::state::panes::Focus;
use crate::theme::Role;
use crate::view::style;
use crate::widget::paint::Pen;

/// Lines of the last replies: a blank, the tracker, three replies.
const REPLIES: u16 = 5;
/// Lines of the other ways to peers.
const WAYS: u16 = 3;
/// Heights from which the replies, or one of them, have room.
const ALL_FROM: u16 = 12;
const ONE_FROM: u16 = 5;

/// Rows of the list: all but the heading, and where there is room the other ways to peers and the last replies, or a
/// line of each.
pub const fn rows(area: Rect) -> u16 {
    area.height.saturating_sub(match area.height {
        ALL_FROM.. => 1 + WAYS + REPLIES,
        ONE_FROM.. => 3,
        _ => 1,
    })
}

/// Draws heading, trackers and replies.
pub fn draw(state: &AppState, buffer: &mut Buffer, area: Rect) {
    let dim = style(state, Role::Dim);
    let Some(trackers) = &state.detail.trackers else { return nothing(state, buffer, area, "…") };
    let counts = area.width >= 72;
    let numbers = if counts { 12 + 7 + 7 + 8 } else { 12 + 8 };
    let url = usize::from(area.width).saturating_sub(1 + 4 + 1 + numbers + 1);
    let mut pen = Pen::new(buffer, area, 0);
    pen.skip(1).right("Tier", 4, dim).skip(1).left("Tracker", url, dim).left("State", 12, dim);
    if counts {
        pen.right("Seeds", 7, dim).right("Peers", 7, dim);
    }
    pen.right("Next", 8, dim);
    let top = state.detail.scroll().top;
    let count = |n: Option<u32>| n.map_or_else(String::new, |n| n.to_string());
    for (at, tracker) in trackers.iter().enumerate().skip(top).take(rows(area).into()) {
        let y = 1 + (at - top) as u16;
        let (word, role) = word(tracker);
        let mut pen = Pen::new(buffer, area, y);
        pen.put(cursor_sign(state, at), style(state, Role::Text));
        pen.right(&tracker.tier.to_string(), 4, dim).skip(1);
        pen.left(&tracker.url.to_string(), url.saturating_sub(1), style(state, Role::Text)).skip(1);
        pen.left(word, 12, style(state, role));
        if counts {
            pen.right(&count(tracker.seeds), 7, dim).right(&count(tracker.leechers), 7, dim);
        }
        let next = tracker.next_announce.map_or_else(String::new, format::duration);
        pen.right(&next, 8, style(state, Role::Text));
        mark_cursor(state, buffer, area, y, at);
    }
    let below = if trackers.is_empty() {
        Pen::new(buffer, area, 1).skip(1 + 4 + 1).put("This torrent names no tracker.", dim);
        2
    } else {
        1 + (trackers.len() - top).min(rows(area).into()) as u16
    };
    let is_low = (ONE_FROM..ALL_FROM).contains(&area.height);
    // The last reply has its line, where it has no more.
    let end = if is_low { area.height - 1 } else { area.height };
    if is_low && below + WAYS > end {
        ways_in_a_line(state, &mut Pen::new(buffer, area, end - 1));
    }
    let end = if below + WAYS > end { below } else { end };
    for (way, y) in state.detail.ways.iter().zip(below..end) {
        let (name, word, role) = way_words(*way);
        let mut pen = Pen::new(buffer, area, y);
        pen.skip(1 + 4 + 1).left(name, url.saturating_sub(1), style(state, Role::Text)).skip(1);
        pen.left(word, 12, style(state, role));
        let known = matches!(way.state, WayState::Waiting | WayState::Working) || way.peers > 0;
        if counts && known {
            pen.skip(7).right(&way.peers.to_string(), 7, dim);
        }
    }
    if area.height >= ALL_FROM {
        replies(state, buffer, area, trackers);
    } else if area.height >= ONE_FROM {
        reply(state, buffer, Rect { y: area.bottom() - 1, height: 1, ..area }, trackers);
    }
}

/// `DHT working 21 · PEX working 12 · LSD off`, where they have no lines.
fn ways_in_a_line(state: &AppState, pen: &mut Pen<'_>) {
    pen.skip(1);
    for (at, way) in state.detail.ways.iter().enumerate() {
        let (name, word, role) = way_words(*way);
        let before = if at > 0 { "  ·  " } else { "" };
        pen.put(&format!("{before}{name} "), style(state, Role::Dim)).put(word, style(state, role));
        if way.peers > 0 {
            pen.put(&format!(" {}", format::count(way.peers.into())), style(state, Role::Dim));
        }
    }
}

fn word(tracker: &TrackerStats) -> (&'static str, Role) {
    match tracker.state {
        TrackerState::Idle => ("not asked", Role::Dim),
        TrackerState::Announcing => ("asking", Role::Text),
        TrackerState::Working => ("working", Role::Text),
        TrackerState::Failing => ("failing", Role::Err),
        TrackerState::Unregistered => ("unregistered", Role::Err),
        TrackerState::Unsupported => ("unsupported", Role::Dim),
    }
}

fn way_words(way: WayStats) -> (&'static str, &'static str, Role) {
    let name = match way.way {
        Way::Dht => "DHT",
        Way::Pex => "PEX",
        Way::Lsd => "LSD",
    };
    let (word, role) = match way.state {
        WayState::Off => ("off", Role::Dim),
        WayState::Private => ("private: off", Role::Dim),
        WayState::Resting => ("not asked", Role::Dim),
        WayState::Waiting => ("waiting", Role::Text),
        WayState::Working => ("working", Role::Text),
    };
    (name, word, role)
}

fn replies(state: &AppState, buffer: &mut Buffer, area: Rect, trackers: &[TrackerStats]) {
    let Some(tracker) = trackers.get(state.detail.scroll().cursor) else { return };
    let dim = style(state, Role::Dim);
    // Below the list, which rarely fills its room.
    let y = (trackers.len() as u16 + WAYS + 2).min(area.height - REPLIES + 1);
    let mut pen = Pen::new(buffer, area, y);
    pen.skip(1).left("Last reply", 12, dim).put(&tracker.url.to_string(), style(state, Role::Text));
    if tracker.any_certificate {
        pen.put("  any certificate", style(state, Role::Warn));
    }
    if let Some(why) = silent(tracker) {
        Pen::new(buffer, area, y + 1).skip(13).put(why, dim);
    }
    for (at, (time, said)) in tracker.history.iter().take(3).enumerate() {
        let when = format::day_and_time(*time, &state.look.zone);
        let mut pen = Pen::new(buffer, area, y + 1 + at as u16);
        pen.skip(13).left(&when, 13, dim).put(&said.to_string(), style(state, Role::Text));
    }
}

/// One line, where there is no room for more: what the tracker under the cursor said last; while the
/// cursor is elsewhere, the first that fails.
fn reply(state: &AppState, buffer: &mut Buffer, line: Rect, trackers: &[TrackerStats]) {
    let failing = || {
        trackers
            .iter()
            .find(|tracker| matches!(tracker.state, TrackerState::Failing | TrackerState::Unregistered))
    };
    let under_cursor = trackers.get(state.detail.scroll().cursor);
    let chosen = if state.panes.focus == Focus::Detail { under_cursor } else { failing().or(under_cursor) };
    let Some(tracker) = chosen else { return };
    let dim = style(state, Role::Dim);
    let mut pen = Pen::new(buffer, line, 0);
    pen.skip(1).put("Tier ", dim).put(&tracker.tier.to_string(), dim).skip(2);
    if let Some(why) = silent(tracker) {
        pen.put(why, dim);
    } else if let Some((time, said)) = tracker.history.first() {
        let when = format::day_and_time(*time, &state.look.zone);
        pen.left(&when, 13, dim).put(&said.to_string(), style(state, Role::Text));
    }
}

/// Why a tracker has said nothing.
fn silent(tracker: &TrackerStats) -> Option<&'static str> {
    match tracker.state {
        _ if !tracker.history.is_empty() => None,
        TrackerState::Unsupported => Some("trackers of this kind are not asked"),
        TrackerState::Announcing => Some("asked; no answer yet"),
        _ => Some("not asked yet"),
    }
}
