//! What a check does with one torrent: looks at its files, then reads and hashes its pieces.

use std::path::Path;
use std::sync::atomic::Ordering;

use rustix::fs::FileType;
use sha1::{Digest, Sha1};

use super::check::Run;
use crate::disk::backend::OpenFile;
use crate::disk::io::{Fault, Io};
use crate::disk::mount::is_as_it_was;
use crate::disk::sort::try_sort;
use crate::storage::{DiskError, FileStamp, Span, Storage};
use crate::types::PieceIndex;

/// Bytes read at once: large enough that the system call does not show, small enough to be hashed
/// from the processor's cache.
const CHUNK: usize = 1 << 20;

/// Finds out what files are called, and which files' bytes lie in the part file: those that are not there while
/// nobody wants them, or while a move out of it was cut short.
fn find_places(io: &Io, storage: &Storage, stamps: &[FileStamp]) -> Result<(), Fault> {
    let (layout, parts) = (storage.layout(), storage.parts());
    let gate = storage.close_gate();
    let has_parts = io.backend.stat(&layout.path(parts)).is_ok();
    storage.file(parts).set_expected(has_parts);
    let mut any = false;
    for at in (0..parts).filter(|at| !layout.files()[*at].pad) {
        let state = storage.file(at);
        let is_there = find_name(io, storage, at, stamps.get(at));
        state.set_parted((state.is_unwanted() || has_parts) && !is_there);
        if state.is_parted() {
            state.set_expected(false);
            any = true;
        }
    }
    drop(gate);
    if any || has_parts { try_sort(io, storage) } else { Ok(()) }
}

/// Finds out what a file is called, and whether it is there at all. Its own name comes first, unless the
/// file of that name is another than the one that was known and is `NAME.part` now: somebody has put it
/// there, and it is not ours to write to.
fn find_name(io: &Io, storage: &Storage, at: usize, stamp: Option<&FileStamp>) -> bool {
    let (layout, state) = (storage.layout(), storage.file(at));
    let inode = |path: &Path| match io.backend.stat(path) {
        Ok(stat) => Some(FileStamp::new(&stat, false).inode),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        // Whatever it is, it is told of when it is looked at.
        Err(_) => Some(0),
    };
    let known = stamp.map_or_else(|| state.seen().inode, |stamp| stamp.inode);
    let own = inode(&layout.path(at));
    let part = match own {
        Some(own) if known == 0 || own == known => None,
        _ => layout.part_name(at).map(|part| inode(&layout.root().join(part))),
    };
    let (suffixed, is_there) = match (own, part) {
        (Some(_), part) => (part.flatten().is_some_and(|part| part == known), true),
        (None, Some(part)) => (part.is_some() || io.part_names.load(Ordering::Relaxed), part.is_some()),
        (None, None) => (false, false),
    };
    state.set_suffixed(suffixed);
    is_there
}

/// Looks at every file once, accepts what is trusted, and lists what is to be hashed. `None`: the disk that
/// the files are on is not there.
pub(super) fn prepare(io: &Io, run: &Run) -> Option<Vec<PieceIndex>> {
    let (storage, plan) = (&run.storage, &run.plan);
    let layout = storage.layout();
    if !is_as_it_was(io, storage, plan.mount.as_ref(), &plan.stamps) {
        run.fail(None, DiskError::OtherDevice);
        return None;
    }
    // A file may have been taken away and another put in its place.
    io.cache.forget_all(storage.id());
    if let Err(fault) = find_places(io, storage, &plan.stamps) {
        run.fail(fault.file, fault.error);
    }
    let parts = storage.file(storage.parts());
    let part_stat = io.backend.stat(&layout.path(storage.parts())).ok();
    let part_now = part_stat.as_ref().map(|stat| parts.note(stat, false)).unwrap_or_default();
    parts.set_expected(part_stat.is_some());
    plan.hash.iter().for_each(|piece| {
        storage.unmark(piece);
    });
    // What was assumed just now may not be there; later on it was.
    let claimed = |piece| plan.trust.get(piece) || !plan.stamps.is_empty() && plan.assume.get(piece);
    let trusted_file = |at: usize| layout.pieces_of(at).any(claimed);
    let mut doubtful = vec![false; layout.files().len()];
    // Where nothing is known of how files looked, only their whole size speaks for them.
    let mut misfit = vec![plan.stamps.is_empty(); layout.files().len()];
    let mut stats = vec![None; layout.files().len()];
    let sizes: Vec<Option<u64>> = (0..layout.files().len())
        .map(|at| {
            let file = &layout.files()[at];
            if file.pad {
                misfit[at] = false;
                return Some(u64::MAX);
            }
            storage.file(at).forget_reach();
            if storage.file(at).is_parted() {
                doubtful[at] = plan.stamps.get(at).is_some_and(|stamp| !stamp.is_plausible(&part_now));
                return Some(part_now.size);
            }
            let complete = storage.file(at).is_complete();
            // Until it is looked at it keeps its name.
            let _gate = storage.hold_gate();
            let size = match io.backend.stat(&storage.path(at)) {
                Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {
                    let now = storage.file(at).note(&stat, complete);
                    stats[at] = Some(stat);
                    let known = plan.stamps.get(at).is_none_or(|stamp| stamp.is_plausible(&now));
                    doubtful[at] = !known || now.size > file.length;
                    // Who calls it so says that it is not complete, whatever its size.
                    misfit[at] &= now.size != file.length || storage.file(at).is_suffixed();
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
        let (trust, assume, hash) = (plan.trust.get(piece), plan.assume.get(piece), plan.hash.get(piece));
        if !trust && !assume && !hash {
            continue;
        }
        let there = layout.piece_spans(piece).all(|span| {
            // A pad file has no place.
            let offset = if layout.files()[span.file].pad { 0 } else { storage.place(span).1 };
            sizes[span.file].is_some_and(|size| offset.saturating_add(span.length) <= size)
        });
        let doubtful = layout.piece_spans(piece).any(|span| doubtful[span.file]);
        let misfit = layout.piece_spans(piece).any(|span| misfit[span.file]);
        if there && trust && !hash && !doubtful {
            storage.mark(piece);
            // It comes from a record, and a record holds what was synced.
            storage.synced().set(piece);
        } else if there && assume && !hash && !doubtful && !misfit {
            storage.assume(piece);
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
    Some(list)
}

/// Hashes adjacent pieces; says how many before it was cancelled.
pub(super) fn hash(reader: &mut Reader<'_>, run: &Run, pieces: &[PieceIndex]) -> usize {
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
                    storage.sync_piece(*piece);
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
pub(super) struct Reader<'a> {
    io: &'a Io,
    buffer: Vec<u8>,
    open: Option<(usize, OpenFile)>,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(io: &'a Io) -> Self {
        Self { io, buffer: Vec::new(), open: None }
    }

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
                    let _gate = storage.hold_gate();
                    let rest = Span { offset: at, length: end - at, ..span };
                    let (place, offset) = storage.place(rest);
                    let file = match &self.open {
                        Some((open, file)) if *open == place => file,
                        _ => {
                            let file = self.io.open(storage, place, false)?;
                            advise(&file);
                            &self.open.insert((place, file)).1
                        }
                    };
                    self.io
                        .read_span(file, part, offset)
                        .map_err(|error| self.io.fault(storage, place, &error))?;
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
