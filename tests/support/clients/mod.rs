//! Clients of this and other makes as child processes, each in its place in a test's network.

pub mod driver;
pub mod libtorrent;
pub mod ours;
pub mod tracker;
pub mod transmission;
