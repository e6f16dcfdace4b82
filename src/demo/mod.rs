//! `tc-tui demo`: a small swarm of its own on loopback.

pub mod tracker;
