//! Looking at what is on disk: trusted pieces by their files' sizes, the others by their hash.
//!
//! Threads of low priority share the checks that wait: one prepares a check, then all take hands of
//! adjacent pieces, so that a file is read from front to end and a disk is not made to seek. Of one
//! device one check runs at a time; those of several devices share the threads.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::bitfield::Bitfield;
use crate::disk::empty::make_after_check;
use crate::disk::io::Io;
use crate::disk::look::{Reader, hash, prepare};
use crate::disk::mount::device_of;
use crate::storage::{CheckPlan, DiskDone, DiskError, Op, Storage};
use crate::types::PieceIndex;

/// Bytes of adjacent pieces that a thread takes at once.
const HAND: u64 = 8 << 20;

/// Ten progress reports a second are as many as a person can see.
const REPORT: Duration = Duration::from_millis(100);

/// The checks that wait or run; of one device, first come first served.
#[derive(Debug)]
pub(crate) struct Checks {
    /// A leaf lock, held to take a hand or give one back; one hand is milliseconds of work.
    inner: Mutex<Inner>,
    filled: Condvar,
}

#[derive(Debug)]
struct Inner {
    runs: VecDeque<Entry>,
    open: bool,
}

#[derive(Debug)]
struct Entry {
    run: Arc<Run>,
    phase: Phase,
    /// What the folder lies on, once that was looked at; a folder on no device is on one of its own.
    device: Option<u64>,
    /// Threads that work on it.
    busy: u32,
    left: Bitfield,
}

#[derive(Debug)]
enum Phase {
    /// Nobody has asked which device it is on.
    New,
    /// Somebody asks.
    Locating,
    /// It waits for its turn.
    Located,
    Preparing,
    /// The pieces to hash, and how many of them were dealt.
    Hashing(Arc<[PieceIndex]>, usize),
    /// All of them were looked at; files of no bytes are being made.
    Ending,
}

/// One check.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) storage: Arc<Storage>,
    pub(super) plan: CheckPlan,
    pub(super) cancelled: AtomicBool,
    checked: AtomicU32,
    pub(super) hashed: AtomicU64,
    /// One unreadable file is told once.
    told: AtomicBool,
    reported: Mutex<Option<Instant>>,
}

enum Task {
    Locate(Arc<Run>),
    Prepare(Arc<Run>),
    Hash(Arc<Run>, Arc<[PieceIndex]>, Range<usize>),
}

impl Checks {
    pub(crate) const fn new() -> Self {
        Self { inner: Mutex::new(Inner { runs: VecDeque::new(), open: true }), filled: Condvar::new() }
    }

    /// Adds a check to the end of the queue.
    pub(crate) fn post(&self, storage: &Arc<Storage>, plan: CheckPlan) {
        let left = Bitfield::new(storage.geometry().pieces());
        let run = Arc::new(Run {
            storage: storage.clone(),
            plan,
            cancelled: AtomicBool::new(false),
            checked: AtomicU32::new(0),
            hashed: AtomicU64::new(0),
            told: AtomicBool::new(false),
            reported: Mutex::new(None),
        });
        let mut inner = self.lock();
        if inner.open {
            inner.runs.push_back(Entry { run, phase: Phase::New, device: None, busy: 0, left });
            drop(inner);
            self.filled.notify_all();
        }
    }

    /// Ends the checks of a storage soon; each tells [`DiskDone::CheckStopped`].
    pub(crate) fn cancel(&self, storage: &Storage) {
        let inner = self.lock();
        for entry in inner.runs.iter().filter(|entry| entry.run.storage.id() == storage.id()) {
            entry.run.cancelled.store(true, Ordering::Release);
        }
        drop(inner);
        self.filled.notify_all();
    }

    /// Ends all checks soon and lets the threads go.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.open = false;
        for entry in &inner.runs {
            entry.run.cancelled.store(true, Ordering::Release);
        }
        drop(inner);
        self.filled.notify_all();
    }

    /// Works until closed.
    pub(crate) fn run(&self, io: &Io) {
        // In Linux this is a matter of the thread. Without the right to it the check is only less
        // polite.
        let _ = rustix::process::setpriority_process(None, 10);
        let mut reader = Reader::new(io);
        while let Some(task) = self.take() {
            match task {
                Task::Locate(run) => {
                    let device = device_of(io, run.storage.layout().root());
                    self.located(&run, device);
                }
                Task::Prepare(run) => match prepare(io, &run) {
                    Some(list) => self.prepared(io, &run, list),
                    None => self.not_there(&run),
                },
                Task::Hash(run, list, range) => {
                    let done = hash(&mut reader, &run, &list[range.clone()]);
                    self.give_back(io, &run, &list[range.start + done..range.end]);
                }
            }
        }
    }

    fn take(&self) -> Option<Task> {
        let mut inner = self.lock();
        loop {
            inner.end_cancelled();
            if let Some(task) = inner.deal() {
                return Some(task);
            }
            if !inner.open {
                return None;
            }
            inner = self.filled.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn located(&self, run: &Arc<Run>, device: Option<u64>) {
        let mut inner = self.lock();
        if let Some(entry) = inner.entry(run) {
            entry.phase = Phase::Located;
            entry.device = device;
        }
        inner.finish(run);
        drop(inner);
        self.filled.notify_all();
    }

    /// Nothing was looked at: it ends as one that was cancelled before its turn.
    fn not_there(&self, run: &Arc<Run>) {
        let mut inner = self.lock();
        if let Some(entry) = inner.entry(run) {
            entry.phase = Phase::Located;
        }
        run.cancelled.store(true, Ordering::Release);
        inner.finish(run);
        drop(inner);
        self.filled.notify_all();
    }

    fn prepared(&self, io: &Io, run: &Arc<Run>, list: Vec<PieceIndex>) {
        let mut inner = self.lock();
        if let Some(entry) = inner.entry(run) {
            entry.phase = Phase::Hashing(list.into(), 0);
        }
        self.go_on(io, run, inner);
        self.filled.notify_all();
    }

    fn give_back(&self, io: &Io, run: &Arc<Run>, left: &[PieceIndex]) {
        let mut inner = self.lock();
        if let Some(entry) = inner.entry(run) {
            left.iter().for_each(|piece| {
                entry.left.set(*piece);
            });
        }
        self.go_on(io, run, inner);
    }

    /// A thread has done its part of a check. The last one ends it, and waits for the disk without the lock.
    fn go_on<'a>(&'a self, io: &Io, run: &Arc<Run>, mut inner: MutexGuard<'a, Inner>) {
        if inner.entry(run).is_some_and(Entry::begin_ending) {
            drop(inner);
            make_after_check(io, run);
            inner = self.lock();
        }
        inner.finish(run);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each change is a field or an element; a panic elsewhere leaves the queue usable.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn deal(&mut self) -> Option<Task> {
        if self.run.cancelled.load(Ordering::Acquire) {
            return None;
        }
        let task = match &mut self.phase {
            Phase::New => {
                self.phase = Phase::Locating;
                Task::Locate(self.run.clone())
            }
            Phase::Located => {
                self.phase = Phase::Preparing;
                Task::Prepare(self.run.clone())
            }
            Phase::Hashing(list, at) if *at < list.len() => {
                let piece_length = u64::from(self.run.storage.geometry().piece_length());
                let count = usize::try_from(HAND / piece_length).unwrap_or(1).clamp(1, list.len() - *at);
                let range = *at..*at + count;
                *at += count;
                Task::Hash(self.run.clone(), list.clone(), range)
            }
            Phase::Locating | Phase::Preparing | Phase::Hashing(..) | Phase::Ending => return None,
        };
        self.busy += 1;
        Some(task)
    }

    const fn is_new(&self) -> bool {
        matches!(self.phase, Phase::New)
    }

    fn is_over(&self) -> bool {
        let cancelled = self.run.cancelled.load(Ordering::Acquire);
        self.busy == 0
            && match &self.phase {
                Phase::New | Phase::Located => cancelled,
                Phase::Locating | Phase::Preparing => false,
                Phase::Hashing(list, at) => cancelled || *at == list.len(),
                Phase::Ending => true,
            }
    }

    /// Whether the only thread that works on it has done the last of it.
    fn begin_ending(&mut self) -> bool {
        let cancelled = self.run.cancelled.load(Ordering::Acquire);
        let last = self.busy == 1 && matches!(&self.phase, Phase::Hashing(list, at) if *at == list.len());
        if last && !cancelled {
            self.phase = Phase::Ending;
        }
        last && !cancelled
    }

    /// Tells the session how it ended.
    fn end(mut self) {
        let bytes_hashed = self.run.hashed.load(Ordering::Acquire);
        let begun = !matches!(self.phase, Phase::New | Phase::Locating | Phase::Located);
        match self.phase {
            Phase::New | Phase::Locating | Phase::Located => self.left.clone_from(&self.run.plan.hash),
            Phase::Hashing(list, at) => list[at..].iter().for_each(|piece| {
                self.left.set(*piece);
            }),
            Phase::Preparing | Phase::Ending => {}
        }
        let storage = &self.run.storage;
        if self.run.cancelled.load(Ordering::Acquire) {
            storage.tell(DiskDone::CheckStopped { left: self.left, bytes_hashed, begun });
        } else {
            self.run.report();
            storage.tell(DiskDone::Checked { bytes_hashed });
        }
    }
}

impl Inner {
    /// The next task: of the checks whose turn it is, for the one that the fewest threads work on.
    fn deal(&mut self) -> Option<Task> {
        // Asking for the device takes one call, so that is done first of all.
        if let Some(task) = self.runs.iter_mut().filter(|entry| entry.is_new()).find_map(Entry::deal) {
            return Some(task);
        }
        let (mut devices, mut turn) = (Vec::new(), Vec::new());
        for (at, entry) in self.runs.iter().enumerate() {
            let waits = entry.device.is_some() && devices.contains(&entry.device);
            if !waits && !matches!(entry.phase, Phase::Locating) {
                devices.push(entry.device);
                turn.push((entry.busy, at));
            }
        }
        turn.sort_unstable();
        turn.into_iter().find_map(|(_, at)| self.runs[at].deal())
    }

    fn entry(&mut self, run: &Arc<Run>) -> Option<&mut Entry> {
        self.runs.iter_mut().find(|entry| Arc::ptr_eq(&entry.run, run))
    }

    fn finish(&mut self, run: &Arc<Run>) {
        if let Some(entry) = self.entry(run) {
            entry.busy -= 1;
        }
        self.end_where(|entry| Arc::ptr_eq(&entry.run, run));
    }

    fn end_cancelled(&mut self) {
        self.end_where(|_| true);
    }

    fn end_where(&mut self, which: impl Fn(&Entry) -> bool) {
        while let Some(at) = self.runs.iter().position(|entry| which(entry) && entry.is_over()) {
            if let Some(entry) = self.runs.remove(at) {
                entry.end();
            }
        }
    }
}

impl Run {
    fn report(&self) {
        let checked = self.checked.load(Ordering::Acquire);
        self.storage.tell(DiskDone::CheckProgress { checked, have: self.storage.verified_count() });
    }

    pub(super) fn looked_at(&self, pieces: u32) {
        self.checked.fetch_add(pieces, Ordering::AcqRel);
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if reported.is_none_or(|last| now.duration_since(last) >= REPORT) {
            *reported = Some(now);
            drop(reported);
            self.report();
        }
    }

    pub(super) fn fail(&self, file: Option<usize>, error: DiskError) {
        if !self.told.swap(true, Ordering::AcqRel) {
            self.storage.tell_error(Op::Check, file, None, error);
        }
    }
}
