//! The map of pieces.

use super::*;
use crate::stats::{PIECE_CELLS, PartialStats, PieceCell};

#[test]
fn the_map_shows_what_is_there_what_comes_and_how_many_have_it() {
    let mut download = swarm("1100000000", &["1111100000", "1110000000"], 1);
    let dealt = deal(&mut download, 0, 3);
    let begun = dealt[0].piece;
    download.arrived(link(0), dealt[0]);
    let map = download.piece_map();
    assert_eq!((map.pieces, map.have, map.partial), (10, 2, 1));
    assert_eq!(map.partials, [PartialStats { piece: begun, blocks: 4, received: 1, asked: 2, peers: 1 }]);
    assert_eq!((map.fewest, map.fewest_from, map.fewest_to), (0, piece(5), piece(9)));
    assert_eq!(map.median, 1);
    let cell = |have, copies, unseen, coming| PieceCell { have, copies, unseen, coming };
    for (at, got) in map.cells.iter().enumerate() {
        let want = match at {
            0 | 1 => cell(255, 3, false, false),
            at if at == begun.as_usize() => cell(63, if at == 2 { 2 } else { 1 }, false, true),
            2 => cell(0, 2, false, false),
            3 | 4 => cell(0, 1, false, false),
            _ => cell(0, 0, true, false),
        };
        assert_eq!(*got, want, "piece {at}");
    }
}

#[test]
fn the_map_of_many_pieces_is_bounded_and_shows_the_least_and_the_rarest() {
    let pieces = 200_000;
    let geometry = Geometry::new(u64::from(pieces) * u64::from(BLOCK_SIZE), BLOCK_SIZE).unwrap();
    let mut have = Bitfield::full(pieces);
    have.clear(piece(100_000));
    have.clear(piece(199_999));
    let download = DownloadManager::new(geometry, have, 1);
    let map = download.piece_map();
    assert_eq!(map.cells.len(), PIECE_CELLS);
    let odd: Vec<&PieceCell> = map.cells.iter().filter(|cell| cell.have < 255).collect();
    assert_eq!(odd.len(), 2, "all but one of a dozen is not all");
    assert!(odd.iter().all(|cell| cell.have > 200 && cell.copies == 0 && cell.unseen));
    assert_eq!(
        (map.fewest, map.fewest_from, map.fewest_to, map.median),
        (0, piece(100_000), piece(100_000), 1)
    );
}
