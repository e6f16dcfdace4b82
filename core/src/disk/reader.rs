//! The threads that read for peers: apart from those that write, so that a cold file does not hold
//! up what comes in.

use std::sync::Arc;

use bytes::Bytes;
use sha1::{Digest, Sha1};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::disk::io::{Fault, Io};
use crate::disk::queue::Queue;
use crate::storage::{DiskDone, DiskError, Op, Storage};
use crate::types::{PieceIndex, PieceRange};

/// Bytes read at once where a piece is hashed first: what fits into the processor's cache.
const CHUNK: usize = 1 << 20;

/// A range of a verified piece for a peer.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) storage: Arc<Storage>,
    pub(crate) range: PieceRange,
    pub(crate) answer: oneshot::Sender<Result<Bytes, DiskError>>,
    /// Its place in the bounded queue.
    pub(crate) _permit: OwnedSemaphorePermit,
}

/// Works until the queue is closed and empty.
pub(crate) fn run(io: &Io, queue: &Queue<Read>) {
    let mut jobs = Vec::with_capacity(1);
    while queue.take(&mut jobs, 1) {
        for job in jobs.drain(..) {
            // Nobody waits any more: the link ended or the request was cancelled.
            if !job.answer.is_closed() {
                let result = read(io, &job.storage, job.range);
                let _ = job.answer.send(result);
            }
        }
    }
}

fn read(io: &Io, storage: &Storage, range: PieceRange) -> Result<Bytes, DiskError> {
    if storage.is_closed() {
        return Err(DiskError::Stopped);
    }
    let size = storage.geometry().piece_size(range.piece);
    let inside = range.begin.checked_add(range.length).is_some_and(|end| end <= size);
    if !inside || !storage.has(range.piece) {
        return Err(DiskError::Unverified);
    }
    let offset = storage.geometry().piece_offset(range.piece) + u64::from(range.begin);
    if storage.is_assumed(range.piece) {
        prove(io, storage, range.piece).map_err(|fault| lose(io, storage, range, fault))?;
        if !storage.has(range.piece) {
            return Err(DiskError::Unverified);
        }
    }
    let mut buffer = vec![0; range.length as usize];
    match read_unchanged(io, storage, offset, &mut buffer) {
        Ok(()) => Ok(buffer.into()),
        Err(fault) => Err(lose(io, storage, range, fault)),
    }
}

/// Reads, then looks whether the files are still those that were verified. In this order a change
/// that came before the read shows.
fn read_unchanged(io: &Io, storage: &Storage, offset: u64, buffer: &mut [u8]) -> Result<(), Fault> {
    io.read(storage, offset, buffer)?;
    let _gate = storage.hold_gate();
    for span in storage.layout().spans(offset, buffer.len() as u64) {
        // The part file is never complete: nothing is known of how it should look.
        if !storage.layout().files()[span.file].pad && !storage.file(span.file).is_parted() {
            let file = io.file(storage, span.file, false)?;
            io.check_unchanged(storage, span.file, &file)?;
        }
    }
    Ok(())
}

/// Hashes a piece that nobody has hashed. What is wrong turns to missing.
fn prove(io: &Io, storage: &Storage, piece: PieceIndex) -> Result<(), Fault> {
    let (start, size) =
        (storage.geometry().piece_offset(piece), storage.geometry().piece_size(piece) as usize);
    let mut buffer = vec![0; size.min(CHUNK)];
    let (mut hash, mut at) = (Sha1::new(), 0);
    while at < size {
        let part = &mut buffer[..(size - at).min(CHUNK)];
        io.read(storage, start + at as u64, part)?;
        hash.update(&*part);
        at += part.len();
    }
    let hash: [u8; 20] = hash.finalize().into();
    if hash == storage.layout().piece_hash(piece) {
        storage.sync_piece(piece);
        storage.take_assumed(piece);
    } else if storage.take_assumed(piece) && storage.unmark(piece) {
        // Others may have read what was there before, and by now the piece may be another: only who took
        // it decides.
        storage.tell(DiskDone::Refuted { piece });
    }
    Ok(())
}

/// A verified piece cannot be read: it is not there any more. When the file is
/// gone or another, neither are the other pieces in it.
fn lose(io: &Io, storage: &Storage, range: PieceRange, fault: Fault) -> DiskError {
    if let Some(file) = fault.file {
        io.cache.forget((storage.id(), file));
    }
    let error = fault.error.clone();
    // Several reads may find the same fault; one of them tells.
    let first = storage.unmark(range.piece);
    if first {
        storage.tell_error(Op::Read, fault.file, Some(range.piece), fault.error);
    }
    if let (true, Some(file)) = (matches!(error, DiskError::Vanished | DiskError::Changed), fault.file) {
        storage.unmark_all(storage.layout().pieces_of(file));
    }
    error
}
