//! No room: what is fetched waits and goes on by itself, what is there is served, nothing that was saved
//! is lost, and it is said once.

use std::fs;

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
fn for_the_state_and_the_log() {
    let swarm = Swarm::new("at-save");
    let Some(disk) = require(Tmpfs::mount(&swarm.state(), "size=8m")) else { return };
    assert!(Run::start(&mut swarm.leecher_of_one()).end().0.success());
    disk.fill();
    // The other torrent comes on the list, and cannot be written there.
    let (status, lines) = Run::start(swarm.leecher().args(["--log-level", "trace"])).end();
    assert!(status.success());
    assert_told_once(&lines);
    let told = of_kind(&lines, "storage.full").next().unwrap();
    assert!(told["info_hash"].is_null(), "it concerns all: {told}");
    assert!(told["message"].as_str().unwrap().ends_with(": disk full"), "{told}");
    swarm.assert_right();
    // What was saved before is good, and the list is whole.
    disk.empty();
    let (status, lines) = Run::start(&mut swarm.leecher()).end();
    assert!(status.success());
    assert_eq!(of_kind(&lines, "piece.completed").count(), 0, "nothing is fetched again");
    for checked in of_kind(&lines, "session.checked") {
        let known = checked["info_hash"] == swarm.info_hash;
        assert_eq!(checked["bytes_hashed"], if known { 0 } else { OTHER });
    }
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
    let (swarm, home) = (Swarm::new("seen"), Home::new());
    let Some(disk) = require(Tmpfs::mount(&swarm.out().join("main"), "size=2500k")) else { return };
    let (torrent, out) = (swarm.tracked().display().to_string(), swarm.out().display().to_string());
    let args = ["-d", &out, "--listen", "127.0.0.5:0", "--stop-timeout", "1", &torrent];
    let mut pty = Pty::start(&home, &args, (160, 40), &[]);
    // In the row, in Overview with what to know, and in the log once.
    let shown = |pty: &Pty, all: &[&str]| {
        pty.text().lines().filter(|line| all.iter().all(|words| line.contains(words))).count()
    };
    pty.see_dashboard().see("disk full (needs");
    assert_eq!(shown(&pty, &["! main", " error "]), 1, "{}", pty.text());
    assert_eq!(shown(&pty, &["Why", "out/main/", "bytes, 0 free)"]), 1, "{}", pty.text());
    assert_eq!(shown(&pty, &["State", "tried again by itself"]), 1, "{}", pty.text());
    assert_eq!(shown(&pty, &["storage.full"]), 1, "{}", pty.text());
    disk.remount("size=32m");
    // Those who do not want to wait the half minute.
    pty.keys("p").see("session.completed");
    pty.keys("qq");
    assert_eq!(pty.exit_code(), 0);
    swarm.assert_main_right();
}
