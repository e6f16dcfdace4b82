//! Where the content of one torrent lies: its shape, its files, their folder, its piece hashes.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::geometry::Geometry;
use crate::metainfo::{FileEntry, Metainfo};
use crate::storage::parts::PartFile;
use crate::storage::span::{self, Span};
use crate::types::{BlockRef, PieceIndex};

/// Who knows the hash that a piece must have.
pub trait PieceHashes: Send + Sync + 'static {
    /// The SHA-1 of this piece (BEP 3, `pieces`).
    fn piece_hash(&self, piece: PieceIndex) -> [u8; 20];
}

impl PieceHashes for Metainfo {
    fn piece_hash(&self, piece: PieceIndex) -> [u8; 20] {
        Self::piece_hash(self, piece)
    }
}

/// In piece order; a piece past the end has a hash that nothing has.
impl PieceHashes for Vec<[u8; 20]> {
    fn piece_hash(&self, piece: PieceIndex) -> [u8; 20] {
        self.get(piece.as_usize()).copied().unwrap_or_default()
    }
}

/// Who notes which pieces were hashed, for a run that is cut short.
pub trait NoteHashed: fmt::Debug + Send + Sync + 'static {
    /// The piece is written and its hash is right. May block: a disk thread calls it.
    fn hashed(&self, piece: PieceIndex);
}

/// What the disk must know of a torrent. Cheap to clone.
#[derive(Clone)]
pub struct Layout {
    geometry: Geometry,
    files: Arc<[FileEntry]>,
    root: Arc<Path>,
    parts: PartFile,
    hashes: Arc<dyn PieceHashes>,
    /// Some file is a pad file.
    padded: bool,
    journal: Option<Arc<dyn NoteHashed>>,
}

impl Layout {
    /// The files of a torrent below the folder `root`. The folder may be a symbolic link, and need
    /// not exist yet.
    pub fn new(metainfo: &Arc<Metainfo>, root: impl Into<PathBuf>) -> Self {
        Self::named(metainfo, metainfo.files.as_slice(), root)
    }

    /// The same where the files have other names than the torrent gives them.
    pub fn named(
        metainfo: &Arc<Metainfo>,
        files: impl Into<Arc<[FileEntry]>>,
        root: impl Into<PathBuf>,
    ) -> Self {
        let (geometry, files): (_, Arc<[FileEntry]>) = (metainfo.geometry, files.into());
        let parts = PartFile::new(&geometry, &files, Some(&metainfo.info_hash));
        let padded = files.iter().any(|file| file.pad);
        Self {
            geometry,
            files,
            root: root.into().into(),
            parts,
            hashes: metainfo.clone(),
            padded,
            journal: None,
        }
    }

    /// For content that has no `.torrent` file. `files` are in torrent order, each starting where
    /// the one before ends.
    pub fn from_parts(
        geometry: Geometry,
        files: impl Into<Arc<[FileEntry]>>,
        root: impl Into<PathBuf>,
        hashes: Arc<dyn PieceHashes>,
    ) -> Self {
        let files: Arc<[FileEntry]> = files.into();
        let padded = files.iter().any(|file| file.pad);
        let parts = PartFile::new(&geometry, &files, None);
        Self { geometry, files, root: root.into().into(), parts, hashes, padded, journal: None }
    }

    /// The same, with a place to note the pieces that are hashed.
    #[must_use]
    pub fn noting(mut self, journal: Option<Arc<dyn NoteHashed>>) -> Self {
        self.journal = journal;
        self
    }

    /// Notes that a piece is written and hashed.
    pub(crate) fn note_hashed(&self, piece: PieceIndex) {
        if let Some(journal) = &self.journal {
            journal.hashed(piece);
        }
    }

    /// The shape of the content.
    pub const fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The files in torrent order, pad files included.
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// The folder that the files' paths are relative to.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The part file.
    pub const fn parts(&self) -> &PartFile {
        &self.parts
    }

    /// Where a file lies, by its number; the number after the last one is the part file's.
    pub fn path(&self, file: usize) -> PathBuf {
        self.root.join(self.below_root(file))
    }

    /// The same, below the root.
    pub(crate) fn below_root(&self, file: usize) -> &Path {
        self.files.get(file).map_or_else(|| self.parts.name(), |entry| &entry.path)
    }

    /// Where a span of one piece lies in the part file.
    pub(crate) fn part_offset(&self, span: Span) -> u64 {
        self.parts.offset(&self.geometry, self.files[span.file].offset + span.offset)
    }

    /// Bytes of the piece at this place of a file that begin there.
    pub(crate) fn left_in_piece(&self, file: usize, offset: u64) -> u64 {
        let at = self.files[file].offset + offset;
        let length = u64::from(self.geometry.piece_length());
        length - at % length
    }

    /// The hash that a piece must have.
    pub fn piece_hash(&self, piece: PieceIndex) -> [u8; 20] {
        self.hashes.piece_hash(piece)
    }

    /// The parts of files that a range of the content covers.
    pub fn spans(&self, offset: u64, length: u64) -> impl Iterator<Item = Span> + '_ {
        span::spans(&self.files, offset, length)
    }

    /// The parts of files that a piece covers.
    pub fn piece_spans(&self, piece: PieceIndex) -> impl Iterator<Item = Span> + '_ {
        span::piece_spans(&self.geometry, &self.files, piece)
    }

    /// Sets the bytes of pad files (BEP 47) in a received block to the zeros that they read as: what a
    /// peer sends there is of no consequence.
    pub(crate) fn clear_pads(&self, block: BlockRef, data: &mut Bytes) {
        if !self.padded {
            return;
        }
        let start = self.geometry.piece_offset(block.piece) + u64::from(block.begin());
        let mut at = 0;
        for span in self.spans(start, data.len() as u64) {
            let range = at..at + span.length as usize;
            at = range.end;
            if self.files[span.file].pad && data[range.clone()].iter().any(|byte| *byte != 0) {
                let mut cleared = data.to_vec();
                cleared[range].fill(0);
                *data = cleared.into();
            }
        }
    }

    /// The pieces that hold a byte of a file.
    pub fn pieces_of(&self, file: usize) -> impl Iterator<Item = PieceIndex> + use<> {
        self.files.get(file).map_or(0..0, |entry| span::pieces_of(&self.geometry, entry)).map(PieceIndex::new)
    }
}

impl fmt::Debug for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layout({} pieces, {} files, {:?})", self.geometry.pieces(), self.files.len(), self.root)
    }
}

/// Files `0`, `d1/1`, `d2/2`, `3`, ... of these lengths; `true` marks a pad file.
#[cfg(test)]
pub(crate) fn entries(lengths: &[(u64, bool)]) -> Vec<FileEntry> {
    let mut offset = 0;
    lengths
        .iter()
        .enumerate()
        .map(|(at, &(length, pad))| {
            let path = match at % 3 {
                0 => PathBuf::from(at.to_string()),
                folder => PathBuf::from(format!("d{folder}/{at}")),
            };
            let entry = FileEntry { path, length, offset, pad, executable: false };
            offset += length;
            entry
        })
        .collect()
}
