//! Whether two snapshots look the same: numbers are rounded to what is shown before they are
//! compared, so that an idle screen stays idle.

use tc_core::stats::{GlobalStats, SessionStats};

use crate::format;

/// Whether a row and its overview would be drawn alike.
pub fn looks_same(a: &SessionStats, b: &SessionStats) -> bool {
    a.state == b.state
        && a.stalled == b.stalled
        && a.name == b.name
        && a.message == b.message
        && (&a.unregistered, a.retries, a.forced) == (&b.unregistered, b.retries, b.forced)
        && (&a.notice, &a.destination) == (&b.notice, &b.destination)
        && a.save_path == b.save_path
        && a.tracker == b.tracker
        && a.private == b.private
        && (a.seeds, a.leechers, a.swarm) == (b.seeds, b.leechers, b.swarm)
        && (a.known_peers, a.connecting_peers) == (b.known_peers, b.connecting_peers)
        && (a.state != tc_core::stats::SessionState::Moving
            || by(
                a,
                b,
                |s| s.move_done.saturating_mul(1_000) / s.move_total.max(1),
                |tenths| tenths.to_string(),
            ))
        && (a.pieces, a.pieces_have, a.pieces_assumed) == (b.pieces, b.pieces_have, b.pieces_assumed)
        && (a.added, a.completed) == (b.added, b.completed)
        && a.availability / 100 == b.availability / 100
        && by(a, b, |s| s.total_size, format::size)
        && by(a, b, |s| s.wanted, format::size)
        && by(a, b, |s| s.have, format::size)
        && by(a, b, |s| s.wanted.saturating_sub(s.have), format::size)
        && by(a, b, |s| s.rate_down, format::rate)
        && by(a, b, |s| s.rate_up, format::rate)
        && by(a, b, |s| s.uploaded, format::size)
        && by(a, b, |s| s.downloaded, format::size)
        && by(a, b, |s| s.wasted, format::size)
        && by(a, b, |s| s.active_seconds / 60, format::duration)
        && by(a, b, |s| s.eta.unwrap_or(u64::MAX), format::duration)
        && format::percent(a.have, a.wanted) == format::percent(b.have, b.wanted)
        && format::percent(a.pieces_checked.into(), a.pieces.into())
            == format::percent(b.pieces_checked.into(), b.pieces.into())
        && format::ratio(a.ratio()) == format::ratio(b.ratio())
}

/// Whether the header would be drawn alike.
pub fn header_looks_same(a: &GlobalStats, b: &GlobalStats) -> bool {
    let free = |stats: &GlobalStats| stats.free_space.map(format::size);
    format::rate(a.rate_down) == format::rate(b.rate_down)
        && format::rate(a.rate_up) == format::rate(b.rate_up)
        && a.peers == b.peers
        && (a.limits, a.alternative) == (b.limits, b.alternative)
        && a.listen_error == b.listen_error
        && a.mapping == b.mapping
        && a.incoming_seen == b.incoming_seen
        && a.listening == b.listening
        && (a.dht.on, a.dht.good) == (b.dht.on, b.dht.good)
        && a.goodbyes == b.goodbyes
        && free(a) == free(b)
}

/// Most numbers stand still; only the others are put into words.
fn by(
    a: &SessionStats,
    b: &SessionStats,
    number: fn(&SessionStats) -> u64,
    words: fn(u64) -> String,
) -> bool {
    let (a, b) = (number(a), number(b));
    a == b || words(a) == words(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::torrents;

    /// What comes alone, without a number that moves, must be drawn too.
    #[test]
    fn words_that_change_are_seen() {
        let differs = |change: fn(&mut SessionStats)| {
            let before = torrents().remove(0);
            let mut after = before.clone();
            assert!(looks_same(&before, &after));
            change(&mut after);
            !looks_same(&before, &after)
        };
        assert!(differs(|stats| stats.notice = Some("cannot move".into())));
        assert!(differs(|stats| stats.unregistered = Some("not registered".into())));
        assert!(differs(|stats| stats.retries = true));
        assert!(differs(|stats| stats.forced = true));
        assert!(differs(|stats| stats.message = Some("no room".into())));
        assert!(differs(|stats| stats.stalled = true));
        let leaving = GlobalStats { goodbyes: 1, ..GlobalStats::default() };
        assert!(!header_looks_same(&GlobalStats::default(), &leaving));
        let mut found = GlobalStats::default();
        found.dht.good[1] = 1;
        assert!(!header_looks_same(&GlobalStats::default(), &found));
        let listening = vec!["0.0.0.0:51413".parse().unwrap()];
        let listening = GlobalStats { listening, ..GlobalStats::default() };
        assert!(!header_looks_same(&GlobalStats::default(), &listening));
    }
}
