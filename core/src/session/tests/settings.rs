//! What a person decides for one torrent: in the actor, over the wire and over a restart.

use super::super::actor::Input;
use super::super::control::Wish;
use super::bench::{Bench, HOUR, PIECES, SECOND, piece};
use super::*;
use crate::peer::Report;
use crate::peer::pool::Choice;
use crate::settings::{GlobalSetting, Priority, SeedLimit, Setting, TorrentSettings};
use crate::stats::SessionStats;

fn files(files: &[u32], priority: Priority) -> Setting {
    Setting::Files { files: files.to_vec(), priority }
}

fn wanted(stats: &SessionStats) -> (u64, u64) {
    (stats.wanted, stats.have)
}

/// The bench's torrent: file 0 has 100 bytes, file 1 the rest.
#[test]
fn what_is_skipped_is_not_asked_for_and_what_is_wanted_completes_the_torrent() {
    let mut bench = Bench::running(false);
    bench.events();
    bench.set(&files(&[1], Priority::Skip));
    assert_eq!(wanted(&bench.actor.newest), (PIECE as u64, 0), "the first piece has all of file 0");
    let link = bench.seed("11.0.0.1:1", 100);
    assert_eq!(bench.mail(link).hand.len(), PIECE / 16_384);
    let first = piece(&bench, 0);
    bench.write(first);
    bench.disk_until(|bench| bench.actor.download.have().get(first));
    assert_eq!(wanted(&bench.actor.newest), (PIECE as u64, PIECE as u64));
    assert_eq!(bench.actor.newest.state, SessionState::Seeding);
    let events = bench.events();
    assert_eq!(events.iter().filter(|kind| **kind == "session.completed").count(), 1, "{events:?}");

    // A seed has nothing for us any more, and goes; it is called again as soon as more is wanted.
    bench.sleep(SECOND);
    assert!(bench.actor.links.is_empty());
    let address = "11.0.0.1:1".parse().unwrap();
    assert!(bench.actor.pool.dial(bench.now, 9, &Choice::ANY).is_empty());
    bench.actor.in_swarm = None;
    bench.set(&files(&[1], Priority::Low));
    assert_eq!(bench.actor.newest.state, SessionState::Downloading);
    assert_eq!(bench.actor.newest.wanted, (PIECES * PIECE) as u64);
    bench.actor.pool.put_back(address);
    assert_eq!(bench.actor.pool.dial(bench.now, 9, &Choice::ANY), [address]);
    for at in 1..PIECES as u32 {
        let next = piece(&bench, at);
        bench.write(next);
    }
    bench.disk_until(|bench| bench.actor.download.is_complete());
    assert!(bench.events().contains(&"session.completed"), "more was wanted since");
}

#[test]
fn interest_follows_what_is_wanted() {
    let mut bench = Bench::running(false);
    let link = bench.seed("11.0.0.1:1", 0);
    assert_eq!(bench.mail(link).interested, Some(true));
    bench.set(&files(&[0, 1], Priority::Skip));
    assert_eq!(bench.actor.newest.progress(), 1.0);
    bench.set(&files(&[1], Priority::Normal));
    bench.report(link, Report::Hungry(4));
    let mail = bench.mail(link);
    assert_eq!((mail.interested, mail.hand.len()), (None, 4), "it is still interested, and asks");
}

#[test]
fn the_tracker_hears_of_the_whole_torrent_and_that_it_is_a_partial_seed() {
    use crate::tracker::AnnounceEvent::{Completed, Paused, Regular};
    let mut bench = Bench::running(false);
    assert_eq!(bench.actor.announce_params(Regular).event, Regular);
    bench.set(&files(&[1], Priority::Skip));
    let first = piece(&bench, 0);
    bench.write(first);
    bench.disk_until(|bench| bench.actor.download.is_finished());
    let params = bench.actor.announce_params(Regular);
    assert_eq!((params.event, params.left), (Paused, ((PIECES - 1) * PIECE) as u64));
    assert_eq!(bench.actor.announce_params(Completed).event, Completed);
    assert!(!bench.actor.whole);
}

#[test]
fn choices_are_kept_also_of_a_torrent_that_rests() {
    let dir = tempfile::tempdir().unwrap();
    let manager = engine(dir.path(), 20);
    let settings =
        TorrentSettings { files: vec![Priority::High, Priority::Normal], ..TorrentSettings::default() };
    let options = AddOptions { paused: true, settings, ..AddOptions::default() };
    let session = manager.add_metainfo(torrent(&content(200_000), 70_000), options).unwrap();
    session.set(&files(&[1], Priority::Skip));
    assert_eq!(session.settings().files, [Priority::High, Priority::Skip]);
    wait("the choice", || session.stats().is_some_and(|stats| stats.wanted == 2 * PIECE as u64));
    manager.shutdown();
    assert_eq!(record(dir.path()).settings.files, [Priority::High, Priority::Skip]);
    let manager = engine(dir.path(), 20);
    let session = manager.all().pop().unwrap();
    assert_eq!(session.settings().files, [Priority::High, Priority::Skip]);
    assert_eq!(wanted(&session.stats().unwrap()), (2 * PIECE as u64, 0));
    let pane = session.watch(DetailKind::Files);
    wait("the priorities", || match pane.borrow().as_deref() {
        Some(Detail::Files(files)) => {
            files.iter().map(|file| file.priority).eq([Priority::High, Priority::Skip])
        }
        _ => false,
    });
    manager.shutdown();
}

#[test]
fn one_file_of_two_comes_and_then_the_other() {
    let (seed_dir, leech_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let content = content(20 * PIECE);
    // The border lies within a piece: the unwanted part of it goes elsewhere.
    let split = 10 * PIECE + 1_000;
    lay_out(seed_dir.path(), &content, split);
    let seeder = engine(seed_dir.path(), 21);
    seeder.add_metainfo(torrent(&content, split), AddOptions::default()).unwrap();
    let leecher = engine(leech_dir.path(), 22);
    let options = AddOptions {
        peers: vec![address(&seeder)],
        settings: TorrentSettings { files: vec![Priority::Skip], ..TorrentSettings::default() },
        ..AddOptions::default()
    };
    let leech = leecher.add_metainfo(torrent(&content, split), options).unwrap();
    wait_for(&leech, SessionState::Seeding);
    assert_eq!(leech.stats().unwrap().pieces_have, 10);
    wait("the figures", || leech.stats().is_some_and(|stats| stats.downloaded == 10 * PIECE as u64));
    assert!(std::fs::read(leech_dir.path().join("both/sub/b")).unwrap() == content[split..]);
    assert!(!leech_dir.path().join("both/a").exists(), "it is not wanted");
    leech.set(&files(&[0], Priority::Normal));
    wait("the rest", || leech.stats().is_some_and(|stats| stats.pieces_have == 20));
    wait_for(&leech, SessionState::Seeding);
    assert!(read_back(leech_dir.path()) == content);
    leecher.shutdown();
    seeder.shutdown();
}

#[test]
fn a_pause_and_a_choice_come_together() {
    let mut bench = Bench::running(false);
    bench.wish(Wish::Pause);
    bench.set(&files(&[1], Priority::High));
    assert_eq!(bench.actor.newest.state, SessionState::Paused);
    assert_eq!(bench.actor.download.priority(piece(&bench, 3)), Priority::High);
}

#[test]
fn a_skipped_file_is_not_on_disk_over_restarts_and_moves_until_it_is_wanted() {
    let (seed_dir, leech_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let content = content(20 * PIECE);
    // The files share a piece.
    let split = 10 * PIECE + 100;
    lay_out(seed_dir.path(), &content, split);
    let seeder = engine(seed_dir.path(), 23);
    seeder.add_metainfo(torrent(&content, split), AddOptions::default()).unwrap();
    let leecher = engine(leech_dir.path(), 24);
    let settings = TorrentSettings { files: vec![Priority::Skip], ..TorrentSettings::default() };
    let options = AddOptions { settings, ..AddOptions::default() };
    let leech = leecher.add_metainfo(torrent(&content, split), options).unwrap();
    leech.add_peer(address(&seeder));
    wait_for(&leech, SessionState::Seeding);
    let of = |dir: &Path| (dir.join("both/a").exists(), dir.join("both/sub/b").exists());
    assert_eq!(of(leech_dir.path()), (false, true));
    leecher.shutdown();

    let leecher = engine(leech_dir.path(), 24);
    let leech = leecher.all().pop().unwrap();
    wait_for(&leech, SessionState::Seeding);
    assert_eq!(leech.stats().unwrap().pieces_have, 10, "the shared piece was trusted");
    let to = leech_dir.path().join("new");
    leecher.move_torrent(&leech.info_hash(), &to).unwrap();
    wait("the new folder", || leech.save_path() == to);
    wait_for(&leech, SessionState::Seeding);
    assert_eq!((of(&to), leech.stats().unwrap().pieces_have), ((false, true), 10));
    let mut checked = leech.subscribe("session.checked").unwrap();
    leech.recheck();
    wait("the check", || checked.try_next().is_some());
    wait_for(&leech, SessionState::Seeding);
    assert_eq!(leech.stats().unwrap().pieces_have, 10);

    leech.set(&files(&[0], Priority::Normal));
    leech.add_peer(address(&seeder));
    wait("the rest", || leech.stats().is_some_and(|stats| stats.pieces_have == 20));
    // It gets a file of its own soon, not at once.
    wait("its own file", || of(&to) == (true, true));
    assert!(read_back(&to) == content);
    wait("the end of the part file", || std::fs::read_dir(&to).unwrap().count() == 1);
    leecher.shutdown();
    seeder.shutdown();
}

/// What all torrents do.
fn all(bench: &mut Bench, setting: GlobalSetting) {
    bench.shared.set(setting);
    bench.turn(Input::Settings);
}

#[test]
fn a_seed_stops_after_its_time_and_goes_on_when_a_person_says_so() {
    let mut bench = Bench::running(true);
    bench.sleep(30 * SECOND);
    bench.events();
    all(&mut bench, GlobalSetting::SeedTime(Some(60)));
    bench.sleep(29 * SECOND);
    assert_eq!(bench.actor.newest.state, SessionState::Seeding);
    bench.sleep(SECOND);
    assert_eq!(bench.actor.newest.state, SessionState::Paused);
    assert_eq!(bench.events(), ["limit.reached", "session.paused"]);
    assert!(bench.actor.saving.paused, "also after a restart");
    bench.wish(Wish::Run);
    bench.sleep(HOUR);
    assert_eq!(bench.actor.newest.state, SessionState::Seeding, "a person wants it to give more");
    bench.set(&Setting::SeedTime(SeedLimit::At(7_200)));
    bench.sleep(HOUR);
    assert_eq!(bench.actor.newest.state, SessionState::Paused, "a new limit holds anew");
}

#[test]
fn a_seed_stops_at_its_ratio_and_a_limit_of_its_own_goes_before_that_of_all() {
    let size = (PIECES * PIECE) as u64;
    let mut bench = Bench::running(true);
    bench.actor.totals.uploaded = 2 * size;
    bench.set(&Setting::SeedRatio(SeedLimit::Never));
    all(&mut bench, GlobalSetting::SeedRatio(Some(1_000)));
    bench.sleep(HOUR);
    assert_eq!(bench.actor.newest.state, SessionState::Seeding);
    bench.set(&Setting::SeedRatio(SeedLimit::At(2_001)));
    all(&mut bench, GlobalSetting::SeedTime(None));
    assert_eq!(bench.actor.newest.state, SessionState::Seeding);
    bench.set(&Setting::SeedRatio(SeedLimit::Inherit));
    bench.sleep(SECOND);
    assert_eq!(bench.actor.newest.state, SessionState::Paused);
}

#[test]
fn what_is_not_complete_gives_without_an_end_and_what_completes_may_stop_at_once() {
    let mut bench = Bench::running(false);
    all(&mut bench, GlobalSetting::SeedRatio(Some(0)));
    all(&mut bench, GlobalSetting::SeedTime(Some(0)));
    bench.sleep(HOUR);
    assert_eq!(bench.actor.newest.state, SessionState::Downloading);
    for at in 0..PIECES as u32 {
        let next = piece(&bench, at);
        bench.write(next);
    }
    bench.disk_until(|bench| bench.actor.download.is_complete());
    assert_eq!(bench.actor.newest.state, SessionState::Paused);
    let events = bench.events();
    assert!(events.contains(&"session.completed") && events.contains(&"limit.reached"), "{events:?}");
}
