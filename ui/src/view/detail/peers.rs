//! Tab 3: the connected peers, fastest first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tc_core::stats::{LinkEncryption, PeerSource, PeerStats, Transport};

use super::{cursor_sign, mark_cursor, nothing};
use crate::format;
use crate::state::AppState;
use crate::state::table::{Row, runs};
use crate::theme::Role;
use crate::view::style;
use crate::widget::paint::Pen;

const LEGEND: [&str; 2] = [
    "D/d we want, they (un)choke · U/u they want · X pex · H dht · L lsd",
    "O optimistic · I incoming · K snubbed · F fast · E encrypted, e its greeting",
];

/// Widths from which there are flags and what goes with them.
const FLAGS_FROM: u16 = 72;
/// Columns of the two last headings, with the space before them.
const NET: usize = 6;
/// Flags of a peer that has many of them.
const FLAGS: usize = 8;
const FROM: usize = 10;

/// Rows of the list: all but the heading, and sum and legend where there is room.
pub const fn rows(area: Rect) -> u16 {
    area.height.saturating_sub(1 + below(area))
}

/// Rows below the list: a blank, the sum, and what the flags mean where they are shown.
const fn below(area: Rect) -> u16 {
    match (area.height >= 12, area.width >= FLAGS_FROM) {
        (true, true) => 4,
        (true, false) => 2,
        (false, _) => 0,
    }
}

/// Draws heading, peers, sum and legend.
pub fn draw(state: &AppState, buffer: &mut Buffer, area: Rect) {
    let dim = style(state, Role::Dim);
    let (Some(peers), Some(row)) = (&state.detail.peers, state.table.current()) else {
        return nothing(state, buffer, area, "…");
    };
    if peers.is_empty() {
        nothing(state, buffer, area, &nobody(row));
    }
    let wide = area.width >= FLAGS_FROM;
    let widest = area.width >= 100;
    let numbers = if wide { FLAGS + 7 + 7 + 7 + NET } else { 7 + 7 } + if widest { FROM } else { 0 };
    let text = usize::from(area.width).saturating_sub(1 + numbers + 1);
    // An IPv6 address with its port has up to 47 columns; more than half is never given away.
    let address = (text / 2).min(48);
    let client = text - address;
    let mut pen = Pen::new(buffer, area, 0);
    pen.skip(1).left("Address", address, dim).left("Client", client, dim);
    if wide {
        pen.left("Flags", FLAGS, dim).right("Done", 7, dim);
    }
    pen.right("↓/s", 7, dim).right("↑/s", 7, dim);
    if wide {
        pen.skip(1).left("Net", NET - 1, dim);
    }
    if widest {
        pen.left("From", FROM, dim);
    }
    let top = state.detail.scroll().top;
    for (at, peer) in peers.iter().enumerate().skip(top).take(rows(area).into()) {
        let y = 1 + (at - top) as u16;
        let mut pen = Pen::new(buffer, area, y);
        pen.put(cursor_sign(state, at), style(state, Role::Text));
        pen.left(&peer.address.to_string(), address.saturating_sub(1), style(state, Role::Text)).skip(1);
        pen.left(&peer.client.to_string(), client.saturating_sub(1), dim).skip(1);
        if wide {
            pen.left(&flags(peer), FLAGS, dim);
            pen.right(&format::permille(peer.progress), 7, style(state, Role::Text));
        }
        pen.right(&format::rate(peer.rate_down), 7, style(state, Role::Down));
        pen.right(&format::rate(peer.rate_up), 7, style(state, Role::Up));
        if wide {
            pen.skip(1).left(net(peer), NET - 1, dim);
        }
        if widest {
            pen.left(from(peer), FROM, dim);
        }
        mark_cursor(state, buffer, area, y, at);
    }
    if area.height >= 12 {
        let mut sum = format!("{} connected", peers.len());
        if row.stats.connecting_peers > 0 {
            sum += &format!(" · {} connecting", row.stats.connecting_peers);
        }
        sum += &format!(" · {} known", row.stats.known_peers);
        if state.global.banned > 0 {
            sum += &format!(" · {} banned", state.global.banned);
        }
        Pen::new(buffer, area, area.height - below(area) + 1).skip(1).put(&sum, dim);
        for (at, line) in LEGEND.iter().enumerate().filter(|_| wide) {
            Pen::new(buffer, area, area.height - 2 + at as u16).skip(1).put(line, dim);
        }
    }
}

/// Why nobody is there, as far as can be told.
fn nobody(row: &Row) -> String {
    let stats = &row.stats;
    match (runs(stats.state), stats.connecting_peers, stats.known_peers) {
        (false, ..) => "No peers: the torrent does not run.".to_owned(),
        (true, 0, 0) => "No peers are known yet; the Trackers tab says when they are asked again.".to_owned(),
        (true, 0, known) => format!("No peer is connected; {known} known."),
        (true, connecting, known) => {
            format!("No peer is connected yet: calling {connecting} of {known} known.")
        }
    }
}

/// How it is connected.
const fn net(peer: &PeerStats) -> &'static str {
    match (peer.transport, peer.address.is_ipv6()) {
        (Transport::Tcp, false) => "tcp",
        (Transport::Tcp, true) => "tcp6",
        (Transport::Utp, false) => "utp",
        (Transport::Utp, true) => "utp6",
    }
}

/// How it came to be known.
const fn from(peer: &PeerStats) -> &'static str {
    match peer.source {
        PeerSource::Tracker => "tracker",
        PeerSource::Incoming => "called us",
        PeerSource::Manual => "by hand",
        PeerSource::Dht => "dht",
        PeerSource::Pex => "pex",
        PeerSource::Lsd => "lsd",
        PeerSource::Resume => "last run",
    }
}

fn flags(peer: &PeerStats) -> String {
    let mut flags = String::new();
    if peer.am_interested {
        flags.push(if peer.peer_unchoked { 'D' } else { 'd' });
    }
    if peer.peer_interested {
        flags.push(if peer.am_unchoked { 'U' } else { 'u' });
    }
    let signs = [
        (peer.optimistic, 'O'),
        (peer.incoming, 'I'),
        (peer.snubbed, 'K'),
        (peer.fast, 'F'),
        (peer.encryption == LinkEncryption::All, 'E'),
        (peer.encryption == LinkEncryption::Handshake, 'e'),
        (peer.source == PeerSource::Pex, 'X'),
        (peer.source == PeerSource::Dht, 'H'),
        (peer.source == PeerSource::Lsd, 'L'),
    ];
    flags.extend(signs.iter().filter(|(set, _)| *set).map(|(_, letter)| letter));
    flags
}
