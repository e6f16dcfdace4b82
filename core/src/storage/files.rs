//! What a storage remembers of each of its files while it is open.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::Stat;
use serde::{Deserialize, Serialize};

/// What tells whether a file is still the one we wrote: kept in a resume record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp {
    /// Bytes.
    pub size: u64,
    /// Time of the last change of its data, nanoseconds since 1970.
    pub mtime_ns: i64,
    /// Its number in the file system; 0 when the file was not there.
    pub inode: u64,
    /// Whether all its pieces were verified. Only then nobody should write to it any more, and the
    /// time says something.
    pub complete: bool,
}

impl FileStamp {
    /// Whether a file that looks like `now` can still be the one that this stamp was taken of. A
    /// complete file is not written to: its size and time stay. One that was still being written
    /// has grown or stayed, in place.
    pub const fn is_plausible(&self, now: &Self) -> bool {
        if self.complete {
            self.size == now.size && self.mtime_ns == now.mtime_ns
        } else {
            self.inode == now.inode && self.size <= now.size
        }
    }

    /// From what the system says of a file.
    pub(crate) fn new(stat: &Stat, complete: bool) -> Self {
        // The types of these fields differ between architectures.
        #[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
        Self {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime_ns: (stat.st_mtime as i64)
                .saturating_mul(1_000_000_000)
                .saturating_add(stat.st_mtime_nsec as i64),
            inode: stat.st_ino as u64,
            complete,
        }
    }
}

/// Written to since the last sync.
const DIRTY: u8 = 1;
/// Made since the last sync: its folders need a sync too.
const CREATED: u8 = 2;
/// It was there, so it is not made anew when it is gone.
const EXPECTED: u8 = 4;

/// Nobody wants it.
const UNWANTED: u8 = 8;
/// Its bytes lie in the part file. Changed behind a closed gate.
const PARTED: u8 = 16;
/// It is, or would be, called `NAME.part` on disk. Changed behind a closed gate.
const SUFFIXED: u8 = 32;

/// One file's state. The flags are set by whoever writes and taken by whoever syncs.
#[derive(Debug, Default)]
pub(crate) struct FileState {
    /// Pieces of it that are not verified. Wraps for a moment when two threads count a piece up and
    /// down at once; it then is not 0, which only delays the comparison of stamps.
    missing: AtomicU32,
    flags: AtomicU8,
    /// Bytes that the file has at least, by what was written to it: with fewer, somebody cut it short.
    reach: AtomicU64,
    /// How the file looked since it is complete, or else when it was last looked at. A leaf lock, held to copy.
    stamp: Mutex<Stamp>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Stamp {
    seen: FileStamp,
    /// Nothing of ours changes the file after this stamp was taken.
    settled: bool,
}

impl FileState {
    pub(crate) fn new(pieces: u32) -> Self {
        Self { missing: AtomicU32::new(pieces), ..Self::default() }
    }

    /// The file was written to up to here.
    pub(crate) fn reached(&self, end: u64) {
        self.reach.fetch_max(end, Ordering::AcqRel);
    }

    /// Bytes that it has at least. Ask before the system is asked: it may be written to meanwhile.
    pub(crate) fn reach(&self) -> u64 {
        self.reach.load(Ordering::Acquire)
    }

    /// What was known of its size is known no more.
    pub(crate) fn forget_reach(&self) {
        self.reach.store(0, Ordering::Release);
    }

    /// A piece of it was verified.
    pub(crate) fn gained(&self) {
        self.missing.fetch_sub(1, Ordering::AcqRel);
    }

    /// A piece of it is no longer verified.
    pub(crate) fn lost(&self) {
        self.missing.fetch_add(1, Ordering::AcqRel);
        self.stamp().settled = false;
    }

    /// Whether all its pieces are verified.
    pub(crate) fn is_complete(&self) -> bool {
        self.missing.load(Ordering::Acquire) == 0
    }

    pub(crate) fn set_dirty(&self) {
        // Mostly set already; a plain load keeps the cache line shared.
        if self.flags.load(Ordering::Acquire) & DIRTY == 0 {
            self.flags.fetch_or(DIRTY, Ordering::AcqRel);
        }
    }

    pub(crate) fn set_created(&self) {
        self.flags.fetch_or(DIRTY | CREATED | EXPECTED, Ordering::AcqRel);
    }

    pub(crate) fn set_expected(&self, expected: bool) {
        self.set(EXPECTED, expected);
    }

    pub(crate) fn is_expected(&self) -> bool {
        self.is(EXPECTED)
    }

    pub(crate) fn is_dirty(&self) -> bool {
        self.is(DIRTY)
    }

    /// Says whether that is news.
    pub(crate) fn set_unwanted(&self, unwanted: bool) -> bool {
        self.set(UNWANTED, unwanted) != unwanted
    }

    pub(crate) fn is_unwanted(&self) -> bool {
        self.is(UNWANTED)
    }

    pub(crate) fn set_parted(&self, parted: bool) {
        self.set(PARTED, parted);
    }

    pub(crate) fn is_parted(&self) -> bool {
        self.is(PARTED)
    }

    pub(crate) fn set_suffixed(&self, suffixed: bool) {
        self.set(SUFFIXED, suffixed);
    }

    pub(crate) fn is_suffixed(&self) -> bool {
        self.is(SUFFIXED)
    }

    fn is(&self, flag: u8) -> bool {
        self.flags.load(Ordering::Acquire) & flag != 0
    }

    /// Says whether it was set before.
    fn set(&self, flag: u8, set: bool) -> bool {
        let before = if set {
            self.flags.fetch_or(flag, Ordering::AcqRel)
        } else {
            self.flags.fetch_and(!flag, Ordering::AcqRel)
        };
        before & flag != 0
    }

    /// Takes the marks off: whether it was written to, and whether it was made.
    pub(crate) fn take_dirty(&self) -> (bool, bool) {
        let flags = self.flags.fetch_and(!(DIRTY | CREATED), Ordering::AcqRel);
        (flags & DIRTY != 0, flags & CREATED != 0)
    }

    /// Notes how the file looks now. `complete` is what [`is_complete`](Self::is_complete) said
    /// before the system was asked: else the last write may come between the two.
    pub(crate) fn note(&self, stat: &Stat, complete: bool) -> FileStamp {
        let seen = FileStamp::new(stat, complete);
        *self.stamp() = Stamp { seen, settled: complete };
        seen
    }

    /// How the file looked when it was last noted.
    pub(crate) fn seen(&self) -> FileStamp {
        self.stamp().seen
    }

    /// Whether a file that was complete before the system was asked still looks as it did. The first
    /// look at it is what later ones are compared with.
    pub(crate) fn is_unchanged(&self, stat: &Stat) -> bool {
        let now = FileStamp::new(stat, true);
        let mut stamp = self.stamp();
        if stamp.settled {
            (stamp.seen.size, stamp.seen.mtime_ns) == (now.size, now.mtime_ns)
        } else {
            *stamp = Stamp { seen: now, settled: true };
            true
        }
    }

    fn stamp(&self) -> std::sync::MutexGuard<'_, Stamp> {
        self.stamp.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
