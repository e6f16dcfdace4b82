//! Whether the folder of a torrent is still on the file system that its files are on: a disk that is not
//! mounted leaves an empty folder, which must not be filled in its place.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::io::{Fault, Io};
use crate::storage::{DiskError, FileStamp, Mount, Storage};

/// The device of a folder, or of the nearest one above it that is there.
pub(super) fn device_of(io: &Io, root: &Path) -> Option<u64> {
    root.ancestors().find_map(|folder| device(io, folder))
}

fn device(io: &Io, folder: &Path) -> Option<u64> {
    // What is mounted when somebody looks into it is mounted by the dot.
    let stat = io.backend.stat(&folder.join(".")).ok()?;
    // The type of this field differs between architectures.
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
    Some(stat.st_dev as u64)
}

/// The file system of a folder, or of the nearest one above it that is there.
fn mount_of(io: &Io, root: &Path) -> Option<Mount> {
    let number = device_of(io, root)?;
    let there = root.ancestors().skip_while(|folder| device(io, folder).is_none());
    let point = there.take_while(|folder| device(io, folder) == Some(number)).last()?;
    Some(Mount { device: number, point: point.as_os_str().as_bytes().to_vec() })
}

/// Notes what the folder lies on. `false`: not on what it lay on when `then` and `stamps` were noted.
///
/// The number of a device may be another after a restart of the system. So where it is, files that are
/// there tell, and if there never were any, whether something is mounted at the same place.
pub(super) fn is_as_it_was(io: &Io, storage: &Storage, then: Option<&Mount>, stamps: &[FileStamp]) -> bool {
    let layout = storage.layout();
    let root = std::path::absolute(layout.root()).unwrap_or_else(|_| layout.root().to_path_buf());
    let now = mount_of(io, &root);
    if let (Some(then), Some(now)) = (then, &now)
        && then.device != now.device
    {
        let mut known = (0..).zip(stamps).filter(|(_, stamp)| stamp.inode != 0).map(|(at, _)| at).peekable();
        let is_there = |file| io.backend.stat(&layout.path(file)).is_ok();
        let as_it_was = match known.peek() {
            Some(_) => known.any(is_there) || is_there(storage.parts()),
            None => then.point == now.point,
        };
        if !as_it_was {
            return false;
        }
    }
    storage.set_mount(now);
    true
}

/// Before a file is made: the folder must lie where it lay when it was looked at.
pub(super) fn before_making(io: &Io, storage: &Storage, file: usize) -> Result<(), Fault> {
    let Some(mount) = storage.mount() else { return Ok(()) };
    let root = std::path::absolute(storage.layout().root());
    if root.is_ok_and(|root| device_of(io, &root) == Some(mount.device)) {
        return Ok(());
    }
    Err(Fault { file: Some(file), error: DiskError::OtherDevice })
}
