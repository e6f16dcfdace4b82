//! The part file: where the bytes of unwanted files lie that share a piece with wanted ones.
//!
//! A hidden file in the save folder, named as libtorrent names its own. Where a byte of the content
//! lies in it follows from the torrent alone: it has no header that could be torn, and a restart has
//! nothing to read. Pieces that several files share come first, one slot each; all others have their
//! slots behind those, and are only written in the moment in which a file becomes unwanted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::geometry::Geometry;
use crate::metainfo::FileEntry;
use crate::storage::span::piece_spans;
use crate::types::{InfoHash, PieceIndex};

/// Name and shape of a torrent's part file. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PartFile {
    name: Arc<Path>,
    /// Pieces with bytes of more than one file, in order.
    shared: Arc<[PieceIndex]>,
}

impl PartFile {
    /// The part file of content with these files.
    pub(crate) fn new(geometry: &Geometry, files: &[FileEntry], info_hash: Option<&InfoHash>) -> Self {
        let name = info_hash.map_or_else(|| ".parts".to_owned(), |hash| format!(".{hash}.parts"));
        // Only the piece in which a file ends can be shared with a later one.
        let ends = files.iter().filter(|file| file.length > 0 && !file.pad);
        let mut shared: Vec<_> =
            ends.filter_map(|file| geometry.piece_at(file.offset + file.length - 1)).collect();
        shared.dedup();
        let is_shared = |piece: &PieceIndex| {
            let real = piece_spans(geometry, files, *piece).filter(|span| !files[span.file].pad);
            real.take(2).count() > 1
        };
        shared.retain(is_shared);
        Self { name: PathBuf::from(name).into(), shared: shared.into() }
    }

    /// Its path below the save folder.
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// The path below the save folder of a file that is being put together from it.
    pub(crate) fn unfinished(&self, file: usize) -> PathBuf {
        let mut name = self.name.as_os_str().to_owned();
        name.push(format!(".{file}"));
        name.into()
    }

    /// The path below the new save folder of a file that is being moved there.
    pub(crate) fn moving(&self, file: usize) -> PathBuf {
        let mut name = self.name.as_os_str().to_owned();
        name.push(format!(".move.{file}"));
        name.into()
    }

    /// Where a byte of the content lies in it.
    pub(crate) fn offset(&self, geometry: &Geometry, at: u64) -> u64 {
        let Some(piece) = geometry.piece_at(at) else { return u64::MAX };
        let slot = match self.shared.binary_search(&piece) {
            Ok(rank) => rank as u64,
            Err(_) => self.shared.len() as u64 + u64::from(piece.get()),
        };
        slot * u64::from(geometry.piece_length()) + (at - geometry.piece_offset(piece))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::storage::layout::entries;

    #[test]
    fn shared_pieces_come_first() {
        // Piece 1 is shared by files 0 and 1, piece 3 by 1 and 3 (2 is a pad file), piece 2 by nobody.
        let files = entries(&[(15, false), (20, false), (1, true), (9, false)]);
        let geometry = Geometry::new(45, 10).unwrap();
        let parts = PartFile::new(&geometry, &files, None);
        assert_eq!(parts.shared.iter().map(|piece| piece.get()).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(parts.offset(&geometry, 15), 5);
        assert_eq!(parts.offset(&geometry, 34), 14);
        assert_eq!(parts.offset(&geometry, 20), 20 + 20);
        assert_eq!(parts.name(), Path::new(".parts"));
        assert_eq!(parts.unfinished(3), Path::new(".parts.3"));
        let named = PartFile::new(&geometry, &files, Some(&InfoHash::new([0xab; 20])));
        assert_eq!(named.name(), Path::new(&format!(".{}.parts", "ab".repeat(20))));
    }

    proptest! {
        #[test]
        fn no_two_bytes_share_a_place(
            lengths in proptest::collection::vec((0_u64..40, any::<bool>()), 1..12),
            piece_length in 1_u32..30,
        ) {
            let files = entries(&lengths);
            let total = files.iter().map(|file| file.length).sum();
            let geometry = Geometry::new(total, piece_length).unwrap();
            let parts = PartFile::new(&geometry, &files, None);
            let places: BTreeSet<_> = (0..total).map(|at| parts.offset(&geometry, at)).collect();
            prop_assert_eq!(places.len() as u64, total);
        }
    }
}
