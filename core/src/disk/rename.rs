//! Files of a torrent get other names in the same folder. As with a move there are two steps, between which
//! the session notes that the new names count: looking takes care that nothing is in the way, and renaming
//! can be done again after a kill.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use crate::disk::io::Io;
use crate::metainfo::FileEntry;
use crate::storage::{self, DirSync, DiskError, Storage, names_kept, suffixed};

/// What stopped it, and where.
pub(super) type Failure = (PathBuf, DiskError);

/// A file whose name differs.
struct Pair<'a> {
    /// What it is called at present.
    old: Cow<'a, Path>,
    /// What it is to be called now.
    new: Cow<'a, Path>,
    /// What it is to be called when it is complete.
    name: &'a Path,
}

/// The files whose names differ. Whether one is called `NAME` or `NAME.part` is told by what the last look found,
/// or else by what is there; where neither is, it was never made, or has got its new name before a kill.
fn pairs<'a>(
    storage: &'a Storage,
    from: &'a [FileEntry],
    to: &'a [FileEntry],
) -> impl Iterator<Item = Result<Pair<'a>, Failure>> + use<'a> {
    let root = storage.layout().root();
    // Other files may keep their names throughout under the new names than under the old ones.
    let kept = (names_kept(from), names_kept(to));
    let differing =
        from.iter().zip(to).enumerate().filter(|(_, (old, new))| !old.pad && old.path != new.path);
    differing.map(move |(at, (old, new))| {
        let name = new.path.as_path();
        let is_part = storage.file(at).is_suffixed()
            || !is_there(root, &old.path)? && !is_there(root, name)? && is_there(root, &suffixed(&old.path))?;
        if !is_part || kept.0.binary_search(&at).is_ok() {
            return Ok(Pair { old: Cow::Borrowed(&old.path), new: Cow::Borrowed(name), name });
        }
        let keeps = kept.1.binary_search(&at).is_ok();
        let new = if keeps { Cow::Borrowed(name) } else { Cow::Owned(suffixed(name)) };
        Ok(Pair { old: Cow::Owned(suffixed(&old.path)), new, name })
    })
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
pub(super) fn look(storage: &Storage, from: &[FileEntry], to: &[FileEntry]) -> Result<(), Failure> {
    let root = storage.layout().root();
    for pair in pairs(storage, from, to) {
        let Pair { old, new, name } = pair?;
        is_there(root, &old)?;
        // Whatever it is, and also where nothing of ours would go there as yet.
        for taken in [&new, name] {
            let free = storage::look(root, taken).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
            if !free {
                return Err((root.join(taken), DiskError::InTheWay));
            }
        }
    }
    Ok(())
}

/// Gives each file its new name, where it is there and has not got it yet; never over anything.
pub(super) fn rename(
    io: &Io,
    storage: &Storage,
    from: &[FileEntry],
    to: &[FileEntry],
) -> Result<(), Failure> {
    let root = storage.layout().root();
    let mut folders = BTreeSet::new();
    for pair in pairs(storage, from, to) {
        let Pair { old, new, .. } = pair?;
        // Never made, or renamed before a kill.
        if !is_there(root, &old)? {
            continue;
        }
        io.backend.rename(root, &old, root, &new).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => (root.join(&new), DiskError::InTheWay),
            _ => (root.join(&new), DiskError::from_io(&error, || (0, 0))),
        })?;
        folders.extend(DirSync::for_created(&new));
        folders.extend(old.parent().map(|folder| DirSync::Below(folder.to_path_buf())));
    }
    for folder in folders.iter().rev() {
        let synced = io.backend.sync_folder(root, folder);
        synced.map_err(|error| (root.to_path_buf(), DiskError::from_io(&error, || (0, 0))))?;
    }
    storage::remove_empty_folders(root, from);
    Ok(())
}
