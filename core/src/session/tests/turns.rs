//! The life of one torrent, turn by turn: checks, pauses, errors, the end.

use std::sync::Arc;

use tokio::sync::watch;

use super::super::actor::{Input, Phase};
use super::super::control::{Control, Orders, Wish};
use super::super::over;
use super::bench::{Bench, FULL, HOUR, PIECES, SECOND, error, piece};
use super::*;
use crate::peer::Report;
use crate::storage::{DiskDone, DiskError, Op};
use crate::types::BLOCK_SIZE;

#[test]
fn an_idle_seed_never_wakes() {
    let mut bench = Bench::running(true);
    assert_eq!(bench.events(), ["session.started", "session.checked", "session.completed"]);
    bench.sleep(20 * SECOND);
    bench.disk_until(|bench| bench.actor.storage.synced().is_full());
    assert_eq!(bench.sleep(24 * HOUR), 0);
    bench.wish(Wish::Pause);
    assert_eq!(bench.sleep(24 * HOUR), 0);
}

#[test]
fn a_check_that_waits_its_turn_costs_nothing_and_one_that_runs_is_seen() {
    let mut bench = Bench::new(true);
    bench.wish(Wish::Run);
    assert_eq!(bench.actor.newest.state, SessionState::Checking);
    assert_eq!(bench.sleep(HOUR), 0);
    bench.turn(Input::Disk(DiskDone::CheckProgress { checked: 3, have: 3 }));
    assert_eq!(bench.sleep(2 * SECOND), 1);
    assert_eq!(bench.actor.newest.pieces_checked, 3);
}

#[test]
fn a_download_that_brings_nothing_is_stalled_after_a_minute_and_sleeps_on() {
    let mut bench = Bench::running(false);
    assert!(!bench.actor.newest.stalled);
    bench.sleep(59 * SECOND);
    assert!(!bench.actor.newest.stalled);
    assert_eq!(bench.sleep(SECOND), 1);
    assert!(bench.actor.newest.stalled);
    assert_eq!(bench.sleep(HOUR), 0);
}

#[test]
fn pause_while_checking_goes_on_where_it_stopped() {
    let mut bench = Bench::new(true);
    bench.wish(Wish::Run);
    bench.wish(Wish::Pause);
    bench.wish(Wish::Run);
    bench.wish(Wish::Pause);
    bench.disk_until(|bench| !bench.actor.check_posted);
    assert_eq!(bench.actor.phase, Phase::Paused);
    bench.wish(Wish::Run);
    bench.disk_until(|bench| bench.actor.phase == Phase::Running);
    assert!(bench.actor.download.is_complete());
    let mut hashed = Vec::new();
    while let Some(Delivery::Event(tagged)) = bench.events.try_next() {
        if let Event::SessionChecked { bytes_hashed, .. } = &*tagged.event {
            hashed.push(*bytes_hashed);
        }
    }
    assert_eq!(hashed, [bench.content.len() as u64], "each piece once");
}

#[test]
fn a_resume_that_comes_before_the_check_has_stopped_waits_for_it() {
    let mut bench = Bench::new(true);
    bench.wish(Wish::Run);
    bench.wish(Wish::Pause);
    bench.wish(Wish::Run);
    assert_eq!(bench.actor.phase, Phase::Checking);
    bench.disk_until(|bench| bench.actor.phase == Phase::Running);
    assert_eq!(
        bench.events(),
        ["session.started", "session.paused", "session.resumed", "session.checked", "session.completed"]
    );
}

#[test]
fn what_rests_goes_on_resting_when_the_disk_fails() {
    let mut bench = Bench::running(true);
    bench.wish(Wish::Pause);
    bench.turn(error(Op::Sync, None, FULL));
    assert_eq!(bench.actor.phase, Phase::Paused);
    bench.sleep(HOUR);
    assert_eq!(bench.actor.phase, Phase::Paused);
    assert!(bench.events().contains(&"storage.full"));
}

#[test]
fn a_full_disk_is_tried_again_and_written_to_while_the_rest_is_served() {
    let mut bench = Bench::running(false);
    let (first, second) = (piece(&bench, 0), piece(&bench, 1));
    bench.write(first);
    bench.disk_until(|bench| bench.actor.download.have().get(first));
    let link = bench.seed("11.0.0.1:1", 5);
    bench.events();
    for _ in 0..3 {
        bench.turn(error(Op::Write, Some(second), FULL));
    }
    assert_eq!(bench.events(), ["storage.full", "peer.disconnected"]);
    assert!(!bench.actor.links.contains_key(&link), "it may tell of blocks that were not written");
    assert_eq!(bench.actor.newest.state, SessionState::Error);
    assert!(bench.actor.newest.message.as_ref().is_some_and(|message| message.raw().contains("disk full")));

    let again = bench.seed("11.0.0.2:1", 5);
    bench.report(again, Report::Interested(true));
    let mail = bench.mail(again);
    assert_eq!((mail.choke, mail.interested, mail.hand.len()), (Some(false), None, 0), "served, not asked");
    bench.sleep(29 * SECOND);
    assert_eq!(bench.actor.newest.state, SessionState::Error);
    bench.sleep(SECOND);
    assert_eq!(bench.actor.newest.state, SessionState::Downloading);
    let mail = bench.mail(again);
    assert_eq!((mail.interested, mail.hand.len()), (Some(true), 5));
    bench.write(second);
    bench.disk_until(|bench| bench.actor.download.have().get(second));
}

#[test]
fn a_person_need_not_wait_for_the_next_try_on_a_full_disk() {
    let mut bench = Bench::running(false);
    let first = piece(&bench, 0);
    bench.turn(error(Op::Write, Some(first), FULL));
    bench.wish(Wish::Run);
    assert_eq!(bench.actor.newest.state, SessionState::Downloading);
    bench.turn(error(Op::Write, Some(first), FULL));
    bench.wish(Wish::Pause);
    assert_eq!(bench.actor.newest.state, SessionState::Paused);
    bench.sleep(HOUR);
    bench.wish(Wish::Run);
    assert_eq!(bench.actor.newest.state, SessionState::Downloading);
}

#[test]
fn a_file_that_vanished_is_fetched_again_after_a_resume() {
    let mut bench = Bench::running(true);
    bench.disk_until(|bench| bench.actor.storage.synced().is_full());
    std::fs::remove_file(bench.dir.path().join("both/sub/b")).unwrap();
    let range = bench.torrent.metainfo().geometry.range(3, 0, BLOCK_SIZE).unwrap();
    let read = bench.shared.disk().read(&bench.actor.storage, range);
    assert_eq!(bench.runtime.block_on(read), Err(DiskError::Vanished));
    bench.disk_until(|bench| bench.actor.download.have().ones() == 0);
    assert_eq!(bench.actor.newest.state, SessionState::Error);
    assert_eq!(bench.sleep(HOUR), 0, "only a person can say that it should be made anew");
    bench.wish(Wish::Run);
    bench.disk_until(|bench| bench.actor.phase == Phase::Running);
    assert_eq!(bench.actor.newest.state, SessionState::Downloading);
    let third = piece(&bench, 3);
    bench.write(third);
    bench.disk_until(|bench| bench.actor.download.have().get(third));
}

#[test]
fn an_unreadable_file_is_looked_at_again_by_the_next_start() {
    let mut bench = Bench::new(true);
    bench.wish(Wish::Run);
    let eio = DiskError::Io { kind: std::io::ErrorKind::Other, message: "EIO".into() };
    bench.turn(error(Op::Check, None, eio));
    assert_eq!(bench.actor.newest.state, SessionState::Error);
    bench.disk_until(|bench| !bench.actor.check_posted);
    bench.wish(Wish::Run);
    bench.disk_until(|bench| bench.actor.phase == Phase::Running);
    assert!(bench.actor.download.is_complete());
}

#[test]
fn the_end_waits_for_the_sync_and_for_nothing_else() {
    let mut bench = Bench::running(false);
    let first = piece(&bench, 0);
    bench.write(first);
    bench.disk_until(|bench| bench.actor.download.have().get(first));
    bench.sleep(9 * SECOND);
    bench.turn(Input::Stopping);
    assert!(matches!(bench.actor.phase, Phase::Stopping(_)));
    assert_eq!(bench.sleep(SECOND), 0, "the save that was due does not wake it");
    bench.disk_until(|bench| bench.actor.phase == Phase::Stopped);
    assert!(bench.actor.storage.synced().get(first));
}

#[test]
fn the_end_does_not_wait_for_a_disk_that_hangs() {
    let mut bench = Bench::running(false);
    let first = piece(&bench, 0);
    bench.write(first);
    bench.disk_until(|bench| bench.actor.download.have().get(first));
    bench.turn(Input::Stopping);
    bench.sleep(2 * SECOND);
    assert_eq!(bench.actor.phase, Phase::Stopped);
}

#[test]
fn a_download_is_completed_once_in_a_run() {
    let mut bench = Bench::running(false);
    for at in 0..PIECES as u32 {
        bench.write(piece(&bench, at));
    }
    bench.disk_until(|bench| bench.actor.download.is_complete());
    bench.wish(Wish::Pause);
    bench.wish(Wish::Run);
    let events = bench.events();
    let count = |kind| events.iter().filter(|event| **event == kind).count();
    assert_eq!(
        (count("session.completed"), count("file.completed"), count("piece.completed")),
        (1, 2, PIECES)
    );
    assert_eq!(bench.actor.newest.state, SessionState::Seeding);
}

#[test]
fn a_panic_shows_as_an_error_and_nobody_waits_for_the_dead() {
    let mut bench = Bench::running(true);
    let control = Arc::new(Control::default());
    let ended = watch::Sender::new(false);
    let guard = over::Guard {
        torrent: bench.torrent.clone(),
        shared: bench.shared.clone(),
        control: control.clone(),
        storage: bench.actor.storage_seen.subscribe(),
        place: bench.actor.place.clone(),
        ended: ended.clone(),
    };
    bench.events();
    let task = bench.runtime.spawn(async move {
        let _guard = guard;
        panic!("a test of what happens then");
    });
    assert!(bench.runtime.block_on(task).unwrap_err().is_panic());
    let shown = bench.shared.board().get(&bench.torrent.info_hash()).unwrap();
    assert_eq!(shown.state, SessionState::Error);
    assert!(shown.message.is_some());
    assert_eq!(bench.events(), ["session.error"]);
    assert!(!control.order(|orders| orders.wish = Wish::Run));
    assert!(*ended.borrow());
}

fn recheck(bench: &mut Bench) {
    bench.turn(Input::Orders(Orders { recheck: true, ..Orders::default() }));
}

#[test]
fn a_recheck_leaves_the_swarm_finds_what_changed_and_goes_on() {
    let mut bench = Bench::running(true);
    bench.seed("11.0.0.1:1", 5);
    bench.events();
    let path = bench.actor.storage.layout().path(1);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[3 * PIECE + 5] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    recheck(&mut bench);
    assert_eq!(bench.actor.newest.state, SessionState::Checking);
    assert!(bench.actor.links.is_empty() && bench.actor.in_swarm.is_none());
    bench.disk_until(|bench| bench.actor.phase == Phase::Running);
    assert_eq!(bench.actor.download.have().ones() as usize, PIECES - 1);
    assert!(bench.actor.in_swarm.is_some());
    assert_eq!(bench.events(), ["peer.disconnected", "session.checked"]);
    // What was found missing can be written again.
    let third = piece(&bench, 3);
    bench.write(third);
    bench.disk_until(|bench| bench.actor.download.is_complete());
}

#[test]
fn a_recheck_of_what_rests_leads_back_to_rest_unless_it_is_resumed_meanwhile() {
    let mut bench = Bench::running(true);
    bench.wish(Wish::Pause);
    recheck(&mut bench);
    bench.disk_until(|bench| bench.actor.phase == Phase::Paused);
    assert!(bench.actor.download.is_complete() && bench.actor.saving.paused);
    bench.sleep(20 * SECOND);
    recheck(&mut bench);
    bench.wish(Wish::Run);
    assert_eq!(bench.actor.phase, Phase::Checking);
    bench.disk_until(|bench| bench.actor.phase == Phase::Running);
    assert!(!bench.actor.saving.paused);
}

#[test]
fn a_recheck_in_the_middle_of_a_check_hashes_all_and_a_pause_keeps_the_rest_in_doubt() {
    let mut bench = Bench::new(true);
    bench.wish(Wish::Run);
    recheck(&mut bench);
    bench.disk_until(|bench| bench.actor.phase == Phase::Running);
    assert!(bench.actor.download.is_complete());
    recheck(&mut bench);
    bench.wish(Wish::Pause);
    bench.disk_until(|bench| !bench.actor.check_posted);
    assert_eq!(bench.actor.phase, Phase::Paused);
    bench.wish(Wish::Run);
    bench.disk_until(|bench| bench.actor.phase == Phase::Running);
    assert!(bench.actor.download.is_complete());
}
