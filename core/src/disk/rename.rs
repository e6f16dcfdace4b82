//! Files of a torrent get other names in the same folder. As with a move there are two steps, between which
//! the session notes that the new names count: looking takes care that nothing is in the way, and renaming
//! can be done again after a kill.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use crate::disk::io::Io;
use crate::metainfo::FileEntry;
use crate::storage::{self, DirSync, DiskError};

/// What stopped it, and where.
pub(super) type Failure = (PathBuf, DiskError);

/// The files whose names differ.
fn pairs<'a>(
    from: &'a [FileEntry],
    to: &'a [FileEntry],
) -> impl Iterator<Item = (&'a Path, &'a Path)> + use<'a> {
    let differing = from.iter().zip(to).filter(|(old, new)| !old.pad && old.path != new.path);
    differing.map(|(old, new)| (old.path.as_path(), new.path.as_path()))
}

/// Whether a regular file is there; an error where it is anything else.
fn is_there(root: &Path, path: &Path) -> Result<bool, Failure> {
    let failure = |error| (root.join(path), error);
    match storage::look(root, path) {
        Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(true),
            FileType::Symlink => Err(failure(DiskError::Link)),
            _ => Err(failure(DiskError::NotAFile)),
        },
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(failure(DiskError::from_io(&error, || (0, 0)))),
    }
}

/// Changes nothing: says whether the names can be given.
pub(super) fn look(root: &Path, from: &[FileEntry], to: &[FileEntry]) -> Result<(), Failure> {
    for (old, new) in pairs(from, to) {
        is_there(root, old)?;
        // Whatever it is, and also where nothing of ours would go there as yet.
        let free = storage::look(root, new).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        if !free {
            return Err((root.join(new), DiskError::InTheWay));
        }
    }
    Ok(())
}

/// Gives each file its new name, where it is there and has not got it yet; never over anything.
pub(super) fn rename(io: &Io, root: &Path, from: &[FileEntry], to: &[FileEntry]) -> Result<(), Failure> {
    let mut folders = BTreeSet::new();
    for (old, new) in pairs(from, to) {
        // Never made, or renamed before a kill.
        if !is_there(root, old)? {
            continue;
        }
        io.backend.rename(root, old, root, new).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => (root.join(new), DiskError::InTheWay),
            _ => (root.join(new), DiskError::from_io(&error, || (0, 0))),
        })?;
        folders.extend(DirSync::for_created(new));
        folders.extend(old.parent().map(|folder| DirSync::Below(folder.to_path_buf())));
    }
    for folder in folders.iter().rev() {
        let synced = io.backend.sync_folder(root, folder);
        synced.map_err(|error| (root.to_path_buf(), DiskError::from_io(&error, || (0, 0))))?;
    }
    storage::remove_empty_folders(root, from);
    Ok(())
}
