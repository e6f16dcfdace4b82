//! Power cuts under a whole session: with every record on the disk as soon as it is posted, and of the
//! payload only what was synced for certain, no record claims what is not there.

use std::sync::{Arc, Mutex};

use super::super::control::Wish;
use super::bench::{Bench, PIECES, SECOND, piece};
use super::*;
use crate::disk::tests::power_cut::{Cuttable, Dice};
use crate::types::PieceIndex;

const ROUNDS: u64 = 60;

/// Where the first file ends, in the middle of a block.
const SPLIT: usize = 100;

/// One run until the power goes; gives the last record, the pieces that are there then, and the folder.
fn round(dice: &mut Dice, backend: &Arc<Cuttable>) -> (Option<ResumeRecord>, Vec<bool>) {
    let mut bench = Bench::over(backend.clone());
    let last: Arc<Mutex<Option<ResumeRecord>>> = Arc::default();
    let (shared, info_hash, into) = (bench.shared.clone(), bench.torrent.info_hash(), last.clone());
    backend.at_cut(move || *into.lock().unwrap() = shared.store().unwrap().posted(&info_hash));
    bench.wish(Wish::Run);
    bench.disk_until(|bench| bench.actor.phase == super::super::actor::Phase::Running);
    let mut pieces: Vec<u32> = (0..PIECES as u32).collect();
    dice.shuffle(&mut pieces);
    for (written, at) in pieces.into_iter().zip(1..).map(|(at, written)| (written, at)) {
        let next: PieceIndex = piece(&bench, at);
        bench.write(next);
        match dice.below(6) {
            // The time of a sync comes, and results of the disk come before or after it.
            0 => _ = bench.sleep(11 * SECOND),
            1 => {
                bench.disk_until(|bench| bench.actor.storage.verified_count() == written);
                bench.sleep(11 * SECOND);
            }
            2 => {
                bench.wish(Wish::Pause);
                bench.wish(Wish::Run);
                bench.disk_until(|bench| !bench.actor.check_posted);
            }
            _ => {}
        }
        while let Some(done) = bench.actor.storage.try_done() {
            bench.turn(super::super::actor::Input::Disk(done));
        }
    }
    bench.wish(Wish::Stop);
    bench.disk_until(|bench| bench.actor.phase == super::super::actor::Phase::Stopped);
    bench.shared.disk().shutdown(Duration::from_secs(60));
    if backend.is_on() {
        backend.lose_power();
    }
    backend.cut(bench.dir.path(), dice);
    let mut there = std::fs::read(bench.dir.path().join("both/a")).unwrap_or_default();
    there.resize(SPLIT, !bench.content[0]);
    there.extend(std::fs::read(bench.dir.path().join("both/sub/b")).unwrap_or_default());
    let valid = |(at, piece): (usize, &[u8])| there.get(at * PIECE..at * PIECE + piece.len()) == Some(piece);
    let valid = bench.content.chunks(PIECE).enumerate().map(valid).collect();
    let record = last.lock().unwrap().take();
    (record, valid)
}

fn claims(record: &ResumeRecord) -> impl Iterator<Item = usize> + '_ {
    let set = |at: &usize| record.have.get(at / 8).is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0);
    (0..PIECES).filter(set)
}

#[test]
fn no_record_claims_what_a_power_cut_takes() {
    let mut claimed = 0;
    for seed in 0..ROUNDS {
        let mut dice = Dice(seed);
        let calls = 1 + dice.below(40);
        let (record, valid) = round(&mut dice, &Cuttable::new(calls));
        for piece in record.iter().flat_map(claims) {
            assert!(valid[piece], "round {seed}: piece {piece} is claimed and not there");
            claimed += 1;
        }
    }
    assert!(claimed > 30, "records claim something: {claimed}");
}

/// The test above can fail.
#[test]
fn a_session_on_a_disk_that_does_not_sync_is_found_out() {
    let broken = (0..20).filter(|seed| {
        let mut dice = Dice(*seed);
        let calls = 20 + dice.below(40);
        let (record, valid) = round(&mut dice, &Cuttable::lying(calls));
        record.iter().flat_map(claims).any(|piece| !valid[piece])
    });
    assert!(broken.count() > 3);
}
