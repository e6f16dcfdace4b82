//! A system that has little to give, or too little: the program gets on with less, or says what it lacks.

use std::process::Command;

use crate::run::Run;
use crate::support::home::{Home, PROGRAM};
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
    after("little-memory", "ulimit -v 1000000");
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
