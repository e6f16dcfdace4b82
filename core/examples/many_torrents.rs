//! Many torrents: a manager, which keeps a list over one set of resources.
//! `cargo run -p tc-core --example many_torrents`

mod support;

use std::time::Duration;

use tc_core::{AddOptions, Delivery, Event, RemoveData, TorrentManager};

const NAMES: [&str; 3] = ["an album", "a book", "a cathedral"];

/// Downloads three torrents at once from a seeder in the same program, over loopback.
pub fn main() -> support::Result<()> {
    let (there, here) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut torrents = Vec::new();
    for (name, bytes) in NAMES.iter().zip([300_000, 600_000, 900_000]) {
        torrents.push(support::make_torrent(there.path(), name, bytes)?);
    }
    let (seeder, peer) = support::seed(there.path(), 3, &torrents)?;

    let manager = TorrentManager::start(support::on_loopback(here.path(), 4))?;
    // One queue for the events of all torrents, present and future.
    let mut events = manager.subscribe_all("session.added session.completed session.error")?;
    for torrent in &torrents {
        let options = AddOptions { peers: vec![peer], ..AddOptions::default() };
        manager.add_metainfo(torrent.clone(), options)?;
    }
    // A torrent that is there already is not added again.
    let again = manager.add_metainfo(torrents[0].clone(), AddOptions::default())?;
    println!("{} torrents; {} is one of them", manager.all().len(), again.metainfo().name);

    let story = async {
        let mut missing = torrents.len();
        while missing > 0 {
            let Delivery::Event(tagged) = events.next().await else { continue };
            let session = tagged.info_hash.and_then(|hash| manager.get(&hash)).ok_or("an unknown torrent")?;
            let name = &session.metainfo().name;
            match &*tagged.event {
                Event::SessionAdded { size, .. } => println!("{name}: added, {size} bytes"),
                Event::SessionCompleted { .. } => {
                    println!("{name}: complete");
                    missing -= 1;
                }
                Event::SessionError { message, .. } => return Err(message.to_string()),
                _ => {}
            }
        }
        Ok(())
    };
    let runtime = manager.shared().tasks().runtime();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), story).await })??;

    manager.pause_all();
    manager.resume_all();
    manager.remove_torrent(&torrents[0].info_hash, RemoveData::Keep)?;
    println!("{} torrents are left", manager.all().len());
    manager.shutdown();
    seeder.shutdown();
    NAMES.iter().try_for_each(|name| support::compare(name, there.path(), here.path()))
}
