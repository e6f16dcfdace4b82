//! What the examples have in common: torrents made on the spot and an engine that seeds them.

// Each example uses its part.
#![allow(dead_code)]

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use sha1::{Digest as _, Sha1};
use tc_core::{AddOptions, Config, Delivery, Event, Metainfo, Session, SharedResources, TorrentManager};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PIECE: usize = 64 * 1024;

/// A file of this many bytes in `dir`, and its torrent.
pub fn make_torrent(dir: &Path, name: &str, bytes: usize) -> Result<Metainfo> {
    let content: Vec<u8> = (0..bytes).map(|at| (at ^ (at >> 7) ^ name.len()) as u8).collect();
    std::fs::write(dir.join(name), &content)?;
    let pieces: Vec<u8> = content.chunks(PIECE).flat_map(|piece| Sha1::digest(piece).to_vec()).collect();
    let head = format!(
        "d4:infod6:lengthi{bytes}e4:name{}:{name}12:piece lengthi{PIECE}e6:pieces{}:",
        name.len(),
        pieces.len()
    );
    let torrent = [head.as_bytes(), &pieces, b"ee"].concat();
    Ok(Metainfo::parse(torrent.into())?)
}

/// Settings for an engine that stays on loopback.
pub fn on_loopback(dir: &Path, host: u8) -> Config {
    let mut config = Config::new(dir);
    config.listen = vec![SocketAddr::from(([127, 0, 6, host], 0))];
    config
}

/// An engine that has these torrents' files in `dir` and serves them.
pub fn seed(dir: &Path, host: u8, torrents: &[Metainfo]) -> Result<(TorrentManager, SocketAddr)> {
    let manager = TorrentManager::start(on_loopback(dir, host))?;
    for torrent in torrents {
        manager.add_metainfo(torrent.clone(), AddOptions::default())?;
    }
    let address = *manager.shared().listening().addresses.first().ok_or("nobody can call the seeder")?;
    Ok((manager, address))
}

/// Tells what happens to a torrent until it is complete.
pub fn follow(session: &Session, shared: &SharedResources, mut events: tc_core::Subscription) -> Result<()> {
    let name = session.metainfo().name.clone();
    let story = async {
        loop {
            match events.next().await {
                Delivery::Event(tagged) => match &*tagged.event {
                    Event::PeerConnected { address, .. } => println!("{name}: a peer at {address}"),
                    Event::PieceCompleted { complete, total, .. } => {
                        println!("{name}: {complete} of {total} pieces")
                    }
                    Event::SessionCompleted { size, .. } => {
                        println!("{name}: complete, {size} bytes");
                        return Ok(());
                    }
                    Event::SessionError { message, .. } => return Err(message.to_string().into()),
                    _ => {}
                },
                // Events are hints: who was too slow looks at the snapshot, which is the truth.
                Delivery::Missed(_) if session.stats().is_some_and(|stats| stats.is_complete()) => {
                    return Ok(());
                }
                Delivery::Missed(count) => println!("{name}: {count} events missed"),
            }
        }
    };
    let runtime = shared.tasks().runtime();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), story).await })?
}

/// Whether two folders hold the same file.
pub fn compare(name: &str, one: &Path, other: &Path) -> Result<()> {
    if std::fs::read(one.join(name))? != std::fs::read(other.join(name))? {
        return Err(format!("{name} is not what was seeded").into());
    }
    println!("{name}: the same bytes on both sides");
    Ok(())
}
