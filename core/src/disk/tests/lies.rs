//! Blocks that are not what they should be: who is named for them, and what becomes of the rest.

use super::*;
use crate::storage::DiskError;

const PIECE: u32 = 65_536;

fn block(piece: u32, block: u32) -> BlockRef {
    BlockRef { piece: PieceIndex::new(piece), block }
}

impl Torrent {
    /// A block with one bit of it turned.
    fn lie(&self, block: BlockRef) -> Bytes {
        let mut data = self.block(block).to_vec();
        data[5] ^= 1;
        data.into()
    }

    /// The liars that the next result names, with the numbers of the blocks they lied about.
    async fn liars(&self) -> Vec<(u64, u32)> {
        match self.done().await {
            DiskDone::Lies { lies, .. } => lies.iter().map(|claim| (claim.from.0, claim.block)).collect(),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn whose_block_differs_from_the_good_one_lied() {
    let torrent = Torrent::new(&[200_000], PIECE);
    // Links 1 and 2 are honest, 3 lies in one block and is honest in another.
    torrent.write_from(1, block(0, 0), torrent.block(block(0, 0))).await;
    torrent.write_from(3, block(0, 1), torrent.lie(block(0, 1))).await;
    torrent.write_from(3, block(0, 2), torrent.block(block(0, 2))).await;
    torrent.write_from(2, block(0, 3), torrent.block(block(0, 3))).await;
    let senders = [1, 2, 3].map(LinkId).to_vec();
    assert_eq!(torrent.done().await, DiskDone::Failed { piece: PieceIndex::new(0), senders });
    // The good piece, and two more who lie about what is there, one of them after it was verified.
    torrent.write(block(0, 0)).await;
    torrent.write_from(4, block(0, 0), torrent.lie(block(0, 0))).await;
    torrent.write_from(5, block(0, 0), torrent.block(block(0, 0))).await;
    assert!(matches!(torrent.done().await, DiskDone::Duplicate { from: LinkId(4), .. }));
    assert!(matches!(torrent.done().await, DiskDone::Duplicate { from: LinkId(5), .. }));
    for number in 1..4 {
        torrent.write(block(0, number)).await;
    }
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(0) });
    assert_eq!(torrent.liars().await, [(3, 1), (4, 0)]);
    torrent.write_from(6, block(0, 3), torrent.lie(block(0, 3))).await;
    assert!(matches!(torrent.done().await, DiskDone::Duplicate { from: LinkId(6), .. }));
    assert_eq!(torrent.liars().await, [(6, 3)]);
    torrent.write_from(1, block(0, 3), torrent.block(block(0, 3))).await;
    assert!(matches!(torrent.done().await, DiskDone::Duplicate { from: LinkId(1), .. }));
    assert_eq!(torrent.storage.try_done(), None);
    assert_eq!(torrent.read(0, 0, PIECE).await.unwrap(), torrent.content[..PIECE as usize]);
}

#[tokio::test]
async fn what_a_liar_sent_is_dropped_and_what_it_still_sends() {
    let torrent = Torrent::new(&[200_000], PIECE);
    torrent.write_from(1, block(0, 0), torrent.block(block(0, 0))).await;
    torrent.write_from(3, block(0, 1), torrent.lie(block(0, 1))).await;
    torrent.write_from(1, block(0, 2), torrent.block(block(0, 2))).await;
    torrent.disk.disown(&torrent.storage, LinkId(3));
    assert_eq!(torrent.done().await, DiskDone::Disowned { blocks: vec![block(0, 1)] });
    torrent.write_from(3, block(0, 3), torrent.lie(block(0, 3))).await;
    assert_eq!(torrent.done().await, DiskDone::Disowned { blocks: vec![block(0, 3)] });
    torrent.write_from(1, block(0, 3), torrent.block(block(0, 3))).await;
    torrent.write_from(1, block(0, 1), torrent.block(block(0, 1))).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(0) });
    assert_eq!(torrent.read(0, 0, PIECE).await.unwrap(), torrent.content[..PIECE as usize]);
}

#[tokio::test]
async fn a_piece_that_is_restarted_has_no_block() {
    let torrent = Torrent::new(&[200_000], PIECE);
    for number in 0..3 {
        torrent.write_from(3, block(0, number), torrent.lie(block(0, number))).await;
    }
    torrent.disk.restart(&torrent.storage, PieceIndex::new(0));
    assert_eq!(torrent.done().await, DiskDone::Restarted { piece: PieceIndex::new(0) });
    torrent.fill().await;
    torrent.assert_files();
}

#[tokio::test]
async fn nobody_is_blamed_for_what_another_program_wrote() {
    let torrent = Torrent::new(&[200_000], PIECE);
    torrent.write_from(1, block(0, 0), torrent.block(block(0, 0))).await;
    torrent.write_from(1, block(0, 2), torrent.block(block(0, 2))).await;
    torrent.write_from(1, block(0, 3), torrent.block(block(0, 3))).await;
    torrent.disk.restart(&torrent.storage, PieceIndex::new(2));
    assert!(matches!(torrent.done().await, DiskDone::Restarted { .. }));
    // The workers are two; what they have written is in the file once they have answered.
    torrent.disk.restart(&torrent.storage, PieceIndex::new(1));
    assert!(matches!(torrent.done().await, DiskDone::Restarted { .. }));
    let path = torrent.root.join("0");
    let mut bytes = fs::read(&path).unwrap();
    bytes[2 * 16_384 + 9] ^= 1;
    fs::write(&path, bytes).unwrap();
    // Blocks 2 and 3 have to be read again for the hash.
    torrent.write_from(1, block(0, 1), torrent.block(block(0, 1))).await;
    match torrent.done().await {
        DiskDone::Error { op: Op::Write, piece, error: DiskError::Changed, .. } => {
            assert_eq!(piece, Some(PieceIndex::new(0)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_sent_for_a_pad_file_is_of_no_consequence() {
    let torrent = Torrent::new(&[20_000, -45_536, 1_000], PIECE);
    for number in [0, 3, 2, 1] {
        let mut data = torrent.block(block(0, number)).to_vec();
        if number > 1 {
            data.fill(7);
        }
        torrent.write_from(1, block(0, number), data.into()).await;
    }
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(0) });
    // A copy with the zeros that belong there is no lie.
    torrent.write_from(2, block(0, 2), torrent.block(block(0, 2))).await;
    assert!(matches!(torrent.done().await, DiskDone::Duplicate { from: LinkId(2), .. }));
    assert_eq!(torrent.storage.try_done(), None);
}
