//! How much a piece is wanted: as much as the most wanted of the files that lie in it.

use crate::geometry::Geometry;
use crate::metainfo::FileEntry;
use crate::settings::Priority;

/// The classes that are dealt out, the most wanted first.
pub(super) const CLASSES: [Class; 3] = [Class(0), Class(1), Class(2)];

/// Place of a priority in [`CLASSES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class(u8);

impl Class {
    /// The class that pieces of this priority are dealt out in; none for those that are skipped.
    pub(super) const fn of(priority: Priority) -> Option<Self> {
        match priority {
            Priority::High => Some(CLASSES[0]),
            Priority::Normal => Some(CLASSES[1]),
            Priority::Low => Some(CLASSES[2]),
            Priority::Skip => None,
        }
    }

    /// The place, to index an array that has one entry per class.
    pub(super) const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

/// The priority of each piece: the highest of the files that have a byte in it. Pad files want
/// nothing, and a piece of them alone is skipped when all around it is.
pub fn of_pieces(
    geometry: Geometry,
    files: &[FileEntry],
    wanted: impl Fn(usize) -> Priority,
) -> Vec<Priority> {
    let mut pieces = vec![None; geometry.pieces() as usize];
    let length = u64::from(geometry.piece_length());
    for (at, file) in files.iter().enumerate().filter(|(_, file)| !file.pad && file.length > 0) {
        let priority = wanted(at);
        let first = (file.offset / length) as usize;
        let last = ((file.offset + file.length - 1) / length) as usize;
        for piece in pieces.iter_mut().take(last + 1).skip(first) {
            *piece = (*piece).max(Some(priority));
        }
    }
    let mut before = Priority::default();
    let filled = pieces.into_iter().map(|piece| {
        before = piece.unwrap_or(before);
        before
    });
    filled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(offset: u64, length: u64, pad: bool) -> FileEntry {
        FileEntry { path: format!("f{offset}").into(), length, offset, pad, executable: false }
    }

    #[test]
    fn a_piece_is_as_wanted_as_the_most_wanted_of_its_files() {
        use Priority::{High, Low, Normal, Skip};
        let geometry = Geometry::new(5 * 16_384, 16_384).unwrap();
        // Pieces 0 | 0 1 | (empty) 1 | 1 2 | pad 3 | 4
        let files = [
            file(0, 100, false),
            file(100, 20_000, false),
            file(20_100, 0, false),
            file(20_100, 29_052, false),
            file(49_152, 16_384, true),
            file(65_536, 16_384, false),
        ];
        let check = |wanted: [Priority; 6], want: [Priority; 5]| {
            assert_eq!(of_pieces(geometry, &files, |at| wanted[at]), want, "{wanted:?}");
        };
        check([Normal; 6], [Normal; 5]);
        check([Skip, Normal, Skip, Skip, Skip, High], [Normal, Normal, Skip, Skip, High]);
        check([High, Low, High, Skip, Skip, Low], [High, Low, Skip, Skip, Low]);
        check([Skip, Skip, High, Skip, High, Skip], [Skip; 5]);
        check([Skip, Skip, Skip, Low, Skip, Skip], [Skip, Low, Low, Low, Skip]);
    }
}
