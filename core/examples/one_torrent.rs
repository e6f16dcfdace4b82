//! One torrent: a session over resources of its own. `cargo run -p tc-core --example one_torrent`

mod support;

use tc_core::{Session, SharedResources};

/// Downloads a small torrent from a seeder in the same program, over loopback.
pub fn main() -> support::Result<()> {
    let (there, here) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let torrent = support::make_torrent(there.path(), "a film", 1_000_000)?;
    let (seeder, peer) = support::seed(there.path(), 1, std::slice::from_ref(&torrent))?;

    // Runtime, disk threads, listeners, limits: all that a session borrows.
    let shared = SharedResources::start(support::on_loopback(here.path(), 2))?;
    let session = Session::open(torrent, shared.clone())?;
    let events = session.subscribe("peer.connected piece.* session.*")?;
    session.start();
    // There is no tracker here that could name one.
    session.add_peer(peer);
    support::follow(&session, &shared, events)?;

    session.stop();
    shared.shutdown();
    seeder.shutdown();
    support::compare("a film", there.path(), here.path())
}
