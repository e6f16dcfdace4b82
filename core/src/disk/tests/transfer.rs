//! Blocks in, pieces verified, bytes out.

use proptest::prelude::*;

use super::*;

/// Writes all blocks in an order that `seed` picks, and looks at the files and at what is read.
fn check(lengths: &[i64], piece_length: u32, seed: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let torrent = Torrent::new(lengths, piece_length);
        let geometry = *torrent.storage.geometry();
        let mut blocks: Vec<_> = geometry.all_pieces().flat_map(|piece| geometry.blocks(piece)).collect();
        blocks.sort_by_key(|block| {
            let key = u64::from(block.piece.get()) << 32 | u64::from(block.block);
            (key ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(seed as u32)
        });
        for block in blocks {
            torrent.write(block).await;
        }
        for _ in geometry.all_pieces() {
            assert!(matches!(torrent.done().await, DiskDone::Verified { .. }));
        }
        assert!(torrent.storage.verified().is_full());
        torrent.assert_files();
        torrent.assert_reads().await;
    });
}

#[test]
fn one_file() {
    check(&[1], 16_384, 0);
    check(&[16_384], 16_384, 0);
    check(&[100_001], 32_768, 1);
    check(&[1_000_003], 524_288, 2);
}

#[test]
fn a_piece_over_five_files() {
    check(&[5_000, 7_001, 1, 9_999, 12_000], 65_536, 3);
}

#[test]
fn files_of_no_bytes_are_made() {
    check(&[0, 20_000, 0, 0, 30_000, 0], 16_384, 4);
}

#[test]
fn pads_are_not_written_and_read_as_zeros() {
    check(&[20_000, -12_768, 50_000, -15_536, 10], 32_768, 5);
    check(&[-100, 5], 16_384, 6);
}

#[test]
fn a_thousand_small_files_with_few_open() {
    let lengths: Vec<i64> = (0..1_000).map(|at| at % 977).collect();
    check(&lengths, 16_384, 7);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_order_over_any_files(
        lengths in proptest::collection::vec(prop_oneof![Just(0_i64), 1..200_000_i64, -50_000..0_i64], 1..7),
        piece in 0_usize..4,
        seed: u64,
    ) {
        prop_assume!(lengths.iter().any(|length| *length > 0));
        check(&lengths, [16_384, 32_768, 100_000, 1 << 20][piece], seed);
    }
}

#[tokio::test]
async fn few_files_stay_open() {
    let lengths: Vec<i64> = (0..200).map(|at| 3_000 + at).collect();
    let torrent = Torrent::over(Arc::new(System), &lengths, 16_384, 8);
    torrent.fill().await;
    torrent.assert_reads().await;
    assert!(torrent.disk.open_files() <= 8);
    torrent.disk.close(&torrent.storage);
    assert!(matches!(torrent.done().await, DiskDone::Synced { .. }));
    assert_eq!(torrent.done().await, DiskDone::Closed);
    assert_eq!(torrent.disk.open_files(), 0);
    assert_eq!(torrent.read(0, 0, 1).await, Err(DiskError::Stopped));
}

#[tokio::test]
async fn what_is_there_is_not_written_over() {
    let torrent = Torrent::new(&[100_000], 65_536);
    let block = BlockRef { piece: PieceIndex::new(0), block: 1 };
    torrent.write(block).await;
    torrent.write_bytes(block, vec![0; 16_384].into()).await;
    assert_eq!(torrent.done().await, DiskDone::Duplicate { block, from: LinkId(7) });
    for block in [0, 2, 3].map(|block| BlockRef { piece: PieceIndex::new(0), block }) {
        torrent.write(block).await;
    }
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(0) });
    assert!(matches!(torrent.done().await, DiskDone::Lies { .. }));
    torrent.write_bytes(block, vec![0; 16_384].into()).await;
    assert_eq!(torrent.done().await, DiskDone::Duplicate { block, from: LinkId(7) });
    assert!(matches!(torrent.done().await, DiskDone::Lies { .. }));
    assert_eq!(torrent.read(0, 0, 65_536).await.unwrap(), torrent.content[..65_536]);
}

#[tokio::test]
async fn a_piece_with_a_wrong_block_fails_and_can_come_again() {
    let torrent = Torrent::new(&[40_000, 30_000], 65_536);
    let geometry = *torrent.storage.geometry();
    for block in geometry.blocks(PieceIndex::new(0)) {
        let mut data = torrent.block(block).to_vec();
        data[5] ^= u8::from(block.block == 2);
        torrent.write_bytes(block, data.into()).await;
    }
    assert_eq!(
        torrent.done().await,
        DiskDone::Failed { piece: PieceIndex::new(0), senders: vec![LinkId(7)] }
    );
    assert!(!torrent.storage.has(PieceIndex::new(0)));
    assert_eq!(torrent.read(0, 0, 10).await, Err(DiskError::Unverified));
    torrent.write_piece(0).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(0) });
    let DiskDone::Lies { piece, lies } = torrent.done().await else { panic!("it is known who lied") };
    assert_eq!((piece, lies.len(), lies[0].block, lies[0].from), (PieceIndex::new(0), 1, 2, LinkId(7)));
    torrent.write_piece(1).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(1) });
    torrent.assert_files();
}

#[tokio::test]
async fn reads_stay_inside_verified_pieces() {
    let torrent = Torrent::new(&[100_000], 65_536);
    torrent.write_piece(0).await;
    assert_eq!(torrent.done().await, DiskDone::Verified { piece: PieceIndex::new(0) });
    for (piece, begin, length, ok) in [
        (0, 0, 65_536, true),
        (0, 1, 65_535, true),
        (0, 1, 65_536, false),
        (0, u32::MAX, 2, false),
        (1, 0, 1, false),
        (9, 0, 1, false),
    ] {
        let read = torrent.read(piece, begin, length).await;
        assert_eq!(read.is_ok(), ok, "{piece} {begin} {length}");
    }
}

#[tokio::test]
async fn credits_bound_what_waits() {
    let disk = Disk::start(1, 64 * 1024, 4).unwrap();
    let held: Vec<_> = (0..4).map(|_| disk.try_credit(16_384).unwrap()).collect();
    assert!(disk.try_credit(1).is_none());
    let waiting = disk.credit(16_384);
    tokio::pin!(waiting);
    assert!(tokio::time::timeout(Duration::ZERO, &mut waiting).await.is_err());
    drop(held);
    waiting.await;
    // More than there is room for at all is not waited for without end.
    tokio::time::timeout(Duration::from_secs(5), disk.credit(u32::MAX)).await.unwrap();
    disk.shutdown(END);
    disk.credit(1).await;
}

#[tokio::test]
async fn shutdown_writes_what_was_handed_over_and_leaves_no_file_open() {
    let torrent = Torrent::new(&[300_000], 65_536);
    for piece in 0..5 {
        torrent.write_piece(piece).await;
    }
    torrent.disk.shutdown(END);
    torrent.assert_files();
    assert_eq!(torrent.disk.open_files(), 0);
    let verified = (0..5).map(|_| torrent.storage.try_done().unwrap());
    assert_eq!(verified.filter(|done| matches!(done, DiskDone::Verified { .. })).count(), 5);
    let Some(DiskDone::Synced { have, .. }) = torrent.storage.try_done() else { panic!("not synced") };
    assert!(have.is_full());
    torrent.disk.sync(&torrent.storage);
    torrent.disk.close(&torrent.storage);
    assert_eq!(torrent.disk.delete_files(&torrent.storage).await, Err(DiskError::Stopped));
    assert_eq!(torrent.read(0, 0, 1).await, Err(DiskError::Stopped));
}

#[tokio::test]
async fn an_executable_file_can_be_run_by_those_who_may_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut torrent = Torrent::new(&[100, 100], 16_384);
    let layout = torrent.storage.layout();
    let mut files = layout.files().to_vec();
    files[1].executable = true;
    let hashes = vec![layout.piece_hash(PieceIndex::new(0))];
    let layout = Layout::from_parts(*layout.geometry(), files, &torrent.root, Arc::new(hashes));
    torrent.storage = torrent.disk.open(layout);
    torrent.fill().await;
    let mode = |at| fs::metadata(torrent.path(at)).unwrap().permissions().mode();
    assert_eq!(mode(0) & 0o111, 0);
    assert_eq!(mode(1) & 0o111, (mode(1) & 0o444) >> 2);
}
