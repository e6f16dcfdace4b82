//! No room: what is fetched waits and goes on by itself, what is there is served, nothing that was saved
//! is lost, and it is said once.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use crate::run::{Run, of_kind};
use crate::support::home::Home;
use crate::support::pty::Pty;
use crate::swarm::{OTHER, Swarm, require};
use crate::tmpfs::Tmpfs;

/// An event of this torrent.
fn is(line: &Value, kind: &str, info_hash: &str) -> bool {
    line["kind"] == kind && line["info_hash"] == info_hash
}

#[track_caller]
fn assert_told_once(lines: &[Value]) {
    let told: Vec<_> = of_kind(lines, "storage.full").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(of_kind(lines, "storage.error").count(), 0);
}

#[test]
fn in_the_middle_of_a_piece() {
    let swarm = Swarm::new("mid-piece");
    let Some(disk) = require(Tmpfs::mount(&swarm.out().join("main"), "size=2500k")) else { return };
    let run = Run::start(&mut swarm.leecher());
    let full = run.find("storage.full", |line| is(line, "storage.full", &swarm.info_hash));
    let message = full["message"].as_str().unwrap();
    // Of the file system that is full, not of the one that the download folder lies in.
    assert!(message.contains("disk full (needs ") && message.contains("bytes, 0 free"), "{message}");
    assert!(message.contains("main/"), "{message}");
    run.find("the other torrent", |line| is(line, "session.completed", &swarm.other));
    disk.remount("size=32m");
    run.find("the torrent", |line| is(line, "session.completed", &swarm.info_hash));
    let (status, lines) = run.end();
    assert!(status.success());
    assert_told_once(&lines);
    swarm.assert_right();
}

#[test]
fn before_the_first_byte() {
    let swarm = Swarm::new("at-create");
    let Some(disk) = require(Tmpfs::mount(&swarm.out(), "size=16m,nr_inodes=1")) else { return };
    // No inode is left: no folder can be made.
    let run = Run::start(&mut swarm.leecher_of_one());
    run.event("storage.full");
    disk.remount("nr_inodes=1000");
    run.event("session.completed");
    let (status, lines) = run.end();
    assert!(status.success());
    assert_told_once(&lines);
    swarm.assert_main_right();
}

#[test]
fn for_resume_records_and_the_log() {
    let swarm = Swarm::new("at-save");
    let Some(disk) = require(Tmpfs::mount(&swarm.state(), "size=8m")) else { return };
    let mut command = swarm.leecher();
    let run = Run::start(
        command.args(["--down-limit", "1M", "--log-level", "trace"]).env("TC_TUI_TEST_SYNC_MS", "300"),
    );
    run.event("piece.completed");
    disk.fill();
    let told = run.find("a word about the state", |line| line["kind"] == "storage.full");
    assert!(told["info_hash"].is_null() && told["message"].as_str().unwrap().contains("state"), "{told}");
    run.find("the torrent", |line| is(line, "session.completed", &swarm.info_hash));
    let (status, lines) = run.end();
    assert!(status.success());
    assert_told_once(&lines);
    swarm.assert_right();
    // What was saved before is good, and the list is whole.
    disk.empty();
    let run = Run::start(&mut swarm.leecher());
    for info_hash in [&swarm.info_hash, &swarm.other] {
        run.find("all that is there", |line| is(line, "session.completed", info_hash));
    }
    let (status, lines) = run.end();
    assert!(status.success());
    assert_eq!(of_kind(&lines, "piece.completed").count(), 0, "nothing is fetched again");
}

#[test]
fn when_the_program_starts() {
    let swarm = Swarm::new("at-start");
    let Some(disk) = require(Tmpfs::mount(&swarm.state(), "size=8m")) else { return };
    assert!(Run::start(&mut swarm.leecher()).end().0.success());
    disk.fill();
    let output = swarm.leecher().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // It may find room enough for what it has to do; if not, it says so in a line.
    assert!(output.status.success() || said.lines().count() == 1 && said.contains("No space left"), "{said}");
    disk.remount("ro");
    let output = swarm.leecher().output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.lines().count() == 1 && said.contains("Read-only file system"), "{said}");
    disk.remount("rw");
    disk.empty();
    let (status, lines) = Run::start(&mut swarm.leecher()).end();
    assert!(status.success());
    let hashed = of_kind(&lines, "session.checked").map(|checked| checked["bytes_hashed"].as_u64().unwrap());
    assert_eq!(hashed.collect::<Vec<_>>(), [0, 0], "the records are there as they were");
    let aside = |name: &str| name.contains("broken") || name.contains("newer");
    let names = fs::read_dir(swarm.state()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!names.into_iter().any(|name| aside(&name.to_string_lossy())));
}

#[test]
fn as_a_person_sees_it() {
    let swarm = Swarm::new("seen");
    let home = Home::new();
    let Some(disk) = require(Tmpfs::mount(&swarm.out().join("main"), "size=2500k")) else { return };
    // Known from a run of `get`, because the dashboard cannot be told of a peer.
    let run = Run::start(&mut swarm.leecher());
    run.event("storage.full");
    run.interrupt();
    let (out, state) = (swarm.out().display().to_string(), swarm.state().display().to_string());
    let args = ["-d", &out, "--state-dir", &state, "--listen", "127.0.0.5:0"];
    let _ = (&home, &disk, args, OTHER, Duration::ZERO);
    let mut pty = Pty::start(&home, &args, (120, 30), &[]);
    pty.see_dashboard().see("main");
    pty.keys("q");
}
