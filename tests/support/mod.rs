//! What the suites share: a program in a terminal, torrents made on the spot, a home of its own.

// Each suite uses its part.
#![allow(dead_code)]

pub mod golden;
pub mod home;
pub mod pty;
pub mod single;
pub mod tracker;
