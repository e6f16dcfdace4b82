//! A disk that is not mounted, or another one in its place: nothing is written there, and nothing of what
//! is known is forgotten.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::run::{Run, of_kind};
use crate::swarm::{Swarm, require};
use crate::tmpfs::Tmpfs;

/// What is below a folder.
fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

/// Expects that the first torrent stops because its disk is not there, and that nothing is made.
#[track_caller]
fn assert_not_there(swarm: &Swarm) {
    let (status, lines) = Run::start(&mut swarm.leecher_of_one()).end();
    assert_eq!(status.code(), Some(1), "{lines:#?}");
    let errors: Vec<_> = of_kind(&lines, "storage.error").collect();
    assert!(errors.len() == 1 && errors[0]["code"] == "other-device", "{errors:?}");
    assert_eq!(entries(&swarm.out()), 0, "nothing is made there");
}

fn checked(lines: &[Value]) -> u64 {
    of_kind(lines, "session.checked").map(|checked| checked["bytes_hashed"].as_u64().unwrap()).sum()
}

#[test]
fn a_disk_that_is_not_mounted_is_waited_for_and_trusted_when_it_is_back() {
    let swarm = Swarm::new("mount-gone");
    let disk = swarm.work.join("disk");
    let Some(_disk) = require(Tmpfs::mount(&disk, "size=32m")) else { return };
    let place = Tmpfs::bind(&disk, &swarm.out()).unwrap();
    let run = Run::start(swarm.leecher_of_one().args(["--down-limit", "2M"]));
    run.find("some pieces", |line| line["kind"] == "piece.completed" && line["complete"] == 20);
    let (_, lines) = run.interrupt();
    let fetched = of_kind(&lines, "piece.completed").count();
    drop(place);

    // The empty folder that it was mounted on.
    assert_not_there(&swarm);
    // Another disk in its place.
    let other = Tmpfs::mount(&swarm.out(), "size=32m").unwrap();
    assert_not_there(&swarm);
    drop(other);

    let _place = Tmpfs::bind(&disk, &swarm.out()).unwrap();
    let (status, lines) = Run::start(&mut swarm.leecher_of_one()).end();
    assert!(status.success(), "{lines:#?}");
    assert_eq!(checked(&lines), 0, "what was known still is");
    let missing = 92 - fetched;
    assert!(of_kind(&lines, "piece.completed").count() <= missing, "{fetched} pieces were there");
    swarm.assert_main_right();
}

#[test]
fn a_torrent_of_which_there_is_nothing_yet_waits_for_its_disk_too() {
    let swarm = Swarm::new("mount-empty");
    let disk = swarm.work.join("disk");
    let Some(_disk) = require(Tmpfs::mount(&disk, "size=32m")) else { return };
    let place = Tmpfs::bind(&disk, &swarm.out()).unwrap();
    let mut alone = crate::run::get(&swarm.work.join("torrents/main.torrent"), &swarm.out(), &swarm.state());
    let run = Run::start(alone.args(["--listen", "127.0.0.5:0"]));
    run.event("session.checked");
    run.interrupt();
    drop(place);
    assert_not_there(&swarm);
    let _place = Tmpfs::bind(&disk, &swarm.out()).unwrap();
    assert!(Run::start(&mut swarm.leecher_of_one()).end().0.success());
    swarm.assert_main_right();
}

#[test]
fn a_disk_that_goes_away_meanwhile_is_not_replaced_by_what_was_below_it() {
    let swarm = Swarm::new("mount-meanwhile");
    let disk = swarm.work.join("disk");
    let Some(_disk) = require(Tmpfs::mount(&disk, "size=32m")) else { return };
    let place = Tmpfs::bind(&disk, &swarm.out()).unwrap();
    let mut command = swarm.leecher_of_one();
    // The second file begins in the last half: ten seconds from here, also for a machine that is busy.
    let run = Run::start(command.args(["--down-limit", "300K", "--sequential"]));
    run.find("some pieces", |line| line["kind"] == "piece.completed" && line["complete"] == 5);
    drop(place);
    let (status, lines) = run.end();
    assert_eq!(status.code(), Some(1));
    assert!(of_kind(&lines, "storage.error").count() >= 1, "{lines:#?}");
    assert_eq!(entries(&swarm.out()), 0, "nothing is made there");
    let _place = Tmpfs::bind(&disk, &swarm.out()).unwrap();
    assert!(Run::start(&mut swarm.leecher_of_one()).end().0.success());
    swarm.assert_main_right();
}
