//! The engine's formats and parts from outside: what a person or a script sees of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod inspect;
mod torrents;
