//! Files that go to another file system when they are complete, while the program is killed or that one
//! is full: nothing is lost, and the move comes to its end.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::event::Timespec;

use crate::claimed;
use crate::run::{Run, of_kind};
use crate::swarm::{SIZE, Swarm, require};
use crate::tmpfs::Tmpfs;

/// A leecher of the first torrent that keeps what is incomplete on another file system.
fn leecher(swarm: &Swarm) -> std::process::Command {
    let mut command = swarm.leecher_of_one();
    command.arg("--incomplete-dir").arg(swarm.work.join("incomplete")).env("TC_TUI_TEST_SYNC_MS", "100");
    command
}

/// A moment of the test's choosing: this is no waiting for something.
fn let_pass(micros: u64) {
    let time = Duration::from_micros(micros);
    let time = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: i64::from(time.subsec_nanos()) };
    // Interrupted is as good as over.
    let _ = rustix::event::poll(&mut [], Some(&time));
}

/// Each file is whole at one of both places at least, under its own name or the hidden one of a copy.
#[track_caller]
fn assert_nothing_lost(swarm: &Swarm, committed: bool) {
    for (number, name) in ["one", "sub/two"].iter().enumerate() {
        let want = fs::read(swarm.work.join("seed/main").join(name)).unwrap();
        let is_whole = |path: &Path| fs::read(path).is_ok_and(|found| found == want);
        let old = swarm.work.join("incomplete/main").join(name);
        let hidden = swarm.out().join(format!(".{}.parts.move.{number}", swarm.info_hash));
        let new = swarm.out().join("main").join(name);
        let there = is_whole(&old) || committed && (is_whole(&hidden) || is_whole(&new));
        assert!(there, "{name} is whole nowhere, committed: {committed}");
    }
}

#[test]
fn a_kill_at_any_moment_of_a_move_to_another_file_system_loses_nothing() {
    let swarm = Swarm::new("move-killed");
    let Some(_disk) = require(Tmpfs::mount(&swarm.work.join("incomplete"), "size=64m")) else { return };
    let (mut kills, mut committed_kills) = (0, 0);
    for round in 0..6 {
        let _ = fs::remove_dir_all(swarm.out());
        let _ = fs::remove_dir_all(swarm.state());
        let run = Run::start(&mut leecher(&swarm));
        run.find("the last piece", |line| {
            line["kind"] == "piece.completed" && line["complete"] == line["total"]
        });
        let mut run = Some(run);
        // From the first moments of the copying to what comes after the move, later and later.
        for step in 0..8_u64 {
            let run = run.take().unwrap_or_else(|| Run::start(&mut leecher(&swarm)));
            let_pass(500 + round * 700 + step * 12_000);
            let (status, lines) = run.kill();
            kills += 1;
            let record = claimed::record(&swarm.state(), &swarm.work.join("copy"), true).unwrap();
            let over = record.moving.is_none() && record.save_path == swarm.out();
            if !over {
                let committed = record.moving.as_ref().is_some_and(|moving| moving.committed);
                committed_kills += u32::from(committed);
                assert_nothing_lost(&swarm, committed);
            }
            assert!(of_kind(&lines, "storage.error").next().is_none(), "{lines:#?}");
            if status.success() || over {
                break;
            }
        }
        let (status, lines) = Run::start(&mut leecher(&swarm)).end();
        assert!(status.success(), "{lines:#?}");
        assert_eq!(of_kind(&lines, "piece.completed").count(), 0, "nothing is fetched again");
        swarm.assert_main_right();
        let left: Vec<_> = fs::read_dir(swarm.work.join("incomplete")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        let hidden = fs::read_dir(swarm.out()).unwrap().map(|entry| entry.unwrap().file_name());
        let hidden: Vec<_> = hidden.filter(|name| name.to_string_lossy().contains(".parts")).collect();
        assert!(hidden.is_empty(), "{hidden:?}");
    }
    println!("{kills} kills, {committed_kills} of them after the new folder counted");
}

#[test]
fn a_target_that_is_full_leaves_all_where_it_is_and_says_so() {
    let swarm = Swarm::new("move-full");
    let Some(disk) = require(Tmpfs::mount(&swarm.out(), "size=2m")) else { return };
    let (status, lines) = Run::start(&mut leecher(&swarm)).end();
    assert_eq!(status.code(), Some(1), "it is not where it should be: {lines:#?}");
    let errors: Vec<_> = of_kind(&lines, "storage.error").collect();
    assert!(errors.len() == 1 && errors[0]["code"] == "disk-full", "{errors:?}");
    let message = errors[0]["message"].as_str().unwrap();
    assert!(message.starts_with("cannot move: ") && message.contains(&SIZE.to_string()), "{message}");
    assert!(!swarm.out().join("main").exists());
    assert_nothing_lost(&swarm, false);
    disk.remount("size=32m");
    let (status, lines) = Run::start(&mut leecher(&swarm)).end();
    assert!(status.success(), "{lines:#?}");
    assert_eq!(of_kind(&lines, "piece.completed").count(), 0, "nothing is fetched again");
    swarm.assert_main_right();
}
