//! Which file's bytes lie in the part file: what becomes wanted is moved to its own file.
//!
//! A file of which there is something on disk stays where it is, wanted or not. One of which there is
//! nothing is not made while it is unwanted: its bytes go to the part file. When it becomes wanted, a
//! file with those bytes is put together under another name, synced, and renamed into its place: so at
//! any moment, after a crash too, the file is the truth if it is there, and the part file is if not.

use std::io;
use std::sync::Arc;

use rustix::fs::SeekFrom;

use crate::disk::backend::OpenFile;
use crate::disk::empty::{make_empty_files, make_missing};
use crate::disk::io::{Fault, Io};
use crate::disk::mount::before_making;
use crate::storage::{DirSync, DiskError, Op, OpenFor, Span, Storage};

/// Bytes moved at once.
const CHUNK: usize = 1 << 20;

/// Brings the places of all files into line with what is wanted, and tells what could not be done: the
/// bytes then stay in the part file and are moved at the next try.
pub(crate) fn sort(io: &Io, storage: &Storage) {
    if storage.is_closed() || !storage.is_unsorted() {
        return;
    }
    if let Err(fault) = try_sort(io, storage).and_then(|()| make_missing(io, storage)) {
        storage.set_unsorted();
        storage.tell_error(Op::Write, fault.file, None, fault.error);
    }
}

/// The same, for those who tell of a failure themselves.
pub(crate) fn try_sort(io: &Io, storage: &Storage) -> Result<(), Fault> {
    let _gate = storage.close_gate();
    storage.set_sorted();
    let result = sort_all(io, storage);
    if result.is_err() {
        storage.set_unsorted();
    }
    result
}

fn sort_all(io: &Io, storage: &Storage) -> Result<(), Fault> {
    let files = storage.layout().files();
    let (mut first, mut parted) = (Ok(()), false);
    let mut made_empty = false;
    for at in (0..files.len()).filter(|at| !files[*at].pad) {
        let state = storage.file(at);
        let sorted = match (state.is_unwanted(), state.is_parted()) {
            (true, false) => look(io, storage, at),
            // Of one without bytes nothing was put aside.
            (false, true) if files[at].length == 0 => {
                state.set_parted(false);
                Ok(())
            }
            (false, true) => unpart(io, storage, at),
            _ => Ok(()),
        };
        first = first.and(sorted);
        parted |= state.is_parted();
        made_empty |= files[at].length == 0 && !state.is_unwanted() && !state.is_expected();
    }
    if made_empty && storage.is_prepared() {
        storage.set_prepared(false);
        first = first.and(make_empty_files(io, storage));
    }
    if !parted && storage.file(storage.parts()).is_expected() && first.is_ok() {
        // Nothing of it is needed any more. One that stays does no harm.
        io.cache.forget((storage.id(), storage.parts()));
        let _ = io.backend.remove(storage.layout().root(), storage.layout().parts().name());
        storage.file(storage.parts()).take_dirty();
        storage.file(storage.parts()).set_expected(false);
    }
    first
}

/// A file that became unwanted: its bytes go to the part file from now on, unless it has some.
fn look(io: &Io, storage: &Storage, at: usize) -> Result<(), Fault> {
    match io.backend.stat(&storage.path(at)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // One that was there and is gone is not quietly replaced.
            storage.file(at).set_parted(!storage.file(at).is_expected());
            Ok(())
        }
        Err(error) => Err(io.fault(storage, at, &error)),
        Ok(_) => Ok(()),
    }
}

/// A file that became wanted: gets a file of its own, with what there is of it.
pub(crate) fn unpart(io: &Io, storage: &Storage, at: usize) -> Result<(), Fault> {
    let layout = storage.layout();
    let (root, entry, state) = (layout.root(), &layout.files()[at], storage.file(at));
    let fault = |error: io::Error| io.fault(storage, at, &error);
    let parts = match io.file(storage, storage.parts(), false) {
        Ok(parts) => parts,
        // Nothing was ever put aside.
        Err(Fault { error: DiskError::Vanished, .. }) if !storage.file(storage.parts()).is_expected() => {
            state.set_parted(false);
            return Ok(());
        }
        Err(other) => return Err(other),
    };
    before_making(io, storage, at)?;
    let name = layout.parts().unfinished(at);
    // What a try that was cut short has left.
    match io.backend.remove(root, &name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(fault(error)),
        _ => {}
    }
    let how = OpenFor::Write { create: true, create_root: !storage.expects_files() };
    let mut unfinished: Option<OpenFile> = None;
    let mut buffer = vec![0; CHUNK];
    for span in layout.spans(entry.offset, entry.length).filter(|span| span.file == at) {
        let mut done = 0;
        while done < span.length {
            // Of one piece: pieces that follow each other need not lie so.
            let length = layout.left_in_piece(at, span.offset + done).min(span.length - done);
            let part = Span { file: at, offset: span.offset + done, length };
            if let Some(data) =
                read(io, &parts, layout.part_offset(part), length, &mut buffer).map_err(fault)?
            {
                let file = match &unfinished {
                    Some(file) => file,
                    None => {
                        let opened = io.backend.open(root, &name, how).map_err(fault)?;
                        let path = root.join(&name);
                        unfinished.insert(OpenFile { file: opened.file, path, writable: true })
                    }
                };
                io.write_span(file, data, part.offset).map_err(fault)?;
            }
            done += length;
        }
    }
    if let Some(file) = &unfinished {
        io.backend.fdatasync(file).map_err(fault)?;
        match io.backend.rename(root, &name, root, &storage.below_root(at)) {
            Ok(()) => {
                for folder in DirSync::for_created(&entry.path) {
                    io.backend.sync_folder(root, &folder).map_err(fault)?;
                }
                state.set_created();
                io.set_executable(entry, file);
            }
            // Somebody else has made it: what is in it is not known.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let _ = io.backend.remove(root, &name);
                state.set_parted(false);
                storage.unmark_all(layout.pieces_of(at));
                return Err(Fault { file: Some(at), error: DiskError::Changed });
            }
            Err(error) => return Err(fault(error)),
        }
    }
    state.set_parted(false);
    io.cache.forget((storage.id(), at));
    Ok(())
}

/// Data of the part file at this place; `None`: nothing was ever written there. A hole in what was is
/// as good as nothing: only pieces that were put aside whole count.
fn read<'a>(
    io: &Io,
    parts: &Arc<OpenFile>,
    offset: u64,
    length: u64,
    buffer: &'a mut Vec<u8>,
) -> io::Result<Option<&'a [u8]>> {
    // Without an answer it is read: zeros where there is nothing.
    if let Ok(data) = rustix::fs::seek(&parts.file, SeekFrom::Data(offset))
        && data >= offset + length
    {
        return Ok(None);
    }
    buffer.resize(usize::try_from(length).unwrap_or(CHUNK), 0);
    let mut done = 0;
    while done < buffer.len() {
        match io.backend.pread(parts, &mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok((done > 0).then_some(&buffer[..done]))
}
