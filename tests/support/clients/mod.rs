//! Clients of this and other makes as child processes, each in its place in a test's network.

pub mod driver;
pub mod make;
pub mod other;
pub mod ours;
pub mod tracker;
