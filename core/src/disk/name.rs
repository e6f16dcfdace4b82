//! Complete files get their names: until then they are called `NAME.part` where a person wants that.
//!
//! What is in the file is synced first, so that a file with its own name is whole, after a power cut too.
//! Killed before the rename, the next look finds `NAME.part`; killed after it, `NAME`. A file that is there
//! under the name is never replaced.

use std::io;

use crate::disk::io::{Fault, Io};
use crate::disk::keeper::sync_failed;
use crate::storage::{DiskDone, DiskError, Op, Storage};

/// The same as [`name_complete`], and then tells that it is over.
pub(crate) fn name(io: &Io, storage: &Storage) {
    name_complete(io, storage);
    storage.end_naming();
    storage.tell(DiskDone::Named);
}

/// Gives complete files their names, and tells of the first that could not get it; it is tried again with
/// every sync.
pub(crate) fn name_complete(io: &Io, storage: &Storage) {
    let mut first = Ok(());
    for at in storage.unnamed() {
        first = first.and(name_file(io, storage, at));
    }
    match first {
        // It is the name that is taken, not what the file is called as yet.
        Err(Fault { file: Some(file), error: error @ DiskError::InTheWay }) => {
            storage.tell_error_at(Op::Write, storage.layout().path(file), None, error);
        }
        Err(Fault { file, error }) => storage.tell_error(Op::Write, file, None, error),
        Ok(()) => {}
    }
}

fn name_file(io: &Io, storage: &Storage, at: usize) -> Result<(), Fault> {
    let (layout, state) = (storage.layout(), storage.file(at));
    let root = layout.root();
    {
        let _gate = storage.hold_gate();
        let file = io.file(storage, at, false)?;
        if let Err(error) = io.backend.fdatasync(&file) {
            sync_failed(storage, io.fault(storage, at, &error));
            return Ok(());
        }
    }
    let _gate = storage.close_gate();
    let Some(part) = layout.part_name(at).filter(|_| state.is_suffixed() && state.is_complete()) else {
        return Ok(());
    };
    let to = layout.below_root(at);
    io.backend.rename(root, &part, root, to).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Fault { file: Some(at), error: DiskError::InTheWay },
        _ => io.fault(storage, at, &error),
    })?;
    state.set_suffixed(false);
    // The next sync makes the name last, before a record is written.
    state.set_created();
    // It knows the file by its old name.
    io.cache.forget((storage.id(), at));
    Ok(())
}
