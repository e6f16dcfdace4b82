//! One event over the whole screen: its payload as keys and values.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tc_core::types::InfoHash;

use super::{dialog, style};
use crate::format;
use crate::keymap::Context;
use crate::state::AppState;
use crate::state::log::{Entry, What, fields};
use crate::theme::Role;
use crate::widget::paint::{Pen, wrap};

/// Columns of a key.
const LABEL: usize = 12;

/// Draws the event with this number, if it is still kept.
pub fn draw(state: &AppState, seq: u64, pin: Option<InfoHash>, buffer: &mut Buffer) {
    let inner = dialog::sheet(state, buffer, "Event", false, Context::Event);
    let Some(entry) = state.log.entry(seq) else {
        Pen::new(buffer, inner, 0)
            .put("This event is so old that it is not kept any more.", style(state, Role::Dim));
        return;
    };
    let top = Rect { y: 0, height: 1, ..inner };
    let when = format::clock_millis(entry.time, &state.look.zone);
    Pen::new(buffer, top, 0).skip(7).at_end(&when, style(state, Role::Dim));
    let mut lines = facts(entry);
    for (label, later) in [("before", false), ("after", true)] {
        let near = state.log.neighbour(seq, later, pin).and_then(|seq| state.log.entry(seq));
        if let Some(near) = near {
            lines.push((label.to_owned(), name(near)));
        }
    }
    let mut y = 0;
    for (key, value) in &lines {
        let mut label = key.as_str();
        for part in wrap(value, usize::from(inner.width).saturating_sub(LABEL)) {
            let mut pen = Pen::new(buffer, inner, y);
            pen.left(label, LABEL, style(state, Role::Dim)).put(&part, style(state, Role::Text));
            label = "";
            y += 1;
        }
    }
}

fn facts(entry: &Entry) -> Vec<(String, String)> {
    let mut lines = vec![("kind".to_owned(), name(entry))];
    if let Some((_, torrent)) = &entry.torrent {
        lines.push(("torrent".to_owned(), torrent.to_string()));
    }
    match &entry.what {
        What::Event(event) => {
            lines.push(("about".to_owned(), event.kind().info().doc.to_owned()));
            lines.extend(fields(event).into_iter().map(|(key, value)| (key.to_owned(), value)));
        }
        What::Missed(_) => lines.push((
            "about".to_owned(),
            "The queue was full. The table and the tabs are right; this log has a gap here.".to_owned(),
        )),
    }
    lines
}

fn name(entry: &Entry) -> String {
    let name = match &entry.what {
        What::Event(event) => event.kind().name().to_owned(),
        What::Missed(count) => format!("{} not received", format::plural(*count, "event")),
    };
    if entry.times > 1 { format!("{name}  ×{}", entry.times) } else { name }
}
