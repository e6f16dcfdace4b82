//! The program as a person meets it: in a terminal that is closed, resized, killed and typed into.

mod cli;
mod demo;
mod get;
mod hostile;
mod journey;
mod leaving;
mod magnets;
mod queue;
mod scenarios;
mod settings;
mod shown;
mod sizes;
mod storage;
#[path = "../support/mod.rs"]
mod support;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "../support/tmpfs.rs"]
mod tmpfs;
mod trackers;
