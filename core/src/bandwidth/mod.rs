//! Who may send and receive how much: one limiter for the engine, one below it for each torrent, in
//! each direction.
//!
//! Fair by turns. Those who want bytes of one limiter stand in line and get a *quantum* each, at most
//! 16 KiB, then go to the end of the line. Of one torrent only the first in its line stands in the
//! line of the engine, and always takes a whole quantum there, of which the next in its line live on.
//! So the share of a torrent does not depend on how many links it has, nor on the size of their
//! messages.

pub mod bucket;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use self::bucket::TokenBucket;
use crate::types::BLOCK_SIZE;

/// What one turn brings at most: a block.
const QUANTUM: u32 = BLOCK_SIZE;

/// A limit above torrents gives this many turns a second where it is slow: twenty torrents then wait less
/// than a tenth of a second for their next one.
const TURNS: u64 = 256;

/// A turn brings no less than this: a message with its header, many times over.
const LEAST_QUANTUM: u32 = 256;

/// Who waits for bytes looks this often a second at least.
const NAPS: u64 = 10;

/// A limit that links share. Clones are the same limit.
#[derive(Clone, Debug, Default)]
pub struct Limiter {
    level: Arc<Level>,
}

#[derive(Debug)]
struct Level {
    parent: Option<Limiter>,
    /// Whether `bucket` has a rate; read without the lock, so that no limit costs one load.
    limited: AtomicBool,
    /// A leaf lock: held for arithmetic, never across an await or another lock.
    bucket: Mutex<TokenBucket>,
    /// The line: one permit, given in order of asking. Who holds it is the only one that waits for
    /// the bucket and for the parent.
    turn: Semaphore,
    /// Taken from the parent and not yet passed on, less than a quantum. Written only by the holder
    /// of the turn.
    carried: AtomicU32,
    /// The rate has changed: whose turn it is computes its waiting time anew.
    changed: Notify,
}

impl Default for Level {
    fn default() -> Self {
        Self {
            parent: None,
            limited: AtomicBool::new(false),
            bucket: Mutex::default(),
            turn: Semaphore::new(1),
            carried: AtomicU32::new(0),
            changed: Notify::new(),
        }
    }
}

impl Limiter {
    /// A limiter of its own with these bytes per second; `None`: no limit.
    pub fn new(rate: Option<u64>) -> Self {
        let limiter = Self::default();
        limiter.limit(rate);
        limiter
    }

    /// A limiter below this one: bytes must pass both. Starts without a limit of its own.
    pub fn child(&self) -> Self {
        Self { level: Arc::new(Level { parent: Some(self.clone()), ..Level::default() }) }
    }

    /// Sets the bytes per second; `None`: no limit; 0: nothing passes. Holds at once, also for those
    /// who wait.
    pub fn limit(&self, rate: Option<u64>) {
        self.bucket().set_rate(Instant::now().into_std(), rate);
        self.level.limited.store(rate.is_some(), Ordering::Release);
        self.level.changed.notify_one();
    }

    /// The bytes per second; `None`: no limit of its own.
    pub fn rate(&self) -> Option<u64> {
        self.bucket().rate()
    }

    /// Whether bytes must wait here or above.
    pub fn is_limited(&self) -> bool {
        self.level.limited.load(Ordering::Acquire) || self.level.parent.as_ref().is_some_and(Self::is_limited)
    }

    /// Waits until `want` bytes may pass here and above. When it is dropped before its end, what it
    /// was granted is lost: at most a quarter of a second's worth.
    pub async fn take(&self, want: u32) {
        let mut left = want;
        while left > 0 && self.is_limited() {
            let quantum = left.min(QUANTUM);
            let _turn = self.level.turn.acquire().await.expect("the semaphore is never closed");
            self.pass(quantum).await;
            self.pass_parent(quantum).await;
            if self.level.limited.load(Ordering::Acquire) {
                self.bucket().waited(Instant::now().into_std(), quantum);
            }
            left -= quantum;
        }
    }

    /// These bytes have passed without asking: those who ask make up for them, here and above. For
    /// what must not wait, such as requests and chokes.
    pub fn charge(&self, bytes: u64) {
        if self.level.limited.load(Ordering::Acquire) {
            self.bucket().charge(Instant::now().into_std(), bytes);
        }
        if let Some(parent) = &self.level.parent {
            parent.charge(bytes);
        }
    }

    /// Waits for the own bucket. For the holder of the turn.
    async fn pass(&self, want: u32) {
        let (mut left, mut waited) = (want, false);
        while left > 0 {
            let wait = {
                let now = Instant::now().into_std();
                let mut bucket = self.bucket();
                if std::mem::replace(&mut waited, true) {
                    bucket.waited(now, 0);
                }
                left -= bucket.take(now, left);
                // Short naps: what comes in meanwhile counts among what may be made up for.
                let nap = bucket.rate().map_or(left, |rate| u32::try_from(rate / NAPS).unwrap_or(u32::MAX));
                bucket.until(now, left.min(nap.max(1)))
            };
            match wait {
                _ if left == 0 => {}
                None => self.level.changed.notified().await,
                Some(wait) => tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.level.changed.notified() => {}
                },
            }
        }
    }

    /// Waits for the levels above. For the holder of the turn.
    async fn pass_parent(&self, want: u32) {
        let Some(parent) = self.level.parent.as_ref().filter(|parent| parent.is_limited()) else { return };
        let mut carried = self.level.carried.load(Ordering::Relaxed);
        while carried < want {
            // A slow limit hands out less at a time, so that a round of all torrents stays short.
            let quantum = parent.rate().map_or(QUANTUM, |rate| {
                u32::try_from(rate / TURNS).unwrap_or(QUANTUM).clamp(LEAST_QUANTUM, QUANTUM)
            });
            Box::pin(parent.take(quantum)).await;
            carried += quantum;
            self.level.carried.store(carried, Ordering::Relaxed);
        }
        self.level.carried.store(carried - want, Ordering::Relaxed);
    }

    fn bucket(&self) -> MutexGuard<'_, TokenBucket> {
        self.level.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
