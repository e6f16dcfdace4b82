//! A system that has little to give, or too little: the program gets on with less, or says what it lacks.

use std::process::Command;

use crate::run::Run;
use crate::support::home::{Home, PROGRAM};
use crate::support::pty::Pty;
use crate::support::single;
use crate::swarm::Swarm;

/// A download of both torrents by a program that a shell starts after these words.
fn after(test: &str, words: &str) {
    let swarm = Swarm::new(test);
    let inner = swarm.leecher();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{words} && exec \"$@\""), "sh", PROGRAM]).args(inner.get_args());
    let (status, lines) = Run::start(&mut command).end();
    assert!(status.success(), "{words}: {lines:#?}");
    swarm.assert_right();
}

#[test]
fn few_open_files() {
    after("few-files", "ulimit -n 64");
}

#[test]
fn little_address_space() {
    after("little-memory", "ulimit -v 262144");
}

#[test]
fn few_threads_are_said_in_a_line() {
    let swarm = Swarm::new("no-stacks");
    let inner = swarm.leecher();
    // Where it is enough to start, and too little for the stacks of all threads, depends on how it was built: the
    // first that lets it start. With less than that nothing can be allocated, and nobody could say so.
    let started = (40_000..160_000).step_by(4_000).find_map(|kib| {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -v {kib} && exec \"$@\""), "sh", PROGRAM]);
        let output = command.args(inner.get_args()).output().unwrap();
        output.status.code().filter(|code| *code != 127 && *code != 101).map(|code| (code, output))
    });
    let (code, output) = started.expect("one of them is enough");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(code, 1, "{said}");
    assert!(said.lines().count() == 1 && said.contains("cannot start the engine: "), "{said}");
    assert!(Run::start(&mut swarm.leecher()).end().0.success());
    swarm.assert_right();
}

#[test]
fn without_a_home_get_needs_none_and_the_dashboard_says_what_it_lacks() {
    let (swarm, home) = (Swarm::new("no-home"), Home::new());
    let mut command = swarm.leecher();
    let (status, _) = Run::start(command.env_clear()).end();
    assert!(status.success());
    swarm.assert_right();
    // A home that is not there and cannot be made.
    let nowhere = [("HOME", "/proc/nobody"), ("XDG_STATE_HOME", ""), ("XDG_DOWNLOAD_DIR", "")];
    let mut pty = Pty::start(&home, &[], (120, 20), &nowhere);
    pty.see("cannot make the folder /proc/nobody/.local/state/tc-tui: ");
    assert_eq!(pty.exit_code(), 1);
    pty.assert_restored();
    // Who names both folders needs no home.
    let (state, out) = (home.path("s").display().to_string(), home.path("o").display().to_string());
    let args = ["--state-dir", &state, "-d", &out, "--listen", "127.0.0.5:0"];
    let mut pty = Pty::start(&home, &args, (120, 20), &nowhere);
    pty.see_dashboard().keys("qq");
    assert_eq!(pty.exit_code(), 0);
}

#[test]
fn a_state_folder_that_cannot_be_made_is_said_in_a_line() {
    let home = Home::new();
    let state = home.write("file", "").join("state").display().to_string();
    let torrent = home.write("x.torrent", single::single("x", &[1; 100], 16_384, None)).display().to_string();
    let output = home.run(&["get", &torrent, "-d", "out", "--state-dir", &state]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.lines().count() == 1 && said.contains("cannot make the folder"), "{said}");
}
