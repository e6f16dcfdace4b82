//! Files of no bytes. No piece says that one of them is missing, so they are made with the first write, and where
//! all that is wanted is there, and nothing will be written, once that is known.

use crate::disk::check::Run;
use crate::disk::io::{Fault, Io};
use crate::storage::Storage;

/// Makes the torrent's files of no bytes, once. Called before every write.
pub(crate) fn make_empty_files(io: &Io, storage: &Storage) -> Result<(), Fault> {
    if storage.is_prepared() {
        return Ok(());
    }
    for at in wanted(storage) {
        io.open(storage, at, true)?;
    }
    storage.set_prepared(true);
    Ok(())
}

/// Makes those that are not there, of a torrent that wants nothing more. Those that are there are not touched: a
/// folder that may only be read is as good as any.
pub(crate) fn make_missing(io: &Io, storage: &Storage) -> Result<(), Fault> {
    // Before the first look nobody knows whether the disk is there at all.
    if storage.mount().is_none() || !storage.has_all_wanted() {
        return Ok(());
    }
    for at in wanted(storage).filter(|at| !storage.file(*at).is_expected()) {
        io.open(storage, at, true)?;
    }
    Ok(())
}

/// The same at the end of a check.
pub(super) fn make_after_check(io: &Io, run: &Run) {
    let Err(fault) = make_missing(io, &run.storage) else { return };
    if run.storage.verified_count() == 0 {
        return run.fail(fault.file, fault.error);
    }
    // Every byte is there and can be served; the next check tries again.
    let path = fault.file.map(|at| run.storage.path(at));
    tracing::warn!(?path, error = %fault.error, "a file of no bytes is missing and cannot be made");
}

fn wanted(storage: &Storage) -> impl Iterator<Item = usize> + '_ {
    let files = storage.layout().files().iter().enumerate();
    let empty = files.filter(|(_, file)| file.length == 0 && !file.pad).map(|(at, _)| at);
    empty.filter(|at| !storage.file(*at).is_unwanted())
}
