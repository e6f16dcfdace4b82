//! The cost of a block, in entries looked at: the same for many pieces and peers as for few.

use std::time::Instant;

use rand::RngExt;

use super::*;

/// Downloads `goal` pieces of four blocks from `peers` links (one in ten a seed, the others with
/// one to a hundred percent of the pieces, clustered or spread); the entries looked at per block,
/// and the most for one hand.
fn cost(pieces: u32, peers: usize, goal: u32, sequential: bool) -> (f64, u64) {
    let geometry = Geometry::new(u64::from(pieces) * 4 * u64::from(BLOCK_SIZE), 4 * BLOCK_SIZE).unwrap();
    let mut download = DownloadManager::new(geometry, Bitfield::new(pieces), 7);
    download.set_sequential(sequential);
    let mut rng = SmallRng::seed_from_u64(11);
    for n in 0..peers {
        download.link_joined(link(n));
        let have = match n % 10 {
            0 => PeerPieces::All,
            kind => {
                let mut have = Bitfield::new(pieces);
                let share = pieces / [100, 50, 20, 10, 5, 3, 2, 1, 1][kind - 1];
                let start = rng.random_range(0..pieces);
                for at in 0..share {
                    let index = if n % 2 == 0 { (start + at) % pieces } else { rng.random_range(0..pieces) };
                    have.set(piece(index));
                }
                PeerPieces::Some(have)
            }
        };
        download.link_pieces(link(n), have);
    }
    let speeds = [LinkSpeed::Slow, LinkSpeed::Medium, LinkSpeed::Fast];
    let (mut blocks, mut most) = (0u64, 0);
    let now = Instant::now();
    let mut out = Vec::new();
    'all: loop {
        for n in 0..peers {
            let before = download.looks;
            download.deal(now, link(n), 8, speeds[n % 3], &mut out);
            most = most.max(download.looks - before);
            blocks += out.len() as u64;
            for block in out.drain(..) {
                if let Arrived::Fresh { piece_full: true, .. } = download.arrived(link(n), block) {
                    download.verified(block.piece);
                    // Those that lack it hear of it from us, and have it after a while.
                    let other = rng.random_range(0..peers);
                    download.link_has(link(other), block.piece);
                }
            }
            if download.have.ones() >= goal {
                break 'all;
            }
        }
    }
    (download.looks as f64 / blocks as f64, most)
}

#[test]
fn a_block_costs_the_same_for_any_number_of_pieces_and_peers() {
    let (few, _) = cost(2_000, 10, 1_000, false);
    let (many, most) = cost(200_000, 100, 20_000, false);
    assert!(many < 8.0 && many < 2.0 * few, "{few:.1} and {many:.1} looks for a block");
    // The worst hand reads one peer's bitfield once, 64 pieces at a look.
    assert!(most < 2 * 200_000 / 64, "{most} looks for one hand");
}

#[test]
fn nor_does_it_in_the_order_of_the_content() {
    let (few, _) = cost(2_000, 10, 1_000, true);
    let (many, most) = cost(200_000, 100, 20_000, true);
    assert!(many < 12.0 && many < 4.0 * few.max(2.0), "{few:.1} and {many:.1} looks for a block");
    assert!(most < 2 * 200_000 / 64, "{most} looks for one hand");
}
