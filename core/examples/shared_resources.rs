//! A few torrents without a list: sessions of one's own over common resources.
//! `cargo run -p tc-core --example shared_resources`

mod support;

use std::sync::Arc;

use tc_core::{Session, SharedResources};

const NAMES: [&str; 2] = ["the left shoe", "the right shoe"];

/// Downloads two torrents under one limit from a seeder in the same program, over loopback.
pub fn main() -> support::Result<()> {
    let (there, here) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut torrents = Vec::new();
    for name in NAMES {
        torrents.push(support::make_torrent(there.path(), name, 500_000)?);
    }
    let (seeder, peer) = support::seed(there.path(), 5, &torrents)?;

    let shared = SharedResources::start(support::on_loopback(here.path(), 6))?;
    // Bytes per second, for both together.
    shared.down().limit(Some(4 << 20));
    let mut sessions = Vec::new();
    for torrent in torrents {
        let session = Session::open(torrent, shared.clone())?;
        let events = session.subscribe("piece.completed session.completed session.error")?;
        session.start();
        session.add_peer(peer);
        sessions.push((session, events));
    }
    println!("{} sessions borrow one engine", sessions.len());
    for (session, events) in sessions {
        support::follow(&session, &shared, events)?;
        session.stop();
    }

    shared.shutdown();
    println!("borrowers that are left: {}", Arc::strong_count(&shared) - 1);
    seeder.shutdown();
    NAMES.iter().try_for_each(|name| support::compare(name, there.path(), here.path()))
}
