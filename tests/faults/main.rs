//! What is left when the program is killed, its disk fails, its files change or its system is out of
//! something: the list is never lost, what is claimed is right, and other torrents go on.
//!
//! Small file systems of a test's own ask for root: `tests/run` sees to it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod assumed;
mod changed;
mod claimed;
mod clock;
mod disk_full;
mod kills;
mod limits;
#[path = "../support/lines.rs"]
mod lines;
mod modes;
mod mounts;
mod moves;
mod refused;
mod run;
#[path = "../support/mod.rs"]
mod support;
mod swarm;
#[path = "../support/tmpfs.rs"]
mod tmpfs;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "../support/torrent.rs"]
mod torrent;
#[path = "../support/wait.rs"]
mod wait;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "../support/work.rs"]
mod work;
