//! Tab 1: the torrent in a few lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tc_core::stats::{DhtStats, MetadataStats, SessionState, SessionStats};
use tc_core::untrusted::clean;

use super::reach;
use crate::format;
use crate::state::AppState;
use crate::state::history::SAMPLES;
use crate::state::table::Row;
use crate::theme::Role;
use crate::view::{columns, style};
use crate::widget::graph;
use crate::widget::paint::Pen;

/// Columns of a label and the blanks round it.
const LABEL: usize = 7;

/// Rows of the graph at most.
const GRAPH_ROWS: u16 = 6;

/// Draws the lines that fit, the most important first, and below them how fast it went.
pub fn draw(state: &AppState, buffer: &mut Buffer, area: Rect) {
    let Some(row) = state.table.current() else { return };
    let lines = lines(state, row, area.width.into());
    for (at, (label, text, role)) in lines.iter().enumerate() {
        let mut pen = Pen::new(buffer, area, at as u16);
        pen.skip(1).left(label, LABEL, style(state, Role::Dim)).put(text, style(state, *role));
    }
    if let Some(below) = below(area, lines.len()) {
        speed(state, row, buffer, below);
    }
}

/// Where the graph goes, if it has room.
pub fn room_for_graph(state: &AppState, area: Rect) -> Option<Rect> {
    let row = state.table.current()?;
    below(area, lines(state, row, area.width.into()).len())
}

fn below(area: Rect, lines: usize) -> Option<Rect> {
    let used = lines as u16 + 1;
    (area.height >= used + 3).then(|| Rect { y: area.y + used, height: area.height - used, ..area })
}

/// `Speed  ↓ 7.61M  peak 11.2M   5 min, 5 s per column`, and the graph.
fn speed(state: &AppState, row: &Row, buffer: &mut Buffer, area: Rect) {
    let Some(samples) = state.history.of(&row.stats.info_hash) else { return };
    let (arrow, role) = if row.stats.is_complete() { ("↑", Role::Up) } else { ("↓", Role::Down) };
    let now = format::size(samples.back().copied().unwrap_or(0));
    let peak = format::size(samples.iter().copied().max().unwrap_or(0));
    let mut pen = Pen::new(buffer, area, 0);
    pen.skip(1).left("Speed", LABEL, style(state, Role::Dim)).put(arrow, style(state, role));
    pen.skip(1).put(&now, style(state, role)).skip(2);
    pen.put(&format!("peak {peak}   5 min, 5 s per column"), style(state, Role::Dim));
    let rows = (area.height - 1).min(GRAPH_ROWS);
    let columns = usize::from(area.width).saturating_sub(LABEL + 1).min(SAMPLES);
    for (at, line) in graph::columns(samples.iter(), columns, rows.into()).iter().enumerate() {
        Pen::new(buffer, area, 1 + at as u16).skip(1 + LABEL).put(line, style(state, role));
    }
}

/// Whether nodes can be asked for peers, and how many there are.
fn dht(dht: &DhtStats, private: bool) -> String {
    if private {
        return "not for private torrents".to_owned();
    }
    let families = ["IPv4", "IPv6"].into_iter().zip(dht.ready).zip(dht.good);
    let ready: Vec<_> = families
        .filter(|((_, ready), _)| *ready)
        .map(|((family, _), nodes)| format!("{} over {family}", format::plural(nodes.into(), "node")))
        .collect();
    if ready.is_empty() { "nobody has answered yet".to_owned() } else { ready.join(", ") }
}

fn lines(state: &AppState, row: &Row, width: usize) -> Vec<(&'static str, String, Role)> {
    let stats = &*row.stats;
    let mut doing = doing(stats, width);
    if let Some(place) = place(row).filter(|_| stats.state == SessionState::Queued) {
        doing += &format!(" · {place}");
    }
    let mut lines = vec![("State", doing, Role::Text)];
    if let Some(message) = &stats.message {
        let role = if stats.state == SessionState::Error { Role::Err } else { Role::Text };
        lines.push(("Why", message.to_string(), role));
    }
    if let (true, Some(said)) = (columns::is_unregistered(stats), &stats.unregistered) {
        lines.push(("Why", format!("unregistered: a tracker says: {said}"), Role::Err));
    }
    if let Some(notice) = &stats.notice {
        lines.push(("Why", notice.to_string(), Role::Err));
    }
    let known = stats.metadata.as_ref().map(metadata);
    let mut have = format!("{} of {}", format::size(stats.have), format::size(stats.wanted));
    have += &format!("  {}", format::percent(stats.have, stats.wanted));
    if !stats.is_complete() {
        have += &format!("   left {}", format::size(stats.wanted.saturating_sub(stats.have)));
    }
    if let (SessionState::Downloading, Some(eta)) = (stats.state, stats.eta) {
        have += &format!("   eta {}", format::duration(eta));
    }
    if stats.wanted < stats.total_size {
        have += &format!("   all {}", format::size(stats.total_size));
    }
    lines.push(("Have", known.unwrap_or(have), Role::Text));
    let mut ratio = format!("{}   up {}", format::ratio(stats.ratio()), format::size(stats.uploaded));
    if width >= 72 {
        ratio += &format!("   added {}", format::day_and_time(stats.added, &state.look.zone));
        if stats.active_seconds >= 60 {
            ratio += &format!("   active {}", format::duration(stats.active_seconds / 60 * 60));
        }
    }
    lines.push(("Ratio", ratio, Role::Text));
    lines.push(("Path", clean(&stats.save_path.to_string_lossy()), Role::Text));
    if let Some(folder) = &stats.destination {
        lines.push((
            "Then",
            format!("{}   when it is complete", clean(&folder.to_string_lossy())),
            Role::Text,
        ));
    }
    let overview = state.detail.overview.as_deref();
    // Of a magnet it is not known, and neither are pieces and files.
    let overview = overview.filter(|_| stats.metadata.is_none());
    let version = overview.map_or_else(String::new, |overview| format!("   {}", overview.version));
    let private = if stats.private { "   private" } else { "" };
    lines.push(("Hash", format!("{}{version}{private}", stats.info_hash), Role::Text));
    if let Some(overview) = overview {
        lines.push((
            "Pieces",
            map(&overview.piece_map, width.saturating_sub(LABEL + 2), state.look.ascii),
            Role::Down,
        ));
        let size = format::size(stats.piece_length.into());
        let pieces = format!("{} × {size}", format::plural(stats.pieces.into(), "piece"));
        if stats.pieces_assumed > 0 {
            let unseen = format::plural(stats.pieces_assumed.into(), "piece");
            lines.push(("Check", format!("{unseen} not hashed yet: each when it is first read"), Role::Warn));
        }
        lines.push((
            "Files",
            format!("{}   {pieces}", format::plural(overview.files.into(), "file")),
            Role::Text,
        ));
        if let Some(place) = place(row).filter(|_| stats.state != SessionState::Queued) {
            lines.push(("Queue", place, Role::Text));
        }
        if stats.wasted > 0 {
            lines.push(("Waste", format!("{} received for nothing", format::size(stats.wasted)), Role::Text));
        }
        if let Some(port) = reach::port(&state.global) {
            lines.push(("Port", port, Role::Text));
        }
        if state.global.dht.on {
            lines.push(("DHT", dht(&state.global.dht, stats.private), Role::Text));
        }
        if let Some(comment) = &overview.comment {
            lines.push(("Note", comment.to_string(), Role::Text));
        }
        let made = [
            overview.created_by.as_ref().map(ToString::to_string),
            overview.creation_date.map(|date| format::date(date, &state.look.zone)),
        ];
        let made: Vec<String> = made.into_iter().flatten().filter(|part| !part.is_empty()).collect();
        if !made.is_empty() {
            lines.push(("Made", made.join("   "), Role::Text));
        }
    }
    lines
}

/// `position 2 of 4 downloads`; nothing for a seed that need not wait.
fn place(row: &Row) -> Option<String> {
    let stats = &row.stats;
    let kin = match (stats.is_complete(), stats.state) {
        (false, _) => "download",
        (true, SessionState::Queued) => "seed",
        (true, _) => return stats.forced.then(|| "forced".to_owned()),
    };
    let (place, of) = row.place?;
    let forced = if stats.forced { " · forced: runs whatever stands before it" } else { "" };
    Some(format!("position {place} of {}{forced}", format::plural(of as u64, kin)))
}

/// `downloading · 11 seeds (18) · 9 peers (44) · availability 4.1`
fn doing(stats: &SessionStats, columns: usize) -> String {
    let word = match stats.state {
        SessionState::Queued => "queued",
        SessionState::Checking => "checking what is on disk",
        SessionState::Moving => "moving the data",
        SessionState::Metadata => "fetching metadata",
        SessionState::Downloading if stats.stalled => "stalled",
        SessionState::Downloading => "downloading",
        SessionState::Seeding => "seeding",
        SessionState::Paused => "paused",
        SessionState::Error if stats.retries => "stopped by an error · tried again by itself",
        SessionState::Error => "stopped by an error",
    };
    let known = |n: Option<u32>| n.filter(|_| columns >= 72).map_or_else(String::new, |n| format!(" ({n})"));
    let mut parts = vec![word.to_owned()];
    if matches!(stats.state, SessionState::Downloading | SessionState::Seeding) {
        let swarm = stats.swarm;
        parts.push(format::plural(stats.seeds.into(), "seed") + &known(swarm.map(|(seeds, _)| seeds)));
        parts.push(
            format::plural(stats.leechers.into(), "peer") + &known(swarm.map(|(_, leechers)| leechers)),
        );
        if columns >= 72 && stats.state == SessionState::Downloading {
            parts.push(format!("availability {}", format::availability(stats.availability)));
        }
    }
    if stats.state == SessionState::Metadata {
        parts.push(format::plural(stats.leechers.into(), "peer"));
    }
    parts.join(" · ")
}

/// `2 of 5 pieces of the metadata   3 peers with it`
fn metadata(metadata: &MetadataStats) -> String {
    let sources = format!("{} with it", format::plural(metadata.sources.into(), "peer"));
    match metadata.pieces {
        0 => "nothing but the hash: no peer has said that it has the metadata".to_owned(),
        pieces => format!(
            "{} of {} of the metadata   {sources}",
            metadata.have,
            format::plural(pieces.into(), "piece")
        ),
    }
}

/// The map of pieces in as many cells as there are columns: five shades of what is there.
fn map(shares: &[u8], columns: usize, ascii: bool) -> String {
    if shares.is_empty() {
        return String::new();
    }
    let columns = columns.min(240);
    let cell = |at: usize| {
        let from = at * shares.len() / columns;
        let to = ((at + 1) * shares.len() / columns).max(from + 1).min(shares.len());
        let sum: usize = shares[from..to].iter().map(|share| usize::from(*share)).sum();
        match sum / (to - from).max(1) {
            255.. => '█',
            170.. => '▓',
            85.. => '▒',
            1.. => '░',
            _ if ascii => ' ',
            _ => '·',
        }
    };
    (0..columns).map(cell).collect()
}
