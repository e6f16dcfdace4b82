//! Looking at what is on disk: trusted pieces by their files' sizes, the others by their hash.
//!
//! Threads of low priority share the checks that wait: one prepares a check, then all take hands of
//! adjacent pieces, so that a file is read from front to end and a disk is not made to seek.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::FileType;
use sha1::{Digest, Sha1};

use crate::bitfield::Bitfield;
use crate::disk::backend::OpenFile;
use crate::disk::io::{Fault, Io};
use crate::storage::{CheckPlan, DiskDone, DiskError, Op, Storage};
use crate::types::PieceIndex;

/// Bytes of adjacent pieces that a thread takes at once.
const HAND: u64 = 8 << 20;

/// Bytes read at once: large enough that the system call does not show, small enough to be hashed
/// from the processor's cache.
const CHUNK: usize = 1 << 20;

/// Ten progress reports a second are as many as a person can see.
const REPORT: Duration = Duration::from_millis(100);

/// The checks that wait or run, first come first served.
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
    /// Threads that work on it.
    busy: u32,
    left: Bitfield,
}

#[derive(Debug)]
enum Phase {
    New,
    Preparing,
    /// The pieces to hash, and how many of them were dealt.
    Hashing(Arc<[PieceIndex]>, usize),
}

/// One check.
#[derive(Debug)]
struct Run {
    storage: Arc<Storage>,
    plan: CheckPlan,
    cancelled: AtomicBool,
    checked: AtomicU32,
    hashed: AtomicU64,
    /// One unreadable file is told once.
    told: AtomicBool,
    reported: Mutex<Option<Instant>>,
}

enum Task {
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
            inner.runs.push_back(Entry { run, phase: Phase::New, busy: 0, left });
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
        let mut reader = Reader { io, buffer: Vec::new(), open: None };
        while let Some(task) = self.take() {
            match task {
                Task::Prepare(run) => {
                    let list = prepare(io, &run);
                    self.prepared(&run, list);
                }
                Task::Hash(run, list, range) => {
                    let done = hash(&mut reader, &run, &list[range.clone()]);
                    self.give_back(&run, &list[range.start + done..range.end]);
                }
            }
        }
    }

    fn take(&self) -> Option<Task> {
        let mut inner = self.lock();
        loop {
            inner.end_cancelled();
            if let Some(task) = inner.runs.iter_mut().find_map(Entry::deal) {
                return Some(task);
            }
            if !inner.open {
                return None;
            }
            inner = self.filled.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn prepared(&self, run: &Arc<Run>, list: Vec<PieceIndex>) {
        let mut inner = self.lock();
        if let Some(entry) = inner.entry(run) {
            entry.phase = Phase::Hashing(list.into(), 0);
        }
        inner.finish(run);
        drop(inner);
        self.filled.notify_all();
    }

    fn give_back(&self, run: &Arc<Run>, left: &[PieceIndex]) {
        let mut inner = self.lock();
        if let Some(entry) = inner.entry(run) {
            left.iter().for_each(|piece| {
                entry.left.set(*piece);
            });
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
            Phase::Preparing | Phase::Hashing(..) => return None,
        };
        self.busy += 1;
        Some(task)
    }

    fn is_over(&self) -> bool {
        let cancelled = self.run.cancelled.load(Ordering::Acquire);
        self.busy == 0
            && match &self.phase {
                Phase::New => cancelled,
                Phase::Preparing => false,
                Phase::Hashing(list, at) => cancelled || *at == list.len(),
            }
    }

    /// Tells the session how it ended.
    fn end(mut self) {
        let bytes_hashed = self.run.hashed.load(Ordering::Acquire);
        match self.phase {
            Phase::New => self.left.clone_from(&self.run.plan.hash),
            Phase::Hashing(list, at) => list[at..].iter().for_each(|piece| {
                self.left.set(*piece);
            }),
            Phase::Preparing => {}
        }
        let storage = &self.run.storage;
        if self.run.cancelled.load(Ordering::Acquire) {
            storage.tell(DiskDone::CheckStopped { left: self.left, bytes_hashed });
        } else {
            self.run.report();
            storage.tell(DiskDone::Checked { bytes_hashed });
        }
    }
}

impl Inner {
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

    fn looked_at(&self, pieces: u32) {
        self.checked.fetch_add(pieces, Ordering::AcqRel);
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if reported.is_none_or(|last| now.duration_since(last) >= REPORT) {
            *reported = Some(now);
            drop(reported);
            self.report();
        }
    }

    fn fail(&self, file: Option<usize>, error: DiskError) {
        if !self.told.swap(true, Ordering::AcqRel) {
            self.storage.tell_error(Op::Check, file, None, error);
        }
    }
}

/// Looks at every file once, accepts what is trusted, and lists what is to be hashed.
fn prepare(io: &Io, run: &Run) -> Vec<PieceIndex> {
    let (storage, plan) = (&run.storage, &run.plan);
    let layout = storage.layout();
    plan.hash.iter().for_each(|piece| {
        storage.unmark(piece);
    });
    let trusted_file = |at: usize| layout.pieces_of(at).any(|piece| plan.trust.get(piece));
    let mut doubtful = vec![false; layout.files().len()];
    let mut stats = vec![None; layout.files().len()];
    let sizes: Vec<Option<u64>> = (0..layout.files().len())
        .map(|at| {
            let file = &layout.files()[at];
            if file.pad {
                return Some(u64::MAX);
            }
            let complete = storage.file(at).is_complete();
            let size = match io.backend.stat(&layout.path(at)) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                    let now = storage.file(at).note(&stat, complete);
                    stats[at] = Some(stat);
                    let known = plan.stamps.get(at).is_none_or(|stamp| stamp.is_plausible(&now));
                    doubtful[at] = !known || now.size > file.length;
                    Some(u64::try_from(stat.st_size).unwrap_or(0))
                }
                Ok(_) => {
                    run.fail(Some(at), DiskError::NotAFile);
                    None
                }
                Err(error) => {
                    let fault = io.fault(storage, at, &error);
                    // That a file was never made is no fault.
                    if fault.error != DiskError::Vanished || trusted_file(at) {
                        run.fail(Some(at), fault.error);
                    }
                    None
                }
            };
            storage.file(at).set_expected(size.is_some() || trusted_file(at));
            size
        })
        .collect();
    let mut list = Vec::new();
    let mut skipped = 0;
    for piece in storage.geometry().all_pieces() {
        let (trust, hash) = (plan.trust.get(piece), plan.hash.get(piece));
        if !trust && !hash {
            continue;
        }
        let there = layout
            .piece_spans(piece)
            .all(|span| sizes[span.file].is_some_and(|size| span.offset + span.length <= size));
        let doubtful = layout.piece_spans(piece).any(|span| doubtful[span.file]);
        if there && trust && !hash && !doubtful {
            storage.mark(piece);
            // It comes from a record, and a record holds what was synced.
            storage.synced().set(piece);
        } else {
            storage.unmark(piece);
            if there {
                list.push(piece);
                continue;
            }
        }
        skipped += 1;
    }
    // A file that is complete by what is trusted looked like that before anybody could write to it.
    for (at, stat) in stats.iter().enumerate() {
        if let Some(stat) = stat
            && storage.file(at).is_complete()
        {
            storage.file(at).note(stat, true);
        }
    }
    if skipped > 0 {
        run.looked_at(skipped);
    }
    // A torrent of empty files only is complete without a write.
    if storage.geometry().total() == 0
        && let Err(fault) = io.make_empty_files(storage)
    {
        run.fail(fault.file, fault.error);
    }
    list
}

/// Hashes adjacent pieces; says how many before it was cancelled.
fn hash(reader: &mut Reader<'_>, run: &Run, pieces: &[PieceIndex]) -> usize {
    let storage = &run.storage;
    for (done, piece) in pieces.iter().enumerate() {
        match reader.hash(run, *piece) {
            Ok(None) => {
                reader.open = None;
                return done;
            }
            Ok(Some(hash)) => {
                run.hashed.fetch_add(u64::from(storage.geometry().piece_size(*piece)), Ordering::AcqRel);
                if hash == storage.layout().piece_hash(*piece) {
                    // It was read, perhaps from memory that the last run left behind: what is
                    // claimed for good has to be synced.
                    for span in storage.layout().piece_spans(*piece) {
                        if !storage.layout().files()[span.file].pad {
                            storage.file(span.file).set_dirty();
                        }
                    }
                    storage.mark(*piece);
                }
            }
            Err(fault) => run.fail(fault.file, fault.error),
        }
        run.looked_at(1);
    }
    reader.open = None;
    pieces.len()
}

/// Reads from front to end, past the cache of open files: a check must not close those that live
/// traffic uses.
struct Reader<'a> {
    io: &'a Io,
    buffer: Vec<u8>,
    open: Option<(usize, OpenFile)>,
}

impl Reader<'_> {
    /// The SHA-1 of what is on disk; `None` when cancelled.
    fn hash(&mut self, run: &Run, piece: PieceIndex) -> Result<Option<[u8; 20]>, Fault> {
        let storage = &run.storage;
        let mut hash = Sha1::new();
        self.buffer.resize(CHUNK, 0);
        for span in storage.layout().piece_spans(piece) {
            let pad = storage.layout().files()[span.file].pad;
            let mut at = span.offset;
            let end = span.offset + span.length;
            while at < end {
                if run.cancelled.load(Ordering::Acquire) {
                    return Ok(None);
                }
                let part = &mut self.buffer[..usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK)];
                if pad {
                    part.fill(0);
                } else {
                    let file = match &self.open {
                        Some((open, file)) if *open == span.file => file,
                        _ => {
                            let file = self.io.open(storage, span.file, false)?;
                            advise(&file);
                            &self.open.insert((span.file, file)).1
                        }
                    };
                    self.io
                        .read_span(file, part, at)
                        .map_err(|error| self.io.fault(storage, span.file, &error))?;
                }
                hash.update(&*part);
                at += part.len() as u64;
            }
        }
        Ok(Some(hash.finalize().into()))
    }
}

/// Asks for a longer read-ahead.
fn advise(file: &OpenFile) {
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(&file.file, 0, None, rustix::fs::Advice::Sequential);
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}
