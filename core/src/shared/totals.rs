//! The figures that all torrents share, gathered once a second while something moves.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::SharedResources;
use crate::stats::GlobalStats;

const EVERY: Duration = Duration::from_secs(1);

/// Keeps the totals on the board for as long as the engine runs.
pub fn keep(shared: &Arc<SharedResources>) {
    let mut stopping = shared.stopping();
    let engine = Arc::downgrade(shared);
    shared.tasks().spawn(async move {
        loop {
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            let Some(shared) = engine.upgrade() else { return };
            pin(&shared);
        }
    });
}

fn pin(shared: &SharedResources) {
    let listening = shared.listening();
    let mut global = GlobalStats {
        listening: listening.addresses,
        listen_error: listening.error,
        incoming_seen: shared.incoming_seen.load(Ordering::Relaxed),
        ..GlobalStats::default()
    };
    shared.board.for_each(|stats| {
        global.rate_down += stats.rate_down;
        global.rate_up += stats.rate_up;
        global.peers += stats.seeds + stats.leechers;
    });
    shared.board.pin_global(global);
}
