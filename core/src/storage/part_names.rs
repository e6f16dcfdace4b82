//! What a file is called on disk: by its own name, or `NAME.part` while it is not complete.
//!
//! Which of the two follows from the disk alone, so nothing of it is kept: a look finds the file under
//! either name, its own first. One that is nowhere yet gets the suffix where a person wants that.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use super::{FileState, Layout, Storage};
use crate::metainfo::FileEntry;
use crate::types::PieceIndex;

/// What libtorrent's clients, browsers and download managers append too.
const SUFFIX: &str = ".part";

/// The longest name that common file systems take (`NAME_MAX`), bytes.
const LONGEST: usize = 255;

/// The path of a file while it is not complete.
pub(crate) fn suffixed(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SUFFIX);
    name.into()
}

/// Files that keep their name throughout, by their numbers, in order: those of no bytes, those whose name
/// would be too long, and those where the torrent has a file or a folder of that name.
pub(crate) fn names_kept(files: &[FileEntry]) -> Vec<usize> {
    let ends_so = |path: &&Path| path.as_os_str().as_encoded_bytes().ends_with(SUFFIX.as_bytes());
    let real = files.iter().filter(|file| !file.pad);
    let taken: HashSet<&Path> = real.flat_map(|file| file.path.ancestors().filter(ends_so)).collect();
    let is_bare = |file: &FileEntry| {
        let name = file.path.file_name().map_or(0, OsStr::len);
        file.pad
            || file.length == 0
            || name + SUFFIX.len() > LONGEST
            || !taken.is_empty() && taken.contains(&*suffixed(&file.path))
    };
    files.iter().enumerate().filter(|(_, file)| is_bare(file)).map(|(at, _)| at).collect()
}

impl Layout {
    /// The path below the root of a file that is not complete; `None` where it keeps its name.
    pub(crate) fn part_name(&self, file: usize) -> Option<PathBuf> {
        let entry = self.files().get(file)?;
        self.bare.binary_search(&file).is_err().then(|| suffixed(&entry.path))
    }
}

impl Storage {
    /// What a file, or the part file behind the last, is called below the root at present. Asked with the
    /// gate held where the answer is used to open it.
    pub(crate) fn below_root(&self, file: usize) -> Cow<'_, Path> {
        let part = self.files[file].is_suffixed().then(|| self.layout.part_name(file)).flatten();
        part.map_or_else(|| Cow::Borrowed(self.layout.below_root(file)), Cow::Owned)
    }

    /// Where a file, or the part file behind the last, lies at present.
    pub fn path(&self, file: usize) -> PathBuf {
        self.layout.root().join(self.below_root(file))
    }

    /// Whether a file of this piece is complete and has not got its name yet.
    pub(crate) fn wants_name(&self, piece: PieceIndex) -> bool {
        self.layout.piece_spans(piece).any(|span| self.files[span.file].wants_name())
    }

    /// The files that are complete and have not got their names yet.
    pub(crate) fn unnamed(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.parts()).filter(|at| self.files[*at].wants_name())
    }

    /// A naming is posted.
    pub(crate) fn begin_naming(&self) {
        self.namings.fetch_add(1, Ordering::AcqRel);
    }

    /// It is over.
    pub(crate) fn end_naming(&self) {
        self.namings.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether complete files are about to get their names; then
    /// [`DiskDone::Named`](super::DiskDone::Named) comes.
    pub(crate) fn is_naming(&self) -> bool {
        self.namings.load(Ordering::Acquire) > 0
    }
}

impl FileState {
    fn wants_name(&self) -> bool {
        self.is_suffixed() && self.is_complete() && !self.is_parted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_the_torrent_has_itself_is_never_made() {
        let entry = |path: &str, length, pad| FileEntry {
            path: path.into(),
            length,
            offset: 0,
            pad,
            executable: false,
        };
        let files = [
            entry("t/a", 1, false),
            entry("t/a.part", 1, false),
            entry("t/b", 1, false),
            entry("t/b.part/c", 1, false),
            entry("t/d", 0, false),
            entry("t/e", 1, false),
            entry("t/e.part", 1, true),
            entry(&format!("t/{}", "f".repeat(250)), 1, false),
            entry(&format!("t/{}", "f".repeat(251)), 1, false),
        ];
        assert_eq!(names_kept(&files), [0, 2, 4, 6, 8]);
        assert_eq!(suffixed(Path::new("t/a.mkv")), Path::new("t/a.mkv.part"));
    }
}
