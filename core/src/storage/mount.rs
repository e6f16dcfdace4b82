//! Which file system a torrent's folder lies on, so that an empty mount point is not taken for the disk.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// A file system and where it is mounted. A device number alone does not stay what it is over a restart of
/// the system; a place alone says nothing of what is mounted there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The number of the device.
    pub device: u64,
    /// The topmost folder above the files that lies on it: the bytes of its path.
    pub point: Vec<u8>,
}

/// What was found by the last check.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// A leaf lock, held to copy.
    mount: Mutex<Option<Mount>>,
}

impl Seen {
    pub(super) fn get(&self) -> Option<Mount> {
        self.mount.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, mount: Option<Mount>) {
        *self.mount.lock().unwrap_or_else(PoisonError::into_inner) = mount;
    }
}

impl super::Storage {
    /// Which file system its folder lay on when it was last looked at.
    pub(crate) fn mount(&self) -> Option<Mount> {
        self.mount.get()
    }

    pub(crate) fn set_mount(&self, mount: Option<Mount>) {
        self.mount.set(mount);
    }
}
