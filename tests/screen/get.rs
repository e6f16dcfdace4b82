//! `tc-tui get`: what scripts and people see of it, and how it ends.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sha1::{Digest as _, Sha1};

use crate::support::home::{Home, wait_exit};
use crate::support::pty::{Modes, Pty};
use crate::support::single;

/// A torrent whose content lies in `out` if it is `there`.
fn torrent(home: &Home, name: &str, there: bool) -> String {
    let content = single::content(5, 300_000);
    if there {
        home.write(&format!("out/{name}"), &content);
    }
    let file = format!("{name}.torrent");
    home.write(&file, single::single(name, &content, 65_536, None));
    file
}

fn args<'a>(file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["get", file, "-d", "out", "--listen", "127.0.0.1:0"];
    args.extend(more);
    args
}

/// Starts a run and returns it once it printed a line with this kind of event.
fn start_json(home: &Home, file: &str, more: &[&str], kind: &str) -> Child {
    let mut command = home.command(&args(file, &[&["--json"], more].concat()));
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program runs");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut kinds = lines.map(|line| {
        let line = line.expect("text");
        let event: Value = serde_json::from_str(&line).expect("each line is JSON");
        event["kind"].as_str().expect("each has a kind").to_owned()
    });
    assert!(kinds.any(|got| got == kind), "the run ended before {kind}");
    // The pipe stays open to the end, or writing to it would end the run.
    std::mem::forget(kinds);
    child
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("an id")).expect("ids are positive");
    kill_process(pid, signal).expect("the program is there");
}

#[test]
fn what_is_there_is_checked_and_told_as_json() {
    let home = Home::new();
    let file = torrent(&home, "there.bin", true);
    let output = home.run(&args(&file, &["--json"]));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let completed = events.iter().find(|event| event["kind"] == "session.completed").unwrap();
    assert_eq!(completed["size"], 300_000);
    assert_eq!(completed["downloaded"], 0);
    assert_eq!(completed["info_hash"].as_str().unwrap().len(), 40);
    assert!(completed["time"].as_str().unwrap().ends_with('Z'));
    assert!(home.path("out/.tc-tui").is_dir());
}

#[test]
fn a_person_without_a_terminal_gets_plain_lines() {
    let home = Home::new();
    let file = torrent(&home, "there.bin", true);
    let output = home.run(&args(&file, &[]));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(text.contains("there.bin: complete, 293K\n"), "{text}");
    assert!(!text.contains(['\x1b', '\r']), "{text:?}");
}

#[test]
fn a_person_at_a_terminal_gets_one_line_that_changes() {
    let home = Home::new();
    let file = torrent(&home, "missing.bin", false);
    let mut pty = Pty::start(&home, &args(&file, &[]), (60, 10), &[]);
    pty.see("missing.bin  0.0%  0B of 293K  0 peers");
    assert_eq!(pty.modes(), Modes::SHELL);
    pty.keys("\x03");
    assert_eq!(pty.exit_code(), 130);
    pty.assert_restored();
    assert!(pty.text().lines().all(|row| row.chars().count() < 60));
}

#[test]
fn a_run_cut_short_says_by_which_signal() {
    for (name, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let home = Home::new();
        let file = torrent(&home, "missing.bin", false);
        let mut child = start_json(&home, &file, &[], "session.added");
        signal(&child, name);
        assert_eq!(wait_exit(&mut child), Some(code));
    }
}

#[test]
fn seeding_afterwards_ends_well_by_a_signal() {
    let home = Home::new();
    let file = torrent(&home, "there.bin", true);
    let mut child = start_json(&home, &file, &["--seed-after"], "session.completed");
    assert!(child.try_wait().unwrap().is_none(), "it seeds");
    signal(&child, Signal::TERM);
    assert_eq!(wait_exit(&mut child), Some(0));
}

#[test]
fn a_peer_that_is_named_is_downloaded_from() {
    let (seeder, home) = (Home::new(), Home::new());
    let file = torrent(&seeder, "shared.bin", true);
    let there = torrent(&home, "shared.bin", false);
    // A free port of an address that is the seeder's own.
    let free =
        TcpListener::bind("127.0.0.2:0").and_then(|listener| listener.local_addr()).unwrap().to_string();
    let mut seed = seeder
        .command(&["get", &file, "-d", "out", "--seed-after", "--json", "--listen", &free])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(seed.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("session.completed")));
    let output = home.run(&args(&there, &["--peer", &free]));
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("shared.bin: complete, 293K"));
    assert_eq!(std::fs::read(home.path("out/shared.bin")).unwrap(), single::content(5, 300_000));
    signal(&seed, Signal::INT);
    lines.for_each(drop);
    assert_eq!(wait_exit(&mut seed), Some(0));
}

#[test]
fn a_closed_pipe_ends_the_run() {
    let home = Home::new();
    let file = torrent(&home, "there.bin", true);
    let mut command = home.command(&args(&file, &["--json", "--seed-after"]));
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(wait_exit(&mut child), Some(141));
}

/// A torrent `two` of the files `a.txt` and `sub/b.mkv`, a piece each. The second one is there.
fn two_files(home: &Home) -> String {
    let content = single::content(9, 2 * 65_536);
    let pieces: Vec<u8> = content.chunks(65_536).flat_map(|piece| Sha1::digest(piece).to_vec()).collect();
    let mut bytes = b"d4:infod5:filesld6:lengthi65536e4:pathl5:a.txteed6:lengthi65536e4:pathl3:sub5:b.mkveee\
        4:name3:two12:piece lengthi65536e6:pieces40:"
        .to_vec();
    bytes.extend(pieces);
    bytes.extend(b"ee");
    home.write("two.torrent", bytes);
    home.write("out/two/sub/b.mkv", &content[65_536..]);
    "two.torrent".to_owned()
}

#[test]
fn only_the_files_that_are_asked_for_are_waited_for() {
    let home = Home::new();
    let file = two_files(&home);
    for more in [["--only", "*.mkv"], ["--only", "two/sub/*"], ["--skip", "a.txt"]] {
        let output = home.run(&args(&file, &more));
        assert_eq!(output.status.code(), Some(0), "{more:?}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("complete, 64.0K"), "{more:?}: {text}");
    }
    let output = home.run(&args(&file, &["--only", "*.iso"]));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
    assert!(text.contains("no file of two is wanted"), "{text}");
    // Without a choice all is wanted again, whatever the run before left out.
    let mut child = start_json(&home, &file, &[], "session.checked");
    signal(&child, Signal::INT);
    assert_eq!(wait_exit(&mut child), Some(130), "it was not complete");
}
