//! The figures that all torrents share, gathered once a second while somebody looks at them.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::SharedResources;
use crate::stats::GlobalStats;

const EVERY: Duration = Duration::from_secs(1);

/// Room on the disk changes slowly, and asking may wake one.
const FREE_SPACE_EVERY: Duration = Duration::from_secs(5);

/// Seconds without a look after which nothing is gathered until the next one: an engine that nobody
/// watches sleeps.
const UNWATCHED: u32 = 10;

/// Keeps the totals on the board for as long as the engine runs.
pub fn keep(shared: &Arc<SharedResources>) {
    let mut stopping = shared.stopping();
    let board = shared.board().clone();
    let mut keeper = Keeper { free: None, asked: None, answer: None };
    // Where peers can call is worth knowing from the start.
    keeper.pin(shared);
    let engine = Arc::downgrade(shared);
    shared.tasks().spawn(async move {
        let (mut seen, mut unwatched) = (board.looks(), UNWATCHED);
        loop {
            let looked = board.looked();
            let pause = async {
                if unwatched < UNWATCHED || board.looks() != seen {
                    tokio::time::sleep(EVERY).await;
                } else {
                    looked.await;
                }
            };
            tokio::select! {
                _ = stopping.wait_for(|stopping| *stopping) => return,
                free = keeper.answered() => keeper.free = free,
                () = pause => {
                    let looks = board.looks();
                    unwatched = if looks == seen { unwatched + 1 } else { 0 };
                    seen = looks;
                }
            }
            let Some(shared) = engine.upgrade() else { return };
            keeper.ask(&shared);
            keeper.pin(&shared);
        }
    });
}

type Answer = Pin<Box<dyn Future<Output = Option<u64>> + Send>>;

struct Keeper {
    free: Option<u64>,
    asked: Option<Instant>,
    /// On its way: a disk that is busy or hangs holds up nothing else.
    answer: Option<Answer>,
}

impl Keeper {
    /// The answer about room, once it is there.
    async fn answered(&mut self) -> Option<u64> {
        let Some(answer) = &mut self.answer else { return std::future::pending().await };
        let free = answer.await;
        self.answer = None;
        free
    }

    fn ask(&mut self, shared: &SharedResources) {
        let now = Instant::now();
        if self.answer.is_none() && self.asked.is_none_or(|at| now.duration_since(at) >= FREE_SPACE_EVERY) {
            self.asked = Some(now);
            let (disk, folder) = (shared.disk().clone(), shared.config().download_dir.clone());
            self.answer = Some(Box::pin(async move { disk.free_space(folder).await }));
        }
    }

    fn pin(&self, shared: &SharedResources) {
        pin(shared, self.free);
    }
}

/// Puts the totals up.
fn pin(shared: &SharedResources, free_space: Option<u64>) {
    let listening = shared.listening();
    let settings = shared.settings();
    let global = GlobalStats {
        download_dir: shared.config().download_dir.clone(),
        free_space,
        limits: settings.speed_now(),
        alternative: settings.use_alternative,
        banned: shared.ban_count(),
        dht: shared.dht.stats(),
        mapping: shared.mapping(),
        listening: listening.addresses,
        listen_error: listening.error,
        incoming_seen: shared.incoming_seen.load(Ordering::Relaxed),
        ..GlobalStats::default()
    };
    shared.board.pin_global(global);
}

/// Puts the totals up with what has changed since, the room on the disk aside.
pub fn refresh(shared: &SharedResources) {
    pin(shared, shared.board.totals().free_space);
}
