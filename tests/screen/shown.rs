//! Screens as they are kept: without what differs from run to run and from machine to machine.

use crate::support::golden;
use crate::support::home::Home;
use crate::support::pty::Pty;

/// Rows that hold one of these have a time or a port in them, whose digits are masked.
const TIMES: [&str; 5] = ["added ", " info ", " warn ", "u undo", " Port "];

/// The usual folder for downloads, as it is shown.
const USUAL: &str = "~/downloads";

/// The screen with the home folder as `~`, and without the room on this machine's disk.
pub fn shown(home: &Home, pty: &Pty) -> String {
    let folder = home.folder().display().to_string();
    let row = |row: &str| {
        // It stands at the end of the header; what was before it stays in its place.
        let row = row.split("free ").next().filter(|_| row.starts_with("tc ")).unwrap_or(row);
        let row = row.replace(&folder, "~");
        // So does the room in the usual folder, which the add dialog names.
        let usual = row.find(USUAL).filter(|_| row.contains(" free "));
        let row = usual.map_or(row.clone(), |at| row[..at + USUAL.len()].to_owned());
        let row = if row.starts_with("tc ") { without_port(&row) } else { row };
        let peers = row.find("port ").filter(|_| row.starts_with("tc "));
        // Where the free room is not known what is before it stands further right.
        let row = peers.map_or(row.clone(), |at| format!("{}  {}", row[..at].trim_end(), &row[at..]));
        row.trim_end().to_owned() + "\n"
    };
    pty.text().lines().map(row).collect()
}

/// The header without the number of the port, which the system picked.
fn without_port(header: &str) -> String {
    let Some((before, after)) = header.split_once("port ") else { return header.to_owned() };
    format!("{before}port {}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// Compares the screen with the one that is kept under this name.
#[track_caller]
pub fn keep(home: &Home, pty: &Pty, name: &str) {
    golden::compare("screen", name, &shown(home, pty), &TIMES);
}
