//! The columns of the table: shown by priority while the name keeps enough room.

use tc_core::stats::{SessionState, SessionStats};

use crate::format;
use crate::state::AppState;
use crate::state::table::Row;
use crate::theme::Role;

/// A column beside state and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// Bytes of all files.
    Size,
    /// Part that is there.
    Done,
    /// The same as a bar.
    Bar,
    /// The rate of the direction that matters.
    Rate,
    /// Coming in.
    Down,
    /// Going out.
    Up,
    /// Time left, or why there is none.
    Eta,
    /// Sent for each received.
    Ratio,
    /// Connected seeds and peers.
    SeedsPeers,
    /// Connected and known seeds.
    Seeds,
    /// Connected and known leechers.
    Peers,
    /// Copies of the rarest piece.
    Avail,
    /// Bytes sent.
    Sent,
    /// The tracker's host.
    Tracker,
    /// When it was added.
    Added,
}

/// How important a column is, from which width it is shown, up to which width, its columns.
struct Rule {
    column: Column,
    priority: u8,
    from: u16,
    to: u16,
}

const fn rule(column: Column, priority: u8, from: u16, to: u16) -> Rule {
    Rule { column, priority, from, to }
}

const EVER: u16 = u16::MAX;

/// In the order of the screen.
const RULES: [Rule; 15] = [
    rule(Column::Size, 4, 72, EVER),
    rule(Column::Done, 1, 0, EVER),
    rule(Column::Bar, 5, 100, EVER),
    rule(Column::Rate, 2, 40, 71),
    rule(Column::Down, 2, 72, EVER),
    rule(Column::Up, 2, 72, EVER),
    rule(Column::Eta, 3, 40, EVER),
    rule(Column::Ratio, 6, 100, EVER),
    rule(Column::SeedsPeers, 7, 100, 159),
    rule(Column::Seeds, 7, 160, EVER),
    rule(Column::Peers, 7, 160, EVER),
    rule(Column::Avail, 9, 160, EVER),
    rule(Column::Sent, 9, 160, EVER),
    rule(Column::Tracker, 9, 160, EVER),
    rule(Column::Added, 9, 160, EVER),
];

/// The columns of a screen this wide whose table has `room`, and what is left for the name.
pub fn choose(screen: u16, room: u16) -> (Vec<Column>, usize) {
    let least = if screen < 72 { 24 } else { 32 };
    let mut chosen: Vec<&Rule> =
        RULES.iter().filter(|rule| (rule.from..=rule.to).contains(&screen)).collect();
    let name = |chosen: &[&Rule]| {
        // State and cursor before the name; one blank before each column.
        let taken: usize = chosen.iter().map(|rule| 1 + rule.column.width(screen)).sum();
        usize::from(room).saturating_sub(3 + taken)
    };
    while name(&chosen) < least {
        let Some(worst) = chosen.iter().map(|rule| rule.priority).max().filter(|worst| *worst > 1) else {
            break;
        };
        let last = chosen.iter().rposition(|rule| rule.priority == worst).unwrap_or(0);
        chosen.remove(last);
    }
    let left = name(&chosen);
    (chosen.into_iter().map(|rule| rule.column).collect(), left)
}

impl Column {
    /// Cells.
    pub const fn width(self, screen: u16) -> usize {
        match self {
            Self::Size | Self::Done | Self::Rate | Self::Down | Self::Up => 5,
            Self::Ratio | Self::Avail | Self::Sent | Self::Added => 5,
            Self::Eta => 6,
            Self::Bar if screen >= 160 => 14,
            Self::Bar => 10,
            Self::SeedsPeers | Self::Seeds | Self::Peers => 7,
            Self::Tracker => 22,
        }
    }

    /// Whether its text stands at the left.
    pub const fn is_left(self) -> bool {
        matches!(self, Self::Bar | Self::Tracker)
    }

    /// Its heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Size => "Size",
            Self::Done => "Done",
            Self::Bar => "",
            Self::Rate => "Rate",
            Self::Down => "↓/s",
            Self::Up => "↑/s",
            Self::Eta => "ETA",
            Self::Ratio => "Ratio",
            Self::SeedsPeers => "S/P",
            Self::Seeds => "Seeds",
            Self::Peers => "Peers",
            Self::Avail => "Avail",
            Self::Sent => "Up",
            Self::Tracker => "Tracker",
            Self::Added => "Added",
        }
    }

    /// What it says of a torrent.
    pub fn text(self, state: &AppState, row: &Row) -> String {
        let stats = &*row.stats;
        let (seeds, leechers) =
            stats.swarm.map_or((None, None), |(seeds, leechers)| (Some(seeds), Some(leechers)));
        match self {
            // What is not known is not 0.
            Self::Size if stats.metadata.is_some() && stats.total_size == 0 => String::new(),
            Self::Size => format::size(stats.total_size),
            Self::Done => done(stats),
            Self::Bar => bar(stats, self.width(state.panes.size.0)),
            Self::Rate if stats.state == SessionState::Seeding => format::rate(stats.rate_up),
            Self::Rate | Self::Down => format::rate(stats.rate_down),
            Self::Up => format::rate(stats.rate_up),
            Self::Eta => eta(stats),
            Self::Ratio => format::ratio(stats.ratio()),
            Self::SeedsPeers => short(stats.seeds, Some(stats.leechers)),
            Self::Seeds => short(stats.seeds, seeds),
            Self::Peers => short(stats.leechers, leechers),
            Self::Avail if stats.state == SessionState::Downloading => {
                format::availability(stats.availability)
            }
            Self::Avail => String::new(),
            Self::Sent => {
                if stats.uploaded == 0 {
                    String::new()
                } else {
                    format::size(stats.uploaded)
                }
            }
            Self::Tracker => row.tracker.to_string(),
            Self::Added => format::day(stats.added, &state.look.zone),
        }
    }

    /// What its text means.
    pub fn role(self, stats: &SessionStats) -> Role {
        match self {
            Self::Down | Self::Bar => Role::Down,
            Self::Up => Role::Up,
            Self::Rate if stats.state == SessionState::Seeding => Role::Up,
            Self::Rate => Role::Down,
            Self::Eta if is_unregistered(stats) || is_unmoved(stats) => Role::Err,
            Self::Eta => match stats.state {
                SessionState::Error => Role::Err,
                SessionState::Checking | SessionState::Moving => Role::Warn,
                SessionState::Paused | SessionState::Queued => Role::Dim,
                SessionState::Downloading | SessionState::Seeding | SessionState::Metadata => Role::Text,
            },
            Self::Done => Role::Text,
            _ => Role::Dim,
        }
    }
}

/// `11/18`, in seven columns: larger numbers lose their known part first.
fn short(connected: u32, known: Option<u32>) -> String {
    let text = known.map_or_else(|| connected.to_string(), |known| format!("{connected}/{known}"));
    if text.len() <= 7 { text } else { connected.to_string() }
}

/// Part that is there, of the metadata until that is; while checking, part that was looked at; while moving, part that was copied.
fn done(stats: &SessionStats) -> String {
    if let Some(metadata) = &stats.metadata {
        if metadata.pieces == 0 || stats.state == SessionState::Error {
            String::new()
        } else {
            format::percent(metadata.have.into(), metadata.pieces.into())
        }
    } else if stats.state == SessionState::Checking {
        format::percent(stats.pieces_checked.into(), stats.pieces.into())
    } else if stats.state == SessionState::Moving && stats.move_total > 0 {
        format::percent(stats.move_done, stats.move_total)
    } else {
        format::percent(stats.have, stats.wanted)
    }
}

/// Time left, or the word for why there is none.
pub fn eta(stats: &SessionStats) -> String {
    match stats.state {
        _ if is_unregistered(stats) => "unreg.".to_owned(),
        _ if is_unmoved(stats) => "files!".to_owned(),
        SessionState::Queued => "queued".to_owned(),
        SessionState::Checking => "check".to_owned(),
        SessionState::Moving => "move".to_owned(),
        SessionState::Paused => "paused".to_owned(),
        SessionState::Error => "error".to_owned(),
        SessionState::Seeding => String::new(),
        SessionState::Metadata => "magnet".to_owned(),
        SessionState::Downloading => stats.eta.map_or_else(|| "∞".to_owned(), format::duration),
    }
}

/// Whether it runs, and its trackers do not know it: a person has to decide.
pub fn is_unregistered(stats: &SessionStats) -> bool {
    let runs = matches!(stats.state, SessionState::Downloading | SessionState::Seeding);
    runs && stats.unregistered.is_some()
}

/// Whether it goes on where it is, though its files were to be moved.
pub const fn is_unmoved(stats: &SessionStats) -> bool {
    !matches!(stats.state, SessionState::Checking | SessionState::Error) && stats.notice.is_some()
}

/// Eighths of blocks; nothing for what is complete.
fn bar(stats: &SessionStats, cells: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if stats.state == SessionState::Seeding {
        return String::new();
    }
    let (part, whole) = match stats.state {
        SessionState::Error if stats.metadata.is_some() => (0, 0),
        _ if let Some(metadata) = &stats.metadata => (metadata.have.into(), metadata.pieces.into()),
        SessionState::Checking => (u64::from(stats.pieces_checked), u64::from(stats.pieces)),
        SessionState::Moving if stats.move_total > 0 => (stats.move_done, stats.move_total),
        _ => (stats.have, stats.wanted),
    };
    let eighths =
        if whole == 0 { 0 } else { u128::from(part.min(whole)) * cells as u128 * 8 / u128::from(whole) };
    let eighths = eighths as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

/// The sign of what a torrent does, and what it means.
pub const fn glyph(stats: &SessionStats) -> (&'static str, Role) {
    match stats.state {
        SessionState::Downloading if stats.stalled => ("·", Role::Dim),
        SessionState::Downloading => ("↓", Role::Down),
        SessionState::Seeding => ("↑", Role::Up),
        SessionState::Metadata => ("?", Role::Down),
        SessionState::Paused => ("=", Role::Dim),
        SessionState::Queued => ("q", Role::Dim),
        SessionState::Checking => ("c", Role::Warn),
        SessionState::Moving => ("m", Role::Warn),
        SessionState::Error => ("!", Role::Err),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_leave_as_the_screen_narrows() {
        let names = |screen: u16| choose(screen, screen).0.len();
        assert_eq!(choose(39, 39).0, [Column::Done]);
        assert_eq!(choose(60, 60).0, [Column::Done, Column::Rate, Column::Eta]);
        assert_eq!(
            choose(80, 80),
            (vec![Column::Size, Column::Done, Column::Down, Column::Up, Column::Eta], 46)
        );
        assert!(names(120) > names(80) && names(200) > names(120));
        for screen in 0..500 {
            let (columns, name) = choose(screen, screen);
            let taken: usize = columns.iter().map(|column| 1 + column.width(screen)).sum();
            assert!(name >= 24 || columns.len() <= 1, "{screen}: {name}");
            assert!(3 + taken + name <= usize::from(screen) || name == 0, "{screen}");
        }
    }
}
