//! Engines for tests: one that seeds and one that fetches, each on an address of its own.

use std::net::SocketAddr;
use std::path::Path;

use tc_core::stats::SessionState;
use tc_core::{AddOptions, Config, InfoHash, Metainfo, Session, TorrentManager};
use tempfile::TempDir;

use crate::single;
use crate::wait::{Deadline, until};

/// Bytes per piece of the test torrents.
pub const PIECE: u32 = 64 * 1024;

/// One engine with one torrent.
pub struct Engine {
    pub manager: TorrentManager,
    pub session: Session,
    pub content: Vec<u8>,
    dir: TempDir,
}

/// A torrent of this many bytes; the seed gives the content.
pub fn torrent(seed: u64, length: usize) -> (Vec<u8>, Metainfo) {
    let content = single::content(seed, length);
    let metainfo = Metainfo::parse(single::single("it", &content, PIECE, None).into()).expect("a torrent");
    (content, metainfo)
}

/// The settings that tests use.
pub fn config(dir: &Path, host: [u8; 4]) -> Config {
    let mut config = Config::new(dir);
    config.listen = vec![SocketAddr::from((host, 0))];
    config
}

impl Engine {
    /// Has everything and serves it.
    pub fn seeding(host: [u8; 4], seed: u64, length: usize) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (content, metainfo) = torrent(seed, length);
        std::fs::write(dir.path().join("it"), &content).expect("room on the disk");
        let engine = Self::start(dir, host, content, metainfo, Vec::new());
        engine.wait_for(SessionState::Seeding);
        engine
    }

    /// Has nothing and knows these peers.
    pub fn leeching(host: [u8; 4], seed: u64, length: usize, peers: Vec<SocketAddr>) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (content, metainfo) = torrent(seed, length);
        let engine = Self::start(dir, host, content, metainfo, peers);
        let running = |state| matches!(state, SessionState::Downloading | SessionState::Seeding);
        until(Deadline::seconds(20), "the torrent to run", || engine.state().filter(|state| running(*state)));
        engine
    }

    fn start(
        dir: TempDir,
        host: [u8; 4],
        content: Vec<u8>,
        metainfo: Metainfo,
        peers: Vec<SocketAddr>,
    ) -> Self {
        let manager = TorrentManager::start(config(dir.path(), host)).expect("an engine");
        let options = AddOptions { peers, ..AddOptions::default() };
        let session = manager.add_metainfo(metainfo, options).expect("a torrent");
        Self { manager, session, content, dir }
    }

    pub fn address(&self) -> SocketAddr {
        self.manager.shared().listening().addresses[0]
    }

    pub fn hash(&self) -> InfoHash {
        self.session.info_hash()
    }

    fn state(&self) -> Option<SessionState> {
        self.session.stats().map(|stats| stats.state)
    }

    pub fn wait_for(&self, state: SessionState) {
        let deadline = Deadline::seconds(40);
        until(Deadline::seconds(41), "a snapshot", || {
            let stats = self.session.stats()?;
            assert!(stats.state == state || deadline.left().is_some(), "not {state:?}: {stats:#?}");
            (stats.state == state).then_some(())
        });
    }

    /// Everything is there, and it is right.
    pub fn completes(&self) {
        self.wait_for(SessionState::Seeding);
        let got = std::fs::read(self.dir.path().join("it")).expect("it was written");
        assert!(got == self.content, "the content is wrong");
    }

    /// Links that it has now.
    pub fn links(&self) -> u32 {
        self.session.stats().map_or(0, |stats| stats.seeds + stats.leechers)
    }

    /// Waits until every link is gone.
    pub fn wait_for_no_link(&self) {
        until(Deadline::seconds(40), "the links to go", || (self.links() == 0).then_some(()));
    }
}
