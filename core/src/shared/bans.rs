//! The bans of all torrents: looked at where peers are learnt, dialled and let in, kept over restarts.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use super::SharedResources;
use crate::event::{Event, Kind};
use crate::peer::bans::{Ban, Bans};
use crate::resume::SavedBan;
use crate::stats::BanStats;
use crate::types::{BanReason, BanTarget, UnixTime};

/// A leaf lock around the bans, held for a look-up or a change, and a count of changes.
#[derive(Debug, Default)]
pub struct SharedBans {
    bans: RwLock<Bans>,
    changes: AtomicU64,
}

impl SharedBans {
    /// What the last run kept; what has ended since is left out.
    pub(super) fn resume(saved: Vec<SavedBan>) -> Self {
        let (now, wall) = (clock(), UnixTime::now());
        let mut bans = Bans::default();
        for SavedBan { target, reason, until } in saved {
            let left = Duration::from_secs(until.0.saturating_sub(wall.0).min(1 << 32));
            bans.put(now, Ban { target, reason, until: now + left });
        }
        Self { bans: RwLock::new(bans), changes: AtomicU64::new(0) }
    }

    fn read(&self) -> RwLockReadGuard<'_, Bans> {
        // A ban goes in and out whole, so a panic elsewhere leaves them usable.
        self.bans.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Bans) -> T) -> T {
        let changed = change(&mut self.bans.write().unwrap_or_else(PoisonError::into_inner));
        self.changes.fetch_add(1, Ordering::Release);
        changed
    }
}

impl SharedResources {
    /// Bans a peer for 24 hours, for all torrents and over restarts. Links to it end within about a
    /// second. Says whether it was not banned before.
    ///
    /// By address; by address and port on loopback and private ranges, where many peers share one.
    pub fn ban(&self, address: SocketAddr) -> bool {
        let banned = self.ban_for(address, BanReason::ByHand);
        if banned {
            self.hub.publish(Kind::PeerBanned, || Event::PeerBanned {
                address,
                why: BanReason::ByHand.to_string().into(),
            });
        }
        banned
    }

    /// [`ban`](Self::ban) for another reason, where the caller tells of it.
    pub(crate) fn ban_for(&self, address: SocketAddr, reason: BanReason) -> bool {
        let banned = self.bans.change(|bans| bans.ban(clock(), address, reason));
        if banned {
            self.save_bans();
        }
        banned
    }

    /// Somebody who called from this address lied. Where it is on a loopback or private range, a liar comes
    /// back from another port; when that happened again and again, nothing is fetched for 24 hours from who
    /// calls from there.
    pub(crate) fn distrust_callers(&self, address: SocketAddr, reason: BanReason) {
        if self.bans.change(|bans| bans.distrust_callers(clock(), address, reason)) {
            self.save_bans();
        }
    }

    /// Whether nothing is to be fetched from who calls from this address.
    pub(crate) fn distrusts_callers(&self, address: SocketAddr) -> bool {
        self.bans.read().distrusts_callers(clock(), address)
    }

    /// Ends a ban before its time. Says whether there was one.
    pub fn lift_ban(&self, target: BanTarget) -> bool {
        let lifted = self.bans.change(|bans| bans.lift(target));
        if lifted {
            self.save_bans();
        }
        lifted
    }

    /// Whether the peer at this address is banned.
    pub fn is_banned(&self, address: SocketAddr) -> bool {
        self.bans.read().is_banned(clock(), address)
    }

    /// The bans that last, the newest first.
    pub fn bans(&self) -> Vec<BanStats> {
        let now = clock();
        let stats = |ban: Ban| BanStats {
            target: ban.target,
            reason: ban.reason,
            left: ban.until.saturating_duration_since(now).as_secs(),
        };
        self.bans.read().list(now).into_iter().map(stats).collect()
    }

    /// Number of bans that last.
    pub fn ban_count(&self) -> u32 {
        self.bans.read().len(clock()) as u32
    }

    /// Grows with each change of the bans: who has seen this number need not look again.
    pub(crate) fn ban_changes(&self) -> u64 {
        self.bans.changes.load(Ordering::Acquire)
    }

    fn save_bans(&self) {
        let Some(store) = &self.store else { return };
        let (now, wall) = (clock(), UnixTime::now());
        let save = |ban: Ban| SavedBan {
            target: ban.target,
            reason: ban.reason,
            until: UnixTime(wall.0 + ban.until.saturating_duration_since(now).as_secs()),
        };
        // Under the lock: what is posted last is newest.
        let bans = self.bans.read();
        store.put_bans(bans.list(now).into_iter().map(save).collect());
    }
}

/// Tests may pause it.
fn clock() -> Instant {
    tokio::time::Instant::now().into_std()
}
