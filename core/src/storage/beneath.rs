//! Opening and removing files below a folder, without being led out of it by a symbolic link.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::metainfo::FileEntry;

/// Reading a folder's entries is never needed, only going through it.
#[cfg(target_os = "linux")]
const FOLDER: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A pipe in the place of a file must not hold up the thread that opens it.
const READ: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);
const WRITE: OFlags = OFlags::RDWR.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOFOLLOW);

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenFor {
    /// Reading. Symbolic links are followed: people seed through them, and what is read has to have
    /// the right hash anyway.
    Read,
    /// Reading and writing. Symbolic links below the root are refused.
    Write {
        /// Whether a file that is not there is made, with its folders.
        create: bool,
        /// Whether the root is made too.
        create_root: bool,
    },
}

/// An opened file.
#[derive(Debug)]
pub struct Opened {
    /// The file.
    pub file: File,
    /// Whether it was made.
    pub created: bool,
}

/// Opens the file `path` below `root`.
///
/// # Errors
/// What the system says; [`io::ErrorKind::InvalidInput`] for a path that is not plainly relative.
pub fn open(root: &Path, path: &Path, how: OpenFor) -> io::Result<Opened> {
    let (folders, name) = split(path)?;
    let OpenFor::Write { create, create_root } = how else {
        let file = rustix::fs::open(root.join(path), READ, Mode::empty())?;
        return Ok(Opened { file: file.into(), created: false });
    };
    let root_folder = match rustix::fs::open(root, FOLDER, Mode::empty()) {
        Err(Errno::NOENT) if create_root => {
            std::fs::create_dir_all(root)?;
            rustix::fs::open(root, FOLDER, Mode::empty())?
        }
        other => other?,
    };
    match open_existing(&root_folder, path) {
        Some(Ok(file)) => return Ok(Opened { file: file.into(), created: false }),
        Some(Err(Errno::NOENT)) if create => {}
        Some(Err(error)) => return Err(error.into()),
        None => {}
    }
    let folder = walk(root_folder, &folders, create)?;
    match rustix::fs::openat(&folder, name, WRITE, Mode::empty()) {
        Err(Errno::NOENT) if create => {
            let mode = Mode::from_raw_mode(0o666);
            match rustix::fs::openat(&folder, name, WRITE | OFlags::CREATE | OFlags::EXCL, mode) {
                // Another thread made it.
                Err(Errno::EXIST) => {
                    let file = rustix::fs::openat(&folder, name, WRITE, Mode::empty())?;
                    Ok(Opened { file: file.into(), created: false })
                }
                other => Ok(Opened { file: other?.into(), created: true }),
            }
        }
        other => Ok(Opened { file: other?.into(), created: false }),
    }
}

/// One system call that checks every element; `None` where the kernel or a filter refuses the call.
#[cfg(target_os = "linux")]
fn open_existing(root: &OwnedFd, path: &Path) -> Option<Result<OwnedFd, Errno>> {
    use rustix::fs::ResolveFlags;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    match rustix::fs::openat2(root, path, WRITE, Mode::empty(), resolve) {
        // AGAIN: a rename raced with the look-up, and the kernel cannot be sure.
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL | Errno::TOOBIG | Errno::AGAIN) => None,
        result => Some(result),
    }
}

#[cfg(not(target_os = "linux"))]
fn open_existing(_root: &OwnedFd, _path: &Path) -> Option<Result<OwnedFd, Errno>> {
    None
}

/// Goes down element by element, refusing symbolic links.
fn walk(mut folder: OwnedFd, folders: &[&OsStr], create: bool) -> io::Result<OwnedFd> {
    for name in folders {
        let open = || rustix::fs::openat(&folder, *name, FOLDER | OFlags::NOFOLLOW, Mode::empty());
        folder = match open() {
            Err(Errno::NOENT) if create => {
                match rustix::fs::mkdirat(&folder, *name, Mode::from_raw_mode(0o777)) {
                    // Another thread made it.
                    Ok(()) | Err(Errno::EXIST) => open()?,
                    Err(error) => return Err(error.into()),
                }
            }
            // A symbolic link is "not a directory" to this call; say what it is.
            Err(Errno::NOTDIR) if is_link(&folder, name) => return Err(Errno::LOOP.into()),
            other => other?,
        };
    }
    Ok(folder)
}

fn is_link(folder: &OwnedFd, name: &OsStr) -> bool {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

/// The folders and the name of a path of plain names only.
fn split(path: &Path) -> io::Result<(Vec<&OsStr>, &OsStr)> {
    let mut names = path
        .components()
        .map(|component| match component {
            Component::Normal(name) => Ok(name),
            _ => Err(io::Error::from(io::ErrorKind::InvalidInput)),
        })
        .collect::<io::Result<Vec<_>>>()?;
    let name = names.pop().ok_or(io::ErrorKind::InvalidInput)?;
    Ok((names, name))
}

/// What syncing a folder needs to know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DirSync {
    /// The folder that the root lies in.
    AboveRoot,
    /// The root itself, as an empty path, or a folder below it.
    Below(PathBuf),
}

impl DirSync {
    /// Every folder whose entries may have changed when this file was made.
    pub(crate) fn for_created(path: &Path) -> impl Iterator<Item = Self> + '_ {
        let below = path.ancestors().skip(1).map(|folder| Self::Below(folder.to_path_buf()));
        below.chain([Self::AboveRoot])
    }
}

/// Makes sure that the entries of a folder outlive a power cut.
///
/// # Errors
/// What the system says.
pub fn sync_folder(root: &Path, folder: &DirSync) -> io::Result<()> {
    let path = match folder {
        // A root without a parent, or of one name in the current folder, was not made by us.
        DirSync::AboveRoot => match root.parent() {
            Some(parent) if parent != Path::new("") => parent.to_path_buf(),
            _ => return Ok(()),
        },
        DirSync::Below(folder) => root.join(folder),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(&path, flags, Mode::empty()) {
        Ok(folder) => match rustix::fs::fsync(folder) {
            // File systems that keep no entries of their own.
            Err(Errno::INVAL) => Ok(()),
            other => Ok(other?),
        },
        // A folder that may be passed but not read, above our own.
        Err(Errno::ACCESS) if *folder == DirSync::AboveRoot => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Gives a regular file another place, which may be below another root; folders on the way are made.
/// Never through a symbolic link, and never over anything that is there.
///
/// # Errors
/// What the system says; [`io::ErrorKind::AlreadyExists`] where something is.
pub fn rename(from_root: &Path, from: &Path, to_root: &Path, to: &Path) -> io::Result<()> {
    let (folders, name) = split(from)?;
    let source = walk(rustix::fs::open(from_root, FOLDER, Mode::empty())?, &folders, false)?;
    must_be_regular(&source, name)?;
    let (folders, new_name) = split(to)?;
    let target = walk(rustix::fs::open(to_root, FOLDER, Mode::empty())?, &folders, true)?;
    match rename_new(&source, name, &target, new_name) {
        // File systems and kernels that cannot promise not to replace: two steps that cannot either,
        // as a link fails where something is.
        Err(Errno::INVAL | Errno::NOSYS) => {
            rustix::fs::linkat(&source, name, &target, new_name, AtFlags::empty())?;
            Ok(rustix::fs::unlinkat(&source, name, AtFlags::empty())?)
        }
        other => Ok(other?),
    }
}

#[cfg(target_os = "linux")]
fn rename_new(source: &OwnedFd, name: &OsStr, target: &OwnedFd, new_name: &OsStr) -> Result<(), Errno> {
    rustix::fs::renameat_with(source, name, target, new_name, rustix::fs::RenameFlags::NOREPLACE)
}

#[cfg(not(target_os = "linux"))]
fn rename_new(_: &OwnedFd, _: &OsStr, _: &OwnedFd, _: &OsStr) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// What stands at a path, itself a symbolic link or not; never through one below the root.
///
/// # Errors
/// What the system says.
pub fn look(root: &Path, path: &Path) -> io::Result<Stat> {
    let (folders, name) = split(path)?;
    let folder = walk(rustix::fs::open(root, FOLDER, Mode::empty())?, &folders, false)?;
    Ok(rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Removes one regular file; never a symbolic link, and never through one.
///
/// # Errors
/// What the system says.
pub fn remove(root: &Path, path: &Path) -> io::Result<()> {
    unlink(root, path, AtFlags::empty())
}

/// Removes the torrent's own regular files below `root`, then their folders where those are empty.
/// Never follows a symbolic link, never removes one, and leaves `root` itself.
///
/// # Errors
/// The first file that could not be removed, after all others were tried.
pub fn delete(root: &Path, files: &[FileEntry]) -> Result<(), (usize, io::Error)> {
    let mut failed = None;
    for (at, entry) in files.iter().enumerate().filter(|(_, entry)| !entry.pad) {
        match remove(root, &entry.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => failed = failed.or(Some((at, error))),
        }
    }
    remove_empty_folders(root, files);
    failed.map_or(Ok(()), Err)
}

/// Removes the torrent's folders below `root` that are empty.
pub fn remove_empty_folders(root: &Path, files: &[FileEntry]) {
    let real = files.iter().filter(|entry| !entry.pad);
    let folders: BTreeSet<_> = real
        .flat_map(|entry| entry.path.ancestors().skip(1).filter(|folder| *folder != Path::new("")))
        .collect();
    // In reverse order a folder comes after those inside it.
    for folder in folders.into_iter().rev() {
        // Not empty, a link, or gone: it stays as it is.
        let _ = unlink(root, folder, AtFlags::REMOVEDIR);
    }
}

fn unlink(root: &Path, path: &Path, flags: AtFlags) -> io::Result<()> {
    let (folders, name) = split(path)?;
    let folder = walk(rustix::fs::openat(CWD, root, FOLDER, Mode::empty())?, &folders, false)?;
    if !flags.contains(AtFlags::REMOVEDIR) {
        must_be_regular(&folder, name)?;
    }
    Ok(rustix::fs::unlinkat(&folder, name, flags)?)
}

fn must_be_regular(folder: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        FileType::Symlink => Err(Errno::LOOP.into()),
        _ => Err(io::ErrorKind::IsADirectory.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// The way without openat2, which a kernel or a filter may refuse.
    #[test]
    fn going_down_element_by_element_refuses_links_too() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("real")).unwrap();
        symlink(folder.path().join("real"), folder.path().join("link")).unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let walk = |path: &[&str], create| {
            let root = rustix::fs::open(folder.path(), FOLDER, Mode::empty()).unwrap();
            let names: Vec<_> = path.iter().map(OsStr::new).collect();
            walk(root, &names, create).map_err(|error| Errno::from_io_error(&error).unwrap())
        };
        assert!(walk(&["real"], false).is_ok());
        assert_eq!(walk(&["link"], false).unwrap_err(), Errno::LOOP);
        assert_eq!(walk(&["real", "..", "link"], true).unwrap_err(), Errno::LOOP);
        assert_eq!(walk(&["file"], true).unwrap_err(), Errno::NOTDIR);
        assert_eq!(walk(&["real", "new"], false).unwrap_err(), Errno::NOENT);
        assert!(walk(&["real", "new", "deep"], true).is_ok());
        assert!(folder.path().join("real/new/deep").is_dir());
    }

    #[test]
    fn paths_are_plain_names() {
        let folder = tempfile::tempdir().unwrap();
        let how = OpenFor::Write { create: true, create_root: true };
        for path in ["", "/etc/passwd", "../out", "a/../../out", "."] {
            let error = open(folder.path(), Path::new(path), how).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path}");
        }
        assert!(open(folder.path(), Path::new("a/b/c"), how).unwrap().created);
        assert!(!open(folder.path(), Path::new("a/b/c"), how).unwrap().created);
    }
}
