//! Pieces and files: which bytes of which files a range of the content covers (BEP 3, "info").

use std::ops::Range;

use crate::geometry::Geometry;
use crate::metainfo::FileEntry;
use crate::types::PieceIndex;

/// A part of one file. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Number of the file in torrent order.
    pub file: usize,
    /// Offset of the first byte within the file.
    pub offset: u64,
    /// Number of bytes, at least 1.
    pub length: u64,
}

/// The parts of files that `length` bytes from `offset` of the content cover, in order. Files of no
/// bytes have no part; pad files do. What lies past the end of the content is left out.
pub fn spans(files: &[FileEntry], offset: u64, length: u64) -> impl Iterator<Item = Span> + '_ {
    let end = offset.saturating_add(length);
    let first = files.partition_point(|file| file.offset + file.length <= offset);
    files[first..]
        .iter()
        .enumerate()
        .take_while(move |(_, file)| file.offset < end)
        .filter(|(_, file)| file.length > 0)
        .map(move |(at, file)| {
            let start = offset.max(file.offset);
            let stop = end.min(file.offset + file.length);
            Span { file: first + at, offset: start - file.offset, length: stop - start }
        })
        .filter(|span| span.length > 0)
}

/// The pieces that hold a byte of this file; empty for a file of no bytes.
pub fn pieces_of(geometry: &Geometry, file: &FileEntry) -> Range<u32> {
    if file.length == 0 {
        return 0..0;
    }
    match (geometry.piece_at(file.offset), geometry.piece_at(file.offset + file.length - 1)) {
        (Some(first), Some(last)) => first.get()..last.get() + 1,
        _ => 0..0,
    }
}

/// The spans of one whole piece.
pub fn piece_spans<'a>(
    geometry: &Geometry,
    files: &'a [FileEntry],
    piece: PieceIndex,
) -> impl Iterator<Item = Span> + use<'a> {
    spans(files, geometry.piece_offset(piece), u64::from(geometry.piece_size(piece)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::storage::layout::entries;

    fn check(lengths: &[u64], offset: u64, length: u64, want: &[(usize, u64, u64)]) {
        let lengths: Vec<_> = lengths.iter().map(|length| (*length, false)).collect();
        let got: Vec<_> =
            spans(&entries(&lengths), offset, length).map(|s| (s.file, s.offset, s.length)).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn ranges_meet_files() {
        check(&[10], 0, 10, &[(0, 0, 10)]);
        check(&[10], 3, 4, &[(0, 3, 4)]);
        check(&[10], 10, 5, &[]);
        check(&[10], 8, 5, &[(0, 8, 2)]);
        check(&[3, 0, 0, 4], 2, 2, &[(0, 2, 1), (3, 0, 1)]);
        check(&[0, 3, 0], 0, 3, &[(1, 0, 3)]);
        check(&[1, 1, 1, 1, 1], 0, 5, &[(0, 0, 1), (1, 0, 1), (2, 0, 1), (3, 0, 1), (4, 0, 1)]);
        check(&[5], 2, 0, &[]);
        check(&[], 0, 5, &[]);
    }

    proptest! {
        /// The model: a table that says for each byte of the content where it lives.
        #[test]
        fn agrees_with_a_table_of_bytes(
            lengths in proptest::collection::vec(0_u64..40, 0..12),
            piece_length in 1_u32..30,
        ) {
            let files = entries(&lengths.iter().map(|l| (*l, false)).collect::<Vec<_>>());
            let table: Vec<(usize, u64)> = lengths
                .iter()
                .enumerate()
                .flat_map(|(file, length)| (0..*length).map(move |at| (file, at)))
                .collect();
            let geometry = Geometry::new(table.len() as u64, piece_length).unwrap();
            let mut bytes = 0;
            for piece in geometry.all_pieces() {
                let start = geometry.piece_offset(piece) as usize;
                let want = &table[start..start + geometry.piece_size(piece) as usize];
                let got: Vec<(usize, u64)> = piece_spans(&geometry, &files, piece)
                    .flat_map(|s| (s.offset..s.offset + s.length).map(move |at| (s.file, at)))
                    .collect();
                prop_assert_eq!(&got, want);
                bytes += got.len();
                for (file, entry) in files.iter().enumerate() {
                    let inside = pieces_of(&geometry, entry).contains(&piece.get());
                    prop_assert_eq!(inside, got.iter().any(|(f, _)| *f == file));
                }
            }
            prop_assert_eq!(bytes, table.len());
        }
    }
}
