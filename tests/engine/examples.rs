//! The three ways to use the engine, as its examples show them, end well.

#![allow(
    clippy::duplicate_mod,
    reason = "each example has the common part for itself, as when it is run alone"
)]

#[path = "../../core/examples/many_torrents.rs"]
mod many_torrents;
#[path = "../../core/examples/one_torrent.rs"]
mod one_torrent;
#[path = "../../core/examples/shared_resources.rs"]
mod shared_resources;

#[test]
fn one_torrent_over_resources_of_its_own() {
    one_torrent::main().unwrap();
}

#[test]
fn many_torrents_over_one_manager() {
    many_torrents::main().unwrap();
}

#[test]
fn sessions_over_common_resources() {
    shared_resources::main().unwrap();
}
