//! Turns: one actor that waits for its turn, and whole managers whose torrents take theirs.

use super::super::actor::{Input, Phase};
use super::super::control::{Orders, Wish};
use super::bench::{Bench, HOUR, SECOND};
use super::*;
use crate::InfoHash;
use crate::queue::{Report, Shift, Stage, Turn};
use crate::settings::{GlobalSetting, MaxActive};

/// One that runs while nobody else wants to, and another that will come before it.
fn bench() -> Bench {
    let bench = Bench::queued(false);
    bench.shared.set(GlobalSetting::ActiveDownloads(MaxActive::At(1)));
    bench
}

/// A torrent that only the queue knows.
const OTHER: InfoHash = InfoHash::new([1; 20]);

/// Decides what is due, as the engine's task would.
fn decide(bench: &mut Bench) {
    bench.now += 2 * SECOND;
    bench.shared.turns().decide(bench.now, &bench.shared);
    bench.turn(Input::Turn);
}

#[test]
fn a_torrent_waits_for_its_turn_in_silence_and_then_runs() {
    let mut bench = bench();
    let ready = Report { stage: Stage::Ready, ..Report::default() };
    let seat = bench.shared.turns().enter(OTHER, ready);
    bench.shared.shift(&[OTHER], Shift::Top);
    bench.wish(Wish::Run);
    bench.disk_until(|bench| bench.actor.phase == Phase::Queued);
    assert_eq!(bench.actor.newest.state, SessionState::Queued);
    decide(&mut bench);
    assert_eq!((bench.actor.phase.clone(), seat.turn()), (Phase::Queued, Turn::Runs));
    assert_eq!(bench.events(), ["session.started", "session.checked", "session.queued"]);
    let queued = bench.actor.seat.as_ref().map(|seat| seat.place());
    assert_eq!(queued, Some(2));

    // Nothing is announced, nobody is called or let in, and nothing wakes it.
    bench.turn(Input::Orders(Orders { reannounce: true, ..Orders::default() }));
    bench.turn(Input::Orders(Orders { peers: vec!["11.0.0.1:1".parse().unwrap()], ..Orders::default() }));
    assert!(bench.actor.in_swarm.is_none() && bench.actor.door.is_none());
    assert_eq!(bench.actor.pool.dialling(), 0);
    bench.sleep(20 * SECOND);
    bench.disk_until(|bench| !bench.actor.is_unsynced());
    assert_eq!(bench.sleep(24 * HOUR), 0);

    // The one before it comes to its end.
    seat.report(bench.now, Report { complete: true, ..ready });
    decide(&mut bench);
    assert_eq!(bench.actor.phase, Phase::Running);
    assert_eq!(bench.events(), ["session.started"]);
    let link = bench.seed("11.0.0.1:1", 4);
    assert_eq!(bench.mail(link).hand.len(), 4);

    // ... and wants more: it comes first, and this one lets its peers go.
    seat.report(bench.now, ready);
    decide(&mut bench);
    assert_eq!(bench.actor.phase, Phase::Queued);
    assert!(bench.actor.links.is_empty() && bench.actor.in_swarm.is_none());
    assert_eq!(bench.events(), ["peer.disconnected", "session.queued"]);
    assert_eq!(bench.actor.newest.state, SessionState::Queued);
}

#[test]
fn a_pause_and_the_queue_are_kept_apart() {
    let mut bench = bench();
    let ready = Report { stage: Stage::Ready, ..Report::default() };
    let seat = bench.shared.turns().enter(OTHER, ready);
    bench.shared.shift(&[OTHER], Shift::Top);
    bench.wish(Wish::Run);
    bench.disk_until(|bench| bench.actor.phase == Phase::Queued);
    decide(&mut bench);
    bench.wish(Wish::Pause);
    assert_eq!(bench.actor.phase, Phase::Paused);
    let info_hash = bench.torrent.info_hash();
    let kept = |bench: &Bench| bench.shared.store().unwrap().posted(&info_hash).unwrap();
    assert!(kept(&bench).paused);
    drop(seat);
    decide(&mut bench);
    assert_eq!(bench.actor.phase, Phase::Paused, "a turn is nothing to one that is paused");
    bench.wish(Wish::Run);
    assert!(!kept(&bench).paused);
    assert_eq!(bench.actor.phase, Phase::Queued);
    bench.wish(Wish::Run);
    decide(&mut bench);
    assert_eq!(bench.actor.phase, Phase::Running);

    // Forced: kept, until a pause ends it.
    bench.turn(Input::Orders(Orders { force: Some(true), ..Orders::default() }));
    assert!(kept(&bench).forced && bench.actor.newest.forced);
    bench.wish(Wish::Pause);
    assert!(!kept(&bench).forced && !bench.actor.newest.forced);
    bench.turn(Input::Orders(Orders { force: Some(true), ..Orders::default() }));
    assert_eq!(bench.actor.phase, Phase::Running, "it starts what is paused, at once");
    assert!(!kept(&bench).paused);
}

#[test]
fn a_queued_one_is_checked_and_fails_like_any_other() {
    let mut bench = bench();
    let ready = Report { stage: Stage::Ready, ..Report::default() };
    let _seat = bench.shared.turns().enter(OTHER, ready);
    bench.shared.shift(&[OTHER], Shift::Top);
    bench.wish(Wish::Run);
    bench.disk_until(|bench| bench.actor.phase == Phase::Queued);
    decide(&mut bench);
    bench.turn(Input::Orders(Orders { recheck: true, ..Orders::default() }));
    assert_eq!(bench.actor.phase, Phase::Checking);
    bench.disk_until(|bench| bench.actor.phase == Phase::Queued);
    decide(&mut bench);
    assert_eq!(bench.actor.phase, Phase::Queued);
    assert_eq!(
        bench.events(),
        ["session.started", "session.checked", "session.queued", "session.checked", "session.queued"]
    );
    bench.wish(Wish::Stop);
    bench.disk_until(|bench| bench.actor.phase == Phase::Stopped);
}

#[test]
fn a_seed_that_waits_is_complete_all_the_same() {
    let mut bench = Bench::queued(true);
    bench.shared.set(GlobalSetting::ActiveSeeds(MaxActive::At(0)));
    bench.wish(Wish::Run);
    bench.disk_until(|bench| bench.actor.phase == Phase::Queued);
    decide(&mut bench);
    assert_eq!(bench.events(), ["session.started", "session.checked", "session.completed", "session.queued"]);
    bench.shared.set(GlobalSetting::ActiveSeeds(MaxActive::Unlimited));
    decide(&mut bench);
    assert_eq!(bench.actor.newest.state, SessionState::Seeding);
    assert_eq!(bench.events(), ["session.started"]);
}

/// A manager with torrents that nobody has.
fn start(dir: &Path) -> TorrentManager {
    let mut config = Config::new(dir);
    config.listen = Vec::new();
    config.state_dir = Some(dir.join("state"));
    TorrentManager::start(config).unwrap()
}

fn states(manager: &TorrentManager) -> Vec<SessionState> {
    manager.all().iter().map(|session| session.stats().unwrap().state).collect()
}

#[test]
fn order_force_and_limits_survive_a_restart() {
    use SessionState::{Downloading as D, Paused as P, Queued as Q};
    let dir = tempfile::tempdir().unwrap();
    let torrents: Vec<_> = (0..5).map(|at| torrent(&content(PIECE + at), 100)).collect();
    let hashes: Vec<_> = torrents.iter().map(|torrent| torrent.info_hash).collect();
    let manager = start(dir.path());
    manager.shared().set(GlobalSetting::ActiveDownloads(MaxActive::At(2)));
    for (at, torrent) in torrents.into_iter().enumerate() {
        let download_dir = Some(dir.path().join(at.to_string()));
        let options = AddOptions { download_dir, paused: at == 4, ..AddOptions::default() };
        manager.add_metainfo(torrent, options).unwrap();
    }
    wait("the first two run", || states(&manager) == [D, D, Q, Q, P]);
    assert!(manager.shift(&[hashes[3]], Shift::Top));
    wait("the one on top runs", || states(&manager) == [D, Q, Q, D, P]);
    assert!(manager.shift(&[hashes[4]], Shift::Up));
    manager.get(&hashes[1]).unwrap().force(true);
    wait("a forced one runs beside them", || states(&manager) == [D, D, Q, D, P]);
    let order = [3, 0, 1, 4, 2].map(|at| hashes[at]);
    assert_eq!(manager.queue().downloads, order);
    assert_eq!(manager.queue().place(&hashes[4]), Some((4, 5)));
    manager.shutdown();

    let manager = start(dir.path());
    wait("the same run again", || states(&manager) == [D, D, Q, D, P]);
    assert_eq!(manager.queue().downloads, order);
    assert_eq!(manager.all().iter().map(Session::info_hash).collect::<Vec<_>>(), hashes);
    // Of two words at once the last one counts.
    let forced = manager.get(&hashes[1]).unwrap();
    forced.pause();
    forced.force(true);
    wait("it runs", || states(&manager) == [D, D, Q, D, P]);
    forced.force(true);
    forced.pause();
    wait("it rests", || states(&manager) == [D, P, Q, D, P]);
    forced.resume();
    wait("it waits among the others", || states(&manager) == [D, Q, Q, D, P]);

    // Removed and added again it is new, here and in the next run.
    manager.remove_torrent(&hashes[0], RemoveData::Keep).unwrap();
    wait("the next one's turn comes", || states(&manager) == [D, Q, D, P]);
    let options = AddOptions { download_dir: Some(dir.path().join("0")), ..AddOptions::default() };
    manager.add_metainfo(torrent(&content(PIECE), 100), options).unwrap();
    let order = [3, 1, 4, 2, 0].map(|at| hashes[at]);
    wait("it is last", || manager.queue().downloads == order);
    manager.shutdown();
    let manager = start(dir.path());
    wait("the order is the same", || manager.queue().downloads == order);
    manager.shutdown();
}

#[test]
fn all_that_are_paused_and_resumed_take_their_turns_in_order() {
    use SessionState::{Downloading as D, Paused as P, Queued as Q};
    let dir = tempfile::tempdir().unwrap();
    let manager = start(dir.path());
    manager.shared().set(GlobalSetting::ActiveDownloads(MaxActive::At(1)));
    for at in 0..6 {
        let download_dir = Some(dir.path().join(at.to_string()));
        let options = AddOptions { download_dir, ..AddOptions::default() };
        manager.add_metainfo(torrent(&content(PIECE + at), 100), options).unwrap();
    }
    wait("the first runs", || states(&manager) == [D, Q, Q, Q, Q, Q]);
    let mut events = manager.subscribe_all("session.*").unwrap();
    manager.pause_all();
    wait("all rest", || states(&manager) == [P; 6]);
    manager.resume_all();
    wait("the first runs", || states(&manager) == [D, Q, Q, Q, Q, Q]);
    manager.shutdown();
    while let Some(Delivery::Event(tagged)) = events.try_next() {
        assert_ne!(tagged.event.kind().name(), "session.started", "nobody was started in between");
    }
}
