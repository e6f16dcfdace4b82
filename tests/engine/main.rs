//! The engine's formats and parts from outside: what a person or a script sees of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod alone;
mod corpus;
mod examples;
mod inspect;
mod leaks;
mod lies;
mod limits;
#[path = "../support/lines.rs"]
mod lines;
mod magnets;
mod peers;
mod queue;
mod raw;
#[path = "../support/single.rs"]
mod single;
mod sources;
mod swarm;
mod torrents;
#[path = "../support/tracker.rs"]
mod tracker;
mod trackers;
mod verify;
#[path = "../support/wait.rs"]
mod wait;
