//! How much of each file is there: kept piece by piece, so that a finished file is noticed at once.

use crate::bitfield::Bitfield;
use crate::geometry::Geometry;
use crate::metainfo::FileEntry;
use crate::types::PieceIndex;

/// Bytes of each file that lie in checked pieces.
#[derive(Debug)]
pub struct FileProgress {
    geometry: Geometry,
    /// Offset and length of each file within the content, in torrent order.
    spans: Vec<(u64, u64)>,
    have: Vec<u64>,
    counted: Bitfield,
}

impl FileProgress {
    /// Counts what `have` covers.
    pub fn new(geometry: Geometry, files: &[FileEntry], have: &Bitfield) -> Self {
        let spans: Vec<_> = files.iter().map(|file| (file.offset, file.length)).collect();
        let mut progress =
            Self { geometry, have: vec![0; spans.len()], spans, counted: Bitfield::new(geometry.pieces()) };
        for piece in have.iter() {
            progress.verified(piece);
        }
        progress
    }

    /// Counts one more piece; returns the files that it completes. A piece counts once.
    pub fn verified(&mut self, piece: PieceIndex) -> Vec<usize> {
        if !self.counted.set(piece) {
            return Vec::new();
        }
        let mut complete = Vec::new();
        self.each_overlap(piece, |have, overlap, length, file| {
            *have += overlap;
            if *have == length {
                complete.push(file);
            }
        });
        complete
    }

    /// Bytes of this file that are there.
    pub fn have(&self, file: usize) -> u64 {
        self.have.get(file).copied().unwrap_or(0)
    }

    fn each_overlap(&mut self, piece: PieceIndex, mut visit: impl FnMut(&mut u64, u64, u64, usize)) {
        let begin = self.geometry.piece_offset(piece);
        let end = begin + u64::from(self.geometry.piece_size(piece));
        let first = self.spans.partition_point(|(offset, length)| offset + length <= begin);
        for file in first..self.spans.len() {
            let (offset, length) = self.spans[file];
            if offset >= end {
                break;
            }
            let overlap = end.min(offset + length).saturating_sub(begin.max(offset));
            if overlap > 0 {
                visit(&mut self.have[file], overlap, length, file);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(offset: u64, length: u64) -> FileEntry {
        FileEntry { path: format!("f{offset}").into(), length, offset, pad: false, executable: false }
    }

    #[test]
    fn a_piece_may_complete_several_files() {
        let geometry = Geometry::new(50_000, 16_384).unwrap();
        let files = [file(0, 10), file(10, 0), file(10, 20_000), file(20_010, 29_990)];
        let mut progress = FileProgress::new(geometry, &files, &Bitfield::new(geometry.pieces()));
        assert_eq!(progress.verified(PieceIndex::new(0)), [0]);
        assert_eq!(progress.verified(PieceIndex::new(1)), [2]);
        assert_eq!(progress.have(3), 32_768 - 20_010);
        assert_eq!(progress.verified(PieceIndex::new(3)), [0_usize; 0]);
        assert_eq!(progress.verified(PieceIndex::new(2)), [3]);
        assert_eq!(progress.have(2), 20_000);
    }
}
