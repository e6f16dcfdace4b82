//! One run at a time on a state folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use crate::error::Error;

/// Held for as long as the run uses the folder. The system lets it go when the process ends, however
/// that happens, so a stale one needs no hand and the pid in it is never believed for anything but a message.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// Takes the lock of the folder `dir`, which is there. A file system without locks is used without
/// one, and said so in `problems`.
///
/// # Errors
/// [`Error::StateInUse`] with the holder, [`Error::Folder`] when no file can be made there.
pub(crate) fn lock(dir: &Path, problems: &mut Vec<String>) -> Result<Lock, Error> {
    let path = dir.join("lock");
    let failed = |source| Error::Folder { path: dir.to_path_buf(), source };
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // The holder may be about to write it; 0 stands for an unknown one.
            let _ = file.take(32).read_to_string(&mut text);
            let pid = text.trim().parse().unwrap_or(0);
            return Err(Error::StateInUse { path: dir.to_path_buf(), pid });
        }
        Err(TryLockError::Error(error)) => {
            problems.push(format!("{} cannot be locked: {error}", path.display()));
        }
    }
    let write = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    // On a full disk the lock still holds; only the message to others lacks a number.
    if let Err(error) = write(&mut file) {
        problems.push(format!("{} cannot be written: {error}", path.display()));
    }
    Ok(Lock { _file: file })
}
