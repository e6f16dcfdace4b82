//! Screens as they are kept: without what differs from run to run and from machine to machine.

use crate::support::golden;
use crate::support::home::Home;
use crate::support::pty::Pty;

/// Rows that hold one of these have a time or a port in them, whose digits are masked.
const TIMES: [&str; 6] = ["added ", " info ", " warn ", "u undo", "port", " Port "];

/// The screen with the home folder as `~`, and without the room on this machine's disk.
pub fn shown(home: &Home, pty: &Pty) -> String {
    let folder = home.folder().display().to_string();
    let row = |row: &str| {
        // It stands at the end of the header; what was before it stays in its place.
        let row = row.split("free ").next().filter(|_| row.starts_with("tc ")).unwrap_or(row);
        let row = row.replace(&folder, "~");
        let peers = row.find("peers ").filter(|_| row.starts_with("tc "));
        // Where the free room is not known the peers stand further right.
        let row = peers.map_or(row.clone(), |at| format!("{}  {}", row[..at].trim_end(), &row[at..]));
        row.trim_end().to_owned() + "\n"
    };
    pty.text().lines().map(row).collect()
}

/// Compares the screen with the one that is kept under this name.
#[track_caller]
pub fn keep(home: &Home, pty: &Pty, name: &str) {
    golden::compare("screen", name, &shown(home, pty), &TIMES);
}
