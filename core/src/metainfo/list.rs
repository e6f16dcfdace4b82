//! The list of files as it grows: paths made safe, offsets counted, memory bounded.

use super::path::{self, MAX_DEPTH, MAX_PATH};
use super::unique::make_unique;
use super::{FileEntry, MetainfoError};

/// What the list may take beside twice the size of the torrent file. A run that reads a torrent
/// must stay within 32 MiB and three times the file; this is what the file itself and the program
/// leave of that.
const MEMORY: usize = 20 << 20;

/// Bytes of memory per file beside its path: the entry, the two places in the sort, the
/// allocator's share.
const MEMORY_PER_FILE: usize = size_of::<FileEntry>() + 8 + 16;

/// BEP 47: what a letter of `attr` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) pad: bool,
    pub(super) executable: bool,
    pub(super) symlink: bool,
}

impl Attributes {
    pub(super) fn of(attr: Option<&[u8]>) -> Self {
        let has = |letter| attr.is_some_and(|attr| attr.contains(&letter));
        Self { pad: has(b'p'), executable: has(b'x'), symlink: has(b'l') }
    }
}

/// The files so far.
pub(super) struct FileList {
    /// First element of every path, in torrents of several files.
    folder: Option<String>,
    files: Vec<FileEntry>,
    end: u64,
    memory: usize,
    max_memory: usize,
}

impl FileList {
    /// `capacity` is the number of files where it is known; `torrent_size` the bytes of the file
    /// that they come from.
    pub(super) fn new(folder: Option<&[u8]>, capacity: usize, torrent_size: usize) -> Self {
        Self {
            folder: folder.map(path::component),
            files: Vec::with_capacity(capacity),
            end: 0,
            memory: 0,
            max_memory: MEMORY + 2 * torrent_size,
        }
    }

    /// Adds one file.
    pub(super) fn push<'a>(
        &mut self,
        elements: impl Iterator<Item = &'a [u8]>,
        length: u64,
        attributes: Attributes,
    ) -> Result<(), MetainfoError> {
        let file = self.files.len() + 1;
        let mut path = self.folder.clone().unwrap_or_default();
        let mut depth = usize::from(self.folder.is_some());
        for element in elements {
            depth += 1;
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(&path::component(element));
            if path.len() > MAX_PATH {
                return Err(MetainfoError::PathTooLong { file, got: path.len(), max: MAX_PATH });
            }
        }
        if depth > MAX_DEPTH {
            return Err(MetainfoError::PathTooDeep { file, got: depth, max: MAX_DEPTH });
        }
        self.entry(path, length, attributes.pad, attributes.executable)
    }

    /// BEP 52: every file starts with a piece. The gap after the last one becomes a pad file, as
    /// BEP 47 would have it in a v1 torrent, so that content is contiguous for whoever reads it.
    pub(super) fn align(&mut self, piece_length: u32) -> Result<(), MetainfoError> {
        let gap = self.end.next_multiple_of(u64::from(piece_length)) - self.end;
        if gap > 0 {
            self.entry(format!(".pad/{gap}"), gap, true, false)?;
        }
        Ok(())
    }

    fn entry(
        &mut self,
        mut path: String,
        length: u64,
        pad: bool,
        executable: bool,
    ) -> Result<(), MetainfoError> {
        let file = self.files.len() + 1;
        let offset = self.end;
        self.end = offset
            .checked_add(length)
            .filter(|&end| end <= i64::MAX as u64)
            .ok_or(MetainfoError::TotalLength { file })?;
        self.memory += MEMORY_PER_FILE + path.len();
        if self.memory > self.max_memory {
            return Err(MetainfoError::ListTooLarge { file, max: self.max_memory });
        }
        path.shrink_to_fit();
        self.files.push(FileEntry { path: path.into(), length, offset, pad, executable });
        Ok(())
    }

    /// Where the next file would start.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// All files, each with a path of its own.
    pub(super) fn finish(self) -> Result<Vec<FileEntry>, MetainfoError> {
        let mut files = self.files;
        if files.is_empty() {
            return Err(MetainfoError::NoFiles);
        }
        if files.iter().all(|file| file.pad || file.length == 0) {
            return Err(MetainfoError::NoContent);
        }
        make_unique(&mut files);
        Ok(files)
    }
}
